/* SPDX-License-Identifier: MIT */
/* Manifests: to JSON values and back; what is read back may come from a damaged or foreign disk. */
#include "domain/manifest.h"

#include "base/clock.h"

#include <inttypes.h>
#include <string.h>

/* JSON readers with doubles, and ours, keep whole numbers up to here. */
#define COUNT_MAX (INT64_C(1) << 53)
#define CHECKSUM_DIGITS 16 /* of 64 bits */
#define KEY_DIGITS_MAX 20  /* of the largest BIGINT UNSIGNED */

/* --- Writing --- */

static tbk_value *files_to_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *list = tbk_value_list(arena);
    for (size_t i = 0; i < manifest->file_count; i++) {
        const tbk_set_file *file = &manifest->files[i];
        tbk_value *value = tbk_value_map(arena);
        tbk_value_set_string(arena, value, "name", file->name);
        tbk_value_set_integer(arena, value, "stored_bytes", (int64_t)file->stored_bytes);
        tbk_value_set_string(arena, value, "stored_sha256", file->stored.hex);
        tbk_value_set_integer(arena, value, "raw_bytes", (int64_t)file->raw_bytes);
        tbk_value_set_string(arena, value, "raw_sha256", file->raw.hex);
        tbk_value_append(arena, list, value);
    }
    return list;
}

static tbk_value *phases_to_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *list = tbk_value_list(arena);
    for (size_t i = 0; i < manifest->phase_count; i++) {
        tbk_value *value = tbk_value_map(arena);
        tbk_value_set_string(arena, value, "name", manifest->phases[i].name);
        tbk_value_set_integer(arena, value, "duration_ms", manifest->phases[i].duration_ms);
        tbk_value_append(arena, list, value);
    }
    return list;
}

static tbk_value *versions_to_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *value = tbk_value_map(arena);
    tbk_value_set_string(arena, value, "engine", manifest->engine_version);
    tbk_value_set_string(arena, value, "sqlite", manifest->sqlite_version);
    tbk_value_set_string(arena, value, "zstd", manifest->zstd_version);
    return value;
}

static tbk_value *capture_to_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *value = tbk_value_map(arena);
    tbk_value_set_string(arena, value, "method", manifest->method);
    tbk_value_set_string(arena, value, "method_reason", manifest->method_reason);
    tbk_value_set_bool(arena, value, "tracker_was_stopped", manifest->tracker_was_stopped);
    tbk_value_set_integer(arena, value, "held_ms", manifest->held_ms);
    tbk_value_set(arena, value, "phases", phases_to_value(arena, manifest));
    return value;
}

static tbk_value *selection_to_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *list = tbk_value_list(arena);
    for (size_t i = 0; i < manifest->selection_count; i++) {
        const tbk_selected_table *table = &manifest->selection[i];
        tbk_value *value = tbk_value_map(arena);
        tbk_value_set_string(arena, value, "table", table->table);
        tbk_value_set_string(arena, value, "rule", table->rule);
        tbk_value_set_integer(arena, value, "saved_rows", table->saved_rows);
        tbk_value_set_integer(arena, value, "left_out_rows", table->excluded_rows);
        tbk_value_append(arena, list, value);
    }
    return list;
}

static void set_schema(tbk_arena *arena, tbk_value *value, const tbk_digest *schema)
{
    tbk_value_set_string(arena, value, "schema_sha256",
                         schema->hex[0] != '\0' ? schema->hex : NULL);
}

static void set_sqlite(tbk_arena *arena, tbk_value *value, const tbk_sqlite_facts *facts)
{
    tbk_value_set_integer(arena, value, "size_bytes", (int64_t)facts->size_bytes);
    tbk_value_set_integer(arena, value, "page_size_bytes", facts->page_size_bytes);
    tbk_value_set_integer(arena, value, "pages", (int64_t)facts->pages);
    if (facts->free_pages >= 0)
        tbk_value_set_integer(arena, value, "free_pages", facts->free_pages);
    tbk_value_set_integer(arena, value, "change_counter", facts->change_counter);
    tbk_value_set_string(arena, value, "journal_mode", facts->wal ? "wal" : "rollback");
    set_schema(arena, value, &facts->schema);
}

