/* SPDX-License-Identifier: MIT */
/*
 * A dump: the schema from one session, the rows from several, which have snapshots that agree.
 *
 * Each session has a thread. It takes ranges of rows from a common list, writes them as INSERT
 * statements and hands these over through a bounded queue, in pieces of about 2 MiB; the reader of
 * the dump takes them in the order of arrival. So memory is bounded by the number of
 * sessions and by the largest row, and the slowest of reader, server and store sets the pace.
 */
#include "base/memory.h"
#include "database/mysql/mysql_chunk_reader.h"
#include "database/mysql/mysql_chunks.h"
#include "database/mysql/mysql_condition.h"
#include "database/mysql/mysql_snapshot.h"

#include <pthread.h>
#include <stdatomic.h>

#define SESSIONS_MAX 16
#define LOOK_MS 200 /* between two looks whether the work shall go on */
#define DRAIN_BYTES (64u << 10)

typedef struct worker {
    tbk_mysql_dump *dump;
    MYSQL *session;
    pthread_t thread;
    bool is_started;
} worker;

/* Where the reader stands. */
typedef enum stage { BEFORE_ROWS, ROWS, AFTER_ROWS } stage;

struct tbk_mysql_dump {
    tbk_arena *arena;
    tbk_mysql_dump_request request;
    MYSQL *control; /* reads the schema and looks at the server; has no transaction */
    worker workers[SESSIONS_MAX];
    unsigned sessions;
    tbk_mysql_schema schema;

    pthread_mutex_t lock; /* of the next two */
    size_t next_chunk;
    tbk_mysql_tally *tallies; /* of each table */

    tbk_mysql_chunks chunks;
    tbk_mysql_queue *queue; /* NULL: nothing was read yet */
    stage stage;
    tbk_mysql_piece piece; /* that is being read */
    size_t position;       /* in it, or in the text of the schema */
};

/* --- the threads --- */

static const tbk_rule *rule_of(const tbk_mysql_dump *dump, const tbk_mysql_table *table)
{
    return dump->request.rules != NULL ? tbk_rules_find(dump->request.rules, table->name) : NULL;
}

static bool read_chunk(worker *self, const tbk_mysql_chunk *chunk, tbk_mysql_piece *memory,
                       tbk_error *err)
{
    tbk_mysql_dump *dump = self->dump;
    const tbk_mysql_table *table = &dump->schema.tables[chunk->table];
    const tbk_mysql_chunk_reader reader = {.session = self->session,
                                           .table = table,
                                           .rule = rule_of(dump, table),
                                           .range = chunk->range,
                                           .queue = dump->queue};
    tbk_mysql_tally *of = &dump->tallies[chunk->table];
    tbk_mysql_tally got = {0};
    bool ok = tbk_mysql_chunk_read(&reader, memory, &got, err);
    (void)pthread_mutex_lock(&dump->lock);
    of->rows += got.rows;
    of->checksum += got.checksum;
    of->excluded_rows += got.excluded_rows;
    (void)pthread_mutex_unlock(&dump->lock);
    return ok;
}

static const tbk_mysql_chunk *next_chunk(tbk_mysql_dump *dump)
{
    const tbk_mysql_chunk *chunk = NULL;
    (void)pthread_mutex_lock(&dump->lock);
    if (dump->next_chunk < dump->chunks.count)
        chunk = &dump->chunks.list[dump->next_chunk++];
    (void)pthread_mutex_unlock(&dump->lock);
    return chunk;
}

static void *work(void *pointer)
{
    worker *self = pointer;
    tbk_mysql_piece memory = {0};
    tbk_error err;
    bool ok = true;
    const tbk_mysql_chunk *chunk;
    (void)mysql_thread_init();
    while (ok && !tbk_mysql_queue_is_closed(self->dump->queue) &&
           (chunk = next_chunk(self->dump)) != NULL)
        ok = read_chunk(self, chunk, &memory, &err);
    tbk_mysql_piece_end(&memory);
    mysql_thread_end();
    tbk_mysql_queue_leave(self->dump->queue, ok ? NULL : &err);
    return NULL;
}

