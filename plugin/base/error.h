/* SPDX-License-Identifier: MIT */
/*
 * Errors: what failed, where, why, and how to fix it, carried upward by value.
 *
 * A fallible function returns bool and takes `tbk_error *err` last. On failure it has filled *err;
 * on success it has not touched it. Only entry/ prints an error or turns it into an exit status.
 */
#ifndef TBK_BASE_ERROR_H
#define TBK_BASE_ERROR_H

#include <stdbool.h>

typedef enum tbk_error_code {
#define TBK_ERROR_CODE(name, exit_status, kind, meaning) TBK_E_##name,
#include "base/error_codes.def"
#undef TBK_ERROR_CODE
} tbk_error_code;

/* The deployer's ErrorKind, in its order. */
typedef enum tbk_error_kind {
    TBK_KIND_TEMPLATE_RENDERING,
    TBK_KIND_INFRASTRUCTURE_OPERATION,
    TBK_KIND_NETWORK_CONNECTIVITY,
    TBK_KIND_COMMAND_EXECUTION,
    TBK_KIND_TIMEOUT,
    TBK_KIND_FILE_SYSTEM,
    TBK_KIND_CONFIGURATION,
    TBK_KIND_STATE_PERSISTENCE
} tbk_error_kind;

typedef struct tbk_error {
    tbk_error_code code;
    char message[1024]; /* one line, no full stop at its end */
    char fix[512];      /* what the operator can do; "" where there is nothing to say */
} tbk_error;

#define TBK_MUST_CHECK __attribute__((warn_unused_result))
#define TBK_PRINTF(format_index, first_index)                                                      \
    __attribute__((format(printf, format_index, first_index)))

/* Sets code, fix and message (one line; control characters become '?'). fix may be NULL.
 * Always returns false, so that a caller can `return tbk_fail(...)`. */
bool tbk_fail(tbk_error *err, tbk_error_code code, const char *fix, const char *format, ...)
    TBK_PRINTF(4, 5);

/* As tbk_fail, with the text of errno_value appended. */
bool tbk_fail_errno(tbk_error *err, tbk_error_code code, int errno_value, const char *fix,
                    const char *format, ...) TBK_PRINTF(5, 6);

/* Adds one level of context: "<context>: <message so far>". Always returns false. */
bool tbk_error_context(tbk_error *err, const char *format, ...) TBK_PRINTF(2, 3);

/* That each is false shall be seen where it is called, by the optimiser and by static analysis. */
#define tbk_fail(...) ((void)(tbk_fail)(__VA_ARGS__), false)
#define tbk_fail_errno(...) ((void)(tbk_fail_errno)(__VA_ARGS__), false)
#define tbk_error_context(...) ((void)(tbk_error_context)(__VA_ARGS__), false)

/* The exit status of the command line for this code. */
int tbk_error_exit_status(tbk_error_code code);
tbk_error_kind tbk_error_kind_of(tbk_error_code code);
/* For example "SPACE"; never NULL. */
const char *tbk_error_name(tbk_error_code code);
/* The meaning of an exit status for people; NULL where no code has it. */
const char *tbk_exit_status_meaning(int exit_status);

#endif
