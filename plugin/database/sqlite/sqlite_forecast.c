/* SPDX-License-Identifier: MIT */
/* Tries what can be tried without a lock: the journal's mode, a clone, the disk's speed. */
#include "database/sqlite/sqlite_forecast.h"

#include "database/sqlite/sqlite.h"

#include <string.h>

/* A hold in which nothing is copied, docs/benchmarks.md, rounded up. */
#define PAUSE_MS 350
#define STOP_MS 950

static tbk_value *facts_value(tbk_arena *arena, const char *path, const tbk_sqlite_facts *facts)
{
    tbk_value *database = tbk_value_map(arena);
    tbk_value_set_string(arena, database, "path", path);
    tbk_value_set_integer(arena, database, "bytes", (int64_t)facts->size_bytes);
    tbk_value_set_integer(arena, database, "page_size_bytes", facts->page_size_bytes);
    tbk_value_set_string(arena, database, "journal_mode", facts->wal ? "wal" : "delete");
    return database;
}

static void look_at_methods(tbk_arena *arena, const char *path, bool wal,
                            const tbk_forecast_request *request, tbk_forecast *out)
{
    tbk_error why = {.code = TBK_E_OK};
    tbk_forecast_add(out, TBK_CAPTURE_HOT, wal ? NULL : "the database is not in WAL mode");
    if (wal)
        (void)tbk_fail(&why, TBK_E_UNSUPPORTED, NULL, "the database is in WAL mode: hot is better");
    bool clones = !wal && tbk_sqlite_can_reflink(path, request->folder, &why);
    tbk_forecast_add(out, TBK_CAPTURE_REFLINK, clones ? NULL : tbk_arena_copy(arena, why.message));
    if (request->holds_nothing)
        return;
    if (request->environment == NULL) {
        tbk_forecast_add(out, TBK_CAPTURE_LOCKED, NULL);
        return;
    }
    tbk_forecast_add(out, TBK_CAPTURE_PAUSE, NULL);
    tbk_forecast_add(out, TBK_CAPTURE_STOP, NULL);
}

static const char *remedy_for(tbk_arena *arena, const tbk_forecast_request *request,
                              const tbk_forecast *forecast)
{
    const tbk_capture_method best = tbk_forecast_best(forecast);
    const char *name = request->environment;
    if (request->holds_nothing && tbk_forecast_why_not(forecast, best) != NULL)
        return tbk_arena_format(arena,
                                "torrust-backup configure %s --mode window, without 'hold: never', "
                                "then run %s --journal-mode wal, then configure %s as it was",
                                name, name, name);
    if (tbk_forecast_holds(best))
        return tbk_arena_format(arena,
                                "with the database in WAL mode nothing is held; change it once: "
                                "torrust-backup run %s --journal-mode wal",
                                name);
    return NULL;
}

static bool expect_hold(const char *path, const tbk_forecast_request *request, tbk_forecast *out,
                        tbk_error *err)
{
    out->expected_held_ms = 0;
    if (!tbk_forecast_holds(out->method))
        return true;
    if (!tbk_disk_speed_measure(path, request->folder, out->copy_bytes, request->report,
                                &out->speed, err))
        return false;
    bool pauses = out->method == TBK_CAPTURE_PAUSE;
    out->expected_held_ms = TBK_FORECAST_HELD_UNKNOWN;
    if (out->speed.bytes_per_second > 0)
        out->expected_held_ms =
            (int64_t)((double)out->copy_bytes * 1000 / (double)out->speed.bytes_per_second) +
            (pauses ? PAUSE_MS : STOP_MS);
    return true;
}

/* A stream and a clone take no room of their own. */
static bool stages_copy(tbk_capture_method method)
{
    return method != TBK_CAPTURE_HOT && method != TBK_CAPTURE_REFLINK;
}

bool tbk_sqlite_forecast(tbk_arena *arena, const char *path, const tbk_forecast_request *request,
                         tbk_forecast *out, tbk_error *err)
{
    tbk_sqlite_facts facts;
    *out = (tbk_forecast){0};
    if (!tbk_sqlite_inspect(path, &facts, err) || !tbk_sqlite_size(path, &out->copy_bytes, err))
        return false;
    out->database = facts_value(arena, path, &facts);
    look_at_methods(arena, path, facts.wal, request, out);
    out->method = request->method == TBK_METHOD_AUTO ? tbk_forecast_best(out)
                                                     : tbk_capture_method_of(request->method);
    out->stages_copy = stages_copy(out->method);
    out->remedy = remedy_for(arena, request, out);
    return expect_hold(path, request, out, err);
}
