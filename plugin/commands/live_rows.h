/* SPDX-License-Identifier: MIT */
/*
 * What the rows of a live database say about a set that was taken of it a while ago.
 *
 * The tracker goes on meanwhile, so equality cannot be asked for. But rows get rising keys: up to
 * the highest key that was dumped, only what was in flight at that moment can have been added, and
 * what is missing there was deleted.
 */
#ifndef TBK_COMMANDS_LIVE_ROWS_H
#define TBK_COMMANDS_LIVE_ROWS_H

#include "base/value.h"
#include "database/mysql/mysql.h"
#include "domain/manifest.h"

typedef enum tbk_live_verdict {
    TBK_LIVE_SAME,
    TBK_LIVE_MORE,      /* a few: committed while the set was taken, or just after */
    TBK_LIVE_FEWER,     /* deleted since */
    TBK_LIVE_UNDECIDED, /* no key to compare by, or rules left rows out: not fewer than saved */
    TBK_LIVE_LACKING,   /* many more: the set does not have what was there */
    TBK_LIVE_DROPPED,   /* most of the saved rows are gone from the live table */
    TBK_LIVE_GONE       /* there is no such table any more */
} tbk_live_verdict;

/* The last three speak against the set, or the database. */
static inline bool tbk_live_is_wrong(tbk_live_verdict verdict)
{
    return verdict >= TBK_LIVE_LACKING;
}

/* One table; live is of the same one. */
tbk_live_verdict tbk_live_judge(const tbk_manifest *manifest, const tbk_table_facts *saved,
                                const tbk_mysql_live_rows *live);

typedef struct tbk_live_rows {
    bool ok;            /* nothing is wrong */
    const char *detail; /* for people: all tables in a sentence or two */
    tbk_value *tables;  /* of the report: table, saved_rows, live_rows, outcome */
} tbk_live_rows;

/* All tables: live[i] belongs to manifest->mysql.tables[i]. */
void tbk_live_rows_compare(tbk_arena *arena, const tbk_manifest *manifest,
                           const tbk_mysql_live_rows *live, tbk_live_rows *out);

#endif
