/* SPDX-License-Identifier: MIT */
/* The private key: read and judged before anything is contacted. */
#ifndef TBK_ADAPTERS_SSH_KEY_H
#define TBK_ADAPTERS_SSH_KEY_H

#include "base/arena.h"

#include <stdint.h>

typedef enum tbk_ssh_key_kind {
    TBK_SSH_KEY_OTHER, /* Ed25519 and ECDSA: nothing special about them; or not known */
    TBK_SSH_KEY_RSA,
    TBK_SSH_KEY_HARDWARE /* lives on a security token */
} tbk_ssh_key_kind;

typedef struct tbk_ssh_key {
    const char *path;
    const char *bytes; /* the whole file */
    size_t length;
    tbk_ssh_key_kind kind;
    bool encrypted;
    const uint8_t *public_blob; /* to find the agent's identity; NULL when not known */
    size_t public_length;
} tbk_ssh_key;

/*
 * Errors: TBK_E_CONFIG: missing, unreadable, empty, too open (as ssh has it: readable by others
 * while it is the user's), a public key, another program's format, cut off. An encrypted key is no
 * error. public_path may be NULL or missing; it helps where the private key does not show its
 * public half.
 */
bool tbk_ssh_key_read(tbk_arena *arena, const char *path, const char *public_path, tbk_ssh_key *out,
                      tbk_error *err) TBK_MUST_CHECK;

#endif
