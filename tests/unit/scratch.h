/* SPDX-License-Identifier: MIT */
/* Tests that play with files and programs: a folder of their own to stand in, and its shell. */
#ifndef TBK_TESTS_UNIT_SCRATCH_H
#define TBK_TESTS_UNIT_SCRATCH_H

#include "unit/unit.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>

static char folder[64]; /* the whole program stands in it, and other users may enter */

/* Runs a shell command in the folder; its exit status. */
static inline int shell(const char *command)
{
    pid_t child;
    int status;
    char words[][3] = {"sh", "-c"};
    char *text = strdup(command);
    char *argv[] = {words[0], words[1], text, NULL};
    /* Not by fork, which takes long where a sanitizer has mapped much. */
    assert_int_equal(posix_spawn(&child, "/bin/sh", NULL, NULL, argv, environ), 0);
    free(text);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The first and the last step of a group of tests. */
static inline int enter_folder(void **state)
{
    (void)state;
    make_scratch(folder);
    return chmod(folder, 0755) == 0 && chdir(folder) == 0 ? 0 : -1;
}

static inline int remove_folder(void **state)
{
    (void)state;
    char command[96];
    (void)snprintf(command, sizeof command, "cd / && rm -rf '%s'", folder);
    return shell(command);
}

#endif
