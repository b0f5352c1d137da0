/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include "parse/passwd.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "\n"
                             "# no entry\n"
                             "short:x:5:5:gecos\n"
                             "letters:x:five:5::/home/letters:/bin/sh\n"
                             "negative:x:-1:5::/home/negative:/bin/sh\n"
                             ":x:7:7::/nameless:/bin/sh\n"
                             "deck:x:1000:998:Deck User:/home/deck:/bin/bash\n"
                             "noshell:x:997:996::/";

static void test_entries(void **state)
{
    struct span copy = exact_copy(span_str(passwd)), text = copy;
    struct passwd_entry e;

    assert_true(passwd_next(&text, &e));
    assert_true(span_eq(e.name, "root") && e.uid == 0 && e.gid == 0 && span_eq(e.home, "/root"));
    assert_true(passwd_next(&text, &e));
    assert_true(span_eq(e.name, "deck") && e.uid == 1000 && e.gid == 998);
    assert_true(passwd_next(&text, &e));
    assert_true(span_eq(e.name, "noshell") && span_eq(e.home, "/"));
    assert_false(passwd_next(&text, &e));
    exact_free(copy);
}

static void test_find(void **state)
{
    struct passwd_entry e;

    assert_true(passwd_find(span_str(passwd), "deck", &e) && e.uid == 1000);
    assert_false(passwd_find(span_str(passwd), "dec", &e));
    assert_false(passwd_find(span_str(passwd), "short", &e));
    assert_false(passwd_find(SPAN(""), "root", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_entries),
                                        cmocka_unit_test(test_find) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
