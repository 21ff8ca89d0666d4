/* SPDX-License-Identifier: MIT */
/* A folder that whole databases are put into, outside of a store: each under a name that it gets
 * when it is complete. */
#ifndef TBK_STORE_PRIVATE_FOLDER_H
#define TBK_STORE_PRIVATE_FOLDER_H

#include "base/error.h"

/*
 * Opens it, made (0700) where it is missing, for one process at a time: its descriptor, which the
 * caller closes, holds the lock.
 * Errors: TBK_E_CONFIG, others can write in it, or it belongs to another user; TBK_E_LOCKED;
 * TBK_E_IO.
 */
bool tbk_private_folder_open(const char *path, int *out_fd, tbk_error *err) TBK_MUST_CHECK;

/* Gives what is complete its name, and syncs. path: of the folder, for messages. Errors: TBK_E_IO,
 * such as that something of that name is there; TBK_E_SPACE. */
bool tbk_private_folder_publish(int fd, const char *path, const char *partial, const char *name,
                                tbk_error *err) TBK_MUST_CHECK;

/* As tbk_fail_errno of what cannot be written in it: TBK_E_SPACE or TBK_E_IO, by errno. */
bool tbk_private_folder_fail(const char *path, const char *name, tbk_error *err);

#endif
