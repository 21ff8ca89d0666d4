/* SPDX-License-Identifier: MIT */
/* Logins out of the deployer's .env files, with what its users may write and change in them. */
#include "unit/unit.h"

#include "domain/mysql_login.h"

#define DRIVER "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__DRIVER"
#define ADDRESS "TORRUST_TRACKER_CONFIG_OVERRIDE_CORE__DATABASE__PATH"

/* As the deployer writes it, without the comments. */
static const char deployed[] =
    "TORRUST_TRACKER_CONFIG_TOML_PATH='/etc/torrust/tracker/tracker.toml'\n" DRIVER "='mysql'\n"
    "TORRUST_TRACKER_CONFIG_OVERRIDE_HTTP_API__ACCESS_TOKENS__ADMIN='MyAccessToken'\n" ADDRESS
    "='mysql://tracker_user:PrivateTrackerPassword123!@mysql:3306/tracker'\n"
    "MYSQL_ROOT_PASSWORD='$3FYlJ)T+IL%@d82Ehsq2f48p#mx?1pk'\n"
    "MYSQL_DATABASE='tracker'\n"
    "MYSQL_USER='tracker_user'\n"
    "MYSQL_PASSWORD='PrivateTrackerPassword123!'\n";

/* A password of S p#c%i@l/:?$(touch pwned)"&=;\é: some of it is encoded, some is not. */
static const char deployed_with_odd_password[] =
    DRIVER "='mysql'\n" ADDRESS
           "='mysql://tracker_user:S%20p%23c%25i%40l%2F%3A%3F$(touch%20pwned)\"&=;\\%C3%A9"
           "@mysql:3306/tracker'\n"
           "MYSQL_ROOT_PASSWORD='3<3NOePkMtY(ts)RurM-wmNG{eJb@e^7'\n"
           "MYSQL_DATABASE='tracker'\n"
           "MYSQL_USER='tracker_user'\n"
           "MYSQL_PASSWORD='S p#c%i@l/:?$(touch pwned)\"&=;\\\xC3\xA9'\n";

static tbk_mysql_login login_of(tbk_arena *arena, const char *text)
{
    tbk_dotenv file = {.text = text, .length = strlen(text), .source = ".env"};
    tbk_mysql_login login = {0};
    tbk_error err;
    assert_succeeds(tbk_mysql_login_read(arena, &file, &login, &err), err);
    return login;
}

static void expect_login(const tbk_mysql_login *login, const char *host, uint16_t port,
                         const char *user, const char *password, const char *schema)
{
    assert_string_equal(login->host, host);
    assert_int_equal(login->port, port);
    assert_string_equal(login->user, user);
    assert_string_equal(login->password, password);
    assert_string_equal(login->schema, schema);
}

static void deployed_file_is_read(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_login login = login_of(arena, deployed);
    expect_login(&login, "mysql", 3306, "tracker_user", "PrivateTrackerPassword123!", "tracker");
    assert_string_equal(login.root_password, "$3FYlJ)T+IL%@d82Ehsq2f48p#mx?1pk");
    assert_null(login.drift);
}

static void odd_password_is_the_same_in_both_variables(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_login login = login_of(arena, deployed_with_odd_password);
    expect_login(&login, "mysql", 3306, "tracker_user", "S p#c%i@l/:?$(touch pwned)\"&=;\\\xC3\xA9",
                 "tracker");
    assert_null(login.drift);
}

