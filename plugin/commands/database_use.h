/* SPDX-License-Identifier: MIT */
/* Whether the tracker on the VM works on the database that is backed up, seen from outside. */
#ifndef TBK_COMMANDS_DATABASE_USE_H
#define TBK_COMMANDS_DATABASE_USE_H

#include "commands/host_facts.h"

typedef struct tbk_database_use {
    const char
        *problem; /* the tracker works on another file: what it has open; NULL: it does not */
    const char *unknown; /* why it could not be looked; NULL: it could */
    bool is_open;        /* the tracker has the database open */
} tbk_database_use;

/* The way out of a problem. */
extern const char tbk_database_use_fix[];

/*
 * Compares device and inode of the database with the files that the processes of the tracker's
 * container have open. A tracker that does not run, and a database of MySQL, are no problem: all
 * fields are empty then. One that may have just started is given ten seconds.
 * Errors: as the remote port's. Text lives in the arena.
 */
bool tbk_database_use_look(tbk_arena *arena, const tbk_vm *vm, tbk_database_use *out,
                           tbk_error *err) TBK_MUST_CHECK;

/*
 * The same in sentences: *out_problem with the way out of it, or *out_warning where it is not
 * known; NULL = none. It is not looked at where there is no tracker, and while a backup or a
 * restore goes on: that may have stopped the tracker, or be putting another database in place.
 */
bool tbk_database_use_tell(tbk_arena *arena, const tbk_vm *vm, const tbk_host_facts *facts,
                           const char **out_problem, const char **out_warning,
                           tbk_error *err) TBK_MUST_CHECK;

/* Judges what the script on the VM has said. */
void tbk_database_use_judge(tbk_arena *arena, const char *path, const char *output,
                            tbk_database_use *out);

#endif
