/* SPDX-License-Identifier: MIT */
/* Each component is opened in the folder before it, as it is, and only then looked at. */
#include "store/safe_path.h"

#include "base/auto.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 16

typedef struct walk {
    const char *path; /* as it was asked for, for errors */
    int fd;           /* the folder that was reached */
    bool trusted;     /* no other user may write in it, or in any folder above it */
    unsigned links;
} walk;

static bool is_own(uid_t user) { return user == 0 || user == geteuid(); }

static bool fail(const walk *self, tbk_error *err)
{
    int cause = errno;
    bool is_missing = cause == ENOENT || cause == ENOTDIR;
    return tbk_fail_errno(err, is_missing ? TBK_E_NOT_FOUND : TBK_E_IO, cause, NULL,
                          "cannot open '%s'", self->path);
}

static bool enter(walk *self, int fd, tbk_error *err)
{
    (void)close(self->fd);
    self->fd = fd;
    return fd >= 0 || fail(self, err);
}

static bool go(walk *self, char *rest, tbk_error *err);

/* Goes on from the folder that the link is in. */
static bool follow(walk *self, int link_fd, const struct stat *link, tbk_error *err)
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(link_fd, "", target, sizeof target - 1);

    (void)close(link_fd);
    if (!self->trusted || !is_own(link->st_uid))
        return tbk_fail(err, TBK_E_CONFIG,
                        "give the place itself as the path, or mount it there instead of the link",
                        "'%s' leads over a link that others than root may have put there",
                        self->path);
    if (length < 0 || ++self->links > LINKS_MAX) {
        errno = length < 0 ? errno : ELOOP;
        return fail(self, err);
    }
    target[length] = '\0';
    return (target[0] != '/' || enter(self, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), err)) &&
           go(self, target, err);
}

/* Whether the folder that was reached keeps names where they are. In a sticky one a name can be
 * taken away only by its owner, which follow() checks. */
static bool look_at_folder(walk *self, tbk_error *err)
{
    struct stat status;
    if (fstat(self->fd, &status) != 0)
        return fail(self, err);
    bool others_write = (status.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    bool is_sticky = (status.st_mode & S_ISVTX) != 0;
    self->trusted = self->trusted && is_own(status.st_uid) && (!others_write || is_sticky);
    return true;
}

static bool step(walk *self, const char *name, tbk_error *err)
{
    struct stat status;
    if (!look_at_folder(self, err))
        return false;
    int fd = openat(self->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) {
        (void)(fd >= 0 && close(fd));
        return fail(self, err);
    }
    if (S_ISLNK(status.st_mode))
        return follow(self, fd, &status, err);
    self->trusted = self->trusted && is_own(status.st_uid);
    return enter(self, fd, err);
}

static bool go(walk *self, char *rest, tbk_error *err)
{
    char *at = NULL;
    for (char *name = strtok_r(rest, "/", &at); name != NULL; name = strtok_r(NULL, "/", &at))
        if (!step(self, name, err))
            return false;
    return true;
}

int tbk_safe_path_open(const char *path, tbk_error *err)
{
    walk self = {.path = path, .trusted = true};
    tbk_auto_free char *rest = strdup(path);

    tbk_memory_must(rest != NULL);
    self.fd = open(path[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (self.fd < 0)
        (void)fail(&self, err);
    else if (!go(&self, rest, err))
        tbk_auto_end_fd(&self.fd);
    return self.fd;
}
