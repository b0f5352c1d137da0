/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include "base/macro.h"
#include "parse/cmdline.h"
#include "parse/release.h"

static const char handheld[] =
    "BOOT_IMAGE=/boot/vmlinuz-linux-neptune-61 console=tty1 rd.luks=0 \"dyndbg=file drivers/* +p\" "
    "log_buf_len=4M amd_iommu=off reserve_mem=5M:4096:oops ramoops.mem_name=oops "
    "module.text=\"two words\" crashkernel=192M quiet -- init.arg=1 quiet2\n";

static void parameters_in_order(void **state)
{
    static const struct {
        const char *name, *value;
    } expected[] = {
        { "BOOT_IMAGE", "/boot/vmlinuz-linux-neptune-61" },
        { "console", "tty1" },
        { "rd.luks", "0" },
        { "dyndbg", "file drivers/* +p" },
        { "log_buf_len", "4M" },
        { "amd_iommu", "off" },
        { "reserve_mem", "5M:4096:oops" },
        { "ramoops.mem_name", "oops" },
        { "module.text", "two words" },
        { "crashkernel", "192M" },
        { "quiet", NULL },
    };
    struct span rest = span_str(handheld);
    struct cmdline_param p;

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_true(cmdline_next(&rest, &p));
        assert_true(span_eq(p.name, expected[i].name));
        assert_int_equal(p.has_value, expected[i].value != NULL);
        assert_true(span_eq(p.value, expected[i].value ? expected[i].value : ""));
    }
    /* "--" ends it, and asking again does not go past it. */
    assert_false(cmdline_next(&rest, &p));
    assert_false(cmdline_next(&rest, &p));
}

/* What next_arg() of lib/cmdline.c (6.12) makes of each. NULL: no value. */
static void quotes_as_the_kernel_takes_them(void **state)
{
    static const struct {
        const char *text, *name, *value;
    } cases[] = {
        { "a=\"b c\"", "a", "b c" },
        { "\"a=b c\"", "a", "b c" },
        { "\"a b\"", "a b", NULL },
        { "a=\"b\"c", "a", "b\"c" },
        { "a=b\"c d\"", "a", "b\"c d\"" },
        { "a=\"b c", "a", "b c" },
        { "a=\"", "a", "" },
        { "a=\"\"", "a", "" },
        { "a=", "a", "" },
        { "\"a=\"v\"\"", "a", "v\"" },
        { "\"a=\"v", "a", "v" },
        { "=a", "=a", NULL },
        { "=a=b", "=a", "b" },
        { "a=b=c", "a", "b=c" },
        { "a\"b c\"d", "a\"b c\"d", NULL },
        { "\"", "", NULL },
        { "\"\"", "", NULL },
        { "\" ", " ", NULL },
        { "--a", "--a", NULL },
        { "--=a", "--", "a" },
        { "\t\va\r\n", "a", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span copy = exact_copy(span_str(cases[i].text)), rest = copy;
        struct cmdline_param p = { 0 };

        if (!cmdline_next(&rest, &p) || !span_eq(p.name, cases[i].name) ||
            p.has_value != (cases[i].value != NULL) ||
            !span_eq(p.value, cases[i].value ? cases[i].value : ""))
            fail_msg("%s: name '%.*s', value '%.*s'", cases[i].text, (int)p.name.n, p.name.p,
                     (int)p.value.n, p.value.p);
        assert_false(cmdline_next(&rest, &p));
        exact_free(copy);
    }
}

static void the_last_one_wins(void **state)
{
    struct span value = SPAN("old");

    assert_true(cmdline_get(SPAN("a=1 a=2 b=3"), "a", &value) && span_eq(value, "2"));
    assert_true(cmdline_get(SPAN("mem-name=x"), "mem_name", &value) && span_eq(value, "x"));
    assert_true(cmdline_get(SPAN("mem_name=y"), "mem-name", &value) && span_eq(value, "y"));
    assert_true(cmdline_get(SPAN("quiet"), "quiet", &value) && value.n == 0);
    value = SPAN("old");
    assert_false(cmdline_get(SPAN("aa=1 b=a c -- a=2"), "a", &value));
    assert_false(cmdline_get(SPAN(""), "a", &value));
    assert_false(cmdline_get(SPAN("A=1"), "a", &value));
    assert_true(span_eq(value, "old"));
}

static void sizes(void **state)
{
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {
        { "0", 0 },
        { "1", 1 },
        { "4096", 4096 },
        { "5M", 5 << 20 },
        { "5m", 5 << 20 },
        { "0x500000", 0x500000 },
        { "0X10k", 0x4000 },
        { "010", 8 },
        { "017K", 15 << 10 },
        { "0K", 0 },
        { "2G", UINT64_C(2) << 30 },
        { "3T", UINT64_C(3) << 40 },
        { "7P", UINT64_C(7) << 50 },
        { "15E", UINT64_C(15) << 60 },
        { "0x5E", 0x5e },
        { "18446744073709551615", UINT64_MAX },
        { "01777777777777777777777", UINT64_MAX },
        { "0xffffffffffffffff", UINT64_MAX },
    };
    static const char *const bad[] = {
        "",
        " ",
        "M",
        "-1",
        "+1",
        "5MM",
        "5MB",
        "5 M",
        "5M ",
        "0x",
        "0xK",
        "08",
        "1.5M",
        "16E",
        "99999999999P",
        "18446744073709551616",
        "02000000000000000000000",
        "0x10000000000000000",
        "18014398509481984K",
    };
    uint64_t n;

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        n = 7;
        if (!cmdline_parse_size(span_str(good[i].text), &n) || n != good[i].size)
            fail_msg("%s gives %llu", good[i].text, (unsigned long long)n);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        n = 7;
        if (cmdline_parse_size(span_str(bad[i]), &n) || n != 7)
            fail_msg("%s gives %llu", bad[i], (unsigned long long)n);
    }
    assert_false(cmdline_parse_size(span_bytes("5\0", 2), &n));
}

