/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include "parse/iomem.h"

/* A handheld's memory map, cut down to its kinds of lines. */
static const char handheld[] = "00000000-00000fff : Reserved\n"
                               "00001000-0009ffff : System RAM\n"
                               "000a0000-000fffff : Reserved\n"
                               "  000c0000-000cd7ff : Video ROM\n"
                               "00100000-09afffff : System RAM\n"
                               "  02000000-02ffffff : Kernel code\n"
                               "09b00000-09dfffff : Reserved\n"
                               "c0000000-c0ffffff : RAM buffer\n"
                               "d0000000-f7ffffff : PCI Bus 0000:00\n"
                               "  d0000000-dfffffff : PCI Bus 0000:01\n"
                               "    d0000000-d00fffff : 0000:01:00.0\n"
                               "100000000-42effffff : System RAM\n"
                               "  3fe000000-3feffffff : Crash kernel\n"
                               "42f340000-42fffffff : RAM buffer\n";

static void regions_in_order(void **state)
{
    struct span rest = SPAN("00001000-0009ffff : System RAM\n"
                            "    d0000000-d00fffff : 0000:01:00.0\n"
                            "fffffffffffff000-ffffffffffffffff : a : b");
    struct iomem_region r;

    assert_true(iomem_next(&rest, &r));
    assert_true(r.start == 0x1000 && r.end == 0x9ffff && r.depth == 0);
    assert_true(span_eq(r.name, "System RAM"));
    assert_true(iomem_size(&r) == 0x9f000);
    assert_true(iomem_next(&rest, &r));
    assert_int_equal(r.depth, 2);
    assert_true(span_eq(r.name, "0000:01:00.0"));
    assert_true(iomem_next(&rest, &r));
    assert_true(r.end == UINT64_MAX && span_eq(r.name, "a : b"));
    assert_false(iomem_next(&rest, &r));
}

static void malformed_lines_are_skipped(void **state)
{
    struct span rest = SPAN("\n"
                            "hello\n"
                            "-1 : x\n"
                            "1000- : x\n"
                            "2000-1000 : backwards\n"
                            "11111111111111111-22222222222222222 : too large\n"
                            "1000-1fff: no blank\n"
                            "1000-1fff : good\r\n"
                            "2000-2fff");
    struct iomem_region r;

    assert_true(iomem_next(&rest, &r));
    assert_true(r.start == 0x1000 && span_eq(r.name, "good"));
    r.start = 7;
    assert_false(iomem_next(&rest, &r));
    assert_true(r.start == 7);
}

static void masked_for_the_unprivileged(void **state)
{
    assert_true(iomem_is_masked(SPAN("00000000-00000000 : System RAM\n"
                                     "  00000000-00000000 : Kernel code\n")));
    assert_false(iomem_is_masked(SPAN("00000000-00000000 : Reserved\n00001000-0009ffff : x\n")));
    assert_false(iomem_is_masked(SPAN("00000000-00000fff : Reserved\n")));
    assert_false(iomem_is_masked(SPAN("")));
    assert_false(iomem_is_masked(span_str(handheld)));
}

static void the_largest_ram_buffer(void **state)
{
    struct iomem_region r = { 0 };

    assert_true(iomem_find_ram_buffer(span_str(handheld), 5 << 20, &r));
    assert_true(r.start == 0xc0000000 && iomem_size(&r) == 16 << 20);
    assert_true(iomem_find_ram_buffer(span_str(handheld), 16 << 20, &r));
    r.start = 7;
    assert_false(iomem_find_ram_buffer(span_str(handheld), (16 << 20) + 1, &r));
    assert_true(r.start == 7);
    assert_false(iomem_find_ram_buffer(SPAN(""), 0, &r));
    assert_false(iomem_find_ram_buffer(SPAN("00000000-00000000 : RAM buffer\n"), 0, &r));
}

static void a_used_ram_buffer_is_passed_over(void **state)
{
    struct iomem_region r = { 0 };

    /* ramoops has claimed a piece of the first, a device lies over the second's end. */
    assert_true(iomem_find_ram_buffer(SPAN("10000000-13ffffff : RAM buffer\n"
                                           "  10000000-104fffff : ramoops:dump(0/4)\n"
                                           "20000000-22ffffff : RAM buffer\n"
                                           "22ffffff-23ffffff : PCI Bus 0000:00\n"
                                           "30000000-30ffffff : RAM buffer\n"
                                           "31000000-31ffffff : Reserved\n"),
                                      1, &r));
    assert_true(r.start == 0x30000000);
    /* Inside of another region: not at the top level. */
    assert_false(iomem_find_ram_buffer(SPAN("10000000-1fffffff : System RAM\n"
                                            "  10000000-13ffffff : RAM buffer\n"),
                                       1, &r));
    /* The same region twice overlaps itself. */
    assert_false(iomem_find_ram_buffer(
        SPAN("10000000-13ffffff : RAM buffer\n10000000-13ffffff : RAM buffer\n"), 1, &r));
    assert_false(iomem_find_ram_buffer(SPAN("0-ffffffffffffffff : RAM buffer\n"), 1, &r));
    assert_false(iomem_find_ram_buffer(SPAN("1000-1fff : RAM buffers\n"), 1, &r));
}

static void walk(struct span text)
{
    struct span rest = text;
    struct iomem_region r;

    while (iomem_next(&rest, &r)) {
        assert_true(r.start <= r.end);
        assert_true(r.name.p >= text.p && r.name.p + r.name.n <= text.p + text.n);
    }
    (void)iomem_is_masked(text);
    if (iomem_find_ram_buffer(text, 1, &r))
        assert_true(iomem_size(&r) >= 1);
}

static void any_cut_and_any_bytes(void **state)
{
    at_every_cut(span_str(handheld), walk);
    at_hostile_texts(walk);
}

/* 20 000 buffers, each larger than the one before and each in use: bounded work. */
static void many_candidates(void **state)
{
    enum { N = 20000, WIDTH = 64 };
    char *text = malloc(N * WIDTH + 1);
    struct iomem_region r;
    size_t n = 0;

    assert_non_null(text);
    for (unsigned i = 0; i < N; i++)
        n += (size_t)snprintf(text + n, WIDTH, "1000-%x : RAM buffer\n", 0x2000 + i);
    assert_false(iomem_find_ram_buffer(span_bytes(text, n), 1, &r));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regions_in_order),
        cmocka_unit_test(malformed_lines_are_skipped),
        cmocka_unit_test(masked_for_the_unprivileged),
        cmocka_unit_test(the_largest_ram_buffer),
        cmocka_unit_test(a_used_ram_buffer_is_passed_over),
        cmocka_unit_test(any_cut_and_any_bytes),
        cmocka_unit_test(many_candidates),
    };

    return cmocka_run_group_tests_name("parse/iomem", tests, NULL, NULL);
}
