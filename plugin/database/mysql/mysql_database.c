/* SPDX-License-Identifier: MIT */
/* MySQL, by the engine's interface: captured by database/mysql/mysql_capture.h, restored into a
 * schema beside the real one, or into an empty server. */
#include "database/mysql/mysql_database.h"

#include "base/file.h"
#include "database/mysql/mysql.h"
#include "database/mysql/mysql_capture.h"
#include "database/mysql/mysql_scratch_server.h"
#include "domain/mysql_login.h"

#include <inttypes.h>
#include <string.h>

/* An index of many rows takes its time to be made. */
#define LOAD_ANSWER_LIMIT_S 7200

typedef struct mysql_database {
    tbk_mysql_server user;
    tbk_mysql_server root;
    bool has_root;
    const tbk_scratch_server *scratch_server; /* NULL: there is none */
    const tbk_report *report;
    /* Of a restore: the schema beside the real one, what is to be made in the real one, and where
     * the tables of before are. */
    tbk_mysql_server scratch;
    tbk_mysql_objects *objects;
    const char *kept;
} mysql_database;

/* --- as it is now --- */

/* A restore that was killed in its swap is brought to an end first. Where root cannot log in, there
 * was none. */
static void recover(const mysql_database *database)
{
    tbk_error why;
    if (database->has_root && !tbk_mysql_swap_recover(&database->root, database->report, &why) &&
        why.code != TBK_E_CONFIG)
        tbk_report_log(database->report, TBK_LOG_WARNING, "begin", "%s", why.message);
}

static bool inspect(void *self, tbk_arena *arena, const tbk_rules *rules, tbk_database_view *out,
                    tbk_error *err)
{
    const mysql_database *database = self;
    tbk_mysql_facts facts;
    recover(database);
    if (!tbk_mysql_inspect(arena, &database->user, rules, &facts, err))
        return false;
    out->size_bytes = facts.size_bytes;
    out->journal_mode = TBK_JOURNAL_AS_IT_IS;
    out->words = tbk_arena_format(
        arena, "the database '%s' on '%s' (%s %s, %zu tables, about %" PRIu64 " bytes)",
        database->user.schema, database->user.host, facts.server, facts.version, facts.table_count,
        facts.size_bytes);
    return true;
}

/* --- capture --- */

static const tbk_mysql_server *root_of(const mysql_database *database)
{
    return database->has_root ? &database->root : NULL;
}

static bool forecast(void *self, tbk_arena *arena, const tbk_forecast_request *request,
                     tbk_forecast *out, tbk_error *err)
{
    const mysql_database *database = self;
    return tbk_mysql_forecast(arena, &database->user, root_of(database), request, out, err);
}

static bool capture(void *self, tbk_arena *arena, const tbk_capture_request *request,
                    tbk_capture *out, tbk_error *err)
{
    const mysql_database *database = self;
    return tbk_mysql_capture(arena, &database->user, root_of(database), request, out, err);
}

/* --- proof --- */

/* Whether the tracker's own server can be restored into. */
static bool can_use_root(const mysql_database *database, tbk_error *why)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_facts facts;
    if (!database->has_root)
        return tbk_fail(why, TBK_E_CONFIG, "set MYSQL_ROOT_PASSWORD in the tracker's .env",
                        "a schema to restore into can be made by root only, whose password is not "
                        "known");
    return tbk_mysql_inspect(arena, &database->root, NULL, &facts, why) ||
           tbk_error_context(why, "a schema to restore into can be made by root only");
}

static bool can_restore(void *self, tbk_error *why)
{
    const mysql_database *database = self;
    return database->scratch_server != NULL || can_use_root(database, why);
}

static const tbk_table_facts *table_in(const tbk_mysql_facts *facts, const char *table)
{
    for (size_t i = 0; i < facts->table_count; i++)
        if (strcmp(facts->tables[i].table, table) == 0)
            return &facts->tables[i];
    return NULL;
}

/* The first table that is not what was dumped; NULL: all are. */
static const char *difference(tbk_arena *arena, const tbk_mysql_facts *dumped,
                              const tbk_mysql_facts *restored)
{
    if (dumped->table_count != restored->table_count)
        return tbk_arena_format(arena, "%zu tables were dumped, %zu restored", dumped->table_count,
                                restored->table_count);
    for (size_t i = 0; i < dumped->table_count; i++) {
        const tbk_table_facts *before = &dumped->tables[i];
        const tbk_table_facts *after = table_in(restored, before->table);
        if (after == NULL)
            return tbk_arena_format(arena, "the table '%s' was not restored", before->table);
        if (before->rows != after->rows)
            return tbk_arena_format(arena,
                                    "the table '%s' had %" PRId64 " rows when it was dumped, and "
                                    "%" PRId64 " restored",
                                    before->table, before->rows, after->rows);
        if (strcmp(before->checksum, after->checksum) != 0)
            return tbk_arena_format(arena, "the table '%s' has other values restored than dumped",
                                    before->table);
    }
    return NULL;
}

