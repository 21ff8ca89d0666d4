/* SPDX-License-Identifier: MIT */
/*
 * What the stand-ins for the tracker share, whatever their database: a pool of connections,
 * signals, the health endpoint, and what each transaction does.
 *
 * A stand-in writes all the time. The content of its database is a function of the number of the
 * last transaction alone, so that number in a copy tells what every row must be: a copy that
 * holds half of a transaction, or two moments, can't pass. Like the real tracker they end on SIGINT
 * and do not react to SIGTERM.
 */
#ifndef TBK_TESTS_STANDIN_H
#define TBK_TESTS_STANDIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CONNECTIONS = 10,
    WRITERS = 4,
    SPREAD = 8, /* pairs of rows that a transaction moves completions between */
    START_COMPLETED = 1000000,
};

/* Where the transactions go. Connections are numbered from 0; each is used by one thread at a time.
 */
typedef struct standin_database {
    void (*open)(size_t connection);
    /* Makes the next transaction and says its number; false, and on stderr why, if it did not. */
    bool (*write)(size_t connection, uint64_t *out_number);
    void (*close)(size_t connection);
    uint64_t (*torrents)(size_t connection); /* how many there are */
} standin_database;

/* Serves until SIGINT, as the container does. */
int standin_serve(const standin_database *database);
/* Asks the endpoint; 0 if it answers. */
int standin_ask_health(void);

_Noreturn void standin_die(const char *what, const char *why);
/* A variable of the environment, if it is set and not empty. */
const char *standin_setting(const char *name, const char *otherwise);

/* The finaliser of splitmix64: every bit of the result depends on every bit of the input. */
uint64_t standin_mix(uint64_t x);
/* The sum over all transactions up to `number`, from the sum up to the one before. */
int64_t standin_next_hash(int64_t hash, uint64_t number);
const char *standin_info_hash(uint64_t row, char text[41]);

#endif
