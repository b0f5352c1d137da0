/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include <errno.h>

#include "base/macro.h"
#include "parse/steam_answer.h"

static const char good[] =
    "{\"response\":{\"url\":\"https://storage.example.net:443/up/1?sig=a%2Fb&x=1\","
    "\"gid\":\"3180823746732147\",\"headers\":{\"pairs\":["
    "{\"name\":\"Content-Type\",\"value\":\"application/zip\"},"
    "{\"name\":\"x-ms-blob-type\",\"value\":\"  Block Blob \"},"
    "{\"name\":\"X-Empty\",\"value\":\"\"}]}}}\n";

/* An answer with this url, gid and list of headers, each as JSON. */
static const char *make(const char *url, const char *gid, const char *pairs)
{
    static char text[8192];

    (void)snprintf(text, sizeof(text),
                   "{\"response\":{\"url\":%s,\"gid\":%s,\"headers\":{\"pairs\":%s}}}", url, gid,
                   pairs);
    return text;
}

static void assert_good(const char *text, bool allow_http, struct steam_answer *out)
{
    struct span copy = exact_copy(span_str(text));
    const char *why = NULL;
    int r = steam_answer_parse(copy, allow_http, out, &why);

    exact_free(copy);
    if (r != 0)
        fail_msg("%s: %s", text, why ? why : "no reason");
}

static void assert_bad_bytes(struct span text, bool allow_http, const char *part_of_why)
{
    static struct steam_answer answer;
    struct span copy = exact_copy(text);
    const char *why = NULL;
    int r;

    (void)snprintf(answer.gid, sizeof(answer.gid), "old");
    r = steam_answer_parse(copy, allow_http, &answer, &why);
    exact_free(copy);
    if (r != -EBADMSG || !why || !strstr(why, part_of_why))
        fail_msg("%.*s: %d, %s", (int)text.n, text.p, r, why ? why : "no reason");
    assert_string_equal(answer.gid, "old");
}

static void assert_bad(const char *text, const char *part_of_why)
{
    assert_bad_bytes(span_str(text), true, part_of_why);
}

static void a_whole_answer(void **state)
{
    static struct steam_answer a;

    assert_good(good, false, &a);
    assert_string_equal(a.url, "https://storage.example.net:443/up/1?sig=a%2Fb&x=1");
    assert_string_equal(a.gid, "3180823746732147");
    assert_int_equal(a.n_headers, 3);
    assert_string_equal(a.headers[0].name, "Content-Type");
    assert_string_equal(a.headers[0].value, "application/zip");
    assert_string_equal(a.headers[1].value, "Block Blob");
    assert_string_equal(a.headers[2].value, "");
}

static void urls(void **state)
{
    static const struct {
        const char *url, *why;
    } bad[] = {
        { "\"\"", "no url" },
        { "null", "no url" },
        { "7", "no url" },
        { "[\"https://a/\"]", "no url" },
        { "\"ftp://a/\"", "neither" },
        { "\"file:///etc/passwd\"", "neither" },
        { "\"/relative\"", "neither" },
        { "\"https:/a\"", "neither" },
        { "\"https://\"", "no host" },
        { "\"https:///x\"", "no host" },
        { "\"https://:443/\"", "no host" },
        { "\"https://?x\"", "no host" },
        { "\"https://user@a/\"", "user information" },
        { "\"https://user:pw@a/\"", "user information" },
        { "\"https://a\\\\@b/\"", "user information" },
        { "\"https://a b/\"", "no URL may have" },
        { "\"https://a/\\r\\nX: y\"", "no URL may have" },
        { "\"https://a/\\u0000\"", "no URL may have" },
        { "\"https://a/\\u007f\"", "no URL may have" },
        { "\"https://\\u00e9/\"", "no URL may have" },
    };
    static struct steam_answer a;
    struct span text;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_bad(make(bad[i].url, "\"1\"", "[]"), bad[i].why);
    assert_bad_bytes(span_str(make("\"http://a/\"", "\"1\"", "[]")), false, "not https");
    assert_good(make("\"http://127.0.0.1:8080/x\"", "\"1\"", "[]"), true, &a);
    assert_good(make("\"https://[::1]/a@b\"", "\"1\"", "[]"), false, &a);
    assert_string_equal(a.url, "https://[::1]/a@b");
    text = stretched("{\"response\":{\"gid\":1,\"url\":\"https://a/", 'x', 2048 - 10, "\"}}");
    assert_int_equal(steam_answer_parse(text, false, &a, &(const char *){ NULL }), 0);
    assert_int_equal(strlen(a.url), 2048);
    exact_free(text);
    text = stretched("{\"response\":{\"gid\":1,\"url\":\"https://a/", 'x', 2048 - 9, "\"}}");
    assert_bad_bytes(text, false, "too long");
    exact_free(text);
}

