/* SPDX-License-Identifier: MIT */
/*
 * MySQL and MariaDB: dumping a database while it is in use, loading a dump, measuring what is
 * there, swapping a restored database in.
 *
 * All of it goes through MariaDB Connector/C, whose headers stay in the mysql_*.c files.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_H
#define TBK_DATABASE_MYSQL_MYSQL_H

#include "base/auto.h"
#include "domain/manifest.h"
#include "ports/report.h"
#include "ports/source.h"

/* The server and the user. Text is borrowed. */
typedef struct tbk_mysql_server {
    const char *host;
    uint16_t port;
    const char *user;
    const char *password;
    const char *schema; /* the database's name; NULL: none is chosen */
    bool needs_tls;     /* refuse a connection without; else TLS is taken where it is offered */
    /* Keeps the session's changes out of the binary log. For root only. */
    bool is_unlogged;
    /* How long one statement may stay without an answer; 0 = a minute. */
    uint32_t answer_limit_s;
    /* For a server that is far away, where each connection needs a way of its own (a tunnel takes
     * one): gives the host and port for the next one. NULL: those above, which else are for
     * messages. */
    bool (*reach)(void *self, const char **out_host, uint16_t *out_port, tbk_error *err);
    void *reach_self;
} tbk_mysql_server;

const char *tbk_mysql_client_version(void);

/*
 * A dump of one state of a database, as a source of SQL text (mysql_stream.h has its form).
 *
 * Shape:  open, pin, read to the end, finish; close at any time. What the request points to must
 *         outlive the dump. One state: each session reads its own consistent
 *         snapshot, and pin makes sure that no client committed between the first and the last of
 *         them. Nothing is locked; writers go on. Memory: at most 12 MiB a session.
 * Errors: TBK_E_CONFIG, wrong password, missing privileges, rules that do not fit;
 * TBK_E_UNSUPPORTED, tables that have no snapshots (not InnoDB) while is_still is false;
 * TBK_E_NOT_FOUND, no such schema; TBK_E_CORRUPT, a schema without tables; TBK_E_BUSY, the schema
 * changed meanwhile, try again; TBK_E_NETWORK, TBK_E_TIMEOUT, TBK_E_INTERRUPTED.
 */
typedef struct tbk_mysql_dump tbk_mysql_dump;

typedef struct tbk_mysql_dump_request {
    const tbk_mysql_server *server;
    const tbk_mysql_server *root; /* reads what the user may not see (routines); may be NULL */
    unsigned sessions;            /* 1 to 16 */
    const tbk_rules *rules;       /* which rows are kept; NULL: all */
    /* No client writes (the tracker is stopped): any engine will do, and pin checks nothing. */
    bool is_still;
    const tbk_report *report; /* for cancelling and for warnings */
} tbk_mysql_dump_request;

bool tbk_mysql_dump_open(const tbk_mysql_dump_request *request, tbk_mysql_dump **out,
                         tbk_error *err) TBK_MUST_CHECK;
void tbk_mysql_dump_close(tbk_mysql_dump *dump);
TBK_AUTO_POINTER(tbk_mysql_dump, tbk_mysql_dump_close);

/* Of data and indexes, as the server estimates it. */
uint64_t tbk_mysql_dump_size_bytes(const tbk_mysql_dump *dump);

/* Opens the snapshots. Fails with TBK_E_BUSY when a client committed meanwhile, or was about to;
 * nothing is pinned then, and it can be called again at once. One session is never busy. */
bool tbk_mysql_dump_pin(tbk_mysql_dump *dump, tbk_error *err) TBK_MUST_CHECK;
/* Closes all sessions but one, whose snapshot needs no quiet moment. Before pin. */
void tbk_mysql_dump_alone(tbk_mysql_dump *dump);

/* The next bytes; *out_got is 0 at the end. self is the tbk_mysql_dump. */
bool tbk_mysql_dump_read(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                         tbk_error *err) TBK_MUST_CHECK;

/* After the last byte: looks whether the schema is still what it was; only then the dump counts.
 * Text of out lives in the arena. out_selection may be NULL (without rules). */
bool tbk_mysql_dump_finish(tbk_mysql_dump *dump, tbk_arena *arena, tbk_mysql_facts *out,
                           const tbk_selected_table **out_selection, size_t *out_selection_count,
                           tbk_error *err) TBK_MUST_CHECK;

/* Whether it can be reached and dumped, and whether the rules (may be NULL) fit: looks, and reads
 * no rows. Facts without rows and checksums. Errors as above. */
bool tbk_mysql_inspect(tbk_arena *arena, const tbk_mysql_server *server, const tbk_rules *rules,
                       tbk_mysql_facts *out, tbk_error *err) TBK_MUST_CHECK;

