/* SPDX-License-Identifier: MIT */
/*
 * Render: from an environment and options to the files that are put on the VM.
 *
 * Pure: reads templates, gives bytes; writing and uploading are the caller's. Every file is parsed
 * again before it is given out.
 */
#ifndef TBK_PHASES_RENDER_H
#define TBK_PHASES_RENDER_H

#include "base/digest.h"
#include "domain/environment.h"
#include "domain/options.h"

#include <sys/types.h>

typedef struct tbk_rendered_file {
    const char *name;   /* "compose.yml": below build/<env>/torrust-backup/ */
    const char *target; /* "/opt/torrust-backup/compose.yml": on the VM */
    mode_t mode;
    const char *bytes;
    size_t length;
    tbk_digest digest;
} tbk_rendered_file;

#define TBK_RENDERED_FILES_MAX 8

typedef struct tbk_rendering {
    tbk_rendered_file files[TBK_RENDERED_FILES_MAX]; /* in the order in which they are installed */
    size_t count;
} tbk_rendering;

typedef struct tbk_render_input {
    const tbk_environment *environment;
    const tbk_options *options;
    const char *image_tag;      /* "torrust-backup-engine:0123456789ab" */
    const char *templates_path; /* installed templates */
    const char *override_path;  /* data/<env>/templates/torrust-backup; need not exist */
} tbk_render_input;

bool tbk_render(tbk_arena *arena, const tbk_render_input *input, tbk_rendering *out,
                tbk_error *err) TBK_MUST_CHECK;

#endif
