/* SPDX-License-Identifier: MIT */
/*
 * The VM's host keys: which are known, whether the one shown is among them, and pinning it.
 *
 * The pins in known_hosts_path decide. Where it has none for the VM, what the user's own
 * ~/.ssh/known_hosts says counts, and is pinned.
 */
#ifndef TBK_ADAPTERS_SSH_HOST_KEYS_H
#define TBK_ADAPTERS_SSH_HOST_KEYS_H

#include "adapters/ssh_target.h"
#include "base/arena.h"
#include "ports/report.h"

typedef struct tbk_host_key {
    const char *type; /* "ssh-ed25519" */
    const char *text; /* the key in base64 */
    struct tbk_host_key *next;
} tbk_host_key;

typedef struct tbk_host_keys {
    const tbk_ssh_target *target;
    const char *name;    /* as known_hosts files have it: "host", or "[host]:2222" */
    tbk_host_key *first; /* what is known; NULL at the first contact, and when any is accepted */
    tbk_host_key *revoked;
    tbk_host_key *forgotten; /* the pins before "accept" or "SHA256:..." */
} tbk_host_keys;

/* Fails with TBK_E_CONFIG when target->host_key has no known form, or a file cannot be read. */
bool tbk_host_keys_load(tbk_arena *arena, const tbk_ssh_target *target, tbk_host_keys *out,
                        tbk_error *err) TBK_MUST_CHECK;

/* Fails with TBK_E_HOST_KEY unless the key that the VM showed is the known one, or may be taken.
 * log tells of keys that are taken. */
bool tbk_host_keys_check(tbk_arena *arena, const tbk_host_keys *known, const uint8_t *blob,
                         size_t length, const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;

/* Writes the checked key and those known besides to known_hosts_path, unless it says so already. */
bool tbk_host_keys_pin(tbk_arena *arena, const tbk_host_keys *known, const uint8_t *blob,
                       size_t length, tbk_error *err) TBK_MUST_CHECK;

/* Fails with TBK_E_HOST_KEY: shown is a fingerprint, shown_type may be "". */
bool tbk_host_keys_fail_changed(tbk_arena *arena, const tbk_host_keys *known,
                                const char *shown_type, const char *shown, tbk_error *err);

/* The keys in one text of known_hosts that stand for name. */
void tbk_host_keys_parse(tbk_arena *arena, const char *text, const char *name, tbk_host_keys *out);

#endif
