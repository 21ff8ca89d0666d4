/* SPDX-License-Identifier: MIT */
/* Loading dumps into real servers, MariaDB and MySQL, and swapping them in. */
#include "contract/both_servers.h"

#include "base/clock.h"
#include "base/text.h"

#include <sys/prctl.h>

/* --- dumps in memory --- */

typedef struct memory {
    const char *bytes;
    size_t length, position, piece_bytes;
} memory;

static bool read_memory(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                        tbk_error *error)
{
    memory *from = self;
    (void)error;
    size_t part = from->length - from->position;
    if (part > size_bytes)
        part = size_bytes;
    if (from->piece_bytes > 0 && part > from->piece_bytes)
        part = from->piece_bytes;
    if (part > 0)
        memcpy(buffer, from->bytes + from->position, part);
    from->position += part;
    *out_got = part;
    return true;
}

static bool load_text(const tbk_mysql_server *into, const char *text, size_t length,
                      const tbk_report *report, tbk_mysql_objects **out, tbk_error *error)
{
    memory from = {.bytes = text, .length = length};
    tbk_source source = {.self = &from, .total_bytes = length, .read = read_memory};
    return tbk_mysql_load(into, 3, &source, report, out, error);
}

static tbk_text dump_of(const char *schema, tbk_mysql_facts *facts)
{
    static char buffer[65536];
    tbk_mysql_server from = root_of(schema);
    tbk_mysql_dump_request request = {.server = &from, .sessions = 3, .is_still = true};
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    tbk_text sql = {0};
    size_t got = 1;
    assert_succeeds(tbk_mysql_dump_open(&request, &dump, &err), err);
    assert_succeeds(tbk_mysql_dump_pin(dump, &err), err);
    while (got > 0) {
        assert_succeeds(tbk_mysql_dump_read(dump, buffer, sizeof buffer, &got, &err), err);
        tbk_text_append_bytes(&sql, buffer, got);
    }
    assert_succeeds(tbk_mysql_dump_finish(dump, arena, facts, NULL, NULL, &err), err);
    return sql;
}

static tbk_mysql_facts measure(const char *schema)
{
    tbk_mysql_facts facts;
    tbk_mysql_server of = root_of(schema);
    assert_succeeds(tbk_mysql_measure(arena, &of, 2, NULL, &facts, &err), err);
    return facts;
}

static bool is_same(const tbk_mysql_facts *a, const tbk_mysql_facts *b)
{
    if (a->table_count != b->table_count || !tbk_digest_equal(&a->schema, &b->schema))
        return false;
    for (size_t i = 0; i < a->table_count; i++)
        if (strcmp(a->tables[i].table, b->tables[i].table) != 0 ||
            strcmp(a->tables[i].checksum, b->tables[i].checksum) != 0 ||
            a->tables[i].rows != b->tables[i].rows)
            return false;
    return true;
}

/* --- schemas --- */

static const char *scratch_of(const char *schema) { return tbk_mysql_scratch_name(arena, schema); }

static void make_schema(const char *name, const char *statements)
{
    MYSQL *root = test_server_connect(&server, NULL);
    const char *quoted = tbk_mysql_name(arena, name);
    test_sql(root, tbk_arena_format(arena,
                                    "DROP DATABASE IF EXISTS %s; CREATE DATABASE %s; "
                                    "GRANT ALL ON %s.* TO '%s'@'%%'; USE %s",
                                    quoted, quoted, quoted, server.user_name, quoted));
    if (statements[0] != '\0')
        test_sql(root, statements);
    mysql_close(root);
}

/* Runs a file with the server's own client. */
static void run_file(const char *schema, const char *path)
{
    assert_int_equal(test_server_run(&server, "client",
                                     "mysql --default-character-set=utf8mb4 %s <'%s'", schema,
                                     path),
                     0);
}

static void make_hostile(const char *schema)
{
    make_schema(schema, "");
    run_file(schema, TBK_SOURCE_DIR "/tests/contract/hostile.sql");
    run_file(schema, tbk_arena_format(arena, "%s/tests/contract/hostile-%s.sql", TBK_SOURCE_DIR,
                                      server.kind));
}

