/* SPDX-License-Identifier: MIT */
/* A ring of pieces under one lock; the memory of those that were read is used again. */
#include "database/mysql/mysql_queue.h"

#include "base/memory.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct tbk_mysql_queue {
    pthread_mutex_t lock;
    pthread_cond_t has_space, has_piece;
    tbk_mysql_piece *ring; /* [first, first + filled) are to be read, the others hold memory only */
    unsigned size, first, filled;
    unsigned putters; /* that have not left */
    bool is_closed;
    tbk_error failure; /* of the first that failed */
};

tbk_mysql_queue *tbk_mysql_queue_new(unsigned putters)
{
    tbk_mysql_queue *queue = tbk_memory_new(sizeof *queue);
    pthread_condattr_t monotonic;
    queue->ring = tbk_memory_new(putters * sizeof *queue->ring);
    queue->size = queue->putters = putters;
    (void)pthread_mutex_init(&queue->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&queue->has_space, NULL);
    (void)pthread_cond_init(&queue->has_piece, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    return queue;
}

void tbk_mysql_queue_free(tbk_mysql_queue *queue)
{
    for (unsigned i = 0; i < queue->size; i++)
        tbk_mysql_piece_end(&queue->ring[i]);
    (void)pthread_cond_destroy(&queue->has_space);
    (void)pthread_cond_destroy(&queue->has_piece);
    (void)pthread_mutex_destroy(&queue->lock);
    free(queue->ring);
    free(queue);
}

static void swap_pieces(tbk_mysql_piece *a, tbk_mysql_piece *b)
{
    tbk_mysql_piece kept = *a;
    *a = *b;
    *b = kept;
}

/* Also wakes all waiting threads. */
static void close_locked(tbk_mysql_queue *queue)
{
    queue->is_closed = true;
    (void)pthread_cond_broadcast(&queue->has_space);
    (void)pthread_cond_broadcast(&queue->has_piece);
}

bool tbk_mysql_queue_put(tbk_mysql_queue *queue, tbk_mysql_piece *piece)
{
    (void)pthread_mutex_lock(&queue->lock);
    while (!queue->is_closed && queue->filled == queue->size)
        (void)pthread_cond_wait(&queue->has_space, &queue->lock);
    bool is_open = !queue->is_closed;
    if (is_open) {
        swap_pieces(&queue->ring[(queue->first + queue->filled) % queue->size], piece);
        piece->length = 0;
        queue->filled++;
        (void)pthread_cond_signal(&queue->has_piece);
    }
    (void)pthread_mutex_unlock(&queue->lock);
    return is_open;
}

bool tbk_mysql_queue_is_closed(tbk_mysql_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    bool is_closed = queue->is_closed;
    (void)pthread_mutex_unlock(&queue->lock);
    return is_closed;
}

void tbk_mysql_queue_leave(tbk_mysql_queue *queue, const tbk_error *err)
{
    (void)pthread_mutex_lock(&queue->lock);
    queue->putters--;
    if (err != NULL && queue->failure.code == TBK_E_OK && !queue->is_closed)
        queue->failure = *err;
    if (err != NULL)
        close_locked(queue);
    (void)pthread_cond_broadcast(&queue->has_piece);
    (void)pthread_mutex_unlock(&queue->lock);
}

static struct timespec time_in(unsigned wait_ms)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_sec += (time_t)(wait_ms / 1000);
    time.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_nsec -= 1000000000;
        time.tv_sec++;
    }
    return time;
}

static tbk_mysql_taken take_locked(tbk_mysql_queue *queue, tbk_mysql_piece *piece, tbk_error *err)
{
    if (queue->failure.code != TBK_E_OK) {
        *err = queue->failure;
        return TBK_MYSQL_FAILED;
    }
    if (queue->filled == 0)
        return queue->putters == 0 ? TBK_MYSQL_ALL_TAKEN : TBK_MYSQL_NOTHING_YET;
    swap_pieces(&queue->ring[queue->first], piece);
    queue->first = (queue->first + 1) % queue->size;
    queue->filled--;
    (void)pthread_cond_signal(&queue->has_space);
    return TBK_MYSQL_TAKEN;
}

tbk_mysql_taken tbk_mysql_queue_take(tbk_mysql_queue *queue, tbk_mysql_piece *piece,
                                     unsigned wait_ms, tbk_error *err)
{
    const struct timespec end = time_in(wait_ms);
    int waited = 0;
    (void)pthread_mutex_lock(&queue->lock);
    while (waited == 0 && queue->filled == 0 && queue->putters > 0 && !queue->is_closed)
        waited = pthread_cond_timedwait(&queue->has_piece, &queue->lock, &end);
    tbk_mysql_taken taken = take_locked(queue, piece, err);
    (void)pthread_mutex_unlock(&queue->lock);
    return taken;
}

void tbk_mysql_queue_close(tbk_mysql_queue *queue)
{
    (void)pthread_mutex_lock(&queue->lock);
    close_locked(queue);
    (void)pthread_mutex_unlock(&queue->lock);
}