static tbk_value *tables_to_value(tbk_arena *arena, const tbk_mysql_facts *facts)
{
    tbk_value *list = tbk_value_list(arena);
    for (size_t i = 0; i < facts->table_count; i++) {
        const tbk_table_facts *table = &facts->tables[i];
        tbk_value *value = tbk_value_map(arena);
        tbk_value_set_string(arena, value, "table", table->table);
        tbk_value_set_integer(arena, value, "rows", table->rows);
        tbk_value_set_string(arena, value, "checksum", table->checksum);
        tbk_value_set_string(arena, value, "highest_key", table->highest_key);
        tbk_value_append(arena, list, value);
    }
    return list;
}

static void set_mysql(tbk_arena *arena, tbk_value *value, const tbk_mysql_facts *facts)
{
    tbk_value_set_string(arena, value, "server", facts->server);
    tbk_value_set_string(arena, value, "version", facts->version);
    tbk_value_set_string(arena, value, "collation", facts->collation);
    tbk_value_set_integer(arena, value, "size_bytes", (int64_t)facts->size_bytes);
    tbk_value_set_integer(arena, value, "sessions", facts->sessions);
    set_schema(arena, value, &facts->schema);
    tbk_value_set(arena, value, "tables", tables_to_value(arena, facts));
    tbk_value_set_integer(arena, value, "views", facts->views);
    tbk_value_set_integer(arena, value, "triggers", facts->triggers);
    tbk_value_set_integer(arena, value, "routines", facts->routines);
    tbk_value_set_integer(arena, value, "events", facts->events);
    tbk_value_set_string(arena, value, "missing", facts->missing);
}

static tbk_value *database_to_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *value = tbk_value_map(arena);
    tbk_value_set_string(arena, value, "driver", tbk_driver_name(manifest->driver));
    if (manifest->location != NULL)
        tbk_value_set_string(arena, value, "location", manifest->location);
    if (manifest->driver == TBK_DRIVER_SQLITE)
        set_sqlite(arena, value, &manifest->sqlite);
    else
        set_mysql(arena, value, &manifest->mysql);
    return value;
}

tbk_value *tbk_manifest_to_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    tbk_value *value = tbk_value_map(arena);
    tbk_value *missing = tbk_value_list(arena);

    for (const char **path = manifest->config_missing; path != NULL && *path != NULL; path++)
        tbk_value_append(arena, missing, tbk_value_string(arena, *path));
    tbk_value_set_integer(arena, value, "schema", TBK_MANIFEST_SCHEMA);
    tbk_value_set_string(arena, value, "id", manifest->id);
    tbk_value_set_string(arena, value, "run_id", manifest->run_id);
    tbk_value_set_string(arena, value, "environment", manifest->environment);
    tbk_value_set(arena, value, "versions", versions_to_value(arena, manifest));
    tbk_value_set_string(arena, value, "profile", tbk_profile_name(manifest->profile));
    tbk_value_set(arena, value, "selection", selection_to_value(arena, manifest));
    tbk_value_set(arena, value, "capture", capture_to_value(arena, manifest));
    tbk_value_set(arena, value, "database", database_to_value(arena, manifest));
    tbk_value_set(arena, value, "files", files_to_value(arena, manifest));
    tbk_value_set(arena, value, "config_missing", missing);
    return value;
}

/* --- Reading --- */

static bool fail_value(const char *key, const char *why, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CORRUPT, NULL, "'%s' %s", key, why);
}

/* A size or count: 0 to 2^53. */
static bool read_count(const tbk_value *map, const char *key, uint64_t maximum, uint64_t *out,
                       tbk_error *err)
{
    int64_t number = 0;
    if (!tbk_value_require_integer(map, key, &number, err))
        return false;
    if (number < 0 || (uint64_t)number > maximum)
        return fail_value(key, "is out of range", err);
    *out = (uint64_t)number;
    return true;
}

static bool read_count32(const tbk_value *map, const char *key, uint32_t *out, tbk_error *err)
{
    uint64_t number = 0;
    if (!read_count(map, key, UINT32_MAX, &number, err))
        return false;
    *out = (uint32_t)number;
    return true;
}

/* Milliseconds, or rows. */
static bool read_number(const tbk_value *map, const char *key, int64_t *out, tbk_error *err)
{
    uint64_t number = 0;
    if (!read_count(map, key, COUNT_MAX, &number, err))
        return false;
    *out = (int64_t)number;
    return true;
}

