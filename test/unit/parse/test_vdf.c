/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include <errno.h>

#include "base/macro.h"
#include "parse/name.h"
#include "parse/vdf.h"

static const char two_users[] = "\"users\"\n"
                                "{\n"
                                "\t\"76561197960287930\"\n"
                                "\t{\n"
                                "\t\t\"AccountName\"\t\t\"gabe\"\n"
                                "\t\t\"PersonaName\"\t\t\"a \\\"quoted\\\" {name}\"\n"
                                "\t\t\"RememberPassword\"\t\t\"1\"\n"
                                "\t\t\"MostRecent\"\t\t\"0\"\n"
                                "\t\t\"Timestamp\"\t\t\"1700000000\"\n"
                                "\t}\n"
                                "\t\"76561198000000001\"\n"
                                "\t{\n"
                                "\t\t\"AccountName\"\t\t\"deck_user\"\n"
                                "\t\t\"MostRecent\"\t\t\"1\"\n"
                                "\t\t\"Timestamp\"\t\t\"1600000000\"\n"
                                "\t}\n"
                                "}\n";

static void assert_login(const char *text, const char *name, const char *steamid)
{
    struct span copy = exact_copy(span_str(text));
    struct steam_account a = { 0 };
    unsigned line = 0;
    int r = vdf_most_recent_login(copy, &a, &line);

    exact_free(copy);
    if (r != 0)
        fail_msg("%d at line %u", r, line);
    assert_string_equal(a.name, name);
    assert_string_equal(a.steamid, steamid);
}

static void assert_no_login(struct span text, int error, unsigned expected_line)
{
    struct steam_account a = { .name = "old", .steamid = "1" };
    unsigned line = 0;

    assert_int_equal(vdf_most_recent_login(text, &a, &line), error);
    assert_int_equal(line, expected_line);
    assert_string_equal(a.name, "old");
    assert_string_equal(a.steamid, "1");
}

static void events_in_order(void **state)
{
    static const struct {
        enum vdf_event event;
        const char *key, *value;
    } expected[] = {
        { VDF_PAIR, "#base", "other file.vdf" },
        { VDF_OPEN, "top", NULL },
        { VDF_PAIR, "a\tb", "\\\"\n" },
        { VDF_PAIR, "plain", "word//not-a-comment" },
        { VDF_OPEN, "", NULL },
        { VDF_PAIR, "x", "" },
        { VDF_CLOSE, NULL, NULL },
        { VDF_CLOSE, NULL, NULL },
        { VDF_END, NULL, NULL },
    };
    struct vdf_reader r;

    vdf_start(&r, SPAN("\xef\xbb\xbf#base \"other file.vdf\"\r\n"
                       "// { a comment \" }\r\n"
                       "\"top\" [$WIN32||$X360] {\"a\\tb\"\"\\\\\\\"\\n\"\r\n"
                       "plain word//not-a-comment [$LINUX] // more\r\n"
                       "\"\"{x\"\"}}//end"));
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(vdf_next(&r), expected[i].event);
        if (expected[i].key)
            assert_true(span_eq(r.key, expected[i].key));
        if (expected[i].value)
            assert_true(span_eq(r.value, expected[i].value));
    }
    assert_int_equal(r.line, 5);
    assert_int_equal(vdf_next(&r), VDF_END);
}

static void logins(void **state)
{
    assert_login(two_users, "deck_user", "76561198000000001");
    /* Lower case, any order, no quotes where none are needed, CRLF, a byte order mark. */
    assert_login("\xef\xbb\xbf"
                 "Users\r\n{\r\n76561198000000002 {\r\nmostrecent 1\r\n"
                 "TIMESTAMP 5\r\naccountname \"b\"\r\n}\r\n}\r\n",
                 "b", "76561198000000002");
    /* Of several the one of the highest time, wherever it stands. */
    assert_login("users{1{AccountName a MostRecent 1 Timestamp 9}2{AccountName b MostRecent 1 "
                 "Timestamp 10}3{AccountName c MostRecent 1 Timestamp 8}4{AccountName d}}",
                 "b", "2");
    /* Of equals the first. */
    assert_login("users{1{AccountName a MostRecent 1}2{AccountName b MostRecent 1}}", "a", "1");
    /* Nested blocks are not the user's own keys. */
    assert_login("users{1{AccountName a x{MostRecent 0 AccountName evil y{z 1}}MostRecent 1}}", "a",
                 "1");
    /* Other top-level blocks before and behind. */
    assert_login("other{5{MostRecent 1 AccountName no}}users{6{MostRecent 1 AccountName "
                 "yes}}other{7{MostRecent 1}}",
                 "yes", "6");
    /* A user without a name, and one whose name has nothing that may stay. */
    assert_login("users{1{MostRecent 1}}", "0", "1");
    assert_login("users{1{MostRecent 1 AccountName \"../ \\n\"}}", "0", "1");
    assert_login("users{18446744073709551615{MostRecent 1 AccountName \"../../etc/p w\\\"d\"}}",
                 "etcpwd", "18446744073709551615");
}

static void a_long_name_is_cut(void **state)
{
    struct span text = stretched("users{1{MostRecent 1 AccountName ", 'n', VDF_MAX_TOKEN, "}}");
    struct steam_account a;

    assert_int_equal(vdf_most_recent_login(text, &a, NULL), 0);
    assert_int_equal(strlen(a.name), sizeof(a.name) - 1);
    exact_free(text);
    text = stretched("users{1{MostRecent 1 AccountName \"", 'n', VDF_MAX_TOKEN + 1, "\"}}");
    assert_no_login(text, -EBADMSG, 1);
    exact_free(text);
}