static void reserved_memory(void **state)
{
    struct span rest = SPAN("reserve_mem=5M:4096:oops quiet reserve-mem=0x1000:0:b:c "
                            "reserve_mem=1M::d \"reserve_mem=1M:1:e f\"");
    struct cmdline_reserve_mem r;

    assert_true(cmdline_next_reserve_mem(&rest, &r));
    assert_true(r.size == 5 << 20 && r.align == 4096 && span_eq(r.name, "oops"));
    assert_true(cmdline_next_reserve_mem(&rest, &r));
    assert_true(r.size == 0x1000 && r.align == 0 && span_eq(r.name, "b:c"));
    assert_true(cmdline_next_reserve_mem(&rest, &r));
    assert_true(r.size == 1 << 20 && r.align == 0 && span_eq(r.name, "d"));
    assert_true(cmdline_next_reserve_mem(&rest, &r));
    assert_true(span_eq(r.name, "e f"));
    assert_false(cmdline_next_reserve_mem(&rest, &r));
}

static void what_the_kernel_does_not_reserve(void **state)
{
    struct span rest = SPAN("reserve_mem reserve_mem= reserve_mem=5M reserve_mem=5M:4096 "
                            "reserve_mem=5M:4096: reserve_mem=0:4096:a reserve_mem=:4096:a "
                            "reserve_mem=5MB:4096:a reserve_mem=5M:4096X:a "
                            "reserve_mem=5M:4096:sixteen-bytes-xy \"reserve_mem=5M:4096:  \" "
                            "reserve_mem=99999999999999999999:1:a -- reserve_mem=5M:1:a");
    struct cmdline_reserve_mem r = { .size = 7, .align = 8, .name = SPAN("old") };

    assert_false(cmdline_next_reserve_mem(&rest, &r));
    assert_true(r.size == 7 && r.align == 8 && span_eq(r.name, "old"));
    rest = SPAN("reserve_mem=5M:4096:fifteen-bytes-x");
    assert_true(cmdline_next_reserve_mem(&rest, &r));
    assert_int_equal(r.name.n, CMDLINE_RESERVE_MEM_NAME_MAX);
}

static void releases(void **state)
{
    assert_true(kernel_release_at_least(SPAN("6.12.117-1-amd64"), 6, 12));
    assert_true(kernel_release_at_least(SPAN("6.12"), 6, 12));
    assert_true(kernel_release_at_least(SPAN("6.12-rc1"), 6, 12));
    assert_true(kernel_release_at_least(SPAN("7.0.0"), 6, 12));
    assert_true(kernel_release_at_least(SPAN("10.1"), 9, 99));
    assert_false(kernel_release_at_least(SPAN("6.1.0-56-amd64"), 6, 12));
    assert_false(kernel_release_at_least(SPAN("5.99"), 6, 0));
    assert_false(kernel_release_at_least(SPAN("6"), 6, 0));
    assert_false(kernel_release_at_least(SPAN("6."), 6, 0));
    assert_false(kernel_release_at_least(SPAN(""), 0, 0));
    assert_false(kernel_release_at_least(SPAN("linux-6.12"), 6, 12));
    assert_false(kernel_release_at_least(SPAN("99999999999999999999.1"), 6, 12));
}

static void walk(struct span text)
{
    struct span rest = text, value;
    struct cmdline_reserve_mem r;
    struct cmdline_param p;
    uint64_t n;

    while (cmdline_next(&rest, &p)) {
        assert_true(p.name.p >= text.p && p.name.p + p.name.n <= text.p + text.n);
        assert_true(p.value.p >= text.p && p.value.p + p.value.n <= text.p + text.n);
        (void)cmdline_parse_size(p.value, &n);
    }
    rest = text;
    while (cmdline_next_reserve_mem(&rest, &r))
        assert_true(r.size > 0 && r.name.n > 0);
    (void)cmdline_get(text, "ramoops.mem_name", &value);
    (void)kernel_release_at_least(text, 6, 12);
}

static void any_cut_and_any_bytes(void **state)
{
    at_every_cut(span_str(handheld), walk);
    at_hostile_texts(walk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_in_order),
        cmocka_unit_test(quotes_as_the_kernel_takes_them),
        cmocka_unit_test(the_last_one_wins),
        cmocka_unit_test(sizes),
        cmocka_unit_test(reserved_memory),
        cmocka_unit_test(what_the_kernel_does_not_reserve),
        cmocka_unit_test(releases),
        cmocka_unit_test(any_cut_and_any_bytes),
    };

    return cmocka_run_group_tests_name("parse/cmdline", tests, NULL, NULL);
}
