/* SPDX-License-Identifier: MIT */
/* Configuration files: what two tar programs make of the stream, what is left out and said, and
 * that nothing is followed out of the folder. */
#include "unit/scratch.h"

#include "engine/files_internal.h"

#include "base/text.h"

#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static char root[72];

/* Each test begins with an empty root, an empty scratch folder and no output. */
static int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "%s/opt", folder);
    return shell("rm -rf ./* && mkdir opt scratch out");
}

static size_t descriptors_now(void)
{
    size_t count = 0;
    DIR *listing = opendir("/proc/self/fd");
    assert_non_null(listing);
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        count++;
    (void)closedir(listing);
    return count;
}

static tbk_files *open_files(const char *const *paths, const char *const *sqlite_paths)
{
    tbk_engine_config config = {
        .config_root = root, .config_paths = paths, .sqlite_paths = sqlite_paths};
    tbk_files *files;
    tbk_error err;
    if (!tbk_files_open(&config, &files, &err))
        fail_msg("%s", err.message);
    return files;
}

/* Stores into config.tar.zst. */
static void store_files(tbk_files *files)
{
    tbk_archive_writer *writer;
    tbk_set_file stored = {0};
    tbk_error err;
    int out = open("config.tar.zst", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(tbk_archive_writer_open(out, 1, 1, &writer, &err));
    if (!tbk_files_store(files, "scratch", writer, NULL, &err) ||
        !tbk_archive_writer_finish(writer, &stored, &err))
        fail_msg("%s", err.message);
    tbk_archive_writer_free(writer);
    (void)close(out);
    assert_int_equal(stored.raw_bytes % 512, 0);
    assert_int_equal(shell("ls -A scratch | grep -q ."), 1);
}

static bool has_note(const tbk_files *files, const char *wanted)
{
    for (const char **note = tbk_files_missing(files); *note != NULL; note++)
        if (strcmp(*note, wanted) == 0)
            return true;
    return false;
}

static size_t note_count(const tbk_files *files)
{
    size_t count = 0;
    for (const char **note = tbk_files_missing(files); *note != NULL; note++)
        count++;
    return count;
}

static void assert_note_has(const tbk_files *files, const char *path, const char *why)
{
    for (const char **note = tbk_files_missing(files); *note != NULL; note++)
        if (tbk_text_starts_with(*note, path) && strstr(*note, why) != NULL)
            return;
    fail_msg("no note says '%s' of '%s'", why, path);
}

#define UNPACK_GNU                                                                                 \
    "rm -rf out/* && zstd -dcq config.tar.zst | tar -xpf - --warning=all -C out 2>log; "
#define UNPACK_BUSYBOX                                                                             \
    "rm -rf out/* && zstd -dcq config.tar.zst | busybox tar -xpf - -C out 2>log; "
/* Two folders compared: what find prints of everything in them, and the content of files. */
#define SAME(find)                                                                                 \
    "for d in opt out; do (cd $d && find . -mindepth 1 " find " | sort; "                          \
    "find . -type f -print0 | sort -z | xargs -0r sha256sum) >$d.list; done; "                     \
    "test -s opt.list && diff opt.list out.list"
#define SAME_TREE                                                                                  \
    SAME("-printf '%p %y %m %U %G %l ' \\( -type l -printf '\\n' -o -printf '%Ts\\n' \\)")
/* Busybox gives links no owner and folders no time. */
#define SAME_TO_BUSYBOX                                                                            \
    SAME("\\( -type l -printf '%p %l\\n' -o -type d -printf '%p %m %U %G\\n' "                     \
         "-o -printf '%p %m %U %G %Ts\\n' \\)")

/* --- what is stored --- */

static void both_tar_programs_give_the_tree_back(void **state)
{
    (void)state;
    assert_int_equal(
        shell("cd opt && mkdir -p storage/tracker/etc storage/caddy/data/a storage/empty && "
              "echo secret >.env && chmod 0640 .env && echo services: >docker-compose.yml && "
              "echo '[core]' >storage/tracker/etc/tracker.toml && chmod 2770 storage/tracker && "
              "head -c 511 /dev/urandom >storage/caddy/data/511 && "
              "head -c 512 /dev/urandom >storage/caddy/data/512 && "
              "head -c 513 /dev/urandom >storage/caddy/data/513 && "
              "head -c 600000 /dev/urandom >storage/caddy/data/a/large && : >storage/caddy/none && "
              "chmod 0600 storage/caddy/data/a/large && chmod 0777 storage/empty && "
              "ln -s ../tracker/etc storage/caddy/link && ln -s /no/such storage/caddy/dangling && "
              "touch -d '2001-02-03 04:05:06 UTC' .env storage/empty && "
              "touch -d '2001-02-03 04:05:06 UTC' storage/tracker/etc && "
              "{ [ \"$(id -u)\" != 0 ] || chown -R 472:1000 storage/caddy; }"),
        0);
    static const char *const PATHS[] = {
        ".env",          "docker-compose.yml", "storage/tracker/etc",
        "storage/caddy", "storage/empty",      NULL};
    size_t before = descriptors_now();
    tbk_files *files = open_files(PATHS, NULL);
    assert_note_has(files, "storage/caddy/dangling: ", "the link alone");
    assert_int_equal(note_count(files), 1);
    assert_in_range(files->size_bytes, 601536, 602000);
    store_files(files);
    assert_int_equal(note_count(files), 1);
    tbk_files_close(files);
    assert_int_equal(descriptors_now(), before);

    assert_int_equal(shell(UNPACK_GNU "cat log; test ! -s log && " SAME_TREE), 0);
    assert_int_equal(shell("zstd -dcq config.tar.zst | tar -tf - >names && LC_ALL=C sort -c names"),
                     0);
    if (shell("busybox true 2>/dev/null") == 0)
        assert_int_equal(shell(UNPACK_BUSYBOX "cat log; test ! -s log && " SAME_TO_BUSYBOX), 0);
    else
        print_message("SKIPPED: the half with busybox, which is missing\n");
}

static void nothing_at_all_is_a_valid_tar(void **state)
{
    (void)state;
    static const char *const NONE[] = {NULL};
    tbk_files *files = open_files(NONE, NULL);
    assert_int_equal(files->size_bytes, 0);
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(shell("test \"$(zstd -dcq config.tar.zst | tar -tf - | wc -l)\" = 0"), 0);
}

static void paths_that_overlap_are_stored_once(void **state)
{
    (void)state;
    assert_int_equal(shell("cd opt && mkdir -p a/b && echo 1 >a/b/c && echo 2 >a/d"), 0);
    static const char *const PATHS[] = {"a/b", "a", "a/b/c", "a/b", NULL};
    size_t before = descriptors_now();
    tbk_files *files = open_files(PATHS, NULL);
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(descriptors_now(), before);
    assert_int_equal(shell("test \"$(zstd -dcq config.tar.zst | tar -tf - | tr '\\n' ' ')\" = "
                           "'a/ a/b/ a/b/c a/d '"),
                     0);
}

/* Names at, below and above what a ustar header holds, and such as have no place in it. */
static void long_and_strange_names_come_back(void **state)
{
    (void)state;
    assert_int_equal(
        shell("cd opt && n() { head -c $1 /dev/zero | tr '\\0' $2; } && "
              "for l in 99 100 101 200; do echo $l >$(n $l f); mkdir $(n $l d); ln -s $(n $l t) "
              "$(n $l l); done && "
              "d=$(n 150 p) && mkdir -p $d/$(n 104 q) && echo 1 >$d/$(n 100 f) && "
              "echo 2 >$d/$(n 101 f) && echo 3 >$d/$(n 104 q)/$(n 200 f) && "
              "e=$(n 155 e) && mkdir $e && echo 4 >$e/$(n 100 f) && mkdir $e/$(n 100 d) && "
              "mkdir $e/$(n 99 d) && ln -s caf\303\251 'li nk' && echo 5 >caf\303\251 && "
              "echo 6 >'a\nb' && echo 7 >\"q'\\\"\" && printf x >-dash && "
              "printf x >$(printf 'latin\\351')"),
        0);
    DIR *listing = opendir("opt");
    static const char *paths[64];
    size_t count = 0;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            paths[count++] = entry->d_name;
    paths[count] = NULL;
    tbk_files *files = open_files(paths, NULL);
    assert_int_equal(note_count(files), 4); /* links to what is not there */
    assert_int_equal(tbk_files_lost(files), 0);
    store_files(files);
    tbk_files_close(files);
    (void)closedir(listing);
    assert_int_equal(shell(UNPACK_GNU "cat log; test ! -s log && " SAME_TREE), 0);
    /* Python reads pax headers by its own code. */
    assert_int_equal(shell("rm -rf out/* && zstd -dcq config.tar.zst >t.tar && "
                           "python3 -c \"import tarfile; tarfile.open('t.tar').extractall('out')\" "
                           "2>/dev/null && cd opt && find . | sort >../a && cd ../out && find . | "
                           "sort | diff ../a -"),
                     0);
}

static void files_only_root_can_read_are_read_after_root_is_gone(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_because("only root can become another user");
    assert_int_equal(shell("cd opt && mkdir -m 0700 keys && echo private >keys/key && "
                           "chmod 0600 keys/key && echo x >.env && chmod 0640 .env && "
                           "chmod 0777 .. ../scratch"),
                     0);
    static const char *const PATHS[] = {".env", "keys", NULL};
    pid_t child = fork();
    if (child == 0) {
        tbk_files *files = open_files(PATHS, NULL);
        if (setgroups(0, NULL) != 0 || setresgid(64999, 64999, 64999) != 0 ||
            setresuid(64999, 64999, 64999) != 0 || access("opt/.env", R_OK) == 0)
            _exit(1);
        store_files(files);
        _exit(note_count(files) == 0 ? 0 : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(shell(UNPACK_GNU SAME_TREE), 0);
    assert_int_equal(chmod(folder, 0755), 0);
}

static void a_file_replaced_after_opening_is_stored_as_it_was(void **state)
{
    (void)state;
    static const char *const PATHS[] = {".env", NULL};
    assert_int_equal(shell("echo old >opt/.env"), 0);
    tbk_files *files = open_files(PATHS, NULL);
    assert_int_equal(shell("echo new >opt/n && mv opt/n opt/.env"), 0);
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(shell(UNPACK_GNU "test \"$(cat out/.env)\" = old"), 0);
}

/* --- what is left out --- */

static void what_is_missing_is_noted(void **state)
{
    (void)state;
    assert_int_equal(shell("echo x >opt/.env && mkdir opt/a"), 0);
    static const char *const PATHS[] = {".env",   "gone.yml", "a/gone/deep",
                                        "a/gone", ".env/x",   NULL};
    tbk_files *files = open_files(PATHS, NULL);
    assert_true(has_note(files, "gone.yml"));
    assert_true(has_note(files, "a/gone/deep"));
    assert_true(has_note(files, "a/gone"));
    assert_true(has_note(files, ".env/x: not saved, its path leads through a link or a file"));
    assert_int_equal(note_count(files), 4);
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(shell(UNPACK_GNU "test -f out/.env && test -d out/a"), 0);
}

static void a_missing_root_is_an_error(void **state)
{
    (void)state;
    tbk_engine_config config = {.config_root = "/no/such"};
    tbk_files *files = NULL;
    tbk_error err;
    assert_false(tbk_files_open(&config, &files, &err));
    assert_int_equal(err.code, TBK_E_IO);
    assert_null(files);
}

static void links_that_lead_out_are_stored_and_never_followed(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir secret && echo secret >secret/shadow && cd opt && mkdir etc && "
                           "ln -s ../secret way && ln -s ../../secret/shadow etc/shadow && "
                           "ln -s ../../secret etc/folder && ln -s .. etc/up && ln -s /etc/passwd "
                           "etc/passwd && ln -s nowhere etc/none && ln -s b etc/a && ln -s a etc/b "
                           "&& ln -s \"$PWD-other/x\" etc/other"),
                     0);
    static const char *const PATHS[] = {"etc", "way/shadow", "way", NULL};
    tbk_files *files = open_files(PATHS, NULL);
    assert_note_has(files, "way/shadow: the link alone is saved", "out of the deployment");
    assert_note_has(files, "way: the link alone is saved", "out of the deployment");
    assert_note_has(files, "etc/shadow: the link alone", "out of the deployment");
    assert_note_has(files, "etc/folder: the link alone", "out of the deployment");
    assert_note_has(files, "etc/passwd: the link alone", "out of the deployment");
    assert_note_has(files, "etc/other: the link alone", "out of the deployment");
    assert_note_has(files, "etc/up: the link alone", "a folder that it is in");
    assert_note_has(files, "etc/none: the link alone", "not there");
    assert_note_has(files, "etc/a: the link alone", "in a circle");
    assert_int_equal(note_count(files), 10);
    assert_int_equal(tbk_files_lost(files), 0);
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(shell("zstd -dcq config.tar.zst | grep -aqE '^secret$|^root:'"), 1);
    assert_int_equal(shell(UNPACK_GNU SAME_TREE), 0);
}

static void what_links_lead_to_within_the_folder_is_stored_in_its_place(void **state)
{
    (void)state;
    assert_int_equal(
        shell(
            "cd opt && mkdir -p conf/deep etc data/more && echo TOKEN >conf/app.env && "
            "ln -s conf/app.env .env && ln -s ../data etc/data && echo 1 >data/1 && "
            "echo 2 >data/more/2 && ln -s ../../conf/deep/3 data/more/3 && echo 3 >conf/deep/3 && "
            "ln -s \"$PWD/conf\" absolute && ln -s absolute/deep chain && echo 4 >data/4 && "
            "ln -s ./data/../data//4 four && echo no >conf/unasked"),
        0);
    static const char *const PATHS[] = {".env", "etc", "chain/3", "four", NULL};
    size_t before = descriptors_now();
    tbk_files *files = open_files(PATHS, NULL);
    assert_int_equal(note_count(files), 0);
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(descriptors_now(), before);
    assert_int_equal(shell(UNPACK_GNU "cat log; test ! -s log && cd out && "
                                      "test \"$(cat .env etc/data/1 etc/data/more/2 "
                                      "etc/data/more/3 data/4 four)\" = \"$(printf "
                                      "'TOKEN\\n1\\n2\\n3\\n4\\n4')\" && test ! -e "
                                      "conf/unasked && test -L .env && test -L etc/data && "
                                      "test \"$(cat conf/deep/3)\" = 3"),
                     0);
}

/* A set in each set, and a torn copy of a live database, would be what a link could ask for. */
static void the_database_and_the_store_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(shell("cd opt && mkdir -p lib sets/1 etc && echo db >lib/t.db && "
                           "echo wal >lib/t.db-wal && echo set >sets/1/manifest && "
                           "ln -s ../lib etc/lib && ln -s ../sets etc/sets && "
                           "ln -s ../sets/1 etc/one && echo x >etc/file && echo y >lib/other"),
                     0);
    static const char *const PATHS[] = {"etc", "lib", NULL};
    char database[96], store[96];
    (void)snprintf(database, sizeof database, "%s/lib/t.db", root);
    (void)snprintf(store, sizeof store, "%s/sets", root);
    tbk_engine_config config = {
        .config_root = root, .config_paths = PATHS, .database_path = database, .store = store};
    tbk_files *files;
    tbk_error err;
    assert_succeeds(tbk_files_open(&config, &files, &err), err);
    assert_note_has(files, "lib/t.db: ", "it is of the database or the store");
    assert_note_has(files, "lib/t.db-wal: ", "it is of the database or the store");
    assert_note_has(files, "sets/1: ", "it is of the database or the store");
    assert_note_has(files, "sets: ", "it is of the database or the store");
    assert_int_equal(tbk_files_lost(files), 0);
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(shell("zstd -dcq config.tar.zst | tar -tf - | grep -E 'manifest|t.db'"), 1);
    assert_int_equal(shell(UNPACK_GNU "test -f out/lib/other && test -f out/etc/file"), 0);
}

