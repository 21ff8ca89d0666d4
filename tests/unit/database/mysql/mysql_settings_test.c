/* SPDX-License-Identifier: MIT */
#include "database/mysql/mysql_settings.h"

#include "base/text.h"
#include "unit/unit.h"

static void knows_what_a_dump_has(void **state)
{
    (void)state;
    static const char *const others[] = {"SET sql_mode = ''",
                                         "SET sql_mode = 'ANSI_QUOTES,TRADITIONAL'",
                                         "SET time_zone = '+05:30'",
                                         "SET NAMES latin1",
                                         "SET character_set_client = utf8mb4",
                                         "SET collation_connection = utf8mb4_uca1400_ai_ci",
                                         "SET foreign_key_checks = 0"};
    for (size_t i = 0; tbk_mysql_load_settings[i] != NULL; i++)
        assert_true(tbk_mysql_setting_is_known(tbk_mysql_load_settings[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_true(tbk_mysql_setting_is_known(others[i]));
}

/* A set is untrusted text, and root executes it. */
static void knows_nothing_that_does_more(void **state)
{
    (void)state;
    static const char *const others[] = {
        "",
        "SET ",
        "SET NAMES ",
        "SET PASSWORD = 'x'",
        "SET password = 'x'",
        "SET GLOBAL general_log = 1",
        "SET PERSIST sql_mode = ''",
        "SET @@GLOBAL.sql_mode = ''",
        "SET sql_mode = '', GLOBAL general_log = 1",
        "SET sql_mode = 'a', GLOBAL b = 'c'",
        "SET sql_mode = 'a\\', GLOBAL b = c'",
        "SET sql_mode = '",
        "SET sql_mode = (SELECT 1)",
        "SET sql_mode = LOAD_FILE('/etc/passwd')",
        "SET foreign_key_checks = 0 ",
        "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
        "/*!80013 SET SESSION sql_require_primary_key = 0 */ ",
        "/*!80013 SET GLOBAL sql_require_primary_key = 0 */",
        "/*!80000 DROP DATABASE mysql */",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (tbk_mysql_setting_is_known(others[i]))
            fail_msg("\"%s\"", others[i]);
}

/* The form of a dump: lines, each a statement (database/mysql/mysql_stream.h). */
static void each_is_one_statement_on_a_line(void **state)
{
    (void)state;
    for (size_t i = 0; tbk_mysql_load_settings[i] != NULL; i++)
        assert_null(strpbrk(tbk_mysql_load_settings[i], ";\n#"));
    for (size_t i = 0; tbk_mysql_session_settings[i] != NULL; i++)
        assert_null(strpbrk(tbk_mysql_session_settings[i], ";\n#"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_a_dump_has),
        cmocka_unit_test(knows_nothing_that_does_more),
        cmocka_unit_test(each_is_one_statement_on_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
