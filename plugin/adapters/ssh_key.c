/* SPDX-License-Identifier: MIT */
/* The private key: read and judged before anything is contacted. */
#include "adapters/ssh_key.h"

#include "adapters/base64.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_LIMIT_BYTES ((size_t)64 << 10)
#define GIVE_ANOTHER "give the private key's path with --ssh-key"

/* Reads SSH's wire format: numbers and strings with their length before them. */
typedef struct cursor {
    const uint8_t *bytes;
    size_t left;
} cursor;

static bool take_number(cursor *it, uint32_t *out)
{
    if (it->left < 4)
        return false;
    *out = (uint32_t)it->bytes[0] << 24 | (uint32_t)it->bytes[1] << 16 |
           (uint32_t)it->bytes[2] << 8 | it->bytes[3];
    it->bytes += 4;
    it->left -= 4;
    return true;
}

static bool take_string(cursor *it, cursor *out)
{
    uint32_t length;
    if (!take_number(it, &length) || length > it->left)
        return false;
    *out = (cursor){it->bytes, length};
    it->bytes += length;
    it->left -= length;
    return true;
}

static bool is_word(cursor it, const char *word)
{
    return it.left == strlen(word) && memcmp(it.bytes, word, it.left) == 0;
}

static tbk_ssh_key_kind kind_of_blob(const uint8_t *blob, size_t length)
{
    cursor rest = {blob, length};
    cursor name;
    if (!take_string(&rest, &name))
        return TBK_SSH_KEY_OTHER;
    if (is_word(name, "ssh-rsa"))
        return TBK_SSH_KEY_RSA;
    return name.left > 3 && memcmp(name.bytes, "sk-", 3) == 0 ? TBK_SSH_KEY_HARDWARE
                                                              : TBK_SSH_KEY_OTHER;
}

static void set_public_half(tbk_ssh_key *key, const uint8_t *blob, size_t length)
{
    key->public_blob = blob;
    key->public_length = length;
    key->kind = kind_of_blob(blob, length);
}

/* PROTOCOL.key of OpenSSH: magic, cipher, kdf, its options, number of keys, the public key in
 * clear, the private part. */
static bool read_openssh_body(const uint8_t *bytes, size_t length, tbk_ssh_key *key)
{
    static const char magic[] = "openssh-key-v1"; /* its NUL belongs to it */
    if (length < sizeof magic || memcmp(bytes, magic, sizeof magic) != 0)
        return false;
    cursor rest = {bytes + sizeof magic, length - sizeof magic};
    cursor cipher;
    cursor skipped;
    cursor public_half;
    cursor private_half;
    uint32_t count;
    if (!take_string(&rest, &cipher) || !take_string(&rest, &skipped) ||
        !take_string(&rest, &skipped) || !take_number(&rest, &count) ||
        !take_string(&rest, &public_half) || !take_string(&rest, &private_half))
        return false;
    key->encrypted = !is_word(cipher, "none");
    set_public_half(key, public_half.bytes, public_half.left);
    return true;
}

/* The text between "-----BEGIN <label>-----" and "-----END"; NULL when it is not such a file. */
static const char *find_body(const char *text, const char *label, size_t *out_length)
{
    char begin[64];
    (void)snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    const char *body = strstr(text, begin);
    if (body == NULL)
        return NULL;
    body += strlen(begin);
    const char *end = strstr(body, "-----END ");
    *out_length = end != NULL ? (size_t)(end - body) : 0;
    return body;
}

/* PKCS#8 names the algorithm in its first bytes, by an object identifier. */
static tbk_ssh_key_kind kind_of_pkcs8(const uint8_t *bytes, size_t length)
{
    static const uint8_t rsa_encryption[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01};
    size_t head = length < 40 ? length : 40;
    return memmem(bytes, head, rsa_encryption, sizeof rsa_encryption) != NULL ? TBK_SSH_KEY_RSA
                                                                              : TBK_SSH_KEY_OTHER;
}

typedef enum verdict { READ, DAMAGED, UNKNOWN } verdict;

static verdict read_private_key(tbk_arena *arena, tbk_ssh_key *key)
{
    static const char *const labels[] = {"OPENSSH PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY",
                                         "PRIVATE KEY", "ENCRYPTED PRIVATE KEY"};
    enum { OPENSSH, PEM_RSA, PEM_EC, PKCS8, PKCS8_ENCRYPTED, COUNT };
    size_t length = 0;
    const char *body = NULL;
    int form = 0;
    while (form < COUNT && (body = find_body(key->bytes, labels[form], &length)) == NULL)
        form++;
    if (body == NULL)
        return UNKNOWN;
    if (length == 0)
        return DAMAGED;
    key->encrypted =
        form == PKCS8_ENCRYPTED || memmem(body, length, "Proc-Type: 4,ENCRYPTED", 22) != NULL;
    if (form == PEM_RSA)
        key->kind = TBK_SSH_KEY_RSA;
    if (form == PEM_RSA && key->encrypted) /* headers stand before the base64 */
        return READ;
    if (form == PEM_EC || form == PKCS8_ENCRYPTED)
        return READ;
    const uint8_t *bytes;
    size_t decoded;
    if (!tbk_base64_decode(arena, body, length, &bytes, &decoded))
        return DAMAGED;
    if (form == PKCS8)
        key->kind = kind_of_pkcs8(bytes, decoded);
    if (form == OPENSSH && !read_openssh_body(bytes, decoded, key))
        return DAMAGED;
    return READ;
}

