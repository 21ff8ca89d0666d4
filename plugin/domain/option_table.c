/* SPDX-License-Identifier: MIT */
/* The rows of domain/options.def, and what all their readers need. */
#include "domain/option_table.h"

#include "base/number.h"
#include "domain/address.h"
#include "domain/settings.h"

#include <string.h>

/* --- Verbs --- */

#define NAME_ROW(id, name) name,
static const char *const verbs[] = {TBK_VERBS(NAME_ROW)};
static const char *const engine_commands[] = {TBK_ENGINE_COMMANDS(NAME_ROW)};
const tbk_names tbk_verb_names = {.what = "verb", TBK_NAMES_LIST(verbs)};
const tbk_names tbk_engine_command_names = {.what = "command", TBK_NAMES_LIST(engine_commands)};

/* --- The words of options.def --- */

#define SWITCH .type = TBK_OPTION_SWITCH
#define TEXT(check_) .type = TBK_OPTION_TEXT, .check = (check_)
#define NUMBER(least, most, unit_)                                                                 \
    .type = TBK_OPTION_NUMBER, .minimum = (least), .maximum = (most), .unit = (unit_)
#define CHOICE(names_) .type = TBK_OPTION_CHOICE, .names = &(names_)
#define RULES .type = TBK_OPTION_RULES
#define IN_FILE(key, name) .file = {key, offsetof(tbk_options, name), false}
#define IN_ENGINE(key, name) .engine = {key, offsetof(tbk_engine_config, name), true}
#define IN_ENGINE_OR_DEFAULT(key, name) .engine = {key, offsetof(tbk_engine_config, name), false}
#define LINE(name, argument, verbs) .line = {name, argument, verbs}
#define ENGINE_LINE(name, argument, commands) .engine_line = {name, argument, commands}
#define REQUEST(key) .request = (key)
#define DEFAULT(text) .initial = (text)
#define HELP(text) .help = (text)
#define LINE_HELP(text) .line_help = (text)
#define EXAMPLE(text) .example = (text)

#define VERB(name) (1u << TBK_VERB_##name)
#define ANY_VERB ((1u << TBK_VERB_COUNT) - 1)
#define ALL_VERBS (ANY_VERB & ~(VERB(VERSION) | VERB(HELP)))
#define VM_VERBS (ALL_VERBS & ~(VERB(RENDER) | VERB(EXTRACT)))
#define COMMAND(name) (1u << TBK_ENGINE_##name)
#define ANY_COMMAND ((1u << TBK_ENGINE_COMMAND_COUNT) - 1)

const tbk_option tbk_option_table[TBK_OPTION_COUNT] = {
#define TBK_OPTION(id, ...) [TBK_OPTION_##id] = {__VA_ARGS__},
#include "domain/options.def"
#undef TBK_OPTION
};

#define ROWS tbk_option_table
#define ROWS_END (tbk_option_table + TBK_OPTION_COUNT)
#define VERBS_NAMED_MAX 3 /* in general help; what more take, most take */
#define HELP_COLUMN 27    /* where the text of an option begins */
#define HELP_WIDTH 100

/* --- Command lines --- */

static const tbk_names *names_of(tbk_program program)
{
    return program == TBK_PROGRAM_CLI ? &tbk_verb_names : &tbk_engine_command_names;
}

const tbk_option_line *tbk_option_line_of(const tbk_option *row, tbk_program program)
{
    return program == TBK_PROGRAM_CLI ? &row->line : &row->engine_line;
}

bool tbk_option_fits(const tbk_option *row, tbk_program program, unsigned verb)
{
    return (tbk_option_line_of(row, program)->verbs >> verb & 1u) != 0;
}

bool tbk_option_fail_verb(const tbk_option *row, tbk_program program, unsigned verb,
                          const char *called, tbk_error *err)
{
    const tbk_names *names = names_of(program);
    const char *name = tbk_option_line_of(row, program)->name;
    tbk_auto_text taken_by = {0};
    unsigned verbs_of_name = 0;
    char fix[64];

    /* One name can be two options, of different verbs. */
    for (const tbk_option *other = ROWS; other < ROWS_END; other++) {
        const tbk_option_line *line = tbk_option_line_of(other, program);
        if (line->name != NULL && strcmp(line->name, name) == 0)
            verbs_of_name |= line->verbs;
    }
    tbk_names_append(&taken_by, names, verbs_of_name, "'", " and ");
    (void)snprintf(fix, sizeof fix, "see 'torrust-backup%s help %s'",
                   program == TBK_PROGRAM_CLI ? "" : "-engine", tbk_names_of(names, verb));
    return tbk_fail(err, TBK_E_USAGE, fix, "%s goes with %s, not with '%s'", called,
                    tbk_text_string(&taken_by), tbk_names_of(names, verb));
}

const tbk_option *tbk_option_of_request(const char *key)
{
    for (const tbk_option *row = ROWS; row < ROWS_END; row++)
        if (row->request != NULL && strcmp(row->request, key) == 0)
            return row;
    return NULL;
}

/* --- Help --- */

/* What a line sets for this once has no default of its own: it is as configured. By hand, where
 * nothing is configured, a number or a choice has the options file's. */
