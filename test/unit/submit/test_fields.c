/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server is told: bounded, encoded, and only of reports that are whole. */
#include "unit.h"

#include "base/macro.h"
#include "spool/report_zip.h"
#include "submit/fields.h"
#include "submit/http.h"

static void form_is_encoded(void **state)
{
    _cleanup_strbuf_ struct strbuf form = { 0 };
    unsigned encoded = 0;
    char all[256];

    assert_int_equal(http_form_add(&form, "a", span_str("b+c&d=e%f g\n\xc3\xa9~._-")), 0);
    assert_string_equal(form.p, "a=b%2Bc%26d%3De%25f%20g%0A%C3%A9~._-");
    assert_int_equal(http_form_add(&form, "empty", span_str("")), 0);
    assert_int_equal(http_form_add(&form, "nul", span_bytes("\0", 1)), 0);
    assert_non_null(strstr(form.p, "_-&empty=&nul=%00"));
    strbuf_clear(&form);
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    assert_int_equal(http_form_add(&form, "x", span_bytes(all, sizeof(all))), 0);
    for (size_t i = 2; i < form.n; i++) {
        assert_true(byte_is_alnum(form.p[i]) || strchr("-._~%", form.p[i]));
        encoded += form.p[i] == '%';
    }
    assert_int_equal(encoded, 256 - 66);
}

static void lines_are_cut_to_fit(void **state)
{
    struct span text = span_str("one\ntwo\nthree");

    assert_int_equal(cut_lines(text, 100).n, 13);
    assert_int_equal(cut_lines(text, 13).n, 13);
    assert_int_equal(cut_lines(text, 12).n, 8);
    assert_int_equal(cut_lines(text, 8).n, 8);
    assert_int_equal(cut_lines(text, 7).n, 4);
    assert_int_equal(cut_lines(text, 4).n, 4);
    assert_int_equal(cut_lines(text, 3).n, 3); /* no whole line fits */
    assert_int_equal(cut_lines(text, 1).n, 1);
    assert_int_equal(cut_lines(text, 0).n, 0);
    assert_int_equal(cut_lines((struct span){ NULL, 0 }, 0).n, 0);
    text = span_str("ab\xe2\x98\x83" "cd"); /* a snowman of three bytes */
    assert_int_equal(cut_lines(text, 2).n, 2);
    assert_int_equal(cut_lines(text, 3).n, 2);
    assert_int_equal(cut_lines(text, 4).n, 2);
    assert_int_equal(cut_lines(text, 5).n, 5);
    assert_int_equal(cut_lines(span_str("\x80\x80\x80\x80"), 2).n, 0);
}

static void stacks_are_cut_between_lines(void **state)
{
    _cleanup_strbuf_ struct strbuf out = { 0 };

    assert_int_equal(concise_stack(span_str("  a+0x1/0x2\r\n\n\tb+0x3/0x4 [m] \nc"), 100, &out), 0);
    assert_string_equal(out.p, "a+0x1/0x2\nb+0x3/0x4 [m]\nc\n");
    strbuf_clear(&out);
    assert_int_equal(concise_stack(span_str("aaaa\nbbbb\ncccc\n"), 10, &out), 0);
    assert_string_equal(out.p, "aaaa\nbbbb\n");
    strbuf_clear(&out);
    assert_int_equal(concise_stack(span_str("aaaa\nbbbb\ncccc\n"), 9, &out), 0);
    assert_string_equal(out.p, "aaaa\n");
    strbuf_clear(&out);
    assert_int_equal(concise_stack(span_str("aaaaaaaaaaaaaaaa"), 9, &out), 0);
    assert_int_equal(out.n, 0);
    assert_int_equal(concise_stack((struct span){ NULL, 0 }, 9, &out), 0);
    assert_int_equal(out.n, 0);
}

struct content {
    const char *name;
    struct span bytes;
};

