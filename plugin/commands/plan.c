/* SPDX-License-Identifier: MIT */
/* Compares what is rendered with what is installed, and asks the installed engine for a forecast.
 */
#include "commands/plan.h"

#include "commands/configure.h"
#include "commands/host_runner.h"
#include "commands/mode_switch.h"
#include "commands/rules_check.h"
#include "commands/schedule_report.h"
#include "render/diff.h"

#include <inttypes.h>

#define PREVIEW_SCHEMA 1
#define FILE_LIMIT_BYTES 262144
#define FORECAST_TIMEOUT_MS 120000
#define USAGE_STATUS 2

typedef struct plan {
    tbk_arena *arena;
    const tbk_plan_input *input;
    tbk_host_facts facts;
    tbk_value *result;
    tbk_value *items;
    int64_t changes;
} plan;

/* --- what would be changed --- */

/* diff may be NULL: there is no text to compare. */
static void note_item(plan *self, const char *kind, const char *target, const char *state,
                      const char *detail, const char *diff)
{
    tbk_value *item = tbk_value_map(self->arena);
    tbk_value_set_string(self->arena, item, "kind", kind);
    tbk_value_set_string(self->arena, item, "target", target);
    tbk_value_set_string(self->arena, item, "state", state);
    tbk_value_set_string(self->arena, item, "detail", detail);
    tbk_value_set_string(self->arena, item, "diff", diff);
    tbk_value_append(self->arena, self->items, item);
    self->changes += strcmp(state, "in place") != 0;
}

static tbk_mode mode_of(const plan *self) { return self->input->workspace->options.mode; }

/* A line for each: its mode, or nothing where there is none. */
static bool read_modes(const plan *self, const char **out_lines, tbk_error *err)
{
    static const char script[] = "for path; do echo \"$(stat -c %a \"$path\" 2>/dev/null)\"; done";
    const char *argv[5 + TBK_INSTALL_DIRECTORIES] = {"sh", "-c", script, "modes"};
    const tbk_remote_command command = {
        .argv = argv, .as_root = true, .report = self->input->report};
    tbk_auto_remote_result result = {0};
    for (size_t i = 0; i < tbk_configure_directory_count(mode_of(self)); i++)
        argv[4 + i] = tbk_configure_directories[i].path;
    if (!tbk_remote_do(self->input->remote, "looking at folders", &command, &result, err))
        return false;
    *out_lines = tbk_arena_copy(self->arena, tbk_text_string(&result.output));
    return true;
}

static bool plan_directories(plan *self, tbk_error *err)
{
    const char *line = "";
    if (!read_modes(self, &line, err))
        return false;
    for (size_t i = 0; i < tbk_configure_directory_count(mode_of(self)); i++) {
        const tbk_configure_directory *wanted = &tbk_configure_directories[i];
        size_t length = strcspn(line, "\n");
        const char *mode = tbk_arena_copy_bytes(self->arena, line, length);
        const char *mode_wanted = tbk_arena_format(self->arena, "%o", (unsigned)wanted->mode);
        bool in_place = strcmp(mode, mode_wanted) == 0;
        line += length + (line[length] != '\0');
        note_item(self, "directory", wanted->path,
                  in_place      ? "in place"
                  : length == 0 ? "new"
                                : "change",
                  in_place ? ""
                  : length == 0
                      ? tbk_arena_format(self->arena, "mode %s", mode_wanted)
                      : tbk_arena_format(self->arena, "mode %s, now %s", mode_wanted, mode),
                  NULL);
    }
    return true;
}

