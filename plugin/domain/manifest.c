/* SPDX-License-Identifier: MIT */
/* Manifests: to JSON values and back; what is read back may come from a damaged or foreign disk. */
#include "domain/manifest.h"

#include "base/clock.h"
#include "domain/document.h"

#include <string.h>

/* JSON readers with doubles, and ours, keep whole numbers up to here. */
#define COUNT .most = INT64_C(1) << 53
#define COUNT_32 .most = UINT32_MAX
#define CHECKSUM_DIGITS 16 /* of 64 bits */
#define KEY_DIGITS_MAX 20  /* of the largest BIGINT UNSIGNED */

#define OPTIONAL .need = TBK_FIELD_OPTIONAL
#define OMITTED .need = TBK_FIELD_OMITTED
#define END                                                                                        \
    {                                                                                              \
        .kind = TBK_FIELD_END                                                                      \
    }

/* --- What may stand in it --- */

static bool is_set_id(const char *text)
{
    int64_t time_s = 0;
    return tbk_clock_parse_compact(text, &time_s);
}

static bool is_checksum(const char *text)
{
    return strspn(text, "0123456789abcdef") == CHECKSUM_DIGITS && text[CHECKSUM_DIGITS] == '\0';
}

/* A key is compared with in SQL: nothing else may stand there. */
static bool is_whole_number(const char *text)
{
    const char *digits = text + (*text == '-');
    size_t count = strspn(digits, "0123456789");
    return count > 0 && count <= KEY_DIGITS_MAX && digits[count] == '\0';
}

/* The name is opened, and on the operator's machine written, in a folder, and SQLite gives names
 * that end in "-journal" or "-wal" a meaning: there are no other files than these. */
static bool check_file(const void *whole, const void *item, tbk_error *err)
{
    const tbk_manifest *manifest = whole;
    const tbk_set_file *file = item;
    if (strcmp(file->name, tbk_manifest_database_file(manifest->driver)) != 0 &&
        strcmp(file->name, TBK_SET_CONFIG_FILE) != 0)
        return tbk_field_fail("files", "names a file that no set of this database has", err);
    return tbk_manifest_file(manifest, file->name) == NULL ||
           tbk_field_fail("files", "has a file twice", err);
}

/* --- Its fields, in the order of the document --- */

static const char *const journal_modes[] = {[false] = "rollback", [true] = "wal"};
static const tbk_names journal_mode_names = {TBK_NAMES_LIST(journal_modes)};

#define AT(member) TBK_AT(tbk_selected_table, member)
static const tbk_field selected_table[] = {
    {"table", TBK_FIELD_TEXT, AT(table)},
    {"rule", TBK_FIELD_TEXT, AT(rule)},
    {"saved_rows", TBK_FIELD_INTEGER, AT(saved_rows), COUNT},
    {"left_out_rows", TBK_FIELD_INTEGER, AT(excluded_rows), COUNT},
    END,
};
#undef AT

#define AT(member) TBK_AT(tbk_phase_time, member)
static const tbk_field phase[] = {
    {"name", TBK_FIELD_TEXT, AT(name)},
    {"duration_ms", TBK_FIELD_INTEGER, AT(duration_ms), COUNT},
    END,
};
#undef AT

#define AT(member) TBK_AT(tbk_table_facts, member)
static const tbk_field table[] = {
    {"table", TBK_FIELD_TEXT, AT(table)},
    {"rows", TBK_FIELD_INTEGER, AT(rows), COUNT},
    {"checksum", TBK_FIELD_TEXT, AT(checksum), .accepts = is_checksum,
     .refusal = "is not 16 hexadecimal digits"},
    {"highest_key", TBK_FIELD_TEXT, AT(highest_key), OPTIONAL, .accepts = is_whole_number,
     .refusal = "is no whole number"},
    END,
};
#undef AT

#define AT(member) TBK_AT(tbk_set_file, member)
static const tbk_field file[] = {
    {"name", TBK_FIELD_TEXT, AT(name)},
    {"stored_bytes", TBK_FIELD_INTEGER, AT(stored_bytes), COUNT},
    {"stored_sha256", TBK_FIELD_DIGEST, AT(stored)},
    {"raw_bytes", TBK_FIELD_INTEGER, AT(raw_bytes), COUNT},
    {"raw_sha256", TBK_FIELD_DIGEST, AT(raw)},
    END,
};
#undef AT

