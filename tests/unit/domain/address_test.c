/* SPDX-License-Identifier: MIT */
/* Addresses: nothing that the ssh program would take for an option or a second word passes. */
#include "unit/unit.h"

#include "domain/address.h"

#define LONG_64 "1234567890123456789012345678901234567890123456789012345678901234"

static void expect(bool (*check)(const char *, tbk_error *), const char *const *good,
                   const char *const *bad, const char *message)
{
    tbk_error err;
    for (; *good != NULL; good++)
        assert_succeeds(check(*good, &err), err);
    for (; *bad != NULL; bad++) {
        assert_fails(check(*bad, &err), err, TBK_E_CONFIG, message);
        assert_true(err.fix[0] != '\0');
    }
}

static void host_is_a_name_or_address(void **state)
{
    (void)state;
    static const char *const good[] = {
        "10.77.3.2", "vm-1.example.com", "2001:db8::1", "fe80::1%eth0", "my_vm", NULL};
    static const char *const bad[] = {"",
                                      "-oProxyCommand=id",
                                      "a b",
                                      "a\nb",
                                      "user@host",
                                      "host;id",
                                      "h\xC3\xBCte",
                                      "[::1]",
                                      LONG_64 LONG_64 LONG_64 LONG_64,
                                      NULL};
    expect(tbk_address_check_host, good, bad, "is not a host");
}

static void user_is_a_plain_name(void **state)
{
    (void)state;
    static const char *const good[] = {"torrust", "root", "ci.user", "_apt", "user-1", NULL};
    static const char *const bad[] = {
        "", "-l", "a b", "a@b", "a\tb", "$(id)", "123456789012345678901234567890123", NULL};
    expect(tbk_address_check_user, good, bad, "is not a user name");
}

static void key_is_an_absolute_path(void **state)
{
    (void)state;
    static const char *const good[] = {"/home/me/.ssh/id_ed25519", "/a b/../c", NULL};
    static const char *const bad[] = {
        "",
        "id_ed25519",
        "~/.ssh/id",
        "-i",
        "/a\nb",
        "/" LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64 LONG_64
            LONG_64 LONG_64 LONG_64 LONG_64 LONG_64,
        NULL};
    expect(tbk_address_check_key, good, bad, "is not an absolute path of a key file");
}

static void port_has_sixteen_bits(void **state)
{
    (void)state;
    tbk_error err;
    assert_succeeds(tbk_address_check_port(1, &err), err);
    assert_succeeds(tbk_address_check_port(65535, &err), err);
    assert_fails(tbk_address_check_port(0, &err), err, TBK_E_CONFIG, "0 is not a port");
    assert_fails(tbk_address_check_port(-22, &err), err, TBK_E_CONFIG, "-22 is not a port");
    assert_fails(tbk_address_check_port(65536, &err), err, TBK_E_CONFIG, "65536 is not a port");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_is_a_name_or_address),
        cmocka_unit_test(user_is_a_plain_name),
        cmocka_unit_test(key_is_an_absolute_path),
        cmocka_unit_test(port_has_sixteen_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
