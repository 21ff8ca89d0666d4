/* SPDX-License-Identifier: MIT */
/* The table of options: each row is whole, and schemas and template say what it says. */
#include "unit/domain/documents.h"

#include "base/file.h"
#include "base/number.h"
#include "domain/option_table.h"
#include "domain/options.h"
#include "domain/proof.h"

#define ROWS tbk_option_table
#define ROWS_END (tbk_option_table + TBK_OPTION_COUNT)

static const char *name_of(const tbk_option *row)
{
    const char *const names[] = {row->file.key, row->line.name, row->engine_line.name};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i] != NULL)
            return names[i];
    fail_msg("row %d stands nowhere", (int)(row - ROWS));
    return "";
}

/* --- The rows --- */

static bool is_possible(const tbk_option *row, const char *text)
{
    tbk_error err;
    int64_t number;
    unsigned value = 0;
    switch (row->type) {
    case TBK_OPTION_TEXT:
        return row->check == NULL || row->check(text, &err);
    case TBK_OPTION_NUMBER:
        return tbk_number_parse_whole(text, row->minimum, row->maximum, &number);
    case TBK_OPTION_CHOICE:
        return tbk_names_parse(row->names, text, &value, &err);
    default:
        return row->type == TBK_OPTION_RULES;
    }
}

static void each_row_is_whole(void **state)
{
    (void)state;
    for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
        const char *name = name_of(row);
        bool is_switch = row->type == TBK_OPTION_SWITCH;
        if (row->help == NULL || strlen(row->help) < 8)
            fail_msg("%s has no help", name);
        if (row->initial != NULL && !is_possible(row, row->initial))
            fail_msg("%s cannot be '%s', its default", name, row->initial);
        if (is_switch != (row->example == NULL) || (!is_switch && !is_possible(row, row->example)))
            fail_msg("%s has no example that is possible", name);
        if (row->type == TBK_OPTION_TEXT && row->file.key != NULL && row->check == NULL)
            fail_msg("%s is read from the options file without a check", name);
        if (row->request != NULL && row->line.name == NULL)
            fail_msg("%s can be asked of the plugin, but not by the command line", name);
        for (unsigned program = TBK_PROGRAM_CLI; program <= TBK_PROGRAM_ENGINE; program++) {
            const tbk_option_line *line = tbk_option_line_of(row, program);
            if ((line->name != NULL) != (line->verbs != 0) ||
                (line->name != NULL && is_switch != (line->argument == NULL)))
                fail_msg("%s: name, argument and verbs do not go together", name);
        }
    }
}

static void no_verb_has_two_options_of_one_name(void **state)
{
    (void)state;
    for (const tbk_option *row = ROWS; row < ROWS_END; row++)
        for (const tbk_option *other = row + 1; other < ROWS_END; other++)
            for (unsigned program = TBK_PROGRAM_CLI; program <= TBK_PROGRAM_ENGINE; program++) {
                const tbk_option_line *one = tbk_option_line_of(row, program);
                const tbk_option_line *two = tbk_option_line_of(other, program);
                if (one->name != NULL && two->name != NULL && strcmp(one->name, two->name) == 0)
                    assert_int_equal(one->verbs & two->verbs, 0);
            }
}

static void the_engines_levels_of_proof_are_those_of_proofs(void **state)
{
    (void)state;
    const tbk_names *names = ROWS[TBK_OPTION_PROOF_LEVEL].names;
    assert_int_equal(names->count, tbk_proof_level_names.count);
    assert_int_equal(names->first, TBK_PROOF_CHECKSUMS);
    for (unsigned level = 0; level < names->count; level++)
        assert_string_equal(tbk_names_of(names, level),
                            tbk_proof_level_name((tbk_proof_level)level));
}

