/* SPDX-License-Identifier: MIT */
/* Reads rendered files again: YAML, the engine's configuration, crontab lines, a script's first
 * line. */
#include "render/render_check.h"

#include "base/text.h"
#include "base/yaml.h"
#include "domain/engine_config.h"
#include "domain/schedule.h"

#include <string.h>

bool tbk_render_check_compose(tbk_arena *arena, const char *name, const char *bytes, size_t length,
                              tbk_error *err)
{
    const tbk_value *document, *service;
    return tbk_yaml_parse(arena, bytes, length, name, &document, err) &&
           tbk_value_require_map(document, "services.backup", &service, err);
}

bool tbk_render_check_engine_config(tbk_arena *arena, const char *name, const char *bytes,
                                    size_t length, tbk_error *err)
{
    const tbk_value *document;
    tbk_engine_config config;
    return tbk_yaml_parse(arena, bytes, length, name, &document, err) &&
           tbk_engine_config_read(arena, document, &config, err);
}

bool tbk_render_check_script(tbk_arena *arena, const char *name, const char *bytes, size_t length,
                             tbk_error *err)
{
    (void)arena, (void)length;
    if (tbk_text_starts_with(bytes, "#!/"))
        return true;
    return tbk_fail(err, TBK_E_TEMPLATE, "begin the template with #!/bin/sh",
                    "%s: the first line does not name the script's interpreter", name);
}

/* --- crontab --- */

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static const char *skip_blanks(const char *text)
{
    while (is_blank(*text))
        text++;
    return text;
}

static const char *skip_word(const char *text)
{
    while (*text != '\0' && !is_blank(*text))
        text++;
    return text;
}

static bool is_setting(const char *line)
{
    size_t length = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    return length > 0 && *skip_blanks(line + length) == '=';
}

/* cron gives what follows a bare % to the command as its input. */
static bool has_bare_percent(const char *command)
{
    for (bool escaped = false; *command != '\0'; command++) {
        if (*command == '%' && !escaped)
            return true;
        escaped = *command == '\\' && !escaped;
    }
    return false;
}

static bool check_schedule(const char *schedule, tbk_error *err)
{
    tbk_schedule parsed;
    return strcmp(schedule, "@reboot") == 0 || tbk_schedule_parse(schedule, &parsed, err);
}

/* The line without blanks before it: "SCHEDULE USER COMMAND", the schedule of one or five words. */
static bool check_job(tbk_arena *arena, const char *line, tbk_error *err)
{
    const char *end = skip_word(line);
    for (int word = 1; word < 5 && line[0] != '@'; word++)
        end = skip_word(skip_blanks(end));
    const char *user = skip_blanks(end), *user_end = skip_word(user);
    const char *command = skip_blanks(user_end);
    if (!check_schedule(tbk_arena_copy_bytes(arena, line, (size_t)(end - line)), err))
        return false;
    if (user_end - user != 4 || strncmp(user, "root", 4) != 0)
        return tbk_fail(err, TBK_E_TEMPLATE, "write: SCHEDULE root COMMAND",
                        "'root' does not follow the schedule");
    if (*command == '\0')
        return tbk_fail(err, TBK_E_TEMPLATE, "write: SCHEDULE root COMMAND", "there is no command");
    if (has_bare_percent(command))
        return tbk_fail(err, TBK_E_TEMPLATE, "write \\% instead",
                        "cron ends the command at its '%%'");
    return true;
}

bool tbk_render_check_crontab(tbk_arena *arena, const char *name, const char *bytes, size_t length,
                              tbk_error *err)
{
    (void)length;
    int number = 1;
    for (const char *at = bytes; *at != '\0'; number++) {
        size_t line_length = strcspn(at, "\n");
        const char *line = skip_blanks(tbk_arena_copy_bytes(arena, at, line_length));
        if (*line != '\0' && *line != '#' && !is_setting(line) && !check_job(arena, line, err))
            return tbk_error_context(err, "%s:%d", name, number);
        at += line_length + (at[line_length] == '\n');
    }
    return true;
}
