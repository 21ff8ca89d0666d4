/* SPDX-License-Identifier: MIT */
/*
 * The plugin: checks what a host hands over, runs the verb, hands back result and error.
 *
 * Everything that a verb needs is made in its call and ends with it; there is no state between
 * calls.
 */
#include "base/json.h"
#include "entry/plugin_verbs.h"
#include "torrust_backup/plugin_v1.h"

#include <dlfcn.h>
#include <limits.h>

#define EXPORTED __attribute__((visibility("default")))

/* --- events: from our report port to the host's callbacks --- */

typedef struct host_events {
    const tbk_host_v1 *host;
    char step[64]; /* the one that runs */
} host_events;

/* What a VM says must do nothing to the terminal of a host that prints it: all text that goes to a
 * host is made harmless here (the result by tbk_json_write). */
static const char *harmless(tbk_text *buffer, const char *text)
{
    tbk_text_append_visible(buffer, text, false);
    return tbk_text_string(buffer);
}

/* Cut where it has no room, never within a character. */
static void copy_harmless(char *out, size_t size, const char *text)
{
    tbk_auto_text visible = {0};
    size_t length = 0;

    (void)harmless(&visible, text);
    while (length < visible.length) {
        size_t step = tbk_text_utf8_step(visible.bytes + length, visible.length - length);
        if (length + step >= size)
            break;
        length += step;
    }
    if (length > 0)
        memcpy(out, visible.bytes, length);
    out[length] = '\0';
}

static void on_step_started(void *self, uint32_t number, uint32_t total, const char *title)
{
    host_events *events = self;
    tbk_auto_text visible = {0};

    copy_harmless(events->step, sizeof events->step, title);
    if (events->host != NULL && events->host->step_started != NULL)
        events->host->step_started(events->host->user, number, total, harmless(&visible, title));
}

static void on_step_completed(void *self, uint32_t number, uint32_t total, const char *title)
{
    host_events *events = self;
    tbk_auto_text visible = {0};

    events->step[0] = '\0';
    if (events->host != NULL && events->host->step_completed != NULL)
        events->host->step_completed(events->host->user, number, total, harmless(&visible, title));
}

static void on_progress(void *self, const char *phase, uint64_t done_bytes, uint64_t total_bytes)
{
    const host_events *events = self;
    tbk_auto_text visible = {0};

    if (events->host != NULL && events->host->progress != NULL)
        events->host->progress(events->host->user, harmless(&visible, phase), done_bytes,
                               total_bytes);
}

static void on_log(void *self, tbk_log_level level, const char *phase, const char *message)
{
    const host_events *events = self;
    tbk_auto_text visible_phase = {0};
    tbk_auto_text visible_message = {0};

    if (events->host != NULL && events->host->log != NULL)
        events->host->log(events->host->user, (int32_t)level, harmless(&visible_phase, phase),
                          harmless(&visible_message, message));
}

static bool on_cancelled(void *self)
{
    const host_events *events = self;

    return events->host != NULL && events->host->cancelled != NULL &&
           events->host->cancelled(events->host->user) != 0;
}

static tbk_report report_to(host_events *events)
{
    return (tbk_report){.self = events,
                        .step_started = on_step_started,
                        .step_completed = on_step_completed,
                        .progress = on_progress,
                        .log = on_log,
                        .cancelled = on_cancelled};
}

/* --- errors and results: from ours to the host's memory --- */

static const char *help_for(tbk_error_code code)
{
    switch (code) {
    case TBK_E_NETWORK:
    case TBK_E_TIMEOUT:
        return "1. Is the VM running, and is its SSH port open?\n"
               "2. Try: ssh -i KEY -p PORT USER@HOST true\n"
               "3. Another address or port: --ssh-host, --ssh-port, or ssh: in the options file.\n"
               "4. Run the same command again; it completes what was begun.";
    case TBK_E_HOST_KEY:
        return "1. Was the VM made anew? Then its key has changed for a good reason.\n"
               "2. Compare the fingerprint on the VM: ssh-keygen -lf "
               "/etc/ssh/ssh_host_ed25519_key.pub\n"
               "3. Accept exactly that one: --host-key SHA256:...";
    case TBK_E_UNPROVED:
        return "1. Read the report; the first failed check is the cause of those after it.\n"
               "2. The run's log is /var/log/torrust-backup/run.log on the VM.\n"
               "3. Earlier backups are untouched: torrust-backup list ENVIRONMENT";
    case TBK_E_TRACKER_DOWN:
        return "1. On the VM: sudo /usr/local/bin/torrust-backup-hold recover\n"
               "2. Then: docker ps -a --filter name=tracker; docker logs tracker\n"
               "3. The hook's log is /var/log/torrust-backup/run.log";
    default:
        return "";
    }
}