static bool read_digest(const tbk_value *map, const char *key, tbk_digest *out, tbk_error *err)
{
    const char *hex = NULL;
    if (!tbk_value_require_string(map, key, &hex, err))
        return false;
    if (strlen(hex) != sizeof out->hex - 1 || hex[strspn(hex, "0123456789abcdef")] != '\0')
        return fail_value(key, "is not a SHA-256 in lower-case hexadecimal", err);
    memcpy(out->hex, hex, sizeof out->hex);
    return true;
}

static bool need_map(const tbk_value *value, const char *what, tbk_error *err)
{
    if (value->type != TBK_VALUE_MAP)
        return fail_value(what, "holds something that is no map", err);
    return true;
}

/* The name is opened, and on the operator's machine written, in a folder, and SQLite gives names
 * that end in "-journal" or "-wal" a meaning: there are no other files than these. */
static bool is_of_a_set(const char *name, tbk_driver driver)
{
    return strcmp(name, tbk_manifest_database_file(driver)) == 0 ||
           strcmp(name, TBK_SET_CONFIG_FILE) == 0;
}

static bool read_file(const tbk_value *value, tbk_driver driver, tbk_set_file *out, tbk_error *err)
{
    if (!need_map(value, "files", err) ||
        !tbk_value_require_string(value, "name", &out->name, err) ||
        !read_count(value, "stored_bytes", COUNT_MAX, &out->stored_bytes, err) ||
        !read_digest(value, "stored_sha256", &out->stored, err) ||
        !read_count(value, "raw_bytes", COUNT_MAX, &out->raw_bytes, err) ||
        !read_digest(value, "raw_sha256", &out->raw, err))
        return false;
    if (!is_of_a_set(out->name, driver))
        return fail_value("files", "names a file that no set of this database has", err);
    return true;
}

static bool read_files(const tbk_value *root, tbk_manifest *out, tbk_error *err)
{
    const tbk_value *list = NULL;
    if (!tbk_value_require_list(root, "files", &list, err))
        return false;
    if (list->count > TBK_MANIFEST_FILES_MAX)
        return fail_value("files", "has too many files", err);
    for (const tbk_member *item = list->first; item != NULL; item = item->next) {
        tbk_set_file file = {0};
        if (!read_file(item->value, out->driver, &file, err))
            return false;
        if (tbk_manifest_file(out, file.name) != NULL)
            return fail_value("files", "has a file twice", err);
        out->files[out->file_count++] = file;
    }
    return true;
}

static bool read_phases(const tbk_value *root, tbk_manifest *out, tbk_error *err)
{
    const tbk_value *list = NULL;
    if (!tbk_value_require_list(root, "capture.phases", &list, err))
        return false;
    if (list->count > TBK_MANIFEST_PHASES_MAX)
        return fail_value("capture.phases", "has too many phases", err);
    for (const tbk_member *item = list->first; item != NULL; item = item->next) {
        tbk_phase_time *phase = &out->phases[out->phase_count++];
        if (!need_map(item->value, "capture.phases", err) ||
            !tbk_value_require_string(item->value, "name", &phase->name, err) ||
            !read_number(item->value, "duration_ms", &phase->duration_ms, err))
            return false;
    }
    return true;
}

static bool read_capture(const tbk_value *root, tbk_manifest *out, tbk_error *err)
{
    return tbk_value_require_string(root, "capture.method", &out->method, err) &&
           tbk_value_require_string(root, "capture.method_reason", &out->method_reason, err) &&
           tbk_value_require_bool(root, "capture.tracker_was_stopped", &out->tracker_was_stopped,
                                  err) &&
           read_number(root, "capture.held_ms", &out->held_ms, err) && read_phases(root, out, err);
}

static bool read_journal_mode(const tbk_value *root, bool *out_wal, tbk_error *err)
{
    const char *mode = NULL;
    if (!tbk_value_require_string(root, "database.journal_mode", &mode, err))
        return false;
    *out_wal = strcmp(mode, "wal") == 0;
    if (!*out_wal && strcmp(mode, "rollback") != 0)
        return fail_value("database.journal_mode", "is neither 'wal' nor 'rollback'", err);
    return true;
}

static bool read_schema(const tbk_value *root, tbk_digest *out, tbk_error *err)
{
    return tbk_value_find(root, "database.schema_sha256") == NULL ||
           read_digest(root, "database.schema_sha256", out, err);
}

