/* SPDX-License-Identifier: MIT */
/* SHA-256, in one call or as data flows by. */
#ifndef TBK_BASE_DIGEST_H
#define TBK_BASE_DIGEST_H

#include "base/auto.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

enum { TBK_SHA1_BYTES = 20 };

typedef struct tbk_digest {
    char hex[65]; /* lower case, NUL at the end; "" = not known */
} tbk_digest;

typedef struct tbk_hasher tbk_hasher;

tbk_hasher *tbk_hasher_new(void);
void tbk_hasher_free(tbk_hasher *hasher);
TBK_AUTO_POINTER(tbk_hasher, tbk_hasher_free);
void tbk_hasher_add(tbk_hasher *hasher, const void *bytes, size_t length);
/* Gives the digest of all that was added and begins anew. */
void tbk_hasher_finish(tbk_hasher *hasher, tbk_digest *out);

void tbk_digest_of(const void *bytes, size_t length, tbk_digest *out);
/* HMAC-SHA1, for hashes that others wrote so; nothing of ours is made with it. */
void tbk_digest_hmac_sha1(const void *key, size_t key_length, const void *bytes, size_t length,
                          uint8_t out[TBK_SHA1_BYTES]);
bool tbk_digest_equal(const tbk_digest *a, const tbk_digest *b);

#endif
