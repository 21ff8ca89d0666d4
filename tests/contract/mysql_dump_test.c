/* SPDX-License-Identifier: MIT */
/* Dumps of real servers, MariaDB and MySQL: restored with the servers' own clients and compared. */
#include "contract/both_servers.h"

#include "base/clock.h"
#include "base/text.h"

#include <pthread.h>
#include <stdatomic.h>

/* --- dumping --- */

typedef struct dumped {
    tbk_arena *arena;
    tbk_text sql;
    tbk_mysql_facts facts;
    const tbk_selected_table *selection;
    size_t selection_count;
} dumped;

static tbk_mysql_server user_of(const char *schema)
{
    tbk_mysql_server user = server.user;
    user.schema = schema;
    return user;
}

static bool read_on(tbk_mysql_dump *dump, tbk_text *out, tbk_error *error)
{
    static char buffer[65536];
    size_t got = 1;
    while (got > 0) {
        if (!tbk_mysql_dump_read(dump, buffer, sizeof buffer, &got, error))
            return false;
        tbk_text_append_bytes(out, buffer, got);
    }
    return true;
}

static bool dump_all(const tbk_mysql_dump_request *request, dumped *out, tbk_error *error)
{
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    return tbk_mysql_dump_open(request, &dump, error) && tbk_mysql_dump_pin(dump, error) &&
           read_on(dump, &out->sql, error) &&
           tbk_mysql_dump_finish(dump, out->arena, &out->facts, &out->selection,
                                 &out->selection_count, error);
}

static dumped new_dumped(void) { return (dumped){.arena = tbk_arena_new()}; }

static void end_dumped(dumped *of)
{
    tbk_text_end(&of->sql);
    tbk_arena_free(of->arena);
}

static const tbk_table_facts *facts_of(const tbk_mysql_facts *facts, const char *table)
{
    for (size_t i = 0; i < facts->table_count; i++)
        if (strcmp(facts->tables[i].table, table) == 0)
            return &facts->tables[i];
    fail_msg("there are no facts of the table '%s'", table);
    return NULL;
}

/* --- schemas --- */

/* An empty schema, in which the tracker's user has all rights. */
static MYSQL *make_schema(const char *name)
{
    char sql[512];
    MYSQL *root = test_server_connect(&server, NULL);
    (void)snprintf(
        sql, sizeof sql,
        "DROP DATABASE IF EXISTS %s; CREATE DATABASE %s; GRANT ALL ON %s.* TO '%s'@'%%'; "
        "USE %s",
        name, name, name, server.user_name, name);
    test_sql(root, sql);
    return root;
}

/* Runs a file with the server's own client. */
static void restore_file(const char *schema, const char *path)
{
    assert_int_equal(test_server_run(&server, "client",
                                     "mysql --default-character-set=utf8mb4 %s <'%s'", schema,
                                     path),
                     0);
}

static void restore(const char *schema, const tbk_text *sql)
{
    char folder[64], path[96];
    make_scratch(folder);
    (void)snprintf(path, sizeof path, "%s/dump.sql", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(sql->bytes, 1, sql->length, file), sql->length);
    assert_int_equal(fclose(file), 0);
    restore_file(schema, path);
    (void)unlink(path);
    (void)rmdir(folder);
}

/* By the server's own checksum of each table, and by ours. */
static void assert_same_rows(MYSQL *root, const char *from, const char *to,
                             const tbk_mysql_facts *facts)
{
    tbk_mysql_facts restored;
    tbk_mysql_server target = root_of(to);
    assert_succeeds(tbk_mysql_measure(arena, &target, 2, NULL, &restored, &err), err);
    assert_int_equal(restored.table_count, facts->table_count);
    for (size_t i = 0; i < facts->table_count; i++) {
        const char *name = facts->tables[i].table;
        MYSQL_RES *result = NULL;
        assert_succeeds(
            tbk_mysql_query(root,
                            tbk_arena_format(arena, "CHECKSUM TABLE %s.%s, %s.%s EXTENDED", from,
                                             tbk_mysql_name(arena, name), to,
                                             tbk_mysql_name(arena, name)),
                            &result, &err),
            err);
        char *ours = tbk_arena_copy(arena, mysql_fetch_row(result)[1]);
        const char *theirs = mysql_fetch_row(result)[1];
        /* Versioned rows have new times; the hidden column of an index on a function is counted
         * in another order. */
        if (strcmp(ours, theirs) != 0 && strcmp(name, "sv") != 0 && strcmp(name, "fn") != 0)
            fail_msg("the rows of '%s' differ: %s and %s", name, ours, theirs);
        mysql_free_result(result);
        assert_string_equal(restored.tables[i].table, name);
        assert_string_equal(restored.tables[i].checksum, facts->tables[i].checksum);
        assert_int_equal(restored.tables[i].rows, facts->tables[i].rows);
    }
    assert_string_equal(restored.schema.hex, facts->schema.hex);
}

