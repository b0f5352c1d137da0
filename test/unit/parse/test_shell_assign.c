/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include <time.h>

#include "base/macro.h"
#include "parse/os_release.h"
#include "parse/shell_assign.h"

static const char sample[] = "# kdump\n"
                             "\n"
                             "MOUNT_DEVNODE=\"\"\n"
                             "KDUMP_FOLDER='/home/.steamos/off load/kdump'  # trailing\n"
                             "  export FULL_COREDUMP=0\r\n"
                             "CMD=\"a \\\"b\\\" \\\\ \\$c \\n\" \\\n"
                             "\n"
                             "LONG=one\\\n"
                             "two\"\\\n"
                             "three\"\n"
                             "TWO='first\n"
                             "second'\n"
                             "MIX=a'b c'\"d e\"\\ f#g";

/* The one assignment, or error, of a line. */
static void assert_value(const char *text, const char *value)
{
    struct span copy = exact_copy(span_str(text));
    struct shell_assign_cursor cursor = shell_assign_start(copy);
    struct shell_assign a;

    assert_true(shell_assign_next(&cursor, &a));
    if (a.error != SHELL_ASSIGN_OK || !span_eq(a.key, "K") || !span_eq(a.value, value))
        fail_msg("%s: %s: '%.*s'", text, shell_assign_strerror(a.error), (int)a.value.n, a.value.p);
    assert_false(shell_assign_next(&cursor, &a));
    exact_free(copy);
}

/* The first line has this error, and an assignment on the next line is not hurt by it. */
static void assert_error(const char *text, enum shell_assign_error error)
{
    char both[256];
    struct shell_assign_cursor cursor;
    struct shell_assign a;

    (void)snprintf(both, sizeof(both), "%s\nNEXT=1\n", text);
    cursor = shell_assign_start(span_str(both));
    assert_true(shell_assign_next(&cursor, &a));
    if (a.error != error)
        fail_msg("%s: %s", text, shell_assign_strerror(a.error));
    assert_int_equal(a.line, 1);
    assert_true(shell_assign_next(&cursor, &a));
    if (a.error != SHELL_ASSIGN_OK || !span_eq(a.key, "NEXT") || !span_eq(a.value, "1"))
        fail_msg("%s: the next line: %s", text, shell_assign_strerror(a.error));
    assert_int_equal(a.line, 2);
    assert_false(shell_assign_next(&cursor, &a));
}

static void a_whole_file(void **state)
{
    static const struct {
        const char *key, *value;
        unsigned line;
        enum shell_assign_error error;
    } expected[] = {
        { "MOUNT_DEVNODE", "", 3, SHELL_ASSIGN_OK },
        { "KDUMP_FOLDER", "/home/.steamos/off load/kdump", 4, SHELL_ASSIGN_OK },
        { "FULL_COREDUMP", "0", 5, SHELL_ASSIGN_OK },
        { "CMD", NULL, 6, SHELL_ASSIGN_TRAILING },
        { "LONG", "onetwothree", 8, SHELL_ASSIGN_OK },
        { "TWO", "first\nsecond", 11, SHELL_ASSIGN_OK },
        { "MIX", "ab cd e f#g", 13, SHELL_ASSIGN_OK },
    };
    struct shell_assign_cursor cursor = shell_assign_start(span_str(sample));
    struct shell_assign a;

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_true(shell_assign_next(&cursor, &a));
        if (a.error != expected[i].error || a.line != expected[i].line ||
            !span_eq(a.key, expected[i].key) ||
            (expected[i].value && !span_eq(a.value, expected[i].value)))
            fail_msg("%s: line %u, %s, '%.*s'", expected[i].key, a.line,
                     shell_assign_strerror(a.error), (int)a.value.n, a.value.p);
    }
    assert_false(shell_assign_next(&cursor, &a));
    assert_false(shell_assign_next(&cursor, &a));
}

static void quoting(void **state)
{
    assert_value("K=", "");
    assert_value("K=\n", "");
    assert_value("K=\r\n", "");
    assert_value("K=\"\"''", "");
    assert_value("K=a", "a");
    assert_value("\t K=a \t", "a");
    assert_value("export\tK=a", "a");
    assert_value("K=a # b", "a");
    assert_value("K=#a", "#a");
    assert_value("K=a#b", "a#b");
    assert_value("K=a=b", "a=b");
    assert_value("K='$x `y` \\ \"'", "$x `y` \\ \"");
    assert_value("K=\"a\\nb\"", "a\\nb");
    assert_value("K=\"\\$x \\`y\\` \\\\ \\\" '\"", "$x `y` \\ \" '");
    assert_value("K=\\$x\\ \\'\\\"\\\\", "$x '\"\\");
    assert_value("K=a\\", "a\\");
    assert_value("K=a\\\r\nb", "ab");
    assert_value("K=\"a\\\nb\"", "ab");
    assert_value("K='a\\\nb'", "a\\\nb");
    assert_value("K=\xc3\xa9", "\xc3\xa9");
    assert_value("K=a~", "a~");
    assert_value("K='~'", "~");
    assert_value("K='a;b|c'\\;\\&", "a;b|c;&");
}

