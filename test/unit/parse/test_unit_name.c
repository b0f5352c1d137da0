/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"
#include "parse.h"

#include "parse/unit_name.h"

static void paths_are_escaped_as_systemd_does(void **state)
{
    /* What `systemd-escape --path` of systemd 252 says. */
    static const struct {
        const char *path, *name;
    } cases[] = {
        { "/home", "home" },
        { "/home/.steamos/offload", "home-.steamos-offload" },
        { "/run/media/deck/My-Card+1", "run-media-deck-My\\x2dCard\\x2b1" },
        { "/.hidden//x/./y/", "\\x2ehidden-x-y" },
        { "/a@b:c_d", "a\\x40b:c_d" },
        { "/\303\266", "\\xc3\\xb6" },
    };
    char name[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_true(unit_name_of_path(cases[i].path, "", name, sizeof(name)));
        assert_string_equal(name, cases[i].name);
    }
    assert_true(unit_name_of_path("/srv", ".mount", name, sizeof(name)));
    assert_string_equal(name, "srv.mount");
}

static void what_has_no_name_gets_none(void **state)
{
    static const char *const paths[] = { "/", "", "///", "/.", "/a/../b", "/.." };
    char name[64];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        assert_false(unit_name_of_path(paths[i], ".mount", name, sizeof(name)));
    for (size_t size = 1; size < sizeof("a-b.mount"); size++)
        assert_false(unit_name_of_path("/a/b", ".mount", name, size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_escaped_as_systemd_does),
        cmocka_unit_test(what_has_no_name_gets_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
