/* SPDX-License-Identifier: MIT */
/* Numbers of documents that others may have written: their names tell units, and units have limits.
 */
#ifndef TBK_DOMAIN_UNITS_H
#define TBK_DOMAIN_UNITS_H

#include "base/value.h"

/*
 * Whether the number can be what its key says: "..._s" a time from 1970 to 9999, "..._ms" and
 * "...bytes" not negative (and milliseconds no longer than that), "exit_status" from 0 to 255.
 */
bool tbk_units_allow(const char *key, int64_t number);

/* Whether every whole number in the document is so, at any depth. After that no sum or difference
 * of them overflows. Fails with TBK_E_CONFIG naming the key. */
bool tbk_units_check(const tbk_value *document, tbk_error *err) TBK_MUST_CHECK;

#endif