/* --- what comes back --- */

static void make_hostile(const char *schema)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/tests/contract/hostile.sql", TBK_SOURCE_DIR);
    restore_file(schema, path);
    (void)snprintf(path, sizeof path, "%s/tests/contract/hostile-%s.sql", TBK_SOURCE_DIR,
                   server.kind);
    restore_file(schema, path);
}

static void brings_back_every_type_and_object(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    mysql_close(make_schema("dst"));
    make_hostile("src");
    tbk_mysql_server source = root_of("src");
    dumped of = new_dumped();
    tbk_mysql_dump_request request = {.server = &source, .sessions = 4};
    assert_succeeds(dump_all(&request, &of, &err), err);
    restore("dst", &of.sql);
    assert_same_rows(root, "src", "dst", &of.facts);
    assert_int_equal(of.facts.views, 3);
    assert_int_equal(of.facts.triggers, 3);
    assert_int_equal(of.facts.routines, 2);
    assert_int_equal(of.facts.events, 1);
    assert_string_equal(facts_of(&of.facts, "u64")->highest_key, "18446744073709551615");
    assert_string_equal(facts_of(&of.facts, "nums")->highest_key, "9223372036854775807");
    assert_null(facts_of(&of.facts, "nobody")->highest_key);
    /* The objects work there, and look at the new schema. */
    test_sql(root, "USE dst");
    assert_string_equal(test_value(root, "SELECT dst.f1(41)"), "42");
    test_sql(root, "INSERT INTO dst.gen (a, d) VALUES (77, 10)");
    assert_string_equal(test_value(root, "SELECT d FROM dst.gen WHERE a = 77"), "22");
    assert_string_equal(test_value(root, "SELECT l FROM dst.a_first WHERE a = 77"), "lit;é");
    end_dumped(&of);
    mysql_close(root);
}

static void data_lines_are_rows_and_heads_only(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    make_hostile("src");
    tbk_mysql_server source = root_of("src");
    dumped of = new_dumped();
    tbk_mysql_dump_request request = {.server = &source, .sessions = 1};
    assert_succeeds(dump_all(&request, &of, &err), err);
    const char *line = strstr(of.sql.bytes, "\n-- torrust-backup: data ");
    const char *end = strstr(of.sql.bytes, "\n-- torrust-backup: indexes\n");
    assert_non_null(line);
    for (line++; line <= end; line = strchr(line, '\n') + 1) {
        bool is_row =
            *line == '(' && (strstr(line, "),\n") != NULL || strstr(line, ");\n") != NULL);
        assert_true(is_row || tbk_text_starts_with(line, "INSERT INTO `") ||
                    tbk_text_starts_with(line, "-- torrust-backup: data `"));
    }
    assert_int_equal(strlen(of.sql.bytes), of.sql.length);
    assert_true(tbk_text_is_utf8(of.sql.bytes, of.sql.length));
    assert_true(tbk_text_ends_with(of.sql.bytes, "\n-- torrust-backup: end\n"));
    end_dumped(&of);
    mysql_close(root);
}

static void routines_that_the_user_may_not_read_are_read_as_root_or_named(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    test_sql(root, "CREATE TABLE t (id INT PRIMARY KEY); "
                   "CREATE DEFINER = 'root'@'localhost' PROCEDURE hidden() SELECT 1");
    if (strcmp(server.kind, "mariadb") == 0) /* a privilege of its own since 11.3 */
        test_sql(root, "REVOKE SHOW CREATE ROUTINE ON src.* FROM 'tracker_user'@'%'");
    tbk_mysql_server source = user_of("src"), as_root = root_of(NULL);
    dumped of = new_dumped();
    tbk_mysql_dump_request request = {.server = &source, .sessions = 2};
    assert_succeeds(dump_all(&request, &of, &err), err);
    assert_non_null(of.facts.missing);
    assert_non_null(strstr(of.facts.missing, "'hidden'"));
    tbk_text_clear(&of.sql);
    request.root = &as_root;
    assert_succeeds(dump_all(&request, &of, &err), err);
    assert_null(of.facts.missing);
    assert_non_null(strstr(of.sql.bytes, "PROCEDURE `hidden`"));
    end_dumped(&of);
    mysql_close(root);
}

