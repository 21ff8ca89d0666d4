/* SPDX-License-Identifier: MIT */
/* One contract for repositories wherever restic keeps them, and what only some places can show. */
#include "contract/offsite.h"

#include <sched.h>
#include <sys/mount.h>

static tbk_arena *arena;
static tbk_restic *restic;
static tbk_repository port;
static tbk_error err;
static const char *gap; /* of the last list */

/* --- watching restic while it runs --- */

/* What a report's `cancelled` does, which is asked all the time. */
static struct {
    int64_t cancel_at_ms; /* 0 = never */
    bool kill;            /* the child, once it has had a while */
    bool stall;           /* the server, the same */
    unsigned seen;        /* children that had a planted secret in their environment */
    unsigned leaked;      /* processes that had one in their arguments */
    uint64_t most_bytes, total_bytes;
    char phase[16];
    char said[8192];
    int64_t begin_ms;
} watch;

static size_t read_proc(long pid, const char *name, char *out, size_t size)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    size_t length = fread(out, 1, size - 1, file);
    (void)fclose(file);
    out[length] = '\0';
    return length;
}

static bool has_secret(const char *bytes, size_t length)
{
    return memmem(bytes, length, "planted-", strlen("planted-")) != NULL;
}

static void look_at_arguments(void)
{
    static char bytes[65536];
    DIR *all = opendir("/proc");
    assert_non_null(all);
    for (const struct dirent *entry; (entry = readdir(all)) != NULL;) {
        long pid = strtol(entry->d_name, NULL, 10);
        if (pid > 0 && has_secret(bytes, read_proc(pid, "cmdline", bytes, sizeof bytes)))
            watch.leaked++;
    }
    (void)closedir(all);
}

/* The program itself, past the moment in which it is still a copy of this process. */
static long running_child(void)
{
    static char bytes[65536];
    char children[4096];
    char name[64];
    (void)snprintf(name, sizeof name, "task/%d/children", (int)getpid());
    (void)read_proc(getpid(), name, children, sizeof children);
    long child = strtol(children, NULL, 10);
    if (child <= 0 || read_proc(child, "comm", name, sizeof name) == 0 ||
        strncmp(name, "restic", 6) != 0)
        return 0;
    if (has_secret(bytes, read_proc(child, "environ", bytes, sizeof bytes)))
        watch.seen++;
    return child;
}

/* It is there, and takes what its buffers hold; that is all. */
static void stall_server(bool is_stalled)
{
    assert_int_equal(
        run_line("kill -%s $(cat %s/server/pid)", is_stalled ? "STOP" : "CONT", offsite_scratch),
        0);
}

static bool look(void *self)
{
    (void)self;
    long child = running_child();
    look_at_arguments();
    bool is_late = tbk_clock_monotonic_ms() > watch.begin_ms + 3000;
    if (child > 0 && watch.kill && is_late)
        (void)kill((pid_t)child, SIGKILL);
    if (child > 0 && watch.stall && is_late)
        stall_server(true);
    return watch.cancel_at_ms != 0 && tbk_clock_monotonic_ms() >= watch.cancel_at_ms;
}

static void see_progress(void *self, const char *phase, uint64_t done, uint64_t total)
{
    (void)self;
    (void)snprintf(watch.phase, sizeof watch.phase, "%s", phase);
    if (done > watch.most_bytes)
        watch.most_bytes = done;
    watch.total_bytes = total;
}

static void hear(void *self, tbk_log_level level, const char *phase, const char *message)
{
    (void)self;
    (void)level;
    size_t length = strlen(watch.said);
    (void)snprintf(watch.said + length, sizeof watch.said - length, "%s: %s\n", phase, message);
}

static const tbk_report REPORT = {.progress = see_progress, .log = hear, .cancelled = look};

static void begin_watch(void)
{
    memset(&watch, 0, sizeof watch);
    watch.begin_ms = tbk_clock_monotonic_ms();
}

/* --- each test: a repository that is not there yet --- */

static void open_restic(void)
{
    tbk_restic_free(restic);
    restic = NULL;
    assert_succeeds(tbk_restic_open(&settings, &restic, &err), err);
    port = tbk_restic_port(restic);
}

