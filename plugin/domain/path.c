/* SPDX-License-Identifier: MIT */
/* Paths and file names from outside: whether one is what it claims to be, and nothing more. */
#include "domain/path.h"

#include <string.h>

#define NAME_MAX_BYTES 255
/* Well below the kernel's 4096, so that what we append to a path always fits. */
#define PATH_MAX_BYTES 1000

bool tbk_path_has_control(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7F)
            return true;
    return false;
}

static bool is_dots(const char *name, size_t length)
{
    return (length == 1 && name[0] == '.') || (length == 2 && name[0] == '.' && name[1] == '.');
}

bool tbk_path_check_name(const char *name, tbk_error *err)
{
    size_t length = strlen(name);

    if (length == 0)
        return tbk_fail(err, TBK_E_CONFIG, NULL, "it is empty");
    if (length > NAME_MAX_BYTES)
        return tbk_fail(err, TBK_E_CONFIG, "choose a shorter one",
                        "it has %zu bytes; at most %d are possible", length, NAME_MAX_BYTES);
    if (tbk_path_has_control(name))
        return tbk_fail(err, TBK_E_CONFIG, NULL, "'%s' has control characters", name);
    if (strchr(name, '/') != NULL || is_dots(name, length))
        return tbk_fail(err, TBK_E_CONFIG, "write a name without '/'",
                        "'%s' leads out of its folder", name);
    return true;
}

/* The components of what follows the first '/' of an absolute path. */
static bool check_components(const char *path, const char *components, tbk_error *err)
{
    if (strlen(path) > PATH_MAX_BYTES)
        return tbk_fail(err, TBK_E_CONFIG, "choose a shorter path",
                        "it has %zu bytes; at most %d are possible", strlen(path), PATH_MAX_BYTES);
    if (tbk_path_has_control(path))
        return tbk_fail(err, TBK_E_CONFIG, NULL, "'%s' has control characters", path);
    for (const char *at = components;; at++) {
        size_t length = strcspn(at, "/");
        if (length == 0)
            return tbk_fail(err, TBK_E_CONFIG, "write each '/' once, and none at the end",
                            "'%s' has an empty part", path);
        if (is_dots(at, length))
            return tbk_fail(err, TBK_E_CONFIG, "write the path without '.' and '..'",
                            "'%s' has the part '%.*s'", path, (int)length, at);
        if (length > NAME_MAX_BYTES)
            return tbk_fail(err, TBK_E_CONFIG, "choose shorter names",
                            "a part of the path has %zu bytes; at most %d are possible", length,
                            NAME_MAX_BYTES);
        at += length;
        if (*at == '\0')
            return true;
    }
}

bool tbk_path_check_absolute(const char *path, tbk_error *err)
{
    if (path[0] != '/')
        return tbk_fail(err, TBK_E_CONFIG, "write the whole path, from '/' on",
                        "'%s' is not an absolute path", path);
    return path[1] == '\0' || check_components(path, path + 1, err);
}

bool tbk_path_check_relative(const char *path, tbk_error *err)
{
    if (path[0] == '/')
        return tbk_fail(err, TBK_E_CONFIG, "write the path below the root, without the first '/'",
                        "'%s' is an absolute path", path);
    return check_components(path, path, err);
}

bool tbk_path_is_within(const char *path, const char *folder)
{
    size_t length = strlen(folder);
    return strncmp(path, folder, length) == 0 && (path[length] == '\0' || path[length] == '/');
}
