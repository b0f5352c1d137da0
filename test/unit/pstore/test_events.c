/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which records are one dump, and which dumps one crash. */
#include "events_tree.h"

enum { T = 1767323045 }; /* 2026-01-02 03:04:05 UTC */

static void efi_parts_join_over_a_second(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    /* The newest text is written first, and is part 1. */
    put_efi(t, T, "Panic", 1, 1, "the end\n");
    put_efi(t, T, "Panic", 1, 2, "cut in the mid");
    put_efi(t, T + 1, "Panic", 1, 3, "the middle\nis ");
    put_efi(t, T + 1, "Panic", 1, 4, "the start\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_int_equal(m.events.items[0].n_dumps, 1);
    assert_string_equal(text_of(&m, 0, 0), "the start\nthe middle\nis cut in the midthe end\n");
    assert_int_equal(m.events.items[0].dumps[0].missing, 0);
    assert_int_equal(m.events.items[0].dumps[0].n_records, 4);
    assert_int_equal(m.events.items[0].time, T);
}

static void a_hundred_parts_and_more(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;
    const char *text;

    for (unsigned part = 1; part <= 130; part++) {
        char line[32];

        (void)snprintf(line, sizeof(line), "line %u\n", part);
        /* 6.1's id has room for 100 parts: the 101st carries into the seconds */
        put_efi(t, T + part / 50, "Panic", 1, part, line);
    }
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_int_equal(m.events.items[0].n_dumps, 1);
    text = text_of(&m, 0, 0);
    assert_ptr_equal(strstr(text, "line 130\nline 129\nline 128\n"), text);
    assert_non_null(strstr(text, "line 2\nline 1\n"));
    assert_int_equal(m.events.items[0].dumps[0].missing, 0);
}

static void gaps_are_marked(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put_efi(t, T, "Panic", 1, 2, "two\n");
    put_efi(t, T, "Panic", 1, 4, "four");
    put_efi(t, T, "Panic", 1, 7, "seven\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_string_equal(text_of(&m, 0, 0), "seven\n[kdump-steamos: parts 5 to 6 are missing]\n"
                                           "four\n[kdump-steamos: part 3 is missing]\n"
                                           "two\n[kdump-steamos: part 1 is missing]\n");
    assert_int_equal(m.events.items[0].dumps[0].missing, 4);
}

static void odd_part_numbers_are_bounded(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "dmesg-efi-0", T, "Panic#1 Part0\nzero\n");
    put(t, PSTORE_DIR, "dmesg-efi-1", T, "Panic#1 Part4294967295\nlast\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_string_equal(text_of(&m, 0, 0),
                        "last\n[kdump-steamos: parts 1 to 4294967294 are missing]\nzero\n");
    assert_int_equal(m.events.items[0].dumps[0].missing, 4294967294U);
}

static void a_part_twice_is_taken_once(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "dmesg-erst-100", T, "Panic#1 Part1\nend\n");
    put(t, PSTORE_DIR, "dmesg-erst-101", T, "Panic#1 Part2\nstart\n");
    put(t, PSTORE_DIR, "dmesg-erst-102", T, "Panic#1 Part2\nstart\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_int_equal(m.events.items[0].n_dumps, 1);
    assert_string_equal(text_of(&m, 0, 0), "start\nend\n");
    assert_int_equal(m.events.items[0].dumps[0].n_records, 3);
}

