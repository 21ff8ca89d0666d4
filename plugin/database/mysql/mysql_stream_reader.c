/* SPDX-License-Identifier: MIT */
/* Reads a dump line by line: lines are what its form is made of, so no SQL has to be understood. */
#include "database/mysql/mysql_stream_reader.h"

#include "base/memory.h"
#include "base/text.h"
#include "database/mysql/mysql_settings.h"

#include <string.h>

enum {
    READ_BYTES = 256 << 10,
    STATEMENT_BYTES_MAX = 1 << 30, /* what any server takes at most */
    FOREIGN_LINE_BYTES_MAX = 4096, /* before the first section, where only comments stand */
    DELIMITER_BYTES_MAX = 15
};

struct tbk_mysql_stream {
    tbk_source source;
    char *buffer;
    size_t position, filled; /* in the buffer */
    uint64_t read_bytes;
    uint64_t line; /* the number of the last one that was taken */
    bool has_section;
    tbk_mysql_section section;
    tbk_text insert_head; /* what the statements of this data begin with */
    char delimiter[DELIMITER_BYTES_MAX + 1];
};

/* --- statements --- */

void tbk_mysql_statement_end(tbk_mysql_statement *statement)
{
    free(statement->bytes);
    *statement = (tbk_mysql_statement){0};
}

bool tbk_mysql_statement_append(tbk_mysql_statement *statement, const char *bytes, size_t length,
                                tbk_error *err)
{
    const size_t needed = statement->length + length + 1;
    if (needed > statement->capacity) {
        size_t capacity = needed > 2 * statement->capacity ? needed : 2 * statement->capacity;
        char *grown = realloc(statement->bytes, capacity);
        if (grown == NULL)
            return tbk_fail(err, TBK_E_FAILED, "give the container more memory",
                            "there is no memory for a statement of %zu bytes", needed);
        statement->bytes = grown;
        statement->capacity = capacity;
    }
    if (length > 0)
        memcpy(statement->bytes + statement->length, bytes, length);
    statement->length += length;
    statement->bytes[statement->length] = '\0';
    return true;
}

/* --- opening, closing --- */

tbk_mysql_stream *tbk_mysql_stream_new(const tbk_source *source)
{
    tbk_mysql_stream *stream = tbk_memory_new(sizeof *stream);
    stream->source = *source;
    stream->buffer = tbk_memory_new(READ_BYTES);
    stream->delimiter[0] = ';';
    return stream;
}

void tbk_mysql_stream_free(tbk_mysql_stream *stream)
{
    if (stream == NULL)
        return;
    tbk_text_end(&stream->insert_head);
    free(stream->buffer);
    free(stream);
}

uint64_t tbk_mysql_stream_position(const tbk_mysql_stream *stream) { return stream->read_bytes; }

/* --- lines --- */

static bool fail_at(const tbk_mysql_stream *stream, tbk_error *err, const char *why)
{
    return tbk_fail(err, TBK_E_CORRUPT, "use another backup set",
                    "line %llu of the dump is not right: %s", (unsigned long long)stream->line,
                    why);
}

static bool fail_cut(const tbk_mysql_stream *stream, tbk_error *err)
{
    return tbk_fail(err, TBK_E_CORRUPT, "use another backup set", "the dump is cut after line %llu",
                    (unsigned long long)stream->line);
}

/* Makes sure that the buffer has something, but at the end of the source. */
static bool fill(tbk_mysql_stream *stream, tbk_error *err)
{
    if (stream->position < stream->filled)
        return true;
    stream->position = stream->filled = 0;
    if (!stream->source.read(stream->source.self, stream->buffer, READ_BYTES, &stream->filled, err))
        return false;
    stream->read_bytes += stream->filled;
    return true;
}

static size_t space_for(const tbk_mysql_stream *stream)
{
    return stream->has_section ? STATEMENT_BYTES_MAX : FOREIGN_LINE_BYTES_MAX;
}

