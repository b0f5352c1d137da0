/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb test, with a kernel that can be crashed without harm. */
#include "unit.h"

#include "prove/prove.h"
#include "spool/proof.h"

#define STATE "/spool/state/test.json"

struct victim {
    struct unit_tree *tree;
    unsigned crashes;
    bool noted; /* when it crashed, test.json was there */
    int result;
};

static int crash(void *ctx)
{
    struct victim *v = ctx;

    v->crashes++;
    v->noted = root_exists(&v->tree->root, STATE);
    return v->result;
}

static void armed(struct unit_tree *t)
{
    unit_write_str(t, "/proc/self/mounts", "pstore /sys/fs/pstore pstore rw 0 0\n");
    unit_write_str(t, "/sys/fs/pstore/.keep", "");
    unit_write_str(t, "/sys/module/pstore/parameters/backend", "efi_pstore\n");
    unit_write_str(t, "/proc/sys/kernel/osrelease", "6.1.0\n");
    unit_write_str(t, "/proc/sys/kernel/random/boot_id", "boot-1\n");
    unit_write_str(t, "/sys/class/dmi/id/bios_version", "F7A0116\n");
}

/* Runs the verb, with this text on stdin. */
static int run(struct victim *v, const char *option, const char *answer)
{
    struct sysops ops = { .ctx = v, .crash = crash };
    struct context context = { .root = v->tree->root, .ops = &ops };
    char *argv[] = { (char *)(uintptr_t) "test", (char *)(uintptr_t)option, NULL };
    int pipes[2], saved = dup(STDIN_FILENO), r;

    assert_int_equal(config_load(&v->tree->root, NULL, &context.config), 0);
    free(context.config.kdump_folder);
    context.config.kdump_folder = strdup("/spool");
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], answer, strlen(answer)), (ssize_t)strlen(answer));
    (void)close(pipes[1]);
    (void)dup2(pipes[0], STDIN_FILENO);
    (void)close(pipes[0]);
    clearerr(stdin);
    optind = 0;
    r = verb_test.run(&context, option ? 2 : 1, argv);
    printf("\n"); /* behind the question: the lines of the tests' output stay whole */
    (void)dup2(saved, STDIN_FILENO);
    (void)close(saved);
    config_done(&context.config);
    return r;
}

static void test_yes_crashes(void **state)
{
    struct unit_tree *t = *state;
    struct victim v = { .tree = t, .result = -EPERM };
    static const char *const ways[] = { "--yes", "-y", NULL };

    armed(t);
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
        assert_int_equal(run(&v, ways[i], "yes\n"), -EPERM);
    assert_int_equal(v.crashes, 3);
    assert_true(v.noted);
    /* It lives: then no crash is awaited. */
    assert_false(root_exists(&t->root, STATE));
}

static void test_anything_else_does_not(void **state)
{
    static const char *const answers[] = {
        "", "\n", "no\n", "y\n", "YES\n", "yes please\n", "yesyesyesyesyesyesyesyesyes\n"
    };
    struct unit_tree *t = *state;
    struct victim v = { .tree = t };

    armed(t);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
        assert_int_equal(run(&v, NULL, answers[i]), EXIT_FAILURE);
    assert_int_equal(run(&v, "--no", "yes\n"), EXIT_USAGE);
    assert_int_equal(run(&v, "argument", "yes\n"), EXIT_USAGE);
    assert_int_equal(v.crashes, 0);
    assert_false(root_exists(&t->root, STATE));
}

static void test_what_is_awaited_is_noted(void **state)
{
    struct unit_tree *t = *state;
    struct victim v = { .tree = t };
    struct proof noted = { 0 };
    int fd;

    armed(t);
    v.result = 0;
    (void)run(&v, "-y", "");
    assert_true(v.noted);
    fd = root_make_dir(&t->root, "/spool/state", 0700);
    assert_true(fd >= 0);
    assert_int_equal(proof_test_read(fd, &noted), -ENOENT); /* crash() came back */
    proof_of_now(&t->root, &noted);
    assert_string_equal(noted.kernel, "6.1.0");
    assert_string_equal(noted.firmware, "F7A0116");
    assert_string_equal(noted.mechanism, "");
    unit_write_str(t, "/sys/kernel/kexec_crash_loaded", "1\n");
    proof_of_now(&t->root, &noted);
    assert_string_equal(noted.mechanism, "kdump");
    (void)close(fd);
}

static void test_not_armed(void **state)
{
    struct unit_tree *t = *state;
    struct victim v = { .tree = t };

    armed(t);
    unit_write_str(t, "/sys/module/pstore/parameters/backend", "(null)\n");
    assert_int_equal(run(&v, "-y", ""), EXIT_NOT_ARMED);
    assert_int_equal(v.crashes, 0);
    unit_write_str(t, "/sys/kernel/kexec_crash_loaded", "1\n");
    (void)run(&v, "-y", "");
    assert_int_equal(v.crashes, 1);
}

static void test_not_in_a_container(void **state)
{
    struct unit_tree *t = *state;
    struct victim v = { .tree = t };

    armed(t);
    unit_write_str(t, "/run/systemd/container", "docker\n");
    assert_int_equal(run(&v, "-y", ""), EXIT_FAILURE);
    assert_int_equal(v.crashes, 0);
}

/* A test whose crash nobody could expect at the next boot is none. */
static void test_nothing_without_a_note(void **state)
{
    struct unit_tree *t = *state;
    struct victim v = { .tree = t };

    armed(t);
    unit_write_str(t, "/spool", "a file\n");
    assert_true(run(&v, "-y", "") < 0);
    assert_int_equal(v.crashes, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_yes_crashes),
        TEST(test_anything_else_does_not),
        TEST(test_what_is_awaited_is_noted),
        TEST(test_not_armed),
        TEST(test_not_in_a_container),
        TEST(test_nothing_without_a_note),
    };

    (void)setvbuf(stdin, NULL, _IONBF, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