static bool read_free_pages(const tbk_value *root, int64_t *out, tbk_error *err)
{
    *out = -1;
    return tbk_value_find(root, "database.free_pages") == NULL ||
           read_number(root, "database.free_pages", out, err);
}

static bool read_sqlite(const tbk_value *root, tbk_sqlite_facts *out, tbk_error *err)
{
    return read_count(root, "database.size_bytes", COUNT_MAX, &out->size_bytes, err) &&
           read_count32(root, "database.page_size_bytes", &out->page_size_bytes, err) &&
           read_count(root, "database.pages", COUNT_MAX, &out->pages, err) &&
           read_free_pages(root, &out->free_pages, err) &&
           read_count32(root, "database.change_counter", &out->change_counter, err) &&
           read_journal_mode(root, &out->wal, err) && read_schema(root, &out->schema, err);
}

/* A key is compared with in SQL: nothing else may stand there. */
static bool is_whole_number(const char *text)
{
    const char *digits = text + (*text == '-');
    size_t count = strspn(digits, "0123456789");
    return count > 0 && count <= KEY_DIGITS_MAX && digits[count] == '\0';
}

static bool read_table(const tbk_value *value, tbk_table_facts *out, tbk_error *err)
{
    if (!need_map(value, "database.tables", err) ||
        !tbk_value_require_string(value, "table", &out->table, err) ||
        !read_number(value, "rows", &out->rows, err) ||
        !tbk_value_require_string(value, "checksum", &out->checksum, err) ||
        !tbk_value_optional_string(value, "highest_key", &out->highest_key, err))
        return false;
    if (strspn(out->checksum, "0123456789abcdef") != CHECKSUM_DIGITS ||
        out->checksum[CHECKSUM_DIGITS] != '\0')
        return fail_value("checksum", "is not 16 hexadecimal digits", err);
    if (out->highest_key != NULL && !is_whole_number(out->highest_key))
        return fail_value("highest_key", "is no whole number", err);
    return true;
}

static bool read_tables(tbk_arena *arena, const tbk_value *root, tbk_mysql_facts *out,
                        tbk_error *err)
{
    const tbk_value *list = NULL;
    if (!tbk_value_require_list(root, "database.tables", &list, err))
        return false;
    tbk_table_facts *tables = tbk_arena_alloc(arena, (list->count + 1) * sizeof *tables);
    for (const tbk_member *item = list->first; item != NULL; item = item->next) {
        tables[out->table_count] = (tbk_table_facts){0};
        if (!read_table(item->value, &tables[out->table_count++], err))
            return false;
    }
    out->tables = tables;
    return true;
}

static bool read_mysql(tbk_arena *arena, const tbk_value *root, tbk_mysql_facts *out,
                       tbk_error *err)
{
    return tbk_value_require_string(root, "database.server", &out->server, err) &&
           tbk_value_require_string(root, "database.version", &out->version, err) &&
           tbk_value_require_string(root, "database.collation", &out->collation, err) &&
           read_count(root, "database.size_bytes", COUNT_MAX, &out->size_bytes, err) &&
           read_number(root, "database.sessions", &out->sessions, err) &&
           read_schema(root, &out->schema, err) && read_tables(arena, root, out, err) &&
           read_number(root, "database.views", &out->views, err) &&
           read_number(root, "database.triggers", &out->triggers, err) &&
           read_number(root, "database.routines", &out->routines, err) &&
           read_number(root, "database.events", &out->events, err) &&
           tbk_value_optional_string(root, "database.missing", &out->missing, err);
}

static bool read_database(tbk_arena *arena, const tbk_value *root, tbk_manifest *out,
                          tbk_error *err)
{
    const char *driver = NULL;

    if (!tbk_value_require_string(root, "database.driver", &driver, err) ||
        !tbk_driver_parse(driver, &out->driver, err) ||
        !tbk_value_optional_string(root, "database.location", &out->location, err))
        return false;
    return out->driver == TBK_DRIVER_SQLITE ? read_sqlite(root, &out->sqlite, err)
                                            : read_mysql(arena, root, &out->mysql, err);
}

static bool read_selected(const tbk_value *value, tbk_selected_table *out, tbk_error *err)
{
    return need_map(value, "selection", err) &&
           tbk_value_require_string(value, "table", &out->table, err) &&
           tbk_value_require_string(value, "rule", &out->rule, err) &&
           read_number(value, "saved_rows", &out->saved_rows, err) &&
           read_number(value, "left_out_rows", &out->excluded_rows, err);
}

