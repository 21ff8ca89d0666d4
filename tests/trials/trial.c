/* SPDX-License-Identifier: MIT */
/* One trial: whatever is not as it must be makes it wrong; that the product gave up does not. */
#include "trials/trial.h"

#include "database/sqlite/sqlite_internal.h"

#define TRIES 3 /* as the product */
#define FIRST_TRANSACTIONS 20
#define FURTHER_TRANSACTIONS 10
#define WARM_UP_MS 100

static bool copy_is_right(const capture *copied, const scene *of, tbk_error *err)
{
    static const char *const suffixes[] = {"-journal", "-wal"};
    for (size_t i = 0; i < 2; i++) {
        uint64_t size_bytes;
        if (!tbk_sqlite_companion_size(copied->copy, suffixes[i], &size_bytes, err))
            return false;
        if (size_bytes > 0)
            return tbk_fail(err, TBK_E_CORRUPT, NULL, "the copy has a file '%s'", suffixes[i]);
    }
    int64_t counter;
    if (!history_verify(&of->history, copied->copy, &counter, err))
        return tbk_error_context(err, "the copy");
    return (counter >= copied->from && counter <= copied->to) ||
           tbk_fail(err, TBK_E_CORRUPT, NULL,
                    "the copy is at transaction %lld, not from %lld to %lld", (long long)counter,
                    (long long)copied->from, (long long)copied->to);
}

/* Broken ways are tried once: to be refused is a success of the product's own checks. */
static bool take(const method *by, capture *copied, outcome *out)
{
    int most = by->variant == NULL ? TRIES : 1;
    do {
        scene_remove(copied->copy);
        out->tries++;
        if (by->take(copied, &out->why))
            return true;
    } while (out->why.code == TBK_E_BUSY && out->tries < most);
    out->verdict = out->why.code == TBK_E_CORRUPT ? WRONG : GAVE_UP;
    return false;
}

static bool warm_up(const scene *of, load *running, tbk_error *err)
{
    if (!load_await(running, FIRST_TRANSACTIONS, err))
        return false;
    load_sleep_us((int64_t)(of->history.branch % (WARM_UP_MS * 1000)));
    return !of->starts_idle || load_make_idle(running, err);
}

static bool original_is_right(const scene *of, load *running, tbk_error *err)
{
    return load_await(running, FURTHER_TRANSACTIONS, err) && load_stop(running, err) &&
           scene_verify(of, load_committed(running), err);
}

static void play(const method *by, const scene *of, load *running, capture *copied, outcome *out)
{
    tbk_error err;
    bool taken = take(by, copied, out);
    load_wake(running);
    if (original_is_right(of, running, &err) && (!taken || copy_is_right(copied, of, &err)))
        return;
    out->verdict = WRONG;
    out->why = err;
}

void trial_run(const stage *on, const method *by, uint64_t number, outcome *out)
{
    /* Both journal modes by turns, each with every kind of scene. */
    bool wal = by->wal && (!by->rollback_journal || number / 2 % 2 == 0);
    tbk_auto(load) *running = NULL;
    scene of;
    *out = (outcome){.verdict = WRONG};
    bool ready = scene_set(on, number, by->variant != NULL, wal, &of, &out->why) &&
                 load_start(&of.load, &running, &out->why) && warm_up(&of, running, &out->why);
    out->kind = of.kind;
    if (!ready)
        return;
    capture copied = {.database = of.database,
                      .copy = of.copy,
                      .scratch = on->folder,
                      .load = running,
                      .seed = of.history.branch,
                      .reading_ms = of.reading_ms,
                      .wakes_writers = of.starts_idle};
    out->verdict = RIGHT;
    play(by, &of, running, &copied, out);
    scene_remove(of.copy);
}