static void errors_name_the_line_and_spare_the_next(void **state)
{
    assert_error("nonsense", SHELL_ASSIGN_NO_ASSIGNMENT);
    assert_error("K = a", SHELL_ASSIGN_NO_ASSIGNMENT);
    assert_error("1K=a", SHELL_ASSIGN_NO_ASSIGNMENT);
    assert_error("=a", SHELL_ASSIGN_NO_ASSIGNMENT);
    assert_error("K-L=a", SHELL_ASSIGN_NO_ASSIGNMENT);
    assert_error("export", SHELL_ASSIGN_NO_ASSIGNMENT);
    assert_error("export K", SHELL_ASSIGN_NO_ASSIGNMENT);
    assert_error("if true; then", SHELL_ASSIGN_NO_ASSIGNMENT);
    assert_error("K='a", SHELL_ASSIGN_UNTERMINATED);
    assert_error("K=\"a", SHELL_ASSIGN_UNTERMINATED);
    assert_error("K=\"a\\\"", SHELL_ASSIGN_UNTERMINATED);
    assert_error("K=$HOME", SHELL_ASSIGN_EXPANSION);
    assert_error("K=a$(reboot)", SHELL_ASSIGN_EXPANSION);
    assert_error("K=`reboot`", SHELL_ASSIGN_EXPANSION);
    assert_error("K=\"${x}\"", SHELL_ASSIGN_EXPANSION);
    assert_error("K=\"`x`\"", SHELL_ASSIGN_EXPANSION);
    assert_error("K=~/x", SHELL_ASSIGN_EXPANSION);
    assert_error("K=a b", SHELL_ASSIGN_TRAILING);
    assert_error("K= a", SHELL_ASSIGN_TRAILING);
    assert_error("K=a;L=b", SHELL_ASSIGN_TRAILING);
    assert_error("K=a&", SHELL_ASSIGN_TRAILING);
    assert_error("K=(a b)", SHELL_ASSIGN_TRAILING);
    assert_error("K=<x", SHELL_ASSIGN_TRAILING);
    assert_error("K=a\x01", SHELL_ASSIGN_BAD_BYTE);
    assert_error("K='\x7f'", SHELL_ASSIGN_BAD_BYTE);
    assert_error("K=a\rb", SHELL_ASSIGN_BAD_BYTE);
}

static void nul_bytes(void **state)
{
    struct shell_assign_cursor cursor = shell_assign_start(span_bytes("K=a\0b\nL=1", 9));
    struct shell_assign a;

    assert_true(shell_assign_next(&cursor, &a));
    assert_int_equal(a.error, SHELL_ASSIGN_BAD_BYTE);
    assert_true(shell_assign_next(&cursor, &a));
    assert_true(a.error == SHELL_ASSIGN_OK && span_eq(a.key, "L"));
    cursor = shell_assign_start(span_bytes("\0K=a", 4));
    assert_true(shell_assign_next(&cursor, &a));
    assert_int_equal(a.error, SHELL_ASSIGN_NO_ASSIGNMENT);
}

static void values_are_bounded(void **state)
{
    struct span text = stretched("K='", 'a', SHELL_ASSIGN_VALUE_MAX, "'\nL=1");
    struct shell_assign_cursor cursor = shell_assign_start(text);
    struct shell_assign a;

    assert_true(shell_assign_next(&cursor, &a));
    assert_true(a.error == SHELL_ASSIGN_OK && a.value.n == SHELL_ASSIGN_VALUE_MAX);
    exact_free(text);
    text = stretched("K=", 'a', SHELL_ASSIGN_VALUE_MAX + 1, "\nL=1");
    cursor = shell_assign_start(text);
    assert_true(shell_assign_next(&cursor, &a));
    assert_int_equal(a.error, SHELL_ASSIGN_TOO_LONG);
    assert_true(shell_assign_next(&cursor, &a));
    assert_true(a.error == SHELL_ASSIGN_OK && span_eq(a.key, "L") && a.line == 2);
    exact_free(text);
}

