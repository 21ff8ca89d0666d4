/* SPDX-License-Identifier: MIT */
/* The file of secrets: what restic gets of it, and what is refused without being told. */
#include "unit/arena.h"

#include "domain/offsite_secrets.h"

static bool read_secrets(const char *text, const char *const **out, tbk_error *err)
{
    const tbk_dotenv file = {.text = text, .length = strlen(text), .source = "a.env"};
    return tbk_offsite_secrets_read(arena, &file, out, err);
}

static void all_variables_go_to_restic(void **state)
{
    (void)state;
    const char *const *variables = NULL;
    tbk_error err;
    assert_succeeds(
        read_secrets("# comment\nRESTIC_PASSWORD='a b'\nexport AWS_ACCESS_KEY_ID=1\n"
                     "RESTIC_PASSWORD=\"$$c\"\nEMPTY=\nUNSET\nA=1\nB=2\nC=3\nD=4\nE=5\nF=6\n"
                     "G=7\nH=8\n",
                     &variables, &err),
        err);
    static const char *const expected[] = {"RESTIC_PASSWORD=$c",
                                           "AWS_ACCESS_KEY_ID=1",
                                           "EMPTY=",
                                           "A=1",
                                           "B=2",
                                           "C=3",
                                           "D=4",
                                           "E=5",
                                           "F=6",
                                           "G=7",
                                           "H=8"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(variables[i], expected[i]);
    assert_null(variables[sizeof expected / sizeof *expected]);
}

static void what_is_wrong_is_named_and_never_told(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "a.env has no RESTIC_PASSWORD"},
        {"RESTIC_PASSWORD=\nRESTIC_PASSWORDS=hunter2\n", "a.env has no RESTIC_PASSWORD"},
        {"RESTIC_PASSWORD=hunter2\nPATH=hunter2\n", "'PATH' is not for this file"},
        {"RESTIC_PASSWORD=hunter2\nLD_PRELOAD=hunter2\n", "'LD_PRELOAD' is not for this file"},
        {"RESTIC_PASSWORD=hunter2\nRESTIC_PASSWORD_COMMAND=hunter2\n",
         "'RESTIC_PASSWORD_COMMAND' is not for this file"},
        {"RESTIC_PASSWORD=hunter2\na.b=hunter2\n", "'a.b' is no variable of restic's"},
        {"RESTIC_PASSWORD=hunter2 $x\n", "the value takes in another variable"},
        {"hunter2 hunter2\n", "a.env:1: this is not an assignment"},
        {"RESTIC_PASSWORD='hunter2\n", "the quote that opens here is not closed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const *variables = NULL;
        tbk_error err;
        assert_fails(read_secrets(cases[i][0], &variables, &err), err, TBK_E_CONFIG, cases[i][1]);
        assert_null(strstr(err.message, "hunter2"));
        assert_null(strstr(err.fix, "hunter2"));
    }
}

static void a_nul_is_no_text(void **state)
{
    (void)state;
    const tbk_dotenv file = {.text = "A=1\0B", .length = 5, .source = "a.env"};
    const char *const *names = NULL;
    tbk_error err;
    assert_fails(tbk_dotenv_names(arena, &file, &names, &err), err, TBK_E_CONFIG, "NUL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_variables_go_to_restic),
        cmocka_unit_test(what_is_wrong_is_named_and_never_told),
        cmocka_unit_test(a_nul_is_no_text),
    };
    return cmocka_run_group_tests(tests, begin_arena, end_arena);
}