static const tbk_table_rows *rows_of(tbk_arena *arena, const tbk_mysql_facts *facts)
{
    tbk_table_rows *rows = tbk_arena_alloc(arena, (facts->table_count + 1) * sizeof *rows);
    for (size_t i = 0; i < facts->table_count; i++)
        rows[i] = (tbk_table_rows){.table = facts->tables[i].table, .rows = facts->tables[i].rows};
    return rows;
}

/* That they can be made is tried. One that names its own schema can be made in that one only. */
static void try_objects(const tbk_mysql_server *scratch, const tbk_mysql_objects *objects,
                        const tbk_report *report)
{
    tbk_error why;
    if (!tbk_mysql_objects_make(scratch, objects, false, report, &why))
        tbk_report_log(report, TBK_LOG_WARNING, "prove",
                       "not all views, triggers and routines could be made beside the real ones: "
                       "%s",
                       why.message);
}

/* Where a set is restored to: a schema of ours on a server where root's password is known. */
static void set_root(mysql_database *database, const tbk_mysql_server *root, const char *schema)
{
    database->root = *root;
    database->scratch = *root;
    database->scratch.schema = schema;
    database->scratch.answer_limit_s = LOAD_ANSWER_LIMIT_S;
}

static bool restore_to_staging(void *self, tbk_arena *arena, const tbk_unpacked *unpacked,
                               const tbk_manifest *manifest, const tbk_report *report,
                               tbk_restored_check *out, tbk_error *err)
{
    mysql_database *database = self;
    const tbk_mysql_server *scratch = &database->scratch;
    tbk_mysql_facts found;
    tbk_report_log(report, TBK_LOG_INFO, "restore", "loading into the schema '%s'",
                   scratch->schema);
    /* First what a killed swap has left: the schema that is made anew may be needed for it. */
    if (!tbk_mysql_swap_recover(&database->root, NULL, err) ||
        !tbk_mysql_scratch_make(&database->root, scratch->schema, err) ||
        !tbk_mysql_load(scratch, tbk_mysql_capture_sessions(), unpacked->source, report,
                        &database->objects, err) ||
        !tbk_mysql_measure(arena, scratch, tbk_mysql_capture_sessions(), report, &found, err))
        return false;
    *out = (tbk_restored_check){.tables = rows_of(arena, &found),
                                .table_count = found.table_count,
                                .wrong = difference(arena, &manifest->mysql, &found)};
    return true;
}

static void discard(void *self, const tbk_report *report)
{
    mysql_database *database = self;
    tbk_error why;
    tbk_mysql_objects_free(database->objects);
    database->objects = NULL;
    if (!tbk_mysql_scratch_drop(&database->root, database->scratch.schema, &why))
        tbk_report_log(report, TBK_LOG_WARNING, "restore", "the schema '%s' was not removed: %s",
                       database->scratch.schema, why.message);
}

/* The tracker's server, without a trace in its binary log, which would grow by the whole database
 * each time; else one that is started for it. */
static bool choose_server(const mysql_database *database, tbk_arena *arena,
                          const tbk_report *report, tbk_mysql_server *out, tbk_error *err)
{
    tbk_error why;
    *out = database->root;
    out->is_unlogged = true;
    if (can_use_root(database, &why))
        return true;
    if (database->scratch_server == NULL) {
        *err = why;
        return false;
    }
    tbk_report_log(report, TBK_LOG_INFO, "restore",
                   "a server of its own is started for it, since %s", why.message);
    return tbk_scratch_server_start(arena, database->scratch_server, database->user.schema, report,
                                    out, err);
}

static bool check_restored(void *self, tbk_arena *arena, const tbk_unpacked *unpacked,
                           const tbk_manifest *manifest, const tbk_report *report,
                           tbk_restored_check *out, tbk_error *err)
{
    mysql_database proving = *(const mysql_database *)self;
    tbk_mysql_server root;
    if (!choose_server(&proving, arena, report, &root, err))
        return false;
    set_root(&proving, &root, proving.scratch.schema);
    bool ok = restore_to_staging(&proving, arena, unpacked, manifest, report, out, err);
    if (ok)
        try_objects(&proving.scratch, proving.objects, report);
    discard(&proving, report);
    return ok;
}