/* The folder is walked as root, while another process swaps what is in it. */
static void *swap_for_links(void *argument)
{
    const bool *stop = argument;
    while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {
        if (rename("opt/etc", "opt/kept") != 0 || symlink("../secret", "opt/etc") != 0 ||
            unlink("opt/etc") != 0 || rename("opt/kept", "opt/etc") != 0 ||
            rename("opt/etc/sub", "opt/etc/aside") != 0 ||
            symlink("../../secret", "opt/etc/sub") != 0 || unlink("opt/etc/sub") != 0 ||
            rename("opt/etc/aside", "opt/etc/sub") != 0)
            return NULL;
    }
    return argument;
}

static void a_folder_that_becomes_a_link_meanwhile_leads_nowhere_out(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir -p secret opt/etc/sub && echo secret >secret/file && "
                           "echo good >opt/etc/sub/file && echo good >opt/etc/file"),
                     0);
    static const char *const PATHS[] = {"etc/sub/file", "etc/file", "etc", NULL};
    bool stop = false;
    void *good = NULL;
    pthread_t swapper;
    assert_int_equal(pthread_create(&swapper, NULL, swap_for_links, &stop), 0);
    for (int i = 0; i < 400; i++) {
        tbk_files *files = open_files(PATHS, NULL);
        store_files(files);
        tbk_files_close(files);
        assert_int_equal(shell("zstd -dcq config.tar.zst | grep -aq '^secret$'"), 1);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    assert_int_equal(pthread_join(swapper, &good), 0);
    assert_non_null(good);
}

