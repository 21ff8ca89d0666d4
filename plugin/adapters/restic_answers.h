/* SPDX-License-Identifier: MIT */
/*
 * What restic prints with --json, read as what it is: text that whoever can write to the repository
 * has a say in. Each field is checked, everything has a limit, and what does not pass is left out.
 */
#ifndef TBK_ADAPTERS_RESTIC_ANSWERS_H
#define TBK_ADAPTERS_RESTIC_ANSWERS_H

#include "base/text.h"
#include "base/value.h"
#include "ports/repository.h"

#define TBK_RESTIC_TAG "torrust-backup" /* what our snapshots are told by */

/*
 * Takes a stream apart into its objects, whether they stand in lines or in a list. What stands
 * between them (restic's text for people) is left out, and so is an object of more than 64 KiB, as
 * the snapshot of a thousand paths is.
 * Digits of a number after the eighteenth are dropped: inodes have all 64 bits on some file
 * systems, which the parser would refuse, and no file is that large.
 */
typedef struct tbk_restic_objects {
    bool (*take)(void *self, const char *bytes, size_t length, tbk_error *err);
    void *self;
    tbk_text held; /* of the object that is not at its end yet */
    size_t depth, digits;
    bool in_string, is_escaped, is_too_long;
} tbk_restic_objects;

bool tbk_restic_objects_add(tbk_restic_objects *objects, const char *bytes, size_t length,
                            tbk_error *err) TBK_MUST_CHECK;
void tbk_restic_objects_end(tbk_restic_objects *objects);
#define tbk_auto_restic_objects __attribute__((cleanup(tbk_restic_objects_end))) tbk_restic_objects

/* One object, in the arena; NULL when it is none. */
const tbk_value *tbk_restic_object(tbk_arena *arena, const char *bytes, size_t length);
/* Its message_type; "" when it has none. */
const char *tbk_restic_kind(const tbk_value *object);

bool tbk_restic_is_id(const char *text);
/* Whether it can be the name of a file in a set's folder. */
bool tbk_restic_is_file_name(const char *text);
/* Whether it can be a snapshot's name, or a tag: letters, digits and "._-", at most 128. */
bool tbk_restic_is_name(const char *text);

/* A snapshot of `snapshots`, copied into the arena with its tags but our own; NULL: it is none of a
 * set of ours. */
tbk_snapshot *tbk_restic_snapshot(tbk_arena *arena, const tbk_value *object);
/* The newest first. */
tbk_snapshot *tbk_restic_sort(tbk_arena *arena, tbk_snapshot *list, size_t count);

/* A node of `ls`. *out is NULL for what is no file: the set's own folder. Fails with TBK_E_CORRUPT
 * for what no set has. */
bool tbk_restic_node(tbk_arena *arena, const tbk_value *object, const char *set,
                     tbk_snapshot_file **out, tbk_error *err) TBK_MUST_CHECK;

/* A lock of `cat lock`; NULL: it is none. */
tbk_repository_lock *tbk_restic_lock(tbk_arena *arena, const char *id, const tbk_value *object);

/* The version in what `version` prints, as 18 for 0.18 and 100 for 1.0; -1 when there
 * is none. */
int tbk_restic_version(const char *text);

#endif
