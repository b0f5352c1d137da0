/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "spool/boot_marker.h"

static struct boot_marker marker(enum boot_phase phase, unsigned deaths)
{
    return (struct boot_marker){
        .boot_id = "boot-1",
        .kernel = "6.1.0",
        .phase = phase,
        .deaths = deaths,
        .time = 1700000000,
        .loaded_ramoops = true,
        .panic_print_found = 2,
        .panic_print_set = 3,
    };
}

static void test_round_trip(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = root_make_dir(&t->root, "/state", 0700);
    struct boot_marker got;

    assert_true(fd >= 0);
    assert_int_equal(boot_marker_read(fd, &got), -ENOENT);
    for (int phase = BOOT_STARTED; phase <= BOOT_BLOCKED; phase++) {
        struct boot_marker put = marker((enum boot_phase)phase, 7);

        assert_int_equal(boot_marker_write(fd, &put), 0);
        assert_int_equal(boot_marker_read(fd, &got), 0);
        assert_string_equal(got.boot_id, put.boot_id);
        assert_string_equal(got.kernel, put.kernel);
        assert_int_equal(got.phase, put.phase);
        assert_int_equal(got.deaths, 7);
        assert_int_equal(got.time, put.time);
        assert_true(got.loaded_ramoops);
        assert_int_equal(got.panic_print_found, 2);
        assert_int_equal(got.panic_print_set, 3);
    }
    assert_int_equal(boot_marker_remove(fd), 0);
    assert_int_equal(boot_marker_read(fd, &got), -ENOENT);
    assert_int_equal(boot_marker_remove(fd), 0);
}

static void test_damaged(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"phase\": \"asleep\"}",
        "{\"phase\": 1}",
        "{\"phase\": \"armed\", \"boot_id\": \"0123456789012345678901234567890123456789\"}",
    };
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = root_make_dir(&t->root, "/state", 0700);
    struct boot_marker got;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        unit_write_str(t, "/state/boot-marker.json", texts[i]);
        assert_int_equal(boot_marker_read(fd, &got), -EBADMSG);
    }
    unit_write_str(t, "/state/boot-marker.json", "{\"phase\": \"armed\", \"deaths\": -5}");
    assert_int_equal(boot_marker_read(fd, &got), 0);
    assert_int_equal(got.deaths, 0);
    assert_int_equal(got.panic_print_set, -1);
    assert_false(got.loaded_ramoops);
}

static void test_guard(void **state)
{
    static const struct {
        const char *what;
        bool found;
        enum boot_phase phase;
        unsigned deaths;
        const char *boot_id, *kernel;
        enum boot_verdict verdict;
        unsigned count;
    } cases[] = {
        { "the first boot ever", false, 0, 0, "boot-2", "6.1.0", BOOT_MAY_ARM, 0 },
        { "the last boot lived", true, BOOT_SETTLED, 0, "boot-2", "6.1.0", BOOT_MAY_ARM, 0 },
        { "it lived after one that had not", true, BOOT_SETTLED, 1, "boot-2", "6.1.0", BOOT_MAY_ARM,
          0 },
        { "one death", true, BOOT_ARMED, 0, "boot-2", "6.1.0", BOOT_MAY_ARM, 1 },
        { "two in a row", true, BOOT_ARMED, 1, "boot-2", "6.1.0", BOOT_REFUSED_DEATHS, 2 },
        { "died in the middle of arming", true, BOOT_STARTED, 0, "boot-2", "6.1.0",
          BOOT_REFUSED_UNFINISHED, 1 },
        { "the same boot arms again", true, BOOT_ARMED, 1, "boot-1", "6.1.0", BOOT_MAY_ARM, 1 },
        { "the same boot, killed in the middle", true, BOOT_STARTED, 0, "boot-1", "6.1.0",
          BOOT_MAY_ARM, 0 },
        { "stopped stays stopped in this boot", true, BOOT_BLOCKED, 2, "boot-1", "6.1.0",
          BOOT_REFUSED_DEATHS, 2 },
        { "and in the next", true, BOOT_BLOCKED, 2, "boot-2", "6.1.0", BOOT_REFUSED_DEATHS, 2 },
        { "but not with another kernel", true, BOOT_BLOCKED, 2, "boot-2", "6.1.1", BOOT_MAY_ARM,
          0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct boot_marker last = marker(cases[i].phase, cases[i].deaths);
        unsigned deaths = 99;
        enum boot_verdict got =
            boot_guard(cases[i].found ? &last : NULL, cases[i].boot_id, cases[i].kernel, &deaths);

        if (got != cases[i].verdict || deaths != cases[i].count)
            fail_msg("%s: verdict %d, %u deaths", cases[i].what, got, deaths);
        assert_int_equal(boot_guard(cases[i].found ? &last : NULL, cases[i].boot_id,
                                    cases[i].kernel, NULL),
                         got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test_setup_teardown(test_damaged, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test(test_guard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
