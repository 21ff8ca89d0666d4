/* SPDX-License-Identifier: MIT */
/*
 * A differential trial: each setting of a server that limits or changes what statements do, with
 * values that are not its default. Under each, a schema is dumped, loaded by us and by the server's
 * own client, and compared: all rows, the server's checksums, and what it says it would be made
 * with. Several settings are in force at the same time, to be done soon; TBK_SETTINGS_EACH=1 tries
 * each alone, to find the one that fails. Settings that no session can change must be told in the
 * server's words, as no damage.
 */
#include "contract/both_servers.h"

#include "base/text.h"

static MYSQL *control; /* its settings are those of before */

#define LIVE "settings_live"
#define BY_HAND "settings_by_hand"

#define GROUP_MAX 12

/* --- settings --- */

enum { MARIADB = 1, MYSQL_ = 2, BOTH = 3 };

typedef struct setting {
    unsigned kinds;
    const char *name, *value;
    const char *refusal;  /* in the server's words, where no session can do anything about it */
    bool changes_formats; /* of rows or values as stored, on which the server's checksums depend */
} setting;

/* clang-format off */
#define SET(kinds_, name_, value_) {.kinds = kinds_, .name = name_, .value = value_}
#define MODE(kinds_, modes) SET(kinds_, "sql_mode", "'" modes "'")
/* clang-format on */

