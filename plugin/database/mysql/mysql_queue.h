/* SPDX-License-Identifier: MIT */
/*
 * What the sessions of a dump (the producers) have read, on its way to the consumer.
 *
 * Bounded: producers wait for space. It ends when all producers have left, or at once when one of
 * them fails or the consumer closes it.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_QUEUE_H
#define TBK_DATABASE_MYSQL_MYSQL_QUEUE_H

#include "base/auto.h"
#include "database/mysql/mysql_rows.h"

typedef struct tbk_mysql_queue tbk_mysql_queue;

/* For so many producers; it holds as many pieces. */
tbk_mysql_queue *tbk_mysql_queue_new(unsigned putters);
/* No thread may use it any more. */
void tbk_mysql_queue_free(tbk_mysql_queue *queue);
TBK_AUTO_POINTER(tbk_mysql_queue, tbk_mysql_queue_free);

/* --- for the producers, each on a thread of its own --- */

/* Takes the piece's bytes, and gives it the memory of one that was read before, or none. False
 * when the queue is closed. */
bool tbk_mysql_queue_put(tbk_mysql_queue *queue, tbk_mysql_piece *piece) TBK_MUST_CHECK;
bool tbk_mysql_queue_is_closed(tbk_mysql_queue *queue);
/* The last call of each; err is why it failed, or NULL. The first failure is the one that is told,
 * and closes the queue. */
void tbk_mysql_queue_leave(tbk_mysql_queue *queue, const tbk_error *err);

/* --- for the consumer --- */

typedef enum tbk_mysql_taken {
    TBK_MYSQL_TAKEN,
    TBK_MYSQL_NOTHING_YET, /* within the time */
    TBK_MYSQL_ALL_TAKEN,
    TBK_MYSQL_FAILED /* *err says why */
} tbk_mysql_taken;

/* The next piece, in exchange for the one that *piece holds. */
tbk_mysql_taken tbk_mysql_queue_take(tbk_mysql_queue *queue, tbk_mysql_piece *piece,
                                     unsigned wait_ms, tbk_error *err);
void tbk_mysql_queue_close(tbk_mysql_queue *queue);

#endif
