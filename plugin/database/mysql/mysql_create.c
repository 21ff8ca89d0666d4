/* SPDX-License-Identifier: MIT */
/*
 * Takes a CREATE TABLE apart at the commas of its outer brackets. The text is the server's own, so
 * only what it may hold is known here: names in backquotes, texts in quotes with backslashes, and
 * brackets.
 */
#include "database/mysql/mysql_create.h"

#include "base/text.h"

#include <stdint.h>

/* A part of the text. */
typedef struct span {
    const char *start, *end;
} span;

typedef struct anatomy {
    span head; /* up to the bracket that opens */
    span *items;
    size_t count;
    const char *tail; /* from the bracket that closes */
} anatomy;

const char *tbk_mysql_behind_quotes(const char *text)
{
    const char quote = *text++;
    while (*text != '\0') {
        if (*text == '\\' && quote != '`' && text[1] != '\0')
            text++;
        else if (*text == quote)
            return text + 1; /* a doubled quote reads as another text that begins here */
        text++;
    }
    return NULL;
}

/* The first of these characters outside quotes and inner brackets; NULL where none is. */
static const char *find_outside(const char *text, const char *wanted)
{
    unsigned depth = 0;
    while (text != NULL && *text != '\0') {
        if (depth == 0 && strchr(wanted, *text) != NULL)
            return text;
        if (strchr("'\"`", *text) != NULL) {
            text = tbk_mysql_behind_quotes(text);
            continue;
        }
        depth += *text == '(';
        depth -= *text == ')' && depth > 0;
        text++;
    }
    return NULL;
}

/* The word, outside quotes, before end. */
static const char *find_word(const char *text, const char *end, const char *word)
{
    while (text != NULL && text < end) {
        if (strchr("'\"`", *text) != NULL) {
            text = tbk_mysql_behind_quotes(text);
            continue;
        }
        if (tbk_text_starts_with(text, word))
            return text;
        text++;
    }
    return NULL;
}

/* There is a comma between any two items. */
static size_t items_at_most(const char *sql)
{
    size_t count = 1;
    for (; *sql != '\0'; sql++)
        count += *sql == ',';
    return count;
}

static bool take_apart(tbk_arena *arena, const char *sql, anatomy *out)
{
    const char *at = find_outside(sql, "(");
    if (at == NULL)
        return false;
    *out = (anatomy){.head = {sql, at + 1},
                     .items = tbk_arena_alloc(arena, items_at_most(sql) * sizeof(span))};
    do {
        at++;
        at += strspn(at, " \n");
        const char *end = find_outside(at, ",)");
        if (end == NULL)
            return false;
        const char *last = end;
        while (last > at && (last[-1] == ' ' || last[-1] == '\n'))
            last--;
        out->items[out->count++] = (span){at, last};
        at = end;
    } while (*at == ',');
    out->tail = at;
    return true;
}

static bool starts_with(span item, const char *prefix)
{
    size_t length = strlen(prefix);
    return (size_t)(item.end - item.start) > length && memcmp(item.start, prefix, length) == 0;
}

static bool is_key(span item)
{
    return starts_with(item, "KEY `") || starts_with(item, "UNIQUE KEY `");
}

/* Of a name in backquotes, which is doubled where it has some itself. */
static size_t name_length(const char *name)
{
    const char *end = name;
    while (end != NULL && *end == '`')
        end = tbk_mysql_behind_quotes(end);
    return end != NULL ? (size_t)(end - name) : strlen(name);
}

static bool is_foreign_key(span item)
{
    if (!starts_with(item, "CONSTRAINT `"))
        return false;
    const char *name = item.start + strlen("CONSTRAINT ");
    return tbk_text_starts_with(name + name_length(name), " FOREIGN KEY ");
}

/* The table's AUTO_INCREMENT, if it has one, is the first column of its primary key. */
static bool primary_carries_counter(const anatomy *table)
{
    const span *primary = NULL, *counter = NULL;
    for (size_t i = 0; i < table->count; i++) {
        const span *item = &table->items[i];
        if (starts_with(*item, "PRIMARY KEY (`"))
            primary = item;
        else if (*item->start == '`' &&
                 find_word(item->start, item->end, " AUTO_INCREMENT") != NULL)
            counter = item;
    }
    if (primary == NULL || counter == NULL)
        return primary != NULL;
    const char *first = primary->start + strlen("PRIMARY KEY (");
    size_t length = name_length(counter->start);
    return name_length(first) == length && memcmp(first, counter->start, length) == 0;
}