static bool start_workers(tbk_mysql_dump *dump, tbk_error *err)
{
    if (!tbk_mysql_chunks_make(dump->arena, dump->workers[0].session, &dump->schema, dump->sessions,
                               &dump->chunks, err))
        return tbk_error_context(err, "looking for the ends of the tables");
    dump->queue = tbk_mysql_queue_new(dump->sessions);
    for (unsigned i = 0; i < dump->sessions; i++) {
        worker *of = &dump->workers[i];
        int error = pthread_create(&of->thread, NULL, work, of);
        if (error != 0)
            return tbk_fail_errno(err, TBK_E_FAILED, error, NULL, "cannot start a thread");
        of->is_started = true;
    }
    return true;
}

/* Whatever they wait for: room in the queue, or an answer of the server. */
static void stop_workers(tbk_mysql_dump *dump)
{
    if (dump->queue != NULL)
        tbk_mysql_queue_close(dump->queue);
    for (unsigned i = 0; i < dump->sessions; i++)
        if (dump->workers[i].is_started)
            tbk_mysql_snapshot_abandon(dump->workers[i].session);
    for (unsigned i = 0; i < dump->sessions; i++)
        if (dump->workers[i].is_started)
            (void)pthread_join(dump->workers[i].thread, NULL);
}

/* --- opening, closing --- */

void tbk_mysql_dump_close(tbk_mysql_dump *dump)
{
    if (dump == NULL)
        return;
    stop_workers(dump);
    for (unsigned i = 0; i < dump->sessions; i++)
        if (dump->workers[i].session != NULL)
            mysql_close(dump->workers[i].session);
    if (dump->control != NULL)
        mysql_close(dump->control);
    if (dump->queue != NULL)
        tbk_mysql_queue_free(dump->queue);
    tbk_mysql_piece_end(&dump->piece);
    tbk_mysql_schema_end(&dump->schema);
    (void)pthread_mutex_destroy(&dump->lock);
    tbk_arena_free(dump->arena);
    free(dump);
}

static tbk_mysql_dump *new_dump(const tbk_mysql_dump_request *request)
{
    tbk_mysql_dump *dump = tbk_memory_new(sizeof *dump);
    dump->arena = tbk_arena_new();
    dump->request = *request;
    dump->sessions = request->sessions < 1              ? 1
                     : request->sessions > SESSIONS_MAX ? SESSIONS_MAX
                                                        : request->sessions;
    (void)pthread_mutex_init(&dump->lock, NULL);
    return dump;
}

static bool connect_all(tbk_mysql_dump *dump, tbk_error *err)
{
    for (unsigned i = 0; i < dump->sessions; i++) {
        dump->workers[i].dump = dump;
        if (!tbk_report_go_on(dump->request.report, err) ||
            !tbk_mysql_snapshot_connect(dump->request.server, &dump->workers[i].session, err))
            return false;
    }
    return true;
}

static bool open_dump(tbk_mysql_dump *dump, tbk_error *err)
{
    const tbk_mysql_dump_request *request = &dump->request;
    if (!tbk_mysql_connect(request->server, &dump->control, err) ||
        !tbk_mysql_schema_read(dump->arena, dump->control, request->root, &dump->schema, err) ||
        !tbk_mysql_schema_has_tables(&dump->schema, err) ||
        !(request->is_still || tbk_mysql_schema_has_snapshots(&dump->schema, err)) ||
        !connect_all(dump, err) ||
        !tbk_mysql_rules_check(dump->workers[0].session, &dump->schema, request->rules, err))
        return false;
    dump->tallies = tbk_arena_alloc(dump->arena, dump->schema.table_count * sizeof *dump->tallies);
    return true;
}

bool tbk_mysql_dump_open(const tbk_mysql_dump_request *request, tbk_mysql_dump **out,
                         tbk_error *err)
{
    tbk_auto(tbk_mysql_dump) *dump = new_dump(request);
    if (!open_dump(dump, err))
        return false;
    *out = dump;
    dump = NULL;
    return true;
}

uint64_t tbk_mysql_dump_size_bytes(const tbk_mysql_dump *dump)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < dump->schema.table_count; i++)
        bytes += dump->schema.tables[i].size_bytes;
    return bytes;
}

bool tbk_mysql_dump_pin(tbk_mysql_dump *dump, tbk_error *err)
{
    MYSQL *sessions[SESSIONS_MAX];
    for (unsigned i = 0; i < dump->sessions; i++)
        sessions[i] = dump->workers[i].session;
    return dump->request.is_still
               ? tbk_mysql_snapshot_start(sessions, dump->sessions, err)
               : tbk_mysql_snapshot_pin(dump->control, sessions, dump->sessions, err);
}

