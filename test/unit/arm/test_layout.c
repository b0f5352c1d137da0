/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "arm/layout.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

static void test_layouts(void **state)
{
    static const struct {
        const char *what;
        struct layout_wish wish;
        int r;
        struct layout expected;
    } cases[] = {
        { "a RAM buffer of 5 MiB: four records, the rest left alone",
          { .region = MIB(5), .kmalloc_limit = true },
          0,
          { MIB(4) + KIB(256), MIB(1), KIB(256), 4, false } },
        { "the test machine's, 32 MiB less the firmware's tables: no more is touched than needed",
          { .region = MIB(32) - KIB(128), .kmalloc_limit = true },
          0,
          { MIB(8) + KIB(256), MIB(1), KIB(256), 8, false } },
        { "reserve_mem=5M: the kernel takes all of it",
          { .region = MIB(5), .whole = true },
          0,
          { MIB(5), MIB(1), KIB(256), 4, false } },
        { "reserve_mem=64M",
          { .region = MIB(64), .whole = true },
          0,
          { MIB(64), MIB(1), KIB(256), 63, false } },
        { "4 MiB given: three records of 1 MiB",
          { .region = MIB(4), .whole = true, .kmalloc_limit = true },
          0,
          { MIB(4), MIB(1), KIB(256), 3, false } },
        { "2 MiB given",
          { .region = MIB(2), .whole = true },
          0,
          { MIB(2), KIB(512), KIB(128), 3, false } },
        { "1 MiB given",
          { .region = MIB(1), .whole = true },
          0,
          { MIB(1), KIB(256), KIB(64), 3, false } },
        { "the least",
          { .region = KIB(64), .whole = true },
          0,
          { KIB(64), KIB(16), KIB(4), 3, false } },
        { "less than the least", { .region = KIB(64) - 1, .whole = true }, -ENOSPC, { 0 } },
        { "nothing", { .region = 0 }, -ENOSPC, { 0 } },
        { "configured sizes are rounded down as the kernel does",
          { .region = MIB(8), .record_size = MIB(2) - 1, .console_size = KIB(100) },
          0,
          { MIB(7) + KIB(64), MIB(1), KIB(64), 7, false } },
        { "2 MiB records are possible where they are wanted",
          { .region = MIB(8), .record_size = MIB(2), .kmalloc_limit = true },
          0,
          { MIB(6) + KIB(256), MIB(2), KIB(256), 3, false } },
        { "4 MiB records need more than an old kernel's kmalloc() gives",
          { .region = MIB(16), .record_size = MIB(4), .kmalloc_limit = true },
          0,
          { MIB(8) + KIB(256), MIB(1), KIB(256), 8, true } },
        { "a newer one has vmalloc()",
          { .region = MIB(16), .record_size = MIB(4) },
          0,
          { MIB(12) + KIB(256), MIB(4), KIB(256), 3, false } },
        { "one 2 MiB record in 5 MiB less two pages would be a zone of 4.99 MiB: refused",
          { .region = MIB(5), .whole = true, .record_size = MIB(4), .kmalloc_limit = true },
          0,
          { MIB(5), MIB(1), KIB(256), 4, true } },
        { "a record that is larger than the region",
          { .region = MIB(5), .record_size = MIB(8) },
          0,
          { MIB(4) + KIB(256), MIB(1), KIB(256), 4, true } },
        { "a console that is larger than the region",
          { .region = MIB(5), .console_size = MIB(8) },
          0,
          { MIB(4) + KIB(256), MIB(1), KIB(256), 4, true } },
        { "an absurd wish",
          { .region = MIB(5), .record_size = UINT64_MAX, .console_size = 1 },
          0,
          { MIB(4) + KIB(256), MIB(1), KIB(256), 4, true } },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct layout got = { 0 };
        const struct layout *e = &cases[i].expected;
        int r = layout_choose(&cases[i].wish, &got);

        if (r != cases[i].r || got.mem_size != e->mem_size || got.record_size != e->record_size ||
            got.console_size != e->console_size || got.records != e->records ||
            got.wish_refused != e->wish_refused)
            fail_msg("%s: got %d: %lu = %u * %lu + %lu%s", cases[i].what, r,
                     (unsigned long)got.mem_size, got.records, (unsigned long)got.record_size,
                     (unsigned long)got.console_size, got.wish_refused ? ", refused" : "");
    }
}