/* A boot loop: the second crash comes soon, is the same, and has more to tell. */
static void two_boots_with_the_same_heads(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put_efi(t, T, "Panic", 1, 1, "first end\n");
    put_efi(t, T, "Panic", 1, 2, "first start\n");
    put_efi(t, T + 40, "Panic", 1, 1, "second end\n");
    put_efi(t, T + 40, "Panic", 1, 2, "second middle\n");
    put_efi(t, T + 41, "Panic", 1, 3, "second start\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 2);
    assert_string_equal(text_of(&m, 0, 0), "first start\nfirst end\n");
    assert_string_equal(text_of(&m, 1, 0), "second start\nsecond middle\nsecond end\n");
    assert_int_equal(m.events.items[0].time, T);
    assert_int_equal(m.events.items[1].time, T + 40);
}

/* systemd-pstore has moved both in the same second: only the order of their ids is left. */
static void two_boots_archived_together(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_ARCHIVE, "dmesg-ramoops-0", T, "Panic#1 Part1\n<0>[   12.000001] first end\n");
    put(t, PSTORE_ARCHIVE, "dmesg-ramoops-1", T, "Panic#1 Part2\n<0>[   11.000001] first start\n");
    put(t, PSTORE_ARCHIVE, "dmesg-ramoops-2", T, "Panic#1 Part1\n<0>[   12.000002] second end\n");
    put(t, PSTORE_ARCHIVE, "dmesg-ramoops-3", T, "Panic#1 Part2\n<0>[   11.000002] second start\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 2);
    assert_string_equal(text_of(&m, 0, 0),
                        "<0>[   11.000001] first start\n<0>[   12.000001] first end\n");
    assert_string_equal(text_of(&m, 1, 0),
                        "<0>[   11.000002] second start\n<0>[   12.000002] second end\n");
}

static void an_oops_and_its_panic_are_one_crash(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;
    _cleanup_strbuf_ struct strbuf text = { 0 };

    put(t, PSTORE_DIR, "dmesg-ramoops-0", T,
        "Oops#1 Part1\n<4>[  100.000000] before\n<1>[  101.000000] BUG: it went wrong\n");
    put(t, PSTORE_DIR, "dmesg-ramoops-1", T + 30,
        "Panic#2 Part1\n<1>[  101.000000] BUG: it went wrong\n<0>[  131.000000] Kernel panic\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_int_equal(m.events.items[0].n_dumps, 2);
    assert_string_equal(m.events.items[0].dumps[0].header.reason, "Oops");
    assert_string_equal(m.events.items[0].dumps[1].header.reason, "Panic");
    assert_int_equal(m.events.items[0].time, T + 30);
    assert_int_equal(pstore_event_text(&m.events.items[0], &text), 0);
    assert_string_equal(text.p, "<4>[  100.000000] before\n<1>[  101.000000] BUG: it went wrong\n"
                                "<0>[  131.000000] Kernel panic\n");
}

/* Their times agree on when the boot began, though the texts have nothing in common. */
static void a_panic_long_after_its_oops(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "dmesg-ramoops-0", T, "Oops#1 Part1\n<1>[  100.000000] BUG: an oops\n");
    put(t, PSTORE_DIR, "dmesg-ramoops-1", T + 5000,
        "Panic#2 Part1\n<0>[ 5100.000000] Kernel panic\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_int_equal(m.events.items[0].n_dumps, 2);
}

static void crashes_of_two_boots_are_two(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "dmesg-ramoops-0", T, "Oops#1 Part1\n<1>[  100.000000] BUG: an oops\n");
    put(t, PSTORE_DIR, "dmesg-ramoops-1", T + 600, "Panic#1 Part1\n<0>[   50.000000] panic\n");
    put(t, PSTORE_DIR, "dmesg-ramoops-2", T + 1200, "Panic#2 Part1\n<0>[   50.000000] panic!\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(m.events.items[i].n_dumps, 1);
        assert_int_equal(m.events.items[i].time, T + 600 * (time_t)i);
    }
}

static void back_ends_are_not_mixed(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "dmesg-ramoops-0", T, "Panic#1 Part1\nramoops\n");
    put(t, PSTORE_DIR, "dmesg-erst-1", T, "Panic#1 Part2\nerst\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 2);
}

/* Storage=external of pstore.conf with Unlink=no: the original stays. */
static void archived_copies_count_once(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;
    char dir[96];

    put_efi(t, T, "Panic", 1, 1, "end\n");
    put_efi(t, T, "Panic", 1, 2, "start\n");
    (void)snprintf(dir, sizeof(dir), PSTORE_ARCHIVE "/%d/001", T);
    put(t, dir, "dmesg-efi_pstore-176732304501001", T + 90, "Panic#1 Part1\nend\n");
    put(t, dir, "dmesg-efi_pstore-176732304502001", T + 90, "Panic#1 Part2\nstart\n");
    put(t, dir, "dmesg.txt", T + 90, "start\nend\n");
    put(t, PSTORE_DIR, "dmesg-ramoops-0", T + 600, "Panic#1 Part1\n[    5.000000] ramoops\n");
    put(t, PSTORE_ARCHIVE, "dmesg-ramoops-0", T + 990, "Panic#1 Part1\n[    5.000000] ramoops\n");
    merge(t, &m);
    assert_int_equal(m.records.n, 6);
    assert_int_equal(m.events.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(m.events.items[i].n_dumps, 1);
        assert_int_equal(m.events.items[i].time, T + 600 * (time_t)i);
    }
    assert_string_equal(text_of(&m, 0, 0), "start\nend\n");
    assert_int_equal(m.events.items[0].dumps[0].n_records, 4);
    assert_int_equal(m.events.items[1].dumps[0].n_records, 2);
}

/* The last of a dump's records is the one that gives it its time: removed last, what remains after
 * an interruption still has this time. */
static void records_are_ordered_for_removal(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;
    const struct pstore_dump *dump;
    const struct pstore_record *last;

    put_efi(t, T, "Panic", 1, 1, "end\n");
    put_efi(t, T, "Panic", 1, 2, "middle\n");
    put_efi(t, T + 1, "Panic", 1, 3, "start\n");
    merge(t, &m);
    dump = &m.events.items[0].dumps[0];
    assert_int_equal(dump->n_records, 3);
    assert_string_equal(strbuf_cstr(&m.records.items[dump->records[0]].bytes),
                        "Panic#1 Part3\nstart\n");
    assert_string_equal(strbuf_cstr(&m.records.items[dump->records[2]].bytes),
                        "Panic#1 Part1\nend\n");
    merged_done(&m);
    /* copies near in time, and far */
    for (time_t apart = 10; apart < 100000; apart *= 1000) {
        put(t, PSTORE_DIR, "dmesg-ramoops-0", T, "Panic#1 Part1\nramoops\n");
        put(t, PSTORE_ARCHIVE, "dmesg-ramoops-0", T + apart, "Panic#1 Part1\nramoops\n");
        merge(t, &m);
        assert_int_equal(m.events.n, 2);
        dump = &m.events.items[1].dumps[0];
        if (dump->name.id != 0)
            dump = &m.events.items[0].dumps[0];
        assert_int_equal(dump->time, T);
        assert_int_equal(dump->n_records, 2);
        last = &m.records.items[dump->records[1]];
        assert_int_equal(last->time, T);
        assert_string_equal(last->dir, PSTORE_DIR);
        merged_done(&m);
    }
    m = (struct merged){ 0 };
}

static void console_and_pmsg_belong_to_the_newest(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "console-ramoops-0", T + 700, "the console\n");
    put(t, PSTORE_DIR, "pmsg-ramoops-0", T + 700, "a message");
    put(t, PSTORE_DIR, "ftrace-ramoops-0", T + 700, "traces");
    put(t, PSTORE_DIR, "dmesg-ramoops-0", T, "Panic#1 Part1\n[    5.000000] old\n");
    put(t, PSTORE_DIR, "dmesg-ramoops-1", T + 600, "Panic#1 Part1\n[    5.000000] new\n");
    put(t, PSTORE_ARCHIVE, "console-ramoops-0", T - 700, "an older console\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 2);
    assert_int_equal(m.events.items[0].console.n, 0);
    assert_int_equal(m.events.items[0].pmsg.n, 0);
    assert_int_equal(m.events.items[0].n_extras, 0);
    assert_true(span_eq(m.events.items[1].console, "the console\n"));
    assert_true(span_eq(m.events.items[1].pmsg, "a message"));
    assert_int_equal(m.events.items[1].n_extras, 4);
}

/* They are there after every clean reboot. */
static void a_console_alone_is_no_crash(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "console-ramoops-0", T, "the console\n");
    put(t, PSTORE_DIR, "pmsg-ramoops-0", T, "a message");
    merge(t, &m);
    assert_int_equal(m.records.n, 2);
    assert_int_equal(m.events.n, 0);
    assert_false(pstore_any_dump(&t->root, PSTORE_DIR));
    put(t, PSTORE_ARCHIVE "/1/001", "dmesg-efi-1", T, "x");
    assert_true(pstore_any_dump(&t->root, PSTORE_ARCHIVE));
}