/* --- restore --- */

static bool swap(void *self, tbk_arena *arena, int64_t now_s, const tbk_report *report,
                 const char **out_previous, tbk_error *err)
{
    mysql_database *database = self;
    database->kept = tbk_mysql_previous_name(arena, database->root.schema, now_s);
    if (!tbk_mysql_swap(&database->root, database->scratch.schema, database->kept,
                        database->objects, report, err))
        return false;
    *out_previous = tbk_arena_format(arena, "the schema '%s'", database->kept);
    return true;
}

static bool swap_back(void *self, tbk_arena *arena, const tbk_report *report, tbk_error *err)
{
    mysql_database *database = self;
    (void)arena;
    return tbk_mysql_swap_back(&database->root, database->scratch.schema, database->kept, report,
                               err);
}

static bool list_previous(void *self, tbk_arena *arena, const tbk_previous_database **out,
                          size_t *out_count, tbk_error *err)
{
    const char *const *names;
    const uint64_t *bytes;
    if (!tbk_mysql_list_previous(&((mysql_database *)self)->root, arena, &names, &bytes, out_count,
                                 err))
        return false;
    tbk_previous_database *kept = tbk_arena_alloc(arena, (*out_count + 1) * sizeof *kept);
    for (size_t i = 0; i < *out_count; i++)
        kept[i] = (tbk_previous_database){.name = names[i], .size_bytes = bytes[i]};
    *out = kept;
    return true;
}

static bool purge_previous(void *self, tbk_arena *arena, const char *const **out, tbk_error *err)
{
    size_t count;
    return tbk_mysql_purge_previous(&((mysql_database *)self)->root, arena, out, &count, err);
}

/* --- credentials --- */

static tbk_mysql_server server_of(const tbk_engine_config *config, const tbk_mysql_login *login)
{
    return (tbk_mysql_server){.host = login->host,
                              .port = login->port,
                              .user = login->user,
                              .password = login->password,
                              .schema = login->schema,
                              .needs_tls = config->tls == TBK_TLS_REQUIRED};
}

static bool read_login(tbk_arena *arena, const char *path, tbk_mysql_login *out, tbk_error *err)
{
    char *text;
    size_t length;
    if (!tbk_file_read(arena, path, TBK_DOTENV_MAX_BYTES, &text, &length, err))
        return tbk_error_context(err, "reading the database's credentials");
    const tbk_dotenv file = {.text = text, .length = length, .source = path};
    return tbk_mysql_login_read(arena, &file, out, err);
}

const char *tbk_database_mysql_location(tbk_arena *arena, const tbk_engine_config *config)
{
    tbk_mysql_login login;
    tbk_error ignored; /* opening the database reports it */
    if (!read_login(arena, config->env_file, &login, &ignored))
        return NULL;
    return tbk_arena_format(arena, "%s:%u/%s", login.host, (unsigned)login.port, login.schema);
}

bool tbk_database_mysql(tbk_arena *arena, const tbk_engine_config *config,
                        const tbk_scratch_server *scratch_server, const tbk_report *report,
                        tbk_database *out, tbk_error *err)
{
    tbk_mysql_login login;
    mysql_database *self = TBK_ARENA_NEW(arena, mysql_database);
    if (!read_login(arena, config->env_file, &login, err))
        return false;
    if (login.drift != NULL)
        tbk_report_log(report, TBK_LOG_WARNING, "begin", "%s: %s", config->env_file, login.drift);
    self->user = server_of(config, &login);
    tbk_mysql_server root = self->user;
    root.user = "root";
    root.password = login.root_password;
    set_root(self, &root, tbk_mysql_scratch_name(arena, login.schema));
    self->has_root = login.root_password != NULL;
    self->scratch_server = scratch_server;
    self->report = report;
    *out = (tbk_database){.self = self,
                          .driver = TBK_DRIVER_MYSQL,
                          .inspect = inspect,
                          .forecast = forecast,
                          .capture = capture,
                          .can_restore = can_restore,
                          .check_restored = check_restored,
                          .restore_to_staging = restore_to_staging,
                          .swap = swap,
                          .swap_back = swap_back,
                          .discard = discard,
                          .list_previous = list_previous,
                          .purge_previous = purge_previous};
    return true;
}