static bool may_split(const anatomy *table)
{
    for (size_t i = 0; i < table->count; i++)
        if (starts_with(table->items[i], "PERIOD "))
            return false;
    const char *end = table->tail + strlen(table->tail);
    return find_word(table->tail, end, "PARTITION BY") == NULL &&
           find_word(table->tail, end, "WITH SYSTEM VERSIONING") == NULL &&
           primary_carries_counter(table);
}

static void append_item(tbk_text *list, span item, const char *first, const char *between)
{
    tbk_text_append(list, list->length == 0 ? first : between);
    tbk_text_append_bytes(list, item.start, (size_t)(item.end - item.start));
}

/* " AUTO_INCREMENT=5", " ROW_FORMAT=DYNAMIC" among the options after the bracket; what is not
 * there is empty, at the end. */
static span option_of(const char *tail, const char *head)
{
    static const char value[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const char *end = tail + strlen(tail);
    const char *start = find_word(tail, end, head);
    if (start == NULL)
        return (span){end, end};
    return (span){start, start + strlen(head) + strspn(start + strlen(head), value)};
}

/* The tail, with the row format where none is written. */
static const char *tail_with_format(tbk_arena *arena, const char *tail, const char *format)
{
    const span written = option_of(tail, " ROW_FORMAT="), engine = option_of(tail, " ENGINE=");
    if (written.end > written.start || format == NULL ||
        (size_t)(engine.end - engine.start) != strlen(" ENGINE=InnoDB") ||
        memcmp(engine.start, " ENGINE=InnoDB", strlen(" ENGINE=InnoDB")) != 0)
        return tail;
    return tbk_arena_format(arena, "%.*s ROW_FORMAT=%s%s", (int)(engine.end - tail), tail, format,
                            engine.end);
}

/* Without what rows move, and without the row format, which is written in one of two places. */
static const char *tail_without_options(tbk_arena *arena, const char *tail)
{
    const span counter = option_of(tail, " AUTO_INCREMENT=");
    const char *rest =
        tbk_arena_format(arena, "%.*s%s", (int)(counter.start - tail), tail, counter.end);
    const span format = option_of(rest, " ROW_FORMAT=");
    return tbk_arena_format(arena, "%.*s%s", (int)(format.start - rest), rest, format.end);
}

void tbk_mysql_create_split(tbk_arena *arena, const char *sql, const char *row_format,
                            tbk_mysql_create *out)
{
    tbk_auto_text kept = {0};
    tbk_auto_text keys = {0};
    tbk_auto_text foreign_keys = {0};
    anatomy table;
    *out = (tbk_mysql_create){.table = sql, .plain = sql, .keys = "", .foreign_keys = ""};
    if (!take_apart(arena, sql, &table))
        return;
    const bool takes_keys = may_split(&table);
    for (size_t i = 0; i < table.count; i++) {
        if (is_foreign_key(table.items[i]))
            append_item(&foreign_keys, table.items[i], "ADD ", ",\n  ADD ");
        else if (takes_keys && is_key(table.items[i]))
            append_item(&keys, table.items[i], "ADD ", ",\n  ADD ");
        else
            append_item(&kept, table.items[i], "\n  ", ",\n  ");
    }
    const int head_length = (int)(table.head.end - table.head.start);
    out->table = tbk_arena_format(arena, "%.*s%s\n%s", head_length, sql, tbk_text_string(&kept),
                                  tail_with_format(arena, table.tail, row_format));
    out->plain = tbk_arena_format(arena, "%.*s%s\n%s", head_length, sql, tbk_text_string(&kept),
                                  tail_without_options(arena, table.tail));
    out->keys = tbk_arena_copy(arena, tbk_text_string(&keys));
    out->foreign_keys = tbk_arena_copy(arena, tbk_text_string(&foreign_keys));
}
