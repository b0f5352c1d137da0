/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is noted of a report's way comes back, and what is damaged is a new attempt. */
#include "unit.h"

#include "submit/attempt.h"

#define REPORT "steamos-0-0.202601020304.zip"

static int open_state(struct unit_tree *t)
{
    int fd = root_make_dir(&t->root, "/state", 0700);

    assert_true(fd >= 0);
    return fd;
}

static void round_trip(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = open_state(t);
    struct attempt out;

    for (int phase = ATTEMPT_NONE; phase <= ATTEMPT_ACCEPTED; phase++) {
        struct attempt in = { .phase = (enum attempt_phase)phase,
                              .tries = 3,
                              .protocol_errors = 2,
                              .next_try = 1767323045,
                              .gid = "123456789",
                              .finish_asked = phase % 2 == 0,
                              .last_status = 503,
                              .last_error = "the server says \"no\"" };

        assert_int_equal(attempt_save(fd, REPORT, &in), 0);
        memset(&out, 0xa5, sizeof(out));
        assert_int_equal(attempt_load(fd, REPORT, &out), 0);
        assert_int_equal(out.phase, in.phase);
        assert_int_equal(out.tries, 3);
        assert_int_equal(out.protocol_errors, 2);
        assert_int_equal(out.next_try, 1767323045);
        assert_string_equal(out.gid, in.gid);
        assert_int_equal(out.finish_asked, in.finish_asked);
        assert_int_equal(out.last_status, 503);
        assert_string_equal(out.last_error, in.last_error);
    }
    assert_int_equal(attempt_remove(fd, REPORT), 0);
    assert_int_equal(attempt_remove(fd, REPORT), 0);
    assert_int_equal(attempt_load(fd, REPORT, &out), 0);
    assert_int_equal(out.phase, ATTEMPT_NONE);
    assert_int_equal(out.tries, 0);
}

static void what_servers_say_is_made_printable(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = open_state(t);
    struct attempt in = { .gid = "a\xff" "b", .last_error = "\x1b[31m\xc3\x28\n" }, out;

    assert_int_equal(attempt_save(fd, REPORT, &in), 0);
    assert_int_equal(attempt_load(fd, REPORT, &out), 0);
    assert_string_equal(out.gid, "a?b");
    assert_string_equal(out.last_error, "?[31m?(?");
    memset(in.last_error, 'x', sizeof(in.last_error) - 1);
    memset(in.gid, 'g', sizeof(in.gid) - 1);
    assert_int_equal(attempt_save(fd, REPORT, &in), 0);
    assert_int_equal(attempt_load(fd, REPORT, &out), 0);
    assert_string_equal(out.last_error, in.last_error);
    assert_string_equal(out.gid, in.gid);
}

static void damaged_files_are_a_new_attempt(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "\xff",
        "{}",
        "{\"phase\": 5, \"tries\": \"x\", \"gid\": [], \"last_error\": {}, \"next_try\": null}",
        "{\"phase\": \"dancing\", \"tries\": 0}",
        "{\"phase\": \"finishing\"}",
        "{\"phase\": \"finishing\", \"gid\": \"\"}",
        "{\"phase\": \"finishing\", \"gid\": 7}",
    };
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = open_state(t);
    struct attempt out;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        unit_write_str(t, "/state/" REPORT ".json", texts[i]);
        assert_int_equal(attempt_load(fd, REPORT, &out), 0);
        assert_int_equal(out.phase, ATTEMPT_NONE);
        assert_int_equal(out.tries, 0);
        assert_int_equal(out.next_try, 0);
        assert_string_equal(out.last_error, "");
    }
}

static void numbers_are_bounded(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = open_state(t);
    struct attempt out;

    unit_write_str(t, "/state/" REPORT ".json",
                   "{\"tries\": -5, \"protocol_errors\": 9223372036854775807, \"next_try\": "
                   "-9223372036854775808, \"last_status\": -1}");
    assert_int_equal(attempt_load(fd, REPORT, &out), 0);
    assert_int_equal(out.tries, 0);
    assert_int_equal(out.protocol_errors, 1000000);
    assert_int_equal(out.last_status, 0);
    assert_int_equal(attempt_save(fd, REPORT, &out), 0);
}

static void no_link_is_followed(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = open_state(t);
    struct attempt out;

    unit_write_str(t, "/secret", "{\"phase\": \"accepted\"}");
    assert_int_equal(symlinkat("../secret", fd, REPORT ".json"), 0);
    assert_int_equal(attempt_load(fd, REPORT, &out), 0);
    assert_int_equal(out.phase, ATTEMPT_NONE);
    assert_int_equal(attempt_save(fd, REPORT, &out), 0);
    assert_int_equal(attempt_load(fd, REPORT, &out), 0);
}

#define TREE(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE(round_trip),
        TREE(what_servers_say_is_made_printable),
        TREE(damaged_files_are_a_new_attempt),
        TREE(numbers_are_bounded),
        TREE(no_link_is_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
