/* SPDX-License-Identifier: MIT */
/* A set as plain files, without a server or a tracker: the database as a file of SQLite or as SQL,
 * and the configuration files as a tar. */
#ifndef TBK_ENGINE_EXTRACTION_H
#define TBK_ENGINE_EXTRACTION_H

#include "store/store.h"

typedef struct tbk_extract_request {
    const tbk_store *store; /* or any folder that holds sets under their names */
    tbk_set_choice set;
    const char
        *to; /* made where it is missing; the files come to <to>/<id>, and not into a store */
    const tbk_report *report;
} tbk_extract_request;

/*
 * All of a set or nothing is there afterwards; the folder has mode 0700, the files 0600. What is
 * unpacked is bounded by the sizes of the manifest, and compared with its sums.
 * out_result: {schema, store, set, path, files: [{name, bytes, sha256}]}.
 * Errors: those of tbk_store_find and of store/private_folder.h; TBK_E_CONFIG, something of that
 * name is there; TBK_E_UNPROVED, the set is not what was stored; TBK_E_SPACE.
 */
bool tbk_extract(tbk_arena *arena, const tbk_extract_request *request, tbk_value **out_result,
                 tbk_error *err) TBK_MUST_CHECK;

#endif