static const setting settings[] = {
    MODE(BOTH, ""),
    MODE(BOTH, "ANSI"),
    MODE(BOTH, "TRADITIONAL"),
    MODE(BOTH, "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,IGNORE_SPACE,HIGH_NOT_PRECEDENCE"),
    MODE(BOTH, "PAD_CHAR_TO_FULL_LENGTH"),
    MODE(BOTH, "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO"),
    MODE(BOTH, "REAL_AS_FLOAT,NO_UNSIGNED_SUBTRACTION,NO_DIR_IN_CREATE,ONLY_FULL_GROUP_BY"),
    MODE(BOTH, "NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO"),
    MODE(MYSQL_, "TIME_TRUNCATE_FRACTIONAL"),
    MODE(MARIADB, "ORACLE"),
    MODE(MARIADB, "MSSQL"),
    MODE(MARIADB, "EMPTY_STRING_IS_NULL,SIMULTANEOUS_ASSIGNMENT,TIME_ROUND_FRACTIONAL"),
    MODE(MARIADB, "NO_FIELD_OPTIONS,NO_TABLE_OPTIONS,NO_KEY_OPTIONS"),
    SET(BOTH, "autocommit", "0"),
    SET(BOTH, "auto_increment_increment", "7"),
    SET(BOTH, "big_tables", "1"),
    SET(BOTH, "binlog_format", "'STATEMENT'"),
    SET(BOTH, "character_set_client", "latin1"),
    SET(BOTH, "character_set_server", "latin1"),
    SET(BOTH, "collation_connection", "latin1_bin"),
    SET(BOTH, "collation_server", "utf8mb4_bin"),
    SET(BOTH, "completion_type", "1"),
    SET(BOTH, "completion_type", "2"),
    SET(BOTH, "default_storage_engine", "MyISAM"),
    SET(BOTH, "div_precision_increment", "0"),
    SET(BOTH, "event_scheduler", "1"),
    SET(BOTH, "explicit_defaults_for_timestamp", "0"),
    SET(BOTH, "foreign_key_checks", "0"),
    SET(BOTH, "group_concat_max_len", "4"),
    SET(BOTH, "init_connect", "'SET sql_mode = ''ANSI'', autocommit = 0, sql_select_limit = 1'"),
    {.kinds = BOTH,
     .name = "innodb_default_row_format",
     .value = "compact",
     .changes_formats = true},
    {.kinds = BOTH,
     .name = "innodb_default_row_format",
     .value = "redundant",
     .changes_formats = true},
    SET(BOTH, "innodb_file_per_table", "1"),
    SET(BOTH, "innodb_lock_wait_timeout", "1"),
    SET(BOTH, "innodb_stats_on_metadata", "1"),
    SET(BOTH, "innodb_strict_mode", "0"),
    SET(BOTH, "innodb_strict_mode", "1"),
    SET(BOTH, "lc_time_names", "'de_DE'"),
    SET(BOTH, "lock_wait_timeout", "1"),
    SET(BOTH, "log_bin_trust_function_creators", "1"),
    SET(BOTH, "low_priority_updates", "1"),
    SET(BOTH, "max_allowed_packet", "2097152"),
    SET(BOTH, "max_error_count", "0"),
    SET(BOTH, "max_join_size", "1"),
    SET(BOTH, "max_sort_length", "64"),
    SET(BOTH, "net_read_timeout", "1"),
    SET(BOTH, "sql_auto_is_null", "1"),
    SET(BOTH, "sql_big_selects", "0"),
    SET(BOTH, "sql_buffer_result", "1"),
    SET(BOTH, "sql_notes", "0"),
    SET(BOTH, "sql_quote_show_create", "0"),
    SET(BOTH, "sql_safe_updates", "1"),
    SET(BOTH, "sql_select_limit", "1"),
    SET(BOTH, "sql_warnings", "1"),
    SET(BOTH, "time_zone", "'+05:30'"),
    SET(BOTH, "transaction_isolation", "'SERIALIZABLE'"),
    SET(BOTH, "transaction_isolation", "'READ-COMMITTED'"),
    SET(BOTH, "transaction_read_only", "1"),
    SET(BOTH, "unique_checks", "0"),
    SET(BOTH, "wait_timeout", "1"),
    SET(MYSQL_, "default_collation_for_utf8mb4", "utf8mb4_general_ci"),
    SET(MYSQL_, "default_table_encryption", "1"),
    SET(MYSQL_, "information_schema_stats_expiry", "86400"),
    SET(MYSQL_, "max_execution_time", "1"),
    SET(MYSQL_, "old_alter_table", "1"),
    SET(MYSQL_, "partial_revokes", "1"),
    SET(MYSQL_, "restrict_fk_on_non_standard_key", "0"),
    SET(MYSQL_, "restrict_fk_on_non_standard_key", "1"),
    SET(MYSQL_, "show_create_table_verbosity", "1"),
    SET(MYSQL_, "show_gipk_in_create_table_and_information_schema", "0"),
    SET(MYSQL_, "sql_generate_invisible_primary_key", "1"),
    SET(MYSQL_, "sql_require_primary_key", "1"),
    SET(MYSQL_, "table_encryption_privilege_check", "1"),
    SET(MYSQL_, "read_only", "1"),
    {.kinds = MYSQL_, .name = "super_read_only", .value = "1", .refusal = "super-read-only"},
    SET(MARIADB, "alter_algorithm", "'INSTANT'"),
    SET(MARIADB, "character_set_collations", "'utf8mb4=utf8mb4_bin,latin1=latin1_bin'"),
    SET(MARIADB, "check_constraint_checks", "0"),
    SET(MARIADB, "check_constraint_checks", "1"),
    SET(MARIADB, "default_regex_flags", "'DOTALL'"),
    SET(MARIADB, "enforce_storage_engine", "InnoDB"),
    SET(MARIADB, "idle_transaction_timeout", "1"),
    SET(MARIADB, "innodb_compression_default", "1"),
    {.kinds = MARIADB,
     .name = "innodb_force_primary_key",
     .value = "1",
     .refusal = "requires a primary key"},
    SET(MARIADB, "innodb_snapshot_isolation", "0"),
    SET(MARIADB, "max_statement_time", "0.000001"),
    {.kinds = MARIADB, .name = "mysql56_temporal_format", .value = "0", .changes_formats = true},
    SET(MARIADB, "note_verbosity", "'basic,unusable_keys,explain'"),
    SET(MARIADB, "old_mode", "''"),
    SET(MARIADB, "old_mode", "'ZERO_DATE_TIME_CAST,NO_PROGRESS_INFO'"),
    SET(MARIADB, "query_cache_type", "1"),
    SET(MARIADB, "read_only", "1"),
    SET(MARIADB, "sql_if_exists", "1"),
    SET(MARIADB, "system_versioning_alter_history", "KEEP"),
    SET(MARIADB, "system_versioning_asof", "'2020-01-01 00:00:00'"),
    SET(MARIADB, "system_versioning_insert_history", "1"),
};

static bool is_for_this_server(const setting *of)
{
    return (of->kinds & (strcmp(server.kind, "mariadb") == 0 ? MARIADB : MYSQL_)) != 0;
}