static void nobody(void **state)
{
    static const char *const texts[] = {
        "",
        "\n// nothing\n",
        "users{}",
        "users \"x\"",
        "users{1{AccountName a MostRecent 0}}",
        "users{1{AccountName a MostRecent 11}}",
        "users{1{AccountName a MostRecent true}}",
        "other{1{AccountName a MostRecent 1}}",
        "x{users{1{AccountName a MostRecent 1}}}",
        "users{AccountName a MostRecent 1}",
        /* Keys that are no SteamID64. */
        "users{me{AccountName a MostRecent 1}}",
        "users{\"\"{AccountName a MostRecent 1}}",
        "users{0x10{AccountName a MostRecent 1}}",
        "users{0X10{AccountName a MostRecent 1}}",
        "users{-1{AccountName a MostRecent 1}}",
        "users{18446744073709551616{AccountName a MostRecent 1}}",
        "users{000000000000000000001{AccountName a MostRecent 1}}",
        "users{\"1 \"{AccountName a MostRecent 1}}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct steam_account a = { .name = "old" };
        int r = vdf_most_recent_login(span_str(texts[i]), &a, NULL);

        if (r != -ENOENT)
            fail_msg("%s: %d", texts[i], r);
        assert_string_equal(a.name, "old");
    }
}

static void malformed(void **state)
{
    assert_no_login(SPAN("users\n{\n1\n{\nMostRecent \"1\n"), -EBADMSG, 6);
    assert_no_login(SPAN("users{1{MostRecent 1}\n"), -EBADMSG, 2);
    assert_no_login(SPAN("users{1{MostRecent 1}}}"), -EBADMSG, 1);
    assert_no_login(SPAN("users{1{MostRecent 1}}\n{}"), -EBADMSG, 2);
    assert_no_login(SPAN("users{1{MostRecent}}"), -EBADMSG, 1);
    assert_no_login(SPAN("users{1{MostRecent 1}}\n\nkey"), -EBADMSG, 3);
    assert_no_login(SPAN("users{\"a\\"), -EBADMSG, 1);
    assert_no_login(SPAN("users{\"a\\\"}"), -EBADMSG, 1);
}

/* depth braces inside of each other, all closed. */
static struct span nested(size_t depth)
{
    char *p = malloc(3 * depth);

    assert_non_null(p);
    for (size_t i = 0; i < depth; i++) {
        memcpy(p + 2 * i, "a{", 2);
        p[2 * depth + i] = '}';
    }
    return span_bytes(p, 3 * depth);
}

static void depth_is_bounded(void **state)
{
    struct span text = nested(VDF_MAX_DEPTH);

    assert_no_login(text, -ENOENT, 0);
    exact_free(text);
    text = nested(VDF_MAX_DEPTH + 1);
    assert_no_login(text, -EBADMSG, 1);
    exact_free(text);
    text = nested(PARSE_LONG_LINE / 3);
    assert_no_login(text, -EBADMSG, 1);
    exact_free(text);
}

/* No cut of the file is taken for a whole one, and none gives a name. */
static void cut_login(struct span cut)
{
    struct steam_account a = { .name = "old" };
    int r = vdf_most_recent_login(cut, &a, NULL);

    if (cut.n >= sizeof(two_users) - 2) /* without the last LF it is whole */
        return assert_int_equal(r, 0);
    assert_true(r == -EBADMSG || (r == -ENOENT && cut.n == 0));
    assert_string_equal(a.name, "old");
}

static void walk(struct span text)
{
    struct steam_account a;
    struct vdf_reader reader;
    enum vdf_event event;
    size_t events = 0;

    vdf_start(&reader, text);
    do {
        event = vdf_next(&reader);
        events++;
        assert_true(reader.depth <= VDF_MAX_DEPTH);
        assert_true(events <= text.n + 1);
    } while (event != VDF_END && event != VDF_INVALID);
    (void)vdf_most_recent_login(text, &a, NULL);
}

static void any_cut_and_any_bytes(void **state)
{
    at_every_cut(span_str(two_users), cut_login);
    at_every_cut(span_str(two_users), walk);
    at_hostile_texts(walk);
}

static void names_are_made_safe(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "FVAA12345678", "FVAA12345678" },
        { "a b/c.d", "abcd" },
        { "../../x", "x" },
        { "_-Az09", "_-Az09" },
        { "", "0" },
        { " . ", "0" },
        { "\xc3\xa9t\xc3\xa9", "t" },
    };
    char buf[16];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        name_sanitize(span_str(cases[i].in), buf, sizeof(buf));
        assert_string_equal(buf, cases[i].out);
    }
    name_sanitize(span_bytes("a\0b", 3), buf, sizeof(buf));
    assert_string_equal(buf, "ab");
    name_sanitize(SPAN("abcdef"), buf, 4);
    assert_string_equal(buf, "abc");
    name_sanitize(SPAN("abc"), buf, 1);
    assert_string_equal(buf, "");
    buf[0] = 'x';
    name_sanitize(SPAN("abc"), buf, 0);
    assert_int_equal(buf[0], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_in_order),
        cmocka_unit_test(logins),
        cmocka_unit_test(a_long_name_is_cut),
        cmocka_unit_test(nobody),
        cmocka_unit_test(malformed),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(any_cut_and_any_bytes),
        cmocka_unit_test(names_are_made_safe),
    };

    return cmocka_run_group_tests_name("parse/vdf", tests, NULL, NULL);
}
