/* SPDX-License-Identifier: MIT */
/*
 * Addresses of a VM: what may reach the ssh program's command line.
 *
 * A host or user that starts with '-' would be an option to that program (and -oProxyCommand runs
 * commands), so only letters, digits and a few signs pass. All fail with TBK_E_CONFIG.
 */
#ifndef TBK_DOMAIN_ADDRESS_H
#define TBK_DOMAIN_ADDRESS_H

#include "base/error.h"

#include <stdint.h>

/* A name or an IPv4 or IPv6 address, without brackets; a zone (%eth0) may follow. */
bool tbk_address_check_host(const char *host, tbk_error *err) TBK_MUST_CHECK;
bool tbk_address_check_port(int64_t port, tbk_error *err) TBK_MUST_CHECK;
bool tbk_address_check_user(const char *user, tbk_error *err) TBK_MUST_CHECK;
/* Absolute, without control characters. Whether the file is there is not looked at. */
bool tbk_address_check_key(const char *path, tbk_error *err) TBK_MUST_CHECK;

#endif
