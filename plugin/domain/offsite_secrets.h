/* SPDX-License-Identifier: MIT */
/*
 * The secrets of the repository: a file of variables, as restic and its back ends call them. It is
 * the operator's; on the VM it is for the service `outbound` only, which hands it to restic.
 */
#ifndef TBK_DOMAIN_OFFSITE_SECRETS_H
#define TBK_DOMAIN_OFFSITE_SECRETS_H

#include "domain/dotenv.h"

/*
 * All variables as NAME=VALUE, NULL at the end, in the arena.
 * Errors: TBK_E_CONFIG: as tbk_dotenv_find; RESTIC_PASSWORD is missing or empty; a name that is
 *         ours to set, or that makes another program of it. No value is ever told.
 */
bool tbk_offsite_secrets_read(tbk_arena *arena, const tbk_dotenv *file,
                              const char *const **out_variables, tbk_error *err) TBK_MUST_CHECK;

#endif