/* A host with an older, shorter struct gets nothing: its memory is not ours to guess about. */
static void fill_error(tbk_error_v1 *out, const tbk_error *err, const char *step)
{
    if (out == NULL || out->struct_size < sizeof *out)
        return;
    *out = (tbk_error_v1){.struct_size = out->struct_size,
                          .exit_status = tbk_error_exit_status(err->code),
                          .kind = (int32_t)tbk_error_kind_of(err->code)};
    if (err->code == TBK_E_OK)
        return;
    (void)snprintf(out->code, sizeof out->code, "%s", tbk_error_name(err->code));
    copy_harmless(out->step, sizeof out->step, step);
    copy_harmless(out->message, sizeof out->message, err->message);
    copy_harmless(out->tip, sizeof out->tip, err->fix);
    (void)snprintf(out->help, sizeof out->help, "%s", help_for(err->code));
}

static void fill_result(const tbk_text *result, char *result_json, uint64_t result_size,
                        uint64_t *result_needed)
{
    uint64_t needed = result->length + 1;

    if (result_needed != NULL)
        *result_needed = needed;
    if (result_json == NULL || result_size == 0)
        return;
    if (needed <= result_size)
        memcpy(result_json, tbk_text_string(result), needed);
    else
        result_json[0] = '\0';
}

/* --- the call --- */

static bool check_host(const tbk_request_v1 *request, const tbk_host_v1 *host,
                       const tbk_error_v1 *error, tbk_error *err)
{
    static const char fix[] = "build the host with the header of this plugin's version "
                              "(torrust_backup/plugin_v1.h), or use the plugin of the host's";

    if (request == NULL || request->struct_size < sizeof *request ||
        (host != NULL && host->struct_size < sizeof *host) ||
        (error != NULL && error->struct_size < sizeof *error))
        return tbk_fail(err, TBK_E_USAGE, fix,
                        "the host was built for an older interface than this plugin's (%u)",
                        TBK_ABI_VERSION);
    if (host != NULL && host->abi_version != TBK_ABI_VERSION)
        return tbk_fail(err, TBK_E_USAGE, fix,
                        "the host speaks interface version %u, this plugin version %u",
                        host->abi_version, TBK_ABI_VERSION);
    if ((request->flags & ~(TBK_DRY_RUN | TBK_FAILURE_IS_WARNING)) != 0)
        return tbk_fail(err, TBK_E_USAGE, fix, "the request has unknown flags (0x%x)",
                        request->flags);
    if (request->verb == NULL)
        return tbk_fail(err, TBK_E_USAGE, "set verb, for example \"configure\"",
                        "the request names no verb");
    return true;
}

/* The folder with templates and image: by its place relative to this shared object. */
static bool find_data(tbk_arena *arena, const char **out, tbk_error *err)
{
    static const char anchor = 0; /* any object of ours: its address is inside this file */
    Dl_info self;
    char path[PATH_MAX];

    if (dladdr(&anchor, &self) == 0 || realpath(self.dli_fname, path) == NULL)
        return tbk_fail(err, TBK_E_CONFIG, "install Torrust Backup again",
                        "the plugin cannot find out where it was loaded from");
    *strrchr(path, '/') = '\0';
    *out = tbk_arena_format(arena, "%s/" TBK_DATA_FROM_PLUGIN, path);
    return true;
}

static bool run_verb(tbk_arena *arena, const tbk_request_v1 *request, const tbk_report *report,
                     tbk_value **out_result, tbk_error *err)
{
    const char *data_path = NULL;

    return find_data(arena, &data_path, err) &&
           tbk_verb_run(arena, request, data_path, report, out_result, err);
}

static int32_t run(const tbk_request_v1 *request, const tbk_host_v1 *host, char *result_json,
                   uint64_t result_size, uint64_t *result_needed, tbk_error_v1 *error)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    host_events events = {0};
    tbk_auto_text result = {0};
    tbk_value *value = NULL;
    tbk_error err = {0};

    bool ok = check_host(request, host, error, &err);
    if (ok) {
        events.host = host;
        const tbk_report report = report_to(&events);
        ok = run_verb(arena, request, &report, &value, &err);
    }
    if (value != NULL)
        tbk_json_write(&result, value, true);
    fill_result(&result, result_json, result_size, result_needed);
    fill_error(error, &err, events.step);
    if (!ok && request != NULL && request->struct_size >= sizeof *request &&
        (request->flags & TBK_FAILURE_IS_WARNING) != 0) {
        on_log(&events, TBK_LOG_WARNING, "plugin", err.message);
        return 0;
    }
    return ok ? 0 : tbk_error_exit_status(err.code);
}

EXPORTED const tbk_plugin_v1 *tbk_plugin_get_v1(void)
{
    static const tbk_plugin_v1 plugin = {.struct_size = sizeof plugin,
                                         .abi_version = TBK_ABI_VERSION,
                                         .version = TBK_VERSION,
                                         .run = run};

    return &plugin;
}