/* "ssh-ed25519 AAAA... comment"; what cannot be read is not there, the file is only a help. */
static void read_public_file(tbk_arena *arena, const char *path, tbk_ssh_key *key)
{
    char *text;
    size_t length;
    tbk_error ignored;
    if (path == NULL || !tbk_file_read(arena, path, KEY_LIMIT_BYTES, &text, &length, &ignored))
        return;
    const char *blob_text = strchr(text, ' ');
    if (blob_text == NULL)
        return;
    blob_text++;
    const uint8_t *blob;
    size_t blob_length;
    if (tbk_base64_decode(arena, blob_text, strcspn(blob_text, " \r\n"), &blob, &blob_length) &&
        blob_length > 4)
        set_public_half(key, blob, blob_length);
}

static bool is_public_key(const char *text)
{
    return tbk_text_starts_with(text, "ssh-") || tbk_text_starts_with(text, "ecdsa-sha2-") ||
           tbk_text_starts_with(text, "sk-") || strstr(text, "PUBLIC KEY") != NULL;
}

static bool fail_unknown(const tbk_ssh_key *key, tbk_error *err)
{
    if (is_public_key(key->bytes))
        return tbk_fail(err, TBK_E_CONFIG, "give the file without .pub",
                        "'%s' is a public key, the private one is needed", key->path);
    if (tbk_text_starts_with(key->bytes, "PuTTY-User-Key-File"))
        return tbk_fail(err, TBK_E_CONFIG, "convert it: puttygen KEY -O private-openssh -o NEW",
                        "'%s' is a key in PuTTY's format", key->path);
    if (strstr(key->bytes, "BEGIN DSA PRIVATE KEY") != NULL)
        return tbk_fail(err, TBK_E_CONFIG, "make an Ed25519 key: ssh-keygen -t ed25519",
                        "'%s' is a DSA key, which SSH servers do not accept any more", key->path);
    return tbk_fail(err, TBK_E_CONFIG, GIVE_ANOTHER, "'%s' is not a private key", key->path);
}

static bool check_file(const char *path, tbk_error *err)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return tbk_fail_errno(err, TBK_E_CONFIG, errno, GIVE_ANOTHER,
                              "cannot read the SSH key '%s'", path);
    if (!S_ISREG(status.st_mode))
        return tbk_fail(err, TBK_E_CONFIG, GIVE_ANOTHER, "the SSH key '%s' is not a regular file",
                        path);
    if (status.st_size == 0)
        return tbk_fail(err, TBK_E_CONFIG, GIVE_ANOTHER, "the SSH key '%s' is empty", path);
    if (access(path, R_OK) != 0)
        return tbk_fail_errno(err, TBK_E_CONFIG, errno, "run as the key's owner, or " GIVE_ANOTHER,
                              "cannot read the SSH key '%s'", path);
    return true;
}

/* The mode of a key that belongs to another user is not checked, as in ssh. Judged
 * after the format: a public key given by mistake should not be told to become secret. */
static bool check_mode(const char *path, tbk_error *err)
{
    struct stat status;
    if (stat(path, &status) != 0 || status.st_uid != getuid() || (status.st_mode & 077) == 0)
        return true;
    char fix[512];
    (void)snprintf(fix, sizeof fix, "chmod 600 '%s'", path);
    return tbk_fail(err, TBK_E_CONFIG, fix,
                    "the SSH key '%s' can be read by others (mode %04o), so no SSH program uses it",
                    path, (unsigned)(status.st_mode & 07777));
}

bool tbk_ssh_key_read(tbk_arena *arena, const char *path, const char *public_path, tbk_ssh_key *out,
                      tbk_error *err)
{
    char *bytes;
    tbk_ssh_key key = {.path = tbk_arena_copy(arena, path)};
    if (!check_file(path, err))
        return false;
    if (!tbk_file_read(arena, path, KEY_LIMIT_BYTES, &bytes, &key.length, err)) {
        err->code = TBK_E_CONFIG;
        return tbk_error_context(err, "reading the SSH key");
    }
    key.bytes = bytes;
    switch (read_private_key(arena, &key)) {
    case READ:
        break;
    case DAMAGED:
        return tbk_fail(err, TBK_E_CONFIG, GIVE_ANOTHER, "the SSH key '%s' is damaged or cut off",
                        path);
    case UNKNOWN:
        return fail_unknown(&key, err);
    }
    if (!check_mode(path, err))
        return false;
    if (key.public_blob == NULL)
        read_public_file(arena, public_path, &key);
    if (key.public_blob == NULL)
        read_public_file(arena, tbk_arena_format(arena, "%s.pub", path), &key);
    *out = key;
    return true;
}
