/* SPDX-License-Identifier: MIT */
/*
 * What the service `outbound` remembers, `state.json` in its folder: for itself, for `status`, and
 * for what watches (`torrust_backup_offsite.prom`, for node_exporter). It holds no secret, and the
 * repository stays the truth: what is remembered of copies only saves looking at them again.
 */
#ifndef TBK_ENGINE_OFFSITE_STATE_H
#define TBK_ENGINE_OFFSITE_STATE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/value.h"
#include "domain/option_values.h"
#include "domain/proof.h"
#include "domain/settings.h"

/* A copy that was looked at: it is whole, or could not be read back. */
typedef struct tbk_offsite_known {
    const char *snapshot, *set;
    const char *damage; /* what was not as it was sent when it was read back; NULL: nothing */
    const char *lacks;  /* what was missing when it was looked at; NULL: it is whole. Looked at
                         * again after each check, since the look may have been wrong */
    tbk_profile profile;
    int64_t database_bytes, stored_bytes;
    tbk_proof_level level; /* the best that a drill has proved of it; none: it was seen only */
    int64_t level_s;       /* when */
} tbk_offsite_known;

/* A lock in the repository, and when it was first seen: by the machine's uptime. */
typedef struct tbk_offsite_seen {
    const char *id;
    int64_t uptime_s;
} tbk_offsite_seen;

/* Times are of the wall clock, 0: never. Texts live in the arena; NULL: nothing. */
typedef struct tbk_offsite_state {
    const char *repository; /* its own id; another one is an alarm */
    const char **hosts;     /* names of containers that wrote from this VM, NULL at the end; the
                             * locks that they left are ours */
    tbk_offsite_known *known;
    size_t known_count, known_room; /* so many fit in there; 0: it is another's */
    const tbk_offsite_seen *locks;  /* those that were there at the last look */
    size_t lock_count;
    int64_t attempt_s, success_s; /* of a synchronization; of one that did all that was due */
    int64_t exit_status;          /* of the last one, with its error */
    const char *error, *fix;
    const char *sending; /* a set whose upload was begun, and has not ended well */
    int64_t waiting;     /* sets that are to be sent yet */
    const char *newest;  /* the newest set that is there whole */
    int64_t newest_s;
    int64_t sent_s, sent_bytes; /* the last one: how long it took, what it added */
    int64_t check_s, check_good_s, check_part;
    const char *check_error;
    int64_t drill_s, drill_good_s;
    const char *drill_set, *drill_error;
    tbk_proof_level drill_level; /* how deep the last one went */
    const char *drill_shortfall; /* why not as deep as it was to */
    int64_t restored_s;          /* the last good one that restored a set */
    int64_t prune_s;
    int64_t accepted_s; /* an operator said that the database is as it should be */
    const char *brake;  /* why nothing is removed */
} tbk_offsite_state;

/* One that is missing is an empty one. Fails with TBK_E_CORRUPT, TBK_E_IO. */
bool tbk_offsite_state_read(tbk_arena *arena, const char *folder, tbk_offsite_state *out,
                            tbk_error *err) TBK_MUST_CHECK;
/* The same of what was read elsewhere. Text is borrowed from bytes. */
bool tbk_offsite_state_parse(tbk_arena *arena, const char *bytes, size_t length, const char *source,
                             tbk_offsite_state *out, tbk_error *err) TBK_MUST_CHECK;
/* Both files, whole. */
bool tbk_offsite_state_write(tbk_arena *arena, const char *folder, const tbk_offsite_state *state,
                             tbk_error *err) TBK_MUST_CHECK;
/* Adds the host unless it is there. */
void tbk_offsite_state_add_host(tbk_arena *arena, tbk_offsite_state *state, const char *host);
bool tbk_offsite_state_has_host(const tbk_offsite_state *state, const char *host);
/* In a time that does not grow with what is there. */
void tbk_offsite_state_add_known(tbk_arena *arena, tbk_offsite_state *state,
                                 const tbk_offsite_known *known);
bool tbk_offsite_known_is_whole(const tbk_offsite_known *known); /* NULL is not */
/* NULL: it was not looked at yet. */
const tbk_offsite_known *tbk_offsite_state_find(const tbk_offsite_state *state,
                                                const char *snapshot);
/* The whole copy of the set that the most was proved of; NULL: there is none. */
const tbk_offsite_known *tbk_offsite_state_find_set(const tbk_offsite_state *state,
                                                    const char *set);
/* A proof that holds is not replaced by a weaker one. */
void tbk_offsite_state_note_level(tbk_offsite_state *state, const char *snapshot,
                                  tbk_proof_level level, int64_t now_s);

#endif
