/* SPDX-License-Identifier: MIT */
/*
 * What the operator told us: the options file envs/<env>.backup.yml. Every option has a default, so
 * the file need not exist. domain/options.def has keys, limits and defaults;
 * docs/schemas/options.schema.json says the same for editors.
 */
#ifndef TBK_DOMAIN_OPTIONS_H
#define TBK_DOMAIN_OPTIONS_H

#include "domain/settings.h"

/* The defaults; schedule and keep_days are the native backup's where it is configured. */
void tbk_options_default(const tbk_environment *environment, tbk_options *out);

/* Reads the document over the defaults. Errors (TBK_E_CONFIG) name file, line and what is accepted:
 * unknown keys, wrong types, impossible values (schedule out of range or never due, keep_days 0, a
 * store that is not an absolute clean path, or lies in a folder of the tracker's or the system's).
 * A null document changes nothing, nor does one with an error. Text is borrowed from the document.
 */
bool tbk_options_read(const tbk_value *document, tbk_options *options,
                      tbk_error *err) TBK_MUST_CHECK;

/* Checks the values, wherever they come from (file, deployer state or command line), and whether
 * they go with each other and with the database. */
bool tbk_options_check(const tbk_options *options, tbk_driver driver,
                       tbk_error *err) TBK_MUST_CHECK;

/* Whether the method is one for such a database, and need not hold what mode and policy say is not
 * held: the sidecar never holds the tracker. Fails with TBK_E_CONFIG. */
bool tbk_method_check(tbk_method method, tbk_driver driver, tbk_mode mode, tbk_hold_policy hold,
                      tbk_error *err) TBK_MUST_CHECK;

#endif
