/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a log may hold, and a terminal or a page must not be given. */
#include "unit.h"

#include "klog/page.h"
#include "klog/utf8.h"

#define BAD "\xef\xbf\xbd"

static const struct {
    const char *name, *in, *text, *html;
} cases[] = {
    { "plain", "a b\tc", "a b\tc", "a b\tc" },
    { "empty", "", "", "" },
    { "markup", "<a href='x'>\"&amp;</a>", "<a href='x'>\"&amp;</a>",
      "&lt;a href=&#39;x&#39;&gt;&quot;&amp;amp;&lt;/a&gt;" },
    { "colour", "\x1b[31mred", "?[31mred", "?[31mred" },
    { "window title", "\x1b]0;owned\x07", "?]0;owned?", "?]0;owned?" },
    { "delete",
      "a\x7f"
      "b",
      "a?b", "a?b" },
    { "C1 as UTF-8",
      "\xc2\x9b"
      "31m",
      BAD "31m", BAD "31m" },
    { "C1 as a byte",
      "\x9b"
      "31m",
      BAD "31m", BAD "31m" },
    { "right to left",
      "\xe2\x80\xae"
      "gnp",
      BAD "gnp", BAD "gnp" },
    { "isolates", "\xe2\x81\xa6x\xe2\x81\xa9", BAD "x" BAD, BAD "x" BAD },
    { "zero width",
      "a\xe2\x80\x8b"
      "b",
      "a" BAD "b", "a" BAD "b" },
    { "byte order mark", "\xef\xbb\xbfx", BAD "x", BAD "x" },
    { "letters of others",
      "Gr\xc3\xbc\xc3\x9f"
      "e \xe6\xbc\xa2 \xf0\x9f\x90\xa7",
      "Gr\xc3\xbc\xc3\x9f"
      "e \xe6\xbc\xa2 \xf0\x9f\x90\xa7",
      "Gr\xc3\xbc\xc3\x9f"
      "e \xe6\xbc\xa2 \xf0\x9f\x90\xa7" },
    { "overlong", "\xc0\x80", BAD BAD, BAD BAD },
    { "surrogate", "\xed\xa0\x80", BAD BAD BAD, BAD BAD BAD },
    { "beyond Unicode", "\xf4\x90\x80\x80", BAD BAD BAD BAD, BAD BAD BAD BAD },
    { "cut", "x\xe6\xbc", "x" BAD BAD, "x" BAD BAD },
    { "cut before markup", "\xe6<", BAD "<", BAD "&lt;" },
};

static void test_cases(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_strbuf_ struct strbuf text = { 0 }, html = { 0 };

        assert_int_equal(utf8_append_plain(&text, span_str(cases[i].in)), 0);
        assert_int_equal(html_escape(&html, span_str(cases[i].in)), 0);
        assert_string_equal(strbuf_cstr(&text), cases[i].text);
        assert_string_equal(strbuf_cstr(&html), cases[i].html);
    }
}

static void test_nul(void **state)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    assert_int_equal(utf8_append_plain(&text, span_bytes("a\0b", 3)), 0);
    assert_string_equal(strbuf_cstr(&text), "a?b");
}

/* Any bytes at all: valid UTF-8 without a control character comes out. */
static void test_all_pairs(void **state)
{
    for (unsigned pair = 0; pair < 65536; pair++) {
        const unsigned char in[2] = { (unsigned char)(pair >> 8), (unsigned char)pair };
        _cleanup_strbuf_ struct strbuf out = { 0 };
        size_t i = 0, n;

        assert_int_equal(html_escape(&out, span_bytes(in, 2)), 0);
        while (i < out.n) {
            n = utf8_length((const unsigned char *)out.p + i, out.n - i);
            assert_true(n > 0);
            assert_true(n > 1 || out.p[i] == '\t' || (out.p[i] >= ' ' && out.p[i] != 0x7f));
            assert_true(out.p[i] != '<' && out.p[i] != '>' && out.p[i] != '"');
            i += n;
        }
    }
}

static const char crash[] =
    "<4>[   10.000000] BUG: kernel NULL pointer dereference, address: 0\n"
    "<4>[   10.000001] CPU: 0 PID: 7 Comm: <b>\x1b[2J Tainted: P O 6.1.0 #1\n"
    "<4>[   10.000002] RIP: 0010:f+0x1/0x2 [m]\n"
    "<4>[   10.000003] Call Trace:\n"
    "<4>[   10.000004]  g+0x1/0x2\n"
    "<4>[   10.000005]  h+0x1/0x2\n"
    "<4>[   10.000006]  i+0x1/0x2\n";

typedef int renderer(const struct klog *, const struct klog_view *, struct strbuf *);

/* A full buffer is an error, never a page that is not whole. */
static void test_no_room(void **state)
{
    static renderer *const renderers[] = { klog_to_text, klog_to_html };
    const struct klog_view view = { .source = "x", .machine = "y", .os = "z", .vmcore = "v" };
    struct klog *klog = NULL;

    assert_int_equal(klog_parse(span_str(crash), &klog), 0);
    for (size_t i = 0; i < ARRAY_SIZE(renderers); i++) {
        _cleanup_strbuf_ struct strbuf whole = { 0 };

        assert_int_equal(renderers[i](klog, &view, &whole), 0);
        for (size_t max = 1; max < whole.n; max += 97) {
            _cleanup_strbuf_ struct strbuf part = { .max = max };

            assert_int_equal(renderers[i](klog, &view, &part), -EFBIG);
        }
    }
    klog_free(klog);
}

/* The same log, with and without colours: escapes are the only difference. */
static void test_colours_add_nothing(void **state)
{
    struct klog_view view = { 0 };
    _cleanup_strbuf_ struct strbuf plain = { 0 }, colour = { 0 }, stripped = { 0 };
    struct klog *klog = NULL;

    assert_int_equal(klog_parse(span_str(crash), &klog), 0);
    assert_int_equal(klog_to_text(klog, &view, &plain), 0);
    view.colour = true;
    assert_int_equal(klog_to_text(klog, &view, &colour), 0);
    for (size_t i = 0; i < colour.n; i++) {
        if (colour.p[i] == '\x1b')
            while (colour.p[i] != 'm')
                i++;
        else
            (void)strbuf_char(&stripped, colour.p[i]);
    }
    assert_null(memchr(plain.p, '\x1b', plain.n));
    assert_true(colour.n > plain.n);
    assert_string_equal(strbuf_cstr(&stripped), strbuf_cstr(&plain));
    klog_free(klog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_all_pairs),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_colours_add_nothing),
    };

    return cmocka_run_group_tests_name("klog/plain", tests, NULL, NULL);
}
