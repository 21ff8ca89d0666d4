/* SPDX-License-Identifier: MIT */
/* The ways to copy a live database: hot, held and reflink, and the broken ones. */
#include "trials/methods.h"

#include "base/file.h"
#include "database/sqlite/sqlite_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define PIECES 50 /* about so many reads; odd sizes, which end within pages */

/* --- reading slowly --- */

typedef bool source_read(void *source, void *buffer, size_t size, size_t *out_got, tbk_error *err);

typedef struct pouring {
    capture *of;
    source_read *read;
    void *source;
    uint64_t size_bytes;
    void (*between)(const capture *of); /* two reads; NULL: nothing */
} pouring;

static void wait_between(const pouring *self, uint64_t piece)
{
    load_sleep_us(self->of->reading_ms * 1000 / PIECES);
    if (self->between != NULL)
        self->between(self->of);
    if (piece == PIECES / 2 && self->of->wakes_writers)
        load_wake(self->of->load);
}

static bool pour_into(const pouring *self, int target, size_t most, void *buffer,
                      uint64_t *out_bytes, tbk_error *err)
{
    size_t got = 1;
    *out_bytes = 0;
    for (uint64_t piece = 0; got > 0; piece++, *out_bytes += got) {
        if (!self->read(self->source, buffer, most, &got, err) ||
            !tbk_file_write_all(target, buffer, got, err))
            return false;
        wait_between(self, piece);
    }
    return true;
}

/* To the source's end, wherever that is: the size says only how large the pieces are. */
static bool pour(const pouring *self, const char *target, uint64_t *out_bytes, tbk_error *err)
{
    size_t most = (size_t)(self->size_bytes / PIECES + 1 + self->of->seed % 1000);
    tbk_auto_free void *buffer = malloc(most);
    tbk_auto_fd int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || buffer == NULL)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot write '%s'", target);
    return pour_into(self, fd, most, buffer, out_bytes, err);
}