static void address_is_taken_apart_as_the_tracker_does(void **state)
{
    (void)state;
    static const struct {
        const char *address, *host;
        uint16_t port;
        const char *user, *password, *schema;
    } cases[] = {
        {"mysql://u:p@db.example.com/t", "db.example.com", 3306, "u", "p", "t"},
        {"MySQL://u:p@h:/t", "h", 3306, "u", "p", "t"},
        {"mysql://u:p@h:65535/t?prefer_socket=false", "h", 65535, "u", "p", "t"},
        {"mysql://u:p@[::1]:3307/t#x", "::1", 3307, "u", "p", "t"},
        {"mysql://u:p@[2001:db8::2]/t", "2001:db8::2", 3306, "u", "p", "t"},
        {"mysql://u@h/t", "h", 3306, "u", "", "t"},
        {"mysql://u:@h/t", "h", 3306, "u", "", "t"},
        {"mysql://u:p:q@r@h/t", "h", 3306, "u", "p:q@r", "t"},
        {"mysql://u%3A1:100%@h/a%2Fb", "h", 3306, "u:1", "100%", "a/b"},
        {"mysql://u:p@h/100%", "h", 3306, "u", "p", "100%"},
        {"mysql://u:%4a%4J%zz%4@h/t", "h", 3306, "u", "J%4J%zz%4", "t"},
        {"mysql://u:%%41%C3%aF@h/t", "h", 3306, "u", "%A\xC3\xAF", "t"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_mysql_login login =
            login_of(arena, tbk_arena_format(arena, ADDRESS "='%s'", cases[i].address));
        expect_login(&login, cases[i].host, cases[i].port, cases[i].user, cases[i].password,
                     cases[i].schema);
        assert_null(login.root_password);
        assert_null(login.drift);
    }
}

static void bad_address_is_refused_without_its_text(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "does not begin with mysql://"},
        {"./storage/tracker/lib/database/secret.db", "does not begin with mysql://"},
        {"mysql:u:secret@h/t", "does not begin with mysql://"},
        {"mysql://h/t", "names no user"},
        {"mysql://@h/t", "names no user"},
        {"mysql://:secret@h/t", "names no user"},
        {"mysql://u:sec/ret@h/t", "names no user"},
        {"mysql://u:secret\n@h/t", "has a line break"},
        {"mysql://u:secret@h/t ", "has a line break or a blank"},
        {"mysql://u%FF:secret@h/t", "has a user or password that is not text"},
        {"mysql://u:secret%FF@h/t", "has a user or password that is not text"},
        {"mysql://u:secret%00@h/t", "has a user or password that is not text"},
        {"mysql://u:secret@/t", "has a host that is not"},
        {"mysql://u:secret@-h/t", "has a host that is not"},
        {"mysql://u:secret@a@b secret/t", "has a host that is not"},
        {"mysql://u:secret@[::1/t", "has a host that is not"},
        {"mysql://u:secret@[::1]3306/t", "has a port that is not"},
        {"mysql://u:secret@h:0/t", "has a port that is not"},
        {"mysql://u:secret@h:65536/t", "has a port that is not"},
        {"mysql://u:secret@h:033060/t", "has a port that is not"},
        {"mysql://u:secret@h:3306x/t", "has a port that is not"},
        {"mysql://u:secret@h:+1/t", "has a port that is not"},
        {"mysql://u:secret@h", "does not end in /database"},
        {"mysql://u:secret@h/", "does not end in /database"},
        {"mysql://u:secret@h?t", "does not end in /database"},
        {"mysql://u:secret@h/a/b", "does not end in /database"},
        {"mysql://u:secret@h/%C3", "has a database name that is not text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        const char *text = tbk_arena_format(arena, ADDRESS "='%s'", cases[i][0]);
        tbk_dotenv file = {.text = text, .length = strlen(text), .source = ".env"};
        tbk_mysql_login login = {0};
        tbk_error err;
        assert_fails(tbk_mysql_login_read(arena, &file, &login, &err), err, TBK_E_CONFIG,
                     cases[i][1]);
        assert_null(strstr(err.message, "secret"));
        assert_non_null(strstr(err.message, ".env: " ADDRESS));
        assert_non_null(strstr(err.fix, "mysql://user:password@host:port/database"));
        assert_null(login.user);
    }
}

static void without_an_address_the_servers_variables_count(void **state)
{
    (void)state;
    tbk_auto(tbk_arena) *arena = tbk_arena_new();
    tbk_mysql_login login =
        login_of(arena, "MYSQL_USER=u\nMYSQL_PASSWORD='%41@'\nMYSQL_DATABASE=t\n");
    expect_login(&login, "mysql", 3306, "u", "%41@", "t");
    assert_null(login.root_password);
    assert_null(login.drift);
}

static void what_no_login_can_be_made_of_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {DRIVER "='sqlite3'\nMYSQL_USER=u\n", ".env: " DRIVER " is not mysql"},
        {"", "neither " ADDRESS " nor MYSQL_USER"},
        {"MYSQL_USER=u\nMYSQL_DATABASE=t", "neither " ADDRESS " nor MYSQL_PASSWORD"},
        {"MYSQL_USER=u\nMYSQL_PASSWORD=secret", "neither " ADDRESS " nor MYSQL_DATABASE"},
        {"MYSQL_USER=u\nMYSQL_PASSWORD=$secret", "the variable MYSQL_PASSWORD: .env:2: the value"},
        {"MYSQL_USER='secret\n", ".env:1: the quote that opens here"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_dotenv file = {.text = cases[i][0], .length = strlen(cases[i][0]), .source = ".env"};
        tbk_mysql_login login = {0};
        tbk_error err;
        assert_fails(tbk_mysql_login_read(arena, &file, &login, &err), err, TBK_E_CONFIG,
                     cases[i][1]);
        assert_null(strstr(err.message, "secret"));
        assert_null(login.user);
    }
}

static void drift_names_the_variables_and_no_value(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"MYSQL_PASSWORD='new'", "MYSQL_PASSWORD is not what " ADDRESS},
        {"MYSQL_USER='new'\nMYSQL_DATABASE='new'", "MYSQL_USER, MYSQL_DATABASE are not what"},
        {"MYSQL_PASSWORD='PrivateTrackerPassword123!'", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tbk_auto(tbk_arena) *arena = tbk_arena_new();
        tbk_mysql_login login =
            login_of(arena, tbk_arena_format(arena, "%s%s\n", deployed, cases[i][0]));
        expect_login(&login, "mysql", 3306, "tracker_user", "PrivateTrackerPassword123!",
                     "tracker");
        if (cases[i][1] == NULL) {
            assert_null(login.drift);
            continue;
        }
        assert_int_equal(strncmp(login.drift, cases[i][1], strlen(cases[i][1])), 0);
        assert_null(strstr(login.drift, "new"));
        assert_null(strstr(login.drift, "Private"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deployed_file_is_read),
        cmocka_unit_test(odd_password_is_the_same_in_both_variables),
        cmocka_unit_test(address_is_taken_apart_as_the_tracker_does),
        cmocka_unit_test(bad_address_is_refused_without_its_text),
        cmocka_unit_test(without_an_address_the_servers_variables_count),
        cmocka_unit_test(what_no_login_can_be_made_of_is_refused),
        cmocka_unit_test(drift_names_the_variables_and_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
