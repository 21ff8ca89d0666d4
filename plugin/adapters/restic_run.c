/* SPDX-License-Identifier: MIT */
/* How restic is run: its arguments, its environment, its end. */
#include "adapters/restic_run.h"

#include "adapters/process.h"
#include "adapters/restic_stall.h"
#include "base/text.h"

#include <signal.h>
#include <string.h>

#define TIDY_MS 25000 /* to remove its lock; a slow line or retries may take it longer */
#define NO_LIMIT_MS UINT32_MAX
#define STALL_LIMIT_S 1800

/* --- settings --- */

/* What is between "scheme:" or "://" and the first slash. */
static const char *after_scheme(const char *repository, bool *out_is_url)
{
    const char *url = strstr(repository, "://");
    *out_is_url = url != NULL;
    if (url != NULL)
        return url + 3;
    return tbk_text_starts_with(repository, "sftp:") ? repository + 5 : "";
}

/* The address stands in messages and in lists of processes, where it is no place for a password. */
static bool has_password(const char *repository)
{
    bool is_url;
    const char *authority = after_scheme(repository, &is_url);
    const char *colon = strchr(authority, ':');
    if (colon == NULL || strchr(colon, '@') == NULL)
        return false;
    size_t length = strcspn(colon + 1, "/");
    if (!is_url) /* user@host:path has its colon behind the '@' */
        return memchr(authority, '@', (size_t)(colon - authority)) == NULL &&
               memchr(colon + 1, '@', length) != NULL;
    return length == 0 || strspn(colon + 1, "0123456789") != length; /* a port is no password */
}

static bool check_repository(const char *repository, tbk_error *err)
{
    if (repository == NULL || repository[0] == '\0')
        return tbk_fail(err, TBK_E_CONFIG, "name one", "there is no repository");
    for (const char *at = repository; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return tbk_fail(err, TBK_E_CONFIG, NULL,
                            "the repository's address has a control character in it");
    if (has_password(repository))
        return tbk_fail(err, TBK_E_CONFIG,
                        "leave them out, and set RESTIC_REST_USERNAME and RESTIC_REST_PASSWORD "
                        "(S3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY) among the secrets",
                        "the repository's address has a user and a password in it");
    return true;
}

static bool check_variables(const char *const *variables, tbk_error *err)
{
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i++)
        if (strchr(variables[i], '=') == NULL || variables[i][0] == '=')
            return tbk_fail(err, TBK_E_CONFIG, "write NAME=VALUE",
                            "variable %zu of the repository's secrets has no name", i + 1);
    return true;
}

/* These paths pass through restic's quoting and ssh's own: what either of them reads as more than a
 * character of a name is refused. */
static bool check_ssh_path(const char *path, tbk_error *err)
{
    if (path == NULL || (path[0] == '/' && strpbrk(path, " \t\r\n\"'\\%$~") == NULL))
        return true;
    return tbk_fail(err, TBK_E_CONFIG,
                    "give an absolute path without blanks, quotes, '\\', '%', '$' and '~'",
                    "'%s' cannot be given to ssh", path);
}

static const char *sftp_arguments_of(tbk_arena *arena, const tbk_restic_settings *settings)
{
    tbk_auto_text text = {0};
    if (!tbk_text_starts_with(settings->repository, "sftp:"))
        return NULL;
    /* A connection that was cut is given up after five minutes, not never. */
    tbk_text_append(&text, "sftp.args=-o BatchMode=yes -o StrictHostKeyChecking=yes "
                           "-o ConnectTimeout=20 -o ServerAliveInterval=15 "
                           "-o ServerAliveCountMax=20");
    if (settings->known_hosts != NULL)
        tbk_text_format(&text, " -o UserKnownHostsFile=%s", settings->known_hosts);
    if (settings->ssh_key != NULL)
        tbk_text_format(&text, " -o IdentitiesOnly=yes -o IdentityFile=%s", settings->ssh_key);
    return tbk_arena_copy(arena, tbk_text_string(&text));
}