#define AT(member) TBK_AT(tbk_manifest, member)
#define LIST(member, counter) TBK_AT_LIST(tbk_manifest, member, counter)
static const tbk_field identity[] = {
    {"schema", TBK_FIELD_VERSION, .most = TBK_MANIFEST_SCHEMA},
    {"id", TBK_FIELD_TEXT, AT(id), .accepts = is_set_id,
     .refusal = "is not the id of a backup set"},
    {"run_id", TBK_FIELD_TEXT, AT(run_id)},
    {"environment", TBK_FIELD_TEXT, AT(environment), OPTIONAL},
    {"versions.engine", TBK_FIELD_TEXT, AT(engine_version)},
    {"versions.sqlite", TBK_FIELD_TEXT, AT(sqlite_version)},
    {"versions.zstd", TBK_FIELD_TEXT, AT(zstd_version)},
    END,
};
static const tbk_field profile[] = {
    {"profile", TBK_FIELD_NAME, AT(profile), .names = &tbk_profile_names},
    {"selection", TBK_FIELD_LIST, LIST(selection, selection_count), .items = selected_table},
    END,
};
static const tbk_field capture[] = {
    {"capture.method", TBK_FIELD_TEXT, AT(method)},
    {"capture.method_reason", TBK_FIELD_TEXT, AT(method_reason)},
    {"capture.tracker_was_stopped", TBK_FIELD_BOOL, AT(tracker_was_stopped)},
    {"capture.held_ms", TBK_FIELD_INTEGER, AT(held_ms), COUNT},
    {"capture.phases", TBK_FIELD_ARRAY, LIST(phases, phase_count), .items = phase,
     .most = TBK_MANIFEST_PHASES_MAX},
    {"database.driver", TBK_FIELD_NAME, AT(driver), .names = &tbk_driver_names},
    {"database.location", TBK_FIELD_TEXT, AT(location), OMITTED},
    END,
};
static const tbk_field sqlite[] = {
    {"database.size_bytes", TBK_FIELD_INTEGER, AT(sqlite.size_bytes), COUNT},
    {"database.page_size_bytes", TBK_FIELD_INTEGER, AT(sqlite.page_size_bytes), COUNT_32},
    {"database.pages", TBK_FIELD_INTEGER, AT(sqlite.pages), COUNT},
    {"database.free_pages", TBK_FIELD_INTEGER, AT(sqlite.free_pages), COUNT, OMITTED,
     .otherwise = -1},
    {"database.change_counter", TBK_FIELD_INTEGER, AT(sqlite.change_counter), COUNT_32},
    {"database.journal_mode", TBK_FIELD_NAME, AT(sqlite.wal), .names = &journal_mode_names,
     .refusal = "is neither 'wal' nor 'rollback'"},
    {"database.schema_sha256", TBK_FIELD_DIGEST, AT(sqlite.schema), OPTIONAL},
    END,
};
static const tbk_field mysql[] = {
    {"database.server", TBK_FIELD_TEXT, AT(mysql.server)},
    {"database.version", TBK_FIELD_TEXT, AT(mysql.version)},
    {"database.collation", TBK_FIELD_TEXT, AT(mysql.collation)},
    {"database.size_bytes", TBK_FIELD_INTEGER, AT(mysql.size_bytes), COUNT},
    {"database.sessions", TBK_FIELD_INTEGER, AT(mysql.sessions), COUNT},
    {"database.schema_sha256", TBK_FIELD_DIGEST, AT(mysql.schema), OPTIONAL},
    {"database.tables", TBK_FIELD_LIST, LIST(mysql.tables, mysql.table_count), .items = table},
    {"database.views", TBK_FIELD_INTEGER, AT(mysql.views), COUNT},
    {"database.triggers", TBK_FIELD_INTEGER, AT(mysql.triggers), COUNT},
    {"database.routines", TBK_FIELD_INTEGER, AT(mysql.routines), COUNT},
    {"database.events", TBK_FIELD_INTEGER, AT(mysql.events), COUNT},
    {"database.missing", TBK_FIELD_TEXT, AT(mysql.missing), OPTIONAL},
    END,
};
static const tbk_field contents[] = {
    {"files", TBK_FIELD_ARRAY, LIST(files, file_count), .items = file,
     .most = TBK_MANIFEST_FILES_MAX, .check = check_file},
    {"config_missing", TBK_FIELD_TEXTS, AT(config_missing)},
    END,
};

static const tbk_field *database_of(const tbk_manifest *manifest)
{
    return manifest->driver == TBK_DRIVER_SQLITE ? sqlite : mysql;
}

/* --- Writing and reading --- */

tbk_value *tbk_manifest_to_value(tbk_arena *arena, const tbk_manifest *manifest)
{
    const tbk_field *const tables[] = {identity, profile, capture, database_of(manifest),
                                       contents, NULL};
    tbk_value *value = tbk_value_map(arena);
    for (const tbk_field *const *at = tables; *at != NULL; at++)
        tbk_fields_write(arena, value, *at, manifest);
    return value;
}

/* Sets of the first version were all full, and do not say it. */
static bool read_profile(tbk_arena *arena, const tbk_value *value, tbk_manifest *out,
                         tbk_error *err)
{
    return tbk_value_find(value, "profile") == NULL ||
           tbk_fields_read(arena, value, profile, out, err);
}

bool tbk_manifest_read(tbk_arena *arena, const tbk_value *value, tbk_manifest *out, tbk_error *err)
{
    tbk_manifest read = {0};
    if (!tbk_fields_read(arena, value, identity, &read, err) ||
        !read_profile(arena, value, &read, err) ||
        !tbk_fields_read(arena, value, capture, &read, err) ||
        !tbk_fields_read(arena, value, database_of(&read), &read, err) ||
        !tbk_fields_read(arena, value, contents, &read, err))
        return tbk_document_damaged("the manifest", err);
    *out = read;
    return true;
}

/* --- What it says --- */

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
