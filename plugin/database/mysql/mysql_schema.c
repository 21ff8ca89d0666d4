/* SPDX-License-Identifier: MIT */
/* Reads tables and their columns, and writes what a dump says before and after the rows. */
#include "database/mysql/mysql_schema.h"

#include "database/mysql/mysql_create.h"
#include "database/mysql/mysql_programs.h"
#include "database/mysql/mysql_settings.h"

#include <strings.h>

/* --- lists of the information_schema --- */

static const char *cell(tbk_arena *arena, MYSQL_ROW row, unsigned column)
{
    return row[column] != NULL ? tbk_arena_copy(arena, row[column]) : "";
}

static bool is_integer(const char *data_type)
{
    static const char *const types[] = {"tinyint", "smallint", "mediumint", "int", "bigint"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcasecmp(data_type, types[i]) == 0)
            return true;
    return false;
}

/* A name in the section's line, in INSERT: their form has no place for these. */
static bool check_name(const char *name, tbk_error *err)
{
    return strpbrk(name, "\n\r") == NULL ||
           tbk_fail(err, TBK_E_UNSUPPORTED, "rename it",
                    "a table or column has a line break in its name: '%s'", name);
}

/* Columns of all tables and views, in the order of their names. */
#define COLUMNS                                                                                    \
    "SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, CHARACTER_SET_NAME, COLUMN_TYPE, COLUMN_KEY, "     \
    "IFNULL(GENERATION_EXPRESSION, '') <> '' FROM information_schema.COLUMNS "                     \
    "WHERE TABLE_SCHEMA = DATABASE() ORDER BY CAST(TABLE_NAME AS BINARY), ORDINAL_POSITION"

enum { IN_TABLE, NAME, DATA_TYPE, CHARSET, COLUMN_TYPE, COLUMN_KEY, IS_GENERATED };

#define TABLES                                                                                     \
    "SELECT TABLE_NAME, TABLE_TYPE, IFNULL(ENGINE, ''), "                                          \
    "IFNULL(DATA_LENGTH + INDEX_LENGTH, 0), IFNULL(ROW_FORMAT, '') "                               \
    "FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() "                              \
    "ORDER BY CAST(TABLE_NAME AS BINARY)"

enum { TABLE_NAME, TABLE_TYPE, ENGINE, SIZE_BYTES, ROW_FORMAT };

/* The rows of the list that belong to the table; the next one is left as the current one. */
typedef struct column_list {
    MYSQL_RES *result;
    MYSQL_ROW row;
} column_list;

static bool is_of(const column_list *list, const char *table)
{
    return list->row != NULL && strcmp(list->row[IN_TABLE], table) == 0;
}

static void skip_before(column_list *list, const char *table)
{
    while (list->row != NULL && strcmp(list->row[IN_TABLE], table) < 0)
        list->row = mysql_fetch_row(list->result);
}

static bool read_table_columns(tbk_arena *arena, column_list *list, tbk_mysql_table *table,
                               tbk_error *err)
{
    /* A table has at most 4096; the client holds the list already. */
    tbk_mysql_column *columns = NULL;
    size_t capacity = 0, keys = 0;
    for (skip_before(list, table->name); is_of(list, table->name);
         list->row = mysql_fetch_row(list->result)) {
        const char *name = cell(arena, list->row, NAME);
        if (!check_name(name, err))
            return false;
        if (strcmp(list->row[COLUMN_KEY], "PRI") == 0) {
            table->key = ++keys == 1 && is_integer(list->row[DATA_TYPE]) ? name : NULL;
            table->key_is_unsigned = strstr(list->row[COLUMN_TYPE], "unsigned") != NULL;
        }
        if (list->row[IS_GENERATED][0] == '1')
            continue;
        if (table->column_count == capacity) {
            capacity = capacity * 2 + 16;
            tbk_mysql_column *grown = tbk_arena_alloc(arena, capacity * sizeof *grown);
            if (columns != NULL)
                memcpy(grown, columns, table->column_count * sizeof *grown);
            columns = grown;
        }
        const char *charset =
            list->row[CHARSET] != NULL ? tbk_arena_copy(arena, list->row[CHARSET]) : NULL;
        columns[table->column_count++] = tbk_mysql_column_of(name, list->row[DATA_TYPE], charset);
    }
    table->columns = columns;
    return true;
}

static tbk_mysql_view read_view_columns(tbk_arena *arena, column_list *list, const char *name)
{
    tbk_auto_text select = {0};
    for (skip_before(list, name); is_of(list, name); list->row = mysql_fetch_row(list->result))
        tbk_text_format(&select, "%s1 AS %s", select.length > 0 ? "," : "SELECT ",
                        tbk_mysql_name(arena, list->row[NAME]));
    return (tbk_mysql_view){.name = name,
                            .stand_in = tbk_arena_copy(arena, tbk_text_string(&select))};
}

