/* SPDX-License-Identifier: MIT */
/* Inside of the store: what it has open, the names in it, and what its parts share. */
#ifndef TBK_STORE_STORE_INTERNAL_H
#define TBK_STORE_STORE_INTERNAL_H

#include "base/auto.h"
#include "store/store.h"

#define TBK_STORE_SCRATCH ".scratch-"
#define TBK_STORE_NEW ".new"
#define TBK_STORE_GONE ".gone"
#define TBK_STORE_NAME_SIZE 32

enum { TBK_STORE_FILE_MODE = 0640, TBK_STORE_JSON_BYTES_MAX = 4 << 20 };

struct tbk_store {
    char *path; /* absolute, without links */
    int fd;
    int state_fd; /* -1 when not locked */
    int lock_fd;  /* -1 when not locked */
};

struct tbk_set {
    int fd;
    bool is_new; /* not published yet: files may be made in it */
    char path[]; /* for messages */
};

/* --- names --- */

bool tbk_store_is_id(const char *name);
/* The dot name of a set that is being written (TBK_STORE_NEW) or removed (TBK_STORE_GONE). */
void tbk_store_hidden_name(const char *id, const char *suffix, char out[TBK_STORE_NAME_SIZE]);
const char *tbk_store_path_in(const tbk_store *store, tbk_arena *arena, const char *name);

/* --- errors --- */

tbk_error_code tbk_store_code(int errno_value);
const char *tbk_store_fix(int errno_value);
/* By errno. */
bool tbk_store_fail(tbk_error *err, const tbk_store *store, const char *what);
bool tbk_store_need_lock(const tbk_store *store, tbk_error *err);

/* --- folders --- */

DIR *tbk_listing_open(int directory, const char *name);
/* The next entry but . and ..; NULL at the end with *out_good, or on failure without. */
const struct dirent *tbk_listing_next(DIR *listing, bool *out_good);

/* --- sets --- */

/* Takes the descriptor over. */
tbk_set *tbk_set_new(int fd, const char *path, bool is_new);
bool tbk_set_open_at(int directory, const char *name, const char *path, tbk_set **out,
                     tbk_error *err) TBK_MUST_CHECK;
/* By errno: a thing that is not there, or is another one, is damage. */
bool tbk_set_fail_unseen(const char *name, tbk_error *err);
/* The set of that name as it is listed; what is wrong with it is in it. */
tbk_stored_set *tbk_store_read_set(const tbk_store *store, tbk_arena *arena, const char *id);
/* Whether all that the manifest names is there, and has its size. Errors: TBK_E_CORRUPT; TBK_E_IO,
 * where that is not known. */
bool tbk_set_check_sizes(const tbk_set *set, const tbk_manifest *manifest,
                         tbk_error *err) TBK_MUST_CHECK;
/* The name of a file that is not of the set, "?" where it cannot be listed; NULL: there is none. */
const char *tbk_set_find_stranger(const tbk_set *set, tbk_arena *arena,
                                  const tbk_manifest *manifest);

#endif
