/* SPDX-License-Identifier: MIT */
/*
 * The table of options, as programs read it: domain/options.def has a row for each option.
 *
 * From it come the command lines of both programs and their help, the reader of the options file,
 * the reader of engine.yml, the values that templates get, and the options that a host hands to the
 * plugin. tests/unit/domain/option_table_test.c compares the schemas in docs/schemas with it.
 */
#ifndef TBK_DOMAIN_OPTION_TABLE_H
#define TBK_DOMAIN_OPTION_TABLE_H

#include "base/names.h"
#include "base/value.h"

/* What torrust-backup can be told to do. */
#define TBK_VERBS(VERB)                                                                            \
    VERB(RENDER, "render")                                                                         \
    VERB(PLAN, "plan")                                                                             \
    VERB(CONFIGURE, "configure")                                                                   \
    VERB(VERIFY, "verify")                                                                         \
    VERB(RUN, "run")                                                                               \
    VERB(RESTORE, "restore")                                                                       \
    VERB(LIST, "list")                                                                             \
    VERB(STATUS, "status")                                                                         \
    VERB(ACKNOWLEDGE, "acknowledge")                                                               \
    VERB(OFFSITE, "offsite")                                                                       \
    VERB(FETCH, "fetch")                                                                           \
    VERB(EXTRACT, "extract")                                                                       \
    VERB(RESCUE, "rescue")                                                                         \
    VERB(VERSION, "version")                                                                       \
    VERB(HELP, "help")

/* What torrust-backup-engine can be told to do. */
#define TBK_ENGINE_COMMANDS(COMMAND)                                                               \
    COMMAND(BACKUP, "backup")                                                                      \
    COMMAND(LIST, "list")                                                                          \
    COMMAND(CHECK, "check")                                                                        \
    COMMAND(PROVE, "prove")                                                                        \
    COMMAND(RESTORE, "restore")                                                                    \
    COMMAND(EXTRACT, "extract")                                                                    \
    COMMAND(PLAN, "plan")                                                                          \
    COMMAND(SERVE, "serve")                                                                        \
    COMMAND(HEALTH, "health")                                                                      \
    COMMAND(ACKNOWLEDGE, "acknowledge")                                                            \
    COMMAND(OFFSITE, "offsite")                                                                    \
    COMMAND(OUTBOUND, "outbound")                                                                  \
    COMMAND(VERSION, "version")                                                                    \
    COMMAND(HELP, "help")

#define TBK_ENUM_ROW(id, name) TBK_VERB_##id,
typedef enum tbk_verb { TBK_VERBS(TBK_ENUM_ROW) TBK_VERB_COUNT } tbk_verb;
#undef TBK_ENUM_ROW
#define TBK_ENUM_ROW(id, name) TBK_ENGINE_##id,
typedef enum tbk_engine_command {
    TBK_ENGINE_COMMANDS(TBK_ENUM_ROW) TBK_ENGINE_COMMAND_COUNT
} tbk_engine_command;
#undef TBK_ENUM_ROW

typedef enum tbk_option_id {
#define TBK_OPTION(id, ...) TBK_OPTION_##id,
#include "domain/options.def"
#undef TBK_OPTION
    TBK_OPTION_COUNT
} tbk_option_id;

typedef enum tbk_option_type {
    TBK_OPTION_SWITCH, /* there, or not */
    TBK_OPTION_TEXT,
    TBK_OPTION_NUMBER, /* whole */
    TBK_OPTION_CHOICE, /* one of some names */
    TBK_OPTION_RULES   /* for each table what of it is kept */
} tbk_option_type;

/* Where an option stands in a file, and in the struct that the file is read into. */
typedef struct tbk_option_place {
    const char *key; /* with dots; NULL: not in this file */
    size_t field;
    bool is_required;
} tbk_option_place;

/* How it is written on a command line, and what is asked for when it may be. */
typedef struct tbk_option_line {
    const char *name;     /* without the dashes; NULL: not on this line */
    const char *argument; /* as help calls it; NULL: it has none */
    unsigned verbs;       /* bits: 1 << tbk_verb, or 1 << tbk_engine_command */
} tbk_option_line;

typedef struct tbk_option {
    tbk_option_type type;
    int64_t minimum, maximum; /* of a number */
    const char *unit;
    const tbk_names *names; /* of a choice */
    bool (*check)(const char *text, tbk_error *err);
    const char *initial; /* the default, as one would write it; NULL: there is none */
    tbk_option_place file, engine;
    tbk_option_line line, engine_line;
    const char *request;   /* key in options_json, by which a host hands it to the plugin */
    const char *help;      /* the whole of it, for editors; and for command lines without ... */
    const char *line_help; /* ... this */
    const char *example;   /* a value that is possible, as one would write it */
} tbk_option;

extern const tbk_option tbk_option_table[TBK_OPTION_COUNT];

static inline tbk_option_id tbk_option_id_of(const tbk_option *row)
{
    return (tbk_option_id)(row - tbk_option_table);
}

extern const tbk_names tbk_verb_names, tbk_engine_command_names;

/* The names of both programs' lines are looked up in the same way. */
typedef enum tbk_program { TBK_PROGRAM_CLI, TBK_PROGRAM_ENGINE } tbk_program;

const tbk_option_line *tbk_option_line_of(const tbk_option *row, tbk_program program);
/* Whether the program's verb takes it. */
bool tbk_option_fits(const tbk_option *row, tbk_program program, unsigned verb);
/* Says by which verbs the option, called so, is taken (TBK_E_USAGE). Always returns false. */
bool tbk_option_fail_verb(const tbk_option *row, tbk_program program, unsigned verb,
                          const char *called, tbk_error *err);

/* The option that a host hands over under the key; NULL when there is none. */
const tbk_option *tbk_option_of_request(const char *key);

/* Appends a line of help for each option of the program, with the verbs that take it; or for those
 * that the verb takes, its own before the common ones, and with an example. Lines wrap at 100
 * columns. */
void tbk_option_help_of_program(tbk_text *out, tbk_program program);
void tbk_option_help_of_verb(tbk_text *out, tbk_program program, unsigned verb);

/* --- A field of a struct that a file is read into --- */

/* Sets the field to the default; without one it stays as it is. */
void tbk_option_set_initial(const tbk_option *row, void *field);
/* The field as a value for templates; NULL where it is no text, number or choice. */
tbk_value *tbk_option_to_value(tbk_arena *arena, const tbk_option *row, const void *field);

/* --- The keys that a file may have --- */

typedef enum tbk_option_file { TBK_OPTIONS_FILE, TBK_ENGINE_FILE } tbk_option_file;

#define TBK_OPTION_KEYS_MAX (TBK_OPTION_COUNT + 4) /* engine.yml has more than options */

typedef struct tbk_option_keys {
    char names[TBK_OPTION_KEYS_MAX][32];
    const char *list[TBK_OPTION_KEYS_MAX + 1]; /* of them, for tbk_value_only_keys */
    size_t count;
} tbk_option_keys;

/* Adds the key, or the section that a key with a dot is in, unless it is there already. */
void tbk_option_add_key(tbk_option_keys *keys, const char *key);
/* Adds the keys of the file's section; "" is what stands in no section, with the sections. */
void tbk_option_add_keys(tbk_option_keys *keys, tbk_option_file file, const char *section);

#endif
