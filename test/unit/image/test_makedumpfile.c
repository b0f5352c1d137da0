/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/macro.h"
#include "image/makedumpfile.h"

#define DEBIAN                                                                                \
    "makedumpfile: version 1.7.2 (released on 20 Oct 2022)\nlzo\tenabled\nsnappy\tdisabled\n" \
    "zstd\tdisabled\n\n"

static void answers(void **state)
{
    struct makedumpfile_can can = { 0 };

    assert_true(makedumpfile_parse(SPAN(DEBIAN), &can));
    assert_true(can.lzo && !can.snappy && !can.zstd);
    assert_true(makedumpfile_parse(SPAN("lzo\tdisabled\nsnappy\tenabled\nzstd\tenabled"), &can));
    assert_true(!can.lzo && can.snappy && can.zstd);
    assert_true(makedumpfile_parse(SPAN("version 1.5\nlzo\tenabled\n"), &can)); /* no others yet */
    assert_true(can.lzo && !can.snappy && !can.zstd);
    assert_false(makedumpfile_parse(SPAN("makedumpfile: version 1.3.7\n"), &can));
    assert_false(makedumpfile_parse(SPAN("error: lzo is enabled\n"), &can));
    assert_false(makedumpfile_parse(SPAN(""), &can));
    assert_true(can.lzo); /* untouched */
}

static void options(void **state)
{
    static const struct makedumpfile_can debian = { .lzo = true }, none = { 0 },
                                         new = { .snappy = true, .zstd = true };
    static const struct {
        const struct makedumpfile_can *can;
        const char *options, *fitted, *change; /* asked and instead */
    } cases[] = {
        { &debian, "-l -d 31", "-l -d 31", "" },
        { &debian, "-z -d 31", "-l -d 31", "zl" },
        { &debian, "-p  -d 31", "-l  -d 31", "pl" },
        { &debian, "-zd31 -D", "-ld31 -D", "zl" },
        { &debian, "-d31 -c", "-d31 -c", "" },
        { &debian, "--message-level 7 --zlib -x/boot/zz z", "--message-level 7 --zlib -x/boot/zz z",
          "" },
        { &none, "-d 17 -l", "-d 17 -c", "lc" },
        { &new, "-l -d 31", "-p -d 31", "lp" },
        { &new, "-z -d 31", "-z -d 31", "" },
        { &debian, "", "", "" },
        { &debian, "-", "-", "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_strbuf_ struct strbuf out = { 0 };
        char change[3] = "";

        assert_int_equal(makedumpfile_fit(span_str(cases[i].options), cases[i].can, &out,
                                          &change[0], &change[1]),
                         0);
        assert_string_equal(strbuf_cstr(&out), cases[i].fitted);
        assert_string_equal(change, cases[i].change);
    }
}

static void threads(void **state)
{
    assert_true(makedumpfile_has_threads(SPAN("-l --num-threads 4 -d 31")));
    assert_true(makedumpfile_has_threads(SPAN("--num-threads=1")));
    assert_false(makedumpfile_has_threads(SPAN("-l -d 31")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(options),
        cmocka_unit_test(threads),
    };

    return cmocka_run_group_tests_name("makedumpfile", tests, NULL, NULL);
}
