/* SPDX-License-Identifier: MIT */
/* A swap's record: a table with one statement a row, whose name tells the stage. */
#include "database/mysql/mysql_swap_journal.h"

const char *tbk_mysql_stage_table(tbk_mysql_stage stage)
{
    static const char *const names[] = {
        [TBK_MYSQL_NO_RECORD] = "",
        [TBK_MYSQL_FILLING] = "_torrust_backup_filling",
        [TBK_MYSQL_BEGUN] = "_torrust_backup_begun",
        [TBK_MYSQL_MOVED] = "_torrust_backup_moved",
        [TBK_MYSQL_DONE] = "_torrust_backup_objects",
    };
    return names[stage];
}

/* --- the stage --- */

static bool is_there(tbk_arena *arena, MYSQL *session, const char *kept, tbk_mysql_stage stage,
                     bool *out, tbk_error *err)
{
    const char *count = NULL;
    const char *sql =
        tbk_arena_format(arena,
                         "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s "
                         "AND TABLE_NAME = '%s'",
                         tbk_mysql_literal(arena, kept, false), tbk_mysql_stage_table(stage));
    if (!tbk_mysql_text(arena, session, sql, 0, &count, err))
        return false;
    *out = count != NULL && strcmp(count, "0") != 0;
    return true;
}

bool tbk_mysql_swap_stage(MYSQL *session, const char *kept, tbk_mysql_stage *out, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    bool found = false;
    *out = TBK_MYSQL_NO_RECORD;
    for (tbk_mysql_stage stage = TBK_MYSQL_FILLING; stage <= TBK_MYSQL_DONE && !found; stage++) {
        if (!is_there(arena, session, kept, stage, &found, err))
            return false;
        if (found)
            *out = stage;
    }
    return true;
}

/* --- writing --- */

typedef struct writing {
    MYSQL *session;
    const char *table; /* "`kept`.`_torrust_backup_filling`" */
    unsigned position;
} writing;

static bool write_row(writing *self, const char *side, tbk_mysql_section section, uint64_t line,
                      const char *statement, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    return tbk_mysql_exec(self->session,
                          tbk_arena_format(arena, "INSERT INTO %s VALUES (%u, '%s', %d, %llu, %s)",
                                           self->table, ++self->position, side, (int)section,
                                           (unsigned long long)line,
                                           tbk_mysql_literal(arena, statement, false)),
                          err);
}

static bool write_side(writing *self, const char *name, const tbk_mysql_side *side, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    if (side->collation[0] != '\0' &&
        !write_row(self, name, TBK_MYSQL_SETTINGS, 0,
                   tbk_arena_format(arena, "ALTER DATABASE%s", side->collation), err))
        return false;
    for (size_t i = 0; i < side->objects->count; i++) {
        const tbk_mysql_statement *statement = &side->objects->list[i];
        if (!write_row(self, name, statement->section, statement->line, statement->bytes, err))
            return false;
    }
    return true;
}

static const char *table_of(tbk_arena *arena, const char *kept, tbk_mysql_stage stage)
{
    return tbk_arena_format(arena, "%s.`%s`", tbk_mysql_name(arena, kept),
                            tbk_mysql_stage_table(stage));
}

bool tbk_mysql_swap_journal_write(MYSQL *session, const char *kept, const tbk_mysql_side *before,
                                  const tbk_mysql_side *after, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    writing self = {.session = session, .table = table_of(arena, kept, TBK_MYSQL_FILLING)};
    return tbk_mysql_exec(
               session,
               tbk_arena_format(arena,
                                "CREATE TABLE %s (position INT UNSIGNED PRIMARY KEY, "
                                "side VARCHAR(6) NOT NULL, section INT NOT NULL, "
                                "line BIGINT UNSIGNED NOT NULL, statement LONGTEXT NOT NULL) "
                                "ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin "
                                "COMMENT = 'Torrust Backup: what made views, triggers, routines "
                                "and events before and after a restore'",
                                self.table),
               err) &&
           write_side(&self, "before", before, err) && write_side(&self, "after", after, err) &&
           tbk_mysql_exec(session,
                          tbk_arena_format(arena, "RENAME TABLE %s TO %s", self.table,
                                           table_of(arena, kept, TBK_MYSQL_BEGUN)),
                          err);
}

/* --- reading --- */

static bool add_row(tbk_mysql_objects *objects, MYSQL_ROW row, const unsigned long *lengths,
                    tbk_error *err)
{
    enum { SECTION, LINE, STATEMENT };
    const unsigned long section = strtoul(row[SECTION], NULL, 10);
    tbk_auto_statement statement = {.section = section < TBK_MYSQL_END ? (tbk_mysql_section)section
                                                                       : TBK_MYSQL_SETTINGS,
                                    .line = strtoull(row[LINE], NULL, 10)};
    return tbk_mysql_statement_append(&statement, row[STATEMENT], lengths[STATEMENT], err) &&
           tbk_mysql_objects_add(objects, &statement, err);
}

bool tbk_mysql_swap_journal_read(MYSQL *session, const char *kept, tbk_mysql_stage stage,
                                 bool is_after, tbk_mysql_objects **out, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto(tbk_mysql_objects) *objects = tbk_mysql_objects_new();
    tbk_auto(MYSQL_RES) *result = NULL;
    MYSQL_ROW row;
    if (!tbk_mysql_query(session,
                         tbk_arena_format(arena,
                                          "SELECT section, line, statement FROM %s "
                                          "WHERE side = '%s' ORDER BY position",
                                          table_of(arena, kept, stage),
                                          is_after ? "after" : "before"),
                         &result, err))
        return false;
    while ((row = mysql_fetch_row(result)) != NULL)
        if (!add_row(objects, row, mysql_fetch_lengths(result), err))
            return false;
    *out = objects;
    objects = NULL;
    return true;
}
