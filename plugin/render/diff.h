/* SPDX-License-Identifier: MIT */
/* The difference of two texts in lines, as `diff -u` shows it. */
#ifndef TBK_RENDER_DIFF_H
#define TBK_RENDER_DIFF_H

#include "base/text.h"

/*
 * Appends the hunks, with three lines around each change, without the two lines that name the
 * files; nothing when the texts are equal. Texts of many thousand lines are shown as replaced as a
 * whole.
 */
void tbk_diff_lines(tbk_text *out, const char *old_text, const char *new_text);

#endif
