/* SPDX-License-Identifier: MIT */
/* Looks at database, store and disk before anything is held, and says what a run would do. */
#include "engine/plan.h"

#include "database/sqlite.h"
#include "engine/room.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define PLAN_SCHEMA 1
/* A hold in which nothing is copied, docs/benchmarks.md, rounded up. */
#define PAUSE_MS 350
#define STOP_MS 950

static bool is_method(const char *method, tbk_method which)
{
    return strcmp(method, tbk_method_name(which)) == 0;
}

static bool holds(const char *method)
{
    return is_method(method, TBK_METHOD_PAUSE) || is_method(method, TBK_METHOD_STOP);
}

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

static bool look_at_room(const char *folder, tbk_plan *out, tbk_error *err)
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

/* A stream and a clone take no room of their own. */
static bool look_at_store(tbk_arena *arena, const tbk_plan_request *request, const char *folder,
                          tbk_plan *out, tbk_error *err)
{
    tbk_stored_set *earlier;
    if (!look_at_room(folder, out, err) || !read_sets(arena, request->store, &earlier, err))
        return false;
    tbk_room room = tbk_room_expect(earlier, request->profile, out->copy_bytes);
    bool copies =
        !is_method(out->method, TBK_METHOD_HOT) && !is_method(out->method, TBK_METHOD_REFLINK);
    out->needed_bytes = tbk_room_needed_bytes(&room, copies, request->restores);
    return true;
}

/* --- the ladder --- */

static void add_rung(tbk_plan *out, const char *method, bool possible, const char *reason)
{
    out->rungs[out->rung_count++] =
        (tbk_plan_rung){.method = method, .possible = possible, .reason = reason};
}

static void look_at_rungs(tbk_arena *arena, const tbk_plan_request *request, const char *folder,
                          tbk_plan *out)
{
    tbk_error why = {.code = TBK_E_OK};
    bool wal = out->facts.wal;
    add_rung(out, tbk_method_name(TBK_METHOD_HOT), wal,
             wal ? "" : "the database is not in WAL mode");
    if (wal)
        (void)tbk_fail(&why, TBK_E_UNSUPPORTED, NULL, "the database is in WAL mode: hot is better");
    bool clones = !wal && tbk_sqlite_can_reflink(request->database_path, folder, &why);
    add_rung(out, tbk_method_name(TBK_METHOD_REFLINK), clones,
             clones ? "" : tbk_arena_copy(arena, why.message));
    if (request->holds_nothing)
        return;
    if (request->environment == NULL) {
        add_rung(out, "locked", true, "");
        return;
    }
    add_rung(out, tbk_method_name(TBK_METHOD_PAUSE), true, "");
    add_rung(out, tbk_method_name(TBK_METHOD_STOP), true, "");
}

/* What `auto` takes; the last rung is always possible, but for the sidecar. */
static const char *best_method(const tbk_plan *plan)
{
    size_t i = 0;
    while (i + 1 < plan->rung_count && !plan->rungs[i].possible)
        i++;
    return plan->rungs[i].method;
}

/* --- the hold --- */

static bool expect_hold(const tbk_plan_request *request, const char *folder,
                        const tbk_report *report, tbk_plan *out, tbk_error *err)
{
    out->expected_held_ms = 0;
    if (!holds(out->method))
        return true;
    if (!tbk_disk_speed_measure(request->database_path, folder, out->copy_bytes, report,
                                &out->speed, err))
        return false;
    out->expected_held_ms = TBK_PLAN_HELD_UNKNOWN;
    if (out->speed.bytes_per_second > 0)
        out->expected_held_ms =
            (int64_t)((double)out->copy_bytes * 1000 / (double)out->speed.bytes_per_second) +
            (is_method(out->method, TBK_METHOD_PAUSE) ? PAUSE_MS : STOP_MS);
    return true;
}

bool tbk_plan_make(tbk_arena *arena, const tbk_plan_request *request, const tbk_report *report,
                   tbk_plan *out, tbk_error *err)
{
    tbk_plan plan = {.database_path = request->database_path};
    const char *folder = nearest_folder(arena, request->store);
    if (!tbk_sqlite_inspect(request->database_path, &plan.facts, err) ||
        !tbk_sqlite_size(request->database_path, &plan.copy_bytes, err))
        return false;
    look_at_rungs(arena, request, folder, &plan);
    plan.configured_method = tbk_method_name(request->method);
    plan.method = request->method == TBK_METHOD_AUTO ? best_method(&plan) : plan.configured_method;
    if (!look_at_store(arena, request, folder, &plan, err) ||
        !expect_hold(request, folder, report, &plan, err))
        return false;
    *out = plan;
    return true;
}

/* --- as a document --- */

/* Why the method would fail; NULL when it would not. */
static const char *why_impossible(const tbk_plan *plan, const char *method)
{
    for (size_t i = 0; i < plan->rung_count; i++)
        if (!plan->rungs[i].possible && strcmp(plan->rungs[i].method, method) == 0)
            return plan->rungs[i].reason;
    return NULL;
}

