/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/strbuf.h"

static void numbers_stop_at_their_bounds(void **state)
{
    struct span s = SPAN("18446744073709551615x");
    uint64_t n = 7;

    assert_true(span_take_dec(&s, &n));
    assert_true(n == UINT64_MAX);
    assert_true(span_eq(s, "x"));
    s = SPAN("18446744073709551616");
    n = 7;
    assert_false(span_take_dec(&s, &n));
    assert_true(n == 7 && s.n == 20);
    assert_true(span_to_u64(SPAN("0xffffffffffffffff"), &n) && n == UINT64_MAX);
    assert_false(span_to_u64(SPAN("0x1ffffffffffffffff"), &n));
    assert_false(span_to_u64(SPAN(""), &n));
    assert_false(span_to_u64(SPAN("0x"), &n));
    assert_false(span_to_u64(SPAN("12 "), &n));
}

static void lines_and_fields(void **state)
{
    struct span s = SPAN("a\n\nlast"), part;

    assert_true(span_next_line(&s, &part) && span_eq(part, "a"));
    assert_true(span_next_line(&s, &part) && part.n == 0);
    assert_true(span_next_line(&s, &part) && span_eq(part, "last"));
    assert_false(span_next_line(&s, &part));
    s = SPAN("a::b");
    assert_true(span_next_field(&s, ':', &part) && span_eq(part, "a"));
    assert_true(span_next_field(&s, ':', &part) && part.n == 0);
    assert_true(span_next_field(&s, ':', &part) && span_eq(part, "b"));
    assert_false(span_next_field(&s, ':', &part));
    s = SPAN(" \t two  words\r\n");
    assert_true(span_next_word(&s, &part) && span_eq(part, "two"));
    assert_true(span_next_word(&s, &part) && span_eq(part, "words"));
    assert_false(span_next_word(&s, &part));
}

static void copies_are_bounded(void **state)
{
    char buf[4] = "zzz";

    assert_true(span_copy(SPAN("abc"), buf, sizeof(buf)));
    assert_string_equal(buf, "abc");
    assert_false(span_copy(SPAN("abcd"), buf, sizeof(buf)));
    assert_string_equal(buf, "abc");
    assert_false(span_copy(SPAN("abc"), buf, 0));
    assert_true(span_copy(span_bytes("a\0bcdef", 7), buf, sizeof(buf)));
    assert_string_equal(buf, "a");
    assert_true(span_eq(span_trim(SPAN(" \r\n x \t")), "x"));
    assert_true(span_trim(SPAN("  ")).n == 0);
    assert_true(span_ends(SPAN("abc"), "bc") && !span_ends(SPAN("c"), "bc"));
    assert_true(span_eq_case(SPAN("MostRecent"), "mostrecent"));
}

static void strbuf_keeps_its_limit(void **state)
{
    _cleanup_strbuf_ struct strbuf b = { .max = 8 };

    assert_int_equal(strbuf_str(&b, "12345678"), 0);
    assert_int_equal(strbuf_char(&b, '9'), -EFBIG);
    assert_int_equal(b.n, 8);
    assert_int_equal(strbuf_str(&b, ""), -EFBIG); /* sticky */
    assert_null(strbuf_take(&b));
    b.max = 0;
    assert_int_equal(strbuf_printf(&b, "%s-%d", "x", 42), 0);
    assert_string_equal(strbuf_cstr(&b), "x-42");
    for (int i = 0; i < 10000; i++)
        assert_int_equal(strbuf_char(&b, 'y'), 0);
    assert_int_equal(b.n, 10004);
    assert_int_equal(b.p[b.n], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_stop_at_their_bounds),
        cmocka_unit_test(lines_and_fields),
        cmocka_unit_test(copies_are_bounded),
        cmocka_unit_test(strbuf_keeps_its_limit),
    };

    return cmocka_run_group_tests_name("span", tests, NULL, NULL);
}