static int begin_test(void **state)
{
    (void)state;
    arena = tbk_arena_new();
    begin_watch();
    new_settings(&REPORT);
    open_restic();
    return 0;
}

static int end_test(void **state)
{
    (void)state;
    tbk_restic_free(restic);
    restic = NULL;
    tbk_arena_free(arena);
    if (watch.leaked > 0)
        print_error("a secret stood in the arguments of %u processes\n", watch.leaked);
    if (has_secret(watch.said, strlen(watch.said)))
        print_error("a secret was said: %s\n", watch.said);
    return watch.leaked == 0 && !has_secret(watch.said, strlen(watch.said)) && !has_children() ? 0
                                                                                               : -1;
}

#define assert_refused(call, code, part)                                                           \
    do {                                                                                           \
        assert_fails(call, err, code, part);                                                       \
        assert_false(has_secret(err.message, strlen(err.message)));                                \
    } while (0)

static const char *const FULL[] = {"full", NULL};

static const char *sent_id(const char *id, const char *name)
{
    tbk_repository_sent sent = {0};
    const tbk_repository_set set = {
        .store = in_scratch("store"), .id = id, .name = name, .tags = FULL};
    assert_succeeds(port.send(port.self, arena, &set, &sent, &err), err);
    assert_int_equal(strlen(sent.snapshot), 64);
    return sent.snapshot;
}

static void init(void) { assert_succeeds(port.init(port.self, &err), err); }

static tbk_snapshot *list(void)
{
    tbk_snapshot *found = NULL;
    assert_succeeds(port.list(port.self, arena, &found, &gap, &err), err);
    return found;
}

static tbk_repository_lock *locks(void)
{
    tbk_repository_lock *found = NULL;
    assert_succeeds(port.locks(port.self, arena, &found, &err), err);
    return found;
}

/* --- the contract --- */

static void is_made_only_when_asked_and_once(void **state)
{
    (void)state;
    const char *id = NULL, *again = NULL;
    tbk_snapshot *found = NULL;
    assert_refused(port.identify(port.self, arena, &id, &err), TBK_E_NOT_FOUND,
                   settings.repository);
    assert_refused(port.list(port.self, arena, &found, &gap, &err), TBK_E_NOT_FOUND,
                   settings.repository);
    assert_refused(port.identify(port.self, arena, &id, &err), TBK_E_NOT_FOUND,
                   "in the repository");
    init();
    assert_succeeds(port.identify(port.self, arena, &id, &err), err);
    assert_int_equal(strlen(id), 64);
    assert_refused(port.init(port.self, &err), TBK_E_CONFIG, "already");
    assert_succeeds(port.identify(port.self, arena, &again, &err), err);
    assert_string_equal(id, again);
}

static void refuses_a_wrong_password(void **state)
{
    (void)state;
    const char *id = NULL;
    init();
    variables[0] = "RESTIC_PASSWORD=planted-another-one";
    open_restic();
    assert_refused(port.identify(port.self, arena, &id, &err), TBK_E_KEY, "wrong password");
}

static void assert_is_sent(const tbk_snapshot *found, const char *id, const char *name,
                           const char *set)
{
    int64_t time_s;
    assert_non_null(found);
    assert_string_equal(found->id, id);
    assert_string_equal(found->name, name);
    assert_string_equal(found->set, set);
    assert_true(tbk_clock_parse_compact(set, &time_s) && time_s == found->time_s);
    assert_string_equal(found->tags[0], "full");
    assert_null(found->tags[1]);
}

static void assert_files(const tbk_snapshot *snapshot, uint64_t database_bytes)
{
    size_t count = 0;
    uint64_t total_bytes = 0;
    tbk_snapshot_file *files = NULL;
    assert_succeeds(port.files(port.self, arena, snapshot, &files, &err), err);
    for (; files != NULL; files = files->next) {
        count++;
        total_bytes += files->size_bytes;
        if (strcmp(files->name, "database.db.zst") == 0)
            assert_int_equal(files->size_bytes, database_bytes);
    }
    assert_int_equal(count, 3);
    assert_int_equal(total_bytes, database_bytes + 300);
}

static bool keep_bytes(void *taker, const char *bytes, size_t length, tbk_error *error)
{
    (void)error;
    return fwrite(bytes, 1, length, taker) == length;
}