static void an_option_of_another_verb_names_its_own(void **state)
{
    (void)state;
    const tbk_option *dry_run = &ROWS[TBK_OPTION_DRY_RUN];
    tbk_error err;
    assert_true(tbk_option_fits(dry_run, TBK_PROGRAM_CLI, TBK_VERB_RENDER));
    assert_false(tbk_option_fits(dry_run, TBK_PROGRAM_CLI, TBK_VERB_STATUS));
    assert_fails(tbk_option_fail_verb(dry_run, TBK_PROGRAM_CLI, TBK_VERB_STATUS, "--dry-run", &err),
                 err, TBK_E_USAGE,
                 "--dry-run goes with 'render', 'configure' and 'restore', not with 'status'");
    assert_string_equal(err.fix, "see 'torrust-backup help status'");
    assert_true(tbk_option_fits(dry_run, TBK_PROGRAM_ENGINE, TBK_ENGINE_RESTORE));
    assert_fails(
        tbk_option_fail_verb(dry_run, TBK_PROGRAM_ENGINE, TBK_ENGINE_LIST, "--dry-run", &err), err,
        TBK_E_USAGE, "--dry-run goes with 'restore', not with 'list'");
    assert_string_equal(err.fix, "see 'torrust-backup-engine help list'");
}

static void one_name_of_two_options_is_of_the_verbs_of_both(void **state)
{
    (void)state;
    tbk_error err;
    assert_fails(tbk_option_fail_verb(&ROWS[TBK_OPTION_PROOF_LEVEL], TBK_PROGRAM_ENGINE,
                                      TBK_ENGINE_LIST, "--level", &err),
                 err, TBK_E_USAGE, "--level goes with 'backup' and 'prove', not with 'list'");
}

/* Whether the help has a line that begins with two blanks and this. */
static bool has_line(const tbk_text *help, const char *line)
{
    tbk_auto_text wanted = {0};
    tbk_text_format(&wanted, "\n  %s", line);
    return strstr(tbk_text_string(help), tbk_text_string(&wanted)) != NULL;
}

static void help_of_a_verb_has_its_options_and_the_common_ones(void **state)
{
    (void)state;
    tbk_auto_text run = {0}, version = {0}, backup = {0};
    tbk_option_help_of_verb(&run, TBK_PROGRAM_CLI, TBK_VERB_RUN);
    assert_true(tbk_text_starts_with(tbk_text_string(&run), "Options:\n"));
    assert_true(has_line(&run, "--method METHOD          auto, hot, "));
    assert_false(has_line(&run, "--set ID"));
    assert_true(has_line(&run, "--profile PROFILE        full or essential, this once\n"));
    assert_true(has_line(&run, "--ssh-port PORT          another SSH port\n"));
    assert_true(
        has_line(&run, "--ssh-host HOST          another address of the VM (example: 192."));
    assert_true(
        has_line(&run, "--working-dir DIR        the deployer's working directory (default: .)\n"));
    assert_true(has_line(
        &run,
        "--plugin FILE            the plugin to load (default: the one beside this program)\n"));
    assert_non_null(
        strstr(tbk_text_string(&run), "\n\nCommon options:\n  --output-format FORMAT "));
    assert_non_null(strstr(tbk_text_string(&run), "for the result (default: text)\n"));
    tbk_option_help_of_verb(&version, TBK_PROGRAM_CLI, TBK_VERB_VERSION);
    assert_true(tbk_text_starts_with(tbk_text_string(&version), "Common options:\n"));
    tbk_option_help_of_verb(&backup, TBK_PROGRAM_ENGINE, TBK_ENGINE_BACKUP);
    assert_true(has_line(&backup, "--level N                zstd's level"));
    assert_non_null(strstr(tbk_text_string(&backup), " (by hand, default: auto)\n"));
    assert_true(
        has_line(&backup, "--store DIR              the store, by hand (example: /srv/backup)\n"));
    assert_true(has_line(
        &backup,
        "--config FILE            the configuration (default: /etc/torrust-backup/engine.yml)\n"));
    assert_non_null(strstr(tbk_text_string(&backup), "completed > 0) (example: keys=none)\n"));
}

static void assert_narrow(const tbk_text *help)
{
    for (const char *line = tbk_text_string(help); *line != '\0'; line += strspn(line, "\n")) {
        size_t length = strcspn(line, "\n");
        if (length > 100 || line[length - 1] == ' ')
            fail_msg("a line of help is too long, or ends with a blank: %.*s", (int)length, line);
        line += length;
    }
}