/* Sets of the first version were all full, and do not say it. */
static bool read_profile(tbk_arena *arena, const tbk_value *root, tbk_manifest *out, tbk_error *err)
{
    const char *profile = NULL;
    const tbk_value *list = NULL;
    if (tbk_value_find(root, "profile") == NULL)
        return true;
    if (!tbk_value_require_string(root, "profile", &profile, err) ||
        !tbk_profile_parse(profile, &out->profile, err) ||
        !tbk_value_require_list(root, "selection", &list, err))
        return false;
    tbk_selected_table *tables = tbk_arena_alloc(arena, (list->count + 1) * sizeof *tables);
    for (const tbk_member *item = list->first; item != NULL; item = item->next)
        if (!read_selected(item->value, &tables[out->selection_count++], err))
            return false;
    out->selection = tables;
    return true;
}

static bool read_missing(tbk_arena *arena, const tbk_value *root, tbk_manifest *out, tbk_error *err)
{
    const tbk_value *list = NULL;
    size_t count = 0;
    if (!tbk_value_require_list(root, "config_missing", &list, err))
        return false;
    out->config_missing = tbk_arena_alloc(arena, (list->count + 1) * sizeof *out->config_missing);
    for (const tbk_member *item = list->first; item != NULL; item = item->next) {
        if (item->value->type != TBK_VALUE_STRING)
            return fail_value("config_missing", "holds something that is no text", err);
        out->config_missing[count++] = item->value->string;
    }
    return true;
}

static bool read_identity(const tbk_value *root, tbk_manifest *out, tbk_error *err)
{
    int64_t time_s = 0;
    if (!tbk_value_require_string(root, "id", &out->id, err))
        return false;
    if (!tbk_clock_parse_compact(out->id, &time_s))
        return fail_value("id", "is not the id of a backup set", err);
    return tbk_value_require_string(root, "run_id", &out->run_id, err) &&
           tbk_value_optional_string(root, "environment", &out->environment, err) &&
           tbk_value_require_string(root, "versions.engine", &out->engine_version, err) &&
           tbk_value_require_string(root, "versions.sqlite", &out->sqlite_version, err) &&
           tbk_value_require_string(root, "versions.zstd", &out->zstd_version, err);
}

/* Unknown keys are left alone: a later minor version may add some. */
static bool check_schema(const tbk_value *root, int64_t known, tbk_error *err)
{
    int64_t schema = 0;
    if (!tbk_value_require_integer(root, "schema", &schema, err))
        return false;
    if (schema > known)
        return tbk_fail(err, TBK_E_UNSUPPORTED, "use the version of torrust-backup that made it",
                        "it has schema version %" PRId64 "; this version reads %" PRId64, schema,
                        known);
    if (schema < known)
        return fail_value("schema", "is not a version", err);
    return true;
}

/* The files of a set are not the operator's configuration: what is wrong with them is damage. */
static bool fail_damaged(const char *what, tbk_error *err)
{
    if (err->code != TBK_E_UNSUPPORTED)
        err->code = TBK_E_CORRUPT;
    return tbk_error_context(err, "%s", what);
}

bool tbk_manifest_read(tbk_arena *arena, const tbk_value *value, tbk_manifest *out, tbk_error *err)
{
    tbk_manifest read = {0};
    if (!check_schema(value, TBK_MANIFEST_SCHEMA, err) || !read_identity(value, &read, err) ||
        !read_profile(arena, value, &read, err) || !read_capture(value, &read, err) ||
        !read_database(arena, value, &read, err) || !read_files(value, &read, err) ||
        !read_missing(arena, value, &read, err))
        return fail_damaged("the manifest", err);
    *out = read;
    return true;
}

const tbk_set_file *tbk_manifest_file(const tbk_manifest *manifest, const char *name)
{
    for (size_t i = 0; i < manifest->file_count; i++)
        if (strcmp(manifest->files[i].name, name) == 0)
            return &manifest->files[i];
    return NULL;
}

const char *tbk_manifest_database_file(tbk_driver driver)
{
    return driver == TBK_DRIVER_SQLITE ? TBK_SET_DATABASE_FILE : TBK_SET_DUMP_FILE;
}

