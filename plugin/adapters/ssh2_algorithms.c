/* SPDX-License-Identifier: MIT */
/* What libssh2 can do with keys, and which host key it asks for. */
#include "adapters/ssh2_algorithms.h"

#include "base/text.h"

#include <libssh2.h>

bool tbk_ssh2_knows_rsa_sha2(void) { return libssh2_version(0x010b00) != NULL; }

static bool is_supported(const char *const *supported, int count, const char *name, size_t length)
{
    for (int i = 0; i < count; i++)
        if (strlen(supported[i]) == length && memcmp(supported[i], name, length) == 0)
            return true;
    return false;
}

/* Of the names those that libssh2 supports, for when it has to strike one out, 1.10 copies memory
 * onto itself. False when there is none. */
static bool append_supported(tbk_text *order, const char *const *supported, int count,
                             const char *names)
{
    size_t before = order->length;
    while (*names != '\0') {
        size_t length = strcspn(names, ",");
        if (is_supported(supported, count, names, length)) {
            if (order->length > 0)
                tbk_text_append_char(order, ',');
            tbk_text_append_bytes(order, names, length);
        }
        names += length + (names[length] == ',' ? 1 : 0);
    }
    return order->length > before;
}

bool tbk_ssh2_prefer_known_types(LIBSSH2_SESSION *session, const tbk_host_keys *known)
{
    static const char rsa[] = "rsa-sha2-512,rsa-sha2-256";
    const char **supported = NULL;
    tbk_auto_text order = {0};
    bool can_check = known->first == NULL;
    int count = libssh2_session_supported_algs(session, LIBSSH2_METHOD_HOSTKEY, &supported);
    if (count <= 0)
        return true;
    for (const tbk_host_key *key = known->first; key != NULL; key = key->next)
        can_check |= append_supported(&order, supported, count,
                                      strcmp(key->type, "ssh-rsa") == 0 ? rsa : key->type);
    (void)append_supported(&order, supported, count,
                           "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,"
                           "ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256,ssh-rsa");
    libssh2_free(session, supported);
    if (order.length > 0)
        (void)libssh2_session_method_pref(session, LIBSSH2_METHOD_HOSTKEY, order.bytes);
    return can_check;
}
