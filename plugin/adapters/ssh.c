/* SPDX-License-Identifier: MIT */
/* Reaching the VM: judges the key, then takes the adapter that can do it. */
#include "adapters/ssh.h"

#include "adapters/remote_libssh2.h"
#include "adapters/remote_local.h"
#include "adapters/remote_openssh.h"
#include "adapters/ssh2_algorithms.h"
#include "adapters/ssh2_session.h"

static bool check_word(const char *word, const char *what, tbk_error *err)
{
    if (word == NULL || word[0] == '\0')
        return tbk_fail(err, TBK_E_CONFIG, NULL, "the SSH %s of the VM is not known", what);
    if (word[0] == '-' || word[strcspn(word, " \t\r\n'\"")] != '\0')
        return tbk_fail(err, TBK_E_CONFIG, NULL, "'%s' is not a valid SSH %s", word, what);
    return true;
}

static bool check_target(const tbk_ssh_target *target, tbk_error *err)
{
    if (!check_word(target->host, "host", err) || !check_word(target->user, "user", err))
        return false;
    if (target->port == 0)
        return tbk_fail(err, TBK_E_CONFIG, "give it with --ssh-port", "0 is not an SSH port");
    if (target->private_key_path == NULL || target->private_key_path[0] == '\0')
        return tbk_fail(err, TBK_E_CONFIG, "give it with --ssh-key", "the SSH key is not known");
    return true;
}

static bool check_encryption(const tbk_ssh_key *key, tbk_error *err)
{
    if (!key->encrypted ||
        (key->public_blob != NULL && tbk_ssh2_agent_holds(key->public_blob, key->public_length)))
        return true;
    char fix[512];
    (void)snprintf(fix, sizeof fix,
                   "nothing is ever asked for: unlock it for this session (ssh-add '%s'), or give "
                   "another key with --ssh-key",
                   key->path);
    return tbk_fail(err, TBK_E_CONFIG, fix, "the SSH key '%s' is encrypted, and no agent holds it",
                    key->path);
}

/* Why libssh2 cannot use this key; NULL when it can. */
static const char *libssh2_lacks(const tbk_ssh_key *key)
{
    if (key->kind == TBK_SSH_KEY_HARDWARE)
        return "the key lives on a security token";
    if (key->kind == TBK_SSH_KEY_RSA && !tbk_ssh2_knows_rsa_sha2())
        return "libssh2 here is older than 1.11, which signs with RSA keys in a way that SSH "
               "servers do not accept any more";
    return NULL;
}

static bool open_by_itself(const tbk_ssh_target *target, const tbk_ssh_key *key,
                           tbk_host_keys *known, const tbk_report *report, tbk_remote *out,
                           tbk_error *err)
{
    const char *lack = libssh2_lacks(key);
    bool with_config = tbk_remote_openssh_has_route(target, report);
    if (with_config) {
        lack = "its configuration has a jump host, a proxy or another name for this host";
    } else if (lack == NULL) {
        bool unable = false;
        if (tbk_remote_libssh2_open(target, key, known, report, out, &unable, err))
            return true;
        if (!unable)
            return false;
        lack = err->message;
    }
    tbk_report_log(report, TBK_LOG_INFO, "connect", "using the ssh program: %s", lack);
    return tbk_remote_openssh_open(target, known, with_config, report, out, err);
}

bool tbk_ssh_open(const tbk_ssh_target *target, const tbk_report *report, tbk_remote *out,
                  tbk_error *err)
{
    if (target->program == TBK_SSH_LOCAL) {
        tbk_remote_local_open(report, out);
        return true;
    }
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_ssh_key key;
    tbk_host_keys known;
    bool unable = false;
    if (!check_target(target, err) ||
        !tbk_ssh_key_read(arena, target->private_key_path, target->public_key_path, &key, err) ||
        !check_encryption(&key, err) || !tbk_host_keys_load(arena, target, &known, err))
        return false;
    switch (target->program) {
    case TBK_SSH_LIBSSH2:
        return tbk_remote_libssh2_open(target, &key, &known, report, out, &unable, err);
    case TBK_SSH_OPENSSH:
        return tbk_remote_openssh_open(target, &known, true, report, out, err);
    case TBK_SSH_AUTO:
    case TBK_SSH_LOCAL:
        break;
    }
    return open_by_itself(target, &key, &known, report, out, err);
}
