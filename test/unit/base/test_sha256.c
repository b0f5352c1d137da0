/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/sha256.h"

static void check(struct span text, size_t piece, const char *expected)
{
    struct sha256 h;
    char hex[SHA256_HEX];

    sha256_start(&h);
    while (text.n > 0)
        sha256_add(&h, span_take(&text, piece));
    sha256_end_hex(&h, hex);
    assert_string_equal(hex, expected);
}

/* The examples of FIPS 180-4, in one piece and in small ones. */
static void test_examples(void **state)
{
    static char million[1000000];

    memset(million, 'a', sizeof(million));
    check(SPAN(""), 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check(SPAN("abc"), 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (size_t piece = 1; piece < 70; piece++)
        check(SPAN("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), piece,
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    check(span_bytes(million, sizeof(million)), 999,
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* Lengths around the padding's edge: as sha256sum says for so many 'x'. */
static void test_edges(void **state)
{
    static const struct {
        size_t n;
        const char *expected;
    } cases[] = {
        { 55, "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072" },
        { 56, "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e" },
        { 63, "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2" },
        { 64, "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c" },
    };
    static char x[64];

    memset(x, 'x', sizeof(x));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check(span_bytes(x, cases[i].n), 7, cases[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_examples),
                                        cmocka_unit_test(test_edges) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
