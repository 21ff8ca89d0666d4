/* SPDX-License-Identifier: MIT */
/*
 * The store: a directory with one directory a backup set, named by its time in UTC.
 *
 * A set is built under a dot name, synced, renamed, the store synced: it exists whole or not at
 * all.
 * `.state/` in it holds the lock, the record of the last run and the metrics. One lock excludes
 * every run from every other, however it was started.
 */
#ifndef TBK_STORE_STORE_H
#define TBK_STORE_STORE_H

#include "base/arena.h"
#include "domain/manifest.h"
#include "domain/origin.h"
#include "domain/proof.h"
#include "domain/retention.h"
#include "ports/report.h"

typedef struct tbk_store tbk_store;
typedef struct tbk_set tbk_set; /* one set that is open: store/set.h */

typedef enum tbk_store_access {
    TBK_STORE_READ,  /* no lock */
    TBK_STORE_WRITE, /* takes the lock, removes what a killed run left */
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
    const char *damage;           /* NULL, or what is wrong with it: a manifest that cannot be read,
                                   * a file that is gone or has another size */
    bool is_unread;               /* damage only tells why it could not be looked at */
    const char *stranger;         /* NULL, or the name of a file in it that is not ours */
    const tbk_manifest *manifest; /* NULL where it cannot be read */
    tbk_proof proof;              /* level none where there is no proof.json */
    struct tbk_stored_set *next;
} tbk_stored_set;

/* All published sets, the newest first; *out is NULL when there is none. */
bool tbk_store_list(const tbk_store *store, tbk_arena *arena, tbk_stored_set **out,
                    tbk_error *err) TBK_MUST_CHECK;
/* Which set is wanted. */
typedef struct tbk_set_choice {
    const char *id;           /* "latest" or NULL: the newest that can be used */
    const tbk_origin *origin; /* whose the latest is to be; NULL: that of the only database there */
    int64_t now_s;            /* what is later is from the future, and never the latest */
} tbk_set_choice;

/* One set. The latest is not damaged, not from the future, and of the origin. Fails with
 * TBK_E_NOT_FOUND; TBK_E_USAGE when there are several databases and no telling which is meant;
 * TBK_E_CORRUPT, it is damaged; TBK_E_IO, it could not be looked at. */
bool tbk_store_find(const tbk_store *store, tbk_arena *arena, const tbk_set_choice *choice,
                    tbk_stored_set **out, tbk_error *err) TBK_MUST_CHECK;
/* Whether all that the manifest names is there, and no clock was wrong. */
bool tbk_stored_set_is_usable(const tbk_stored_set *set, int64_t now_s);
/* What a set can be compared with: sets of one database and one profile. */
typedef struct tbk_set_kind {
    const tbk_origin *origin; /* NULL: of any database */
    tbk_profile profile;
    int64_t now_s;
} tbk_set_kind;

/* Whether it can be used, and is one of those. */
bool tbk_stored_set_is_of(const tbk_stored_set *set, const tbk_set_kind *kind);
/* The first such one from set on; NULL: there is none. */
const tbk_stored_set *tbk_stored_set_first_of(const tbk_stored_set *set, const tbk_set_kind *kind);
/* Whether it is ours to remove: it has our manifest, and no foreign file in it. */
bool tbk_stored_set_is_ours(const tbk_stored_set *set);

/* Opens the set of that id. Errors: TBK_E_NOT_FOUND, it is gone; TBK_E_IO. */
bool tbk_store_open_set(const tbk_store *store, const char *id, tbk_set **out,
                        tbk_error *err) TBK_MUST_CHECK;
/* Whether something of that id is there now. */
bool tbk_store_has(const tbk_store *store, const char *id);

/* Makes the dot directory for a new set (mode 0700 until published, 0750 then), and opens it. If a
 * set of this second exists already, the id is one second later. */
bool tbk_store_begin(tbk_store *store, tbk_arena *arena, int64_t now_s, const char **out_id,
                     tbk_set **out, tbk_error *err) TBK_MUST_CHECK;
/* Syncs every file and the directory, renames, syncs the store. */
bool tbk_store_publish(tbk_store *store, const char *id, tbk_error *err) TBK_MUST_CHECK;
/* Removes the unpublished set; also called by close when publish was not reached. */
void tbk_store_abandon(tbk_store *store, const char *id);
/* Renames to a dot name first, so that half a removed set is never listed. What is not ours is left
 * alone: TBK_E_CORRUPT. */
bool tbk_store_remove(tbk_store *store, const char *id, tbk_error *err) TBK_MUST_CHECK;

/* A scratch directory below the store for proofs; removed at the next locked open, if not before.
 */
bool tbk_store_scratch(tbk_store *store, tbk_arena *arena, const char **out_path,
                       tbk_error *err) TBK_MUST_CHECK;

/* Whether the store's file system does what a set needs: files are synced, renamed and locked,
 * folders are renamed.
 * Looked at before the tracker is held. What it cannot do but is harmless (sync a folder, set
 * modes) is logged as a warning. Fails with TBK_E_IO, TBK_E_SPACE, and how to fix it. */
bool tbk_store_probe(tbk_store *store, const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;

/* Reads `.state/<name>` into the arena; *out_bytes is NULL when it is missing. */
bool tbk_store_read_state(const tbk_store *store, tbk_arena *arena, const char *name,
                          char **out_bytes, size_t *out_length, tbk_error *err) TBK_MUST_CHECK;
/* Publishes `.state/<name>` whole, for the store's owner and group. */
bool tbk_store_write_state(const tbk_store *store, const char *name, const char *text,
                           size_t length, tbk_error *err) TBK_MUST_CHECK;
/* The same, readable by every user, such as node_exporter's. It may hold no secret. Its folders can
 * then be passed, not listed. */
bool tbk_store_write_public_state(const tbk_store *store, const char *name, const char *text,
                                  size_t length, tbk_error *err) TBK_MUST_CHECK;

#endif
