/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring.h"

static void add(struct ring_writer *w, uint64_t nsec, const char *text)
{
    (void)ring_add(w, nsec, 1, text, strlen(text), RING_FINALIZED);
}

static void finish(struct ring_writer *w)
{
    ring_finish(w, core_direct(0));
}

static void test_lines(void **state)
{
    struct core *c = *state;
    struct ring_writer w;
    struct vmcore_log log;

    ring_start(&w, c, 12);
    add(&w, 0, "Linux version 6.1");
    (void)ring_add(&w, 1, 1, "still added to", 14, RING_COMMITTED);
    add(&w, 12345678901234ULL, "late");
    (void)ring_add(&w, 2, 1, "half", 4, RING_RESERVED);
    (void)ring_add(&w, 2, 1, "free", 4, RING_REUSABLE);
    (void)ring_add(&w, 2, 1, "", 0, RING_FINALIZED);
    add(&w, 1234567000ULL, "last");
    finish(&w);
    assert_int_equal(core_dmesg(c, false, &log), 0);
    assert_string_equal(c->out, "[    0.000000] Linux version 6.1\n"
                                "[    0.000000] still added to\n"
                                "[12345.678901] late\n"
                                "[    1.234567] last\n");
    assert_int_equal(log.records, 4);
    assert_int_equal(log.damaged, 0);
}

static void test_callers(void **state)
{
    struct core *c = *state;
    struct ring_writer w;

    ring_start(&w, c, 12);
    (void)ring_add(&w, 0, 0, "idle\nmore", 9, RING_FINALIZED);
    (void)ring_add(&w, 0, 0x80000000 | 13, "cpu", 3, RING_FINALIZED);
    (void)ring_add(&w, 100000000000000ULL, 4194304, "task", 4, RING_FINALIZED);
    finish(&w);
    assert_int_equal(core_dmesg(c, true, NULL), 0);
    assert_string_equal(c->out, "[    0.000000][    T0] idle\n"
                                "                       more\n"
                                "[    0.000000][   C13] cpu\n"
                                "[100000.000000][T4194304] task\n");
}

static void test_bytes(void **state)
{
    struct core *c = *state;
    struct ring_writer w;
    static const char text[] = "\xa9\xff\x1b[1m\x7f\0\ttab\\\none\n";

    ring_start(&w, c, 12);
    (void)ring_add(&w, 1000, 1, text, sizeof(text) - 1, RING_FINALIZED);
    finish(&w);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_string_equal(c->out, "[    0.000001] \\xa9\\xff\\x1b[1m\\x7f\\x00\ttab\\\n"
                                "               one\n"
                                "               \n");
}

/* More records than descriptors, more text than room: the newest survive, blocks lie over the end.
 */
static void test_wrapped(void **state)
{
    struct core *c = *state;
    struct ring_writer w;
    struct vmcore_log log;
    char expected[RING_COUNT * 64], *p = expected;

    ring_start(&w, c, 11);
    for (unsigned i = 0; i < 1000; i++) {
        char text[64];

        (void)snprintf(text, sizeof(text), "record %u %.*s", i, (int)(i % 19),
                       "abcdefghijklmnopqrs");
        add(&w, (uint64_t)i * 1000000000, text);
        if (i >= 1000 - RING_COUNT)
            p += sprintf(p, "[%5u.000000] %s\n", i, text);
    }
    finish(&w);
    assert_int_equal(core_dmesg(c, false, &log), 0);
    assert_string_equal(c->out, expected);
    assert_int_equal(log.records, RING_COUNT);
}

static void test_long_text(void **state)
{
    struct core *c = *state;
    struct ring_writer w;
    char *text = malloc(60000);

    memset(text, 'x', 60000);
    ring_start(&w, c, 17);
    (void)ring_add(&w, 0, 1, text, 60000, RING_FINALIZED);
    add(&w, 0, "after");
    finish(&w);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_int_equal(c->out_n, 15 + 60000 + 1 + 15 + 6);
    assert_memory_equal(c->out + 15, text, 60000);
    free(text);
}

/* text_len is more than the block holds. */
static void test_truncated_text(void **state)
{
    struct core *c = *state;
    struct ring_writer w;
    uint64_t id;

    ring_start(&w, c, 12);
    id = ring_add(&w, 0, 1, "12345678", 8, RING_FINALIZED);
    core_put(c, ring_info(id) + 16, 0xffff, 2);
    finish(&w);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_string_equal(c->out, "[    0.000000] 12345678\n");
}