static void append_default(tbk_text *out, const tbk_option *row, tbk_program program)
{
    bool is_text = row->type == TBK_OPTION_TEXT;

    if (row->initial == NULL)
        return;
    if (row->file.key == NULL)
        tbk_text_format(out, " (default: %s)", row->initial);
    else if (program == TBK_PROGRAM_ENGINE && !is_text)
        tbk_text_format(out, " (by hand, default: %s)", row->initial);
}

/* Of what has a form of its own, unless the help shows one already. */
static void append_example(tbk_text *out, const tbk_option *row)
{
    bool has_form =
        row->type == TBK_OPTION_RULES ||
        (row->type == TBK_OPTION_TEXT && strstr(tbk_text_string(out), "(default: ") == NULL);

    if (has_form && strstr(tbk_text_string(out), row->example) == NULL)
        tbk_text_format(out, " (example: %s)", row->example);
}

/* From HELP_COLUMN on, whole words a line, as many as fit. */
static void append_wrapped(tbk_text *out, const char *text)
{
    size_t column = HELP_COLUMN;
    const char *blank = "";

    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        if (column + strlen(blank) + length > HELP_WIDTH) {
            tbk_text_format(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
            blank = "";
        }
        tbk_text_format(out, "%s%.*s", blank, (int)length, text);
        column += strlen(blank) + length;
        blank = " ";
        text += length + strspn(text + length, " ");
    }
    tbk_text_append(out, "\n");
}

static void append_help(tbk_text *out, const tbk_option *row, tbk_program program,
                        const char *taken_by, bool with_example)
{
    const tbk_option_line *line = tbk_option_line_of(row, program);
    tbk_auto_text help = {0};
    char left[48];

    (void)snprintf(left, sizeof left, "--%s %s", line->name,
                   line->argument != NULL ? line->argument : "");
    tbk_text_format(out, "  %-*s ", HELP_COLUMN - 3, left);
    tbk_text_format(&help, "%s%s", taken_by, row->line_help != NULL ? row->line_help : row->help);
    append_default(&help, row, program);
    if (with_example)
        append_example(&help, row);
    append_wrapped(out, tbk_text_string(&help));
}

void tbk_option_help_of_program(tbk_text *out, tbk_program program)
{
    const tbk_names *names = names_of(program);

    for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
        const tbk_option_line *line = tbk_option_line_of(row, program);
        tbk_auto_text taken_by = {0};
        if (line->name == NULL)
            continue;
        if (__builtin_popcount(line->verbs) <= VERBS_NAMED_MAX) {
            tbk_names_append(&taken_by, names, line->verbs, "", ", ");
            tbk_text_append(&taken_by, ": ");
        }
        append_help(out, row, program, tbk_text_string(&taken_by), false);
    }
}

static bool is_common(const tbk_option_line *line, tbk_program program)
{
    return line->verbs == tbk_names_all(names_of(program));
}

void tbk_option_help_of_verb(tbk_text *out, tbk_program program, unsigned verb)
{
    const char *title = "Options:\n";

    for (int common = 0; common <= 1; common++) {
        for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
            if (!tbk_option_fits(row, program, verb) ||
                is_common(tbk_option_line_of(row, program), program) != common)
                continue;
            tbk_text_append(out, title);
            append_help(out, row, program, "", common == 0);
            title = "";
        }
        title = title[0] == '\0' ? "\nCommon options:\n" : "Common options:\n";
    }
}

/* --- Fields --- */

/* That each default is one of the option's own values, a test finds out. */
void tbk_option_set_initial(const tbk_option *row, void *field)
{
    tbk_error ignored;

    if (row->initial == NULL)
        return;
    if (row->type == TBK_OPTION_TEXT)
        *(const char **)field = row->initial;
    else if (row->type == TBK_OPTION_NUMBER)
        (void)tbk_number_parse_whole(row->initial, row->minimum, row->maximum, field);
    else
        (void)!tbk_names_parse(row->names, row->initial, field, &ignored);
}

tbk_value *tbk_option_to_value(tbk_arena *arena, const tbk_option *row, const void *field)
{
    switch (row->type) {
    case TBK_OPTION_TEXT:
        return tbk_value_string(arena, *(const char *const *)field);
    case TBK_OPTION_NUMBER:
        return tbk_value_integer(arena, *(const int64_t *)field);
    case TBK_OPTION_CHOICE:
        return tbk_value_string(arena, tbk_names_of(row->names, *(const unsigned *)field));
    default:
        return NULL;
    }
}

/* --- Keys --- */

void tbk_option_add_key(tbk_option_keys *keys, const char *key)
{
    char *name = keys->names[keys->count];

    (void)snprintf(name, sizeof keys->names[0], "%.*s", (int)strcspn(key, "."), key);
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->list[i], name) == 0)
            return;
    keys->list[keys->count++] = name;
}

void tbk_option_add_keys(tbk_option_keys *keys, tbk_option_file file, const char *section)
{
    size_t length = strlen(section);

    for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
        const char *key = file == TBK_OPTIONS_FILE ? row->file.key : row->engine.key;
        if (key == NULL || strncmp(key, section, length) != 0)
            continue;
        if (length == 0)
            tbk_option_add_key(keys, key);
        else if (key[length] == '.')
            tbk_option_add_key(keys, key + length + 1);
    }
}