/*
 * Loads a dump into an empty schema (server->schema), with the tables' rows in parallel.
 *
 * Shape:  tables with their indexes and rows. What can act by itself (views, triggers, routines,
 *         events) is only collected into out_objects, for tbk_mysql_objects_make.
 * Errors: TBK_E_CORRUPT, the stream is cut or not one of ours, or the server took other values
 *         than it was given; TBK_E_UNSUPPORTED, the server refuses a statement, with its words,
 *         which says nothing about the dump; TBK_E_SPACE; TBK_E_NETWORK, TBK_E_TIMEOUT,
 * TBK_E_INTERRUPTED.
 */
typedef struct tbk_mysql_objects tbk_mysql_objects;
void tbk_mysql_objects_free(tbk_mysql_objects *objects);
TBK_AUTO_POINTER(tbk_mysql_objects, tbk_mysql_objects_free);

bool tbk_mysql_load(const tbk_mysql_server *server, unsigned sessions, const tbk_source *source,
                    const tbk_report *report, tbk_mysql_objects **out_objects,
                    tbk_error *err) TBK_MUST_CHECK;
/* Makes them in server->schema, in the order of the dump; events only when with_events. Where
 * their definer is no user of this server they are made all the same, as they were, and a warning
 * is reported: they fail when they are used, until that user is there. */
bool tbk_mysql_objects_make(const tbk_mysql_server *server, const tbk_mysql_objects *objects,
                            bool with_events, const tbk_report *report,
                            tbk_error *err) TBK_MUST_CHECK;

/* Rows and checksum of every table of a schema, computed as the dump does. */
bool tbk_mysql_measure(tbk_arena *arena, const tbk_mysql_server *server, unsigned sessions,
                       const tbk_report *report, tbk_mysql_facts *out,
                       tbk_error *err) TBK_MUST_CHECK;

/* --- schemas of ours, made with root's privileges --- */

/* "<schema>_torrust_restore" and "<schema>_torrust_before_<UTC time>", names reserved for
 * this tool. Of a long schema's name, they have the beginning and a few digits of its digest. */
const char *tbk_mysql_scratch_name(tbk_arena *arena, const char *schema);
const char *tbk_mysql_previous_name(tbk_arena *arena, const char *schema, int64_t now_s);
/* Makes an empty schema with the collation of root->schema; one of that name that a killed run left
 * is dropped first, and statements that the server still runs for it are ended. It may be needed
 * for a swap that was killed: call tbk_mysql_swap_recover before. Fails with TBK_E_CONFIG for a
 * name that is not one of the two above. */
bool tbk_mysql_scratch_make(const tbk_mysql_server *root, const char *name,
                            tbk_error *err) TBK_MUST_CHECK;
bool tbk_mysql_scratch_drop(const tbk_mysql_server *root, const char *name,
                            tbk_error *err) TBK_MUST_CHECK;

/*
 * Puts the tables of the schema scratch in the place of those of root->schema, which move to the
 * schema kept, in one statement; then makes the objects anew. No other session may use the
 * database meanwhile. kept must not be there yet. On failure everything is as it was, or err says
 * where what is, and the next call of swap or recover puts it in order; so it does after a kill at
 * any moment (mysql_swap.c says what is where). Users' privileges on root->schema stay.
 */
bool tbk_mysql_swap(const tbk_mysql_server *root, const char *scratch, const char *kept,
                    const tbk_mysql_objects *objects, const tbk_report *report,
                    tbk_error *err) TBK_MUST_CHECK;
/* Undoes a swap that is over: the tables of kept go back, those that took their place to the schema
 * scratch. */
bool tbk_mysql_swap_back(const tbk_mysql_server *root, const char *scratch, const char *kept,
                         const tbk_report *report, tbk_error *err) TBK_MUST_CHECK;
/* Finishes, or takes back, what a swap that was killed has begun; does nothing where there is no
 * such thing. Before anything else is done with a database that a run may have left. */
bool tbk_mysql_swap_recover(const tbk_mysql_server *root, const tbk_report *report,
                            tbk_error *err) TBK_MUST_CHECK;
/* What swaps have kept, with the bytes that the server estimates; only looks. As many names and
 * sizes in the arena as *out_count says. */
bool tbk_mysql_list_previous(const tbk_mysql_server *root, tbk_arena *arena,
                             const char *const **out, const uint64_t **out_bytes, size_t *out_count,
                             tbk_error *err) TBK_MUST_CHECK;
/* Drops what swaps have kept, all of it. Names in the arena, NULL after the last. */
bool tbk_mysql_purge_previous(const tbk_mysql_server *root, tbk_arena *arena,
                              const char *const **out, size_t *out_count,
                              tbk_error *err) TBK_MUST_CHECK;

/* --- live, from far away --- */

/* Rows now, for each table of facts: those whose key is at most the highest one there when it was
 * dumped, which is what a dump can be compared with; without such a key, all of them. */
typedef struct tbk_mysql_live_rows {
    const char *table;
    bool is_there;
    bool is_bounded; /* counted up to the highest key */
    int64_t rows;
} tbk_mysql_live_rows;

bool tbk_mysql_count_live(tbk_arena *arena, const tbk_mysql_server *server,
                          const tbk_mysql_facts *facts, tbk_mysql_live_rows **out,
                          tbk_error *err) TBK_MUST_CHECK;

#endif
