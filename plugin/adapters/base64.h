/* SPDX-License-Identifier: MIT */
/* Base64 as SSH's files have it, and the fingerprints that people compare. */
#ifndef TBK_ADAPTERS_BASE64_H
#define TBK_ADAPTERS_BASE64_H

#include "base/arena.h"

#include <stdint.h>

/* Decodes length characters, line breaks and blanks between them ignored. False when they are not
 * base64. */
bool tbk_base64_decode(tbk_arena *arena, const char *text, size_t length, const uint8_t **out,
                       size_t *out_length) TBK_MUST_CHECK;
const char *tbk_base64_encode(tbk_arena *arena, const uint8_t *bytes, size_t length);

/* "SHA256:" and the hash in base64 without padding, as ssh-keygen -l prints it. */
const char *tbk_ssh_fingerprint(tbk_arena *arena, const uint8_t *blob, size_t length);

#endif
