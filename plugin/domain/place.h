/* SPDX-License-Identifier: MIT */
/* Where in a document a value stands that a check refused. */
#ifndef TBK_DOMAIN_PLACE_H
#define TBK_DOMAIN_PLACE_H

#include "base/value.h"

/* Adds document, line and key, as far as they are known, before the message of the check that
 * failed. Always returns false. */
bool tbk_error_at(const tbk_value *value, const char *key, tbk_error *err);

#endif
