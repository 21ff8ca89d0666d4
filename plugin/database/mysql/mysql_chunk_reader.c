/* SPDX-License-Identifier: MIT */
/* Reads one range of a table's rows; what a rule leaves out of it is counted. */
#include "database/mysql/mysql_chunk_reader.h"

#include "database/mysql/mysql_snapshot.h"

#include <mysqld_error.h>

#define PIECE_BYTES (2u << 20)

/* "FROM `t` WHERE (range) AND (condition)" */
static const char *from_where(tbk_arena *arena, const tbk_mysql_chunk_reader *self,
                              const char *condition)
{
    return tbk_arena_format(
        arena, "FROM %s WHERE (%s) AND (%s)", tbk_mysql_name(arena, self->table->name),
        self->range != NULL ? self->range : "1", condition != NULL ? condition : "1");
}

/* A table or column that is gone: the schema was changed after it was read. */
static bool fail_reading(const tbk_mysql_chunk_reader *self, tbk_error *err)
{
    unsigned number = mysql_errno(self->session);
    (void)tbk_mysql_fail(self->session, err, "cannot read the table '%s'", self->table->name);
    if (number == ER_BAD_FIELD_ERROR)
        err->code = TBK_E_BUSY;
    return false;
}

static bool count_rows(tbk_arena *arena, const tbk_mysql_chunk_reader *self, int64_t *out,
                       tbk_error *err)
{
    const char *sql = tbk_arena_format(arena, "SELECT COUNT(*) %s", from_where(arena, self, NULL));
    tbk_auto(MYSQL_RES) *result = NULL;
    if (mysql_query(self->session, sql) != 0 ||
        (result = mysql_store_result(self->session)) == NULL)
        return fail_reading(self, err);
    MYSQL_ROW row = mysql_fetch_row(result);
    *out = row != NULL && row[0] != NULL ? strtoll(row[0], NULL, 10) : 0;
    return true;
}

static bool begin_piece(const tbk_mysql_chunk_reader *self, tbk_mysql_writer *writer,
                        tbk_error *err)
{
    char line[1024];
    (void)snprintf(line, sizeof line, TBK_MYSQL_SECTION_PREFIX "data `%s`\n", self->table->name);
    return tbk_mysql_piece_append(&writer->piece, line, err);
}

static bool hand_over(const tbk_mysql_chunk_reader *self, tbk_mysql_writer *writer, tbk_error *err)
{
    if (!tbk_mysql_writer_flush(writer, err))
        return false;
    return tbk_mysql_queue_put(self->queue, &writer->piece) ||
           tbk_fail(err, TBK_E_INTERRUPTED, NULL, "the dump was ended");
}

static bool write_rows(const tbk_mysql_chunk_reader *self, MYSQL_RES *result,
                       tbk_mysql_writer *writer, tbk_error *err)
{
    MYSQL_ROW row;
    if (!begin_piece(self, writer, err))
        return false;
    while ((row = mysql_fetch_row(result)) != NULL) {
        if (!tbk_mysql_writer_add(writer, row, mysql_fetch_lengths(result), err))
            return false;
        if (writer->piece.length >= PIECE_BYTES &&
            !(hand_over(self, writer, err) && begin_piece(self, writer, err)))
            return false;
    }
    return mysql_errno(self->session) == 0 ? hand_over(self, writer, err) : fail_reading(self, err);
}

static bool read_rows(tbk_arena *arena, const tbk_mysql_chunk_reader *self, const char *condition,
                      tbk_mysql_writer *writer, tbk_error *err)
{
    const char *sql = tbk_arena_format(
        arena, "SELECT %s %s",
        tbk_mysql_select_list(arena, self->table->columns, self->table->column_count),
        from_where(arena, self, condition));
    MYSQL_RES *result = NULL;
    if (mysql_query(self->session, sql) != 0 || (result = mysql_use_result(self->session)) == NULL)
        return fail_reading(self, err);
    bool ok = write_rows(self, result, writer, err);
    if (!ok) /* or freeing the result would read all the rest */
        tbk_mysql_snapshot_abandon(self->session);
    mysql_free_result(result);
    return ok;
}

static bool read_selected(tbk_arena *arena, const tbk_mysql_chunk_reader *self,
                          tbk_mysql_writer *writer, int64_t *excluded, tbk_error *err)
{
    const tbk_rule *rule = self->rule;
    int64_t all = 0;
    if (rule != NULL && rule->kind == TBK_RULE_NONE)
        return count_rows(arena, self, excluded, err);
    if (rule == NULL || rule->kind == TBK_RULE_ALL)
        return read_rows(arena, self, NULL, writer, err);
    if (!count_rows(arena, self, &all, err) ||
        !read_rows(arena, self, rule->condition, writer, err))
        return false;
    *excluded = all - writer->rows;
    return true;
}

bool tbk_mysql_chunk_read(const tbk_mysql_chunk_reader *self, tbk_mysql_piece *memory,
                          tbk_mysql_tally *out, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_mysql_table *table = self->table;
    tbk_mysql_writer writer = {
        .columns = table->columns,
        .column_count = table->column_count,
        .head = tbk_mysql_insert_head(arena, table->name, table->columns, table->column_count),
        .piece = *memory};
    bool ok = tbk_mysql_snapshot_begin(self->session, err) &&
              read_selected(arena, self, &writer, &out->excluded_rows, err) &&
              tbk_mysql_snapshot_end(self->session, err);
    *memory = writer.piece;
    out->rows = writer.rows;
    out->checksum = writer.checksum;
    return ok;
}
