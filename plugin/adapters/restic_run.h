/* SPDX-License-Identifier: MIT */
/* How restic is run: its arguments, its environment, its end. Only adapters/restic*.c need this. */
#ifndef TBK_ADAPTERS_RESTIC_RUN_H
#define TBK_ADAPTERS_RESTIC_RUN_H

#include "adapters/restic_answers.h"
#include "adapters/restic_settings.h"
#include "adapters/restic_words.h"

struct tbk_restic {
    tbk_arena *arena;
    tbk_restic_settings settings;
    const char *const *environment;
    const char *sftp_arguments; /* "sftp.args=..."; NULL: it is no sftp */
};

typedef struct tbk_restic_call {
    const char *what;         /* for people: "cannot list the snapshots" */
    const char *const *words; /* the command and its arguments, NULL at the end */
    const char *folder;       /* to run in; NULL = ours */
    const char *phase;        /* of what it says meanwhile */
    uint32_t limit_s;         /* 0 = none: as long as something moves */
    bool locks;               /* it takes a lock, and needs time to remove it when it is stopped */
    bool is_cleanup;          /* runs although all else was cancelled */
    bool (*on_output)(void *self, const char *bytes, size_t length, tbk_error *err); /* or NULL */
    void *on_output_self;
} tbk_restic_call;

/* What the settings make of it; fails with TBK_E_CONFIG. */
bool tbk_restic_prepare(const tbk_restic_settings *settings, tbk_restic *it,
                        tbk_error *err) TBK_MUST_CHECK;

/* Runs it to its end; *words and *out_status tell how it ended. Fails where it was stopped. */
bool tbk_restic_run(const tbk_restic *it, const tbk_restic_call *call, tbk_restic_words *words,
                    int *out_status, tbk_error *err) TBK_MUST_CHECK;
/* Fails about a run that ended with this status. Always false. */
bool tbk_restic_fail(const tbk_restic *it, const tbk_restic_call *call,
                     const tbk_restic_words *words, int status, tbk_error *err);
/* Both: anything but 0 is a failure. */
bool tbk_restic_do(const tbk_restic *it, const tbk_restic_call *call,
                   tbk_error *err) TBK_MUST_CHECK;

/* The same, where the output is objects; sets on_output. */
bool tbk_restic_do_objects(const tbk_restic *it, tbk_restic_call *call, tbk_restic_objects *objects,
                           tbk_error *err) TBK_MUST_CHECK;
/* For on_output, with the objects as its self. */
bool tbk_restic_take_objects(void *objects, const char *bytes, size_t length, tbk_error *err);

#define TBK_RESTIC_NO_LOCK "--no-lock"
#define TBK_RESTIC_LOOK_LIMIT_S 900 /* for what moves little; it retries for about as long */

#endif