/* A ZIP with these members; its fd is the caller's. */
static int make_zip(struct unit_tree *t, const struct content *content, size_t n)
{
    struct report_zip *zip;
    int fd;

    unit_write_str(t, "/report.zip", "");
    fd = root_open(&t->root, "/report.zip", O_RDWR, 0);
    assert_true(fd >= 0);
    assert_int_equal(report_zip_create(fd, &zip), 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(report_zip_add(zip, content[i].name, 1, content[i].bytes), 0);
    assert_int_equal(report_zip_finish(zip), 0);
    return fd;
}

#define S(text)                   \
    {                             \
        text, sizeof(text) - 1 \
    }

static void fields_of_a_report(void **state)
{
    static const struct content content[] = {
        { "dmesg-pstore.202601020304-0", S("no part of the form") },
        { "crash_summary.202601020304", S("Kernel panic\r\n\ta \x1b[1m\xff\n") },
        { "build.202601020304", S("NAME=x\nBUILD_ID=\"20260101.1\"\n") },
        { "version.202601020304", S("  6.1.52-valve1 \ncollected by 6.9\n") },
        { "report.202601020304.json",
          S("{\"primary\": 1, \"reports\": [{\"stack\": \"no\"}, {\"stack\": \"f+0x1/0x2\\ng\"}],"
            "\"collected\": {\"time\": 1767323045, \"steamid\": \"76561197960287930\"}}") },
        { "report.202601020304.html", S("{\"primary\": 0}") },
    };
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = make_zip(t, content, ARRAY_SIZE(content));
    struct report_fields f = { 0 };

    assert_int_equal(report_fields_read(fd, 5, &f), 0);
    assert_string_equal(f.steamid, "76561197960287930");
    assert_string_equal(f.build, "20260101.1");
    assert_string_equal(f.version, "6.1.52-valve1");
    assert_int_equal(f.crash_time, 1767323045);
    assert_string_equal(strbuf_cstr(&f.stack), "f+0x1/0x2\ng\n");
    assert_string_equal(strbuf_cstr(&f.note), "Kernel panic\n\ta ?[1m?\n");
    report_fields_done(&f);
}

/* A trace of x86 begins with the caller of the function that crashed. */
static void the_crashed_function_is_on_top(void **state)
{
#define RIP(members) "{\"function_name\": \"f\"" members "}"
    static const struct {
        const char *rip, *stack, *expected;
    } cases[] = {
        { RIP(", \"function_offset\": 12, \"function_length\": 32, \"module_name\": \"m\""),
          "g+0x1/0x2", "f+0xc/0x20 [m]\ng+0x1/0x2\n" },
        { RIP(", \"function_offset\": 0, \"function_length\": 32"), "ff+0x1/0x2\\ng+0x1/0x2",
          "f+0x0/0x20\nff+0x1/0x2\ng+0x1/0x2\n" },
        { RIP(""), "e+0x1/0x2\\nf+0x1/0x2", "e+0x1/0x2\nf+0x1/0x2\n" },
        { RIP(""), "", "f\n" },
        { "{\"function_name\": 7}", "g+0x1/0x2", "g+0x1/0x2\n" },
        { "null", "g+0x1/0x2", "g+0x1/0x2\n" },
        { "[]", "", "" },
    };
    struct unit_tree *t = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_strbuf_ struct strbuf json = { 0 };
        _cleanup_close_ int fd = -EBADF;
        struct content content = { .name = "report.202601020304.json" };
        struct report_fields f = { 0 };

        assert_int_equal(strbuf_printf(&json,
                                       "{\"primary\": 0, \"reports\": [{\"rip\": %s, \"stack\": "
                                       "\"%s\"}]}",
                                       cases[i].rip, cases[i].stack),
                         0);
        content.bytes = strbuf_view(&json);
        fd = make_zip(t, &content, 1);
        assert_int_equal(report_fields_read(fd, 5, &f), 0);
        assert_string_equal(f.stack.n ? strbuf_cstr(&f.stack) : "", cases[i].expected);
        report_fields_done(&f);
    }
#undef RIP
}