static bool take_no_more(void *taker, const char *bytes, size_t length, tbk_error *error)
{
    (void)taker;
    (void)bytes;
    (void)length;
    return tbk_fail(error, TBK_E_SPACE, NULL, "no more is taken");
}

static void assert_reads(const tbk_snapshot *snapshot)
{
    FILE *out = fopen(in_scratch("read"), "w");
    assert_non_null(out);
    assert_succeeds(port.read(port.self, snapshot, "database.db.zst", keep_bytes, out, &err), err);
    (void)fclose(out);
    assert_int_equal(run_line("cmp %s/read %s/store/%s/database.db.zst", offsite_scratch,
                              offsite_scratch, snapshot->set),
                     0);
    assert_refused(port.read(port.self, snapshot, "database.db.zst", take_no_more, NULL, &err),
                   TBK_E_SPACE, "no more is taken");
    assert_refused(port.read(port.self, snapshot, "nothing", take_no_more, NULL, &err),
                   TBK_E_NOT_FOUND, "nothing");
}

static void comes_back_as_it_went(void **state)
{
    (void)state;
    init();
    const char *newer = sent_id(SET_NEW, "production");
    assert_string_equal(watch.phase, "upload");
    assert_int_equal(watch.total_bytes, 3000300);
    const char *older = sent_id(SET_OLD, "staging");
    tbk_snapshot *found = list();
    assert_is_sent(found, newer, "production", SET_NEW);
    assert_is_sent(found->next, older, "staging", SET_OLD);
    assert_null(found->next->next);
    assert_files(found, 3000000);
    assert_files(found->next, 100000);
    assert_reads(found);
    assert_int_equal(run_line("rm -rf %s/out; mkdir %s/out", offsite_scratch, offsite_scratch), 0);
    assert_succeeds(port.restore(port.self, found, in_scratch("out"), &err), err);
    assert_int_equal(
        run_line("diff -r %s/out %s/store/%s", offsite_scratch, offsite_scratch, SET_NEW), 0);
    assert_string_equal(watch.phase, "download");
    assert_int_equal(watch.total_bytes, 3000300);
    assert_true(watch.seen > 0); /* else nothing says that arguments were looked at in time */
}

static void forgets_what_it_is_told_to(void **state)
{
    (void)state;
    init();
    const char *older = sent_id(SET_OLD, "production");
    const char *newer = sent_id(SET_NEW, "production");
    const char *const none[] = {NULL};
    const char *const ids[] = {older, NULL};
    assert_succeeds(port.forget(port.self, none, &err), err);
    assert_succeeds(port.forget(port.self, ids, &err), err);
    tbk_snapshot *found = list();
    assert_is_sent(found, newer, "production", SET_NEW);
    assert_null(found->next);
    assert_succeeds(port.prune(port.self, &err), err);
    assert_succeeds(port.repair_index(port.self, &err), err);
    for (int64_t part = 1; part <= 3; part++)
        assert_succeeds(port.check(port.self, part, 3, &err), err);
    assert_null(locks());
    assert_files(list(), 3000000);
}

static void refuses_what_is_no_set(void **state)
{
    (void)state;
    tbk_repository_sent sent;
    const tbk_snapshot odd = {.id = "--help", .set = SET_OLD};
    const tbk_repository_set sets[] = {
        {.store = in_scratch("store"), .id = "../etc", .name = "production", .tags = FULL},
        {.store = in_scratch("store"), .id = SET_OLD, .name = "-x y", .tags = FULL},
        {.store = in_scratch("store"), .id = "20260216T030000Z", .name = "x", .tags = FULL},
        {.store = in_scratch("no-store"), .id = SET_OLD, .name = "x", .tags = FULL},
    };
    const char *const ids[] = {"latest", NULL};
    init();
    assert_refused(port.send(port.self, arena, &sets[0], &sent, &err), TBK_E_USAGE, "no set's id");
    assert_refused(port.send(port.self, arena, &sets[1], &sent, &err), TBK_E_CONFIG, "a name");
    assert_refused(port.send(port.self, arena, &sets[2], &sent, &err), TBK_E_IO, "does not exist");
    assert_refused(port.send(port.self, arena, &sets[3], &sent, &err), TBK_E_IO, "cannot enter");
    assert_refused(port.restore(port.self, &odd, "/nowhere", &err), TBK_E_USAGE, "no snapshot");
    assert_refused(port.forget(port.self, ids, &err), TBK_E_USAGE, "latest");
    assert_refused(port.check(port.self, 3, 2, &err), TBK_E_USAGE, "part 3 of 2");
    assert_null(list());
}