/* Where a name comes twice restic takes the first one: ours stand before the operator's. */
static const char *const *environment_of(tbk_arena *arena, const tbk_restic_settings *settings)
{
    const char *path = getenv("PATH");
    const char *const ours[] = {
        tbk_arena_format(arena, "PATH=%s", path != NULL ? path : "/usr/bin:/bin"),
        tbk_arena_format(arena, "RESTIC_REPOSITORY=%s", settings->repository),
        tbk_arena_format(arena, "RESTIC_CACHE_DIR=%s", settings->cache_folder),
        tbk_arena_format(arena, "TMPDIR=%s", settings->temporary_folder),
        "RESTIC_PROGRESS_FPS=1",
        "GOGC=20", /* both: less memory, at little cost */
        "GOMAXPROCS=1",
        "HOME=/nonexistent",
        "TZ=UTC", /* in which it reads --time */
    };
    size_t own = sizeof ours / sizeof ours[0];
    size_t others = 0;
    while (settings->variables[others] != NULL)
        others++;
    const char **all = tbk_arena_alloc(arena, (own + others + 1) * sizeof *all);
    for (size_t i = 0; i < own; i++)
        all[i] = ours[i];
    for (size_t i = 0; i < others; i++)
        all[own + i] = settings->variables[i];
    return all;
}

static const char *copy(tbk_arena *arena, const char *text)
{
    return text != NULL ? tbk_arena_copy(arena, text) : NULL;
}

