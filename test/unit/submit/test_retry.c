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
    assert_int_equal(retry_delay(1, 200, UINT32_MAX), 200 + RETRY_FIRST_SECONDS);
    assert_int_equal(retry_delay(1, 4000, UINT32_MAX), 5000);
    assert_int_equal(retry_delay(6, 4000, UINT32_MAX), 5920); /* its own span is longer */
    assert_int_equal(retry_delay(1, 0, 0), 1);
    assert_int_equal(retry_delay(20, 30, UINT32_MAX), 30 + RETRY_MAX_SECONDS);
    assert_int_equal(retry_delay(1, INT64_MAX, 0), RETRY_MAX_SECONDS);
    assert_int_equal(retry_delay(1, INT64_MAX, UINT32_MAX), RETRY_AHEAD_SECONDS);
    assert_int_equal(retry_delay(UINT_MAX, INT64_MAX, UINT32_MAX), RETRY_AHEAD_SECONDS);
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

/* Told to come back tomorrow, or in a quarter of an hour, they do not come together. */
static void a_long_wish_is_spread_widely(void **state)
{
    static const int64_t wishes[] = { 900, 86400, 1000000 };
    uint32_t seed = 2463534242U;

    for (size_t w = 0; w < ARRAY_SIZE(wishes); w++) {
        int64_t wish = MIN(wishes[w], (int64_t)RETRY_MAX_SECONDS);
        unsigned per_tenth[10] = { 0 };

        for (unsigned machine = 0; machine < 10000; machine++) {
            int64_t late = retry_delay(1, wishes[w], next_random(&seed)) - wish;

            assert_in_range(late, 0, wish / 4);
            per_tenth[MIN(late * 40 / wish, (int64_t)9)]++;
        }
        for (size_t i = 0; i < ARRAY_SIZE(per_tenth); i++)
            assert_in_range(per_tenth[i], 800, 1200);
    }
}

static void waits_for_a_server_are_spread(void **state)
{
    assert_int_equal(retry_wait_ms(1, 0), 500);
    assert_int_equal(retry_wait_ms(1, UINT32_MAX), 1500);
    assert_int_equal(retry_wait_ms(4, 0), 4000);
    for (unsigned tries = 0; tries < 200; tries++) {
        int64_t least = retry_wait_ms(tries, 0);

        assert_in_range(least, 500, RETRY_WAIT_MAX_SECONDS * 500);
        assert_int_equal(retry_wait_ms(tries, UINT32_MAX), 3 * least);
        assert_true(tries < 8 || least == RETRY_WAIT_MAX_SECONDS * 500);
    }
    assert_int_equal(retry_wait_ms(UINT_MAX, 0), RETRY_WAIT_MAX_SECONDS * 500);
}

static void a_boots_first_try_is_spread(void **state)
{
    assert_int_equal(retry_first_ms(0, UINT32_MAX), RETRY_SPREAD_SECONDS * 1000);
    assert_int_equal(retry_first_ms(100, UINT32_MAX), (RETRY_SPREAD_SECONDS - 100) * 1000);
    assert_int_equal(retry_first_ms(100, 0), 0);
    assert_int_equal(retry_first_ms(RETRY_SPREAD_SECONDS, UINT32_MAX), 0);
    assert_int_equal(retry_first_ms(INT64_MAX, UINT32_MAX), 0);
    assert_int_equal(retry_first_ms(-1, UINT32_MAX), 0);
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
        cmocka_unit_test(a_long_wish_is_spread_widely),
        cmocka_unit_test(waits_for_a_server_are_spread),
        cmocka_unit_test(a_boots_first_try_is_spread),
        cmocka_unit_test(retry_after_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
