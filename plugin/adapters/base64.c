/* SPDX-License-Identifier: MIT */
/* Base64 as SSH's files have it, and the fingerprints that people compare. */
#include "adapters/base64.h"

#include "base/digest.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char padding_sign = '=';

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r' || character == '\n';
}

bool tbk_base64_decode(tbk_arena *arena, const char *text, size_t length, const uint8_t **out,
                       size_t *out_length)
{
    uint8_t *bytes = tbk_arena_alloc(arena, length / 4 * 3 + 4);
    size_t written = 0;
    size_t digits = 0;
    size_t padding = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < length; i++) {
        if (is_blank(text[i]))
            continue;
        if (text[i] == padding_sign) {
            padding++;
            continue;
        }
        const char *digit = text[i] == '\0' ? NULL : strchr(alphabet, text[i]);
        if (digit == NULL || padding > 0)
            return false;
        bits = bits << 6 | (uint32_t)(digit - alphabet);
        if (++digits % 4 != 1)
            bytes[written++] = (uint8_t)(bits >> (6 - 2 * ((digits + 3) % 4)));
    }
    if (padding > 2 || (digits + padding) % 4 != 0)
        return false;
    *out = bytes;
    *out_length = written;
    return true;
}

const char *tbk_base64_encode(tbk_arena *arena, const uint8_t *bytes, size_t length)
{
    char *text = tbk_arena_alloc(arena, (length + 2) / 3 * 4 + 1);
    size_t written = 0;
    for (size_t i = 0; i < length; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (i + 1 < length)
            bits |= (uint32_t)bytes[i + 1] << 8;
        if (i + 2 < length)
            bits |= bytes[i + 2];
        text[written++] = alphabet[bits >> 18];
        text[written++] = alphabet[bits >> 12 & 63];
        text[written++] = i + 1 < length ? alphabet[bits >> 6 & 63] : padding_sign;
        text[written++] = i + 2 < length ? alphabet[bits & 63] : padding_sign;
    }
    return text;
}

static uint8_t hex_value(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

const char *tbk_ssh_fingerprint(tbk_arena *arena, const uint8_t *blob, size_t length)
{
    tbk_digest digest;
    tbk_digest_of(blob, length, &digest);
    uint8_t hash[32];
    for (size_t i = 0; i < sizeof hash; i++)
        hash[i] = (uint8_t)(hex_value(digest.hex[2 * i]) << 4 | hex_value(digest.hex[2 * i + 1]));
    const char *text = tbk_base64_encode(arena, hash, sizeof hash);
    return tbk_arena_format(arena, "SHA256:%.43s", text);
}