static bool read_descriptor(void *source, void *buffer, size_t size, size_t *out_got,
                            tbk_error *err)
{
    ssize_t got = tbk_file_read_some(*(int *)source, buffer, size);
    if (got < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read");
    *out_got = (size_t)got;
    return true;
}

/* A plain copy of "<database><suffix>" as it is while it is read. The descriptor is the caller's:
 * to close it drops the locks of this process. */
static bool pour_descriptor(capture *self, int fd, const char *suffix, tbk_error *err)
{
    char target[PATH_MAX];
    off_t size = lseek(fd, 0, SEEK_END);
    if (size < 0 || lseek(fd, 0, SEEK_SET) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot read");
    (void)snprintf(target, sizeof target, "%s%s", self->copy, suffix);
    const pouring plain = {
        .of = self, .read = read_descriptor, .source = &fd, .size_bytes = (uint64_t)size};
    uint64_t bytes;
    return pour(&plain, target, &bytes, err);
}

static bool open_companion(const capture *self, const char *suffix, int *out, tbk_error *err)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s%s", self->database, suffix);
    *out = open(path, O_RDONLY | O_CLOEXEC);
    return *out >= 0 || tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot open '%s'", path);
}

/* --- hot --- */

static bool facts_are_right(const capture *self, const tbk_sqlite_facts *told, tbk_error *err)
{
    tbk_sqlite_facts is;
    if (!tbk_sqlite_inspect(self->copy, &is, err))
        return false;
    return (is.size_bytes == told->size_bytes && is.pages == told->pages && is.wal == told->wal &&
            is.page_size_bytes == told->page_size_bytes &&
            is.change_counter == told->change_counter &&
            is.pages * is.page_size_bytes == is.size_bytes) ||
           tbk_fail(err, TBK_E_CORRUPT, NULL, "the facts are not those of the copy");
}

/* between also runs right after the snapshot was pinned. */
static bool copy_hot(capture *self, void (*between)(const capture *of), tbk_error *err)
{
    tbk_auto(tbk_sqlite_hot) *hot = NULL;
    tbk_sqlite_facts facts;
    self->from = load_committed(self->load);
    if (!tbk_sqlite_hot_open(self->database, self->scratch, NULL, &hot, err))
        return false;
    self->to = load_begun(self->load);
    if (between != NULL)
        between(self);
    const pouring reading = {.of = self,
                             .read = tbk_sqlite_hot_read,
                             .source = hot,
                             .size_bytes = tbk_sqlite_hot_size_bytes(hot),
                             .between = between};
    uint64_t bytes;
    if (!pour(&reading, self->copy, &bytes, err) || !tbk_sqlite_hot_finish(hot, &facts, err))
        return false;
    if (bytes != reading.size_bytes)
        return tbk_fail(err, TBK_E_CORRUPT, NULL, "%llu bytes came instead of %llu",
                        (unsigned long long)bytes, (unsigned long long)reading.size_bytes);
    return facts_are_right(self, &facts, err);
}

static bool hot(capture *self, tbk_error *err) { return copy_hot(self, NULL, err); }

/* What POSIX makes of a second descriptor: closing it drops the locks that the first one has. */
static void drop_locks(const capture *self)
{
    static const char *const suffixes[] = {"", "-shm"};
    for (size_t i = 0; i < 2; i++) {
        tbk_auto_fd int fd = -1;
        tbk_error ignored;
        (void)open_companion(self, suffixes[i], &fd, &ignored);
    }
}

static bool hot_with_second_descriptor(capture *self, tbk_error *err)
{
    return copy_hot(self, drop_locks, err);
}

static bool hot_without_overlay(capture *self, tbk_error *err)
{
    tbk_auto_fd int fd = -1; /* opened first and closed last, so that the pin stands */
    tbk_auto(sqlite3) *pin = NULL;
    int64_t objects;
    if (!open_companion(self, "", &fd, err) ||
        !tbk_sqlite_open(self->database, SQLITE_OPEN_READWRITE, &pin, err))
        return false;
    self->from = load_committed(self->load);
    if (!tbk_sqlite_exec(pin, "BEGIN", err) ||
        !tbk_sqlite_integer(pin, "SELECT count(*) FROM sqlite_schema", &objects, err))
        return false;
    self->to = load_begun(self->load);
    return pour_descriptor(self, fd, "", err);
}

static bool hot_without_pin(capture *self, tbk_error *err)
{
    tbk_auto_fd int fd = -1;
    tbk_auto_fd int wal = -1;
    tbk_sqlite_facts facts;
    self->from = load_committed(self->load);
    if (!open_companion(self, "", &fd, err) || !pour_descriptor(self, fd, "", err) ||
        !open_companion(self, "-wal", &wal, err) || !pour_descriptor(self, wal, "-wal", err))
        return false;
    self->to = load_begun(self->load);
    return tbk_sqlite_recover(self->copy, NULL, &facts, err);
}

/* --- held --- */

static bool held(capture *self, tbk_error *err)
{
    tbk_sqlite_facts facts;
    if (!load_freeze(self->load, err))
        return false;
    self->from = load_committed(self->load);
    self->to = load_begun(self->load);
    bool ok = tbk_sqlite_copy_held(self->database, self->copy, NULL, err);
    load_thaw(self->load);
    return ok && tbk_sqlite_recover(self->copy, NULL, &facts, err);
}

/* --- reflink --- */

static bool reflink(capture *self, tbk_error *err)
{
    int64_t locked_ms;
    self->from = load_committed(self->load);
    bool ok = tbk_sqlite_copy_reflink(self->database, self->copy, NULL, &locked_ms, err);
    self->to = load_begun(self->load);
    return ok;
}

const method *method_find(const char *name, const char *variant)
{
    static const method methods[] = {
        {"hot", NULL, hot, .wal = true},
        {"hot", "no-overlay", hot_without_overlay, .wal = true},
        {"hot", "second-descriptor", hot_with_second_descriptor, .wal = true},
        {"hot", "no-pin", hot_without_pin, .wal = true},
        {"held", NULL, held, .wal = true, .rollback_journal = true},
        {"reflink", NULL, reflink, .rollback_journal = true},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const char *is = methods[i].variant;
        bool same = variant == NULL ? is == NULL : is != NULL && strcmp(is, variant) == 0;
        if (same && strcmp(methods[i].name, name) == 0)
            return &methods[i];
    }
    return NULL;
}
