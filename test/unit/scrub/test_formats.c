/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scrubbing inside of JSON and HTML: the form stays, the strings change. */
#include "unit.h"

#include "scrub/scrub.h"

static void test_json(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    json_t *json =
        json_pack("{s:s, s:s, s:[s, {s:s, s:i}], s:{s:s}, s:{s:s}, s:b}", "title",
                  "BUG: x in my-pc", "note", "wlan0 at 10.0.0.1\n10.0.0.2 \"my-pc\"", "list",
                  "aa:bb:cc:dd:ee:01", "serial", "FVAA12345678", "n", 7, "registers", "rax",
                  "10.0.0.1", "collected", "product", "my-pc", "panicked", 1);
    char *text;

    assert_int_equal(scrub_new(&s), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("my-pc")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_SERIAL, SPAN("FVAA12345678")), 0);
    assert_int_equal(scrub_json(s, json), 0);
    text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text,
                        "{\"collected\":{\"product\":\"my-pc\"},"
                        "\"list\":[\"<mac-1>\",{\"n\":7,\"serial\":\"<serial-1>\"}],"
                        "\"note\":\"wlan0 at <ip-1>\\n<ip-2> \\\"<host-1>\\\"\",\"panicked\":true,"
                        "\"registers\":{\"rax\":\"10.0.0.1\"},\"title\":\"BUG: x in <host-1>\"}");
    free(text);
    json_decref(json);
}

/* A title becomes what it is renamed to, in JSON and on the page; nothing else does. */
static void test_renamed(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    json_t *json = json_pack("{s:s, s:s}", "title", "panic: x at 3c:a9:LINE & 1", "note",
                             "a panic: x at 3c:a9:LINE & 1");
    _cleanup_strbuf_ struct strbuf html = { 0 };
    char *text;

    assert_int_equal(scrub_new(&s), 0);
    assert_int_equal(scrub_rename(s, SPAN("panic: x at 3c:a9:LINE & 1"), SPAN("panic: x at <y>")),
                     0);
    assert_int_equal(scrub_rename(s, SPAN("panic: x at 3c:a9:LINE & 1"), SPAN("no")), 0);
    assert_int_equal(scrub_json(s, json), 0);
    text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        text, "{\"note\":\"a panic: x at 3c:a9:LINE & 1\",\"title\":\"panic: x at <y>\"}");
    free(text);
    json_decref(json);
    assert_int_equal(
        scrub_html(s,
                   SPAN("<title>panic: x at 3c:a9:LINE &amp; 1</title><li> panic: x at 3c:a9:LINE "
                        "&amp; 1 <b>panic: x at 3c:a9:LINE</b>"),
                   &html),
        0);
    assert_string_equal(strbuf_cstr(&html),
                        "<title>panic: x at &lt;y&gt;</title><li> panic: x at &lt;y&gt; "
                        "<b>panic: x at 3c:a9:LINE</b>");
}

/* What cannot be looked at does not leave. */
static void test_json_depth(void **state)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    json_t *json = json_string("10.0.0.1");

    assert_int_equal(scrub_new(&s), 0);
    for (unsigned i = 0; i < 100; i++)
        json = json_pack("[o]", json);
    assert_int_equal(scrub_json(s, json), -EFBIG);
    json_decref(json);
}

static void check_html(const char *in, const char *expected)
{
    _cleanup_(scrub_freep) struct scrub *s = NULL;
    struct strbuf out = { 0 };

    assert_int_equal(scrub_new(&s), 0);
    assert_int_equal(scrub_html(s, span_str(in), &out), 0);
    assert_string_equal(strbuf_cstr(&out), expected);
    strbuf_clear(&out);
}

static void test_html(void **state)
{
    check_html("<p>from 10.0.0.1 &amp; x</p>", "<p>from &lt;ip-1&gt; &amp; x</p>");
    check_html("<pre>SSID=&#39;My &lt;Wifi&gt;&#39; SSID=&quot;x&quot;</pre>",
               "<pre>SSID='&lt;ssid-1&gt;' SSID=&quot;&lt;ssid-2&gt;&quot;</pre>");
    check_html("<style>a::before{content:'10.0.0.1'}</style>10.0.0.1",
               "<style>a::before{content:'10.0.0.1'}</style>&lt;ip-1&gt;");
    check_html("&lt;ip-1&gt; &nbsp; &copy; <b", "&lt;ip-1&gt; &nbsp; &copy; <b");
    check_html("", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_renamed),
        cmocka_unit_test(test_json_depth),
        cmocka_unit_test(test_html),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
