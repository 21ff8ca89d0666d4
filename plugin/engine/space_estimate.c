/* SPDX-License-Identifier: MIT */
/* Expectations from earlier sets, and their sum at the moment when most is there. */
#include "engine/space_estimate.h"

/* What zstd may add to data that does not compress, with the seek table: below 1 %. */
#define COMPRESS_BOUND_DIVISOR 100
#define SMALL_BYTES (1u << 20) /* manifest, sums, proof, state */

/* Without a set that tells, a quarter of the database is more than any tracker's. */
static uint64_t expect_raw(const tbk_stored_set *last, tbk_profile profile, uint64_t database_bytes)
{
    if (profile == TBK_PROFILE_FULL)
        return database_bytes;
    return SMALL_BYTES + (last != NULL ? tbk_manifest_database_bytes(last->manifest) * 5 / 4
                                       : database_bytes / 4);
}

static uint64_t expect_stored(const tbk_stored_set *last, uint64_t raw_bytes)
{
    uint64_t bound = raw_bytes + raw_bytes / COMPRESS_BOUND_DIVISOR + SMALL_BYTES;
    const tbk_set_file *file =
        last != NULL
            ? tbk_manifest_file(last->manifest, tbk_manifest_database_file(last->manifest->driver))
            : NULL;
    if (file == NULL || file->raw_bytes == 0)
        return bound;
    double ratio = 1.25 * (double)file->stored_bytes / (double)file->raw_bytes;
    uint64_t expected = (uint64_t)(ratio * (double)raw_bytes) + SMALL_BYTES;
    return expected < bound ? expected : bound;
}

tbk_space_estimate tbk_space_estimate_make(const tbk_stored_set *earlier, const tbk_set_kind *kind,
                                           uint64_t database_bytes)
{
    const tbk_stored_set *last = tbk_stored_set_first_of(earlier, kind);
    uint64_t raw_bytes = expect_raw(last, kind->profile, database_bytes);
    return (tbk_space_estimate){.database_bytes = database_bytes,
                                .raw_bytes = raw_bytes,
                                .stored_bytes = expect_stored(last, raw_bytes),
                                .selects = kind->profile == TBK_PROFILE_ESSENTIAL};
}

uint64_t tbk_space_estimate_needed_bytes(const tbk_space_estimate *room, bool copies, bool restores)
{
    uint64_t needed = room->stored_bytes + SMALL_BYTES;
    if (copies)
        needed += room->database_bytes;
    if (room->selects || (restores && !copies))
        needed += room->raw_bytes;
    return needed + needed / 20;
}
