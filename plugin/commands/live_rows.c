/* SPDX-License-Identifier: MIT */
/* What the rows of a live database say about a set that was taken of it a while ago. */
#include "commands/live_rows.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

/* As many rows as a busy tracker may have had in flight, and small tables may change by. */
#define FEW_ROWS 1000
#define FEW_PERCENT 1
#define NAMED_MAX 12 /* tables; more would be no sentence */

static bool is_few(int64_t rows, int64_t of_rows)
{
    return rows <= FEW_ROWS || rows <= of_rows / 100 * FEW_PERCENT;
}

static tbk_live_verdict judge_loss(int64_t saved_rows, int64_t live_rows)
{
    return saved_rows >= FEW_ROWS && live_rows < saved_rows / 2 ? TBK_LIVE_DROPPED : TBK_LIVE_FEWER;
}

/* Whether rules saved only some of its rows. */
static bool is_partial(const tbk_manifest *manifest, const char *table)
{
    for (size_t i = 0; i < manifest->selection_count; i++)
        if (strcmp(manifest->selection[i].table, table) == 0)
            return strcmp(manifest->selection[i].rule, "all") != 0;
    return false;
}

tbk_live_verdict tbk_live_judge(const tbk_manifest *manifest, const tbk_table_facts *saved,
                                const tbk_mysql_live_rows *live)
{
    if (!live->is_there)
        return TBK_LIVE_GONE;
    if (live->rows < saved->rows)
        return judge_loss(saved->rows, live->rows);
    if (is_partial(manifest, saved->table))
        return TBK_LIVE_UNDECIDED;
    if (live->rows == saved->rows)
        return TBK_LIVE_SAME;
    if (!live->is_bounded)
        return TBK_LIVE_UNDECIDED;
    return is_few(live->rows - saved->rows, saved->rows) ? TBK_LIVE_MORE : TBK_LIVE_LACKING;
}

static const char *const outcomes[] = {
    [TBK_LIVE_SAME] = "same",       [TBK_LIVE_MORE] = "more",
    [TBK_LIVE_FEWER] = "fewer",     [TBK_LIVE_UNDECIDED] = "not comparable",
    [TBK_LIVE_LACKING] = "lacking", [TBK_LIVE_DROPPED] = "dropped",
    [TBK_LIVE_GONE] = "gone",
};

static const char *words_of(const tbk_manifest *manifest, const char *table,
                            tbk_live_verdict verdict)
{
    switch (verdict) {
    case TBK_LIVE_MORE:
        return "a few were committed while it was saved";
    case TBK_LIVE_FEWER:
        return "the others were deleted since";
    case TBK_LIVE_UNDECIDED:
        return is_partial(manifest, table) ? "rules left rows out, so not more can be said"
                                           : "no key of whole numbers tells which came later";
    case TBK_LIVE_LACKING:
        return "the set lacks rows that were there";
    case TBK_LIVE_DROPPED:
        return "most of its rows were deleted since";
    case TBK_LIVE_SAME:
    case TBK_LIVE_GONE:
        break;
    }
    return "";
}

static void append_table(tbk_text *text, const tbk_manifest *manifest, const tbk_table_facts *saved,
                         const tbk_mysql_live_rows *live, tbk_live_verdict verdict)
{
    tbk_text_append(text, text->length > 0 ? "; " : "");
    if (verdict == TBK_LIVE_GONE)
        tbk_text_format(text, "'%s' (%" PRId64 " rows saved) is gone", saved->table, saved->rows);
    else
        tbk_text_format(text, "'%s' has %" PRId64 " of %" PRId64 " saved rows%s: %s", saved->table,
                        live->rows, saved->rows, live->is_bounded ? " up to the last saved" : "",
                        words_of(manifest, saved->table, verdict));
}

static void append_value(tbk_arena *arena, tbk_value *list, const tbk_table_facts *saved,
                         const tbk_mysql_live_rows *live, tbk_live_verdict verdict)
{
    tbk_value *value = tbk_value_map(arena);
    tbk_value_set_string(arena, value, "table", saved->table);
    tbk_value_set_integer(arena, value, "saved_rows", saved->rows);
    tbk_value_set_integer(arena, value, "live_rows", live->rows);
    tbk_value_set_bool(arena, value, "up_to_highest_key", live->is_bounded);
    tbk_value_set_string(arena, value, "outcome", outcomes[verdict]);
    tbk_value_append(arena, list, value);
}

/* What is wrong is named first. */
static void append_tables(tbk_text *text, const tbk_manifest *manifest,
                          const tbk_mysql_live_rows *live, bool wrong, size_t *named)
{
    for (size_t i = 0; i < manifest->mysql.table_count; i++) {
        const tbk_table_facts *saved = &manifest->mysql.tables[i];
        tbk_live_verdict verdict = tbk_live_judge(manifest, saved, &live[i]);
        if (verdict == TBK_LIVE_SAME || tbk_live_is_wrong(verdict) != wrong)
            continue;
        if ((*named)++ < NAMED_MAX)
            append_table(text, manifest, saved, &live[i], verdict);
    }
}

void tbk_live_rows_compare(tbk_arena *arena, const tbk_manifest *manifest,
                           const tbk_mysql_live_rows *live, tbk_live_rows *out)
{
    size_t count = manifest->mysql.table_count, same = 0, named = 0;
    tbk_auto_text others = {0};
    *out = (tbk_live_rows){.ok = true, .tables = tbk_value_list(arena)};
    for (size_t i = 0; i < count; i++) {
        const tbk_table_facts *saved = &manifest->mysql.tables[i];
        tbk_live_verdict verdict = tbk_live_judge(manifest, saved, &live[i]);
        same += verdict == TBK_LIVE_SAME;
        out->ok = out->ok && !tbk_live_is_wrong(verdict);
        append_value(arena, out->tables, saved, &live[i], verdict);
    }
    append_tables(&others, manifest, live, true, &named);
    append_tables(&others, manifest, live, false, &named);
    if (named > NAMED_MAX)
        tbk_text_format(&others, "; and %zu more tables", named - NAMED_MAX);
    out->detail = tbk_arena_format(arena, "%zu of %zu tables have the rows of the set%s%s", same,
                                   count, others.length > 0 ? "; " : "", tbk_text_string(&others));
}
