/* SPDX-License-Identifier: MIT */
/*
 * Hostile databases, journals and logs, from capture over verification to restore: nothing of them
 * leads to another file, and whatever happens the original is only read until it is replaced.
 *
 * Input: the lengths of database, journal and log in blocks of 32 bytes (two bytes each, little
 * endian), then their bytes. Where there is no input yet, the mutator begins with small databases
 * that SQLite made.
 */
#include "fuzz/fuzz.h"

#include "base/file.h"
#include "database/sqlite/sqlite.h"
#include "database/sqlite/sqlite_select.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PARTS 3
#define BLOCK_BYTES 32
#define HEAD_BYTES (2 * PARTS)
#define SENTINEL "sentinel" /* journals name it: beside everything else, in the folder of all */
#define SEEDS 4

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t size_most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_most, unsigned seed);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static const char *const NAMES[PARTS] = {"live/tracker.db", "live/tracker.db-journal",
                                         "live/tracker.db-wal"};
static char folder[] = "/dev/shm/tbk-fuzz-XXXXXX";
static int home = -1, work = -1; /* libFuzzer's own folder, and that of all these files */
static struct seed {
    uint8_t bytes[48 << 10];
    size_t size;
} seeds[SEEDS];

/* --- files --- */

static void put(const char *name, const void *bytes, size_t length)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0 && write(fd, bytes, length) == (ssize_t)length && close(fd) == 0);
}

static size_t get(const char *name, uint8_t *bytes, size_t size)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, bytes, size) : 0;
    if (fd >= 0)
        (void)close(fd);
    must(got >= 0);
    return (size_t)got;
}

static void clear(const char *name)
{
    tbk_error err;
    must(tbk_directory_remove_at(AT_FDCWD, name, &err) && mkdir(name, 0700) == 0);
}

/* The folder of all holds what the test has put there, and nothing else. */
static void must_be_alone(void)
{
    tbk_auto(DIR) *listing = opendir(".");
    must(listing != NULL);
    int count = 0;
    while (readdir(listing) != NULL)
        count++;
    must(count == 5); /* ., .., live, scratch, sentinel */
    must(access(SENTINEL, F_OK) == 0);
}

/* --- what there is to begin with --- */

static void execute(sqlite3 *db, const char *sql)
{
    must(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK);
}

static sqlite3 *make(const char *settings)
{
    sqlite3 *db;
    must(sqlite3_open(NAMES[0], &db) == SQLITE_OK);
    execute(db, "PRAGMA page_size=512");
    execute(db, settings);
    execute(db, "CREATE TABLE torrents (id INTEGER PRIMARY KEY AUTOINCREMENT, info_hash TEXT NOT "
                "NULL UNIQUE, completed INTEGER DEFAULT 0 CHECK (completed >= 0));"
                "CREATE TABLE keys (key TEXT PRIMARY KEY, valid INTEGER) WITHOUT ROWID;"
                "CREATE INDEX by_completed ON torrents (completed) WHERE completed > 0;"
                "CREATE VIEW v AS SELECT * FROM torrents;"
                "INSERT INTO torrents (info_hash, completed) VALUES ('aa', 0), ('bb', 3);"
                "INSERT INTO keys VALUES ('k', 1)");
    return db;
}

static void take(struct seed *out)
{
    size_t at = HEAD_BYTES;
    for (int part = 0; part < PARTS; part++) {
        size_t length = get(NAMES[part], out->bytes + at, sizeof out->bytes - at - BLOCK_BYTES);
        size_t blocks = (length + BLOCK_BYTES - 1) / BLOCK_BYTES;
        memset(out->bytes + at + length, 0, blocks * BLOCK_BYTES - length);
        out->bytes[2 * part] = (uint8_t)(blocks & 0xff);
        out->bytes[2 * part + 1] = (uint8_t)(blocks >> 8);
        at += blocks * BLOCK_BYTES;
    }
    out->size = at;
}

/* As a crash leaves them: taken while the transaction stands. */
static void make_seeds(void)
{
    static const char *const TRAILER =
        "sentinel\0\0\0\x08\0\0\x03\x5b\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";
    static const char *const MODES[SEEDS] = {
        "PRAGMA journal_mode=DELETE", "PRAGMA journal_mode=DELETE; PRAGMA cache_size=1",
        "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0", "PRAGMA journal_mode=DELETE"};
    for (int i = 0; i < SEEDS; i++) {
        clear("live");
        sqlite3 *db = make(MODES[i]);
        execute(db, "BEGIN; UPDATE torrents SET completed = completed + 1");
        if (i == 1)
            execute(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60) "
                        "INSERT INTO torrents (info_hash) SELECT hex(randomblob(20)) FROM n");
        if (i == 2)
            execute(db, "COMMIT; BEGIN");
        if (i == 3) {
            uint8_t journal[64] = "AAAAAAAA";
            memcpy(journal + 40, TRAILER, 24);
            put(NAMES[1], journal, sizeof journal);
        }
        take(&seeds[i]);
        (void)sqlite3_close(db);
    }
}

