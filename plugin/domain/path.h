/* SPDX-License-Identifier: MIT */
/* Paths and file names from outside: whether one is what it claims to be, and nothing more. */
#ifndef TBK_DOMAIN_PATH_H
#define TBK_DOMAIN_PATH_H

#include "base/error.h"

/* Whether the text has control characters of ASCII, which end lines and confuse terminals. */
bool tbk_path_has_control(const char *text);

/* One component of a path: not empty, at most 255 bytes, not "." or "..", no '/', no control
 * characters. Fails with TBK_E_CONFIG. */
bool tbk_path_check_name(const char *name, tbk_error *err) TBK_MUST_CHECK;

/* A path that reads the same after it is resolved: starts with '/', no empty, "." or ".."
 * component, no '/' at its end, no control characters, at most 1000 bytes; "/" itself is one.
 * Fails with TBK_E_CONFIG. */
bool tbk_path_check_absolute(const char *path, tbk_error *err) TBK_MUST_CHECK;

/* The same without the '/' at the start; "" is none. */
bool tbk_path_check_relative(const char *path, tbk_error *err) TBK_MUST_CHECK;

/* Whether a clean path is this folder or lies in it. */
bool tbk_path_is_within(const char *path, const char *folder);

#endif