/* Every byte is looked at a few times at most, whatever makes the reader give up. */
static void hostile_files_take_no_time(void **state)
{
    static const char *const units[] = { "A=\\\n",        "A=\"\n",           "A='\n",
                                         "A=\"\\\n",      "A=\"$\n",          "A=a\\\n",
                                         "A='a\nB=\"b\n", "A=a\\\nB=\"b\\\n", "A=\"\\\n\\\n",
                                         "A=\\a\\\n" };

    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        struct span unit = span_str(units[i]);
        struct span text = repeated(unit, PARSE_LONG_LINE / unit.n);
        struct shell_assign_cursor cursor = shell_assign_start(text);
        struct timespec before, after;
        struct shell_assign a;

        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
        while (shell_assign_next(&cursor, &a))
            ;
        (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
        exact_free(text);
        /* 1 MiB takes some 50 ms with the sanitizers, and 20 s where lines are read again. */
        if (after.tv_sec - before.tv_sec > 2)
            fail_msg("%s: %ld s", units[i], (long)(after.tv_sec - before.tv_sec));
    }
}

static void walk(struct span text)
{
    struct shell_assign_cursor cursor = shell_assign_start(text);
    unsigned last = 0;
    struct shell_assign a;
    char buf[8];

    while (shell_assign_next(&cursor, &a)) {
        assert_true(a.line > last);
        last = a.line;
        if (a.error != SHELL_ASSIGN_OK)
            continue;
        assert_true(a.key.n > 0 && a.key.p >= text.p && a.key.p + a.key.n <= text.p + text.n);
        assert_true(a.value.p == a.buf && a.value.n <= sizeof(a.buf));
        assert_true(span_find_byte(a.value, '\0') == SIZE_MAX);
    }
    (void)os_release_get(text, "KDUMP_FOLDER", buf, sizeof(buf));
}

static void any_cut_and_any_bytes(void **state)
{
    at_every_cut(span_str(sample), walk);
    at_hostile_texts(walk);
}

static void os_release(void **state)
{
    const struct span text = SPAN("NAME=\"SteamOS\"\n"
                                  "# BUILD_ID=no\n"
                                  "BUILD_ID=20240101.1\n"
                                  "broken line\n"
                                  "HOME_URL='https://www.steampowered.com/'\n"
                                  "PRETTY_NAME=\"a \\\"b\\\"\"\n"
                                  "ANSI_COLOR=\"1;35\"\n"
                                  "VARIANT_ID=$x\n"
                                  "TWICE=1\nTWICE=2\n");
    char buf[16] = "old";

    assert_true(os_release_get(text, "BUILD_ID", buf, sizeof(buf)));
    assert_string_equal(buf, "20240101.1");
    assert_true(os_release_get(text, "PRETTY_NAME", buf, sizeof(buf)));
    assert_string_equal(buf, "a \"b\"");
    assert_true(os_release_get(text, "ANSI_COLOR", buf, sizeof(buf)));
    assert_string_equal(buf, "1;35");
    assert_true(os_release_get(text, "TWICE", buf, sizeof(buf)));
    assert_string_equal(buf, "2");
    assert_true(os_release_get(text, "HOME_URL", buf, sizeof(buf)));
    assert_string_equal(buf, "https://www.ste");
    assert_false(os_release_get(text, "VARIANT_ID", buf, sizeof(buf)));
    assert_string_equal(buf, "");
    assert_false(os_release_get(text, "BUILD", buf, sizeof(buf)));
    assert_false(os_release_get(SPAN(""), "NAME", buf, sizeof(buf)));
}

static void every_error_has_its_words(void **state)
{
    for (enum shell_assign_error e = SHELL_ASSIGN_OK; e <= SHELL_ASSIGN_BAD_BYTE; e++)
        for (enum shell_assign_error f = SHELL_ASSIGN_OK; f < e; f++)
            assert_string_not_equal(shell_assign_strerror(e), shell_assign_strerror(f));
    assert_string_equal(shell_assign_strerror((enum shell_assign_error)99), "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(quoting),
        cmocka_unit_test(errors_name_the_line_and_spare_the_next),
        cmocka_unit_test(nul_bytes),
        cmocka_unit_test(values_are_bounded),
        cmocka_unit_test(hostile_files_take_no_time),
        cmocka_unit_test(any_cut_and_any_bytes),
        cmocka_unit_test(os_release),
        cmocka_unit_test(every_error_has_its_words),
    };

    return cmocka_run_group_tests_name("parse/shell_assign", tests, NULL, NULL);
}
