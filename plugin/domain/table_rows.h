/* SPDX-License-Identifier: MIT */
/* How many rows a table has. */
#ifndef TBK_DOMAIN_TABLE_ROWS_H
#define TBK_DOMAIN_TABLE_ROWS_H

#include <stdint.h>

typedef struct tbk_table_rows {
    const char *table;
    int64_t rows;
} tbk_table_rows;

#endif