static void no_line_of_help_is_too_long(void **state)
{
    (void)state;
    for (unsigned program = TBK_PROGRAM_CLI; program <= TBK_PROGRAM_ENGINE; program++) {
        unsigned verbs = program == TBK_PROGRAM_CLI ? (unsigned)TBK_VERB_COUNT
                                                    : (unsigned)TBK_ENGINE_COMMAND_COUNT;
        tbk_auto_text help = {0};
        tbk_option_help_of_program(&help, program);
        assert_narrow(&help);
        for (unsigned verb = 0; verb < verbs; verb++) {
            tbk_auto_text own = {0};
            tbk_option_help_of_verb(&own, program, verb);
            assert_narrow(&own);
        }
    }
}

static void help_of_a_program_has_all_its_options_with_their_verbs(void **state)
{
    (void)state;
    for (unsigned program = TBK_PROGRAM_CLI; program <= TBK_PROGRAM_ENGINE; program++) {
        tbk_auto_text help = {0};
        tbk_text_append(&help, "\n");
        tbk_option_help_of_program(&help, program);
        for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
            const tbk_option_line *line = tbk_option_line_of(row, program);
            char wanted[64];
            (void)snprintf(wanted, sizeof wanted, "--%s ", line->name != NULL ? line->name : "");
            assert_true(line->name == NULL || has_line(&help, wanted));
        }
        if (program == TBK_PROGRAM_CLI) {
            assert_true(
                has_line(&help, "--dry-run                render, configure, restore: tell "));
            assert_true(has_line(&help, "--ssh-port PORT          another SSH port\n"));
        }
    }
}

static void a_request_is_looked_up_by_its_key(void **state)
{
    (void)state;
    assert_ptr_equal(tbk_option_of_request("options_file"), &ROWS[TBK_OPTION_OPTIONS_FILE]);
    assert_null(tbk_option_of_request("dry_run"));
    assert_int_equal(tbk_option_id_of(&ROWS[TBK_OPTION_STORE]), TBK_OPTION_STORE);
}

static void keys_of_a_file_are_there_once(void **state)
{
    (void)state;
    tbk_option_keys all = {.count = 0}, ssh = {.count = 0}, engine = {.count = 0};
    tbk_option_add_keys(&all, TBK_OPTIONS_FILE, "");
    tbk_option_add_keys(&ssh, TBK_OPTIONS_FILE, "ssh");
    tbk_option_add_keys(&engine, TBK_ENGINE_FILE, "database");
    assert_string_equal(all.list[all.count - 1], "ssh");
    assert_null(all.list[all.count]);
    assert_int_equal(ssh.count, 5);
    assert_string_equal(ssh.list[0], "host");
    assert_int_equal(engine.count, 1);
    assert_string_equal(engine.list[0], "tls");
}

static void a_field_is_a_value_for_templates(void **state)
{
    (void)state;
    static const tbk_environment environment = {.name = "demo"};
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_options options;
    tbk_options_default(&environment, &options);
    for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
        if (row->file.key == NULL)
            continue;
        tbk_value *value = tbk_option_to_value(arena, row, (char *)&options + row->file.field);
        if (row->type == TBK_OPTION_RULES)
            assert_null(value);
        else if (row->type == TBK_OPTION_NUMBER)
            assert_int_equal(value->integer,
                             row->initial != NULL ? strtol(row->initial, NULL, 10) : 0);
        else if (row->initial != NULL)
            assert_string_equal(value->string, row->initial);
        else
            assert_int_equal(value->type, TBK_VALUE_NULL);
    }
}

/* --- The schemas --- */

/* The reader of JSON takes no NUL in a text; patterns exclude it. */
static const tbk_value *schema_of(tbk_arena *arena, const char *name)
{
    const char *path = tbk_arena_format(arena, TBK_SOURCE_DIR "/docs/schemas/%s.schema.json", name);
    char *bytes = NULL;
    size_t length = 0;
    tbk_error err;
    assert_succeeds(tbk_file_read(arena, path, 1u << 20, &bytes, &length, &err), err);
    for (char *at = bytes; (at = strstr(at, "\\u0000")) != NULL;)
        at[5] = '1';
    return json_of(arena, bytes);
}

static bool has_text(const tbk_value *list, const char *text)
{
    for (const tbk_member *item = list->first; item != NULL; item = item->next)
        if (item->value->type == TBK_VALUE_STRING && strcmp(item->value->string, text) == 0)
            return true;
    return false;
}