static void server_settings_do_not_matter(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    mysql_close(make_schema("dst"));
    test_sql(root, "SET sql_mode = ''; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, "
                   "`a\"b` VARCHAR(90) DEFAULT 'x\\\\y' COMMENT 'c\\\\'';', KEY k (`a\"b`)); "
                   "INSERT INTO t (`a\"b`) VALUES ('back\\\\slash ''quote\\n'), ('\\\\'), ('\"')");
    char before[4096];
    (void)snprintf(before, sizeof before,
                   "SET GLOBAL sql_mode = '%s'; SET GLOBAL sql_select_limit = DEFAULT; "
                   "SET GLOBAL time_zone = '+00:00'",
                   test_value(root, "SELECT @@GLOBAL.sql_mode"));
    test_sql(root,
             "SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PAD_CHAR_TO_FULL_LENGTH,"
             "NO_ZERO_DATE,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO'; "
             "SET GLOBAL sql_select_limit = 1; SET GLOBAL time_zone = '-03:30'");
    tbk_mysql_server source = user_of("src");
    dumped of = new_dumped();
    tbk_mysql_dump_request request = {.server = &source, .sessions = 2};
    bool ok = dump_all(&request, &of, &err);
    if (ok)
        restore("dst", &of.sql);
    test_sql(root, before);
    assert_succeeds(ok, err);
    assert_int_equal(facts_of(&of.facts, "t")->rows, 3);
    assert_same_rows(root, "src", "dst", &of.facts);
    end_dumped(&of);
    mysql_close(root);
}

/* --- one state --- */

#define ACCOUNTS 64
#define AMOUNT_OF(n) ((long)((n)*7919 % 1000))
#define FROM_OF(n) ((long)((n) % ACCOUNTS))
#define TO_OF(n) ((long)((n)*31 % ACCOUNTS))

typedef struct writer {
    pthread_t thread;
    MYSQL *connection;
    unsigned pause_us;
    atomic_bool *stop;
} writer;

/* The history is one line, as each transaction takes the next number of it: what number n does
 * follows from n. */
static void *write_history(void *pointer)
{
    writer *self = pointer;
    char sql[512];
    while (!atomic_load(self->stop)) {
        long n = 0;
        if (mysql_query(self->connection, "START TRANSACTION") != 0 ||
            mysql_query(self->connection, "UPDATE history SET n = LAST_INSERT_ID(n + 1)") != 0)
            break;
        n = (long)mysql_insert_id(self->connection);
        (void)snprintf(sql, sizeof sql, "UPDATE payer SET amount = amount - %ld WHERE id = %ld",
                       AMOUNT_OF(n), FROM_OF(n));
        (void)mysql_query(self->connection, sql);
        (void)snprintf(sql, sizeof sql, "INSERT INTO log VALUES (%ld, %ld)", n * 1000,
                       AMOUNT_OF(n));
        (void)mysql_query(self->connection, sql);
        (void)snprintf(sql, sizeof sql, "UPDATE payee SET amount = amount + %ld WHERE id = %ld",
                       AMOUNT_OF(n), TO_OF(n));
        (void)mysql_query(self->connection, sql);
        (void)mysql_query(self->connection, "COMMIT");
        (void)usleep(self->pause_us);
    }
    return NULL;
}

/* Reads the rows "(id,value)" of a table in the dump. */
static long for_rows(const char *sql, const char *table, long values[ACCOUNTS])
{
    char head[64];
    long count = 0, id, value;
    (void)snprintf(head, sizeof head, "INSERT INTO `%s` ", table);
    for (const char *at = strstr(sql, head); at != NULL; at = strstr(at, head)) {
        at = strchr(at, '\n') + 1;
        for (; sscanf(at, "(%ld,%ld)", &id, &value) == 2; at = strchr(at, '\n') + 1) {
            if (values != NULL)
                values[id] = value;
            count++;
        }
    }
    return count;
}

