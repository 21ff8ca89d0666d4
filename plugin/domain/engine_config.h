/* SPDX-License-Identifier: MIT */
/* engine.yml: what the engine in its container is to save, where, and how. It holds no secrets.
 * docs/schemas/engine.schema.json says the same for editors. */
#ifndef TBK_DOMAIN_ENGINE_CONFIG_H
#define TBK_DOMAIN_ENGINE_CONFIG_H

#include "domain/settings.h"

#define TBK_ENGINE_CONFIG_SCHEMA 1

/* Strict: unknown keys, a schema version other than ours, relative paths or ".." are TBK_E_CONFIG
 * with file and line. Text is borrowed from the document; the lists live in the arena. */
bool tbk_engine_config_read(tbk_arena *arena, const tbk_value *document, tbk_engine_config *out,
                            tbk_error *err) TBK_MUST_CHECK;

/* The file whose owner the store is given to, and that is there once there is a database: the
 * database, or the .env of one that is not a file. */
const char *tbk_engine_config_owned_file(const tbk_engine_config *config);

#endif