static bool is_type(const tbk_value *property, const char *type)
{
    const tbk_value *types = tbk_value_find(property, "type");
    return types != NULL && (types->type == TBK_VALUE_STRING ? strcmp(types->string, type) == 0
                                                             : has_text(types, type));
}

static void check_choice(const char *name, const tbk_option *row, const tbk_value *property)
{
    const tbk_value *list = tbk_value_find(property, "enum");
    size_t count = 0;
    if (list == NULL)
        fail_msg("%s has no enum", name);
    for (unsigned value = row->names->first; value < row->names->count; value++)
        if (!has_text(list, tbk_names_of(row->names, value)))
            fail_msg("%s cannot be '%s'", name, tbk_names_of(row->names, value));
    for (const tbk_member *item = list->first; item != NULL; item = item->next)
        count += item->value->type == TBK_VALUE_STRING;
    assert_int_equal(count, row->names->count - row->names->first);
}

static void check_property(const char *name, const tbk_option *row, const tbk_value *property)
{
    static const char *const types[] = {[TBK_OPTION_SWITCH] = "boolean",
                                        [TBK_OPTION_TEXT] = "string",
                                        [TBK_OPTION_NUMBER] = "integer",
                                        [TBK_OPTION_RULES] = "object"};
    if (property == NULL)
        fail_msg("%s is missing", name);
    if (row->type == TBK_OPTION_CHOICE)
        check_choice(name, row, property);
    else if (!is_type(property, types[row->type]) && tbk_value_find(property, "$ref") == NULL)
        fail_msg("%s is no %s", name, types[row->type]);
    if (row->type == TBK_OPTION_NUMBER) {
        assert_int_equal(tbk_value_integer_at(property, "minimum"), row->minimum);
        assert_int_equal(tbk_value_integer_at(property, "maximum"), row->maximum);
    }
    const tbk_value *standard = tbk_value_find(property, "default");
    if (standard == NULL || row->type == TBK_OPTION_RULES)
        return;
    char number[32];
    (void)snprintf(number, sizeof number, "%lld", (long long)standard->integer);
    assert_string_equal(standard->type == TBK_VALUE_STRING ? standard->string : number,
                        row->initial);
}

static const tbk_option *row_of_file_key(const char *key)
{
    for (const tbk_option *row = ROWS; row < ROWS_END; row++)
        if (row->file.key != NULL && strcmp(row->file.key, key) == 0)
            return row;
    fail_msg("the table has no '%s', but the schema of the options file has", key);
    return NULL;
}

static void check_file_properties(tbk_arena *arena, const tbk_value *schema, const char *section)
{
    for (const tbk_member *item = tbk_value_members_at(schema, "properties"); item != NULL;
         item = item->next) {
        if (tbk_value_find(item->value, "properties") != NULL) {
            check_file_properties(arena, item->value, tbk_arena_format(arena, "%s.", item->key));
            continue;
        }
        const char *key = tbk_arena_format(arena, "%s%s", section, item->key);
        const tbk_option *row = row_of_file_key(key);
        check_property(key, row, item->value);
        assert_string_equal(tbk_value_text_at(item->value, "description", ""), row->help);
        /* What the deployer may have said has no default that a schema could name. */
        bool is_native = row == &ROWS[TBK_OPTION_SCHEDULE] || row == &ROWS[TBK_OPTION_KEEP_DAYS];
        if (!is_native && row->initial != NULL && tbk_value_find(item->value, "default") == NULL)
            fail_msg("the schema does not tell the default of '%s'", key);
    }
}

static void the_schema_of_the_options_file_is_the_tables(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *schema = schema_of(arena, "options");
    check_file_properties(arena, schema, "");
    for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
        if (row->file.key == NULL)
            continue;
        const char *dot = strchr(row->file.key, '.');
        const char *path =
            dot == NULL ? tbk_arena_format(arena, "properties.%s", row->file.key)
                        : tbk_arena_format(arena, "properties.%.*s.properties.%s",
                                           (int)(dot - row->file.key), row->file.key, dot + 1);
        if (tbk_value_find(schema, path) == NULL)
            fail_msg("the schema of the options file has no '%s'", row->file.key);
    }
}