static void assert_one_point_of_history(const char *sql)
{
    long n = -1, payer[ACCOUNTS] = {0}, payee[ACCOUNTS] = {0}, expected[2][ACCOUNTS] = {{0}};
    const char *history = strstr(sql, "INSERT INTO `history` ");
    assert_non_null(history);
    assert_int_equal(sscanf(strchr(history, '\n') + 1, "(1,%ld)", &n), 1);
    for (long i = 1; i <= n; i++) {
        expected[0][FROM_OF(i)] -= AMOUNT_OF(i);
        expected[1][TO_OF(i)] += AMOUNT_OF(i);
    }
    assert_int_equal(for_rows(sql, "payer", payer), ACCOUNTS);
    assert_int_equal(for_rows(sql, "payee", payee), ACCOUNTS);
    assert_int_equal(for_rows(sql, "log", NULL), n);
    assert_memory_equal(payer, expected[0], sizeof payer);
    assert_memory_equal(payee, expected[1], sizeof payee);
}

/* How often it was busy before. */
static unsigned pin_when_quiet(tbk_mysql_dump *dump)
{
    unsigned busy = 0;
    while (!tbk_mysql_dump_pin(dump, &err)) {
        if (err.code != TBK_E_BUSY)
            fail_msg("%s", err.message);
        if (++busy == 5000)
            tbk_mysql_dump_alone(dump);
    }
    return busy;
}

/* Dumps as soon as it can be pinned. How often it was busy before. */
static unsigned dump_when_quiet(tbk_mysql_dump_request *request, dumped *of)
{
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    assert_succeeds(tbk_mysql_dump_open(request, &dump, &err), err);
    unsigned busy = pin_when_quiet(dump);
    tbk_text_clear(&of->sql);
    assert_succeeds(read_on(dump, &of->sql, &err), err);
    assert_succeeds(tbk_mysql_dump_finish(dump, of->arena, &of->facts, NULL, NULL, &err), err);
    return busy;
}

static void make_history(MYSQL *root)
{
    test_sql(root, "CREATE TABLE history (id INT PRIMARY KEY, n BIGINT); "
                   "INSERT INTO history VALUES (1, 0); "
                   "CREATE TABLE payer (id INT PRIMARY KEY, amount BIGINT); "
                   "CREATE TABLE payee (id INT PRIMARY KEY, amount BIGINT); "
                   "CREATE TABLE log (id BIGINT PRIMARY KEY, amount BIGINT, KEY (amount))");
    for (int i = 0; i < ACCOUNTS; i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql,
                       "INSERT INTO payer VALUES (%d, 0); INSERT INTO payee VALUES (%d, 0)", i, i);
        test_sql(root, sql);
    }
}

/* TBK_TRIALS=100 for many. */
static unsigned trials(void)
{
    const char *count = getenv("TBK_TRIALS");
    return count != NULL ? (unsigned)strtoul(count, NULL, 10) : 12;
}

static void sessions_agree_while_others_write(void **state)
{
    (void)state;
    enum { WRITERS = 3 };
    MYSQL *root = make_schema("src");
    make_history(root);
    atomic_bool stop = false;
    writer writers[WRITERS];
    unsigned busy = 0, split = 0;
    const unsigned count = trials();
    tbk_mysql_server source = user_of("src");
    tbk_mysql_dump_request request = {.server = &source, .sessions = 4};
    dumped of = new_dumped();
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (writer){.pause_us = 4000 * (i + 1), .stop = &stop};
        assert_succeeds(tbk_mysql_connect(&source, &writers[i].connection, &err), err);
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_history, &writers[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        busy += dump_when_quiet(&request, &of);
        split += of.facts.sessions > 1;
        assert_one_point_of_history(of.sql.bytes);
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < WRITERS; i++) {
        (void)pthread_join(writers[i].thread, NULL);
        mysql_close(writers[i].connection);
    }
    print_message("%s: %u dumps, %u with 4 sessions, busy %u times before, %s transactions\n",
                  server.kind, count, split, busy, test_value(root, "SELECT n FROM history"));
    assert_true(split * 2 > count);
    end_dumped(&of);
    mysql_close(root);
}

static void *sleep_there(void *connection)
{
    (void)mysql_query(connection, "DO SLEEP(6)");
    return NULL;
}

static MYSQL *watching;

static bool another_session_sleeps(void)
{
    return strcmp(test_value(watching, "SELECT COUNT(*) FROM information_schema.PROCESSLIST "
                                       "WHERE INFO LIKE 'DO SLEEP%'"),
                  "1") == 0;
}

