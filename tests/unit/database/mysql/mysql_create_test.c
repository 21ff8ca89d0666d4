/* SPDX-License-Identifier: MIT */
#include "database/mysql/mysql_create.h"

#include "unit/arena.h"

static tbk_mysql_create split(const char *sql)
{
    tbk_mysql_create out;
    tbk_mysql_create_split(arena, sql, NULL, &out);
    return out;
}

static void takes_out_secondary_and_foreign_keys(void **state)
{
    (void)state;
    tbk_mysql_create out = split("CREATE TABLE `t` (\n"
                                 "  `id` int NOT NULL AUTO_INCREMENT,\n"
                                 "  `v` varchar(9) DEFAULT 'a,b',\n"
                                 "  PRIMARY KEY (`id`),\n"
                                 "  UNIQUE KEY `u` (`v`),\n"
                                 "  KEY `k` (`v`(3),`id`),\n"
                                 "  FULLTEXT KEY `f` (`v`),\n"
                                 "  CONSTRAINT `fk` FOREIGN KEY (`v`) REFERENCES `o` (`v`),\n"
                                 "  CONSTRAINT `ck` CHECK ((`id` > 0))\n"
                                 ") ENGINE=InnoDB AUTO_INCREMENT=17 COMMENT='x'");
    assert_string_equal(out.table, "CREATE TABLE `t` (\n"
                                   "  `id` int NOT NULL AUTO_INCREMENT,\n"
                                   "  `v` varchar(9) DEFAULT 'a,b',\n"
                                   "  PRIMARY KEY (`id`),\n"
                                   "  FULLTEXT KEY `f` (`v`),\n"
                                   "  CONSTRAINT `ck` CHECK ((`id` > 0))\n"
                                   ") ENGINE=InnoDB AUTO_INCREMENT=17 COMMENT='x'");
    assert_non_null(strstr(out.plain, ") ENGINE=InnoDB COMMENT='x'"));
    assert_string_equal(out.keys, "ADD UNIQUE KEY `u` (`v`),\n  ADD KEY `k` (`v`(3),`id`)");
    assert_string_equal(out.foreign_keys,
                        "ADD CONSTRAINT `fk` FOREIGN KEY (`v`) REFERENCES `o` (`v`)");
}

static void keeps_what_cannot_wait(void **state)
{
    (void)state;
    static const char *const tables[] = {
        /* no primary key: the unique one orders the rows */
        "CREATE TABLE `t` (\n  `a` int NOT NULL,\n  UNIQUE KEY `u` (`a`)\n) ENGINE=InnoDB",
        /* another key carries the counter */
        "CREATE TABLE `t` (\n  `a` int,\n  `b` int AUTO_INCREMENT,\n  PRIMARY KEY (`a`),\n"
        "  KEY `k` (`b`)\n) ENGINE=InnoDB",
        /* a primary key whose first column begins with the name of the one that counts */
        "CREATE TABLE `t` (\n  `b``` int,\n  `b` int AUTO_INCREMENT,\n  PRIMARY KEY (`b```),\n"
        "  KEY `k` (`b`)\n) ENGINE=InnoDB",
        "CREATE TABLE `t` (\n  `a` int,\n  PRIMARY KEY (`a`),\n  KEY `k` (`a`)\n) ENGINE=InnoDB\n"
        "/*!50100 PARTITION BY HASH (`a`) */",
        "CREATE TABLE `t` (\n  `a` int,\n  PRIMARY KEY (`a`),\n  KEY `k` (`a`),\n"
        "  PERIOD FOR `p` (`f`, `t`)\n) ENGINE=InnoDB",
        /* versions, whose columns ALTER TABLE would look at again */
        "CREATE TABLE `t` (\n  `a` int,\n  PRIMARY KEY (`a`),\n  KEY `k` (`a`)\n) ENGINE=InnoDB "
        "WITH SYSTEM VERSIONING",
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        tbk_mysql_create out = split(tables[i]);
        assert_string_equal(out.table, tables[i]);
        assert_string_equal(out.keys, "");
    }
}

static void reads_names_and_texts_as_the_server_writes_them(void **state)
{
    (void)state;
    tbk_mysql_create out = split("CREATE TABLE `a(b` (\n"
                                 "  `x``,\nKEY ``y` int COMMENT 'it''s \\'),\\n',\n"
                                 "  `id` int AUTO_INCREMENT /*!80023 INVISIBLE */,\n"
                                 "  PRIMARY KEY (`id`),\n"
                                 "  KEY `k\n),` (`x``,\nKEY ``y`) COMMENT 'KEY `z`'\n"
                                 ") ENGINE=InnoDB COMMENT=' AUTO_INCREMENT=5' AUTO_INCREMENT=6");
    assert_string_equal(out.keys, "ADD KEY `k\n),` (`x``,\nKEY ``y`) COMMENT 'KEY `z`'");
    assert_non_null(strstr(out.table, "`x``,\nKEY ``y` int COMMENT 'it''s \\'),\\n',\n"));
    assert_non_null(strstr(out.plain, " AUTO_INCREMENT=5'"));
    assert_null(strstr(out.plain, "AUTO_INCREMENT=6"));
}

static void writes_a_row_format_where_none_is(void **state)
{
    (void)state;
    static const char *const tables[][2] = {
        {"CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=6 COMMENT='x'",
         ") ENGINE=InnoDB ROW_FORMAT=Compact AUTO_INCREMENT=6 COMMENT='x'"},
        {"CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT='x'",
         ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT='x'"},
        {"CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDBX COMMENT=' ENGINE=InnoDB'",
         ") ENGINE=InnoDBX COMMENT=' ENGINE=InnoDB'"},
        {"CREATE TABLE `t` (\n  `a` int\n) COMMENT='x'", ") COMMENT='x'"}};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        tbk_mysql_create out, without;
        tbk_mysql_create_split(arena, tables[i][0], "Compact", &out);
        tbk_mysql_create_split(arena, tables[i][0], NULL, &without);
        assert_string_equal(strrchr(out.table, '\n') + 1, tables[i][1]);
        assert_string_equal(strrchr(without.table, '\n'), strrchr(tables[i][0], '\n'));
        assert_null(strstr(out.plain, "ROW_FORMAT"));
        assert_string_equal(out.plain, without.plain);
    }
}

static void what_is_not_understood_stays_as_it_is(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "CREATE",
                                        "CREATE TABLE `t",
                                        "CREATE TABLE `t` (",
                                        "CREATE TABLE `t` (`a` int, KEY `k` (`a`)",
                                        "CREATE TABLE `t` (`a` text DEFAULT 'x)"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        tbk_mysql_create out = split(texts[i]);
        assert_string_equal(out.table, texts[i]);
        assert_string_equal(out.plain, texts[i]);
        assert_string_equal(out.keys, "");
        assert_string_equal(out.foreign_keys, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_out_secondary_and_foreign_keys),
        cmocka_unit_test(keeps_what_cannot_wait),
        cmocka_unit_test(reads_names_and_texts_as_the_server_writes_them),
        cmocka_unit_test(writes_a_row_format_where_none_is),
        cmocka_unit_test(what_is_not_understood_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, begin_arena, end_arena);
}
