/* SPDX-License-Identifier: MIT */
/*
 * The repository port by the program restic, 0.18 or newer.
 *
 * Each call is a child process of its own. Secrets stand in its environment, which holds nothing of
 * ours but PATH; never in its arguments, which every user of the machine can read, nor in errors.
 * Snapshots are told from other people's by the tag "torrust-backup"; the host is the name, and the
 * time that of the set.
 */
#ifndef TBK_ADAPTERS_RESTIC_H
#define TBK_ADAPTERS_RESTIC_H

#include "adapters/restic_settings.h"
#include "ports/repository.h"

/* Copies all but the report. Fails with TBK_E_UNSUPPORTED where restic is too old, TBK_E_CONFIG
 * where it is not there, or the settings are of no use: a password in the address, too. */
bool tbk_restic_open(const tbk_restic_settings *settings, tbk_restic **out,
                     tbk_error *err) TBK_MUST_CHECK;
/* As long as restic is there. */
tbk_repository tbk_restic_port(tbk_restic *restic);
void tbk_restic_free(tbk_restic *restic); /* NULL is fine */
TBK_AUTO_POINTER(tbk_restic, tbk_restic_free);

#endif
