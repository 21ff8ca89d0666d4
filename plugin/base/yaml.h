/* SPDX-License-Identifier: MIT */
/*
 * YAML text to values: one document; anchors, aliases and merge keys (`<<`) are resolved; plain
 * scalars by the core schema (null, true, 1, 1.5; everything else and all that is quoted is text).
 */
#ifndef TBK_BASE_YAML_H
#define TBK_BASE_YAML_H

#include "base/value.h"

/* Fails with TBK_E_CONFIG naming source, line and column: syntax, duplicate keys, tags that are not
 * of the core schema, several documents, more than 64 levels, more than 100,000 nodes after aliases
 * are resolved, more than 4096 keys in a map. An empty document is null. The tree and a copy of
 * source live in the arena. */
bool tbk_yaml_parse(tbk_arena *arena, const char *bytes, size_t length, const char *source,
                    const tbk_value **out, tbk_error *err) TBK_MUST_CHECK;

#endif
