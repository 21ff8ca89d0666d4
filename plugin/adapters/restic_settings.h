/* SPDX-License-Identifier: MIT */
/* What restic is told of a repository: its address, its secrets, its folders. */
#ifndef TBK_ADAPTERS_RESTIC_SETTINGS_H
#define TBK_ADAPTERS_RESTIC_SETTINGS_H

#include "ports/report.h"

typedef struct tbk_restic tbk_restic;

typedef struct tbk_restic_settings {
    const char *program;          /* "restic": found through PATH; or an absolute path */
    const char *repository;       /* as restic has it; no secrets in it */
    const char *const *variables; /* NAME=VALUE, NULL at the end: password, credentials; only restic
                                   * gets them */
    const char *cache_folder, *temporary_folder; /* on disk; both are there */
    const char *ssh_key, *known_hosts;           /* files, for sftp; NULL: as ssh finds them */
    int64_t limit_upload_kib;                    /* a second; 0 = none */
    int64_t limit_stall_s; /* it is ended when nothing has moved for so long; 0 = half an hour, as
                            * its own retries end before that */
    const tbk_report *report; /* progress of send ("upload") and restore ("download"), what restic
                               * says meanwhile, and cancelling; may be NULL */
} tbk_restic_settings;

#endif