/* --- locks, stopping --- */

static bool send_slowly(void)
{
    tbk_repository_sent sent;
    const tbk_repository_set set = {
        .store = in_scratch("store"), .id = SET_NEW, .name = "production", .tags = FULL};
    return port.send(port.self, arena, &set, &sent, &err);
}

static void shows_and_removes_what_a_killed_one_left(void **state)
{
    (void)state;
    init();
    settings.limit_upload_kib = 50;
    open_restic();
    begin_watch();
    watch.kill = true;
    assert_refused(send_slowly(), TBK_E_FAILED, "137");
    watch.kill = false;
    tbk_repository_lock *left = locks();
    assert_non_null(left);
    assert_null(left->next);
    assert_int_equal(strlen(left->id), 64);
    assert_true(left->host[0] != '\0' && !left->is_exclusive);
    assert_true(left->time_s > tbk_clock_now_s() - 3600 && left->time_s <= tbk_clock_now_s() + 5);
    assert_succeeds(port.unlock(port.self, true, &err), err);
    assert_null(locks());
    assert_null(list());
}

static void ends_within_seconds_when_it_is_cancelled(void **state)
{
    (void)state;
    init();
    settings.limit_upload_kib = 400; /* over SFTP it first ends the file that it writes */
    open_restic();
    begin_watch();
    watch.cancel_at_ms = watch.begin_ms + 4000;
    assert_refused(send_slowly(), TBK_E_INTERRUPTED, "interrupted");
    assert_soon(watch.begin_ms);
    watch.cancel_at_ms = 0;
    assert_string_equal(watch.phase, "upload");
    assert_int_equal(watch.total_bytes, 3000300);
    assert_false(has_children());
    assert_null(locks()); /* it had the time to tidy up */
    assert_null(list());
}

/* Each piece takes longer than the limit: restic says the same of itself all the time. */
static void goes_on_while_bytes_move(void **state)
{
    (void)state;
    init();
    settings.limit_upload_kib = 200;
    settings.limit_stall_s = 4;
    open_restic();
    assert_succeeds(send_slowly(), err);
    assert_true(tbk_clock_monotonic_ms() > watch.begin_ms + 8000);
}

static void ends_when_nothing_moves(void **state)
{
    (void)state;
    init();
    settings.limit_upload_kib = 200;
    settings.limit_stall_s = 4;
    open_restic();
    begin_watch();
    watch.stall = true;
    bool sent = send_slowly();
    watch.stall = false;
    int64_t took_ms = tbk_clock_monotonic_ms() - watch.begin_ms;
    stall_server(false);
    assert_false(sent);
    assert_int_equal(err.code, TBK_E_NETWORK);
    assert_contains(err.message, "nothing has moved to or from the repository for 4 s");
    assert_contains(err.fix, "hangs");
    assert_true(took_ms < 60000);
    assert_false(has_children());
}

/* --- what only a folder shows --- */

static void finds_a_damaged_pack(void **state)
{
    (void)state;
    init();
    (void)sent_id(SET_NEW, "production");
    assert_succeeds(port.check(port.self, 1, 1, &err), err);
    assert_int_equal(
        run_line("f=$(find %s/data -type f -size +1000k | head -n 1); chmod u+w $f; "
                 "printf 'damage' | dd of=$f bs=1 seek=500000 conv=notrunc 2>/dev/null",
                 settings.repository),
        0);
    int found = 0;
    for (int64_t part = 1; part <= 4; part++)
        if (!port.check(port.self, part, 4, &err)) {
            assert_int_equal(err.code, TBK_E_CORRUPT);
            found++;
        }
    assert_int_equal(found, 1);
    assert_refused(port.check(port.self, 1, 1, &err), TBK_E_CORRUPT, "check failed");
    assert_refused(port.restore(port.self, list(), in_scratch("damaged"), &err), TBK_E_CORRUPT,
                   "cannot restore");
}

