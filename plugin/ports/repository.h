/* SPDX-License-Identifier: MIT */
/*
 * The repository port: where backup sets go off-site, as snapshots of their folders.
 *
 * A snapshot holds one set, as the folder /ID with the set's files. Reading (id, list, files, read,
 * restore, check, locks) takes no lock: what a dead machine left behind must not stand in the way
 * of its restore.
 * Adapter: adapters/restic.h.
 *
 * Errors of all: TBK_E_NOT_FOUND, there is no repository (or no such snapshot); TBK_E_KEY, the
 * password or the credentials are refused; TBK_E_LOCKED, another process has the repository;
 * TBK_E_SPACE; TBK_E_NETWORK, it does not answer, or the connection broke; TBK_E_CORRUPT, what is
 * stored is damaged; TBK_E_UNSUPPORTED; TBK_E_INTERRUPTED; TBK_E_FAILED for the rest. The message
 * ends with the program's own words.
 */
#ifndef TBK_PORTS_REPOSITORY_H
#define TBK_PORTS_REPOSITORY_H

#include "base/arena.h"
#include "base/digest.h"
#include "base/error.h"

#include <stdint.h>

typedef struct tbk_snapshot {
    const char *id;   /* of the repository: 64 hexadecimal digits */
    const char *name; /* who wrote it: the environment's name off-site */
    const char *set;  /* the set's id, which is its time */
    int64_t time_s;   /* of the set, by its id: what the repository says could be dated at will */
    const char *const *tags; /* NULL at the end */
    struct tbk_snapshot *next;
} tbk_snapshot;

typedef struct tbk_snapshot_file {
    const char *name; /* in the set's folder */
    uint64_t size_bytes;
    struct tbk_snapshot_file *next;
} tbk_snapshot_file;

typedef struct tbk_repository_lock {
    const char *id;
    const char *host; /* the machine, or container, that took it */
    int64_t time_s;
    bool is_exclusive;
    struct tbk_repository_lock *next;
} tbk_repository_lock;

/* What is sent. */
typedef struct tbk_repository_set {
    const char *store; /* absolute folder; the set is the folder `id` in it */
    const char *id;
    const char *name;        /* as tbk_snapshot */
    const char *const *tags; /* NULL at the end; no commas in them */
} tbk_repository_set;

typedef struct tbk_repository_sent {
    const char *snapshot; /* its id */
    uint64_t added_bytes; /* as stored there */
} tbk_repository_sent;

typedef struct tbk_repository {
    void *self;
    /* The repository's own id: proves that it is there, answers, and takes the password. Has a
     * limit of a minute. */
    bool (*identify)(void *self, tbk_arena *arena, const char **out_id, tbk_error *err);
    /* Makes a new one; fails with TBK_E_CONFIG where one is. */
    bool (*init)(void *self, tbk_error *err);
    /* Those of sets, of all names; the newest first. *out_gap is NULL, or tells of snapshots that
     * are there and could not be looked at: what is not in the list may then be there all the
     * same. */
    bool (*list)(void *self, tbk_arena *arena, tbk_snapshot **out, const char **out_gap,
                 tbk_error *err);
    /* The files of the set in the snapshot. */
    bool (*files)(void *self, tbk_arena *arena, const tbk_snapshot *snapshot,
                  tbk_snapshot_file **out, tbk_error *err);
    /* No limit on the whole: it goes on while bytes move. Fails with TBK_E_IO where the set itself
     * cannot be read, whole or at all: that says nothing of the repository. */
    bool (*send)(void *self, tbk_arena *arena, const tbk_repository_set *set,
                 tbk_repository_sent *out, tbk_error *err);
    /* One file's bytes as they come; `take` fails with its own error. */
    bool (*read)(void *self, const tbk_snapshot *snapshot, const char *file,
                 bool (*take)(void *taker, const char *bytes, size_t length, tbk_error *err),
                 void *taker, tbk_error *err);
    /* Puts the set's files into the folder, which is there. */
    bool (*restore)(void *self, const tbk_snapshot *snapshot, const char *folder, tbk_error *err);
    /* By ids, NULL at the end. That it succeeded does not say that they are gone: list tells. */
    bool (*forget)(void *self, const char *const *snapshots, tbk_error *err);
    /* Gives back the space of what was forgotten, downloading nothing. */
    bool (*prune)(void *self, tbk_error *err);
    /* The structure, and the data of one part of so many, from 1 on. */
    bool (*check)(void *self, int64_t part, int64_t parts, tbk_error *err);
    /* After an upload that did not end: makes what arrived count. */
    bool (*repair_index)(void *self, tbk_error *err);
    bool (*locks)(void *self, tbk_arena *arena, tbk_repository_lock **out, tbk_error *err);
    /* Removes all locks; else those only that are surely stale. */
    bool (*unlock)(void *self, bool all, tbk_error *err);
} tbk_repository;

#endif
