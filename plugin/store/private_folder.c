/* SPDX-License-Identifier: MIT */
/* Folders that no other user can lead elsewhere, or read. */
#include "store/private_folder.h"

#include "base/auto.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

bool tbk_private_folder_fail(const char *path, const char *name, tbk_error *err)
{
    bool is_full = errno == ENOSPC || errno == EDQUOT;
    return tbk_fail_errno(err, is_full ? TBK_E_SPACE : TBK_E_IO, errno, NULL,
                          "cannot write '%s/%s'", path, name);
}

/* A whole database comes there, with the tracker's secrets. */
static bool check_folder(const char *path, int fd, tbk_error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "looking at '%s'", path);
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return tbk_fail(err, TBK_E_CONFIG, "name a folder of your own, or one that is made then",
                        "'%s' belongs to another user (%u)", path, (unsigned)status.st_uid);
    return (status.st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
           tbk_fail(err, TBK_E_CONFIG, "chmod go-w it, or name another folder",
                    "others can write in '%s' (mode %o)", path, (unsigned)status.st_mode & 07777);
}

/* Two processes would write the same files. */
static bool lock_folder(const char *path, int fd, tbk_error *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    if (errno == EWOULDBLOCK)
        return tbk_fail(err, TBK_E_LOCKED, "wait until it has ended, or name another folder",
                        "another command is putting a set into '%s'", path);
    return tbk_fail_errno(err, TBK_E_IO, errno, "name a folder on a local disk",
                          "'%s' cannot be locked", path);
}

bool tbk_private_folder_open(const char *path, int *out_fd, tbk_error *err)
{
    if (!tbk_directory_make(path, 0700, err))
        return false;
    tbk_auto_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return tbk_fail_errno(err, TBK_E_IO, errno, NULL, "opening '%s'", path);
    if (!check_folder(path, fd, err) || !lock_folder(path, fd, err))
        return false;
    *out_fd = fd;
    fd = -1;
    return true;
}

bool tbk_private_folder_publish(int fd, const char *path, const char *partial, const char *name,
                                tbk_error *err)
{
    return (renameat(fd, partial, fd, name) == 0 && tbk_directory_sync(fd)) ||
           tbk_private_folder_fail(path, name, err);
}