/* Where the default was another one when the table was made: in that of today its keys may be too
 * long. Only there, as a format that is written changes what CHECKSUM TABLE says. */
static const char *other_format(tbk_arena *arena, const tbk_mysql_schema *schema,
                                const char *format)
{
    static const char *const defaults[] = {"dynamic", "compact", "redundant"};
    for (size_t i = 0; i < sizeof defaults / sizeof *defaults; i++)
        if (strcasecmp(format, defaults[i]) == 0 && strcasecmp(format, schema->row_format) != 0)
            return tbk_arena_copy(arena, format);
    return NULL;
}

static bool read_lists(tbk_arena *arena, MYSQL *control, tbk_mysql_schema *out, tbk_error *err)
{
    tbk_auto(MYSQL_RES) *tables = NULL;
    tbk_auto(MYSQL_RES) *columns = NULL;
    if (!tbk_mysql_query(control, TABLES, &tables, err) ||
        !tbk_mysql_query(control, COLUMNS, &columns, err))
        return false;
    const size_t count = (size_t)mysql_num_rows(tables);
    tbk_mysql_table *list = tbk_arena_alloc(arena, (count + 1) * sizeof *list);
    tbk_mysql_view *views = tbk_arena_alloc(arena, (count + 1) * sizeof *views);
    column_list at = {.result = columns, .row = mysql_fetch_row(columns)};
    MYSQL_ROW row;
    while ((row = mysql_fetch_row(tables)) != NULL) {
        const char *name = cell(arena, row, TABLE_NAME);
        if (!check_name(name, err))
            return false;
        if (strstr(row[TABLE_TYPE], "VIEW") != NULL) {
            views[out->view_count++] = read_view_columns(arena, &at, name);
            continue;
        }
        tbk_mysql_table *table = &list[out->table_count++];
        *table = (tbk_mysql_table){
            .name = name,
            .engine = cell(arena, row, ENGINE),
            .row_format = other_format(arena, out, row[ROW_FORMAT]),
            .is_sequence = strcmp(row[TABLE_TYPE], "SEQUENCE") == 0,
            .keeps_history = strcmp(row[TABLE_TYPE], "SYSTEM VERSIONED") == 0,
            .size_bytes = strtoull(row[SIZE_BYTES], NULL, 10),
        };
        if (!read_table_columns(arena, &at, table, err))
            return false;
    }
    out->tables = list;
    out->views = views;
    return true;
}

/* --- tables --- */

/* What ALTER TABLE adds once the rows are in. */
typedef struct later {
    tbk_text keys, foreign_keys;
} later;

static void end_later(later *statements)
{
    tbk_text_end(&statements->keys);
    tbk_text_end(&statements->foreign_keys);
}

static void add_later(tbk_arena *arena, tbk_mysql_schema *schema, tbk_text *section,
                      const char *table, const char *parts)
{
    if (parts[0] != '\0')
        tbk_mysql_section_add(
            schema, section,
            tbk_arena_format(arena, "ALTER TABLE %s\n  %s", tbk_mysql_name(arena, table), parts),
            NULL);
}

static bool show(tbk_arena *arena, MYSQL *control, const char *what, const char *name,
                 const char **out, tbk_error *err)
{
    const char *sql =
        tbk_arena_format(arena, "SHOW CREATE %s %s", what, tbk_mysql_name(arena, name));
    if (!tbk_mysql_text(arena, control, sql, 1, out, err))
        return false;
    return *out != NULL || tbk_fail(err, TBK_E_BUSY, "try again", "'%s' is gone", name);
}

static bool write_sequence(tbk_arena *arena, MYSQL *control, const tbk_mysql_table *table,
                           tbk_mysql_schema *out, tbk_error *err)
{
    const char *create, *next;
    const char *name = tbk_mysql_name(arena, table->name);
    if (!show(arena, control, "SEQUENCE", table->name, &create, err) ||
        !tbk_mysql_text(arena, control,
                        tbk_arena_format(arena, "SELECT next_not_cached_value FROM %s", name), 0,
                        &next, err))
        return false;
    tbk_mysql_section_add(out, &out->before, create, NULL);
    if (next != NULL)
        tbk_mysql_section_add(out, &out->before,
                              tbk_arena_format(arena, "DO SETVAL(%s, %s, 0)", name, next), "");
    return true;
}

static bool write_table(tbk_arena *arena, MYSQL *control, const tbk_mysql_table *table,
                        tbk_mysql_schema *out, later *later_on, tbk_error *err)
{
    const char *sql;
    tbk_mysql_create create = {.keys = "", .foreign_keys = ""};
    if (!show(arena, control, "TABLE", table->name, &sql, err))
        return false;
    tbk_mysql_create_split(arena, sql, table->row_format, &create);
    if (table->keeps_history)
        tbk_mysql_schema_miss(out, "earlier versions of the rows of '%s'", table->name);
    tbk_mysql_section_add(out, &out->before, create.table, create.plain);
    add_later(arena, out, &later_on->keys, table->name, create.keys);
    add_later(arena, out, &later_on->foreign_keys, table->name, create.foreign_keys);
    return true;
}