/* Whatever the region and the wish, the kernel's own arithmetic finds records that it can compress.
 */
static void test_layout_invariants(void **state)
{
    static const uint64_t sizes[] = { 0,      1,      KIB(4), KIB(16), KIB(256),
                                      MIB(1), MIB(2), MIB(3), MIB(4),  MIB(16) };

    for (uint64_t region = KIB(4); region <= MIB(80); region += region / 7 + 4096)
        for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(sizes) * 4; i++) {
            struct layout_wish wish = {
                .region = region,
                .whole = i & 1,
                .kmalloc_limit = i & 2,
                .record_size = sizes[i / 4 % ARRAY_SIZE(sizes)],
                .console_size = sizes[i / 4 / ARRAY_SIZE(sizes)],
            };
            struct layout l;
            uint64_t zone;

            if (layout_choose(&wish, &l) < 0) {
                assert_true(region < KIB(64));
                continue;
            }
            assert_true(l.mem_size <= region && l.records > 0);
            assert_int_equal(l.records, (l.mem_size - l.console_size) / l.record_size);
            zone = (l.mem_size - l.console_size) / l.records;
            assert_true(zone >= l.record_size && zone < 2 * l.record_size);
            if (!wish.whole)
                assert_int_equal(zone, l.record_size);
            if (wish.kmalloc_limit)
                assert_true(zone * 100 / 60 <= MIB(4));
        }
}

static void test_panic_print(void **state)
{
    static const struct {
        const char *what;
        struct panic_print_facts facts;
        unsigned expected;
    } cases[] = {
        { "a distribution's log buffer: hundreds of tasks would fill it",
          { .log_buf_len = KIB(128), .text_per_dump = 1747606, .tasks = 80 },
          2 },
        { "a log buffer that nobody could tell is a small one",
          { .text_per_dump = 1747606, .tasks = 80 },
          2 },
        { "256 KiB still", { .log_buf_len = KIB(256), .text_per_dump = 1747606, .tasks = 80 }, 2 },
        { "1 MiB: 491 tasks, so only those that are blocked",
          { .log_buf_len = MIB(1), .text_per_dump = 1747606, .tasks = 80 },
          0x82 },
        { "a large log buffer",
          { .log_buf_len = MIB(4), .text_per_dump = 1747606, .tasks = 80 },
          3 },
        { "with a few hundred tasks",
          { .log_buf_len = MIB(4), .text_per_dump = 1747606, .tasks = 450 },
          3 },
        { "more than a record holds",
          { .log_buf_len = MIB(4), .text_per_dump = 1747606, .tasks = 700 },
          0x82 },
        { "the same, with larger records",
          { .log_buf_len = MIB(4), .text_per_dump = 3495200, .tasks = 700 },
          3 },
        { "uncompressed records of 1 MiB",
          { .log_buf_len = MIB(4), .text_per_dump = MIB(1), .tasks = 450 },
          0x82 },
        { "the firmware's variables",
          { .log_buf_len = MIB(4), .text_per_dump = 10240, .tasks = 80 },
          2 },
        { "a back end of unknown size", { .log_buf_len = MIB(4), .tasks = 80 }, 3 },
        { "absurd numbers",
          { .log_buf_len = UINT64_MAX, .text_per_dump = UINT64_MAX, .tasks = UINT64_MAX },
          0x82 },
        { "nothing is known", { 0 }, 2 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        unsigned got = panic_print_choose(&cases[i].facts);

        if (got != cases[i].expected)
            fail_msg("%s: got 0x%x, expected 0x%x", cases[i].what, got, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_layout_invariants),
        cmocka_unit_test(test_panic_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
