/* SPDX-License-Identifier: MIT */
/* The VM's host keys: which are known, whether the one shown is among them, and pinning it. */
#include "adapters/ssh_host_keys.h"

#include "adapters/base64.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#define KNOWN_HOSTS_LIMIT_BYTES ((size_t)16 << 20)
#define HASHED_PREFIX "|1|"
#define FINGERPRINT_LENGTH (7 + 43) /* "SHA256:" and 32 bytes in base64 without padding */

/* --- reading --- */

/* One line of known_hosts, cut into its fields. */
typedef struct line {
    const char *marker; /* "@revoked"; NULL = none */
    const char *hosts;
    const char *type;
    const char *text;
} line;

static const char *take_field(tbk_arena *arena, const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
    const char *begin = *at;
    while (*at < end && **at != ' ' && **at != '\t' && **at != '\r')
        (*at)++;
    return tbk_arena_copy_bytes(arena, begin, (size_t)(*at - begin));
}

static bool read_line(tbk_arena *arena, const char *at, const char *end, line *out)
{
    const char *field = take_field(arena, &at, end);
    if (field[0] == '\0' || field[0] == '#')
        return false;
    out->marker = field[0] == '@' ? field : NULL;
    out->hosts = out->marker != NULL ? take_field(arena, &at, end) : field;
    out->type = take_field(arena, &at, end);
    out->text = take_field(arena, &at, end);
    return out->text[0] != '\0';
}

/* In a pattern of known_hosts only * and ? are special; "[host]:port" is literal. */
static bool pattern_matches(tbk_arena *arena, const char *pattern, const char *name)
{
    char *escaped = tbk_arena_alloc(arena, 2 * strlen(pattern) + 1);
    char *to = escaped;
    for (const char *from = pattern; *from != '\0'; from++) {
        if (*from == '[' || *from == ']' || *from == '\\')
            *to++ = '\\';
        *to++ = *from;
    }
    return fnmatch(escaped, name, FNM_CASEFOLD) == 0;
}

/* "|1|salt|hash": an HMAC of the name, keyed with the salt, both in base64. */
static bool hashed_host_is(tbk_arena *arena, const char *hashed, const char *name)
{
    const char *salt_text = hashed + strlen(HASHED_PREFIX);
    size_t salt_text_length = strcspn(salt_text, "|");
    const char *hash_text = salt_text + salt_text_length;
    const uint8_t *salt;
    const uint8_t *hash;
    size_t salt_length;
    size_t hash_length;
    if (*hash_text++ != '|' ||
        !tbk_base64_decode(arena, salt_text, salt_text_length, &salt, &salt_length) ||
        !tbk_base64_decode(arena, hash_text, strlen(hash_text), &hash, &hash_length) ||
        hash_length != TBK_SHA1_BYTES)
        return false;
    uint8_t wanted[TBK_SHA1_BYTES];
    tbk_digest_hmac_sha1(salt, salt_length, name, strlen(name), wanted);
    return memcmp(hash, wanted, sizeof wanted) == 0;
}

static bool hosts_match(tbk_arena *arena, const char *hosts, const char *name)
{
    if (tbk_text_starts_with(hosts, HASHED_PREFIX))
        return hashed_host_is(arena, hosts, name);
    bool matched = false;
    while (*hosts != '\0') {
        size_t length = strcspn(hosts, ",");
        const char *pattern = tbk_arena_copy_bytes(arena, hosts, length);
        bool negated = pattern[0] == '!';
        if (pattern_matches(arena, pattern + (negated ? 1 : 0), name)) {
            if (negated)
                return false;
            matched = true;
        }
        hosts += length + (hosts[length] == ',' ? 1 : 0);
    }
    return matched;
}

static void append(tbk_arena *arena, tbk_host_key **list, const char *type, const char *text)
{
    while (*list != NULL)
        list = &(*list)->next;
    *list = TBK_ARENA_NEW(arena, tbk_host_key);
    (*list)->type = type;
    (*list)->text = text;
}

void tbk_host_keys_parse(tbk_arena *arena, const char *text, const char *name, tbk_host_keys *out)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        line entry;
        if (read_line(arena, text, text + length, &entry) &&
            hosts_match(arena, entry.hosts, name)) {
            if (entry.marker == NULL)
                append(arena, &out->first, entry.type, entry.text);
            else if (strcmp(entry.marker, "@revoked") == 0)
                append(arena, &out->revoked, entry.type, entry.text);
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
}