/* Appends the next line, with its line feed. A line without one is the end of what was cut. */
static bool take_line(tbk_mysql_stream *stream, tbk_mysql_statement *out, tbk_error *err)
{
    const char *end;
    do {
        if (!fill(stream, err))
            return false;
        if (stream->filled == 0)
            return fail_cut(stream, err);
        const char *start = stream->buffer + stream->position;
        size_t length = stream->filled - stream->position;
        end = memchr(start, '\n', length);
        if (end != NULL)
            length = (size_t)(end - start) + 1;
        if (out->length + length > space_for(stream))
            return fail_at(stream, err, "what follows has no end");
        if (!tbk_mysql_statement_append(out, start, length, err))
            return false;
        stream->position += length;
    } while (end == NULL);
    stream->line++;
    return true;
}

/* --- what stands between statements --- */

/* What stands between the outer backquotes is the name, as it is. */
static bool begin_data(tbk_mysql_stream *stream, const char *table, tbk_error *err)
{
    const size_t length = strlen(table);
    tbk_text *head = &stream->insert_head;
    if (length < 3 || table[0] != '`' || table[length - 1] != '`')
        return fail_at(stream, err, "it names no table");
    tbk_text_clear(head);
    tbk_text_append(head, "INSERT INTO `");
    for (size_t i = 1; i < length - 1; i++)
        tbk_text_append(head, table[i] == '`' ? "``" : (const char[]){table[i], '\0'});
    tbk_text_append(head, "` (");
    return true;
}

/* Sections come one after the other, without gaps; but data may come often, or not at all. */
static bool may_follow(const tbk_mysql_stream *stream, tbk_mysql_section next)
{
    if (!stream->has_section)
        return next == TBK_MYSQL_SETTINGS;
    if (next == TBK_MYSQL_DATA && stream->section == TBK_MYSQL_DATA)
        return true;
    if (next == TBK_MYSQL_INDEXES && stream->section == TBK_MYSQL_TABLES)
        return true;
    return next == stream->section + 1;
}

static bool find_section(const char *words, tbk_mysql_section *out)
{
    for (tbk_mysql_section of = TBK_MYSQL_SETTINGS; of <= TBK_MYSQL_END; of++) {
        const char *name = tbk_mysql_section_name(of);
        const size_t length = strlen(name);
        if (strncmp(words, name, length) == 0 &&
            words[length] == (of == TBK_MYSQL_DATA ? ' ' : '\0')) {
            *out = of;
            return true;
        }
    }
    return false;
}

static bool begin_section(tbk_mysql_stream *stream, const char *words, tbk_error *err)
{
    tbk_mysql_section next;
    if (!find_section(words, &next))
        return fail_at(stream, err, "there is no such section");
    if (!may_follow(stream, next))
        return fail_at(stream, err, "this section is not the next one");
    if (strcmp(stream->delimiter, ";") != 0)
        return fail_at(stream, err, "a section begins before the delimiter is back");
    stream->section = next;
    stream->has_section = true;
    return next != TBK_MYSQL_DATA || begin_data(stream, words + strlen("data "), err);
}

static bool set_delimiter(tbk_mysql_stream *stream, const char *text, tbk_error *err)
{
    const size_t length = strlen(text);
    if (length == 0 || length > DELIMITER_BYTES_MAX)
        return fail_at(stream, err, "it names no delimiter");
    memcpy(stream->delimiter, text, length + 1);
    return true;
}

/* Whether the line is no part of a statement; if so, it is done. */
static bool take_between(tbk_mysql_stream *stream, char *line, size_t length, bool *out_taken,
                         tbk_error *err)
{
    static const char delimiter_word[] = "DELIMITER ";
    static const char section_prefix[] = TBK_MYSQL_SECTION_PREFIX;
    *out_taken = true;
    line[length - 1] = '\0'; /* its line feed */
    if (memchr(line, '\0', length - 1) != NULL)
        return fail_at(stream, err, "it has a NUL");
    if (tbk_text_starts_with(line, section_prefix))
        return begin_section(stream, line + strlen(section_prefix), err);
    if (line[0] == '\0' || tbk_text_starts_with(line, "-- ") || strcmp(line, "--") == 0)
        return true;
    if (!stream->has_section)
        return fail_at(stream, err, "it is before the first section, so this is no dump of ours");
    if (tbk_text_starts_with(line, delimiter_word))
        return set_delimiter(stream, line + strlen(delimiter_word), err);
    line[length - 1] = '\n';
    *out_taken = false;
    return true;
}

