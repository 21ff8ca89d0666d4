/* SPDX-License-Identifier: MIT */
/* Looks at database and store before anything is held, and says what a run would do. */
#include "engine/backup_plan.h"

#include "base/clock.h"
#include "engine/space_estimate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define PLAN_SCHEMA 1

/* --- the store --- */

/* The store, or before the first run the folder that it will be made in. */
static const char *nearest_folder(tbk_arena *arena, const char *store)
{
    struct stat status;
    char *path = tbk_arena_copy(arena, store);
    while (stat(path, &status) != 0 && errno == ENOENT) {
        char *last = strrchr(path, '/');
        if (last == NULL)
            return ".";
        last[last == path ? 1 : 0] = '\0';
    }
    return path;
}

static bool look_at_space(const char *folder, tbk_backup_plan *out, tbk_error *err)
{
    struct statvfs status;
    if (statvfs(folder, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "cannot learn the free space in '%s'",
                              folder);
    out->free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
    return true;
}

/* The sets that tell; none where there is no store yet. */
static bool read_sets(tbk_arena *arena, const char *store, tbk_stored_set **out, tbk_error *err)
{
    tbk_auto(tbk_store) *opened = NULL;
    *out = NULL;
    if (!tbk_store_open(store, TBK_STORE_READ, &opened, err))
        return err->code == TBK_E_NOT_FOUND;
    return tbk_store_list(opened, arena, out, err);
}

static bool look_at_store(tbk_arena *arena, const tbk_backup_plan_request *request,
                          const char *folder, tbk_backup_plan *out, tbk_error *err)
{
    tbk_stored_set *earlier;
    if (!look_at_space(folder, out, err) || !read_sets(arena, request->store, &earlier, err))
        return false;
    const tbk_set_kind kind = {
        .origin = request->origin, .profile = request->profile, .now_s = tbk_clock_now_s()};
    tbk_space_estimate room = tbk_space_estimate_make(earlier, &kind, out->forecast.copy_bytes);
    out->needed_bytes =
        tbk_space_estimate_needed_bytes(&room, out->forecast.stages_copy, request->restores);
    return true;
}

/* A run would look, too, and end there. */
static bool check_rules(tbk_arena *arena, const tbk_backup_plan_request *request, tbk_error *err)
{
    tbk_database_view view;
    return request->rules == NULL ||
           request->database->inspect(request->database->self, arena, request->rules, &view, err);
}

bool tbk_backup_plan_make(tbk_arena *arena, const tbk_backup_plan_request *request,
                          const tbk_report *report, tbk_backup_plan *out, tbk_error *err)
{
    const tbk_database *database = request->database;
    const tbk_forecast_request asked = {.folder = nearest_folder(arena, request->store),
                                        .method = request->method,
                                        .environment = request->environment,
                                        .holds_nothing = request->holds_nothing,
                                        .report = report};
    tbk_backup_plan plan = {.configured_method = tbk_method_name(request->method)};
    if (!check_rules(arena, request, err) ||
        !database->forecast(database->self, arena, &asked, &plan.forecast, err) ||
        !look_at_store(arena, request, asked.folder, &plan, err))
        return false;
    *out = plan;
    return true;
}

/* --- as a document --- */

static void TBK_PRINTF(3, 4) advise(tbk_arena *arena, tbk_value *advice, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tbk_value_append(arena, advice,
                     tbk_value_string(arena, tbk_arena_vformat(arena, format, arguments)));
    va_end(arguments);
}

static tbk_value *advice_value(tbk_arena *arena, const tbk_backup_plan_request *request,
                               const tbk_backup_plan *plan)
{
    tbk_value *advice = tbk_value_list(arena);
    const tbk_forecast *forecast = &plan->forecast;
    const tbk_capture_method method = forecast->method, best = tbk_forecast_best(forecast);
    const char *method_name = tbk_capture_method_name(method);
    const char *best_name = tbk_capture_method_name(best);
    const char *why = tbk_forecast_why_not(forecast, method);
    bool is_lost = request->holds_nothing && tbk_forecast_why_not(forecast, best) != NULL;
    if (is_lost)
        advise(arena, advice, "no backup of this database is possible without a hold: %s",
               forecast->remedy);
    else if (why != NULL)
        advise(arena, advice, "the method '%s' would fail: %s; 'method: auto' would take '%s'",
               method_name, why, best_name);
    else if (tbk_forecast_holds(method) && !tbk_forecast_holds(best))
        advise(arena, advice, "'method: auto' would take '%s', which holds nothing", best_name);
    else if (method == TBK_CAPTURE_STOP && best == TBK_CAPTURE_PAUSE)
        advise(arena, advice,
               "'method: auto' would pause the tracker, which then keeps its memory");
    if (!is_lost && forecast->remedy != NULL)
        advise(arena, advice, "%s", forecast->remedy);
    if (plan->free_bytes < plan->needed_bytes)
        advise(arena, advice, "a run would end with 22, not enough free space: make room for it");
    return advice;
}

static tbk_value *methods_value(tbk_arena *arena, const tbk_forecast *forecast)
{
    tbk_value *methods = tbk_value_list(arena);
    for (size_t i = 0; i < forecast->method_count; i++) {
        tbk_value *method = tbk_value_map(arena);
        tbk_value_set_string(arena, method, "method",
                             tbk_capture_method_name(forecast->methods[i].method));
        tbk_value_set_bool(arena, method, "possible", forecast->methods[i].possible);
        tbk_value_set_string(arena, method, "reason", forecast->methods[i].reason);
        tbk_value_append(arena, methods, method);
    }
    return methods;
}

/* null where nothing is held, so nothing was measured. */
static tbk_value *measured_value(tbk_arena *arena, const tbk_forecast *forecast)
{
    const tbk_disk_speed *speed = &forecast->speed;
    if (!tbk_forecast_holds(forecast->method))
        return tbk_value_null(arena);
    tbk_value *measured = tbk_value_map(arena);
    tbk_value_set_integer(arena, measured, "bytes", (int64_t)speed->copied_bytes);
    tbk_value_set_bool(arena, measured, "from_disk", speed->from_disk);
    tbk_value_set_bool(arena, measured, "to_disk", speed->to_disk);
    tbk_value_set_string(arena, measured, "not_measured", speed->not_measured);
    return measured;
}

tbk_value *tbk_backup_plan_to_value(tbk_arena *arena, const tbk_backup_plan_request *request,
                                    const tbk_backup_plan *plan)
{
    const tbk_forecast *forecast = &plan->forecast;
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_integer(arena, map, "schema", PLAN_SCHEMA);
    tbk_value_set(arena, map, "database", forecast->database);
    tbk_value_set(arena, map, "rungs", methods_value(arena, forecast));
    tbk_value_set_string(arena, map, "configured_method", plan->configured_method);
    tbk_value_set_string(arena, map, "method", tbk_capture_method_name(forecast->method));
    tbk_value_set(arena, map, "expected_held_ms",
                  forecast->expected_held_ms == TBK_FORECAST_HELD_UNKNOWN
                      ? tbk_value_null(arena)
                      : tbk_value_integer(arena, forecast->expected_held_ms));
    tbk_value_set_integer(arena, map, "copy_bytes", (int64_t)forecast->copy_bytes);
    tbk_value_set(arena, map, "copy_bytes_per_second",
                  forecast->speed.bytes_per_second == 0
                      ? tbk_value_null(arena)
                      : tbk_value_integer(arena, (int64_t)forecast->speed.bytes_per_second));
    tbk_value_set(arena, map, "measured", measured_value(arena, forecast));
    tbk_value_set_integer(arena, map, "free_bytes", (int64_t)plan->free_bytes);
    tbk_value_set_integer(arena, map, "needed_bytes", (int64_t)plan->needed_bytes);
    tbk_value_set(arena, map, "advice", advice_value(arena, request, plan));
    return map;
}
