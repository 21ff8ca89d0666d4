/* SPDX-License-Identifier: MIT */
/* SHA-256: the standard's examples, and in pieces. */
#include "unit/unit.h"

#include "base/digest.h"

/* From FIPS 180-2, appendix B, and of nothing. */
static const char ABC[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char TWO_BLOCKS[] = "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1";
static const char NOTHING[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void gives_the_examples_of_the_standard(void **state)
{
    (void)state;
    tbk_digest digest;
    tbk_digest_of("abc", 3, &digest);
    assert_string_equal(digest.hex, ABC);
    tbk_digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, &digest);
    assert_string_equal(digest.hex, TWO_BLOCKS);
    tbk_digest_of("", 0, &digest);
    assert_string_equal(digest.hex, NOTHING);
}

/* RFC 2202, test case 2. */
static void knows_the_hashes_of_others(void **state)
{
    (void)state;
    static const uint8_t WANTED[TBK_SHA1_BYTES] = {0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f,
                                                   0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84,
                                                   0xdf, 0x9c, 0x25, 0x9a, 0x7c, 0x79};
    static const char TEXT[] = "what do ya want for nothing?";
    uint8_t got[TBK_SHA1_BYTES];
    tbk_digest_hmac_sha1("Jefe", 4, TEXT, sizeof TEXT - 1, got);
    assert_memory_equal(got, WANTED, sizeof WANTED);
}

static void pieces_make_the_same_and_finish_begins_anew(void **state)
{
    (void)state;
    tbk_auto(tbk_hasher) *hasher = tbk_hasher_new();
    tbk_digest digest;
    for (int round = 0; round < 2; round++) {
        tbk_hasher_add(hasher, "a", 1);
        tbk_hasher_add(hasher, "", 0);
        tbk_hasher_add(hasher, "bc", 2);
        tbk_hasher_finish(hasher, &digest);
        assert_string_equal(digest.hex, ABC);
    }
    tbk_auto(tbk_hasher) *never_made = NULL;
    tbk_hasher_free(never_made);
}

static void unknown_digests_equal_nothing(void **state)
{
    (void)state;
    tbk_digest a;
    tbk_digest b;
    const tbk_digest unknown = {.hex = ""};
    tbk_digest_of("a", 1, &a);
    tbk_digest_of("b", 1, &b);
    assert_true(tbk_digest_equal(&a, &a));
    assert_false(tbk_digest_equal(&a, &b));
    assert_false(tbk_digest_equal(&a, &unknown));
    assert_false(tbk_digest_equal(&unknown, &unknown));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_the_examples_of_the_standard),
        cmocka_unit_test(knows_the_hashes_of_others),
        cmocka_unit_test(pieces_make_the_same_and_finish_begins_anew),
        cmocka_unit_test(unknown_digests_equal_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