/* restic itself leaves it out, and ends with 0. */
static void tells_of_a_snapshot_that_it_cannot_load(void **state)
{
    (void)state;
    init();
    const char *bad = sent_id(SET_OLD, "production");
    const char *good = sent_id(SET_NEW, "production");
    assert_non_null(list());
    assert_null(gap);
    assert_int_equal(run_line("f=%s/snapshots/%s; chmod u+w $f; echo damage >$f; rm -rf %s/*",
                              settings.repository, bad, settings.cache_folder),
                     0);
    const tbk_snapshot *found = list();
    assert_string_equal(found->id, good);
    assert_null(found->next);
    assert_non_null(gap);
    assert_contains(gap, bad);
    assert_contains(gap, "failed to load snapshot");
}

/* Mounts of this process alone, so that nothing stays mounted. */
static bool may_mount(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static void keeps_no_set_that_it_could_not_read_whole(void **state)
{
    (void)state;
    char file[128];
    (void)snprintf(file, sizeof file, "%s/store/%s/manifest.json", offsite_scratch, SET_NEW);
    if (!may_mount())
        skip_because("only root can make a file that fails to be read");
    init();
    assert_int_equal(mount("/proc/self/mem", file, NULL, MS_BIND, NULL), 0);
    bool sent = send_slowly();
    assert_int_equal(umount(file), 0);
    assert_false(sent);
    assert_int_equal(err.code, TBK_E_IO);
    assert_contains(err.message, "not all of the set could be read");
    assert_contains(err.message, "manifest.json");
    assert_null(list());
    assert_null(locks());
}

static void tells_that_the_disk_is_full(void **state)
{
    (void)state;
    if (!may_mount())
        skip_because("only root can mount a small disk");
    (void)mkdir(in_scratch("full"), 0700);
    assert_int_equal(mount("tmpfs", in_scratch("full"), "tmpfs", 0, "size=2m"), 0);
    settings.repository = text_of("%s/full/repository", offsite_scratch);
    open_restic();
    init();
    assert_refused(send_slowly(), TBK_E_SPACE, "no space left");
    assert_succeeds(port.prune(port.self, &err), err);
    assert_null(locks());
    assert_int_equal(umount(in_scratch("full")), 0);
}

static void tells_that_there_is_no_room_to_restore(void **state)
{
    (void)state;
    if (!may_mount())
        skip_because("only root can mount a small disk");
    init();
    (void)sent_id(SET_NEW, "production");
    (void)mkdir(in_scratch("small"), 0700);
    assert_int_equal(mount("tmpfs", in_scratch("small"), "tmpfs", 0, "size=2m"), 0);
    assert_refused(port.restore(port.self, list(), in_scratch("small"), &err), TBK_E_SPACE,
                   "cannot restore the set");
    assert_int_equal(umount(in_scratch("small")), 0);
}

static void leaves_out_what_is_not_ours(void **state)
{
    (void)state;
    init();
    static const char *const others[] = {
        "--tag other --host x " SET_OLD,               /* without our tag */
        "--tag torrust-backup --host x /etc/hostname", /* no set */
        "--tag torrust-backup --host 'a b' " SET_OLD,  /* no name */
        "--tag torrust-backup --host x " SET_OLD " " SET_NEW,
    };
    (void)setenv("RESTIC_PASSWORD", PLANTED_PASSWORD, 1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(run_line("cd %s/store && RESTIC_CACHE_DIR=%s %s -q -r %s backup %s",
                                  offsite_scratch, settings.cache_folder, settings.program,
                                  settings.repository, others[i]),
                         0);
    (void)unsetenv("RESTIC_PASSWORD");
    assert_null(list());
    const char *ours = sent_id(SET_OLD, "production");
    assert_is_sent(list(), ours, "production", SET_OLD);
    assert_null(list()->next);
}

static void wants_a_restic_that_is_new_enough(void **state)
{
    (void)state;
    tbk_restic *other = NULL;
    tbk_restic_settings with = settings;
    with.program = in_scratch("old-restic");
    assert_int_equal(run_line("printf '#!/bin/sh\\necho restic 0.14.0 compiled with go1.19\\n' >%s "
                              "&& chmod +x %s",
                              with.program, with.program),
                     0);
    assert_refused(tbk_restic_open(&with, &other, &err), TBK_E_UNSUPPORTED, "restic 0.14.0");
    assert_contains(err.fix, "0.18");
    with.program = "/nowhere/restic";
    assert_refused(tbk_restic_open(&with, &other, &err), TBK_E_CONFIG, "not on this machine");
    with.program = "bin/restic";
    assert_refused(tbk_restic_open(&with, &other, &err), TBK_E_CONFIG, "bin/restic");
}

static void refuses_settings_that_give_secrets_away(void **state)
{
    (void)state;
    tbk_restic *other = NULL;
    tbk_restic_settings with = settings;
    static const char *const addresses[] = {
        "rest:https://operator:planted-x@example.org/", "rest:https://operator:pl/an@example.org/",
        "sftp:operator:planted-x@example.org:/srv", "sftp://o:planted-x@example.org//srv",
        "s3:https://key:planted-x@s3.example.org/bucket"};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        with.repository = addresses[i];
        assert_refused(tbk_restic_open(&with, &other, &err), TBK_E_CONFIG, "a user and a password");
        assert_contains(err.fix, "RESTIC_REST_PASSWORD");
    }
    static const char *const fine[] = {
        "/srv/a:b@c", "sftp:operator@example.org:/srv/x@y", "sftp:example.org:/srv/x@y",
        "rest:https://example.org:8000/x@y/", "s3:https://s3.example.org/bucket"};
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        with.repository = fine[i];
        assert_succeeds(tbk_restic_open(&with, &other, &err), err);
        tbk_restic_free(other);
    }
    with.ssh_key = "/home/me/my key";
    assert_refused(tbk_restic_open(&with, &other, &err), TBK_E_CONFIG, "my key");
    const char *const nameless[] = {"planted-value", NULL};
    with.ssh_key = NULL;
    with.variables = nameless;
    assert_refused(tbk_restic_open(&with, &other, &err), TBK_E_CONFIG, "has no name");
}