/* --- the form of statements --- */

/* Whether it is the head, one name in backquotes, and then what follows. */
static bool is_about_one_name(const char *text, const char *head, const char *follows)
{
    if (!tbk_text_starts_with(text, head))
        return false;
    const char *at = text + strlen(head);
    if (*at++ != '`')
        return false;
    while (*at != '\0' && (*at != '`' || at[1] == '`'))
        at += *at == '`' ? 2 : 1;
    return *at == '`' && tbk_text_starts_with(at + 1, follows);
}

static bool is_of_tables(const char *text)
{
    return is_about_one_name(text, "CREATE TABLE ", " (") ||
           is_about_one_name(text, "CREATE SEQUENCE ", " ") ||
           is_about_one_name(text, "DO SETVAL(", ", ") ||
           tbk_text_starts_with(text, "ALTER DATABASE CHARACTER SET ");
}

static bool is_of_objects(const char *text)
{
    return tbk_text_starts_with(text, "CREATE ") || tbk_mysql_setting_is_known(text) ||
           tbk_text_starts_with(text, "ALTER DATABASE COLLATE ");
}

static bool has_form(const tbk_mysql_stream *stream, const char *text)
{
    switch (stream->section) {
    case TBK_MYSQL_SETTINGS:
        return tbk_mysql_setting_is_known(text);
    case TBK_MYSQL_TABLES:
        return is_of_tables(text);
    case TBK_MYSQL_DATA:
        return tbk_text_starts_with(text, tbk_text_string(&stream->insert_head));
    case TBK_MYSQL_INDEXES:
        return is_about_one_name(text, "ALTER TABLE ", "\n  ADD ");
    case TBK_MYSQL_ROUTINES:
    case TBK_MYSQL_VIEWS:
    case TBK_MYSQL_TRIGGERS:
    case TBK_MYSQL_EVENTS:
        return is_of_objects(text);
    case TBK_MYSQL_END:
        break;
    }
    return false;
}

/* --- reading --- */

/* Whether the last line ends the statement; if so, takes the delimiter away. */
static bool cut_delimiter(const tbk_mysql_stream *stream, tbk_mysql_statement *statement)
{
    const size_t length = strlen(stream->delimiter);
    if (statement->length < length + 1)
        return false;
    const size_t start = statement->length - 1 - length;
    if (memcmp(statement->bytes + start, stream->delimiter, length) != 0)
        return false;
    statement->length = start;
    statement->bytes[start] = '\0';
    return true;
}

static bool take_rest(tbk_mysql_stream *stream, tbk_mysql_statement *out, tbk_error *err)
{
    out->section = stream->section;
    out->line = stream->line;
    while (!cut_delimiter(stream, out))
        if (!take_line(stream, out, err))
            return false;
    if (has_form(stream, out->bytes))
        return true;
    stream->line = out->line;
    return tbk_fail(err, TBK_E_CORRUPT, "use another backup set",
                    "line %llu of the dump has a statement that the section %s cannot have",
                    (unsigned long long)out->line, tbk_mysql_section_name(out->section));
}

static bool end_stream(tbk_mysql_stream *stream, tbk_mysql_statement *out, tbk_error *err)
{
    if (!fill(stream, err))
        return false;
    if (stream->filled != 0)
        return fail_at(stream, err, "something follows the end");
    out->section = TBK_MYSQL_END;
    out->line = stream->line;
    return true;
}

bool tbk_mysql_stream_next(tbk_mysql_stream *stream, tbk_mysql_statement *out, tbk_error *err)
{
    bool is_between = true;
    while (is_between && !(stream->has_section && stream->section == TBK_MYSQL_END)) {
        out->length = 0;
        if (!take_line(stream, out, err) ||
            !take_between(stream, out->bytes, out->length, &is_between, err))
            return false;
    }
    if (!is_between)
        return take_rest(stream, out, err);
    out->length = 0;
    return tbk_mysql_statement_append(out, "", 0, err) && end_stream(stream, out, err);
}
