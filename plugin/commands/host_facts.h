/* SPDX-License-Identifier: MIT */
/* What is on the VM at this moment, gathered by one command in one round trip, and what of it is to
 * be changed (domain/deployment.h). */
#ifndef TBK_COMMANDS_HOST_FACTS_H
#define TBK_COMMANDS_HOST_FACTS_H

#include "commands/vm.h"

typedef struct tbk_host_facts {
    const char *arch;            /* "x86_64" */
    const char *docker_version;  /* "" = Docker does not answer */
    const char *compose_version; /* "" = no `docker compose` */
    bool flock, cron_running, logrotate;
    const char *tracker_id;    /* "" = no such container */
    const char *tracker_state; /* "running", "paused", "exited", ...; "" = no such container */
    const char
        *tracker_health;       /* "healthy", "starting", "unhealthy"; "" = it has no health check */
    bool held;                 /* the hook's marker stands */
    bool hook_runs;            /* a hook or an engine holds its lock at this moment */
    bool native_cron;          /* the deployer's own backup is scheduled */
    const char *sidecar_state; /* of its container, as tracker_state; "" = there is none */
    const char *sidecar_health; /* as tracker_health */
    const char *outbound_state; /* of the container that works off-site, as tracker_state */
    int64_t store_free_bytes;   /* -1 = there is no store yet */
    int64_t now_s;              /* the VM's wall clock */
    int64_t utc_offset_s;       /* of its local time, which cron uses */
    tbk_found found;            /* of the deployment's items */
} tbk_host_facts;

/* Fails as the remote port does, and with TBK_E_REMOTE when sudo wants a password. */
bool tbk_vm_look(tbk_arena *arena, const tbk_vm *vm, tbk_host_facts *out,
                 tbk_error *err) TBK_MUST_CHECK;

/* The desired state, with what is to be done about it. */
void tbk_vm_items(tbk_arena *arena, const tbk_vm *vm, const tbk_host_facts *facts, tbk_items *out);

/* Whether the VM has all that a backup in this mode needs; fails with TBK_E_REMOTE. */
bool tbk_host_facts_check(const tbk_host_facts *facts, tbk_architecture built_for, tbk_mode mode,
                          tbk_error *err) TBK_MUST_CHECK;

/* --- the tracker --- */

/* It runs, and is healthy where it has a health check. */
bool tbk_host_facts_tracker_is_well(const tbk_host_facts *facts);
/* "running, healthy" */
const char *tbk_host_facts_tracker(tbk_arena *arena, const tbk_host_facts *facts);
/* Looks until it is well, or the time is over: facts says which. 0 looks once. */
bool tbk_vm_await_tracker(tbk_arena *arena, const tbk_vm *vm, int64_t limit_ms,
                          tbk_host_facts *facts, tbk_error *err) TBK_MUST_CHECK;

#endif