static void shows_no_secret_of_its_environment(void **state)
{
    (void)state;
    /* One that says what it was given, and what it was not. */
    const char *id = NULL;
    settings.program = in_scratch("talker");
    (void)setenv("TBK_TEST_OURS", "of-the-host", 1);
    assert_int_equal(
        run_line("printf '#!/bin/sh\\n[ \"$2\" = version ] && echo restic 0.18.0 && exit\\n"
                 "env >%s/environment\\necho \"I have $RESTIC_PASSWORD\" >&2\\n"
                 "echo \"{\\\"message_type\\\":\\\"exit_error\\\",\\\"code\\\":1,"
                 "\\\"message\\\":\\\"no, $RESTIC_PASSWORD\\\"}\" >&2\\nexit 1\\n' >%s && "
                 "chmod +x %s",
                 offsite_scratch, settings.program, settings.program),
        0);
    open_restic();
    assert_refused(port.identify(port.self, arena, &id, &err), TBK_E_FAILED, "no, ***");
    assert_contains(watch.said, "I have ***");
    assert_int_equal(run_line("grep -q '^RESTIC_PASSWORD=' %s/environment && "
                              "grep -q '^TZ=UTC$' %s/environment && "
                              "! grep -q TBK_TEST_OURS %s/environment",
                              offsite_scratch, offsite_scratch, offsite_scratch),
                     0);
}

/* --- what only servers show --- */

static void tells_within_a_minute_that_nobody_answers(void **state)
{
    (void)state;
    const char *id = NULL;
    if (refused_port == 0)
        (void)bind_on_loopback(&refused_port);
    settings.repository = text_of("rest:http://127.0.0.1:%u/x", refused_port);
    open_restic();
    assert_refused(port.identify(port.self, arena, &id, &err), TBK_E_NETWORK, "connection refused");
    assert_contains(err.message, settings.repository);
    assert_true(tbk_clock_monotonic_ms() - watch.begin_ms < 90000);
}

static void refuses_wrong_credentials(void **state)
{
    (void)state;
    const char *id = NULL;
    variables[2] = "RESTIC_REST_PASSWORD=planted-another-one";
    open_restic();
    assert_refused(port.identify(port.self, arena, &id, &err), TBK_E_KEY, "401");
}