static void TBK_PRINTF(3, 4) advise(tbk_arena *arena, tbk_value *advice, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tbk_value_append(arena, advice,
                     tbk_value_string(arena, tbk_arena_vformat(arena, format, arguments)));
    va_end(arguments);
}

static tbk_value *advice_value(tbk_arena *arena, const tbk_plan_request *request,
                               const tbk_plan *plan)
{
    tbk_value *advice = tbk_value_list(arena);
    const char *best = best_method(plan);
    const char *why = why_impossible(plan, plan->method);
    if (request->holds_nothing && why_impossible(plan, best) != NULL)
        advise(arena, advice,
               "no backup of this database is possible without a hold: torrust-backup configure "
               "%s --mode window, without 'hold: never', then run %s --journal-mode wal, then "
               "configure %s as it was",
               request->environment, request->environment, request->environment);
    else if (why != NULL)
        advise(arena, advice, "the method '%s' would fail: %s; 'method: auto' would take '%s'",
               plan->method, why, best);
    else if (holds(plan->method) && !holds(best))
        advise(arena, advice, "'method: auto' would take '%s', which holds nothing", best);
    else if (is_method(plan->method, TBK_METHOD_STOP))
        advise(arena, advice,
               "'method: auto' would pause the tracker, which then keeps its memory");
    if (holds(best))
        advise(arena, advice,
               "with the database in WAL mode nothing is held; change it once: "
               "torrust-backup run %s --journal-mode wal",
               request->environment);
    if (plan->free_bytes < plan->needed_bytes)
        advise(arena, advice, "a run would end with 22, not enough free space: make room for it");
    return advice;
}

static tbk_value *database_value(tbk_arena *arena, const tbk_plan *plan)
{
    tbk_value *database = tbk_value_map(arena);
    tbk_value_set_string(arena, database, "path", plan->database_path);
    tbk_value_set_integer(arena, database, "bytes", (int64_t)plan->facts.size_bytes);
    tbk_value_set_integer(arena, database, "page_size_bytes", plan->facts.page_size_bytes);
    tbk_value_set_string(arena, database, "journal_mode", plan->facts.wal ? "wal" : "delete");
    return database;
}

static tbk_value *rungs_value(tbk_arena *arena, const tbk_plan *plan)
{
    tbk_value *rungs = tbk_value_list(arena);
    for (size_t i = 0; i < plan->rung_count; i++) {
        tbk_value *rung = tbk_value_map(arena);
        tbk_value_set_string(arena, rung, "method", plan->rungs[i].method);
        tbk_value_set_bool(arena, rung, "possible", plan->rungs[i].possible);
        tbk_value_set_string(arena, rung, "reason", plan->rungs[i].reason);
        tbk_value_append(arena, rungs, rung);
    }
    return rungs;
}

/* null where nothing is held, so nothing was measured. */
static tbk_value *measured_value(tbk_arena *arena, const tbk_plan *plan)
{
    const tbk_disk_speed *speed = &plan->speed;
    if (!holds(plan->method))
        return tbk_value_null(arena);
    tbk_value *measured = tbk_value_map(arena);
    tbk_value_set_integer(arena, measured, "bytes", (int64_t)speed->copied_bytes);
    tbk_value_set_bool(arena, measured, "from_disk", speed->from_disk);
    tbk_value_set_bool(arena, measured, "to_disk", speed->to_disk);
    tbk_value_set_string(arena, measured, "not_measured", speed->not_measured);
    return measured;
}

tbk_value *tbk_plan_to_value(tbk_arena *arena, const tbk_plan_request *request,
                             const tbk_plan *plan)
{
    tbk_value *map = tbk_value_map(arena);
    tbk_value_set_integer(arena, map, "schema", PLAN_SCHEMA);
    tbk_value_set(arena, map, "database", database_value(arena, plan));
    tbk_value_set(arena, map, "rungs", rungs_value(arena, plan));
    tbk_value_set_string(arena, map, "configured_method", plan->configured_method);
    tbk_value_set_string(arena, map, "method", plan->method);
    tbk_value_set(arena, map, "expected_held_ms",
                  plan->expected_held_ms == TBK_PLAN_HELD_UNKNOWN
                      ? tbk_value_null(arena)
                      : tbk_value_integer(arena, plan->expected_held_ms));
    tbk_value_set_integer(arena, map, "copy_bytes", (int64_t)plan->copy_bytes);
    tbk_value_set(arena, map, "copy_bytes_per_second",
                  plan->speed.bytes_per_second == 0
                      ? tbk_value_null(arena)
                      : tbk_value_integer(arena, (int64_t)plan->speed.bytes_per_second));
    tbk_value_set(arena, map, "measured", measured_value(arena, plan));
    tbk_value_set_integer(arena, map, "free_bytes", (int64_t)plan->free_bytes);
    tbk_value_set_integer(arena, map, "needed_bytes", (int64_t)plan->needed_bytes);
    tbk_value_set(arena, map, "advice", advice_value(arena, request, plan));
    return map;
}
