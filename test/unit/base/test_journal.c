/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "base/journal.h"

static void test_format(void **state)
{
    static const struct journal_field fields[] = { { "KDUMP_TITLE", "BUG: x = y" },
                                                   { "KDUMP_NONE", NULL },
                                                   { "KDUMP_LINES", "a\nbc" } };
    static const char expected[] = "MESSAGE=it happened\nPRIORITY=5\n"
                                   "SYSLOG_IDENTIFIER=kdump-steamos\nKDUMP_TITLE=BUG: x = y\n"
                                   "KDUMP_LINES\n\4\0\0\0\0\0\0\0a\nbc\n";
    _cleanup_strbuf_ struct strbuf out = { 0 };

    assert_int_equal(journal_format(LOG_LEVEL_NOTICE, "it happened", fields, ARRAY_SIZE(fields),
                                    &out),
                     0);
    assert_int_equal(out.n, sizeof(expected) - 1);
    assert_memory_equal(out.p, expected, out.n);
    assert_int_equal(journal_format(LOG_LEVEL_NOTICE, "x", fields, JOURNAL_FIELDS_MAX + 1, &out),
                     -EINVAL);
}

/* A socket below the tree gets the datagram; its path is longer than a socket address. */
static void test_send(void **state)
{
    struct unit_tree *t = *state;
    static const struct journal_field field = { "KDUMP_TITLE", "crash" };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    char got[512];
    ssize_t n;

    assert_true(fd >= 0);
    (void)close(root_make_dir(&t->root, "/run/systemd/journal", 0755));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/run/systemd/journal/socket",
                   t->dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    log_event(&t->root, LOG_LEVEL_NOTICE, &field, 1, "line %d\nforged", 1);
    n = recv(fd, got, sizeof(got) - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    assert_non_null(strstr(got, "MESSAGE=line 1 forged\n"));
    assert_non_null(strstr(got, "KDUMP_TITLE=crash\n"));
}

/* Without a journal nothing is lost and nothing waits. */
static void test_no_journal(void **state)
{
    struct unit_tree *t = *state;

    errno = EXDEV;
    log_event(&t->root, LOG_LEVEL_NOTICE, NULL, 0, "to stderr");
    assert_int_equal(errno, EXDEV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format),
        cmocka_unit_test_setup_teardown(test_send, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test_setup_teardown(test_no_journal, unit_tree_setup, unit_tree_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
