/* SPDX-License-Identifier: MIT */
/* Shared by the parts of off-site work (engine/offsite.h); for them only. */
#ifndef TBK_ENGINE_OFFSITE_INTERNAL_H
#define TBK_ENGINE_OFFSITE_INTERNAL_H

#include "domain/manifest.h"
#include "domain/offsite_policy.h"
#include "domain/retention.h"
#include "engine/offsite.h"
#include "engine/offsite_state.h"
#include "store/store.h"

#define OFFSITE_MANIFEST_BYTES_MAX (16u << 20)
#define TBK_OFFSITE_BYTES_TAG "bytes-" /* of the database, before the number */

typedef struct offsite_work {
    tbk_arena *arena;
    const tbk_offsite_request *request;
    const tbk_offsite_settings *settings;
    const tbk_repository *repository;
    const tbk_report *report;
    tbk_offsite_state state;
    int lock;                  /* of our folder */
    tbk_snapshot *snapshots;   /* of all names */
    const char *gap;           /* NULL, or why there may be more of them */
    tbk_offsite_copies copies; /* those of our name */
    size_t store_sets;         /* of ours, in the store */
    const char **left;         /* sets of the store that could not be sent, the newest first */
    size_t left_count;
    bool is_shared;     /* another deployment has our name */
    tbk_error left_why; /* of the first of them */
} offsite_work;

/* Takes the folder's lock, tidies up after a drill that was killed, and reads the state. Fails with
 * TBK_E_LOCKED. */
bool offsite_begin(offsite_work *work, tbk_arena *arena, const tbk_offsite_request *request,
                   tbk_error *err) TBK_MUST_CHECK;
void offsite_end(offsite_work *work);
/* A short work is waited for; an upload is not. */
#define OFFSITE_LOCK_WAIT_MS 30000
/* Waits for the lock of an open file or folder, and hears a signal. Fails with TBK_E_LOCKED, in the
 * words of `holder` and `fix`. */
bool offsite_lock(int fd, int64_t limit_ms, const tbk_report *report, const char *holder,
                  const char *fix, tbk_error *err) TBK_MUST_CHECK;
#define auto_offsite_work __attribute__((cleanup(offsite_end))) offsite_work
bool offsite_save(offsite_work *work, tbk_error *err) TBK_MUST_CHECK;

/* Whether it answers, is there and takes the password: within a limit, unlike all else that is
 * asked of an address that is wrong. */
bool offsite_reach(const tbk_repository *repository, tbk_arena *arena, bool was_there,
                   const char **out_id, tbk_error *err) TBK_MUST_CHECK;
/* Proves that it is the repository of before, and tells it apart from another one. */
bool offsite_identify(offsite_work *work, tbk_error *err) TBK_MUST_CHECK;
/* Removes what locks this VM has left, and those of others that nobody holds any more. */
bool offsite_tidy_locks(offsite_work *work, tbk_error *err) TBK_MUST_CHECK;

/* The copies that were there at the last look, those that are whole. */
void offsite_recall(offsite_work *work);
/* Lists the snapshots, and looks at each of our name that was not looked at yet. */
bool offsite_look(offsite_work *work, tbk_error *err) TBK_MUST_CHECK;
/* Fails with TBK_E_UNPROVED where not all snapshots could be looked at: what is missed may be
 * there. */
bool offsite_judge_gap(const char *gap, tbk_error *err) TBK_MUST_CHECK;
/* A part of the copies: those that are not from the future. */
tbk_offsite_copies offsite_past_copies(const offsite_work *work);
/* Of those; NULL: there is none. */
const tbk_snapshot *offsite_newest_whole(const offsite_work *work);
/* Whether all files of the set are in the snapshot, in the sizes that its manifest says.
 * *out_reason is NULL, or what is not as it should be. The manifest lives in the arena. */
bool offsite_examine(tbk_arena *arena, const tbk_repository *repository,
                     const tbk_snapshot *snapshot, tbk_manifest *out_manifest,
                     const char **out_reason, tbk_error *err) TBK_MUST_CHECK;
/* Reads the files of a copy back and compares every byte. *out_reason as above. */
bool offsite_read_back(offsite_work *work, const tbk_snapshot *snapshot,
                       const tbk_manifest *manifest, const char **out_reason,
                       tbk_error *err) TBK_MUST_CHECK;

/* identify, tidy_locks, look. */
bool offsite_look_there(offsite_work *work, tbk_error *err) TBK_MUST_CHECK;

/* Whether a drill that cannot restore here, as there is no room, reads the copy back instead: of
 * itself it does; whoever asks for one is told. */
typedef enum offsite_manner { OFFSITE_AS_POSSIBLE, OFFSITE_AS_ASKED } offsite_manner;

/* One part of the data; a newest set. Each notes in the state how it was. Fails with
 * TBK_E_UNPROVED; where it could not be looked at, with its error, and nothing is noted. */
bool offsite_check(offsite_work *work, tbk_error *err) TBK_MUST_CHECK;
bool offsite_drill(offsite_work *work, offsite_manner manner, tbk_error *err) TBK_MUST_CHECK;
/* Whatever was known to be whole may not be any more; what is known to be damaged is. */
void offsite_doubt_all(tbk_offsite_state *state);
/* Removes what a drill has restored, also one that was killed. */
void offsite_tidy_drill(const offsite_work *work);
/* Whether the files of the snapshot, without those that are in the folder already, and so many
 * bytes besides fit into the folder's file system. Fails with TBK_E_SPACE. */
bool offsite_check_room(tbk_arena *arena, const tbk_offsite_request *request,
                        const tbk_snapshot *snapshot, const char *folder, uint64_t more_bytes,
                        tbk_error *err) TBK_MUST_CHECK;
/* By the last of each. */
bool offsite_judge_check(const tbk_offsite_state *state, tbk_error *err) TBK_MUST_CHECK;
bool offsite_judge_drill(const tbk_offsite_state *state, tbk_error *err) TBK_MUST_CHECK;
const tbk_snapshot *offsite_find_snapshot(const offsite_work *work, const char *id);
/* By its tags; what comes after the prefix in the first that has it, NULL: none has. */
const char *offsite_tag_after(const tbk_snapshot *snapshot, const char *prefix);
tbk_profile offsite_profile_of(const tbk_snapshot *snapshot);
uint64_t offsite_bytes_of(const tbk_snapshot *snapshot);

/* --- offsite_sharing.c --- */

/* What its copy is told by from that of another set with the same id. */
bool offsite_manifest_tag(tbk_arena *arena, const tbk_stored_set *set, const char **out,
                          tbk_error *err) TBK_MUST_CHECK;
/* Fails with TBK_E_CONFIG where the copy under our name is of another set than ours of the same id.
 */
bool offsite_judge_sharing(const offsite_work *work, const tbk_stored_set *set,
                           tbk_error *err) TBK_MUST_CHECK;

/* --- offsite_removal.c --- */

/* What retention drops, unless there is a reason to keep all. Fails with TBK_E_PARTIAL, too. */
bool offsite_remove_old(offsite_work *work, tbk_error *err) TBK_MUST_CHECK;
/* The same for the next try, where the repository is full: without a good copy before it, but
 * never the newest whole one. */
void offsite_make_room(offsite_work *work);

/* What is fetched is removed after some days. */
void offsite_tidy_incoming(const offsite_work *work);

#endif
