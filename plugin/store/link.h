/* SPDX-License-Identifier: MIT */
/* Where a path of the deployment leads that has symbolic links in it. */
#ifndef TBK_STORE_LINK_H
#define TBK_STORE_LINK_H

#include <limits.h>
#include <stdbool.h>

/*
 * Expands every link in the path, as text: nothing is opened, so the caller opens the outcome
 * without following links, and fails where a link has come in between.
 * Shape:  root is a descriptor of the folder root_path (absolute); path and out are below it, out
 *         without a slash at either end, "" for the folder itself. At most 16 links.
 * Errors: false, with the reason in *out_why: it leads out of the folder, nowhere, or in a circle.
 */
bool tbk_link_resolve(int root, const char *root_path, const char *path, char out[PATH_MAX],
                      const char **out_why);

#endif
