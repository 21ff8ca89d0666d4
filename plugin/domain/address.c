/* SPDX-License-Identifier: MIT */
/* Addresses of a VM: what may reach the ssh program's command line. */
#include "domain/address.h"

#include "domain/path.h"

#include <inttypes.h>
#include <string.h>

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define HOST_MAX_BYTES 255
#define USER_MAX_BYTES 32 /* useradd(8) */
#define KEY_MAX_BYTES 1000

bool tbk_address_check_host(const char *host, tbk_error *err)
{
    if (host[0] == '\0' || strlen(host) > HOST_MAX_BYTES || host[0] == '-' ||
        host[strspn(host, LETTERS_AND_DIGITS ".-_:%")] != '\0')
        return tbk_fail(err, TBK_E_CONFIG, "write a name or an IP address, such as 203.0.113.7",
                        "'%.300s' is not a host: letters, digits and .-_:%% are possible, "
                        "no '-' at its start, 1 to %d characters",
                        host, HOST_MAX_BYTES);
    return true;
}

bool tbk_address_check_port(int64_t port, tbk_error *err)
{
    if (port < 1 || port > UINT16_MAX)
        return tbk_fail(err, TBK_E_CONFIG, "write the port of the VM's SSH server, usually 22",
                        "%" PRId64 " is not a port: 1 to %d are possible", port, UINT16_MAX);
    return true;
}

bool tbk_address_check_user(const char *user, tbk_error *err)
{
    if (user[0] == '\0' || strlen(user) > USER_MAX_BYTES || user[0] == '-' ||
        user[strspn(user, LETTERS_AND_DIGITS ".-_")] != '\0')
        return tbk_fail(err, TBK_E_CONFIG, "write the name of the VM's user with sudo privileges",
                        "'%.300s' is not a user name: letters, digits and .-_ are possible, "
                        "no '-' at its start, 1 to %d characters",
                        user, USER_MAX_BYTES);
    return true;
}

bool tbk_address_check_key(const char *path, tbk_error *err)
{
    if (path[0] != '/' || strlen(path) > KEY_MAX_BYTES || tbk_path_has_control(path))
        return tbk_fail(err, TBK_E_CONFIG,
                        "write the whole path of the private key, such as /home/me/.ssh/id_ed25519",
                        "'%.300s' is not an absolute path of a key file", path);
    return true;
}