static void gids(void **state)
{
    static const char *const bad[] = {
        "null", "\"\"",    "1.5",       "true",        "-1",
        "{}",   "\"a b\"", "\"a\\nb\"", "\"\\u0000\"", "\"\\u00e9\""
    };
    static struct steam_answer a;
    char gid[128];

    assert_good(make("\"https://a/\"", "18446744073709551", "[]"), false, &a);
    assert_string_equal(a.gid, "18446744073709551");
    assert_good(make("\"https://a/\"", "0", "[]"), false, &a);
    assert_string_equal(a.gid, "0");
    assert_good(make("\"https://a/\"", "9223372036854775807", "[]"), false, &a);
    assert_string_equal(a.gid, "9223372036854775807");
    assert_good(make("\"https://a/\"", "\"18446744073709551615\"", "[]"), false, &a);
    assert_string_equal(a.gid, "18446744073709551615");
    assert_good(make("\"https://a/\"", "\"a&b=%+\"", "[]"), false, &a);
    assert_string_equal(a.gid, "a&b=%+");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_bad(make("\"https://a/\"", bad[i], "[]"), "gid");
    (void)snprintf(gid, sizeof(gid), "\"%064d\"", 1);
    assert_good(make("\"https://a/\"", gid, "[]"), false, &a);
    (void)snprintf(gid, sizeof(gid), "\"%065d\"", 1);
    assert_bad(make("\"https://a/\"", gid, "[]"), "gid");
}

static void headers_that_smuggle(void **state)
{
    static const char *const names[] = { "Host",
                                         "content-length",
                                         "TRANSFER-ENCODING",
                                         "Connection",
                                         "expect",
                                         "Upgrade",
                                         "te",
                                         "Trailer",
                                         "Keep-Alive",
                                         "Proxy-Connection",
                                         "proxy-authorization" };
    static const struct {
        const char *pairs, *why;
    } bad[] = {
        { "7", "no array" },
        { "{}", "no array" },
        { "[7]", "valid name" },
        { "[{}]", "valid name" },
        { "[{\"name\":\"a\"}]", "no value" },
        { "[{\"name\":\"a\",\"value\":1}]", "no value" },
        { "[{\"value\":\"a\"}]", "valid name" },
        { "[{\"name\":\"\",\"value\":\"a\"}]", "valid name" },
        { "[{\"name\":\"a b\",\"value\":\"a\"}]", "valid name" },
        { "[{\"name\":\"a:\",\"value\":\"a\"}]", "valid name" },
        { "[{\"name\":\"a\\r\\nHost\",\"value\":\"a\"}]", "valid name" },
        { "[{\"name\":\"a\\u0000\",\"value\":\"a\"}]", "valid name" },
        { "[{\"name\":\"\\u00e9\",\"value\":\"a\"}]", "valid name" },
        { "[{\"name\":\"a\",\"value\":\"b\\r\\nHost: c\"}]", "control bytes" },
        { "[{\"name\":\"a\",\"value\":\"b\\n\"}]", "control bytes" },
        { "[{\"name\":\"a\",\"value\":\"\\u0000\"}]", "control bytes" },
        { "[{\"name\":\"a\",\"value\":\"\\t\"}]", "control bytes" },
        { "[{\"name\":\"a\",\"value\":\"\\u00e9\"}]", "control bytes" },
    };
    char pairs[256];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        (void)snprintf(pairs, sizeof(pairs), "[{\"name\":\"%s\",\"value\":\"x\"}]", names[i]);
        assert_bad(make("\"https://a/\"", "1", pairs), "framed");
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_bad(make("\"https://a/\"", "1", bad[i].pairs), bad[i].why);
}