/* --- what a schema is, as the server says it --- */

static void add_value(tbk_text *out, const char *value, bool is_compared)
{
    tbk_text_format(out, "|%s", !is_compared ? "" : value == NULL ? "NULL" : value);
}

/* All rows and columns, but those that say when something was made. */
static void add_answer(tbk_text *out, const char *sql)
{
    MYSQL_RES *result = NULL;
    MYSQL_ROW row;
    assert_succeeds(tbk_mysql_query(control, sql, &result, &err), err);
    tbk_text_format(out, "%s\n", sql);
    while ((row = mysql_fetch_row(result)) != NULL) {
        for (unsigned i = 0; i < mysql_num_fields(result); i++)
            add_value(out, row[i],
                      strcmp(mysql_fetch_field_direct(result, i)->name, "Created") != 0);
        tbk_text_append(out, "\n");
    }
    mysql_free_result(result);
}

/* Each row of the list is a statement. */
static void add_each(tbk_text *out, const char *list)
{
    MYSQL_RES *result = NULL;
    MYSQL_ROW row;
    assert_succeeds(tbk_mysql_query(control, list, &result, &err), err);
    while ((row = mysql_fetch_row(result)) != NULL)
        add_answer(out, row[0]);
    mysql_free_result(result);
}

#define OF_TABLES                                                                                  \
    " FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE <> 'VIEW' "    \
    "ORDER BY TABLE_NAME"

static char *fingerprint(const char *schema, bool with_formats)
{
    tbk_text out = {0};
    test_sql(control, tbk_arena_format(arena, "USE `%s`; SET SESSION group_concat_max_len = 100000",
                                       schema));
    add_each(&out, "SELECT CONCAT('SHOW CREATE TABLE `', TABLE_NAME, '`')" OF_TABLES);
    /* Hidden columns too, and in an order that does not depend on how they are stored. */
    add_each(&out, "SELECT CONCAT('SELECT ', GROUP_CONCAT('`', COLUMN_NAME, '`' ORDER BY "
                   "ORDINAL_POSITION), ' FROM `', TABLE_NAME, '` ORDER BY ', "
                   "GROUP_CONCAT(ORDINAL_POSITION ORDER BY ORDINAL_POSITION)) "
                   "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() "
                   "AND TABLE_NAME <> 'v' GROUP BY TABLE_NAME ORDER BY TABLE_NAME");
    if (with_formats)
        add_answer(&out, "SELECT TABLE_NAME, ENGINE, ROW_FORMAT, TABLE_COLLATION" OF_TABLES);
    add_answer(&out, "SHOW CREATE VIEW v");
    add_answer(&out, "SELECT * FROM v ORDER BY 1, 2");
    /* Its head is written anew, so that the words of it may be others. */
    add_answer(&out, "SELECT TRIGGER_NAME, EVENT_MANIPULATION, EVENT_OBJECT_TABLE, ACTION_TIMING, "
                     "ACTION_STATEMENT, SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, "
                     "COLLATION_CONNECTION, DATABASE_COLLATION FROM information_schema.TRIGGERS "
                     "WHERE TRIGGER_SCHEMA = DATABASE()");
    add_answer(&out, "SHOW CREATE FUNCTION f");
    add_answer(&out, "SHOW CREATE PROCEDURE p");
    add_answer(&out, "SHOW CREATE EVENT e");
    char *text = tbk_arena_copy(arena, tbk_text_string(&out));
    tbk_text_end(&out);
    return text;
}

/* Without formats that are written only where they are not the default. */
static void strip_formats(char *text)
{
    static const char *const formats[] = {" ROW_FORMAT=DYNAMIC", " /* mariadb-5.3 */"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        for (char *at; (at = strstr(text, formats[i])) != NULL;)
            memmove(at, at + strlen(formats[i]), strlen(at + strlen(formats[i])) + 1);
}

/* The first line that differs. */
static void assert_same(const char *a, const char *b, const char *how)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    if (*a != *b)
        fail_msg("%s: \"%.200s\" is \"%.200s\"", how, a, b);
}