static bool write_tables(tbk_arena *arena, MYSQL *control, tbk_mysql_schema *out, later *later_on,
                         tbk_error *err)
{
    for (size_t i = 0; i < out->table_count; i++) {
        const tbk_mysql_table *table = &out->tables[i];
        if (!(table->is_sequence ? write_sequence(arena, control, table, out, err)
                                 : write_table(arena, control, table, out, later_on, err)))
            return tbk_error_context(err, "reading the table '%s'", table->name);
    }
    return true;
}

/* --- all of it --- */

static bool read_itself(tbk_arena *arena, MYSQL *control, tbk_mysql_schema *out, tbk_error *err)
{
    tbk_auto(MYSQL_RES) *result = NULL;
    if (!tbk_mysql_query(control,
                         "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, "
                         "@@GLOBAL.innodb_default_row_format "
                         "FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE()",
                         &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL)
        return tbk_fail(err, TBK_E_NOT_FOUND, NULL, "the database is not to be seen");
    out->name = cell(arena, row, 0);
    out->charset = cell(arena, row, 1);
    out->collation = cell(arena, row, 2);
    out->row_format = cell(arena, row, 3);
    return true;
}

static bool write_before(tbk_arena *arena, MYSQL *control, tbk_mysql_schema *out, later *later_on,
                         tbk_error *err)
{
    tbk_mysql_section_begin(&out->before, TBK_MYSQL_SETTINGS);
    for (size_t i = 0; tbk_mysql_load_settings[i] != NULL; i++)
        tbk_text_format(&out->before, "%s;\n", tbk_mysql_load_settings[i]);
    tbk_mysql_section_begin(&out->before, TBK_MYSQL_TABLES);
    tbk_mysql_section_add(out, &out->before,
                          tbk_arena_format(arena, "ALTER DATABASE CHARACTER SET %s COLLATE %s",
                                           out->charset, out->collation),
                          NULL);
    return write_tables(arena, control, out, later_on, err);
}

static bool write_all(tbk_arena *arena, MYSQL *control, const tbk_mysql_server *root,
                      tbk_mysql_schema *out, later *later_on, tbk_error *err)
{
    if (!write_before(arena, control, out, later_on, err))
        return false;
    tbk_mysql_section_begin(&out->after, TBK_MYSQL_INDEXES);
    /* Every table's keys first: foreign keys refer to those of other tables. */
    tbk_text_append(&out->after, tbk_text_string(&later_on->keys));
    tbk_text_append(&out->after, tbk_text_string(&later_on->foreign_keys));
    if (!tbk_mysql_programs_read(arena, control, root, out, err))
        return false;
    tbk_mysql_section_begin(&out->after, TBK_MYSQL_END);
    return true;
}

bool tbk_mysql_schema_read(tbk_arena *arena, MYSQL *control, const tbk_mysql_server *root,
                           tbk_mysql_schema *out, tbk_error *err)
{
    later later_on = {{0}, {0}};
    tbk_mysql_schema_end(out);
    *out = (tbk_mysql_schema){.digesting = tbk_hasher_new()};
    if (!read_itself(arena, control, out, err) || !read_lists(arena, control, out, err))
        return false;
    bool ok = write_all(arena, control, root, out, &later_on, err);
    end_later(&later_on);
    if (ok)
        tbk_hasher_finish(out->digesting, &out->digest);
    return ok;
}

bool tbk_mysql_schema_has_tables(const tbk_mysql_schema *schema, tbk_error *err)
{
    return schema->table_count > 0 ||
           tbk_fail(err, TBK_E_CORRUPT,
                    "start the tracker once, which makes them, or name the right database",
                    "the database '%s' has no tables", schema->name);
}

bool tbk_mysql_schema_has_snapshots(const tbk_mysql_schema *schema, tbk_error *err)
{
    tbk_auto_text others = {0};
    for (size_t i = 0; i < schema->table_count; i++)
        if (strcasecmp(schema->tables[i].engine, "InnoDB") != 0)
            tbk_text_format(&others, "%s'%s' (%s)", others.length > 0 ? ", " : "",
                            schema->tables[i].name, schema->tables[i].engine);
    return others.length == 0 ||
           tbk_fail(err, TBK_E_UNSUPPORTED,
                    "write `method: stop`, or convert them: ALTER TABLE ... ENGINE=InnoDB",
                    "tables that are not InnoDB cannot be read at one moment while they are in "
                    "use: %.600s",
                    others.bytes);
}
