/* SPDX-License-Identifier: MIT */
/*
 * The store: a directory with one directory a backup set, named by its time in UTC.
 *
 * A set is built under a dot name, synced, renamed, the store synced: it exists whole or not at
 * all.
 * `.state/` in it holds the lock, the record of the last run and the metrics. One lock excludes
 * every run from every other, however it was started.
 */
#ifndef TBK_ENGINE_STORE_H
#define TBK_ENGINE_STORE_H

#include "base/arena.h"
#include "domain/manifest.h"
#include "domain/retention.h"

typedef struct tbk_store tbk_store;

typedef enum tbk_store_access {
    TBK_STORE_READ,  /* no lock */
    TBK_STORE_WRITE, /* takes the lock, removes what a killed run left behind */
    TBK_STORE_CREATE /* as WRITE, and makes the store when it is missing (by hand) */
} tbk_store_access;

/* Fails with TBK_E_NOT_FOUND (no store), TBK_E_LOCKED, TBK_E_IO. */
bool tbk_store_open(const char *path, tbk_store_access access, tbk_store **out,
                    tbk_error *err) TBK_MUST_CHECK;
void tbk_store_close(tbk_store *store);
TBK_AUTO_POINTER(tbk_store, tbk_store_close);

const char *tbk_store_path(const tbk_store *store);
bool tbk_store_free_bytes(const tbk_store *store, uint64_t *out, tbk_error *err) TBK_MUST_CHECK;

typedef struct tbk_stored_set {
    const char *id;
    int64_t time_s;
    const char *path;             /* absolute */
    const char *damage;           /* NULL, or why the manifest cannot be read */
    bool is_unread;               /* that is this machine's fault, and says nothing of the set */
    const tbk_manifest *manifest; /* NULL when damaged */
    tbk_proof proof;              /* level none where there is no proof.json */
    struct tbk_stored_set *next;
} tbk_stored_set;

/* All published sets, the newest first; *out is NULL when there is none. */
bool tbk_store_list(const tbk_store *store, tbk_arena *arena, tbk_stored_set **out,
                    tbk_error *err) TBK_MUST_CHECK;
/* One set; id "latest" or NULL is the newest. Fails with TBK_E_NOT_FOUND, TBK_E_CORRUPT. */
bool tbk_store_find(const tbk_store *store, tbk_arena *arena, const char *id, tbk_stored_set **out,
                    tbk_error *err) TBK_MUST_CHECK;

/* Makes the dot directory for a new set (mode 0700 until published, 0750 then) and gives its path.
 * If a set of this second exists already, the id is one second later. */
bool tbk_store_begin(tbk_store *store, tbk_arena *arena, int64_t now_s, const char **out_id,
                     const char **out_path, tbk_error *err) TBK_MUST_CHECK;
/* Syncs every file and the directory, renames, syncs the store. */
bool tbk_store_publish(tbk_store *store, const char *id, tbk_error *err) TBK_MUST_CHECK;
/* Removes the unpublished set; also called by close when publish was not reached. */
void tbk_store_abandon(tbk_store *store, const char *id);
/* Renames to a dot name first, so that half a removed set is never listed. */
bool tbk_store_remove(tbk_store *store, const char *id, tbk_error *err) TBK_MUST_CHECK;

/* A scratch directory below the store for proofs; removed at the next locked open, if not before.
 */
bool tbk_store_scratch(tbk_store *store, tbk_arena *arena, const char **out_path,
                       tbk_error *err) TBK_MUST_CHECK;

/* Publishes `.state/<name>` whole. */
bool tbk_store_write_state(const tbk_store *store, const char *name, const char *text,
                           size_t length, tbk_error *err) TBK_MUST_CHECK;

#endif