static void drop_ours(const char *schema)
{
    tbk_mysql_server root = root_of(schema);
    const char *const *names;
    size_t count;
    assert_succeeds(tbk_mysql_scratch_drop(&root, scratch_of(schema), &err), err);
    assert_succeeds(tbk_mysql_purge_previous(&root, arena, &names, &count, &err), err);
}

/* Loads into the scratch schema of live, which is made. */
static tbk_mysql_objects *load_scratch(const char *live, const tbk_text *sql)
{
    tbk_mysql_objects *objects = NULL;
    tbk_mysql_server root = root_of(live), into = root_of(scratch_of(live));
    assert_succeeds(tbk_mysql_scratch_make(&root, scratch_of(live), &err), err);
    assert_succeeds(load_text(&into, sql->bytes, sql->length, NULL, &objects, &err), err);
    return objects;
}

/* --- loading --- */

static void brings_back_every_type_and_object(void **state)
{
    (void)state;
    tbk_mysql_facts facts;
    make_hostile("src");
    tbk_text sql = dump_of("src", &facts);
    tbk_mysql_objects *objects = load_scratch("src", &sql);
    tbk_mysql_server scratch = root_of(scratch_of("src"));
    tbk_mysql_facts loaded = measure(scratch.schema);
    assert_int_equal(loaded.views + loaded.triggers + loaded.routines + loaded.events, 0);
    assert_succeeds(tbk_mysql_objects_make(&scratch, objects, false, NULL, &err), err);
    loaded = measure(scratch.schema);
    assert_int_equal(loaded.events, 0);
    assert_int_equal(loaded.triggers, facts.triggers);
    tbk_mysql_objects_free(objects);
    objects = load_scratch("src", &sql);
    assert_succeeds(tbk_mysql_objects_make(&scratch, objects, true, NULL, &err), err);
    loaded = measure(scratch.schema);
    assert_true(is_same(&facts, &loaded));
    tbk_mysql_objects_free(objects);
    tbk_text_end(&sql);
    drop_ours("src");
}

/* --- streams that are not right --- */

#define HEAD                                                                                       \
    "-- torrust-backup: settings\nSET NAMES utf8mb4;\nSET sql_mode = '';\n"                        \
    "-- torrust-backup: tables\n"
#define TAIL                                                                                       \
    "-- torrust-backup: routines\n-- torrust-backup: views\n-- torrust-backup: triggers\n"         \
    "-- torrust-backup: events\n-- torrust-backup: end\n"

static bool load_into_new(const char *text, size_t length, const tbk_report *report,
                          tbk_error *error)
{
    tbk_mysql_objects *objects = NULL;
    tbk_mysql_server into = root_of("dst");
    make_schema("dst", "");
    bool ok = load_text(&into, text, length, report, &objects, error);
    tbk_mysql_objects_free(objects);
    return ok;
}

static bool load_string(const char *text) { return load_into_new(text, strlen(text), NULL, &err); }

/* It has other settings than the server that the dump is of, or is another one: that is all that is
 * known then, and no sign of damage. */
static void says_what_the_server_refuses(void **state)
{
    (void)state;
    assert_fails(load_string(HEAD "CREATE TABLE `t` (a INT, a INT);\n"
                                  "-- torrust-backup: indexes\n" TAIL),
                 err, TBK_E_UNSUPPORTED, "line 5 of the dump");
    assert_fails(load_string(HEAD "CREATE TABLE `t` (a INT) COLLATE nothing_ci;\n"
                                  "-- torrust-backup: indexes\n" TAIL),
                 err, TBK_E_UNSUPPORTED, "nothing_ci");
    assert_fails(load_string(HEAD "CREATE TABLE `t` (a INT);\n-- torrust-backup: data `t`\n"
                                  "INSERT INTO `t` (`b`) VALUES\n(1);\n"
                                  "-- torrust-backup: indexes\n" TAIL),
                 err, TBK_E_UNSUPPORTED, "line 7 of the dump");
    assert_fails(
        load_string(HEAD "CREATE TABLE `t` (a INT);\n-- torrust-backup: data `t`\n"
                         "INSERT INTO `t` (`a`) VALUES\n(1),\n(1);\n"
                         "-- torrust-backup: indexes\nALTER TABLE `t`\n  ADD UNIQUE (a);\n" TAIL),
        err, TBK_E_UNSUPPORTED, "line 11 of the dump");
}

