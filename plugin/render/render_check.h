/* SPDX-License-Identifier: MIT */
/* Reads rendered files again, as their programs will: a template can be well-formed and its
 * result wrong. */
#ifndef TBK_RENDER_RENDER_CHECK_H
#define TBK_RENDER_RENDER_CHECK_H

#include "base/arena.h"
#include "base/error.h"

/* Each gets a text of `length` bytes that is NUL-ended UTF-8, and fails with TBK_E_TEMPLATE or
 * TBK_E_CONFIG; name is what errors call it. */
typedef bool tbk_render_check(tbk_arena *arena, const char *name, const char *bytes, size_t length,
                              tbk_error *err);

tbk_render_check tbk_render_check_compose;
tbk_render_check tbk_render_check_engine_config;
tbk_render_check tbk_render_check_crontab;
tbk_render_check tbk_render_check_script;

#endif
