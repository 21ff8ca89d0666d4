/* SPDX-License-Identifier: MIT */
/* Dropping privileges, permanently. */
#ifndef TBK_ENTRY_ENGINE_PRIVILEGES_H
#define TBK_ENTRY_ENGINE_PRIVILEGES_H

#include "base/error.h"

/*
 * When the process runs as root, it becomes the store's owner: what it writes belongs to that user,
 * and it touches the tracker's files with that user's privileges only.
 * With a store of root's it stays root; with drop_all it then drops all capabilities, as always in
 * the container. A store that is not there yet changes nothing. Errors: TBK_E_CONFIG when the
 * privileges to do so are missing, or any would be left; when a link that others may have put
 * there leads to the store; and, where root is confined as in the container, when the store is
 * root's or a system user's (below 1000, or nobody). TBK_E_IO.
 */
bool engine_privileges_become_owner(const char *store, bool drop_all,
                                    tbk_error *err) TBK_MUST_CHECK;

/* The same for what needs no file: the process becomes a user that owns nothing. */
bool engine_privileges_become_nobody(tbk_error *err) TBK_MUST_CHECK;

/* The same for what speaks to the network: a user of its own (TBK_OUTBOUND_USER), with the group of
 * the store, which may read sets and write none; NULL: with its own group. TBK_E_NOT_FOUND where
 * there is no store. */
bool engine_privileges_become_outbound(const char *store, tbk_error *err) TBK_MUST_CHECK;

#endif
