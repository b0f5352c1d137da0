/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/sysops.h"

static int run(const char *const argv[], size_t max, unsigned timeout, struct strbuf *out)
{
    return sysops_host.run(sysops_host.ctx, argv, max, timeout, out);
}

static void gives_output_and_status(void **state)
{
    _cleanup_strbuf_ struct strbuf out = { 0 };
    const char *const argv[] = { "/bin/sh", "-c", "echo $LC_ALL; echo lost >&2; exit 3", NULL };

    assert_int_equal(run(argv, 100, 10, &out), 3);
    assert_string_equal(strbuf_cstr(&out), "C\n");
}

static void bounds_output_and_time(void **state)
{
    _cleanup_strbuf_ struct strbuf out = { 0 };
    const char *const endless[] = { "/bin/sh", "-c", "while :; do echo xxxxxxxxxxxxxxxx; done",
                                    NULL };
    const char *const idle[] = { "/bin/sh", "-c", "exec sleep 60", NULL };
    const char *const lingers[] = { "/bin/sh", "-c", "exec >&-; exec sleep 60", NULL };

    assert_int_equal(run(endless, 10000, 10, &out), -EFBIG);
    assert_true(out.n <= 10000);
    assert_int_equal(run(idle, 100, 1, &out), -ETIMEDOUT);
    assert_int_equal(run(lingers, 100, 1, &out), -ETIMEDOUT);
}

static void says_what_is_missing_or_killed(void **state)
{
    _cleanup_strbuf_ struct strbuf out = { 0 };
    const char *const missing[] = { "/nonexistent/tool", NULL };
    const char *const killed[] = { "/bin/sh", "-c", "kill -9 $$", NULL };

    assert_int_equal(run(missing, 100, 5, &out), -ENOENT);
    assert_int_equal(run(killed, 100, 5, &out), 128 + 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_output_and_status),
        cmocka_unit_test(bounds_output_and_time),
        cmocka_unit_test(says_what_is_missing_or_killed),
    };

    return cmocka_run_group_tests_name("sysops", tests, NULL, NULL);
}