static void headers_are_bounded(void **state)
{
    static struct steam_answer a;
    char pairs[4096] = "[";
    size_t n = 1;
    struct span text;

    for (unsigned i = 0; i < STEAM_ANSWER_MAX_HEADERS; i++)
        n += (size_t)snprintf(pairs + n, sizeof(pairs) - n, "%s{\"name\":\"h%u\",\"value\":\"%u\"}",
                              i ? "," : "", i, i);
    (void)snprintf(pairs + n, sizeof(pairs) - n, "]");
    assert_good(make("\"https://a/\"", "1", pairs), false, &a);
    assert_int_equal(a.n_headers, STEAM_ANSWER_MAX_HEADERS);
    assert_string_equal(a.headers[19].name, "h19");
    (void)snprintf(pairs + n, sizeof(pairs) - n, ",{\"name\":\"h\",\"value\":\"\"}]");
    assert_bad(make("\"https://a/\"", "1", pairs), "more than 20");
    text = stretched("{\"response\":{\"url\":\"https://a/\",\"gid\":1,\"headers\":{\"pairs\":[{"
                     "\"name\":\"a\",\"value\":\"",
                     'x', 2049, "\"}]}}}");
    assert_bad_bytes(text, false, "too long");
    exact_free(text);
    text = stretched("{\"response\":{\"url\":\"https://a/\",\"gid\":1,\"headers\":{\"pairs\":[{"
                     "\"value\":\"\",\"name\":\"",
                     'x', 129, "\"}]}}}");
    assert_bad_bytes(text, false, "too long");
    exact_free(text);
}

static void no_headers(void **state)
{
    static struct steam_answer a;

    assert_good(make("\"https://a/\"", "1", "[]"), false, &a);
    assert_int_equal(a.n_headers, 0);
    assert_good("{\"response\":{\"url\":\"https://a/\",\"gid\":1}}", false, &a);
    assert_good("{\"response\":{\"url\":\"https://a/\",\"gid\":1,\"headers\":null}}", false, &a);
    assert_good("{\"response\":{\"url\":\"https://a/\",\"gid\":1,\"headers\":{}}}", false, &a);
    assert_int_equal(a.n_headers, 0);
    assert_bad("{\"response\":{\"url\":\"https://a/\",\"gid\":1,\"headers\":[]}}", "no array");
}

static void no_answers(void **state)
{
    static const char *const bad[] = {
        "",
        " ",
        "null",
        "[]",
        "{}",
        "7",
        "\"response\"",
        "{\"response\":null}",
        "{\"response\":[]}",
        "{\"response\":{}",
        "{\"response\":{}}x",
        "{\"response\":{\"url\":\"https://a/\",\"url\":\"https://b/\",\"gid\":1}}",
        "{\"response\":{},\"response\":{\"url\":\"https://a/\",\"gid\":1}}",
        "<html>502 Bad Gateway</html>",
        "{\"response\":{\"url\":\"https://a/\xff\",\"gid\":1}}",
        "{\"response\":{\"url\":\"https://a/\",\"gid\":18446744073709551615}}",
    };
    struct span text;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_bad(bad[i], "it is no JSON object");
    assert_bad("{\"response\":{}}", "no url");
    text = stretched(good, ' ', STEAM_ANSWER_MAX - strlen(good) + 1, "");
    assert_bad_bytes(text, false, "longer than 64 KiB");
    exact_free(text);
    text = stretched("{\"response\":", '[', STEAM_ANSWER_MAX - 12, "");
    assert_bad_bytes(text, false, "it is no JSON object");
    exact_free(text);
}

static void the_largest_answer(void **state)
{
    static struct steam_answer a;
    struct span text = stretched(good, ' ', STEAM_ANSWER_MAX - strlen(good), "");
    const char *why = NULL;

    assert_int_equal(steam_answer_parse(text, false, &a, &why), 0);
    exact_free(text);
}

static void cut(struct span text)
{
    static struct steam_answer a;
    const char *why = NULL;
    int r = steam_answer_parse(text, false, &a, &why);

    if (text.n >= sizeof(good) - 2)
        assert_int_equal(r, 0);
    else
        assert_true(r == -EBADMSG && why);
}

static void any_bytes(struct span text)
{
    static struct steam_answer a;
    const char *why = NULL;

    assert_int_equal(steam_answer_parse(text, true, &a, &why), -EBADMSG);
    assert_non_null(why);
}

static void any_cut_and_any_bytes(void **state)
{
    at_every_cut(span_str(good), cut);
    at_hostile_texts(any_bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_answer),
        cmocka_unit_test(urls),
        cmocka_unit_test(gids),
        cmocka_unit_test(headers_that_smuggle),
        cmocka_unit_test(headers_are_bounded),
        cmocka_unit_test(no_headers),
        cmocka_unit_test(no_answers),
        cmocka_unit_test(the_largest_answer),
        cmocka_unit_test(any_cut_and_any_bytes),
    };

    return cmocka_run_group_tests_name("parse/steam_answer", tests, NULL, NULL);
}
