/* SPDX-License-Identifier: MIT */
/*
 * One set: a folder that holds a fixed list of files, and nothing else of ours. Only here are they
 * opened, each in the open folder, without following a link; so a set stays the one that was opened
 * whatever becomes of its name.
 *
 * Names are those of domain/manifest.h (TBK_SET_...); another one fails with TBK_E_FAILED.
 */
#ifndef TBK_STORE_SET_H
#define TBK_STORE_SET_H

#include "store/store.h"

/* A set by its folder, wherever that is: also one that was fetched from another machine. Sets of a
 * store are opened with tbk_store_open_set. Errors: TBK_E_NOT_FOUND, TBK_E_IO. */
bool tbk_set_open(const char *path, tbk_set **out, tbk_error *err) TBK_MUST_CHECK;
void tbk_set_close(tbk_set *set);
TBK_AUTO_POINTER(tbk_set, tbk_set_close);

/* For messages. */
const char *tbk_set_path(const tbk_set *set);

/* --- reading --- */

/* Errors: TBK_E_NOT_FOUND, there is none; TBK_E_CONFIG, it is a link, or no regular file; TBK_E_IO,
 * which says nothing about it. */
bool tbk_set_open_file(const tbk_set *set, const char *name, int *out_fd,
                       tbk_error *err) TBK_MUST_CHECK;
/* As above, and TBK_E_CONFIG, it is larger than limit_bytes. */
bool tbk_set_read_file(const tbk_set *set, tbk_arena *arena, const char *name, size_t limit_bytes,
                       char **out_bytes, size_t *out_length, tbk_error *err) TBK_MUST_CHECK;
/* Errors: TBK_E_CORRUPT, TBK_E_UNSUPPORTED (a newer version), TBK_E_IO. Text lives in the arena. */
bool tbk_set_read_manifest(const tbk_set *set, tbk_arena *arena, tbk_manifest *out,
                           tbk_error *err) TBK_MUST_CHECK;
bool tbk_set_read_proof(const tbk_set *set, tbk_arena *arena, tbk_proof *out,
                        tbk_error *err) TBK_MUST_CHECK;

/* --- writing, with the store's lock --- */

/* A file of a set that is not published yet; for writing, nothing is there. */
bool tbk_set_create_file(const tbk_set *set, const char *name, int *out_fd,
                         tbk_error *err) TBK_MUST_CHECK;
/* Of a set that is not published yet; one that is missing is success. */
bool tbk_set_remove_file(const tbk_set *set, const char *name, tbk_error *err) TBK_MUST_CHECK;
/* The manifest and SHA256SUMS, once all that the manifest names is written. */
bool tbk_set_write_manifest(const tbk_set *set, tbk_arena *arena, const tbk_manifest *manifest,
                            tbk_error *err) TBK_MUST_CHECK;
/* Also of a published set: replaced whole, by name. */
bool tbk_set_write_proof(const tbk_set *set, tbk_arena *arena, const tbk_proof *proof,
                         tbk_error *err) TBK_MUST_CHECK;

#endif