static void sockets_pipes_and_devices_are_noted_and_block_nothing(void **state)
{
    (void)state;
    assert_int_equal(shell("cd opt && mkdir etc && mkfifo etc/pipe && echo x >etc/file"), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "opt/etc/socket"};
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server, (const struct sockaddr *)&address, sizeof address), 0);
    bool device = shell("mknod opt/etc/null c 1 3 2>/dev/null") == 0;
    static const char *const PATHS[] = {"etc", "etc/pipe", NULL};
    tbk_files *files = open_files(PATHS, NULL);
    assert_true(has_note(files, "etc/pipe: not saved, it is a named pipe"));
    assert_true(has_note(files, "etc/socket: not saved, it is a socket"));
    assert_true(!device || has_note(files, "etc/null: not saved, it is a device"));
    store_files(files);
    tbk_files_close(files);
    (void)close(server);
    assert_int_equal(shell("test \"$(zstd -dcq config.tar.zst | tar -tf - | tr '\\n' ' ')\" = "
                           "'etc/ etc/file '"),
                     0);
}

static void what_cannot_be_opened_is_noted(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip_because("only root can become another user");
    assert_int_equal(shell("cd opt && echo x >file && mkdir dir && echo y >dir/y && "
                           "chmod 0600 file && chmod 0700 dir"),
                     0);
    static const char *const PATHS[] = {"file", "dir", "dir/y", NULL};
    pid_t child = fork();
    if (child == 0) {
        if (setuid(64999) != 0)
            _exit(1);
        tbk_files *files = open_files(PATHS, NULL);
        _exit(has_note(files, "file: not saved, it cannot be opened: Permission denied") &&
                      has_note(files, "dir: not saved, it cannot be opened: Permission denied") &&
                      has_note(files, "dir/y: not saved, it cannot be opened: Permission denied")
                  ? 0
                  : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void notes_are_utf_8_whatever_a_name_is(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir opt/etc && mkfifo \"opt/etc/$(printf 'a\\377b')\""), 0);
    static const char *const PATHS[] = {"etc", NULL};
    tbk_files *files = open_files(PATHS, NULL);
    assert_true(has_note(files, "etc/a\\xffb: not saved, it is a named pipe"));
    tbk_files_close(files);
}

static void folders_nested_without_end_are_cut_and_noted(void **state)
{
    (void)state;
    assert_int_equal(shell("cd opt && d=d && for i in $(seq 40); do d=$d/d; done && mkdir -p $d && "
                           "echo x >$d/file"),
                     0);
    static const char *const PATHS[] = {"d", NULL};
    size_t before = descriptors_now();
    tbk_files *files = open_files(PATHS, NULL);
    assert_int_equal(note_count(files), 1);
    assert_note_has(files, "d/d/d/", "nested too deeply");
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(descriptors_now(), before);
}

static void what_is_too_much_is_noted_and_costs_no_other_path(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir opt/many opt/few && (cd opt/many && seq 5000 | xargs touch) && "
                           "seq 100 | (cd opt/few && xargs touch) && echo x >opt/.env"),
                     0);
    static const char *const PATHS[] = {"many", "few", ".env", NULL};
    struct rlimit before_limit;
    size_t before = descriptors_now();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before_limit), 0);
    tbk_files *files = open_files(PATHS, NULL);
    store_files(files);
    assert_note_has(files, "many: not all of it is saved", "more than 4096 files");
    assert_int_equal(note_count(files), 1);
    assert_int_equal(tbk_files_lost(files), 1);
    assert_non_null(strstr(tbk_files_first_lost(files), "many: "));
    tbk_files_close(files);
    assert_int_equal(descriptors_now(), before);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before_limit), 0);
    assert_int_equal(shell(UNPACK_GNU "test -f out/.env && test \"$(ls out/few | wc -l)\" = 100 && "
                                      "test \"$(ls out/many | wc -l)\" -gt 2000"),
                     0);
}

