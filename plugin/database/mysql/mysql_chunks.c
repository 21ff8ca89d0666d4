/* SPDX-License-Identifier: MIT */
/*
 * Cuts tables into ranges of their keys.
 *
 * Keys are 64-bit numbers with or without a sign; the distance between two of them fits an unsigned
 * one, and adding to either kind is the same operation on its bits.
 */
#include "database/mysql/mysql_chunks.h"

#include "database/mysql/mysql_snapshot.h"

#define CHUNK_BYTES ((uint64_t)8 << 20)
#define CHUNKS_MAX 4096
#define SPREAD_KEYS 65536 /* this many are spread over all sessions, whatever the estimate says */

typedef struct key_ends {
    const char *lowest, *highest; /* NULL where the table is empty */
} key_ends;

static bool read_ends(tbk_arena *arena, MYSQL *session, const tbk_mysql_table *table, key_ends *out,
                      tbk_error *err)
{
    const char *key = tbk_mysql_name(arena, table->key);
    const char *sql = tbk_arena_format(arena, "SELECT MIN(%s), MAX(%s) FROM %s", key, key,
                                       tbk_mysql_name(arena, table->name));
    tbk_auto(MYSQL_RES) *result = NULL;
    if (!tbk_mysql_query(session, sql, &result, err))
        return false;
    MYSQL_ROW row = mysql_fetch_row(result);
    *out = (key_ends){NULL, NULL};
    if (row != NULL && row[0] != NULL && row[1] != NULL)
        *out = (key_ends){tbk_arena_copy(arena, row[0]), tbk_arena_copy(arena, row[1])};
    return true;
}

/* The bits of the key, with a sign or without. */
static uint64_t key_bits(const tbk_mysql_table *table, const char *text)
{
    return table->key_is_unsigned ? strtoull(text, NULL, 10) : (uint64_t)strtoll(text, NULL, 10);
}

static const char *key_text(tbk_arena *arena, const tbk_mysql_table *table, uint64_t bits)
{
    return table->key_is_unsigned ? tbk_arena_format(arena, "%llu", (unsigned long long)bits)
                                  : tbk_arena_format(arena, "%lld", (long long)(int64_t)bits);
}

static uint64_t range_count(const tbk_mysql_table *table, uint64_t distance, unsigned sessions)
{
    uint64_t count = table->size_bytes / CHUNK_BYTES + 1;
    if (distance >= SPREAD_KEYS && count < 2 * (uint64_t)sessions)
        count = 2 * (uint64_t)sessions;
    if (count > CHUNKS_MAX)
        count = CHUNKS_MAX;
    return count <= distance ? count : 1;
}

/* Range i of count: the first has no lower end and the last no upper one, so that nothing is left
 * out whatever the ends are. */
static const char *range_text(tbk_arena *arena, const tbk_mysql_table *table, uint64_t lowest,
                              uint64_t step, uint64_t i, uint64_t count)
{
    if (count == 1)
        return NULL;
    const char *key = tbk_mysql_name(arena, table->key);
    const char *from = key_text(arena, table, lowest + i * step);
    const char *to = key_text(arena, table, lowest + (i + 1) * step);
    if (i == 0)
        return tbk_arena_format(arena, "%s < %s", key, to);
    if (i == count - 1)
        return tbk_arena_format(arena, "%s >= %s", key, from);
    return tbk_arena_format(arena, "%s >= %s AND %s < %s", key, from, key, to);
}

static void add(tbk_arena *arena, tbk_mysql_chunks *chunks, size_t *capacity, tbk_mysql_chunk chunk)
{
    if (chunks->count == *capacity) {
        *capacity = *capacity * 2 + 64;
        tbk_mysql_chunk *grown = tbk_arena_alloc(arena, *capacity * sizeof *grown);
        if (chunks->count > 0)
            memcpy(grown, chunks->list, chunks->count * sizeof *grown);
        chunks->list = grown;
    }
    chunks->list[chunks->count++] = chunk;
}

static void add_ranges(tbk_arena *arena, const tbk_mysql_schema *schema, size_t table,
                       const key_ends *ends, unsigned sessions, tbk_mysql_chunks *out,
                       size_t *capacity)
{
    const tbk_mysql_table *of = &schema->tables[table];
    uint64_t lowest = ends->lowest != NULL ? key_bits(of, ends->lowest) : 0;
    uint64_t distance = ends->lowest != NULL ? key_bits(of, ends->highest) - lowest : 0;
    uint64_t count = range_count(of, distance, sessions);
    for (uint64_t i = 0; i < count; i++)
        add(arena, out, capacity,
            (tbk_mysql_chunk){table, range_text(arena, of, lowest, distance / count, i, count)});
}

/* A table's place in the schema, to be sorted by size. */
typedef struct sized {
    size_t table;
    uint64_t size_bytes;
} sized;

static int larger_first(const void *a, const void *b)
{
    uint64_t left = ((const sized *)a)->size_bytes, right = ((const sized *)b)->size_bytes;
    return left < right ? 1 : left > right ? -1 : 0;
}

static const sized *by_size(tbk_arena *arena, const tbk_mysql_schema *schema)
{
    sized *order = tbk_arena_alloc(arena, schema->table_count * sizeof *order);
    for (size_t i = 0; i < schema->table_count; i++)
        order[i] = (sized){i, schema->tables[i].size_bytes};
    qsort(order, schema->table_count, sizeof *order, larger_first);
    return order;
}

static bool make(tbk_arena *arena, MYSQL *session, const tbk_mysql_schema *schema,
                 unsigned sessions, tbk_mysql_chunks *out, tbk_error *err)
{
    size_t capacity = 0;
    const sized *order = by_size(arena, schema);
    for (size_t i = 0; i < schema->table_count; i++) {
        const size_t place = order[i].table;
        const tbk_mysql_table *table = &schema->tables[place];
        key_ends ends = {NULL, NULL};
        if (table->is_sequence)
            continue;
        if (table->key != NULL && !read_ends(arena, session, table, &ends, err))
            return false;
        out->highest_keys[place] = ends.highest;
        add_ranges(arena, schema, place, &ends, sessions, out, &capacity);
    }
    return true;
}

bool tbk_mysql_chunks_make(tbk_arena *arena, MYSQL *session, const tbk_mysql_schema *schema,
                           unsigned sessions, tbk_mysql_chunks *out, tbk_error *err)
{
    *out = (tbk_mysql_chunks){
        .highest_keys = tbk_arena_alloc(arena, schema->table_count * sizeof *out->highest_keys)};
    return tbk_mysql_snapshot_begin(session, err) &&
           make(arena, session, schema, sessions, out, err) && tbk_mysql_snapshot_end(session, err);
}