/* Reports may be written by other versions, or by anybody. */
static void odd_reports(void **state)
{
    static const struct {
        const char *json;
        int expected;
        const char *steamid;
        int64_t time;
    } cases[] = {
        { "{}", 0, "0", 5 },
        { "{\"primary\": null, \"reports\": 1, \"collected\": []}", 0, "0", 5 },
        { "{\"primary\": 7, \"reports\": []}", 0, "0", 5 },
        { "{\"primary\": 0, \"reports\": [5]}", 0, "0", 5 },
        { "{\"primary\": 9223372036854775807, \"reports\": []}", 0, "0", 5 },
        { "{\"collected\": {\"steamid\": \"0x10\", \"time\": \"x\"}}", 0, "0", 5 },
        { "{\"collected\": {\"steamid\": \"18446744073709551616\"}}", 0, "0", 5 },
        { "{\"collected\": {\"steamid\": \"1&a=b\"}}", 0, "0", 5 },
        { "{\"collected\": {\"steamid\": \"00000000000000000000000000005\"}}", 0, "5", 5 },
        { "{\"collected\": {\"steamid\": 5, \"time\": 0}}", 0, "0", 5 },
        { "{\"collected\": {\"time\": -1}}", 0, "0", 5 },
        { "{\"collected\": {\"time\": 7}}", 0, "0", 7 },
        { "", -EBADMSG, "", 0 },
        { "[]", -EBADMSG, "", 0 },
        { "{\"a\": 1", -EBADMSG, "", 0 },
    };
    struct unit_tree *t = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct content content = { "report.202601020304.json", span_str(cases[i].json) };
        _cleanup_close_ int fd = make_zip(t, &content, 1);
        struct report_fields f = { 0 };
        int r = report_fields_read(fd, 5, &f);

        if (r != cases[i].expected)
            fail_msg("'%s' gives %d", cases[i].json, r);
        if (r < 0)
            continue;
        assert_string_equal(f.steamid, cases[i].steamid);
        assert_int_equal(f.crash_time, cases[i].time);
        assert_int_equal(f.stack.n, 0);
        report_fields_done(&f);
    }
}

static void long_members_are_cut(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_strbuf_ struct strbuf summary = { 0 }, version = { 0 };
    struct content content[2];
    struct report_fields f = { 0 };
    int fd;

    for (unsigned i = 0; i < 100000; i++) {
        (void)strbuf_printf(&summary, "line %u\n", i);
        (void)strbuf_char(&version, 'v');
    }
    content[0] = (struct content){ "crash_summary.1", strbuf_view(&summary) };
    content[1] = (struct content){ "version.1", strbuf_view(&version) };
    fd = make_zip(t, content, 2);
    assert_int_equal(report_fields_read(fd, 5, &f), 0);
    assert_in_range(f.note.n, FIELDS_MAX_NOTE - 20, FIELDS_MAX_NOTE);
    assert_int_equal(f.note.p[f.note.n - 1], '\n');
    assert_int_equal(strlen(f.version), sizeof(f.version) - 1);
    report_fields_done(&f);
    (void)close(fd);
}

static void what_is_no_zip(void **state)
{
    static const char *const files[] = { "", "PK", "PK\3\4", "a text", "PK\3\4 and then nothing" };
    struct unit_tree *t = *state;

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct report_fields f = { .crash_time = 77 };
        int fd;

        unit_write_str(t, "/report.zip", files[i]);
        fd = root_open(&t->root, "/report.zip", O_RDONLY, 0);
        assert_int_equal(report_fields_read(fd, 5, &f), -EBADMSG);
        assert_int_equal(f.crash_time, 77);
        (void)close(fd);
    }
}

/* A member that is cut off, or changed on the disk. */
static void a_damaged_zip(void **state)
{
    static const struct content content[] = {
        { "crash_summary.1", S("Kernel panic - not syncing: a text that deflate makes shorter, "
                               "a text that deflate makes shorter") },
        { "version.1", S("6.1\n") },
    };
    struct unit_tree *t = *state;
    int fd = make_zip(t, content, ARRAY_SIZE(content));
    struct report_fields f = { 0 };
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    for (off_t size = st.st_size - 1; size > 0; size--) {
        int r;

        assert_int_equal(ftruncate(fd, size), 0);
        r = report_fields_read(fd, 5, &f);
        assert_true(r == 0 || r == -EBADMSG);
        if (r == 0)
            report_fields_done(&f);
    }
    (void)close(fd);
}

#define TREE(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(form_is_encoded),
        cmocka_unit_test(lines_are_cut_to_fit),
        cmocka_unit_test(stacks_are_cut_between_lines),
        cmocka_unit_test_setup_teardown(the_crashed_function_is_on_top, unit_tree_setup,
                                        unit_tree_teardown),
        TREE(fields_of_a_report),
        TREE(odd_reports),
        TREE(long_members_are_cut),
        TREE(what_is_no_zip),
        TREE(a_damaged_zip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