static void is_busy_while_a_client_executes_or_commits(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    pthread_t thread;
    test_sql(root, "CREATE TABLE t (id INT PRIMARY KEY)");
    tbk_mysql_server source = user_of("src");
    MYSQL *other = NULL;
    tbk_mysql_dump_request request = {.server = &source, .sessions = 4};
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    assert_succeeds(tbk_mysql_connect(&source, &other, &err), err);
    assert_succeeds(tbk_mysql_dump_open(&request, &dump, &err), err);
    assert_int_equal(pthread_create(&thread, NULL, sleep_there, other), 0);
    watching = root;
    assert_true(waits_for(another_session_sleeps));
    assert_fails(tbk_mysql_dump_pin(dump, &err), err, TBK_E_BUSY, "is executing");
    (void)pthread_join(thread, NULL);
    assert_succeeds(tbk_mysql_dump_pin(dump, &err), err);
    mysql_close(other);
    mysql_close(root);
}

static void one_session_is_never_busy(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    pthread_t thread;
    test_sql(root, "CREATE TABLE t (id INT PRIMARY KEY)");
    tbk_mysql_server source = user_of("src");
    MYSQL *other = NULL;
    tbk_mysql_dump_request request = {.server = &source, .sessions = 4};
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    assert_succeeds(tbk_mysql_connect(&source, &other, &err), err);
    assert_succeeds(tbk_mysql_dump_open(&request, &dump, &err), err);
    assert_int_equal(pthread_create(&thread, NULL, sleep_there, other), 0);
    watching = root;
    assert_true(waits_for(another_session_sleeps));
    tbk_mysql_dump_alone(dump);
    assert_succeeds(tbk_mysql_dump_pin(dump, &err), err);
    (void)pthread_join(thread, NULL);
    mysql_close(other);
    mysql_close(root);
}

/* --- what goes wrong --- */

/* A table of many rows, so that sessions are in the middle of it when the reader pauses. */
static void make_large(MYSQL *root)
{
    test_sql(root, "CREATE TABLE big (id INT PRIMARY KEY AUTO_INCREMENT, v VARBINARY(400)); "
                   "INSERT INTO big (v) VALUES (REPEAT('x', 400)), (REPEAT('y', 400)), "
                   "(REPEAT('z', 400)), (REPEAT('a', 400))");
    for (int i = 0; i < 15; i++)
        test_sql(root, "INSERT INTO big (v) SELECT v FROM big");
    test_sql(root, "ANALYZE TABLE big");
}

static void a_schema_that_changes_is_noticed(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "ALTER TABLE t ADD COLUMN more INT", "DROP TABLE t",
        "ALTER TABLE t DROP COLUMN v",       "CREATE TABLE u (id INT)",
        "CREATE VIEW v AS SELECT 1 AS one",  "TRUNCATE TABLE t"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        MYSQL *root = make_schema("src");
        test_sql(root, "CREATE TABLE t (id INT PRIMARY KEY, v INT, w INT); "
                       "INSERT INTO t VALUES (1, 2, 3)");
        tbk_mysql_server source = user_of("src");
        tbk_mysql_dump_request request = {.server = &source, .sessions = 2};
        tbk_auto(tbk_mysql_dump) *dump = NULL;
        tbk_mysql_facts facts;
        dumped of = new_dumped();
        assert_succeeds(tbk_mysql_dump_open(&request, &dump, &err), err);
        assert_succeeds(tbk_mysql_dump_pin(dump, &err), err);
        test_sql(root, changes[i]);
        bool ok = read_on(dump, &of.sql, &err) &&
                  tbk_mysql_dump_finish(dump, of.arena, &facts, NULL, NULL, &err);
        if (ok || err.code != TBK_E_BUSY)
            fail_msg("after %s: %s", changes[i], ok ? "it succeeded" : err.message);
        end_dumped(&of);
        mysql_close(root);
    }
}

static void an_alter_waits_no_longer_than_a_range(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    make_large(root);
    tbk_mysql_server source = user_of("src");
    tbk_mysql_dump_request request = {.server = &source, .sessions = 2};
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    tbk_mysql_facts facts;
    dumped of = new_dumped();
    assert_succeeds(tbk_mysql_dump_open(&request, &dump, &err), err);
    assert_succeeds(tbk_mysql_dump_pin(dump, &err), err);
    assert_succeeds(read_on(dump, &of.sql, &err), err);
    /* All is read, and the snapshots are still open. */
    test_sql(root, "SET lock_wait_timeout = 3; ALTER TABLE big ADD COLUMN more INT");
    assert_fails(tbk_mysql_dump_finish(dump, of.arena, &facts, NULL, NULL, &err), err, TBK_E_BUSY,
                 "changed");
    end_dumped(&of);
    mysql_close(root);
}