static void keep_message(void *self, tbk_log_level level, const char *step, const char *message)
{
    (void)level;
    (void)step;
    (void)snprintf(self, 512, "%s", message);
}

/* Disabled, or of a plugin that this server does not have: the rows matter more. */
static void a_table_of_another_engine_is_loaded_with_a_warning(void **state)
{
    (void)state;
    char told[512] = "";
    const tbk_report report = {.self = told, .log = keep_message};
    static const char dump[] =
        HEAD "CREATE TABLE `t` (\n  a INT\n) ENGINE=Nosuch;\n-- torrust-backup: data `t`\n"
             "INSERT INTO `t` (`a`) VALUES\n(1),\n(2);\n-- torrust-backup: indexes\n" TAIL;
    assert_succeeds(load_into_new(dump, strlen(dump), &report, &err), err);
    tbk_mysql_facts facts = measure("dst");
    assert_int_equal(facts.tables[0].rows, 2);
    assert_non_null(strstr(told, "in another storage engine"));
    assert_non_null(strstr(told, "`t`"));
}

/* What outlives the session, or reads what a dump has no business with. */
static void refuses_settings_that_no_dump_has(void **state)
{
    (void)state;
    static const char *const settings[] = {"SET PASSWORD = 'x'", "SET GLOBAL general_log = 1",
                                           "/*!80000 DROP DATABASE mysql */",
                                           "SET sql_mode = (SELECT 1)"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_fails(
            load_string(tbk_arena_format(arena, "-- torrust-backup: settings\n%s;\n", settings[i])),
            err, TBK_E_CORRUPT, "that the section settings cannot have");
}

static void notices_values_that_do_not_fit(void **state)
{
    (void)state;
    assert_fails(load_string(HEAD "CREATE TABLE `t``x` (a TINYINT);\n"
                                  "-- torrust-backup: data `t`x`\n"
                                  "INSERT INTO `t``x` (`a`) VALUES\n(1),\n(300);\n"
                                  "-- torrust-backup: indexes\n" TAIL),
                 err, TBK_E_CORRUPT, "a value of `t``x` does not fit");
    /* Expressions of the table itself warn as they always did. */
    assert_succeeds(load_string(HEAD "CREATE TABLE `t` (a VARCHAR(9), b INT GENERATED ALWAYS AS "
                                     "(CAST(a AS SIGNED)) STORED);\n-- torrust-backup: data `t`\n"
                                     "INSERT INTO `t` (`a`) VALUES\n('1x');\n"
                                     "-- torrust-backup: indexes\n" TAIL),
                    err);
}

static void refuses_a_schema_that_is_not_empty(void **state)
{
    (void)state;
    tbk_mysql_objects *objects = NULL;
    tbk_mysql_server into = root_of("full");
    make_schema("full", "CREATE TABLE t (a INT)");
    assert_fails(load_text(&into, HEAD, strlen(HEAD), NULL, &objects, &err), err, TBK_E_CONFIG,
                 "is not empty");
}

static void refuses_a_dump_that_is_cut(void **state)
{
    (void)state;
    tbk_mysql_facts facts;
    make_hostile("src");
    tbk_text sql = dump_of("src", &facts);
    for (size_t i = 0; i < 12; i++) {
        size_t length = sql.length * i / 12 + (i == 0 ? 0 : 7);
        assert_false(load_into_new(sql.bytes, length, NULL, &err));
        assert_int_equal(err.code, TBK_E_CORRUPT);
    }
    assert_false(load_into_new(sql.bytes, sql.length - 1, NULL, &err));
    assert_int_equal(err.code, TBK_E_CORRUPT);
    tbk_text_end(&sql);
}

static void tells_when_a_row_is_larger_than_the_server_takes(void **state)
{
    (void)state;
    tbk_text sql = {0};
    MYSQL *root = test_server_connect(&server, NULL);
    const char *before = test_value(root, "SELECT @@GLOBAL.max_allowed_packet");
    tbk_text_append(&sql, HEAD "CREATE TABLE `t` (a LONGTEXT);\n-- torrust-backup: data `t`\n"
                               "INSERT INTO `t` (`a`) VALUES\n('");
    for (unsigned i = 0; i < 3 << 20; i++)
        tbk_text_append_char(&sql, 'x');
    tbk_text_append(&sql, "');\n-- torrust-backup: indexes\n" TAIL);
    test_sql(root, "SET GLOBAL max_allowed_packet = 2097152");
    assert_fails(load_into_new(sql.bytes, sql.length, NULL, &err), err, TBK_E_CONFIG,
                 "max_allowed_packet");
    assert_non_null(strstr(err.fix, "--max-allowed-packet=4M"));
    test_sql(root, tbk_arena_format(arena, "SET GLOBAL max_allowed_packet = %s", before));
    assert_succeeds(load_into_new(sql.bytes, sql.length, NULL, &err), err);
    mysql_close(root);
    tbk_text_end(&sql);
}

/* --- what happens in the middle --- */

/* A dump of one table with so many rows, and two indexes. */
static tbk_text rows_dump(unsigned rows)
{
    tbk_text sql = {0};
    tbk_text_append(&sql, HEAD "CREATE TABLE `t` (id INT PRIMARY KEY, h VARCHAR(40));\n"
                               "-- torrust-backup: data `t`\n");
    for (unsigned i = 0; i < rows; i++)
        tbk_text_format(&sql, "%s(%u,'%08x%032x')%s",
                        i % 5000 == 0 ? "INSERT INTO `t` (`id`,`h`) VALUES\n" : "", i,
                        i * 2654435761u, i, i % 5000 == 4999 || i + 1 == rows ? ";\n" : ",\n");
    tbk_text_append(&sql, "-- torrust-backup: indexes\nALTER TABLE `t`\n  ADD KEY `h` (`h`),\n"
                          "  ADD KEY `hh` (`h`,`id`);\n" TAIL);
    return sql;
}

typedef struct stopping {
    uint64_t at_bytes; /* stops there */
    uint64_t done_bytes;
    const char *run;  /* instead of stopping, as root, once */
    const char *verb; /* of the server, once */
    int64_t since_ms;
} stopping;

static void note(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    stopping *of = self;
    (void)phase;
    (void)total_bytes;
    of->done_bytes = done_bytes;
    if (done_bytes < of->at_bytes || of->since_ms != 0)
        return;
    of->since_ms = tbk_clock_monotonic_ms();
    if (of->run != NULL)
        (void)test_server_run(&server, "sql", "\"%s\" >/dev/null", of->run);
    if (of->verb != NULL)
        (void)test_server_run(&server, of->verb, ">/dev/null");
}

static bool is_to_stop(void *self)
{
    const stopping *of = self;
    return of->since_ms != 0 && of->run == NULL && of->verb == NULL;
}

static void ends_soon_when_it_is_cancelled(void **state)
{
    (void)state;
    tbk_text sql = rows_dump(400000);
    for (unsigned tenth = 1; tenth <= 10; tenth += 3) {
        stopping at = {.at_bytes = sql.length * tenth / 10};
        tbk_report report = {.self = &at, .progress = note, .cancelled = is_to_stop};
        assert_fails(load_into_new(sql.bytes, sql.length, &report, &err), err, TBK_E_INTERRUPTED,
                     "");
        assert_true(tbk_clock_monotonic_ms() - at.since_ms < 8000);
    }
    tbk_text_end(&sql);
}

#define KILL_LOADERS                                                                               \
    "SELECT CONCAT('KILL ', ID) INTO @k FROM information_schema.PROCESSLIST WHERE DB = 'dst' "     \
    "AND (INFO LIKE 'INSERT%' OR ID > 0) ORDER BY ID DESC LIMIT 1; PREPARE s FROM @k; EXECUTE s"

static void tells_that_a_session_was_killed(void **state)
{
    (void)state;
    tbk_text sql = rows_dump(400000);
    stopping at = {.at_bytes = sql.length / 2, .run = KILL_LOADERS};
    tbk_report report = {.self = &at, .progress = note, .cancelled = is_to_stop};
    assert_fails(load_into_new(sql.bytes, sql.length, &report, &err), err, TBK_E_NETWORK, "");
    assert_true(tbk_clock_monotonic_ms() - at.since_ms < 20000);
    tbk_text_end(&sql);
}

static void tells_that_the_server_died(void **state)
{
    (void)state;
    tbk_text sql = rows_dump(400000);
    stopping at = {.at_bytes = sql.length / 2, .verb = "kill"};
    tbk_report report = {.self = &at, .progress = note, .cancelled = is_to_stop};
    const bool loaded = load_into_new(sql.bytes, sql.length, &report, &err);
    const int64_t waited_ms = tbk_clock_monotonic_ms() - at.since_ms;
    assert_int_equal(test_server_run(&server, "restart", ">/dev/null"), 0);
    assert_false(loaded);
    assert_int_equal(err.code, TBK_E_NETWORK);
    assert_true(waited_ms < 20000);
    tbk_text_end(&sql);
}

/* So that the folder of the schema dst is a small file system; or is no more. */
static void give_little_room(bool little)
{
    char command[1024];
    (void)snprintf(command, sizeof command,
                   "data=$('%s/tests/servers/server' info %s | sed -n 's/^data=//p')/dst && %s",
                   TBK_SOURCE_DIR, server.name,
                   little ? "mount -t tmpfs -o \"size=12m,mode=750,$(stat -c uid=%u,gid=%g "
                            "\"$data\")\" tmpfs \"$data\""
                          : "umount \"$data\"");
    assert_int_equal(system(command), 0);
}

static void tells_that_the_server_has_no_room(void **state)
{
    (void)state;
    tbk_text sql = rows_dump(400000);
    tbk_mysql_objects *objects = NULL;
    const tbk_mysql_server into = root_of("dst");
    make_schema("dst", "");
    give_little_room(true);
    const bool loaded = load_text(&into, sql.bytes, sql.length, NULL, &objects, &err);
    MYSQL *root = test_server_connect(&server, NULL);
    test_sql(root, "DROP TABLE dst.t"); /* it serves, and takes what is left away */
    mysql_close(root);
    give_little_room(false);
    assert_false(loaded);
    assert_int_equal(err.code, TBK_E_SPACE);
    assert_non_null(strstr(err.message, "full"));
    assert_non_null(strstr(err.fix, "make room"));
    tbk_text_end(&sql);
}

/* A process that ends when this one does. */
static pid_t fork_child(void)
{
    pid_t child = fork();
    if (child == 0)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child;
}

static void end_child(pid_t child, unsigned after_ms)
{
    int status;
    (void)usleep(after_ms * 1000);
    (void)kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void a_killed_loader_leaves_the_live_database_alone(void **state)
{
    (void)state;
    make_schema("live", "CREATE TABLE t (id INT PRIMARY KEY); INSERT INTO t VALUES (1)");
    tbk_mysql_facts before = measure("live");
    tbk_text sql = rows_dump(400000);
    tbk_mysql_server root = root_of("live"), into = root_of(scratch_of("live"));
    for (unsigned i = 0; i < 6; i++) {
        tbk_mysql_objects *objects = NULL;
        assert_succeeds(tbk_mysql_scratch_make(&root, into.schema, &err), err);
        pid_t child = fork_child();
        if (child == 0) {
            bool ok = load_text(&into, sql.bytes, sql.length, NULL, &objects, &err);
            _exit(ok ? 0 : 1);
        }
        end_child(child, 200 + 400 * i);
    }
    tbk_mysql_objects_free(load_scratch("live", &sql));
    tbk_mysql_facts after = measure("live");
    assert_true(is_same(&before, &after));
    drop_ours("live");
    tbk_text_end(&sql);
}

/* --- names --- */

static void names_its_schemas(void **state)
{
    (void)state;
    const char *longest = "0123456789012345678901234567890123456789012345678901234567890123";
    const char *other = "012345678901234567890123456789012345678901234567890123456789012x";
    assert_string_equal(scratch_of("tracker"), "tracker_torrust_restore");
    assert_string_equal(tbk_mysql_previous_name(arena, "tracker", 1771264603),
                        "tracker_torrust_before_20260216_175643");
    assert_int_equal(strlen(tbk_mysql_previous_name(arena, longest, 0)), 64);
    assert_string_not_equal(scratch_of(longest), scratch_of(other));
    tbk_mysql_server root = root_of("tracker");
    static const char *const refused[] = {"tracker", "mysql", "tracker_torrust_before_x",
                                          "other_torrust_restore", ""};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_fails(tbk_mysql_scratch_drop(&root, refused[i], &err), err, TBK_E_CONFIG, "");
        assert_fails(tbk_mysql_scratch_make(&root, refused[i], &err), err, TBK_E_CONFIG, "");
    }
}

static void tells_that_roots_password_is_wrong(void **state)
{
    (void)state;
    tbk_mysql_server root = root_of("tracker");
    root.password = "wrong";
    assert_fails(tbk_mysql_scratch_make(&root, scratch_of("tracker"), &err), err, TBK_E_CONFIG,
                 "needs root's privileges");
    assert_non_null(strstr(err.fix, "MYSQL_ROOT_PASSWORD"));
}

/* --- swapping --- */

#define KEPT(schema) tbk_mysql_previous_name(arena, (schema), 1771264603)

/* Of the tracker's user, which has privileges on the live schema only. */
static void use_as_the_tracker(const char *schema, const char *sql)
{
    MYSQL *user = NULL;
    tbk_mysql_server server_of_user = server.user;
    server_of_user.schema = schema;
    assert_succeeds(tbk_mysql_connect(&server_of_user, &user, &err), err);
    test_sql(user, sql);
    mysql_close(user);
}

static void puts_a_restored_database_in_place(void **state)
{
    (void)state;
    tbk_mysql_facts old, now, kept;
    const char *live = "li`ve 'é";
    make_hostile("src");
    tbk_mysql_facts facts;
    tbk_text sql = dump_of("src", &facts);
    make_schema(live,
                "CREATE TABLE only_live (id INT PRIMARY KEY); INSERT INTO only_live VALUES (7);"
                "CREATE TABLE parent (id INT PRIMARY KEY, name VARCHAR(9));"
                "CREATE TABLE child (id INT PRIMARY KEY, pid INT, CONSTRAINT fk1 FOREIGN KEY (pid) "
                "REFERENCES parent (id));"
                "INSERT INTO parent VALUES (5, 'old'); INSERT INTO child VALUES (1, 5);"
                "CREATE VIEW v_old AS SELECT name FROM parent;"
                "CREATE TRIGGER t_old BEFORE INSERT ON parent FOR EACH ROW SET NEW.name = 'tr'");
    old = measure(live);
    tbk_mysql_objects *objects = load_scratch(live, &sql);
    tbk_mysql_server root = root_of(live);
    assert_succeeds(tbk_mysql_swap(&root, scratch_of(live), KEPT(live), objects, NULL, &err), err);
    now = measure(live);
    assert_true(is_same(&facts, &now));
    kept = measure(KEPT(live));
    assert_int_equal(kept.table_count, old.table_count + 1); /* and the record */
    /* Rights, foreign keys and triggers work for the tracker's user. */
    use_as_the_tracker(live, "INSERT INTO gen (a, d) VALUES (77, 10); SELECT * FROM a_first");
    MYSQL *session = test_server_connect(&server, live);
    assert_string_equal(test_value(session, "SELECT d FROM gen WHERE a = 77"), "22");
    assert_int_not_equal(mysql_query(session, "INSERT INTO child VALUES (99, 4711, NULL)"), 0);
    test_sql(session, "INSERT INTO child VALUES (99, 1000, NULL)");
    mysql_close(session);
    /* Once more, over it; then all that was kept goes. */
    tbk_mysql_objects_free(objects);
    objects = load_scratch(live, &sql);
    const char *second = tbk_mysql_previous_name(arena, live, 1771264604);
    assert_succeeds(tbk_mysql_swap(&root, scratch_of(live), second, objects, NULL, &err), err);
    const char *const *names;
    size_t count;
    assert_succeeds(tbk_mysql_purge_previous(&root, arena, &names, &count, &err), err);
    assert_int_equal(count, 2);
    assert_string_equal(names[1], second);
    now = measure(live);
    assert_true(is_same(&facts, &now));
    tbk_mysql_objects_free(objects);
    drop_ours(live);
    tbk_text_end(&sql);
}

/* A small live database and a restored one that is another. */
#define SMALL_LIVE                                                                                 \
    "CREATE TABLE a (id INT PRIMARY KEY, v INT); INSERT INTO a VALUES (1, 1);"                     \
    "CREATE TABLE b (id INT PRIMARY KEY, v INT); INSERT INTO b VALUES (1, 1);"                     \
    "CREATE VIEW v AS SELECT v FROM a; CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 1;"    \
    "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2035-01-01 00:00:00' DO DELETE FROM b;"        \
    "CREATE TRIGGER t1 BEFORE INSERT ON a FOR EACH ROW SET NEW.v = NEW.v + 1;"                     \
    "CREATE TRIGGER t2 BEFORE INSERT ON a FOR EACH ROW SET NEW.v = NEW.v * 2"
#define SMALL_SET                                                                                  \
    "ALTER DATABASE COLLATE utf8mb4_bin; CREATE TABLE a (id INT PRIMARY KEY, w INT);"              \
    "INSERT INTO a VALUES (2, 2), (3, 3); CREATE TABLE c (id INT PRIMARY KEY);"                    \
    "CREATE VIEW v AS SELECT w FROM a; CREATE FUNCTION f() RETURNS INT DETERMINISTIC RETURN 2;"    \
    "CREATE TRIGGER t1 BEFORE INSERT ON a FOR EACH ROW SET NEW.w = NEW.w + 1;"                     \
    "CREATE TRIGGER t3 BEFORE INSERT ON c FOR EACH ROW SET @x = 1"

typedef struct small {
    tbk_text sql;
    tbk_mysql_facts old, set;
    tbk_mysql_objects *objects;
    tbk_mysql_server root;
} small;

static void make_small(small *of)
{
    make_schema("set", SMALL_SET);
    of->sql = dump_of("set", &of->set);
    make_schema("live", SMALL_LIVE);
    of->old = measure("live");
    of->root = root_of("live");
    of->objects = load_scratch("live", &of->sql);
}

static void end_small(small *of)
{
    drop_ours("live");
    tbk_mysql_objects_free(of->objects);
    tbk_text_end(&of->sql);
}

static void leaves_everything_as_it_was_when_objects_fail(void **state)
{
    (void)state;
    static const char broken[] =
        "-- torrust-backup: settings\n-- torrust-backup: tables\n-- torrust-backup: indexes\n"
        "-- torrust-backup: routines\n-- torrust-backup: views\n"
        "CREATE OR REPLACE VIEW `v` AS SELECT nothing FROM nowhere;\n"
        "-- torrust-backup: triggers\n-- torrust-backup: events\n-- torrust-backup: end\n";
    small of = {0};
    tbk_mysql_objects *objects = NULL;
    tbk_mysql_server empty = root_of("empty");
    make_small(&of);
    make_schema("empty", "");
    assert_succeeds(load_text(&empty, broken, strlen(broken), NULL, &objects, &err), err);
    assert_fails(tbk_mysql_swap(&of.root, scratch_of("live"), KEPT("live"), objects, NULL, &err),
                 err, TBK_E_UNSUPPORTED, "the database is as it was");
    tbk_mysql_facts now = measure("live");
    assert_true(is_same(&of.old, &now));
    assert_succeeds(
        tbk_mysql_swap(&of.root, scratch_of("live"), KEPT("live"), of.objects, NULL, &err), err);
    now = measure("live");
    assert_true(is_same(&of.set, &now));
    tbk_mysql_objects_free(objects);
    end_small(&of);
}

static void leaves_everything_as_it_was_when_a_table_is_locked(void **state)
{
    (void)state;
    small of = {0};
    make_small(&of);
    MYSQL *locking = test_server_connect(&server, "live");
    test_sql(locking, "BEGIN; SELECT * FROM b");
    assert_fails(tbk_mysql_swap(&of.root, scratch_of("live"), KEPT("live"), of.objects, NULL, &err),
                 err, TBK_E_TIMEOUT, "the database is as it was");
    mysql_close(locking);
    tbk_mysql_facts now = measure("live");
    assert_true(is_same(&of.old, &now));
    end_small(&of);
}

/* How long an undisturbed swap takes. */
static unsigned swap_takes_ms(void)
{
    small of = {0};
    make_small(&of);
    const int64_t start_ms = tbk_clock_monotonic_ms();
    assert_succeeds(
        tbk_mysql_swap(&of.root, scratch_of("live"), KEPT("live"), of.objects, NULL, &err), err);
    const int64_t end_ms = tbk_clock_monotonic_ms();
    end_small(&of);
    return (unsigned)(end_ms - start_ms);
}

static pid_t start_swap(const small *of)
{
    pid_t child = fork_child();
    if (child != 0)
        return child;
    bool ok = tbk_mysql_swap(&of->root, scratch_of("live"), KEPT("live"), of->objects, NULL, &err);
    _exit(ok ? 0 : 1);
}

/* Kills either the process that swaps or the server, at moments from its start to long after its
 * end, and checks that recovery leaves the old database or the new one, whole. */
static void kill_in_the_middle(unsigned times, bool kills_server)
{
    unsigned olds = 0, news = 0;
    const unsigned whole_ms = swap_takes_ms();
    for (unsigned i = 0; i < times; i++) {
        small of = {0};
        make_small(&of);
        pid_t child = start_swap(&of);
        (void)usleep(2 * whole_ms * 1000 * i / (times - 1));
        if (kills_server)
            (void)test_server_run(&server, "kill", ">/dev/null");
        end_child(child, 0);
        if (kills_server)
            assert_int_equal(test_server_run(&server, "restart", ">/dev/null"), 0);
        assert_succeeds(tbk_mysql_swap_recover(&of.root, NULL, &err), err);
        tbk_mysql_facts now = measure("live");
        olds += is_same(&of.old, &now);
        news += is_same(&of.set, &now);
        assert_int_equal(olds + news, i + 1);
        end_small(&of);
    }
    print_message("killed %u times within %u ms: %u old, %u new\n", times, whole_ms, olds, news);
}

static void a_killed_swap_can_be_mended(void **state)
{
    (void)state;
    kill_in_the_middle(16, false);
}

static void a_swap_can_be_mended_after_the_server_died(void **state)
{
    (void)state;
    kill_in_the_middle(6, true);
}

static unsigned warnings;

static void count_warning(void *self, tbk_log_level level, const char *phase, const char *message)
{
    (void)self;
    (void)phase;
    warnings += level == TBK_LOG_WARNING && strstr(message, "gone") != NULL;
}

static void makes_objects_of_unknown_users_and_says_so(void **state)
{
    (void)state;
    static const char text[] =
        HEAD "CREATE TABLE `t` (a INT);\n-- torrust-backup: indexes\n"
             "-- torrust-backup: routines\n-- torrust-backup: views\n"
             "CREATE DEFINER=`gone`@`%` VIEW `v` AS SELECT a FROM t;\n"
             "-- torrust-backup: triggers\n-- torrust-backup: events\n-- torrust-backup: end\n";
    tbk_mysql_objects *objects = NULL;
    tbk_mysql_server into = root_of("dst");
    tbk_report report = {.log = count_warning};
    make_schema("dst", "");
    warnings = 0;
    assert_succeeds(load_text(&into, text, strlen(text), NULL, &objects, &err), err);
    assert_succeeds(tbk_mysql_objects_make(&into, objects, true, &report, &err), err);
    assert_int_equal(warnings, 1);
    tbk_mysql_objects_free(objects);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        TEST(names_its_schemas),
        TEST(brings_back_every_type_and_object),
        TEST(says_what_the_server_refuses),
        TEST(a_table_of_another_engine_is_loaded_with_a_warning),
        TEST(refuses_settings_that_no_dump_has),
        TEST(notices_values_that_do_not_fit),
        TEST(refuses_a_schema_that_is_not_empty),
        TEST(refuses_a_dump_that_is_cut),
        TEST(tells_when_a_row_is_larger_than_the_server_takes),
        TEST(ends_soon_when_it_is_cancelled),
        TEST(tells_that_a_session_was_killed),
        TEST(tells_that_the_server_died),
        TEST(tells_that_the_server_has_no_room),
        TEST(a_killed_loader_leaves_the_live_database_alone),
        TEST(tells_that_roots_password_is_wrong),
        TEST(puts_a_restored_database_in_place),
        TEST(leaves_everything_as_it_was_when_objects_fail),
        TEST(leaves_everything_as_it_was_when_a_table_is_locked),
        TEST(a_killed_swap_can_be_mended),
        TEST(a_swap_can_be_mended_after_the_server_died),
        TEST(makes_objects_of_unknown_users_and_says_so),
    };
    return run_with_both(tests, count > 1 ? arguments[1] : NULL);
}