/* A missing file is an empty one. */
static bool read_file(tbk_arena *arena, const char *path, char **out, tbk_error *err)
{
    size_t length;
    *out = tbk_arena_copy(arena, "");
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return true;
    if (!tbk_file_read(arena, path, KNOWN_HOSTS_LIMIT_BYTES, out, &length, err)) {
        err->code = TBK_E_CONFIG;
        return tbk_error_context(err, "reading the known host keys");
    }
    return true;
}

static const char *home_directory(tbk_arena *arena)
{
    const char *home = getenv("HOME");
    if (home != NULL && home[0] == '/')
        return home;
    struct passwd entry;
    struct passwd *found = NULL;
    char *buffer = tbk_arena_alloc(arena, 16384);
    if (getpwuid_r(getuid(), &entry, buffer, 16384, &found) != 0 || found == NULL)
        return NULL;
    return found->pw_dir;
}

/* The user's own file is a help: what cannot be read there is not known. */
static void read_users_file(tbk_arena *arena, tbk_host_keys *keys)
{
    const char *home = home_directory(arena);
    char *text;
    tbk_error ignored;
    if (home != NULL &&
        read_file(arena, tbk_arena_format(arena, "%s/.ssh/known_hosts", home), &text, &ignored))
        tbk_host_keys_parse(arena, text, keys->name, keys);
}