static void test_damaged(void **state)
{
    struct core *c = *state;
    struct ring_writer w;
    struct vmcore_log log;
    uint64_t id;

    ring_start(&w, c, 12);
    add(&w, 0, "first");
    id = ring_add(&w, 0, 1, "short", 5, RING_FINALIZED);
    core_put(c, ring_desc(id) + 8, 0x101, 8); /* a block that cannot hold its id */
    core_put(c, ring_desc(id) + 16, 0x104, 8);
    id = ring_add(&w, 0, 1, "stale", 5, RING_FINALIZED);
    core_put(c, ring_desc(id), (id - RING_COUNT) | 2ULL << 62, 8);
    add(&w, 0, "last");
    finish(&w);
    assert_int_equal(core_dmesg(c, false, &log), 0);
    assert_string_equal(c->out, "[    0.000000] first\n[    0.000000] last\n");
    assert_int_equal(log.damaged, 1);
}

/* The tail is nonsense: the newest records are there all the same, and the work has an end. */
static void test_damaged_tail(void **state)
{
    struct core *c = *state;
    struct ring_writer w;

    ring_start(&w, c, 12);
    add(&w, 0, "one");
    add(&w, 0, "two");
    finish(&w);
    core_put(c, RING_STRUCT + 32, 0x123456789abcdULL, 8);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_string_equal(c->out, "[    0.000000] one\n[    0.000000] two\n");
}

static void test_nonsense(void **state)
{
    static const struct {
        size_t at;
        uint64_t value;
        int expected;
    } cases[] = {
        { RING_STRUCT, 0, -EBADMSG },
        { RING_STRUCT, 63, -EBADMSG },
        { RING_STRUCT + 40, 200, -EBADMSG },
        { RING_STRUCT + 40, 2, -EBADMSG },
        { RING_SYMBOL, 0, -EFAULT },
        { RING_SYMBOL, ~0ULL, -EFAULT },
        { RING_STRUCT + 8, 0x1000, -EBADMSG },  /* descriptors out of the core */
        { RING_STRUCT + 16, 0x1000, -EBADMSG }, /* infos */
    };
    struct core *c = *state;
    struct ring_writer w;

    ring_start(&w, c, 12);
    add(&w, 0, "one");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t width = cases[i].at == RING_STRUCT || cases[i].at == RING_STRUCT + 40 ? 4 : 8;

        if (i == 0)
            finish(&w);
        else
            ring_finish(&w, core_direct(0));
        core_put(c, cases[i].at, cases[i].value, width);
        assert_int_equal(core_dmesg(c, false, NULL), cases[i].expected);
        assert_int_equal(c->out_n, 0);
    }
}

/* The buffer alone: its stretches of text, none of the bytes between them. */
static void test_text(void **state)
{
    static struct vmcore v;
    struct core *c = *state;
    struct ring_writer w;
    char text[5000];

    ring_start(&w, c, 14);
    add(&w, 0, "one\nand more of it");
    add(&w, 0, "ab\001cd"); /* what is as short as this may be chance */
    memset(text, 'x', sizeof(text));
    (void)ring_add(&w, 0, 1, text, sizeof(text), RING_FINALIZED);
    add(&w, 0, "a\ttab");
    finish(&w);
    assert_int_equal(core_open(c, &v), 0);
    c->out_n = 0;
    assert_int_equal(vmcore_log_text(&v, core_emit, c), 0);
    /* The first ids of a ring end in this byte (DESC0_ID), which lies right before the text. */
    assert_int_equal(c->out_n, 21 + sizeof(text) + 8);
    assert_memory_equal(c->out, "?one\nand more of it\n?", 21);
    assert_memory_equal(c->out + 21, text, sizeof(text));
    assert_memory_equal(c->out + 21 + sizeof(text), "\n?a\ttab\n", 8);
    c->emit_error = -ENOSPC;
    assert_int_equal(vmcore_log_text(&v, core_emit, c), -ENOSPC);
    c->emit_error = 0;
    memset(c->ram + RING_TEXT, 0, 1 << 14);
    assert_int_equal(vmcore_log_text(&v, core_emit, c), -EBADMSG);
    core_put(c, RING_BUFFER + 8, 0xffffffff, 4);
    assert_int_equal(vmcore_log_text(&v, core_emit, c), -EBADMSG);
}

static void test_emit_error_ends(void **state)
{
    struct core *c = *state;
    struct ring_writer w;

    ring_start(&w, c, 12);
    add(&w, 0, "one");
    finish(&w);
    c->emit_error = -ENOSPC;
    assert_int_equal(core_dmesg(c, false, NULL), -ENOSPC);
}

#define T(f) cmocka_unit_test_setup_teardown(f, core_setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_lines),     T(test_callers),         T(test_bytes),   T(test_wrapped),
        T(test_long_text), T(test_truncated_text),  T(test_damaged), T(test_damaged_tail),
        T(test_nonsense),  T(test_emit_error_ends), T(test_text),
    };

    return cmocka_run_group_tests_name("vmcore/ring", tests, NULL, NULL);
}
