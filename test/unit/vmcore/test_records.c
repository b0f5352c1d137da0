/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core.h"

enum {
    SYMBOLS = 0x1000,
    BUFFER = 0x2000,
    HEADER = 16, /* ts_nsec, len, text_len, dict_len, facility, level */
};

struct log {
    struct core *core;
    uint32_t header, size, next;
};

static void start(struct log *log, struct core *c, const char *name, uint32_t header, uint32_t size)
{
    *log = (struct log){ c, header, size, 0 };
    core_info(c, "SYMBOL(log_buf)=%llx\n", (unsigned long long)core_text(SYMBOLS));
    core_info(c, "SYMBOL(log_buf_len)=%llx\n", (unsigned long long)core_text(SYMBOLS + 8));
    core_info(c, "SYMBOL(log_first_idx)=%llx\n", (unsigned long long)core_text(SYMBOLS + 12));
    core_info(c, "SYMBOL(log_next_idx)=%llx\n", (unsigned long long)core_text(SYMBOLS + 16));
    core_info(c, "SIZE(%s)=%u\nOFFSET(%s.ts_nsec)=0\nOFFSET(%s.len)=8\nOFFSET(%s.text_len)=10\n",
              name, header, name, name, name);
    core_put(c, SYMBOLS, core_direct(BUFFER), 8);
    core_put(c, SYMBOLS + 8, size, 4);
}

/* A record with a dictionary of 5 bytes, where the kernel would put it. */
static void add(struct log *log, uint64_t nsec, uint32_t caller, const char *text)
{
    uint32_t n = (uint32_t)strlen(text), len = (log->header + n + 5 + 3) & ~3U;

    if (log->next + len + log->header > log->size) {
        core_put(log->core, BUFFER + log->next + 8, 0, 2);
        log->next = 0;
    }
    core_put(log->core, BUFFER + log->next, nsec, 8);
    core_put(log->core, BUFFER + log->next + 8, len, 2);
    core_put(log->core, BUFFER + log->next + 10, n, 2);
    core_put(log->core, BUFFER + log->next + 12, 5, 2);
    if (log->header > HEADER)
        core_put(log->core, BUFFER + log->next + 16, caller, 4);
    memcpy(log->core->ram + BUFFER + log->next + log->header, text, n);
    memcpy(log->core->ram + BUFFER + log->next + log->header + n, "DICT=", 5);
    log->next += len;
}

static void finish(struct log *log, uint32_t first)
{
    core_put(log->core, SYMBOLS + 12, first, 4);
    core_put(log->core, SYMBOLS + 16, log->next, 4);
    core_headers(log->core, core_direct(0));
}

static void test_lines(void **state)
{
    struct core *c = *state;
    struct vmcore_log found;
    struct log log;

    start(&log, c, "printk_log", HEADER, 4096);
    add(&log, 1234567890, 0, "one");
    add(&log, 2000000000, 0, "two\nlines \xe2");
    finish(&log, 0);
    assert_int_equal(core_dmesg(c, true, &found), 0);
    assert_string_equal(c->out, "[    1.234567] one\n[    2.000000] two\n"
                                "               lines \\xe2\n");
    assert_int_equal(found.records, 2);
}

static void test_first_kernels(void **state)
{
    struct core *c = *state;
    struct log log;

    start(&log, c, "log", HEADER, 4096);
    add(&log, 0, 0, "3.5");
    finish(&log, 0);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_string_equal(c->out, "[    0.000000] 3.5\n");
}

static void test_callers(void **state)
{
    struct core *c = *state;
    struct log log;

    start(&log, c, "printk_log", HEADER + 8, 4096);
    core_info(c, "OFFSET(printk_log.caller_id)=16\n");
    add(&log, 0, 0x80000003, "five");
    finish(&log, 0);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_string_equal(c->out, "[    0.000000][    C3] five\n");
}

static void test_wrapped(void **state)
{
    struct core *c = *state;
    struct log log;
    uint32_t first = 0;

    start(&log, c, "printk_log", HEADER, 256);
    for (unsigned i = 0; i < 12; i++) {
        if (i == 7)
            first = log.next;
        add(&log, i * 1000000000ULL, 0, i % 2 ? "odd" : "even number");
    }
    finish(&log, first);
    assert_true(log.next < first);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_string_equal(c->out, "[    7.000000] odd\n[    8.000000] even number\n"
                                "[    9.000000] odd\n[   10.000000] even number\n"
                                "[   11.000000] odd\n");
}

static void test_damaged(void **state)
{
    struct core *c = *state;
    struct vmcore_log found;
    struct log log;

    start(&log, c, "printk_log", HEADER, 4096);
    add(&log, 0, 0, "whole");
    core_put(c, BUFFER + log.next + 8, 3, 2); /* shorter than its own header */
    log.next += 64;
    finish(&log, 0);
    assert_int_equal(core_dmesg(c, false, &found), 0);
    assert_string_equal(c->out, "[    0.000000] whole\n");
    assert_int_equal(found.damaged, 1);
    /* text_len beyond the buffer's end */
    core_put(c, BUFFER + 10, 0xffff, 2);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_true(c->out_n < 5 * 4096);
    /* a first record that says: start again, at itself */
    core_put(c, BUFFER + 8, 0, 2);
    assert_int_equal(core_dmesg(c, false, NULL), -EBADMSG);
    /* no end: next is never met */
    core_put(c, BUFFER + 8, 24, 2);
    core_put(c, BUFFER + 24 + 8, 0, 2);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
}

static void test_no_log(void **state)
{
    struct core *c = *state;

    core_headers(c, 0);
    assert_int_equal(core_dmesg(c, false, NULL), -ENOMSG);
}

#define T(f) cmocka_unit_test_setup_teardown(f, core_setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_lines),   T(test_first_kernels), T(test_callers),
        T(test_wrapped), T(test_damaged),       T(test_no_log),
    };

    return cmocka_run_group_tests_name("vmcore/records", tests, NULL, NULL);
}
