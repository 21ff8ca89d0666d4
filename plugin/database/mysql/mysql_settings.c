/* SPDX-License-Identifier: MIT */
/* Sources: the servers' manuals, "Server System Variables" and "SQL Modes", of MySQL 8.0 to 9.x and
 * MariaDB 10.6 to 11.8; tests/contract/mysql_settings_test.c tries each with real servers. */
#include "database/mysql/mysql_settings.h"

#include "base/text.h"

#include <string.h>

const char *const tbk_mysql_session_settings[] = {
    /* First, as it decides how all others are read: to a number, as '' may be NULL. */
    "SET SESSION sql_mode = 0",
    /* Before SET NAMES, whose collation it changes. */
    "/*M!110201 SET SESSION character_set_collations = '' */",
    /* Again, as a server may be told to ignore what clients ask for when they connect. */
    "SET NAMES utf8mb4",
    /* A limit on rows would silently cut what is read; ROLLBACK shall end no session. */
    "SET SESSION time_zone = '+00:00', sql_select_limit = 18446744073709551615, "
    "sql_big_selects = 1, sql_auto_is_null = 0, sql_safe_updates = 0, sql_buffer_result = 0, "
    "sql_quote_show_create = 1, autocommit = 1, completion_type = 0, lock_wait_timeout = 15, "
    "innodb_lock_wait_timeout = 15, net_read_timeout = 600, net_write_timeout = 600, "
    "wait_timeout = 28800, group_concat_max_len = 1048576",
    /* With others, a binary log of statements refuses rows, or the server all writing. */
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE",
    /* Estimates may be a day old otherwise, and tables show options that were not given. */
    "/*!80000 SET SESSION max_execution_time = 0, information_schema_stats_expiry = 0, "
    "show_create_table_verbosity = 0 */",
    /* A primary key that the server made is a column with values. */
    "/*!80030 SET SESSION show_gipk_in_create_table_and_information_schema = 1 */",
    /* A session that holds a snapshot waits for its turn. */
    "/*M!100301 SET SESSION max_statement_time = 0, idle_transaction_timeout = 0, "
    "idle_readonly_transaction_timeout = 0, idle_write_transaction_timeout = 0 */",
    /* Rows as they are now, whatever time others look at. */
    "/*M!100304 SET SESSION system_versioning_asof = DEFAULT */",
    /* A table that is not there is an error. */
    "/*M!100502 SET SESSION sql_if_exists = 0 */", NULL};

/* clang-format off: a line each, as in the dump */
const char *const tbk_mysql_load_settings[] = {
    /* How texts and times are to be read. Not strict, as the rows were accepted once; zeros in
     * columns that count are zeros, and 2020-02-31 stays. The mode first, as in a session. */
    "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'",
    "/*M!110201 SET SESSION character_set_collations = '' */",
    "/*!80011 SET SESSION default_collation_for_utf8mb4 = utf8mb4_0900_ai_ci */",
    "SET NAMES utf8mb4", "SET time_zone = '+00:00'",
    /* Without it, what a client has loaded is gone when it ends. */
    "SET autocommit = 1", "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ WRITE",
    "SET foreign_key_checks = 0", "SET unique_checks = 0",
    /* Both go into what is made: into a view as a word with which MySQL cannot show it any more,
     * into a CHECK as names without quotes. */
    "SET SESSION sql_buffer_result = 0, sql_quote_show_create = 1",
    /* Tables that the server accepted under other settings. */
    "SET SESSION innodb_strict_mode = 0",
    "/*!80000 SET SESSION explicit_defaults_for_timestamp = 1 */",
    "/*!80013 SET SESSION sql_require_primary_key = 0 */",
    "/*!80030 SET SESSION sql_generate_invisible_primary_key = 0 */",
    "/*!80400 SET SESSION restrict_fk_on_non_standard_key = 0 */",
    "/*M!100101 SET SESSION innodb_compression_default = 0 */",
    "/*M!100104 SET SESSION enforce_storage_engine = NULL */",
    "/*M!100201 SET SESSION check_constraint_checks = 0 */",
    "/*M!100301 SET SESSION max_statement_time = 0 */",
    "/*M!100304 SET SESSION system_versioning_alter_history = KEEP */",
    "/*M!100307 SET SESSION alter_algorithm = 'DEFAULT' */",
    /* Before, only a start of the server could change it. */
    "/*M!100804 SET SESSION explicit_defaults_for_timestamp = 1 */", NULL};
/* clang-format on */

/* 'text' without quotes and backslashes in it, a name or a number; to the end. */
static bool is_literal(const char *text)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    const size_t length = strlen(text);
    if (length >= 2 && text[0] == '\'')
        return text[1 + strcspn(text + 1, "'\\")] == '\'' && strcspn(text + 1, "'\\") == length - 2;
    return length > 0 && strspn(text, name) == length;
}

bool tbk_mysql_setting_is_known(const char *statement)
{
    static const char *const heads[] = {"SET NAMES ",
                                        "SET time_zone = ",
                                        "SET sql_mode = ",
                                        "SET foreign_key_checks = ",
                                        "SET unique_checks = ",
                                        "SET character_set_client = ",
                                        "SET collation_connection = "};
    for (size_t i = 0; tbk_mysql_load_settings[i] != NULL; i++)
        if (strcmp(statement, tbk_mysql_load_settings[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (tbk_text_starts_with(statement, heads[i]))
            return is_literal(statement + strlen(heads[i]));
    return false;
}