/* Sparse ones cost nothing to make. */
static void what_is_too_large_is_noted_and_costs_no_other_path(void **state)
{
    (void)state;
    assert_int_equal(
        shell("mkdir opt/etc && cd opt/etc && truncate -s 8T core && for i in 1 2 3 4; "
              "do truncate -s 900M $i; done && truncate -s 700M ../later && "
              "echo x >../.env"),
        0);
    static const char *const PATHS[] = {"etc", ".env", "later", NULL};
    tbk_files *files = open_files(PATHS, NULL);
    assert_true(has_note(files, "etc/core: not saved, it has 8388608 MiB, more than 1024"));
    assert_note_has(files, "etc/", "the files have more than 4096 MiB in all");
    assert_int_equal(note_count(files), 2);
    assert_int_equal(tbk_files_lost(files), 2);
    assert_in_range(files->size_bytes, UINT64_C(3400) << 20, UINT64_C(3401) << 20);
    tbk_files_limit(files, 1 << 20);
    assert_in_range(files->size_bytes, 1, 10);
    assert_note_has(files, "later: not saved", "no room");
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(shell("test \"$(zstd -dcq config.tar.zst | tar -tf - | tr '\\n' ' ')\" = "
                           "'.env etc/ '"),
                     0);
}

static void a_low_limit_of_descriptors_is_noted_and_leaves_some(void **state)
{
    (void)state;
    assert_int_equal(shell("mkdir opt/many && cd opt/many && seq 200 | xargs touch"), 0);
    static const char *const PATHS[] = {"many", NULL};
    pid_t child = fork();
    if (child == 0) {
        struct rlimit low = {.rlim_cur = 80, .rlim_max = 100};
        if (setrlimit(RLIMIT_NOFILE, &low) != 0)
            _exit(1);
        tbk_files *files = open_files(PATHS, NULL);
        _exit(tbk_files_lost(files) == 200 - 36 && note_count(files) == TBK_FILES_NOTES_MAX &&
                      strstr(tbk_files_first_lost(files), "ulimit") != NULL &&
                      has_note(files, "and 101 more") && open("/", O_RDONLY | O_CLOEXEC) >= 0
                  ? 0
                  : 2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- files that change meanwhile --- */

typedef struct interference {
    int from;         /* the stream, of which the first bytes say that the header was made */
    off_t size_bytes; /* then the file gets this size */
} interference;

/* The writer stands still while the pipe is full, at most 24 MiB into a file of 40. */
static void *interfere_and_drain(void *argument)
{
    const interference *what = argument;
    struct pollfd first = {.fd = what->from, .events = POLLIN};
    const bool came = poll(&first, 1, SOON_MS) == 1;
    bool good = came && truncate("opt/file", what->size_bytes) == 0;
    int out = open("config.tar.zst", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    static char block[1 << 16];
    ssize_t got;
    while ((got = read(what->from, block, sizeof block)) > 0)
        good = write(out, block, (size_t)got) == got && good; /* who writes must not wait for us */
    (void)close(out);
    return good ? argument : NULL;
}

static tbk_files *store_while_the_size_becomes(off_t size_bytes)
{
    static const char *const PATHS[] = {"file", "next", NULL};
    assert_int_equal(shell("head -c 40M /dev/urandom >opt/file && echo next >opt/next"), 0);
    tbk_files *files = open_files(PATHS, NULL);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    interference what = {.from = ends[0], .size_bytes = size_bytes};
    pthread_t drain;
    assert_int_equal(pthread_create(&drain, NULL, interfere_and_drain, &what), 0);

    tbk_archive_writer *writer;
    tbk_set_file stored;
    tbk_error err;
    assert_true(tbk_archive_writer_open(ends[1], 1, 4, &writer, &err));
    assert_true(tbk_files_store(files, "scratch", writer, NULL, &err));
    assert_true(tbk_archive_writer_finish(writer, &stored, &err));
    tbk_archive_writer_free(writer);
    (void)close(ends[1]);
    void *good = NULL;
    assert_int_equal(pthread_join(drain, &good), 0);
    assert_non_null(good);
    (void)close(ends[0]);
    return files;
}

static void a_file_that_shrinks_is_filled_up_and_noted(void **state)
{
    (void)state;
    tbk_files *files = store_while_the_size_becomes(28 << 20);
    assert_int_equal(note_count(files), 1);
    assert_true(has_note(files, "file: shrank while it was read, its end is zeros"));
    tbk_files_close(files);
    assert_int_equal(shell(UNPACK_GNU
                           "cat log; test ! -s log && test \"$(cat out/next)\" = next && "
                           "test \"$(stat -c %s out/file)\" = 41943040 && "
                           "cmp -n 29360128 opt/file out/file && "
                           "tail -c +29360129 out/file | cmp -n 12582912 - /dev/zero"),
                     0);
}

static void a_file_that_grows_is_cut_and_noted(void **state)
{
    (void)state;
    tbk_files *files = store_while_the_size_becomes(41 << 20);
    assert_int_equal(note_count(files), 1);
    assert_true(
        has_note(files, "file: grew while it was read, saved are its first 41943040 bytes"));
    tbk_files_close(files);
    assert_int_equal(shell(UNPACK_GNU
                           "cat log; test ! -s log && test \"$(cat out/next)\" = next && "
                           "test \"$(stat -c %s out/file)\" = 41943040 && "
                           "cmp -n 41943040 opt/file out/file"),
                     0);
}

/* --- live databases --- */

static bool is_ready(void) { return access("ready", F_OK) == 0; }

static void a_live_database_is_copied_through_sqlite(void **state)
{
    (void)state;
    assert_int_equal(mkdir("opt/data", 0755), 0);
    FILE *grafana = popen("sqlite3 opt/data/grafana.db >/dev/null", "we");
    assert_non_null(grafana);
    (void)fprintf(grafana, "PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0;\n"
                           "CREATE TABLE dashboard (id INTEGER PRIMARY KEY, title TEXT);\n"
                           "INSERT INTO dashboard VALUES (1, 'torrents');\n"
                           ".shell touch ready\n");
    (void)fflush(grafana);
    assert_true(waits_for(is_ready));
    assert_int_equal(shell("test -s opt/data/grafana.db-wal && chmod 0640 opt/data/grafana.db"), 0);

    static const char *const PATHS[] = {"data", NULL};
    static const char *const DATABASES[] = {"data/grafana.db", NULL};
    size_t before = descriptors_now();
    tbk_files *files = open_files(PATHS, DATABASES);
    assert_int_equal(note_count(files), 0);
    store_files(files);
    assert_int_equal(note_count(files), 0);
    tbk_files_close(files);
    assert_int_equal(descriptors_now(), before);
    (void)fprintf(grafana, "INSERT INTO dashboard VALUES (2, 'later');\n.quit\n");
    assert_int_equal(pclose(grafana), 0);

    assert_int_equal(shell(UNPACK_GNU
                           "cat log; test ! -s log && "
                           "test \"$(cd out && find . -type f)\" = ./data/grafana.db && "
                           "test \"$(stat -c %a out/data/grafana.db)\" = 640 && "
                           "test \"$(sqlite3 out/data/grafana.db 'PRAGMA integrity_check; SELECT * "
                           "FROM dashboard' | tr '\\n' ' ')\" = 'ok 1|torrents '"),
                     0);
}

/* SQLite would wait for it for ever. */
static void a_pipe_in_the_place_of_a_journal_costs_only_the_database(void **state)
{
    (void)state;
    assert_int_equal(shell("sqlite3 opt/g.db 'CREATE TABLE t(a)' && mkfifo opt/g.db-journal && "
                           "sqlite3 opt/h.db 'CREATE TABLE t(a)' && ln -s /etc/passwd opt/h.db-wal "
                           "&& echo x >opt/.env"),
                     0);
    static const char *const PATHS[] = {".env", "g.db", "h.db", NULL};
    static const char *const DATABASES[] = {"g.db", "h.db", NULL};
    tbk_files *files = open_files(PATHS, DATABASES);
    assert_note_has(files, "g.db: not saved", "no journal");
    assert_note_has(files, "h.db: not saved", "no journal");
    assert_int_equal(tbk_files_lost(files), 2);
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(shell("test \"$(zstd -dcq config.tar.zst | tar -tf -)\" = .env"), 0);
}

/* Its companions, too, are where it is. */
static void a_live_database_behind_a_link_is_copied_through_sqlite(void **state)
{
    (void)state;
    assert_int_equal(
        shell("mkdir opt/lib opt/grafana && sqlite3 opt/lib/g.db 'CREATE TABLE t(a)' && "
              "echo x >opt/lib/g.db-shm && ln -s ../lib/g.db opt/grafana/g.db"),
        0);
    static const char *const PATHS[] = {"grafana/g.db", NULL};
    static const char *const DATABASES[] = {"grafana/g.db", NULL};
    tbk_files *files = open_files(PATHS, DATABASES);
    assert_int_equal(note_count(files), 0);
    store_files(files);
    assert_int_equal(note_count(files), 0);
    tbk_files_close(files);
    assert_int_equal(shell("test \"$(zstd -dcq config.tar.zst | tar -tf - | tr '\\n' ' ')\" = "
                           "'grafana/ grafana/g.db lib/ lib/g.db '"),
                     0);
}

static bool always(void *self)
{
    (void)self;
    return true;
}

static void a_signal_is_heard_while_files_are_stored(void **state)
{
    (void)state;
    assert_int_equal(shell("echo x >opt/.env"), 0);
    static const char *const PATHS[] = {".env", NULL};
    const tbk_report report = {.cancelled = always};
    tbk_files *files = open_files(PATHS, NULL);
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    tbk_archive_writer *writer;
    tbk_error err;
    assert_true(tbk_archive_writer_open(out, 1, 1, &writer, &err));
    assert_false(tbk_files_store(files, "scratch", writer, &report, &err));
    assert_int_equal(err.code, TBK_E_INTERRUPTED);
    tbk_archive_writer_free(writer);
    tbk_files_close(files);
    (void)close(out);
}

static void a_database_that_is_none_costs_only_itself(void **state)
{
    (void)state;
    assert_int_equal(shell("echo text >opt/not.db && : >opt/empty.db && echo x >opt/.env"), 0);
    static const char *const PATHS[] = {".env", "not.db", "empty.db", "gone.db", NULL};
    static const char *const DATABASES[] = {"not.db", "empty.db", "gone.db", NULL};
    tbk_files *files = open_files(PATHS, DATABASES);
    assert_note_has(files, "not.db: not saved: ", "");
    assert_note_has(files, "empty.db: not saved: ", "");
    assert_true(has_note(files, "gone.db"));
    store_files(files);
    tbk_files_close(files);
    assert_int_equal(shell("test \"$(zstd -dcq config.tar.zst | tar -tf -)\" = .env"), 0);
}

static void a_database_that_breaks_before_it_is_copied_costs_only_itself(void **state)
{
    (void)state;
    assert_int_equal(shell("sqlite3 opt/g.db 'CREATE TABLE t(a)' && echo x >opt/.env"), 0);
    static const char *const PATHS[] = {".env", "g.db", NULL};
    static const char *const DATABASES[] = {"g.db", NULL};
    tbk_files *files = open_files(PATHS, DATABASES);
    assert_int_equal(note_count(files), 0);
    assert_int_equal(shell("rm opt/g.db && sqlite3 opt/g.db 'CREATE TABLE u(a)'"), 0); /* another */
    store_files(files);
    assert_int_equal(note_count(files), 1);
    assert_note_has(files, "g.db: not saved: ", "");
    tbk_files_close(files);
    assert_int_equal(shell("test \"$(zstd -dcq config.tar.zst | tar -tf -)\" = .env"), 0);
}

static void a_full_disk_is_said_with_the_file(void **state)
{
    (void)state;
    assert_int_equal(shell("head -c 40M /dev/urandom >opt/file"), 0);
    static const char *const PATHS[] = {"file", NULL};
    tbk_files *files = open_files(PATHS, NULL);
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    tbk_archive_writer *writer;
    tbk_error err;
    assert_true(tbk_archive_writer_open(full, 1, 1, &writer, &err));
    assert_false(tbk_files_store(files, "scratch", writer, NULL, &err));
    assert_int_equal(err.code, TBK_E_SPACE);
    assert_non_null(strstr(err.message, "'file'"));
    tbk_archive_writer_free(writer);
    tbk_files_close(files);
    (void)close(full);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(both_tar_programs_give_the_tree_back),
        TEST(nothing_at_all_is_a_valid_tar),
        TEST(paths_that_overlap_are_stored_once),
        TEST(long_and_strange_names_come_back),
        TEST(files_only_root_can_read_are_read_after_root_is_gone),
        TEST(a_file_replaced_after_opening_is_stored_as_it_was),
        TEST(what_is_missing_is_noted),
        TEST(a_missing_root_is_an_error),
        TEST(links_that_lead_out_are_stored_and_never_followed),
        TEST(what_links_lead_to_within_the_folder_is_stored_in_its_place),
        TEST(the_database_and_the_store_are_left_out),
        TEST(a_folder_that_becomes_a_link_meanwhile_leads_nowhere_out),
        TEST(sockets_pipes_and_devices_are_noted_and_block_nothing),
        TEST(what_cannot_be_opened_is_noted),
        TEST(notes_are_utf_8_whatever_a_name_is),
        TEST(folders_nested_without_end_are_cut_and_noted),
        TEST(what_is_too_much_is_noted_and_costs_no_other_path),
        TEST(what_is_too_large_is_noted_and_costs_no_other_path),
        TEST(a_low_limit_of_descriptors_is_noted_and_leaves_some),
        TEST(a_file_that_shrinks_is_filled_up_and_noted),
        TEST(a_file_that_grows_is_cut_and_noted),
        TEST(a_live_database_is_copied_through_sqlite),
        TEST(a_pipe_in_the_place_of_a_journal_costs_only_the_database),
        TEST(a_live_database_behind_a_link_is_copied_through_sqlite),
        TEST(a_signal_is_heard_while_files_are_stored),
        TEST(a_database_that_is_none_costs_only_itself),
        TEST(a_database_that_breaks_before_it_is_copied_costs_only_itself),
        TEST(a_full_disk_is_said_with_the_file),
    };
    return cmocka_run_group_tests(tests, enter_folder, remove_folder);
}
