/* SPDX-License-Identifier: MIT */
/*
 * Install: directories, image, hook, configuration and schedule on the VM.
 *
 * What is there already is left alone, so that a second run changes nothing. Whatever interrupts
 * it, the next run completes it: files appear whole, the schedule last.
 */
#ifndef TBK_COMMANDS_CONFIGURE_H
#define TBK_COMMANDS_CONFIGURE_H

#include "commands/host_facts.h"
#include "commands/image.h"
#include "commands/workspace.h"
#include "ports/remote.h"
#include "render/render.h"

typedef struct tbk_configure_input {
    const tbk_workspace *workspace;
    const tbk_rendering *rendering;
    const tbk_image *image;
    const tbk_remote *remote;
    const tbk_report *report;
    bool dry_run;
} tbk_configure_input;

/*
 * out_result: {"host", "changed", "complete", "items": [{"name", "target", "state"}], "remarks":
 * [...], "next_runs": [...]}; state is "in place", "installed" or "updated"; in a dry run "would be
 * installed" or "would be updated"; of the other mode's things "removed", of the sidecar "started"
 * or "waits for a tracker". Errors: TBK_E_UNSUPPORTED when the sidecar cannot back the database up,
 * TBK_E_LOCKED when the mode changes while a backup goes on; as the remote port; TBK_E_REMOTE when
 * the VM lacks Docker, Compose, cron or flock, or is of another architecture. On failure
 * *out_result tells what was changed until then.
 */
bool tbk_configure(tbk_arena *arena, const tbk_configure_input *input, tbk_value **out_result,
                   tbk_error *err) TBK_MUST_CHECK;

/* The folders that it makes, of root's. */
typedef struct tbk_configure_directory {
    const char *path;
    mode_t mode;
} tbk_configure_directory;

#define TBK_INSTALL_DIRECTORIES 3
extern const tbk_configure_directory tbk_configure_directories[TBK_INSTALL_DIRECTORIES];

/* How many of them a mode has, from the first one on. */
size_t tbk_configure_directory_count(tbk_mode mode);

/* Whether the VM has all that a backup needs; fails with TBK_E_REMOTE. */
bool tbk_configure_check_host(const tbk_host_facts *facts, tbk_mode mode,
                              tbk_error *err) TBK_MUST_CHECK;

#endif