uint64_t tbk_manifest_database_bytes(const tbk_manifest *manifest)
{
    return manifest->driver == TBK_DRIVER_SQLITE ? manifest->sqlite.size_bytes
                                                 : manifest->mysql.size_bytes;
}

bool tbk_manifest_used_bytes(const tbk_manifest *manifest, uint64_t *out)
{
    const tbk_sqlite_facts *facts = &manifest->sqlite;
    *out = manifest->mysql.size_bytes;
    if (manifest->driver == TBK_DRIVER_MYSQL)
        return true;
    if (facts->free_pages < 0 || (uint64_t)facts->free_pages > facts->pages)
        return false;
    *out = (facts->pages - (uint64_t)facts->free_pages) * facts->page_size_bytes;
    return true;
}

uint64_t tbk_manifest_raw_bytes(const tbk_manifest *manifest)
{
    uint64_t sum = 0;

    for (size_t i = 0; manifest != NULL && i < manifest->file_count; i++)
        sum += manifest->files[i].raw_bytes;
    return sum;
}

uint64_t tbk_manifest_stored_bytes(const tbk_manifest *manifest)
{
    uint64_t sum = 0;

    for (size_t i = 0; manifest != NULL && i < manifest->file_count; i++)
        sum += manifest->files[i].stored_bytes;
    return sum;
}

/* --- Proofs --- */

static const char *const level_names[] = {
    [TBK_PROOF_NONE] = "none",
    [TBK_PROOF_CHECKSUMS] = "checksums",
    [TBK_PROOF_RESTORED] = "restored",
};

const char *tbk_proof_level_name(tbk_proof_level level) { return level_names[level]; }

bool tbk_proof_level_parse(const char *name, tbk_proof_level *out, tbk_error *err)
{
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *out = (tbk_proof_level)i;
            return true;
        }
    return tbk_fail(err, TBK_E_USAGE, "write checksums or restored",
                    "the level of proof '%.100s' is unknown; known are: none, checksums, restored",
                    name);
}

tbk_value *tbk_proof_to_value(tbk_arena *arena, const tbk_proof *proof)
{
    tbk_value *value = tbk_value_map(arena);
    tbk_value *tables = tbk_value_map(arena);

    for (size_t i = 0; i < proof->table_count; i++)
        tbk_value_add(arena, tables, proof->tables[i].table,
                      tbk_value_integer(arena, proof->tables[i].rows));
    tbk_value_set_integer(arena, value, "schema", TBK_PROOF_SCHEMA);
    tbk_value_set_string(arena, value, "level", tbk_proof_level_name(proof->level));
    tbk_value_set_string(arena, value, "at", proof->at);
    tbk_value_set_bool(arena, value, "ok", proof->ok);
    tbk_value_set_string(arena, value, "reason", proof->reason);
    tbk_value_set(arena, value, "rows", tables);
    return value;
}

static bool read_rows(tbk_arena *arena, const tbk_value *root, tbk_proof *out, tbk_error *err)
{
    const tbk_value *map = NULL;
    if (!tbk_value_require_map(root, "rows", &map, err))
        return false;
    tbk_table_rows *tables = tbk_arena_alloc(arena, (map->count + 1) * sizeof *tables);
    for (const tbk_member *item = map->first; item != NULL; item = item->next) {
        if (item->value->type != TBK_VALUE_INTEGER || item->value->integer < 0)
            return fail_value("rows", "holds something that is no count", err);
        tables[out->table_count].table = item->key;
        tables[out->table_count++].rows = item->value->integer;
    }
    out->tables = tables;
    return true;
}

static bool read_proof(tbk_arena *arena, const tbk_value *root, tbk_proof *out, tbk_error *err)
{
    const char *level = NULL;

    return check_schema(root, TBK_PROOF_SCHEMA, err) &&
           tbk_value_require_string(root, "level", &level, err) &&
           tbk_proof_level_parse(level, &out->level, err) &&
           tbk_value_require_string(root, "at", &out->at, err) &&
           tbk_value_require_bool(root, "ok", &out->ok, err) &&
           tbk_value_optional_string(root, "reason", &out->reason, err) &&
           read_rows(arena, root, out, err);
}

bool tbk_proof_read(tbk_arena *arena, const tbk_value *value, tbk_proof *out, tbk_error *err)
{
    tbk_proof read = {0};
    if (!read_proof(arena, value, &read, err))
        return fail_damaged("the proof", err);
    *out = read;
    return true;
}
