/* SPDX-License-Identifier: MIT */
/*
 * What a swap writes down on the server, in the schema that keeps the tables of before, so that it
 * can be recovered whatever dies when: the statements that make the views, triggers, routines and
 * events of before and of after.
 *
 * It is a table, and its name is how far the swap has come. The statement that moves the user's
 * tables renames it as well, so both have happened or neither has.
 */
#ifndef TBK_DATABASE_MYSQL_MYSQL_SWAP_JOURNAL_H
#define TBK_DATABASE_MYSQL_MYSQL_SWAP_JOURNAL_H

#include "database/mysql/mysql_objects.h"

typedef enum tbk_mysql_stage {
    TBK_MYSQL_NO_RECORD,
    TBK_MYSQL_FILLING, /* "_torrust_backup_filling": nothing else was touched */
    TBK_MYSQL_BEGUN,   /* "_torrust_backup_begun": all tables are where they were; objects of live
                          may be gone */
    TBK_MYSQL_MOVED,   /* "_torrust_backup_moved": all tables are in their new places */
    TBK_MYSQL_DONE     /* "_torrust_backup_objects": the swap is over */
} tbk_mysql_stage;

const char *tbk_mysql_stage_table(tbk_mysql_stage stage);

/* Which of them a schema has. */
bool tbk_mysql_swap_stage(MYSQL *session, const char *kept, tbk_mysql_stage *out,
                          tbk_error *err) TBK_MUST_CHECK;
/* Writes it all down, up to TBK_MYSQL_BEGUN. A collation is " CHARACTER SET x COLLATE y". */
typedef struct tbk_mysql_side {
    const char *collation; /* of the schema */
    const tbk_mysql_objects *objects;
} tbk_mysql_side;
bool tbk_mysql_swap_journal_write(MYSQL *session, const char *kept, const tbk_mysql_side *before,
                                  const tbk_mysql_side *after, tbk_error *err) TBK_MUST_CHECK;
/* The statements of one side, that of the schema's collation first. */
bool tbk_mysql_swap_journal_read(MYSQL *session, const char *kept, tbk_mysql_stage stage,
                                 bool is_after, tbk_mysql_objects **out,
                                 tbk_error *err) TBK_MUST_CHECK;

#endif
