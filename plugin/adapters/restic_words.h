/* SPDX-License-Identifier: MIT */
/*
 * What restic says on standard error: read for the reason of a failure, and made fit to be shown,
 * without control characters and without any secret that it was given.
 */
#ifndef TBK_ADAPTERS_RESTIC_WORDS_H
#define TBK_ADAPTERS_RESTIC_WORDS_H

#include "base/text.h"
#include "ports/report.h"

typedef struct tbk_restic_words {
    const char *const *variables; /* NAME=VALUE: their values are never shown */
    const tbk_report *report;     /* gets what it says on its way; may be NULL */
    const char *phase;
    tbk_text line; /* that has not ended yet */
    bool is_cut;   /* more of it is dropped */
    unsigned told;
    char last[384];      /* line that is text: "" = none */
    char ssh[192];       /* last line of the ssh program */
    char fatal[448];     /* of the last exit_error */
    char ignored[256];   /* first line on what it left out of an answer: "" = nothing */
    tbk_error_code kind; /* what the last line that says so says; TBK_E_OK: none did */
    tbk_error_code fatal_kind, ssh_kind;
} tbk_restic_words;

/* As it comes. */
void tbk_restic_words_add(void *words, const char *bytes, size_t length);
void tbk_restic_words_end(tbk_restic_words *words); /* at the stream's end too; may come twice */
#define tbk_auto_restic_words __attribute__((cleanup(tbk_restic_words_end))) tbk_restic_words

#define TBK_RESTIC_REASON_SIZE 768
/* The reason in its own words; "" = it said nothing. */
const char *tbk_restic_words_reason(const tbk_restic_words *words,
                                    char out[TBK_RESTIC_REASON_SIZE]);
/* What failed, for this exit status. */
tbk_error_code tbk_restic_words_code(const tbk_restic_words *words, int exit_status);

/* Appends text of others: one line, no control characters, no value of the variables. */
void tbk_restic_words_show(const char *const *variables, const char *text, tbk_text *out);

#endif