static void plan_image(plan *self)
{
    const tbk_image *image = self->input->image;
    bool in_place = self->facts.image_present;
    note_item(self, "image", image->tag, in_place ? "in place" : "new",
              in_place
                  ? ""
                  : tbk_arena_format(self->arena, "%" PRIu64 ".%" PRIu64 " MB to upload",
                                     image->size_bytes / 1000000, image->size_bytes / 100000 % 10),
              NULL);
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* *out is NULL for what is no text, or larger than anything that we ever install. */
static bool fetch_installed(const plan *self, const char *path, const char **out, tbk_error *err)
{
    const char *limit = tbk_arena_format(self->arena, "%d", FILE_LIMIT_BYTES + 1);
    const tbk_remote_command command = {.argv =
                                            (const char *const[]){"head", "-c", limit, path, NULL},
                                        .as_root = true,
                                        .report = self->input->report};
    tbk_auto_remote_result result = {0};
    if (!tbk_remote_do(self->input->remote, tbk_arena_format(self->arena, "reading '%s'", path),
                       &command, &result, err))
        return false;
    const char *bytes = tbk_text_string(&result.output);
    bool is_text = result.output.length <= FILE_LIMIT_BYTES &&
                   strlen(bytes) == result.output.length &&
                   tbk_text_is_utf8(bytes, result.output.length);
    *out = is_text ? tbk_arena_copy(self->arena, bytes) : NULL;
    return true;
}

static const char *diff_of(const plan *self, const tbk_rendered_file *file, const char *old_name,
                           const char *old_text)
{
    tbk_auto_text diff = {0};
    tbk_diff_lines(&diff, old_text, file->bytes);
    if (diff.length == 0)
        return NULL;
    return tbk_arena_format(self->arena, "--- %s\n+++ %s\n%s", old_name, file->target,
                            tbk_text_string(&diff));
}

static const char *describe_change(const plan *self, const tbk_installed_file *installed,
                                   const tbk_rendered_file *file, bool is_text)
{
    if (installed->mode != file->mode || !installed->root_owned)
        return tbk_arena_format(self->arena, "mode %o of root, now %o%s%s", (unsigned)file->mode,
                                (unsigned)installed->mode,
                                installed->root_owned ? "" : " of somebody else",
                                is_text ? "" : "; it is no text");
    return is_text ? "" : "what is there is no text";
}

static bool plan_file(plan *self, size_t index, tbk_error *err)
{
    const tbk_rendered_file *file = &self->input->rendering->files[index];
    const tbk_installed_file *installed = &self->facts.files[index];
    const char *text = NULL;
    if (tbk_installed_file_is(installed, file)) {
        note_item(self, "file", file->target, "in place", "", NULL);
        return true;
    }
    if (!installed->exists) {
        note_item(self, "file", file->target, "new",
                  tbk_arena_format(self->arena, "%zu lines", count_lines(file->bytes)),
                  diff_of(self, file, "/dev/null", ""));
        return true;
    }
    if (!fetch_installed(self, file->target, &text, err))
        return false;
    note_item(self, "file", file->target, "change",
              describe_change(self, installed, file, text != NULL),
              text != NULL ? diff_of(self, file, file->target, text) : NULL);
    return true;
}

static void plan_other_mode(plan *self)
{
    bool is_window = mode_of(self) == TBK_MODE_WINDOW;
    if (is_window ? self->facts.sidecar_state[0] != '\0' : self->facts.window_file[0] != '\0')
        note_item(self, is_window ? "sidecar" : "window",
                  is_window ? "the sidecar's container"
                            : "the maintenance window: crontab, hook, log",
                  "remove", "", NULL);
}

static tbk_sidecar sidecar_of(const plan *self)
{
    const tbk_plan_input *input = self->input;
    return (tbk_sidecar){.remote = input->remote,
                         .report = input->report,
                         .environment = &input->workspace->environment,
                         .options = &input->workspace->options,
                         .image_tag = input->image->tag};
}

static bool plan_sidecar(plan *self, tbk_error *err)
{
    const tbk_sidecar sidecar = sidecar_of(self);
    tbk_sidecar_step step = TBK_SIDECAR_IN_PLACE;
    if (mode_of(self) == TBK_MODE_WINDOW)
        return true;
    if (!tbk_sidecar_look(self->arena, &sidecar, &step, err))
        return false;
    note_item(self, "sidecar", "the sidecar's container",
              step == TBK_SIDECAR_TO_START ? "new" : "in place",
              step == TBK_SIDECAR_WAITS ? "it waits for a tracker" : "", NULL);
    return true;
}

static bool plan_install(plan *self, tbk_error *err)
{
    if (!plan_directories(self, err))
        return false;
    plan_image(self);
    plan_other_mode(self);
    for (size_t i = 0; i < self->input->rendering->count; i++)
        if (!tbk_report_go_on(self->input->report, err) || !plan_file(self, i, err))
            return false;
    return plan_sidecar(self, err);
}

/* --- the forecast --- */

static void no_forecast(plan *self, const char *why)
{
    tbk_value_set_string(self->arena, self->result, "no_forecast", why);
}

/* A hold of nearly the whole window would be ended as often as not. */
static void judge_window(const plan *self, tbk_value *forecast, tbk_value *advice)
{
    int64_t held_ms = 0, window_s = self->input->workspace->options.window_max_seconds;
    tbk_error ignored;
    tbk_value_set_integer(self->arena, forecast, "window_max_seconds", window_s);
    if (!tbk_value_optional_integer(forecast, "expected_held_ms", &held_ms, &ignored) ||
        held_ms <= window_s * 800)
        return;
    tbk_value_append(
        self->arena, advice,
        tbk_value_string(self->arena,
                         tbk_arena_format(self->arena,
                                          "runs would be ended: window_max_seconds is %" PRId64
                                          "; set it to %" PRId64 ", or more",
                                          window_s, held_ms / 500 + 1)));
}

/* The engine's answer, with advice that needs the options. */
static void take_forecast(plan *self, const tbk_value *answer)
{
    tbk_value *forecast = tbk_value_map(self->arena), *advice = tbk_value_list(self->arena);
    for (const tbk_member *member = answer->first; member != NULL; member = member->next)
        if (strcmp(member->key, "advice") != 0)
            tbk_value_add(self->arena, forecast, member->key, member->value);
    const tbk_value *given = tbk_value_find(answer, "advice");
    for (const tbk_member *item = given != NULL ? given->first : NULL; item != NULL;
         item = item->next)
        tbk_value_append(self->arena, advice, item->value);
    judge_window(self, forecast, advice);
    tbk_value_set(self->arena, forecast, "advice", advice);
    tbk_value_set(self->arena, self->result, "forecast", forecast);
}

static bool ask_engine(plan *self, tbk_error *err)
{
    const char *const arguments[] = {"plan", "--output", "json", NULL};
    const tbk_value *answer = NULL;
    const char *message = NULL;
    int exit_status = 0;
    tbk_error why = {.code = TBK_E_OK}, ignored;
    bool ran = tbk_host_run_engine(self->arena, self->input->remote, arguments, FORECAST_TIMEOUT_MS,
                                   self->input->report, &exit_status, &answer, &why);
    if (!ran && why.code != TBK_E_CONTAINER && why.code != TBK_E_CONFIG &&
        why.code != TBK_E_REMOTE) {
        *err = why;
        return false;
    }
    if (ran && exit_status == 0 && answer != NULL && answer->type == TBK_VALUE_MAP)
        take_forecast(self, answer);
    else if (!ran && exit_status == USAGE_STATUS)
        no_forecast(self, "the installed engine is older and gives none; run 'torrust-backup "
                          "configure' first");
    else if (ran && answer != NULL &&
             tbk_value_optional_string(answer, "error.message", &message, &ignored) &&
             message != NULL)
        no_forecast(self, message);
    else
        no_forecast(self, ran ? "the engine gave no answer" : why.message);
    return true;
}

static bool is_installed(const plan *self, const char *target)
{
    for (size_t i = 0; i < self->input->rendering->count; i++)
        if (strcmp(self->input->rendering->files[i].target, target) == 0)
            return self->facts.files[i].exists;
    return false;
}

static bool plan_backup(plan *self, tbk_error *err)
{
    if (!is_installed(self, TBK_COMPOSE_FILE))
        no_forecast(self, "the backup is not installed yet; run 'torrust-backup configure' first");
    else if (self->facts.tracker_id[0] == '\0')
        no_forecast(self, "there is no tracker on the VM yet");
    else
        return ask_engine(self, err);
    return true;
}

/* --- all of it --- */

/* Whether an install would be begun, and not be refused half way. */
static bool is_possible(plan *self, tbk_error *err)
{
    const tbk_sidecar sidecar = sidecar_of(self);
    const tbk_rules_check_input rules = {.remote = self->input->remote,
                                         .report = self->input->report,
                                         .environment = &self->input->workspace->environment,
                                         .options = &self->input->workspace->options,
                                         .rendering = self->input->rendering};
    const char *unchecked;
    if (!tbk_configure_check_host(&self->facts, mode_of(self), err))
        return false;
    if (!self->facts.image_present)
        return true;
    return tbk_rules_check(self->arena, &rules, &unchecked, err) &&
           (mode_of(self) == TBK_MODE_WINDOW ||
            tbk_sidecar_check_database(self->arena, &sidecar, err));
}

static bool look(plan *self, tbk_error *err)
{
    const tbk_plan_input *input = self->input;
    if (!tbk_host_facts_read(self->arena, input->remote, input->rendering, input->image->tag,
                             input->workspace->options.store, &self->facts, err) ||
        !tbk_schedule_report(self->arena, input->workspace, &self->facts, self->result, err))
        return false;
    tbk_error refused = {.code = TBK_E_OK};
    bool possible = is_possible(self, &refused);
    if (!plan_install(self, err))
        return false;
    if (!possible) {
        no_forecast(self, refused.message);
        *err = refused;
        return tbk_error_context(err, "'configure' would be refused");
    }
    return plan_backup(self, err);
}

bool tbk_plan(tbk_arena *arena, const tbk_plan_input *input, tbk_value **out_result, tbk_error *err)
{
    plan self = {.arena = arena,
                 .input = input,
                 .result = tbk_value_map(arena),
                 .items = tbk_value_list(arena)};
    tbk_value_set_integer(arena, self.result, "schema", PREVIEW_SCHEMA);
    tbk_value_set_string(arena, self.result, "environment", input->workspace->environment.name);
    tbk_value_set_string(arena, self.result, "host", input->remote->name);
    tbk_value_set(arena, self.result, "items", self.items);
    tbk_value_set_integer(arena, self.result, "changes", 0);
    tbk_value_set(arena, self.result, "forecast", tbk_value_null(arena));
    no_forecast(&self, "");
    bool ok = look(&self, err);
    tbk_value_set_integer(arena, self.result, "changes", self.changes);
    if (self.items->first != NULL)
        *out_result = self.result;
    return ok;
}