void tbk_mysql_dump_alone(tbk_mysql_dump *dump)
{
    for (; dump->sessions > 1; dump->sessions--) {
        worker *last = &dump->workers[dump->sessions - 1];
        mysql_close(last->session);
        last->session = NULL;
    }
}

/* --- reading --- */

/* As much of the text as goes into the buffer; 0 when it is at its end. */
static size_t give(const char *text, size_t length, size_t *position, void *buffer,
                   size_t size_bytes)
{
    size_t part = length - *position < size_bytes ? length - *position : size_bytes;
    if (part > 0)
        memcpy(buffer, text + *position, part);
    *position += part;
    return part;
}

/* Waits for the next piece. False with *err, or with *out_end at the end of the rows. */
static bool next_piece(tbk_mysql_dump *dump, bool *out_end, tbk_error *err)
{
    for (;;) {
        if (!tbk_report_go_on(dump->request.report, err))
            return false;
        tbk_mysql_taken taken = tbk_mysql_queue_take(dump->queue, &dump->piece, LOOK_MS, err);
        if (taken == TBK_MYSQL_FAILED)
            return false;
        *out_end = taken == TBK_MYSQL_ALL_TAKEN;
        dump->position = 0;
        if (taken != TBK_MYSQL_NOTHING_YET)
            return true;
    }
}

static bool read_rows_text(tbk_mysql_dump *dump, void *buffer, size_t size_bytes, size_t *out_got,
                           tbk_error *err)
{
    bool is_end = false;
    while ((*out_got = give(dump->piece.bytes, dump->piece.length, &dump->position, buffer,
                            size_bytes)) == 0) {
        if (!next_piece(dump, &is_end, err))
            return false;
        if (is_end)
            return true;
    }
    return true;
}

bool tbk_mysql_dump_read(void *self, void *buffer, size_t size_bytes, size_t *out_got,
                         tbk_error *err)
{
    tbk_mysql_dump *dump = self;
    const tbk_text *before = &dump->schema.before, *after = &dump->schema.after;
    *out_got = 0;
    if (!tbk_report_go_on(dump->request.report, err) ||
        (dump->queue == NULL && !start_workers(dump, err)))
        return false;
    if (dump->stage == BEFORE_ROWS) {
        *out_got = give(before->bytes, before->length, &dump->position, buffer, size_bytes);
        if (*out_got > 0)
            return true;
        dump->stage = ROWS;
        dump->position = 0;
    }
    if (dump->stage == ROWS) {
        if (!read_rows_text(dump, buffer, size_bytes, out_got, err) || *out_got > 0)
            return *out_got > 0;
        dump->stage = AFTER_ROWS;
        dump->position = 0;
    }
    *out_got = give(after->bytes, after->length, &dump->position, buffer, size_bytes);
    return true;
}

/* --- what it was --- */

static const char *server_name(MYSQL *control)
{
    return mariadb_connection(control) ? "MariaDB" : "MySQL";
}

static const tbk_table_facts *table_facts(const tbk_mysql_dump *dump, tbk_arena *arena,
                                          size_t *out_count)
{
    const tbk_mysql_schema *schema = &dump->schema;
    tbk_table_facts *facts = tbk_arena_alloc(arena, schema->table_count * sizeof *facts);
    *out_count = 0;
    for (size_t i = 0; i < schema->table_count; i++) {
        const char *highest =
            dump->chunks.highest_keys != NULL ? dump->chunks.highest_keys[i] : NULL;
        if (schema->tables[i].is_sequence)
            continue;
        facts[(*out_count)++] = (tbk_table_facts){
            .table = tbk_arena_copy(arena, schema->tables[i].name),
            .rows = dump->tallies[i].rows,
            .checksum = tbk_mysql_checksum_text(arena, dump->tallies[i].checksum),
            .highest_key = highest != NULL ? tbk_arena_copy(arena, highest) : NULL,
        };
    }
    return facts;
}

