/* SPDX-License-Identifier: MIT */
/* SHA-256 by OpenSSL, which has it in assembly for every processor. */
#include "base/digest.h"

#include "base/memory.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { SHA256_BYTES = 32 };

struct tbk_hasher {
    EVP_MD_CTX *context;
};

tbk_hasher *tbk_hasher_new(void)
{
    tbk_hasher *hasher = tbk_memory_new(sizeof *hasher);
    hasher->context = EVP_MD_CTX_new();
    tbk_memory_must(hasher->context != NULL);
    tbk_memory_must(EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL) == 1);
    return hasher;
}

void tbk_hasher_free(tbk_hasher *hasher)
{
    if (hasher == NULL)
        return;
    EVP_MD_CTX_free(hasher->context);
    free(hasher);
}

void tbk_hasher_add(tbk_hasher *hasher, const void *bytes, size_t length)
{
    tbk_memory_must(EVP_DigestUpdate(hasher->context, bytes, length) == 1);
}

void tbk_hasher_finish(tbk_hasher *hasher, tbk_digest *out)
{
    static const char DIGITS[] = "0123456789abcdef";
    unsigned char raw[EVP_MAX_MD_SIZE];
    tbk_memory_must(EVP_DigestFinal_ex(hasher->context, raw, NULL) == 1);
    tbk_memory_must(EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL) == 1);
    for (size_t index = 0; index < SHA256_BYTES; index++) {
        out->hex[2 * index] = DIGITS[raw[index] >> 4];
        out->hex[2 * index + 1] = DIGITS[raw[index] & 15];
    }
    out->hex[2 * SHA256_BYTES] = '\0';
}

void tbk_digest_of(const void *bytes, size_t length, tbk_digest *out)
{
    tbk_auto(tbk_hasher) *hasher = tbk_hasher_new();
    tbk_hasher_add(hasher, bytes, length);
    tbk_hasher_finish(hasher, out);
}

void tbk_digest_hmac_sha1(const void *key, size_t key_length, const void *bytes, size_t length,
                          uint8_t out[TBK_SHA1_BYTES])
{
    tbk_memory_must(HMAC(EVP_sha1(), key, (int)key_length, bytes, length, out, NULL) != NULL);
}

bool tbk_digest_equal(const tbk_digest *a, const tbk_digest *b)
{
    /* Two that are not known are not equal. */
    return a->hex[0] != '\0' && strcmp(a->hex, b->hex) == 0;
}
