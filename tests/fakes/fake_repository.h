/* SPDX-License-Identifier: MIT */
/*
 * A repository in a folder of the test's own, which fails as it is told to. It works with real
 * files, so that it can be killed at any moment: what it leaves then is what restic would leave, a
 * lock and data of no snapshot.
 *
 *   config             its id
 *   snapshots/ID/meta  name, set and tags, a line each
 *   snapshots/ID/SET/  the set's files
 *   packs/             what belongs to no snapshot yet
 *   locks/ID           host, time and kind
 */
#ifndef TBK_TESTS_FAKE_REPOSITORY_H
#define TBK_TESTS_FAKE_REPOSITORY_H

#include "ports/repository.h"

#include <unistd.h>

typedef struct fake_repository {
    char folder[128];
    const char *host; /* of the locks that it takes */
    int64_t now_s;    /* their time */
    bool is_unreachable, refuses_password, check_finds_damage;
    bool is_full;         /* an upload does not fit, until space is given back */
    bool breaks_upload;   /* the connection does: no snapshot, and the lock stays */
    bool cuts_upload;     /* the snapshot has no database, and nothing is said */
    bool breaks_download; /* after half of the database */
    bool finds_damage_in_restore;
    bool keeps_all;         /* what is to go stays, and nothing is said */
    useconds_t piece_us;    /* how long each 4 KiB take; so kills come between two */
    const char *hidden;     /* NULL, or the set whose snapshots cannot be looked at */
    const char *unreadable; /* NULL, or the set that cannot be read */
    const char *extra;      /* NULL, or a command that a restore ends with, in its folder */
    char calls[4096];       /* what it was asked for: "identify locks list " */
} fake_repository;

/* Makes it, empty. Every function ends the process when the test's own files fail it. */
void fake_repository_make(const fake_repository *self, const char *id);
tbk_repository fake_repository_port(fake_repository *self);

/* As another process would leave it. */
void fake_repository_lock(const fake_repository *self, const char *host, int64_t time_s,
                          bool is_exclusive);
void fake_repository_remove_locks(const fake_repository *self);
/* How many locks, snapshots (of that name; NULL: of all), and pieces of no snapshot it has. */
size_t fake_repository_count_locks(const fake_repository *self);
size_t fake_repository_count(const fake_repository *self, const char *name);
size_t fake_repository_count_packs(const fake_repository *self);
/* Where a file of a snapshot's set lies. */
void fake_repository_path(const fake_repository *self, const tbk_snapshot *snapshot,
                          const char *file, char out[512]);
/* A copy of the set under any name and id, as another machine would send it. */
void fake_repository_put(const fake_repository *self, const char *store, const char *set,
                         const char *name, const char *as_set);

#endif