static void a_killed_session_is_an_error_at_once(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    make_large(root);
    tbk_mysql_server source = user_of("src");
    tbk_mysql_dump_request request = {.server = &source, .sessions = 4};
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    dumped of = new_dumped();
    char buffer[100], sql[64];
    size_t got;
    assert_succeeds(tbk_mysql_dump_open(&request, &dump, &err), err);
    assert_succeeds(tbk_mysql_dump_pin(dump, &err), err);
    assert_succeeds(tbk_mysql_dump_read(dump, buffer, sizeof buffer, &got, &err), err);
    (void)usleep(300000); /* the queue is full */
    const char *id = test_value(root, "SELECT ID FROM information_schema.PROCESSLIST "
                                      "WHERE DB = 'src' AND INFO LIKE 'SELECT%big%' AND "
                                      "ID <> CONNECTION_ID() LIMIT 1");
    assert_string_not_equal(id, "");
    (void)snprintf(sql, sizeof sql, "KILL %s", id);
    test_sql(root, sql);
    int64_t before_ms = tbk_clock_monotonic_ms();
    assert_fails(read_on(dump, &of.sql, &err), err, TBK_E_NETWORK, "cannot read the table 'big'");
    assert_true(tbk_clock_monotonic_ms() - before_ms < 10000);
    end_dumped(&of);
    mysql_close(root);
}

static bool is_cancelled(void *self) { return ++*(int *)self > 9; }

static void it_can_be_cancelled_and_closed_at_any_time(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    make_large(root);
    int asked = 0;
    const tbk_report report = {.self = &asked, .cancelled = is_cancelled};
    tbk_mysql_server source = user_of("src");
    tbk_mysql_dump_request request = {.server = &source, .sessions = 4};
    dumped of = new_dumped();
    for (int stop = 0; stop < 5; stop++) {
        tbk_mysql_dump *dump = NULL;
        char buffer[4096];
        size_t got;
        assert_succeeds(tbk_mysql_dump_open(&request, &dump, &err), err);
        if (stop > 0)
            pin_when_quiet(dump);
        for (int i = 0; i < stop - 1; i++)
            assert_succeeds(tbk_mysql_dump_read(dump, buffer, sizeof buffer, &got, &err), err);
        if (stop > 2)
            (void)usleep(300000);
        int64_t before_ms = tbk_clock_monotonic_ms();
        tbk_mysql_dump_close(dump);
        assert_true(tbk_clock_monotonic_ms() - before_ms < 3000);
    }
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    request.report = &report;
    assert_succeeds(tbk_mysql_dump_open(&request, &dump, &err), err);
    (void)pin_when_quiet(dump);
    assert_fails(read_on(dump, &of.sql, &err), err, TBK_E_INTERRUPTED, "");
    tbk_mysql_dump_close(dump);
    dump = NULL;
    /* The server lets go of what an abandoned dump held. */
    test_sql(root, "SET lock_wait_timeout = 3; DROP TABLE big");
    end_dumped(&of);
    mysql_close(root);
}

static void tables_without_snapshots_need_a_stopped_tracker(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    test_sql(root, "CREATE TABLE fine (id INT PRIMARY KEY); "
                   "CREATE TABLE old (id INT PRIMARY KEY, KEY k (id)) ENGINE=MyISAM; "
                   "INSERT INTO old VALUES (1)");
    tbk_mysql_server source = user_of("src");
    dumped of = new_dumped();
    tbk_mysql_dump_request request = {.server = &source, .sessions = 2};
    assert_fails(dump_all(&request, &of, &err), err, TBK_E_UNSUPPORTED, "'old' (MyISAM)");
    assert_non_null(strstr(err.fix, "method: stop"));
    request.is_still = true;
    assert_succeeds(dump_all(&request, &of, &err), err);
    assert_int_equal(facts_of(&of.facts, "old")->rows, 1);
    end_dumped(&of);
    mysql_close(root);
}