/* database.tls stands with the kind of database that has it. */
static const tbk_value *engine_property(tbk_arena *arena, const tbk_value *schema, const char *key)
{
    const char *dot = strchr(key, '.');
    if (dot == NULL)
        return tbk_value_find(schema, tbk_arena_format(arena, "properties.%s", key));
    const char *kinds = tbk_arena_format(arena, "properties.%.*s.oneOf", (int)(dot - key), key);
    const tbk_value *found = NULL;
    for (const tbk_member *kind = tbk_value_members_at(schema, kinds); kind != NULL;
         kind = kind->next)
        if (found == NULL)
            found = tbk_value_find(kind->value, tbk_arena_format(arena, "properties.%s", dot + 1));
    return found;
}

static void the_schema_of_engine_yml_is_the_tables(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *schema = schema_of(arena, "engine");
    const tbk_value *required = tbk_value_find(schema, "required");
    tbk_option_keys known = {.count = 0};
    for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
        if (row->engine.key == NULL)
            continue;
        check_property(row->engine.key, row, engine_property(arena, schema, row->engine.key));
        if (row->engine.is_required != has_text(required, row->engine.key))
            fail_msg("whether '%s' has to be there", row->engine.key);
    }
    tbk_option_add_keys(&known, TBK_ENGINE_FILE, "");
    tbk_option_add_key(&known, "schema");
    tbk_option_add_key(&known, "environment");
    tbk_option_add_key(&known, "config");
    tbk_error err;
    const tbk_value *properties = tbk_value_find(schema, "properties");
    assert_succeeds(tbk_value_only_keys(properties, known.list, &err), err);
}

static void the_template_of_engine_yml_has_each_option(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    char *template = NULL;
    size_t length = 0;
    tbk_error err;
    assert_succeeds(tbk_file_read(arena, TBK_SOURCE_DIR "/templates/engine.yml.tera", 1u << 20,
                                  &template, &length, &err),
                    err);
    for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
        if (row->engine.key == NULL)
            continue;
        const char *dot = strrchr(row->engine.key, '.');
        const char *line =
            row->type == TBK_OPTION_RULES
                ? tbk_arena_format(arena, "\n%s:\n", row->engine.key)
                : tbk_arena_format(arena, "%s: {{ %s | yaml }}\n",
                                   dot != NULL ? dot + 1 : row->engine.key, row->engine.key);
        if (strstr(template, line) == NULL)
            fail_msg("templates/engine.yml.tera lacks %s", line);
    }
}

static void the_schema_of_requests_is_the_tables(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    const tbk_value *properties = tbk_value_find(schema_of(arena, "request"), "properties");
    tbk_option_keys known = {.count = 0};
    tbk_error err;
    for (const tbk_option *row = ROWS; row < ROWS_END; row++) {
        if (row->request == NULL)
            continue;
        check_property(row->request, row, tbk_value_find(properties, row->request));
        tbk_option_add_key(&known, row->request);
    }
    assert_succeeds(tbk_value_only_keys(properties, known.list, &err), err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_whole),
        cmocka_unit_test(no_verb_has_two_options_of_one_name),
        cmocka_unit_test(the_engines_levels_of_proof_are_those_of_proofs),
        cmocka_unit_test(an_option_of_another_verb_names_its_own),
        cmocka_unit_test(one_name_of_two_options_is_of_the_verbs_of_both),
        cmocka_unit_test(help_of_a_verb_has_its_options_and_the_common_ones),
        cmocka_unit_test(no_line_of_help_is_too_long),
        cmocka_unit_test(help_of_a_program_has_all_its_options_with_their_verbs),
        cmocka_unit_test(a_request_is_looked_up_by_its_key),
        cmocka_unit_test(keys_of_a_file_are_there_once),
        cmocka_unit_test(a_field_is_a_value_for_templates),
        cmocka_unit_test(the_schema_of_the_options_file_is_the_tables),
        cmocka_unit_test(the_schema_of_engine_yml_is_the_tables),
        cmocka_unit_test(the_template_of_engine_yml_has_each_option),
        cmocka_unit_test(the_schema_of_requests_is_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