static void remove_all(void)
{
    tbk_error ignored;
    (void)tbk_directory_remove_at(AT_FDCWD, folder, &ignored);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(mkdtemp(folder) != NULL);
    work = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(home >= 0 && work >= 0 && fchdir(work) == 0 && atexit(remove_all) == 0);
    must(mkdir("live", 0700) == 0 && mkdir("scratch", 0700) == 0);
    make_seeds();
    return fchdir(home);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t size_most, unsigned seed)
{
    const struct seed *from = &seeds[seed % SEEDS];
    if (size > 64 || from->size > size_most)
        return LLVMFuzzerMutate(data, size, size_most);
    memcpy(data, from->bytes, from->size);
    return from->size;
}

/* --- the way of a database --- */

static void unpack(const uint8_t *data, size_t size)
{
    size_t at = HEAD_BYTES;
    for (int part = 0; part < PARTS && size >= HEAD_BYTES; part++) {
        size_t length = (size_t)(data[2 * part] | data[2 * part + 1] << 8) * BLOCK_BYTES;
        if (length > size - at)
            length = size - at;
        if (length > 0 || part == 0)
            put(NAMES[part], data + at, length);
        at += length;
    }
}

/* Except for harmless failures: it could not be read, or another process holds a lock. */
static void must_be_told(const tbk_error *err)
{
    must(err->code != TBK_E_OK && err->message[0] != '\0');
    must(strpbrk(err->message, "\n\r\033") == NULL);
}

static bool check(tbk_arena *arena, const char *path)
{
    tbk_sqlite_check found;
    tbk_error err = {0};
    if (tbk_sqlite_prove(arena, path, NULL, &found, &err))
        return true;
    must_be_told(&err);
    return false;
}

static void select_rows(tbk_arena *arena, const char *source)
{
    tbk_rules rules = {0};
    tbk_selection selection;
    tbk_error err = {0};
    tbk_rules_default(&rules);
    if (!tbk_sqlite_select(arena, source, "scratch/essential.db", &rules, NULL, &selection, &err)) {
        must_be_told(&err);
        return;
    }
    tbk_sqlite_facts facts;
    if (!tbk_sqlite_recover("scratch/essential.db", NULL, &facts, &err))
        must_be_told(&err);
    else
        (void)check(arena, "scratch/essential.db");
}

/* As a held copy, recovered, proved, selected from. */
static bool capture(tbk_arena *arena)
{
    tbk_sqlite_facts facts;
    tbk_error err = {0};
    if (!tbk_sqlite_inspect(NAMES[0], &facts, &err) ||
        !tbk_sqlite_copy_held(NAMES[0], "scratch/tracker.db", NULL, &err) ||
        !tbk_sqlite_recover("scratch/tracker.db", NULL, &facts, &err)) {
        must_be_told(&err);
        return false;
    }
    select_rows(arena, "scratch/tracker.db");
    return check(arena, "scratch/tracker.db");
}

/* Without a hold: through SQLite, beside any writer. */
static void capture_live(void)
{
    static uint8_t bytes[1 << 16];
    tbk_error err = {0};
    tbk_sqlite_facts facts;
    tbk_auto(tbk_sqlite_hot) *hot = NULL;
    size_t got = 1;
    if (tbk_sqlite_hot_open(NAMES[0], "scratch", NULL, &hot, &err)) {
        bool ok = true;
        while (ok && got > 0)
            ok = tbk_sqlite_hot_read(hot, bytes, sizeof bytes, &got, &err);
        if (!ok || !tbk_sqlite_hot_finish(hot, &facts, &err))
            must_be_told(&err);
    } else if (!tbk_sqlite_copy_locked(NAMES[0], "scratch/locked.db", NULL, &err)) {
        must_be_told(&err);
    }
}

static void restore(void)
{
    tbk_error err = {0};
    if (tbk_sqlite_swap(NAMES[0], "scratch/tracker.db", "live/kept", NULL, &err))
        must(access(NAMES[0], F_OK) == 0 && access("live/kept", F_OK) == 0);
    else
        must_be_told(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    static uint8_t before[1 << 17], after[1 << 17];
    must(fchdir(work) == 0);
    clear("live");
    clear("scratch");
    put(SENTINEL, "", 0);
    unpack(data, size);
    size_t length = get(NAMES[0], before, sizeof before);
    bool sound = capture(arena);
    must(get(NAMES[0], after, sizeof after) == length && memcmp(before, after, length) == 0);
    must_be_alone();
    capture_live();
    must_be_alone();
    if (sound)
        restore();
    must_be_alone();
    must(fchdir(home) == 0);
    return 0;
}