static void it_says_what_is_not_there(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    tbk_mysql_server source = user_of("src"), nowhere = root_of("nowhere"), wrong = user_of("src");
    tbk_mysql_facts facts;
    assert_fails(tbk_mysql_inspect(arena, &source, NULL, &facts, &err), err, TBK_E_CORRUPT,
                 "has no tables");
    assert_fails(tbk_mysql_inspect(arena, &nowhere, NULL, &facts, &err), err, TBK_E_NOT_FOUND,
                 "nowhere");
    wrong.password = "wrong";
    assert_fails(tbk_mysql_inspect(arena, &wrong, NULL, &facts, &err), err, TBK_E_CONFIG,
                 "cannot log in");
    wrong = source;
    wrong.port = 1;
    assert_fails(tbk_mysql_inspect(arena, &wrong, NULL, &facts, &err), err, TBK_E_NETWORK,
                 "cannot log in");
    test_sql(root, "CREATE TABLE `a\nb` (id INT)");
    assert_fails(tbk_mysql_inspect(arena, &source, NULL, &facts, &err), err, TBK_E_UNSUPPORTED,
                 "line break");
    mysql_close(root);
}

/* --- rules --- */

static void make_torrents(MYSQL *root)
{
    test_sql(root, "CREATE TABLE torrents (id INT PRIMARY KEY AUTO_INCREMENT, "
                   "info_hash VARCHAR(40) NOT NULL UNIQUE, completed INT NOT NULL); "
                   "CREATE TABLE statistics (id INT PRIMARY KEY, name VARCHAR(20)); "
                   "CREATE TABLE `keys` (id INT PRIMARY KEY); "
                   "INSERT INTO statistics VALUES (1, 'a'), (2, 'b'), (3, 'it''s \\\\'); "
                   "INSERT INTO `keys` VALUES (1), (2); "
                   "INSERT INTO torrents (info_hash, completed) WITH RECURSIVE n AS "
                   "(SELECT 1 i UNION ALL SELECT i + 1 FROM n WHERE i < 900) "
                   "SELECT LEFT(SHA2(i, 256), 40), IF(i % 9 = 0, i, 0) FROM n");
}

static void rules_keep_what_they_say(void **state)
{
    (void)state;
    MYSQL *root = make_schema("src");
    make_torrents(root);
    tbk_mysql_server source = user_of("src");
    tbk_rules rules = {.count = 3};
    assert_succeeds(tbk_rule_parse("Torrents", "completed > 0", &rules.list[0], &err), err);
    assert_succeeds(tbk_rule_parse("keys", "none", &rules.list[1], &err), err);
    /* A backslash is one character, and double quotes are for names, as in SQLite. */
    assert_succeeds(tbk_rule_parse("statistics",
                                   "\"name\" = 'it''s \\' OR name IN ('a)', 'SELECT')",
                                   &rules.list[2], &err),
                    err);
    tbk_mysql_dump_request request = {.server = &source, .sessions = 3, .rules = &rules};
    dumped of = new_dumped();
    assert_succeeds(dump_all(&request, &of, &err), err);
    assert_int_equal(of.selection_count, 3);
    assert_string_equal(of.selection[0].table, "keys");
    assert_int_equal(of.selection[0].saved_rows, 0);
    assert_int_equal(of.selection[0].excluded_rows, 2);
    assert_int_equal(of.selection[1].saved_rows, 1);
    assert_int_equal(of.selection[1].excluded_rows, 2);
    assert_string_equal(of.selection[2].rule, "completed > 0");
    assert_int_equal(of.selection[2].saved_rows, 100);
    assert_int_equal(of.selection[2].excluded_rows, 800);
    assert_null(strstr(of.sql.bytes, "INSERT INTO `keys`"));
    end_dumped(&of);
    mysql_close(root);
}

