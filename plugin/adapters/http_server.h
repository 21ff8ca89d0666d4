/* SPDX-License-Identifier: MIT */
/*
 * A small HTTP/1.1 responder for health and metrics: one loop, no thread, no state between
 * requests.
 *
 * GET and HEAD only; a request has at most 4 KiB; a connection gets one answer, and 5 seconds for
 * all of it; 8 connections at a time, others wait. Nothing of a request is kept or logged.
 */
#ifndef TBK_ADAPTERS_HTTP_SERVER_H
#define TBK_ADAPTERS_HTTP_SERVER_H

#include "base/text.h"

#include <stdint.h>

#define TBK_HTTP_REQUEST_BYTES_MAX 4096
#define TBK_HTTP_CONNECTIONS_MAX 8
#define TBK_HTTP_TIMEOUT_MS 5000

typedef struct tbk_http_answer {
    int status; /* 404 when nothing is set */
    const char *content_type;
    tbk_text body;
} tbk_http_answer;

/* Fills the answer for a path ("/health", without what follows a '?'). */
typedef void tbk_http_respond(void *self, const char *path, tbk_http_answer *out);

/* A listening socket on all addresses of this machine (in a container: of its own networks). port 0
 * takes a free one; *out_port says which. Fails with TBK_E_CONFIG. */
bool tbk_http_listen(uint16_t port, int *out_fd, uint16_t *out_port, tbk_error *err) TBK_MUST_CHECK;

/* Serves until `cancelled` says so (asked at least once a second); the socket stays open. */
void tbk_http_serve(int listen_fd, tbk_http_respond *respond, bool (*cancelled)(void *self),
                    void *self);

/* Asks this machine's port. *out_status is the answer's; the body is appended. Fails with
 * TBK_E_NETWORK or TBK_E_TIMEOUT within timeout_ms. */
bool tbk_http_get(uint16_t port, const char *path, int timeout_ms, int *out_status,
                  tbk_text *out_body, tbk_error *err) TBK_MUST_CHECK;

#endif