/* Machine checks and firmware's records are for other readers. */
static void other_kinds_are_not_ours(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "mce-erst-5", T, "a machine check");
    put(t, PSTORE_DIR, "dmesg-erst-6", T, "Panic#1 Part1\npanic\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_int_equal(m.events.items[0].n_extras, 0);
}

static void orderly_ends_are_no_crash(void **state)
{
    static const struct {
        const char *reason;
        bool crash;
    } reasons[] = { { "Panic", true },     { "Oops", true },      { "Emergency", true },
                    { "Unknown", true },   { "Shutdown", false }, { "Restart", false },
                    { "Poweroff", false }, { "Halt", false },     { "", true } };

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        struct pstore_dump dump = { 0 };

        (void)snprintf(dump.header.reason, sizeof(dump.header.reason), "%s", reasons[i].reason);
        assert_int_equal(pstore_dump_is_crash(&dump), reasons[i].crash);
    }
}

static void headerless_records_are_crashes_of_their_own(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    put(t, PSTORE_DIR, "dmesg-ramoops-0", T, "[   10.000000] cut before the header\n");
    put(t, PSTORE_DIR, "dmesg-ramoops-1", T + 1000, "");
    merge(t, &m);
    assert_int_equal(m.events.n, 2);
    assert_int_equal(m.events.items[0].dumps[0].missing, 0);
}

