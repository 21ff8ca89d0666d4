/* SPDX-License-Identifier: MIT */
/* One part after the other; a link's target takes the place of its name. */
#include "store/link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINKS_MAX 16
#define LEADS_OUT "it leads out of the deployment's folder"
#define TOO_LONG "it leads to a path that is too long"

typedef struct walk {
    int root;
    const char *root_path;
    char *done; /* PATH_MAX: what has no link in it */
    char pending[PATH_MAX];
    unsigned links;
    const char *why;
} walk;

static bool give_up(walk *self, const char *why)
{
    self->why = why;
    return false;
}

/* Takes the next part off what is pending; false at the end. */
static bool take_part(walk *self, char part[NAME_MAX + 1], bool *out_end)
{
    const char *begin = self->pending + strspn(self->pending, "/");
    size_t length = strcspn(begin, "/");
    *out_end = length == 0;
    if (length > NAME_MAX)
        return give_up(self, TOO_LONG);
    memcpy(part, begin, length);
    part[length] = '\0';
    memmove(self->pending, begin + length, strlen(begin + length) + 1);
    return true;
}

static bool go_up(walk *self)
{
    if (self->done[0] == '\0')
        return give_up(self, LEADS_OUT);
    char *slash = strrchr(self->done, '/');
    *(slash != NULL ? slash : self->done) = '\0';
    return true;
}

/* The part of an absolute target that is below the root; NULL: it is not. */
static const char *below_root(const walk *self, const char *target)
{
    size_t length = strlen(self->root_path);
    while (length > 0 && self->root_path[length - 1] == '/')
        length--;
    bool is_below = strncmp(target, self->root_path, length) == 0 &&
                    (target[length] == '/' || target[length] == '\0');
    return is_below ? target + length : NULL;
}

static bool expand(walk *self, const char *target)
{
    char longer[2 * PATH_MAX];
    if (++self->links > LINKS_MAX)
        return give_up(self, "its links go in a circle");
    if (target[0] == '/') {
        target = below_root(self, target);
        if (target == NULL)
            return give_up(self, LEADS_OUT);
        self->done[0] = '\0';
    }
    int length = snprintf(longer, sizeof longer, "%s/%s", target, self->pending);
    if (length >= PATH_MAX)
        return give_up(self, TOO_LONG);
    memcpy(self->pending, longer, (size_t)length + 1);
    return true;
}

static bool go_down(walk *self, const char *part)
{
    char path[2 * PATH_MAX], target[PATH_MAX];
    int length =
        snprintf(path, sizeof path, "%s%s%s", self->done, self->done[0] != '\0' ? "/" : "", part);
    if (length >= PATH_MAX)
        return give_up(self, TOO_LONG);
    ssize_t got = readlinkat(self->root, path, target, sizeof target - 1);
    if (got < 0 && errno == ENOENT)
        return give_up(self, "it leads to what is not there");
    if (got < 0 && errno != EINVAL)
        return give_up(self, strerrordesc_np(errno));
    if (got < 0) {
        memcpy(self->done, path, (size_t)length + 1);
        return true;
    }
    target[got] = '\0';
    return expand(self, target);
}

bool tbk_link_resolve(int root, const char *root_path, const char *path, char out[PATH_MAX],
                      const char **out_why)
{
    walk self = {.root = root, .root_path = root_path, .done = out};
    char part[NAME_MAX + 1];
    bool end = false;
    out[0] = '\0';
    bool ok = snprintf(self.pending, sizeof self.pending, "%s", path) < PATH_MAX ||
              give_up(&self, TOO_LONG);
    while (ok && (ok = take_part(&self, part, &end)) && !end) {
        if (strcmp(part, "..") == 0)
            ok = go_up(&self);
        else if (strcmp(part, ".") != 0)
            ok = go_down(&self, part);
    }
    *out_why = self.why;
    return ok;
}