/* The server's own checksums; in those of versioned rows are the times of the load. */
static void assert_same_checksums(const char *schema, const char *how)
{
    MYSQL_RES *tables = NULL;
    MYSQL_ROW row;
    assert_succeeds(tbk_mysql_query(control,
                                    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE "
                                    "TABLE_SCHEMA = '" LIVE "' AND TABLE_TYPE = 'BASE TABLE'",
                                    &tables, &err),
                    err);
    while ((row = mysql_fetch_row(tables)) != NULL) {
        MYSQL_RES *sums = NULL;
        const char *sql = tbk_arena_format(arena, "CHECKSUM TABLE " LIVE ".`%s`, %s.`%s` EXTENDED",
                                           row[0], schema, row[0]);
        assert_succeeds(tbk_mysql_query(control, sql, &sums, &err), err);
        const char *live = tbk_arena_copy(arena, mysql_fetch_row(sums)[1]);
        assert_same(live, mysql_fetch_row(sums)[1], tbk_arena_format(arena, "%s: %s", how, row[0]));
        mysql_free_result(sums);
    }
    mysql_free_result(tables);
}

static void assert_restored(const char *schema, const setting *of, const char *how)
{
    char *live = fingerprint(LIVE, !of->changes_formats);
    char *restored = fingerprint(schema, !of->changes_formats);
    if (of->changes_formats) {
        strip_formats(live);
        strip_formats(restored);
    } else {
        assert_same_checksums(schema, how);
    }
    assert_same(live, restored, how);
}

/* --- dumping, loading --- */

static bool dump(const tbk_mysql_server *from, tbk_text *out, tbk_mysql_facts *facts)
{
    static char buffer[65536];
    const tbk_mysql_dump_request request = {.server = from, .root = &server.root, .sessions = 2};
    tbk_auto(tbk_mysql_dump) *of = NULL;
    size_t got = 1;
    if (!tbk_mysql_dump_open(&request, &of, &err) || !tbk_mysql_dump_pin(of, &err))
        return false;
    while (got > 0) {
        if (!tbk_mysql_dump_read(of, buffer, sizeof buffer, &got, &err))
            return false;
        tbk_text_append_bytes(out, buffer, got);
    }
    return tbk_mysql_dump_finish(of, arena, facts, NULL, NULL, &err);
}

typedef struct memory {
    const tbk_text *text;
    size_t position;
} memory;

static bool read_memory(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                        tbk_error *error)
{
    memory *from = self;
    size_t left = from->text->length - from->position;
    (void)error;
    *out_got = left < size_bytes ? left : size_bytes;
    if (*out_got > 0)
        memcpy(buffer, from->text->bytes + from->position, *out_got);
    from->position += *out_got;
    return true;
}

static bool load(const char *schema, const tbk_text *sql)
{
    memory from = {.text = sql};
    const tbk_source source = {.self = &from, .total_bytes = sql->length, .read = read_memory};
    tbk_mysql_server root = server.root, into = server.root;
    tbk_auto(tbk_mysql_objects) *objects = NULL;
    root.schema = LIVE;
    into.schema = schema;
    return tbk_mysql_scratch_make(&root, schema, &err) &&
           tbk_mysql_load(&into, 2, &source, NULL, &objects, &err) &&
           tbk_mysql_objects_make(&into, objects, true, NULL, &err);
}

static int load_by_hand(const tbk_text *sql)
{
    char path[] = "/tmp/settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, sql->bytes, sql->length), (ssize_t)sql->length);
    (void)close(fd);
    int status = test_server_run(&server, "client", "mysql " BY_HAND " <%s", path);
    (void)unlink(path);
    return status;
}

/* --- the trial --- */

static void set_global(const setting *of, const char *value)
{
    test_sql(control, tbk_arena_format(arena, "SET GLOBAL %s = %s", of->name, value));
}

static const char *global_literal(const setting *of)
{
    const char *value =
        test_value(control, tbk_arena_format(arena, "SELECT @@GLOBAL.%s", of->name));
    bool is_number = value[0] != '\0' && value[strspn(value, "0123456789.")] == '\0';
    if (strcmp(of->name, "enforce_storage_engine") == 0)
        return "NULL";
    return strcmp(of->name, "system_versioning_asof") == 0
               ? "DEFAULT"
               : tbk_arena_format(arena, is_number ? "%s" : "'%s'", value);
}