static const char *name_of(tbk_arena *arena, const tbk_ssh_target *target)
{
    char *host = tbk_arena_copy(arena, target->host);
    for (char *at = host; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    return target->port == 22 ? host
                              : tbk_arena_format(arena, "[%s]:%u", host, (unsigned)target->port);
}

static bool check_wish(const char *host_key, tbk_error *err)
{
    if (host_key == NULL || strcmp(host_key, "accept") == 0)
        return true;
    if (tbk_text_starts_with(host_key, "SHA256:") && strlen(host_key) == FINGERPRINT_LENGTH)
        return true;
    return tbk_fail(err, TBK_E_CONFIG,
                    "give 'accept', or SHA256: and 43 characters as ssh-keygen -l prints them",
                    "'%s' is not the fingerprint of a host key", host_key);
}

bool tbk_host_keys_load(tbk_arena *arena, const tbk_ssh_target *target, tbk_host_keys *out,
                        tbk_error *err)
{
    tbk_host_keys keys = {.target = target, .name = name_of(arena, target)};
    char *text;
    if (!check_wish(target->host_key, err) ||
        !read_file(arena, target->known_hosts_path, &text, err))
        return false;
    tbk_host_keys_parse(arena, text, keys.name, &keys);
    if (target->host_key != NULL) {
        keys.forgotten = keys.first;
        keys.first = NULL;
    } else if (keys.first == NULL) {
        read_users_file(arena, &keys);
    }
    *out = keys;
    return true;
}

/* --- judging --- */

static const char *type_of(tbk_arena *arena, const uint8_t *blob, size_t length)
{
    if (length < 4)
        return "unknown";
    size_t type_length = (size_t)blob[2] << 8 | blob[3];
    if (type_length > length - 4)
        return "unknown";
    return tbk_arena_copy_bytes(arena, (const char *)blob + 4, type_length);
}

static bool contains(const tbk_host_key *list, const char *text)
{
    while (list != NULL && strcmp(list->text, text) != 0)
        list = list->next;
    return list != NULL;
}

/* "ssh-ed25519 SHA256:..., ssh-rsa SHA256:..." */
static const char *describe(tbk_arena *arena, const tbk_host_key *list)
{
    tbk_auto_text text = {0};
    for (; list != NULL; list = list->next) {
        const uint8_t *blob;
        size_t length;
        bool readable = tbk_base64_decode(arena, list->text, strlen(list->text), &blob, &length);
        tbk_text_format(&text, "%s%s %s", text.length > 0 ? ", " : "", list->type,
                        readable ? tbk_ssh_fingerprint(arena, blob, length) : "(damaged)");
    }
    return tbk_arena_copy(arena, tbk_text_string(&text));
}

bool tbk_host_keys_fail_changed(tbk_arena *arena, const tbk_host_keys *known,
                                const char *shown_type, const char *shown, tbk_error *err)
{
    const char *fix = tbk_arena_format(
        arena,
        "if the VM was made anew, repeat with --host-key %s (or --host-key accept); if it was "
        "not, the connection may be intercepted",
        shown);
    return tbk_fail(err, TBK_E_HOST_KEY, fix,
                    "'%s' shows another host key than before: known is %s, shown was %s%s%s",
                    known->name, describe(arena, known->first), shown_type,
                    shown_type[0] != '\0' ? " " : "", shown);
}

static bool check_fingerprint(tbk_arena *arena, const tbk_host_keys *known, const char *shown_type,
                              const char *shown, tbk_error *err)
{
    const char *wanted = known->target->host_key;
    if (strcmp(wanted, shown) == 0)
        return true;
    return tbk_fail(err, TBK_E_HOST_KEY,
                    tbk_arena_format(arena,
                                     "compare with the VM's console: ssh-keygen -lf "
                                     "/etc/ssh/ssh_host_ed25519_key.pub; then repeat with "
                                     "--host-key %s if it is the same",
                                     shown),
                    "'%s' shows another host key than asked for: wanted was %s, shown was %s %s",
                    known->name, wanted, shown_type, shown);
}

bool tbk_host_keys_check(tbk_arena *arena, const tbk_host_keys *known, const uint8_t *blob,
                         size_t length, const tbk_report *report, tbk_error *err)
{
    const char *text = tbk_base64_encode(arena, blob, length);
    const char *shown = tbk_ssh_fingerprint(arena, blob, length);
    const char *type = type_of(arena, blob, length);
    const char *wish = known->target->host_key;
    if (contains(known->revoked, text))
        return tbk_fail(err, TBK_E_HOST_KEY, "do not use this VM before you know why",
                        "'%s' shows a host key that known_hosts calls revoked: %s %s", known->name,
                        type, shown);
    if (wish != NULL && strcmp(wish, "accept") != 0 &&
        !check_fingerprint(arena, known, type, shown, err))
        return false;
    if (wish == NULL && known->first != NULL)
        return contains(known->first, text) ||
               tbk_host_keys_fail_changed(arena, known, type, shown, err);
    if (known->forgotten != NULL && !contains(known->forgotten, text))
        tbk_report_log(report, TBK_LOG_WARNING, "connect",
                       "'%s' has a new host key, %s %s; it was %s", known->name, type, shown,
                       describe(arena, known->forgotten));
    else if (known->forgotten == NULL)
        tbk_report_log(report, TBK_LOG_INFO, "connect",
                       "first contact with '%s', host key %s %s pinned in '%s'", known->name, type,
                       shown, known->target->known_hosts_path);
    return true;
}

/* --- pinning --- */

/* What the file says of other hosts stays. */
static void append_other_lines(tbk_arena *arena, const char *text, const char *name, tbk_text *out)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        line entry;
        bool ours = read_line(arena, text, text + length, &entry) && entry.marker == NULL &&
                    hosts_match(arena, entry.hosts, name);
        if (!ours && length > 0) {
            tbk_text_append_bytes(out, text, length);
            tbk_text_append_char(out, '\n');
        }
        text += length + (text[length] == '\n' ? 1 : 0);
    }
}

static bool is_private_file(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && (status.st_mode & 07777) == 0600;
}

bool tbk_host_keys_pin(tbk_arena *arena, const tbk_host_keys *known, const uint8_t *blob,
                       size_t length, tbk_error *err)
{
    const char *path = known->target->known_hosts_path;
    char *before;
    if (!read_file(arena, path, &before, err))
        return false;
    tbk_auto_text after = {0};
    append_other_lines(arena, before, known->name, &after);
    for (const tbk_host_key *key = known->first; key != NULL; key = key->next)
        tbk_text_format(&after, "%s %s %s\n", known->name, key->type, key->text);
    if (blob != NULL) {
        const char *text = tbk_base64_encode(arena, blob, length);
        if (!contains(known->first, text))
            tbk_text_format(&after, "%s %s %s\n", known->name, type_of(arena, blob, length), text);
    }
    if (strcmp(before, tbk_text_string(&after)) == 0 && is_private_file(path))
        return true;
    if (!tbk_file_publish(path, tbk_text_string(&after), after.length, 0600, err))
        return tbk_error_context(err, "pinning the host key of '%s'", known->name);
    return true;
}
