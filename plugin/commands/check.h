/* SPDX-License-Identifier: MIT */
/* How a check of the report of `verify` ended. */
#ifndef TBK_COMMANDS_CHECK_H
#define TBK_COMMANDS_CHECK_H

typedef enum tbk_check_state {
    TBK_CHECK_OK,
    TBK_CHECK_WARNING,
    TBK_CHECK_FAILED,
    TBK_CHECK_SKIPPED
} tbk_check_state;

/* "ok", "warning", "failed", "skipped": as the report has it. */
static inline const char *tbk_check_state_name(tbk_check_state state)
{
    static const char *const names[] = {[TBK_CHECK_OK] = "ok",
                                        [TBK_CHECK_WARNING] = "warning",
                                        [TBK_CHECK_FAILED] = "failed",
                                        [TBK_CHECK_SKIPPED] = "skipped"};
    return names[state];
}

#endif
