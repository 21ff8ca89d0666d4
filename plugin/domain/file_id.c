/* SPDX-License-Identifier: MIT */
/* Reads "<device>:<inode>", and compares. */
#include "domain/file_id.h"

#include <sys/sysmacros.h>

/* Decimal digits from *at on, at least one; at is after them then. */
static bool parse_number(const char **at, const char *end, uint64_t *out)
{
    const char *begin = *at;
    uint64_t number = 0;
    for (; *at < end && **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(number, (uint64_t)10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(**at - '0'), &number))
            return false;
    *out = number;
    return *at > begin;
}

bool tbk_file_id_parse(const char *text, size_t length, tbk_file_id *out)
{
    const char *at = text, *end = text + length;
    tbk_file_id id;
    if (!parse_number(&at, end, &id.device) || at == end || *at++ != ':' ||
        !parse_number(&at, end, &id.inode) || at != end)
        return false;
    *out = id;
    return true;
}

static bool is_anonymous(uint64_t device) { return major(device) == 0; }

tbk_file_match tbk_file_id_find(const tbk_file_id *list, size_t count, const tbk_file_id *wanted)
{
    tbk_file_match match = TBK_FILE_NOT_AMONG;
    for (size_t i = 0; i < count; i++) {
        if (list[i].inode != wanted->inode)
            continue;
        if (list[i].device == wanted->device)
            return TBK_FILE_AMONG;
        if (is_anonymous(list[i].device) || is_anonymous(wanted->device))
            match = TBK_FILE_PERHAPS;
    }
    return match;
}
