/* SPDX-License-Identifier: MIT */
/* The words of the stream's form. */
#include "database/mysql/mysql_stream.h"

const char *tbk_mysql_section_name(tbk_mysql_section section)
{
    static const char *const names[] = {
        [TBK_MYSQL_SETTINGS] = "settings", [TBK_MYSQL_TABLES] = "tables",
        [TBK_MYSQL_DATA] = "data",         [TBK_MYSQL_INDEXES] = "indexes",
        [TBK_MYSQL_ROUTINES] = "routines", [TBK_MYSQL_VIEWS] = "views",
        [TBK_MYSQL_TRIGGERS] = "triggers", [TBK_MYSQL_EVENTS] = "events",
        [TBK_MYSQL_END] = "end",
    };
    return names[section];
}