static const char *const *copy_all(tbk_arena *arena, const char *const *texts)
{
    size_t count = 0;
    while (texts != NULL && texts[count] != NULL)
        count++;
    const char **all = tbk_arena_alloc(arena, (count + 1) * sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = tbk_arena_copy(arena, texts[i]);
    return all;
}

bool tbk_restic_prepare(const tbk_restic_settings *settings, tbk_restic *it, tbk_error *err)
{
    if (!check_repository(settings->repository, err) ||
        !check_variables(settings->variables, err) || !check_ssh_path(settings->ssh_key, err) ||
        !check_ssh_path(settings->known_hosts, err))
        return false;
    if (settings->program[0] != '/' && strchr(settings->program, '/') != NULL)
        return tbk_fail(err, TBK_E_CONFIG, "give its name or an absolute path",
                        "'%s' would be another program in another folder", settings->program);
    it->settings = (tbk_restic_settings){
        .program = copy(it->arena, settings->program),
        .repository = copy(it->arena, settings->repository),
        .variables = copy_all(it->arena, settings->variables),
        .cache_folder = copy(it->arena, settings->cache_folder),
        .temporary_folder = copy(it->arena, settings->temporary_folder),
        .ssh_key = copy(it->arena, settings->ssh_key),
        .known_hosts = copy(it->arena, settings->known_hosts),
        .limit_upload_kib = settings->limit_upload_kib,
        .limit_stall_s = settings->limit_stall_s > 0 ? settings->limit_stall_s : STALL_LIMIT_S,
        .report = settings->report,
    };
    it->environment = environment_of(it->arena, &it->settings);
    it->sftp_arguments = sftp_arguments_of(it->arena, &it->settings);
    return true;
}

/* --- one run --- */

static const char *const *argv_of(tbk_arena *arena, const tbk_restic *it,
                                  const tbk_restic_call *call)
{
    size_t given = 0;
    while (call->words[given] != NULL)
        given++;
    const char **argv = tbk_arena_alloc(arena, (given + 6) * sizeof *argv);
    size_t count = 0;
    argv[count++] = it->settings.program;
    argv[count++] = "--json";
    if (it->sftp_arguments != NULL) {
        argv[count++] = "-o";
        argv[count++] = it->sftp_arguments;
    }
    if (it->settings.limit_upload_kib > 0)
        argv[count++] = tbk_arena_format(arena, "--limit-upload=%lld",
                                         (long long)it->settings.limit_upload_kib);
    for (size_t i = 0; i < given; i++)
        argv[count++] = call->words[i];
    return argv;
}

static bool fail_silent(const tbk_restic *it, const tbk_restic_call *call,
                        const tbk_restic_words *words, tbk_error *err)
{
    char reason[TBK_RESTIC_REASON_SIZE];
    (void)tbk_restic_words_reason(words, reason);
    tbk_error_code code = words->kind == TBK_E_KEY ? TBK_E_KEY : TBK_E_NETWORK;
    return tbk_fail(err, code, "look whether the address is right and the server answers",
                    "%s: the repository '%.200s' does not answer within %u s%s%s", call->what,
                    it->settings.repository, call->limit_s, reason[0] != '\0' ? ": " : "", reason);
}

bool tbk_restic_run(const tbk_restic *it, const tbk_restic_call *call, tbk_restic_words *words,
                    int *out_status, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_auto_remote_result result = {0};
    tbk_auto_command_io io;
    const char *const *argv = argv_of(arena, it, call);
    const tbk_remote_command command = {
        .argv = argv,
        .on_output = call->on_output,
        .on_output_self = call->on_output_self,
        .timeout_ms = call->limit_s != 0 ? call->limit_s * 1000 : NO_LIMIT_MS,
        .is_cleanup = call->is_cleanup,
    };
    tbk_restic_stall stall = {.io = &io, .limit_s = it->settings.limit_stall_s};
    const tbk_process_setting setting = {.environment = it->environment,
                                         .folder = call->folder,
                                         .tidy_ms = call->locks ? TIDY_MS : 0,
                                         .look = call->limit_s == 0 ? tbk_restic_stall_look : NULL,
                                         .look_self = &stall};
    *words = (tbk_restic_words){.variables = it->settings.variables,
                                .report = it->settings.report,
                                .phase = call->phase != NULL ? call->phase : "offsite"};
    tbk_command_io_begin(&io, &command, it->settings.report, &result);
    io.on_error_output = tbk_restic_words_add;
    io.on_error_output_self = words;
    bool ended = tbk_process_run_with(argv, &setting, &io, out_status, err);
    tbk_restic_words_end(words);
    if (!ended && err->code == TBK_E_TIMEOUT)
        return fail_silent(it, call, words, err);
    if (!ended)
        return tbk_error_context(err, "%s", call->what);
    if (*out_status < 0)
        return tbk_fail(err, TBK_E_IO, "do not ignore SIGCHLD in the host, nor wait for any child",
                        "the exit status of restic went to somebody else in this process");
    return true;
}

static const char *fix_of(tbk_error_code code)
{
    switch (code) {
    case TBK_E_NOT_FOUND:
        return "look whether the address is right; a new one is only made by init";
    case TBK_E_KEY:
        return "correct the password or the credentials among the secrets";
    case TBK_E_LOCKED:
        return "wait for the other process, or remove what it left with unlock";
    case TBK_E_SPACE:
        return "make room where the repository is";
    case TBK_E_NETWORK:
        return "look whether the address is right and the server answers";
    case TBK_E_CORRUPT:
        return "see restic's own manual on damaged repositories, and send anew";
    default:
        return NULL;
    }
}

bool tbk_restic_fail(const tbk_restic *it, const tbk_restic_call *call,
                     const tbk_restic_words *words, int status, tbk_error *err)
{
    char reason[TBK_RESTIC_REASON_SIZE];
    tbk_error_code code = tbk_restic_words_code(words, status);
    if (tbk_restic_words_reason(words, reason)[0] == '\0')
        (void)snprintf(reason, sizeof reason, "it ended with %d without a word", status);
    const char *fix = status == 128 + SIGKILL ? "look whether it ran out of memory" : fix_of(code);
    return tbk_fail(err, code, fix, "%s in the repository '%.200s': %s", call->what,
                    it->settings.repository, reason);
}

bool tbk_restic_do(const tbk_restic *it, const tbk_restic_call *call, tbk_error *err)
{
    tbk_restic_words words;
    int status;
    if (!tbk_restic_run(it, call, &words, &status, err))
        return false;
    return status == 0 || tbk_restic_fail(it, call, &words, status, err);
}

bool tbk_restic_take_objects(void *objects, const char *bytes, size_t length, tbk_error *err)
{
    return tbk_restic_objects_add(objects, bytes, length, err);
}

bool tbk_restic_do_objects(const tbk_restic *it, tbk_restic_call *call, tbk_restic_objects *objects,
                           tbk_error *err)
{
    call->on_output = tbk_restic_take_objects;
    call->on_output_self = objects;
    return tbk_restic_do(it, call, err);
}
