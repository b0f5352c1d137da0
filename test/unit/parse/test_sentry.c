/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "parse/sentry.h"

static void test_good(void **state)
{
    static const struct {
        const char *text, *url, *key;
        bool http;
    } cases[] = {
        { "https://0a1b2c@o1.ingest.sentry.io/42", "https://o1.ingest.sentry.io/api/42/envelope/",
          "0a1b2c", false },
        { "https://k:secret@sentry.example.org/7", "https://sentry.example.org/api/7/envelope/",
          "k", false },
        { "http://spotlight@127.0.0.1:8969/0", "http://127.0.0.1:8969/api/0/envelope/", "spotlight",
          true },
        { "https://k@[2001:db8::1]:9000/a/b/3", "https://[2001:db8::1]:9000/a/b/api/3/envelope/",
          "k", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sentry_dsn dsn;
        const char *why;

        assert_true(sentry_dsn_parse(span_str(cases[i].text), &dsn, &why));
        assert_string_equal(dsn.envelope_url, cases[i].url);
        assert_string_equal(dsn.key, cases[i].key);
        assert_int_equal(dsn.http, cases[i].http);
    }
}

static void test_bad(void **state)
{
    static const char *const cases[] = {
        "",
        "https://",
        "ftp://k@h/1",
        "file:///etc/passwd",
        "https://h/1",
        "https://@h/1",
        "https://k@/1",
        "https://k@h",
        "https://k@h/",
        "https://k@h/1/",
        "https://k@h/1?x=y",
        "https://k@h/1#f",
        "https://k@h@i/1",
        "https://k@h:0/1",
        "https://k@h:65536/1",
        "https://k@h:/1",
        "https://k@h:8a/1",
        "https://k@[::1/1",
        "https://k@h/../1",
        "https://k\r\nX: y@h/1",
        "https://k@h\r\n/1",
        "https://k@h/a b/1",
        "https://k%20@h/1",
        "https://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@h/1",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sentry_dsn dsn = { .key = "untouched" };
        const char *why = NULL;

        assert_false(sentry_dsn_parse(span_str(cases[i]), &dsn, &why));
        assert_true(why && why[0]);
        assert_string_equal(dsn.key, "untouched");
    }
}

static void test_long(void **state)
{
    char text[SENTRY_DSN_MAX + 2];
    struct sentry_dsn dsn;
    const char *why;

    memset(text, 'p', sizeof(text));
    memcpy(text, "https://k@h/", 12);
    assert_true(sentry_dsn_parse(span_bytes(text, SENTRY_DSN_MAX), &dsn, &why));
    assert_int_equal(strlen(dsn.envelope_url),
                     SENTRY_DSN_MAX - 2 + strlen("/api/envelope/") - 1 + 1);
    assert_false(sentry_dsn_parse(span_bytes(text, SENTRY_DSN_MAX + 1), &dsn, &why));
}

static void test_limits(void **state)
{
    static const struct {
        const char *value;
        int64_t error, attachment;
    } cases[] = {
        { "", 0, 0 },
        { "60:error:organization", 60, 0 },
        { "60:transaction:key, 2700:default;error;security:organization", 2700, 0 },
        { "30::organization", 30, 30 },
        { "30", 30, 30 },
        { " 5:attachment;error , 7:error", 7, 5 },
        { "1.5:error", 2, 0 },
        { "x:error, -5:error, :error, 5x:error", 0, 0 },
        { "99999999999999999999999:error, 10:error", 10, 0 },
        { "9999999:error", SENTRY_LIMIT_MAX, 0 },
        { "60:metric_bucket:organization:quota:custom", 0, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sentry_limits limits = sentry_limits_parse(span_str(cases[i].value));

        assert_int_equal(limits.error, cases[i].error);
        assert_int_equal(limits.attachment, cases[i].attachment);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