static void rules_that_do_more_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *table, *rule, *why;
    } wrong[] = {
        {"nothing", "none", "no such table"},
        {"torrents", "seeders > 0", "seeders"},
        {"torrents", "\"completd\" > 0", "completd"},
        {"torrents", "completed > 0) OR (1", NULL},
        {"torrents", "completed IN (SELECT id FROM statistics)", "other tables"},
        {"torrents", "completed IN (table statistics)", "other tables"},
        {"torrents", "EXISTS (VALUES ROW(1))", "other tables"},
        {"torrents", "completed > 0 INTO OUTFILE '/tmp/x'", "other tables"},
        {"torrents", "completed > @x", "variable"},
        {"torrents", "completed > @@port", "variable"},
        {"torrents", "completed > 0 # and more", "comment"},
        {"torrents", "sleep(1)", "waits"},
        {"torrents", "`SLEEP` (1)", "waits"},
        {"torrents", "benchmark(10, 1)", "waits"},
        {"torrents", "load_file('/etc/passwd') = 'x'", "waits"},
        {"torrents", "get_lock('x', 1)", "waits"},
        {"torrents", "count(*) > 1", NULL},
        {"torrents", "completed > ?", "parameter"},
        {"torrents", "completed > 0 LIMIT 1", NULL},
        {"torrents", "completed = 'x\\' OR 1 = ' 1", NULL},
    };
    MYSQL *root = make_schema("src");
    make_torrents(root);
    tbk_mysql_server source = user_of("src");
    tbk_mysql_facts facts;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        tbk_rules rules = {.count = 1};
        if (!tbk_rule_parse(wrong[i].table, wrong[i].rule, &rules.list[0], &err))
            continue;
        if (tbk_mysql_inspect(arena, &source, &rules, &facts, &err))
            fail_msg("'%s' is accepted", wrong[i].rule);
        assert_int_equal(err.code, TBK_E_CONFIG);
        if (wrong[i].why != NULL && strstr(err.message, wrong[i].why) == NULL)
            fail_msg("'%s': %s", wrong[i].rule, err.message);
    }
    mysql_close(root);
}

/* --- logging in --- */

static void every_way_to_prove_a_password_works(void **state)
{
    (void)state;
    static const char *const of_mariadb[] = {"mysql_native_password", "ed25519", NULL};
    static const char *const of_mysql[] = {"caching_sha2_password", NULL};
    const char *const *plugins = strcmp(server.kind, "mariadb") == 0 ? of_mariadb : of_mysql;
    for (size_t i = 0; plugins[i] != NULL; i++) {
        MYSQL *connection = NULL;
        assert_int_equal(
            test_server_run(&server, "user", "u%zu 'pa ss;#%zu' %s >/dev/null", i, i, plugins[i]),
            0);
        char name[32], password[32];
        (void)snprintf(name, sizeof name, "u%zu", i);
        (void)snprintf(password, sizeof password, "pa ss;#%zu", i);
        tbk_mysql_server as = server.user;
        as.user = name;
        as.password = password;
        assert_succeeds(tbk_mysql_connect(&as, &connection, &err), err);
        assert_non_null(mysql_get_ssl_cipher(connection)); /* taken, as it is offered */
        mysql_close(connection);
        as.needs_tls = true;
        assert_succeeds(tbk_mysql_connect(&as, &connection, &err), err);
        assert_string_not_equal(mysql_get_ssl_cipher(connection), "");
        mysql_close(connection);
    }
}

static void tls_is_required_when_asked_for(void **state)
{
    (void)state;
    test_server plain = {0};
    const bool is_mariadb = strcmp(server.kind, "mariadb") == 0;
    if (!test_server_start(&plain, server.kind,
                           is_mariadb ? "--option=--skip-ssl" : "--option=--ssl-cert=none.pem"))
        fail_msg("cannot start a server without TLS");
    MYSQL *connection = NULL;
    tbk_mysql_server user = plain.user;
    bool logs_in = tbk_mysql_connect(&user, &connection, &err);
    if (logs_in) {
        assert_null(mysql_get_ssl_cipher(connection));
        mysql_close(connection);
    }
    user.needs_tls = true;
    tbk_error refused = {0};
    bool is_accepted = tbk_mysql_connect(&user, &connection, &refused);
    test_server_stop(&plain);
    if (!logs_in)
        fail_msg("%s", err.message);
    assert_false(is_accepted);
    assert_int_equal(refused.code, TBK_E_CONFIG);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        TEST(brings_back_every_type_and_object),
        TEST(data_lines_are_rows_and_heads_only),
        TEST(routines_that_the_user_may_not_read_are_read_as_root_or_named),
        TEST(server_settings_do_not_matter),
        TEST(sessions_agree_while_others_write),
        TEST(is_busy_while_a_client_executes_or_commits),
        TEST(one_session_is_never_busy),
        TEST(a_schema_that_changes_is_noticed),
        TEST(an_alter_waits_no_longer_than_a_range),
        TEST(a_killed_session_is_an_error_at_once),
        TEST(it_can_be_cancelled_and_closed_at_any_time),
        TEST(tables_without_snapshots_need_a_stopped_tracker),
        TEST(it_says_what_is_not_there),
        TEST(rules_keep_what_they_say),
        TEST(rules_that_do_more_are_refused),
        TEST(every_way_to_prove_a_password_works),
        TEST(tls_is_required_when_asked_for),
    };
    return run_with_both(tests, count > 1 ? arguments[1] : NULL);
}
