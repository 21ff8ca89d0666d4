/* SPDX-License-Identifier: MIT */
/* The store: sets appear whole or not at all, one run at a time, nothing of others is touched. */
#include "unit/scratch.h"

#include "store/store.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "store/set.h"

#include <limits.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#define NOW INT64_C(1771264603) /* 20260216T175643Z */
#define ID "20260216T175643Z"

#define SUM "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char self_path[PATH_MAX];
static tbk_arena *arena;
static const char *location; /* of the sets that are made */

/* Each test begins with an empty store. */
static int set_up(void **state)
{
    (void)state;
    arena = tbk_arena_new();
    location = "/srv/t.db";
    return shell("rm -rf ./* && mkdir -m 0750 sets");
}

static int tear_down(void **state)
{
    (void)state;
    tbk_arena_free(arena);
    return 0;
}

static tbk_store *open_store(tbk_store_access access)
{
    tbk_store *store;
    tbk_error err;
    if (!tbk_store_open("sets", access, &store, &err))
        fail_msg("%s", err.message);
    return store;
}

static void put_file(const char *directory, const char *name, const char *text)
{
    tbk_error err;
    char path[PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    if (!tbk_file_publish(path, text, strlen(text), 0600, &err))
        fail_msg("%s", err.message);
}

static void put_manifest(const char *directory, const char *id)
{
    tbk_manifest manifest = {.id = id,
                             .run_id = "run-1",
                             .environment = "demo",
                             .engine_version = "0.1.0",
                             .sqlite_version = "3.40.1",
                             .zstd_version = "1.5.4",
                             .driver = TBK_DRIVER_SQLITE,
                             .method = "pause",
                             .method_reason = "",
                             .held_ms = 12,
                             .location = location,
                             .sqlite = {.page_size_bytes = 4096, .pages = 1},
                             .files = {{.name = TBK_SET_DATABASE_FILE,
                                        .stored_bytes = 4,
                                        .raw_bytes = 4,
                                        .stored = {SUM},
                                        .raw = {SUM}}},
                             .file_count = 1};
    tbk_text text = {0};
    tbk_json_write(&text, tbk_manifest_to_value(arena, &manifest), true);
    put_file(directory, TBK_SET_MANIFEST_FILE, tbk_text_string(&text));
    tbk_text_end(&text);
}

/* A new set; where its files go. */
static bool begin(tbk_store *store, int64_t time_s, const char **out_id, const char **out_path,
                  tbk_error *err)
{
    tbk_auto(tbk_set) *set = NULL;
    if (!tbk_store_begin(store, arena, time_s, out_id, &set, err))
        return false;
    *out_path = tbk_arena_copy(arena, tbk_set_path(set));
    return true;
}

/* A whole set of that time; its id. */
static const char *publish_set(tbk_store *store, int64_t time_s)
{
    const char *id;
    const char *path;
    tbk_error err;
    if (!begin(store, time_s, &id, &path, &err))
        fail_msg("%s", err.message);
    put_file(path, TBK_SET_DATABASE_FILE, "data");
    put_manifest(path, id);
    if (!tbk_store_publish(store, id, &err))
        fail_msg("%s", err.message);
    return id;
}

/* As long after the sets as the tests need. */
static bool find(const tbk_store *store, const char *id, tbk_stored_set **out, tbk_error *err)
{
    const tbk_set_choice choice = {.id = id, .now_s = NOW + 864000};
    return tbk_store_find(store, arena, &choice, out, err);
}

static mode_t mode_of(const char *path)
{
    struct stat status;
    assert_int_equal(lstat(path, &status), 0);
    return status.st_mode & 07777;
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

/* --- opening --- */

static void a_missing_store_is_not_found_unless_it_may_be_made(void **state)
{
    (void)state;
    tbk_store *store = NULL;
    tbk_error err;
    assert_false(tbk_store_open("none", TBK_STORE_READ, &store, &err));
    assert_int_equal(err.code, TBK_E_NOT_FOUND);
    assert_false(tbk_store_open("none", TBK_STORE_WRITE, &store, &err));
    assert_int_equal(err.code, TBK_E_NOT_FOUND);
    put_file(".", "file", "");
    assert_false(tbk_store_open("file", TBK_STORE_READ, &store, &err));
    assert_int_equal(err.code, TBK_E_NOT_FOUND);
    assert_false(tbk_store_open("file/x", TBK_STORE_CREATE, &store, &err));
    assert_int_equal(err.code, TBK_E_IO);
    assert_null(store);

    assert_true(tbk_store_open("none/at/all", TBK_STORE_CREATE, &store, &err));
    assert_int_equal(mode_of("none/at/all"), 0750);
    assert_int_equal(tbk_store_path(store)[0], '/');
    assert_non_null(strstr(tbk_store_path(store), "/none/at/all"));
    tbk_store_close(store);
}

static void reading_takes_no_lock_and_changes_nothing(void **state)
{
    (void)state;
    tbk_store *reader = open_store(TBK_STORE_READ);
    assert_false(exists("sets/.state"));
    tbk_store_close(reader);

    tbk_store *writer = open_store(TBK_STORE_WRITE);
    reader = open_store(TBK_STORE_READ); /* beside a run */
    const char *text;
    tbk_error err;
    assert_false(begin(reader, NOW, &text, &text, &err));
    assert_false(tbk_store_publish(reader, ID, &err));
    assert_false(tbk_store_remove(reader, ID, &err));
    assert_false(tbk_store_scratch(reader, arena, &text, &err));
    assert_false(tbk_store_write_state(reader, "x", "", 0, &err));
    assert_non_null(strstr(err.message, "for reading only"));
    tbk_store_close(reader);
    tbk_store_close(writer);
}

static void a_second_run_is_locked_out_and_told_by_whom(void **state)
{
    (void)state;
    tbk_store *first = open_store(TBK_STORE_WRITE);
    tbk_store *second = NULL;
    tbk_error err;
    assert_false(tbk_store_open("sets", TBK_STORE_CREATE, &second, &err));
    assert_null(second);
    assert_int_equal(err.code, TBK_E_LOCKED);
    char who[64];
    (void)snprintf(who, sizeof who, "process %ld since 20", (long)getpid());
    assert_non_null(strstr(err.message, who));

    const char *id;
    const char *path;
    assert_true(begin(first, NOW, &id, &path, &err));
    assert_false(tbk_store_open("sets", TBK_STORE_WRITE, &second, &err));
    assert_true(exists(path)); /* the refused one has tidied nothing up */
    tbk_store_close(first);
    second = open_store(TBK_STORE_WRITE);
    tbk_store_close(second);
}

static void the_lock_dies_with_its_process_and_not_with_its_children(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t run = fork();
    if (run == 0) {
        tbk_store *store = open_store(TBK_STORE_WRITE);
        const char *text;
        tbk_error err;
        if (!begin(store, NOW, &text, &text, &err))
            _exit(1);
        int begun[2]; /* its end is seen when the program has taken the child's place */
        if (pipe2(begun, O_CLOEXEC) != 0)
            _exit(1);
        pid_t child = fork(); /* a program that it started */
        if (child == 0) {
            (void)execl("/bin/sleep", "sleep", "600", (char *)NULL);
            _exit(127);
        }
        (void)close(begun[1]);
        char none;
        (void)!read(begun[0], &none, 1);
        (void)!write(ready[1], &child, sizeof child);
        (void)pause();
        _exit(1);
    }
    pid_t child = 0;
    assert_int_equal(read(ready[0], &child, sizeof child), sizeof child);
    tbk_store *store = NULL;
    tbk_error err;
    assert_false(tbk_store_open("sets", TBK_STORE_WRITE, &store, &err));
    assert_int_equal(kill(run, SIGKILL), 0);
    assert_int_equal(waitpid(run, NULL, 0), run);
    assert_true(exists("sets/." ID ".new"));
    store = open_store(TBK_STORE_WRITE);
    assert_false(exists("sets/." ID ".new"));
    tbk_store_close(store);
    (void)kill(child, SIGKILL);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void only_leftovers_of_ours_are_removed(void **state)
{
    (void)state;
    assert_int_equal(shell("cd sets && mkdir -p ." ID ".new/deep ." ID ".gone .scratch-abc/x "
                           ".snapshot .git ." ID ".mine .20261341T000000Z.new lost+found notes && "
                           "echo x >." ID ".new/deep/file && ln -s /etc .scratch-link && "
                           "echo x >.hidden"),
                     0);
    tbk_store *store = open_store(TBK_STORE_READ);
    tbk_store_close(store);
    assert_true(exists("sets/." ID ".new")); /* not without the lock */
    store = open_store(TBK_STORE_WRITE);
    assert_false(exists("sets/." ID ".new"));
    assert_false(exists("sets/." ID ".gone"));
    assert_false(exists("sets/.scratch-abc"));
    struct stat status;
    assert_int_equal(lstat("sets/.scratch-link", &status), -1);
    assert_true(exists("/etc/passwd"));
    assert_int_equal(shell("cd sets && test -d .snapshot && test -d .git && test -d lost+found && "
                           "test -d notes && test -f .hidden && test -d ." ID ".mine && "
                           "test -d .20261341T000000Z.new"),
                     0);
    tbk_store_close(store);
}

static void a_store_behind_a_link_is_the_operators_choice(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir real && ln -s real link"), 0);
    tbk_store *store;
    tbk_error err;
    assert_true(tbk_store_open("link", TBK_STORE_WRITE, &store, &err));
    assert_non_null(strstr(tbk_store_path(store), "/real"));
    tbk_store_close(store);
}

static void links_inside_the_store_are_not_followed(void **state)
{
    (void)state;
    tbk_store *store = NULL;
    tbk_error err;
    assert_int_equal(shell("mkdir away && ln -s ../away sets/.state"), 0);
    assert_false(tbk_store_open("sets", TBK_STORE_WRITE, &store, &err));
    assert_false(exists("away/lock"));
    assert_int_equal(shell("rm sets/.state && mkdir sets/.state && ln -s ../../away/lock "
                           "sets/.state/lock"),
                     0);
    assert_false(tbk_store_open("sets", TBK_STORE_WRITE, &store, &err));
    assert_false(exists("away/lock"));
    assert_int_equal(shell("rm sets/.state/lock"), 0);

    /* A set that is a link, and one whose manifest is one. */
    store = open_store(TBK_STORE_WRITE);
    (void)publish_set(store, NOW);
    assert_int_equal(shell("mv sets/" ID " away/set && ln -s ../away/set sets/" ID " && "
                           "mkdir sets/20260217T000000Z && ln -s ../../away/set/manifest.json "
                           "sets/20260217T000000Z/manifest.json"),
                     0);
    tbk_stored_set *set;
    assert_true(tbk_store_list(store, arena, &set, &err));
    assert_string_equal(set->id, "20260217T000000Z");
    assert_string_equal(set->damage, "'manifest.json' is not a regular file");
    assert_non_null(set->next->damage);
    assert_null(set->next->manifest);
    assert_false(tbk_store_remove(store, ID, &err));
    assert_true(exists("away/set/manifest.json"));
    tbk_store_close(store);
}

static void a_store_of_another_user_is_said_to_be_so(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_because("only root can become another user");
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(shell("chmod 0755 sets"), 0);
    pid_t child = fork();
    if (child == 0) {
        tbk_store *store;
        tbk_error err;
        if (setuid(64999) != 0)
            _exit(1);
        bool opened = tbk_store_open("sets", TBK_STORE_WRITE, &store, &err);
        _exit(!opened && err.code == TBK_E_IO && strstr(err.fix, "chown") != NULL ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A file system of its own with room for four files, in a mount namespace that ends with it. */
static void a_full_store_is_said_to_be_full(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("none", "sets", "tmpfs", 0, "size=1m,nr_inodes=4") != 0)
            _exit(77);
        tbk_store *store = open_store(TBK_STORE_WRITE); /* root, .state, lock */
        const char *id;
        const char *path;
        tbk_error err;
        bool good = begin(store, NOW, &id, &path, &err) &&
                    !tbk_store_scratch(store, arena, &path, &err) && err.code == TBK_E_SPACE;
        good = good && !begin(store, NOW + 1, &id, &path, &err) && err.code == TBK_E_SPACE &&
               strstr(err.fix, "free some space") != NULL;
        good = good && !tbk_store_write_state(store, "x", "x", 1, &err) && err.code == TBK_E_SPACE;
        tbk_store_close(store);
        _exit(good && !exists("sets/." ID ".new") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip_because("a file system cannot be mounted here");
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- a new set --- */

static void a_set_is_invisible_until_it_is_published_whole(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    const char *id;
    const char *path;
    tbk_error err;
    assert_true(begin(store, NOW, &id, &path, &err));
    assert_string_equal(id, ID);
    assert_int_equal(mode_of(path), 0700);
    mode_t before = umask(0);
    put_file(path, TBK_SET_DATABASE_FILE, "data");
    put_manifest(path, id);
    assert_int_equal(chmod(tbk_arena_format(arena, "%s/%s", path, TBK_SET_DATABASE_FILE), 0666), 0);
    (void)umask(before);

    tbk_stored_set *set;
    assert_true(tbk_store_list(store, arena, &set, &err));
    assert_null(set);
    assert_false(find(store, NULL, &set, &err));
    assert_int_equal(err.code, TBK_E_NOT_FOUND);

    assert_true(tbk_store_publish(store, id, &err));
    assert_false(exists(path));
    assert_int_equal(mode_of("sets/" ID), 0750);
    assert_int_equal(mode_of("sets/" ID "/" TBK_SET_DATABASE_FILE), 0640);
    assert_int_equal(mode_of("sets/" ID "/" TBK_SET_MANIFEST_FILE), 0640);
    assert_true(find(store, ID, &set, &err));
    assert_int_equal(set->time_s, NOW);
    assert_null(set->damage);
    assert_string_equal(set->manifest->method, "pause");
    assert_int_equal(set->proof.level, TBK_PROOF_NONE);
    assert_int_equal(set->path[0], '/');
    assert_non_null(strstr(set->path, "/sets/" ID));
    tbk_store_close(store);
    assert_true(exists("sets/" ID));
    assert_int_equal(shell("find sets -perm /007 | grep -q ."), 1);
}

static void two_sets_of_one_second_have_two_names(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    assert_string_equal(publish_set(store, NOW), ID);
    assert_string_equal(publish_set(store, NOW), "20260216T175644Z");
    assert_string_equal(publish_set(store, NOW), "20260216T175645Z");
    assert_string_equal(publish_set(store, NOW + 1), "20260216T175646Z");
    tbk_store_close(store);
}

static void a_clock_that_went_back_loses_no_set(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    (void)publish_set(store, NOW);
    (void)publish_set(store, NOW - 3600);
    (void)publish_set(store, NOW);
    tbk_stored_set *set;
    tbk_error err;
    assert_true(tbk_store_list(store, arena, &set, &err));
    assert_string_equal(set->id, "20260216T175644Z");
    assert_string_equal(set->next->id, ID);
    assert_string_equal(set->next->next->id, "20260216T165643Z");
    assert_null(set->next->next->next);
    tbk_store_close(store);
}

static void a_clock_that_says_nonsense_is_an_error(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    const char *text;
    tbk_error err;
    assert_false(begin(store, INT64_MAX / 2, &text, &text, &err));
    assert_int_equal(err.code, TBK_E_FAILED);
    assert_non_null(strstr(err.fix, "clock"));
    tbk_store_close(store);
}

static void an_unpublished_set_goes_with_its_run(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    const char *id;
    const char *path;
    tbk_error err;
    assert_true(begin(store, NOW, &id, &path, &err));
    put_file(path, "x", "x");
    tbk_store_abandon(store, id);
    assert_false(exists(path));
    tbk_store_abandon(store, id); /* once more does no harm */

    assert_true(begin(store, NOW, &id, &path, &err));
    put_file(path, "x", "x");
    tbk_store_close(store);
    assert_int_equal(shell("ls -A sets | grep -vx .state"), 1);
}

static void a_set_with_something_strange_in_it_is_not_published(void **state)
{
    (void)state;
    static const char *const STRANGE[] = {"mkdir sets/." ID ".new/folder",
                                          "ln -s /etc/passwd sets/." ID ".new/l",
                                          "mkfifo sets/." ID ".new/pipe"};
    for (size_t index = 0; index < 3; index++) {
        tbk_store *store = open_store(TBK_STORE_WRITE);
        const char *id;
        const char *path;
        tbk_error err;
        assert_true(begin(store, NOW, &id, &path, &err));
        put_file(path, "x", "x");
        assert_int_equal(shell(STRANGE[index]), 0);
        assert_false(tbk_store_publish(store, id, &err));
        assert_false(exists("sets/" ID));
        tbk_store_close(store);
    }
    tbk_store *store = open_store(TBK_STORE_WRITE);
    tbk_error err;
    assert_false(tbk_store_publish(store, ID, &err)); /* never begun */
    tbk_store_close(store);
}

/* --- listing --- */

static tbk_store *shared; /* with the child in which the kernel refuses a call */

static tbk_stored_set *only_set(void)
{
    tbk_stored_set *set = NULL;
    tbk_error err;
    return tbk_store_list(shared, arena, &set, &err) ? set : NULL;
}

static bool set_is_unread(void)
{
    const tbk_stored_set *set = only_set();
    tbk_stored_set *found;
    tbk_error err;
    return set != NULL && set->is_unread && !find(shared, ID, &found, &err) && err.code == TBK_E_IO;
}

static void a_set_that_cannot_be_opened_is_not_called_damaged(void **state)
{
    (void)state;
    const uint32_t flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY;
    shared = open_store(TBK_STORE_WRITE);
    (void)publish_set(shared, NOW);
    assert_false(only_set()->is_unread);
    assert_true(holds_when_refused(&(refused_call){SYS_openat, 2, flags, EMFILE}, set_is_unread));
    assert_int_equal(shell("rm sets/" ID "/manifest.json"), 0);
    assert_non_null(only_set()->damage);
    assert_false(only_set()->is_unread); /* that it is missing was seen */
    tbk_store_close(shared);
}

static void damaged_sets_are_listed_with_their_damage(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    (void)publish_set(store, NOW);
    assert_int_equal(shell("cd sets && mkdir 20260217T000000Z 20260218T000000Z 20260219T000000Z "
                           "20260220T000000Z notes 20260217T000000 20261399T000000Z && "
                           "echo '{\"half\":' >20260218T000000Z/manifest.json && "
                           "cp " ID "/manifest.json 20260219T000000Z/ && "
                           "echo '{}' >20260220T000000Z/manifest.json && echo x >20260221T000000Z"),
                     0);
    tbk_stored_set *set;
    tbk_error err;
    assert_true(tbk_store_list(store, arena, &set, &err));
    static const char *const IDS[] = {"20260221T000000Z", "20260220T000000Z", "20260219T000000Z",
                                      "20260218T000000Z", "20260217T000000Z", ID};
    for (size_t index = 0; index < 6; index++, set = set->next) {
        assert_non_null(set);
        assert_string_equal(set->id, IDS[index]);
        assert_int_equal(set->damage != NULL, index < 5);
        assert_int_equal(set->manifest == NULL, index < 5);
        if (index == 2)
            assert_string_equal(set->damage, "the manifest is that of '" ID "'");
    }
    assert_null(set);

    assert_false(find(store, "20260220T000000Z", &set, &err));
    assert_int_equal(err.code, TBK_E_CORRUPT);
    assert_true(find(store, "latest", &set, &err));
    assert_string_equal(set->id, ID);
    assert_true(find(store, ID, &set, &err));
    static const char *const WRONG[] = {"20200101T000000Z", "..", ("../sets/" ID),
                                        ".state",           "",   "notes"};
    for (size_t index = 0; index < sizeof WRONG / sizeof WRONG[0]; index++) {
        assert_false(find(store, WRONG[index], &set, &err));
        assert_int_equal(err.code, TBK_E_NOT_FOUND);
        assert_false(tbk_store_remove(store, WRONG[index], &err));
        assert_int_equal(err.code, TBK_E_NOT_FOUND);
    }
    tbk_store_close(store);
}

static const char *damage_of(const tbk_store *store)
{
    tbk_stored_set *set;
    tbk_error err;
    assert_true(tbk_store_list(store, arena, &set, &err));
    return set->damage;
}

static void a_set_without_its_files_or_with_others_is_damaged(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    tbk_stored_set *set;
    tbk_error err;
    (void)publish_set(store, NOW);
    assert_null(damage_of(store));
    put_file("sets/" ID, TBK_SET_DATABASE_FILE, "dat");
    assert_string_equal(damage_of(store), "'database.db.zst' has 3 bytes, the manifest says 4");
    assert_int_equal(shell("rm sets/" ID "/database.db.zst"), 0);
    assert_non_null(strstr(damage_of(store), "cannot read 'database.db.zst'"));
    assert_false(find(store, ID, &set, &err));
    assert_int_equal(err.code, TBK_E_CORRUPT);
    assert_false(find(store, "latest", &set, &err));
    assert_int_equal(err.code, TBK_E_NOT_FOUND);
    assert_int_equal(shell("mkdir sets/" ID "/database.db.zst"), 0);
    assert_non_null(strstr(damage_of(store), "is not a regular file"));
    assert_int_equal(shell("rmdir sets/" ID "/database.db.zst"), 0);
    /* What we made we may remove, whatever is left of it. */
    assert_true(tbk_store_remove(store, ID, &err));
    tbk_store_close(store);
}

/* That it could not be looked at says nothing about it. */
static void a_set_that_cannot_be_looked_at_is_not_called_damaged(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_because("only root can become another user");
    tbk_store *store = open_store(TBK_STORE_WRITE);
    (void)publish_set(store, NOW);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(shell("chmod 0755 sets && chmod 0700 sets/" ID), 0);
    pid_t child = fork();
    if (child == 0) {
        tbk_stored_set *set;
        tbk_error err;
        if (setuid(64999) != 0)
            _exit(1);
        bool found = find(store, ID, &set, &err);
        _exit(!found && err.code == TBK_E_IO && strstr(err.message, "looked at") != NULL ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
    tbk_store_close(store);
}

static void the_latest_is_of_this_database_and_not_from_the_future(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    const tbk_origin mine = {"demo", TBK_DRIVER_SQLITE, "/srv/t.db"};
    const tbk_origin other = {"demo", TBK_DRIVER_SQLITE, "/srv/u.db"};
    const tbk_origin nobody = {"else", TBK_DRIVER_SQLITE, "/srv/t.db"};
    tbk_set_choice choice = {.id = "latest", .origin = &mine, .now_s = NOW + 200};
    tbk_stored_set *set;
    tbk_error err;
    const char *first = publish_set(store, NOW);
    (void)publish_set(store, NOW + 315360000); /* ten years ahead */
    location = "/srv/u.db";
    const char *second = publish_set(store, NOW + 100);
    assert_true(tbk_store_find(store, arena, &choice, &set, &err));
    assert_string_equal(set->id, first);
    choice.origin = &other;
    assert_true(tbk_store_find(store, arena, &choice, &set, &err));
    assert_string_equal(set->id, second);
    choice.origin = &nobody;
    assert_false(tbk_store_find(store, arena, &choice, &set, &err));
    assert_int_equal(err.code, TBK_E_NOT_FOUND);
    choice.origin = NULL; /* which of the two is meant? */
    assert_false(tbk_store_find(store, arena, &choice, &set, &err));
    assert_int_equal(err.code, TBK_E_USAGE);
    assert_non_null(strstr(err.message, "'/srv/u.db' of 'demo', and the database '/srv/t.db'"));
    tbk_store_close(store);
}

static void the_proof_beside_a_set_is_read_and_a_bad_one_proves_nothing(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    (void)publish_set(store, NOW);
    tbk_proof proof = {.level = TBK_PROOF_CHECKSUMS, .at = "2026-02-16T18:00:00Z", .ok = true};
    tbk_text text = {0};
    tbk_json_write(&text, tbk_proof_to_value(arena, &proof), true);
    put_file("sets/" ID, TBK_SET_PROOF_FILE, tbk_text_string(&text));
    tbk_stored_set *set;
    tbk_error err;
    assert_true(find(store, "latest", &set, &err));
    assert_int_equal(set->proof.level, TBK_PROOF_CHECKSUMS);
    assert_true(set->proof.ok);

    put_file("sets/" ID, TBK_SET_PROOF_FILE, "{");
    assert_true(find(store, "latest", &set, &err));
    assert_int_equal(set->proof.level, TBK_PROOF_NONE);
    assert_false(set->proof.ok);
    tbk_text_end(&text);
    tbk_store_close(store);
}

/* --- the rest --- */

static int warnings;

static void count_warning(void *self, tbk_log_level level, const char *phase, const char *message)
{
    (void)self, (void)phase, (void)message;
    warnings += level == TBK_LOG_WARNING;
}

static tbk_store *probed; /* by the checks below */

static bool probe_warns(void)
{
    const tbk_report report = {.log = count_warning};
    tbk_error err;
    return tbk_store_probe(probed, &report, &err) && warnings == 1;
}

static bool probe_says_share(void)
{
    tbk_error err = {0};
    return !tbk_store_probe(probed, NULL, &err) && strstr(err.fix, "another kind of share") != NULL;
}

static void what_a_share_cannot_do_is_known_before_it_matters(void **state)
{
    (void)state;
    probed = open_store(TBK_STORE_WRITE);
    const tbk_report report = {.log = count_warning};
    tbk_error err;
    warnings = 0;
    assert_true(tbk_store_probe(probed, &report, &err));
    assert_int_equal(warnings, 0);
    assert_true(holds_when_refused(&(refused_call){SYS_fchmod, -1, 0, EPERM}, probe_warns));
    int next = dup(STDERR_FILENO); /* the number that the probe's folder will get */
    assert_int_equal(close(next), 0);
    assert_true(
        holds_when_refused(&(refused_call){SYS_fsync, 0, (uint32_t)next, EINVAL}, probe_warns));
    assert_true(holds_when_refused(&(refused_call){SYS_fsync, -1, 0, EINVAL}, probe_says_share));
    assert_true(holds_when_refused(&(refused_call){SYS_fchmod, -1, 0, EIO}, probe_says_share));
    assert_true(
        holds_when_refused(&(refused_call){SYS_fcntl, 1, F_SETLK, ENOLCK}, probe_says_share));
    assert_true(holds_when_refused(&(refused_call){SYS_mkdirat, -1, 0, ENOSYS}, probe_says_share));
    assert_int_equal(shell("test \"$(ls -A sets)\" = .state"), 0);
    tbk_store_close(probed);
}

static void what_all_may_read_is_all_that_they_may(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    tbk_error err;
    (void)publish_set(store, NOW);
    assert_true(tbk_store_write_state(store, "last-run.json", "{}\n", 3, &err));
    assert_int_equal(mode_of("sets"), 0750);
    assert_true(tbk_store_write_public_state(store, "x.prom", "x 1\n", 4, &err));
    assert_int_equal(mode_of("sets"), 0751);
    assert_int_equal(mode_of("sets/.state"), 0751);
    assert_int_equal(mode_of("sets/.state/x.prom"), 0644);
    assert_int_equal(mode_of("sets/.state/last-run.json"), 0640);
    assert_int_equal(mode_of("sets/.state/lock"), 0640);
    assert_int_equal(mode_of("sets/" ID), 0750);
    /* Another mode is the operator's wish. */
    assert_int_equal(chmod("sets", 0700), 0);
    assert_true(tbk_store_write_public_state(store, "x.prom", "x 2\n", 4, &err));
    assert_int_equal(mode_of("sets"), 0700);
    tbk_store_close(store);
}

static void state_is_read_back(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    tbk_error err;
    char *bytes;
    size_t length;
    assert_true(tbk_store_read_state(store, arena, "x.json", &bytes, &length, &err));
    assert_null(bytes);
    assert_true(tbk_store_write_state(store, "x.json", "{}\n", 3, &err));
    assert_true(tbk_store_read_state(store, arena, "x.json", &bytes, &length, &err));
    assert_string_equal(bytes, "{}\n");
    tbk_store_close(store);
}

static void a_removed_set_is_gone_whole(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    (void)publish_set(store, NOW);
    (void)publish_set(store, NOW + 10);
    tbk_error err;
    assert_true(tbk_store_remove(store, ID, &err));
    assert_false(tbk_store_remove(store, ID, &err));
    assert_int_equal(err.code, TBK_E_NOT_FOUND);
    assert_int_equal(shell("test \"$(ls -A sets | sort | tr '\\n' ' ')\" = "
                           "'.state 20260216T175653Z '"),
                     0);
    tbk_store_close(store);
}

static void what_is_not_ours_is_not_removed(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    tbk_error err;
    (void)publish_set(store, NOW);
    assert_int_equal(shell("mkdir sets/20260101T030000Z && echo x >sets/20260101T030000Z/mine && "
                           "echo x >sets/" ID "/notes.txt"),
                     0);
    assert_false(tbk_store_remove(store, "20260101T030000Z", &err));
    assert_int_equal(err.code, TBK_E_CORRUPT);
    assert_true(exists("sets/20260101T030000Z/mine"));
    assert_false(tbk_store_remove(store, ID, &err));
    assert_non_null(strstr(err.message, "notes.txt"));
    assert_true(exists("sets/" ID "/" TBK_SET_DATABASE_FILE));
    tbk_store_close(store);
}

static void scratch_is_private_and_goes_with_its_run(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    const char *one;
    const char *two;
    tbk_error err;
    assert_true(tbk_store_scratch(store, arena, &one, &err));
    assert_true(tbk_store_scratch(store, arena, &two, &err));
    assert_string_not_equal(one, two);
    assert_int_equal(mode_of(one), 0700);
    put_file(one, "copy.db", "x");
    tbk_store_close(store);
    assert_false(exists(one));
    assert_false(exists(two));
}

static void state_files_are_published_whole(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_WRITE);
    tbk_error err;
    assert_true(tbk_store_write_state(store, "last-run.json", "{}\n", 3, &err));
    assert_true(tbk_store_write_state(store, "last-run.json", "{\"a\":1}\n", 8, &err));
    assert_int_equal(mode_of("sets/.state/last-run.json"), 0640);
    assert_int_equal(mode_of("sets/.state/lock"), 0640);
    assert_int_equal(shell("test \"$(cat sets/.state/last-run.json)\" = '{\"a\":1}' && "
                           "test \"$(ls sets/.state | tr '\\n' ' ')\" = 'last-run.json lock '"),
                     0);
    assert_false(tbk_store_write_state(store, "no/such", "", 0, &err));
    tbk_store_close(store);
}

static void free_space_is_that_of_the_file_system(void **state)
{
    (void)state;
    tbk_store *store = open_store(TBK_STORE_READ);
    struct statvfs status;
    uint64_t free_bytes = 0;
    tbk_error err;
    assert_true(tbk_store_free_bytes(store, &free_bytes, &err));
    assert_int_equal(statvfs("sets", &status), 0);
    uint64_t expected = (uint64_t)status.f_bavail * status.f_frsize;
    uint64_t slack = 256 << 20; /* others write as well */
    assert_true(free_bytes < expected + slack && expected < free_bytes + slack);
    tbk_store_close(store);
}

/* What a power cut leaves is decided by the order of these calls. */
static void files_are_synced_before_the_name_and_the_name_before_success(void **state)
{
    (void)state;
    if (shell("strace -o /dev/null true 2>/dev/null") != 0)
        skip_because("strace is missing, or may not trace here");
    char command[2 * PATH_MAX];
    (void)snprintf(command, sizeof command,
                   "ASAN_OPTIONS=detect_leaks=0 strace -y -e trace=fsync,rename,renameat,renameat2 "
                   "-o trace '%s' publish-a-set",
                   self_path);
    assert_int_equal(shell(command), 0);
    /* Only from the set's last own file on; numbers of descriptors and random parts taken away. */
    assert_int_equal(
        shell("sed -nE 's/^fsync\\([0-9]+<.*\\/(sets[^>]*)>\\) += 0$/sync \\1/p;"
              "s/^renameat\\([0-9]+<[^>]*>, \"([^\"]*)\", [0-9]+<[^>]*>, \"([^\"]*)\"\\) += 0$/"
              "rename \\1 \\2/p' trace | tail -n 5 >order;"
              "[ \"$(sed -n 1,2p order | sort | tr '\\n' ',')\" = 'sync sets/." ID
              ".new/database.db.zst,sync sets/." ID ".new/manifest.json,' ] && "
              "[ \"$(sed -n 3,5p order | tr '\\n' ',')\" = "
              "'sync sets/." ID ".new,rename ." ID ".new " ID ",sync sets,' ]"),
        0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "publish-a-set") == 0) {
        arena = tbk_arena_new();
        tbk_store *store = open_store(TBK_STORE_WRITE);
        (void)publish_set(store, NOW);
        tbk_store_close(store);
        tbk_arena_free(arena);
        return 0;
    }
    if (realpath(argv[0], self_path) == NULL)
        return 1;
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_missing_store_is_not_found_unless_it_may_be_made),
        TEST(reading_takes_no_lock_and_changes_nothing),
        TEST(a_second_run_is_locked_out_and_told_by_whom),
        TEST(the_lock_dies_with_its_process_and_not_with_its_children),
        TEST(only_leftovers_of_ours_are_removed),
        TEST(a_store_behind_a_link_is_the_operators_choice),
        TEST(links_inside_the_store_are_not_followed),
        TEST(a_store_of_another_user_is_said_to_be_so),
        TEST(a_full_store_is_said_to_be_full),
        TEST(a_set_is_invisible_until_it_is_published_whole),
        TEST(two_sets_of_one_second_have_two_names),
        TEST(a_clock_that_went_back_loses_no_set),
        TEST(a_clock_that_says_nonsense_is_an_error),
        TEST(an_unpublished_set_goes_with_its_run),
        TEST(a_set_with_something_strange_in_it_is_not_published),
        TEST(a_set_that_cannot_be_opened_is_not_called_damaged),
        TEST(damaged_sets_are_listed_with_their_damage),
        TEST(a_set_without_its_files_or_with_others_is_damaged),
        TEST(a_set_that_cannot_be_looked_at_is_not_called_damaged),
        TEST(the_latest_is_of_this_database_and_not_from_the_future),
        TEST(what_is_not_ours_is_not_removed),
        TEST(what_a_share_cannot_do_is_known_before_it_matters),
        TEST(what_all_may_read_is_all_that_they_may),
        TEST(state_is_read_back),
        TEST(the_proof_beside_a_set_is_read_and_a_bad_one_proves_nothing),
        TEST(a_removed_set_is_gone_whole),
        TEST(scratch_is_private_and_goes_with_its_run),
        TEST(state_files_are_published_whole),
        TEST(free_space_is_that_of_the_file_system),
        TEST(files_are_synced_before_the_name_and_the_name_before_success),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