static void keeps_what_an_append_only_server_keeps(void **state)
{
    (void)state;
    init();
    const char *ids[] = {sent_id(SET_OLD, "production"), NULL};
    stop_server();
    assert_true(start_server("rest", "--append-only"));
    char address[128];
    (void)snprintf(address, sizeof address, "%s", rest_address(repositories));
    settings.repository = address;
    open_restic();
    assert_succeeds(port.forget(port.self, ids, &err), err);
    assert_is_sent(list(), ids[0], "production", SET_OLD);
    (void)sent_id(SET_NEW, "production");
    assert_non_null(list()->next);
    assert_null(locks());
    stop_server();
    assert_true(start_rest());
}

static void refuses_a_host_key_that_it_does_not_know(void **state)
{
    (void)state;
    const char *id = NULL;
    assert_int_equal(run_line("echo \"[127.0.0.1]:%u $(cat %s/other.pub)\" >%s", sshd_port,
                              sshd_directory, settings.known_hosts),
                     0);
    assert_refused(port.identify(port.self, arena, &id, &err), TBK_E_FAILED,
                   "Host key verification failed");
}

static void refuses_a_key_that_the_server_does_not_know(void **state)
{
    (void)state;
    const char *id = NULL;
    settings.ssh_key = in_sshd("other");
    open_restic();
    assert_refused(port.identify(port.self, arena, &id, &err), TBK_E_KEY, "Permission denied");
}

/* --- all of them --- */

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin_test, end_test)
#define CONTRACT                                                                                   \
    TEST(is_made_only_when_asked_and_once), TEST(refuses_a_wrong_password),                        \
        TEST(comes_back_as_it_went), TEST(forgets_what_it_is_told_to),                             \
        TEST(refuses_what_is_no_set), TEST(shows_and_removes_what_a_killed_one_left),              \
        TEST(ends_within_seconds_when_it_is_cancelled)

static int test_folder(void)
{
    const struct CMUnitTest tests[] = {CONTRACT,
                                       TEST(finds_a_damaged_pack),
                                       TEST(tells_of_a_snapshot_that_it_cannot_load),
                                       TEST(goes_on_while_bytes_move),
                                       TEST(leaves_out_what_is_not_ours),
                                       TEST(wants_a_restic_that_is_new_enough),
                                       TEST(refuses_settings_that_give_secrets_away),
                                       TEST(shows_no_secret_of_its_environment),
                                       TEST(keeps_no_set_that_it_could_not_read_whole),
                                       TEST(tells_that_the_disk_is_full),
                                       TEST(tells_that_there_is_no_room_to_restore)};
    where = &FOLDER;
    return cmocka_run_group_tests_name("folder", tests, begin_place, end_place);
}

static int test_sftp(void)
{
    const struct CMUnitTest tests[] = {CONTRACT, TEST(refuses_a_host_key_that_it_does_not_know),
                                       TEST(refuses_a_key_that_the_server_does_not_know)};
    where = &SFTP;
    return cmocka_run_group_tests_name("sftp", tests, begin_place, end_place);
}

static int test_rest(void)
{
    const struct CMUnitTest tests[] = {CONTRACT,
                                       TEST(refuses_wrong_credentials),
                                       TEST(goes_on_while_bytes_move),
                                       TEST(ends_when_nothing_moves),
                                       TEST(keeps_what_an_append_only_server_keeps),
                                       TEST(tells_within_a_minute_that_nobody_answers)};
    where = &REST;
    return cmocka_run_group_tests_name("rest", tests, begin_place, end_place);
}

static int test_s3(void)
{
    const struct CMUnitTest tests[] = {CONTRACT};
    where = &S3;
    return cmocka_run_group_tests_name("s3", tests, begin_place, end_place);
}

static bool is_wanted(int count, char **words, const char *name)
{
    return count < 2 || strcmp(words[1], name) == 0;
}

/* One place may be named: folder, sftp, rest or s3. */
int main(int count, char **words)
{
    int failed = 0;
    if (!find_tools()) {
        print_error("tests/offsite/tools failed\n");
        return 1;
    }
    if (is_wanted(count, words, "folder"))
        failed += test_folder();
    if (is_wanted(count, words, "rest"))
        failed += test_rest();
    if (is_wanted(count, words, "sftp"))
        failed += test_sftp();
    if (is_wanted(count, words, "s3"))
        failed += test_s3();
    return failed;
}