static void fill_facts(const tbk_mysql_dump *dump, tbk_arena *arena, tbk_mysql_facts *out)
{
    const tbk_mysql_schema *schema = &dump->schema;
    *out = (tbk_mysql_facts){
        .server = server_name(dump->control),
        .version = tbk_arena_copy(arena, mysql_get_server_info(dump->control)),
        .collation = tbk_arena_copy(arena, schema->collation),
        .size_bytes = tbk_mysql_dump_size_bytes(dump),
        .sessions = dump->sessions,
        .schema = schema->digest,
        .views = (int64_t)schema->view_count,
        .triggers = schema->triggers,
        .routines = schema->routines,
        .events = schema->events,
        .missing = schema->missing.length > 0 ? tbk_arena_copy(arena, schema->missing.bytes) : NULL,
    };
    out->tables = table_facts(dump, arena, &out->table_count);
}

static void fill_selection(const tbk_mysql_dump *dump, tbk_arena *arena,
                           const tbk_selected_table **out, size_t *out_count)
{
    const tbk_mysql_schema *schema = &dump->schema;
    tbk_selected_table *list = tbk_arena_alloc(arena, schema->table_count * sizeof *list);
    *out = list;
    *out_count = 0;
    for (size_t i = 0; i < schema->table_count; i++) {
        const tbk_rule *rule = rule_of(dump, &schema->tables[i]);
        if (schema->tables[i].is_sequence)
            continue;
        list[(*out_count)++] = (tbk_selected_table){
            .table = tbk_arena_copy(arena, schema->tables[i].name),
            .rule = rule != NULL ? tbk_arena_copy(arena, tbk_rule_text(rule)) : "all",
            .saved_rows = dump->tallies[i].rows,
            .excluded_rows = dump->tallies[i].excluded_rows,
        };
    }
}

static bool check_unchanged(const tbk_mysql_dump *dump, tbk_error *err)
{
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_schema now = {0};
    bool ok = tbk_mysql_schema_read(arena, dump->control, dump->request.root, &now, err);
    bool is_same = ok && tbk_digest_equal(&now.digest, &dump->schema.digest);
    tbk_mysql_schema_end(&now);
    return is_same ||
           (ok && tbk_fail(err, TBK_E_BUSY, "try again when no client changes the schema",
                           "the schema was changed while it was read"));
}

bool tbk_mysql_dump_finish(tbk_mysql_dump *dump, tbk_arena *arena, tbk_mysql_facts *out,
                           const tbk_selected_table **out_selection, size_t *out_selection_count,
                           tbk_error *err)
{
    if (dump->stage != AFTER_ROWS || dump->position < dump->schema.after.length)
        return tbk_fail(err, TBK_E_FAILED, NULL, "the dump was not read to its end");
    if (!check_unchanged(dump, err))
        return false;
    fill_facts(dump, arena, out);
    if (out_selection != NULL)
        fill_selection(dump, arena, out_selection, out_selection_count);
    return true;
}

bool tbk_mysql_inspect(tbk_arena *arena, const tbk_mysql_server *server, const tbk_rules *rules,
                       tbk_mysql_facts *out, tbk_error *err)
{
    /* Whether its tables have snapshots is for the dump to say, which may be one of a still server.
     */
    const tbk_mysql_dump_request request = {
        .server = server, .sessions = 1, .rules = rules, .is_still = true};
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    if (!tbk_mysql_dump_open(&request, &dump, err))
        return false;
    fill_facts(dump, arena, out);
    return true;
}

static bool drain(tbk_mysql_dump *dump, tbk_error *err)
{
    tbk_auto_free char *buffer = malloc(DRAIN_BYTES);
    size_t got = 1;
    if (buffer == NULL)
        return tbk_fail(err, TBK_E_FAILED, NULL, "there is no memory to read with");
    while (got > 0)
        if (!tbk_mysql_dump_read(dump, buffer, DRAIN_BYTES, &got, err))
            return false;
    return true;
}

bool tbk_mysql_measure(tbk_arena *arena, const tbk_mysql_server *server, unsigned sessions,
                       const tbk_report *report, tbk_mysql_facts *out, tbk_error *err)
{
    /* Reads as a dump does, and stores nothing. */
    const tbk_mysql_dump_request request = {
        .server = server, .sessions = sessions, .is_still = true, .report = report};
    tbk_auto(tbk_mysql_dump) *dump = NULL;
    return tbk_mysql_dump_open(&request, &dump, err) && tbk_mysql_dump_pin(dump, err) &&
           drain(dump, err) && tbk_mysql_dump_finish(dump, arena, out, NULL, NULL, err);
}
