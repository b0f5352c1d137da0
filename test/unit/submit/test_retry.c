/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <limits.h>

#include "base/macro.h"
#include "submit/retry.h"

enum { NOW = 1767323045 }; /* Fri, 02 Jan 2026 03:04:05 GMT */

static void every_status_is_judged(void **state)
{
    for (int status = -1; status < 1000; status++) {
        enum submit_outcome expected = SUBMIT_PROTOCOL;

        if (status >= 200 && status <= 299)
            expected = SUBMIT_OK;
        else if (status == 408 || status == 425 || status == 429 || status >= 500)
            expected = SUBMIT_LATER;
        else if (status >= 400)
            expected = SUBMIT_REFUSED;
        assert_int_equal(submit_judge_status(status), expected);
    }
}

static void delays_grow_and_are_bounded(void **state)
{
    int64_t before = 0;

    for (unsigned attempts = 0; attempts < 40; attempts++) {
        int64_t longest = retry_delay(attempts, -1, UINT32_MAX);

        assert_true(longest >= before);
        assert_true(longest <= RETRY_MAX_SECONDS);
        assert_int_equal(retry_delay(attempts, -1, 0), 1);
        assert_in_range(retry_delay(attempts, -1, UINT32_MAX / 2), longest / 2 - 1,
                        longest / 2 + 1);
        before = longest;
    }
    assert_int_equal(retry_delay(1, -1, UINT32_MAX), RETRY_FIRST_SECONDS);
    assert_int_equal(retry_delay(2, -1, UINT32_MAX), 2 * RETRY_FIRST_SECONDS);
    assert_int_equal(before, RETRY_MAX_SECONDS);
    assert_int_equal(retry_delay(UINT_MAX, -1, UINT32_MAX), RETRY_MAX_SECONDS);
}

static void the_servers_wish_is_heard(void **state)
{
    assert_int_equal(retry_delay(1, 300, 0), 300);
    assert_int_equal(retry_delay(1, 300, UINT32_MAX), 300 + RETRY_FIRST_SECONDS);
    assert_int_equal(retry_delay(1, 0, 0), 1);
    assert_int_equal(retry_delay(20, 30, UINT32_MAX), RETRY_MAX_SECONDS);
    assert_int_equal(retry_delay(1, INT64_MAX, 5), RETRY_MAX_SECONDS);
    assert_int_equal(retry_delay(1, INT64_MIN, 5), 1);
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

/* The power comes back in a town, and the server is down: what each machine draws keeps them apart,
 * with and without its word on when to return. */
static void a_herd_is_spread(void **state)
{
    enum { MACHINES = 10000, TRIES = 6, MINUTES = 64 };
    static const int64_t wishes[] = { -1, 120 };

    for (size_t w = 0; w < ARRAY_SIZE(wishes); w++) {
        unsigned per_minute[MINUTES * 3] = { 0 }, most = 0;
        uint32_t seed = 2463534242U;

        for (unsigned machine = 0; machine < MACHINES; machine++) {
            int64_t when = 0;

            for (unsigned tries = 1; tries <= TRIES; tries++)
                when += retry_delay(tries, wishes[w], next_random(&seed));
            assert_true(when >= TRIES * MAX(wishes[w], (int64_t)1));
            assert_in_range(when / 60, 0, MINUTES * 3 - 1);
            per_minute[when / 60]++;
        }
        for (size_t i = 0; i < ARRAY_SIZE(per_minute); i++)
            most = MAX(most, per_minute[i]);
        /* Six spans are 63 minutes: no minute gets four times its share. */
        assert_true(most < 4 * MACHINES / 63);
    }
    /* Told the same after the first failure, they share the first span, and not one second. */
    for (uint32_t seed = 1, machine = 0, same = 0; machine < MACHINES; machine++) {
        same += retry_delay(1, 300, next_random(&seed)) == 300;
        assert_true(same < MACHINES / 20);
    }
}

static void retry_after_values(void **state)
{
    static const struct {
        const char *value;
        int64_t expected;
    } cases[] = {
        { "0", 0 },
        { "1", 1 },
        { "3600", 3600 },
        { "007", 7 },
        { "86400", 86400 },
        { "86401", 86400 },
        { "18446744073709551615", 86400 },
        { "18446744073709551616", 86400 },
        { "99999999999999999999999999999999999999999999999999999999999999999999999999", 86400 },
        /* RFC 9110, 5.6.7: the form to send, and two that are still to be understood */
        { "Fri, 02 Jan 2026 03:04:35 GMT", 30 },
        { "Friday, 02-Jan-26 03:04:35 GMT", 30 },
        { "Fri Jan  2 03:04:35 2026", 30 },
        { "Fri, 02 Jan 2026 03:04:05 GMT", 0 },
        { "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
        { "Fri, 31 Dec 9999 23:59:59 GMT", 86400 },
        { "", -1 },
        { "-1", -1 },
        { "+1", -1 },
        { "0x10", -1 },
        { "1.5", -1 },
        { "12 s", -1 },
        { "soon", -1 },
        { "Fri, 02 Jan 2026 03:04:35 CET", -1 },
        { "Fri, 02 Jan 2026 03:04:35 GMT, or so", -1 },
        { "Fri, 02 Jan 2026", -1 },
        { "Fri, 99 Foo 2026 03:04:35 GMT", -1 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int64_t found = retry_after_parse(span_str(cases[i].value), NOW);

        if (found != cases[i].expected)
            fail_msg("'%s' gives %lld", cases[i].value, (long long)found);
    }
    assert_int_equal(retry_after_parse(span_bytes("60\0junk", 7), NOW), -1);
    assert_int_equal(retry_after_parse((struct span){ NULL, 0 }, NOW), -1);
    assert_int_equal(
        retry_after_parse(span_bytes("Fri, 02 Jan 2026 03:04:35 GMT\0junk", 34), NOW), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_judged),
        cmocka_unit_test(delays_grow_and_are_bounded),
        cmocka_unit_test(the_servers_wish_is_heard),
        cmocka_unit_test(a_herd_is_spread),
        cmocka_unit_test(retry_after_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