static void undecoded_parts_are_kept_apart(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;
    _cleanup_strbuf_ struct strbuf text = { 0 };

    put(t, PSTORE_DIR, "dmesg-ramoops-0.enc.z", T, "\x28\xb5\x2f\xfd garbage");
    put(t, PSTORE_DIR, "dmesg-ramoops-1", T + 1, "Panic#2 Part1\n<0>[   50.000000] panic\n");
    merge(t, &m);
    assert_int_equal(m.events.n, 1);
    assert_int_equal(m.events.items[0].n_dumps, 2);
    assert_true(m.events.items[0].dumps[0].undecoded);
    assert_false(m.events.items[0].dumps[1].undecoded);
    assert_int_equal(pstore_event_text(&m.events.items[0], &text), 0);
    assert_string_equal(text.p, "<0>[   50.000000] panic\n");
}

static void an_empty_tree_has_none(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    merge(t, &m);
    assert_int_equal(m.records.n, 0);
    assert_int_equal(m.events.n, 0);
}

/* What no kernel writes: no more than time may be lost on it. */
static void many_equal_parts(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_merged_ struct merged m;

    for (unsigned i = 0; i < 600; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "dmesg-erst-%u", i + 1);
        put(t, PSTORE_DIR, name, T, i % 2 ? "Panic#1 Part1\nodd\n" : "Panic#1 Part1\neven\n");
    }
    merge(t, &m);
    assert_int_equal(m.records.n, 600);
    assert_int_equal(m.events.n, 2);
    assert_int_equal(m.events.items[0].dumps[0].n_records + m.events.items[1].dumps[0].n_records,
                     600);
}

#define TREE(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE(efi_parts_join_over_a_second),
        TREE(a_hundred_parts_and_more),
        TREE(gaps_are_marked),
        TREE(odd_part_numbers_are_bounded),
        TREE(a_part_twice_is_taken_once),
        TREE(two_boots_with_the_same_heads),
        TREE(two_boots_archived_together),
        TREE(an_oops_and_its_panic_are_one_crash),
        TREE(a_panic_long_after_its_oops),
        TREE(crashes_of_two_boots_are_two),
        TREE(back_ends_are_not_mixed),
        TREE(archived_copies_count_once),
        TREE(records_are_ordered_for_removal),
        TREE(console_and_pmsg_belong_to_the_newest),
        TREE(a_console_alone_is_no_crash),
        TREE(other_kinds_are_not_ours),
        cmocka_unit_test(orderly_ends_are_no_crash),
        TREE(headerless_records_are_crashes_of_their_own),
        TREE(undecoded_parts_are_kept_apart),
        TREE(an_empty_tree_has_none),
        TREE(many_equal_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