/* Settings that are in force together. */
typedef struct group {
    const setting *of[GROUP_MAX];
    const char *before[GROUP_MAX];
    size_t count;
    const char *names; /* for messages */
} group;

static void set_all(group *together)
{
    tbk_text names = {0};
    for (size_t i = 0; i < together->count; i++) {
        const setting *of = together->of[i];
        together->before[i] = global_literal(of);
        tbk_text_format(&names, "%s%s = %s", i > 0 ? ", " : "", of->name, of->value);
        set_global(of, of->value);
    }
    together->names = tbk_arena_copy(arena, tbk_text_string(&names));
    tbk_text_end(&names);
}

static void set_back(const group *together)
{
    for (size_t i = together->count; i-- > 0;)
        set_global(together->of[i], together->before[i]);
}

static void assert_outcome(const group *together, bool dumped, bool loaded, int by_hand)
{
    const setting *of = together->of[0];
    if (!dumped || loaded == (of->refusal != NULL))
        fail_msg("%s: %s: %s", together->names, dumped ? "load" : "dump",
                 loaded ? "not refused" : err.message);
    if (loaded) {
        assert_restored(tbk_mysql_scratch_name(arena, LIVE), of, together->names);
        assert_int_equal(by_hand, 0);
        assert_restored(BY_HAND, of, tbk_arena_format(arena, "%s, by the client", together->names));
    } else if (err.code == TBK_E_CORRUPT || strstr(err.message, of->refusal) == NULL)
        fail_msg("%s: %s: %s", together->names, tbk_error_name(err.code), err.message);
}

static void try(group *together)
{
    tbk_text sql = {0};
    tbk_mysql_facts facts;
    tbk_mysql_server from = server.user;
    from.schema = LIVE;
    test_sql(control, "DROP DATABASE IF EXISTS " BY_HAND "; CREATE DATABASE " BY_HAND);
    set_all(together);
    bool dumped = dump(&from, &sql, &facts);
    bool loaded = dumped && load(tbk_mysql_scratch_name(arena, LIVE), &sql);
    int by_hand = loaded ? load_by_hand(&sql) : 0;
    set_back(together);
    assert_outcome(together, dumped, loaded, by_hand);
    tbk_text_end(&sql);
}

static bool may_join(const group *together, const setting *next)
{
    bool may = together->count < (getenv("TBK_SETTINGS_EACH") != NULL ? 1 : GROUP_MAX);
    for (size_t i = 0; i < together->count; i++) {
        const setting *of = together->of[i];
        may = may && strcmp(of->name, next->name) != 0 && of->refusal == NULL &&
              next->refusal == NULL && of->changes_formats == next->changes_formats;
    }
    return may;
}

static void brings_all_back_under_every_setting(void **state)
{
    const size_t count = sizeof settings / sizeof *settings;
    bool is_done[sizeof settings / sizeof *settings] = {false};
    (void)state;
    for (size_t first = 0; first < count; first++) {
        group together = {.count = 0};
        for (size_t i = first; i < count; i++)
            if (!is_done[i] && is_for_this_server(&settings[i]) &&
                may_join(&together, &settings[i])) {
                together.of[together.count++] = &settings[i];
                is_done[i] = true;
            }
        if (together.count > 0)
            try(&together);
    }
}

/* --- the suite, once with each server --- */

static void run_file(const char *name)
{
    assert_int_equal(test_server_run(&server, "client",
                                     "mysql --default-character-set=utf8mb4 " LIVE
                                     " <'%s/tests/contract/%s.sql'",
                                     TBK_SOURCE_DIR, name),
                     0);
}

static void make_live(void)
{
    control = test_server_connect(&server, NULL);
    test_sql(control, tbk_arena_format(arena,
                                       "CREATE DATABASE " LIVE "; GRANT ALL ON " LIVE
                                       ".* TO '%s'@'%%'; SET SESSION wait_timeout = 28800",
                                       server.user_name));
    run_file("mysql_settings");
    run_file(tbk_arena_format(arena, "mysql_settings-%s", server.kind));
}

static void close_control(void)
{
    if (control != NULL)
        mysql_close(control);
    control = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(brings_all_back_under_every_setting),
    };
    after_start = make_live;
    before_stop = close_control;
    return run_with_both(tests, NULL);
}
