/* SPDX-License-Identifier: MIT */
/*
 * Which file a path leads to: the device and the inode. One text for it on both sides of every
 * boundary, "<device>:<inode>", decimal, as `stat -L -c '%d:%i'` prints it.
 */
#ifndef TBK_DOMAIN_FILE_ID_H
#define TBK_DOMAIN_FILE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct tbk_file_id {
    uint64_t device, inode;
} tbk_file_id;

/* Of exactly these bytes; false when they are anything else. */
bool tbk_file_id_parse(const char *text, size_t length, tbk_file_id *out);

typedef enum tbk_file_match {
    TBK_FILE_AMONG,     /* it is one of them */
    TBK_FILE_NOT_AMONG, /* it is none of them */
    TBK_FILE_PERHAPS    /* one has its inode, on a device whose number tells nothing */
} tbk_file_match;

/*
 * Whether a file is among a process's open files. btrfs, overlayfs and network file systems
 * have device numbers without a major part, which need not be the same in every place where the
 * file system is mounted: there, an equal inode on another device decides nothing.
 */
tbk_file_match tbk_file_id_find(const tbk_file_id *list, size_t count, const tbk_file_id *wanted);

#endif
