/* SPDX-License-Identifier: MIT */
/* Which variables restic may be given. */
#include "domain/offsite_secrets.h"

#include "base/text.h"

#include <string.h>

#define PASSWORD "RESTIC_PASSWORD"
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

/* What is set by us, what would run or load something else, and names of files: none of those gets
 * into the container. */
static bool is_refused(const char *name)
{
    static const char *const refused[] = {"PATH",
                                          "HOME",
                                          "TMPDIR",
                                          "RESTIC_HOST",
                                          "RESTIC_REPOSITORY",
                                          "RESTIC_REPOSITORY_FILE",
                                          "RESTIC_CACHE_DIR",
                                          "RESTIC_PASSWORD_FILE",
                                          "RESTIC_PASSWORD_COMMAND",
                                          "RESTIC_CACERT",
                                          "RESTIC_TLS_CLIENT_CERT",
                                          "GOOGLE_APPLICATION_CREDENTIALS",
                                          "AWS_SHARED_CREDENTIALS_FILE"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (strcmp(name, refused[i]) == 0)
            return true;
    return tbk_text_starts_with(name, "LD_");
}

static bool check_name(const tbk_dotenv *file, const char *name, tbk_error *err)
{
    if (name[strspn(name, NAME_CHARACTERS)] != '\0')
        return tbk_fail(err, TBK_E_CONFIG, "write NAME=VALUE, with NAME in capital letters",
                        "%.300s: '%.64s' is no variable of restic's", file->source, name);
    return !is_refused(name) ||
           tbk_fail(err, TBK_E_CONFIG, "leave it out",
                    "%.300s: '%.64s' is not for this file: it has the password and the "
                    "credentials of the repository",
                    file->source, name);
}

static bool read_variable(tbk_arena *arena, const tbk_dotenv *file, const char *name,
                          const char **out, tbk_error *err)
{
    const char *value = NULL;
    if (!check_name(file, name, err) || !tbk_dotenv_find(arena, file, name, &value, err))
        return false;
    *out = tbk_arena_format(arena, "%s=%s", name, value);
    return true;
}

static bool has_password(const char *const *variables)
{
    for (; *variables != NULL; variables++)
        if (tbk_text_starts_with(*variables, PASSWORD "=") &&
            strlen(*variables) > strlen(PASSWORD "="))
            return true;
    return false;
}

bool tbk_offsite_secrets_read(tbk_arena *arena, const tbk_dotenv *file,
                              const char *const **out_variables, tbk_error *err)
{
    const char *const *names;
    size_t count = 0;
    if (!tbk_dotenv_names(arena, file, &names, err))
        return false;
    while (names[count] != NULL)
        count++;
    const char **variables = tbk_arena_alloc(arena, (count + 1) * sizeof *variables);
    for (size_t i = 0; i < count; i++)
        if (!read_variable(arena, file, names[i], &variables[i], err))
            return false;
    variables[count] = NULL;
    if (!has_password(variables))
        return tbk_fail(err, TBK_E_CONFIG,
                        "write RESTIC_PASSWORD='...' into it, and keep a copy of it elsewhere: "
                        "without it nothing can be read back",
                        "%.300s has no RESTIC_PASSWORD", file->source);
    *out_variables = variables;
    return true;
}
