/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Saving into a directory: names, modes, sparse copies. */
#include "../vmcore/ring.h"
#include "capture/full.h"
#include "capture/save.h"

struct place {
    struct unit_tree *tree;
    struct core *core;
    int dir;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof(*p));

    if (!p || unit_tree_setup((void **)&p->tree) < 0 || core_setup((void **)&p->core) < 0)
        return -1;
    p->dir = open(p->tree->dir, O_RDONLY | O_DIRECTORY);
    *state = p;
    return p->dir < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    int r;

    (void)close(p->dir);
    r = core_teardown((void **)&p->core);
    if (r == 0)
        r = unit_tree_teardown((void **)&p->tree);
    free(p);
    return r;
}

static void test_directories(void **state)
{
    static const char *const names[] = { "20240229235959", "20240229235959-1", "20240229235959-2" };
    struct place *p = *state;
    struct stat st;
    char name[SAVE_NAME], path[128];

    for (size_t i = 0; i < 3; i++) {
        int fd = save_directory(p->dir, 1709251199, name);

        assert_true(fd >= 0);
        assert_string_equal(name, names[i]);
        (void)close(fd);
        (void)snprintf(path, sizeof(path), "crash/%s", name);
        assert_int_equal(fstatat(p->dir, path, &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
    }
    assert_int_equal(fstatat(p->dir, "crash", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

/* A link where the folder should be is not followed. */
static void test_link(void **state)
{
    struct place *p = *state;
    char name[SAVE_NAME];

    assert_int_equal(symlinkat("/tmp", p->dir, "crash"), 0);
    assert_true(save_directory(p->dir, 0, name) < 0);
}

static void test_dmesg(void **state)
{
    static struct vmcore v;
    struct place *p = *state;
    struct ring_writer w;
    struct stat st;
    char text[64] = { 0 };
    int fd;

    ring_start(&w, p->core, 12);
    (void)ring_add(&w, 1000000, 1, "one", 3, RING_FINALIZED);
    ring_finish(&w, core_direct(0));
    assert_int_equal(core_open(p->core, &v), 0);
    assert_int_equal(save_dmesg(p->dir, &v, false), 19);
    fd = openat(p->dir, "dmesg.txt", O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(read(fd, text, sizeof(text)), 19);
    assert_string_equal(text, "[    0.001000] one\n");
    (void)close(fd);
    assert_int_equal(faccessat(p->dir, ".tmp-dmesg.txt", F_OK, 0), -1);
    assert_int_equal(unlinkat(p->dir, "dmesg.txt", 0), 0);
    /* A log that cannot be read leaves nothing behind. */
    core_put(p->core, RING_STRUCT + 8, 0, 8);
    core_put(p->core, RING_BUFFER, 0, 8);
    assert_true(save_dmesg(p->dir, &v, false) < 0);
    assert_int_equal(faccessat(p->dir, "dmesg.txt", F_OK, 0), -1);
    assert_int_equal(faccessat(p->dir, ".tmp-dmesg.txt", F_OK, 0), -1);
}

/* Its records make no sense: there is its text. */
static void test_damaged_log(void **state)
{
    static const char expected[] =
        "[kdump-steamos: the log is damaged; this is the text in its memory]\n?the last words\n";
    static struct vmcore v;
    struct place *p = *state;
    struct ring_writer w;
    char text[256] = { 0 };
    int fd;

    ring_start(&w, p->core, 12);
    (void)ring_add(&w, 1000000, 1, "the last words", 14, RING_FINALIZED);
    ring_finish(&w, core_direct(0));
    core_put(p->core, RING_STRUCT + 8, 0, 8);
    assert_int_equal(core_open(p->core, &v), 0);
    assert_int_equal(save_dmesg(p->dir, &v, false), sizeof(expected) - 1);
    fd = openat(p->dir, "dmesg.txt", O_RDONLY);
    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, expected);
    (void)close(fd);
}

static void test_copy(void **state)
{
    enum { SIZE = (3 << 20) + 1234 };
    struct place *p = *state;
    char *a = calloc(1, SIZE), *b = malloc(SIZE);
    struct stat st;
    int from, to;

    memset(a + 5000, 1, 3);
    memset(a + (1 << 20) - 10, 2, 20);
    memset(a + SIZE - 1, 3, 1);
    from = openat(p->dir, "from", O_RDWR | O_CREAT, 0600);
    to = openat(p->dir, "to", O_RDWR | O_CREAT, 0600);
    assert_true(from >= 0 && to >= 0);
    assert_int_equal(fd_write_all(from, a, SIZE), 0);
    assert_int_equal(full_copy(from, to, SIZE, NULL), 0);
    assert_int_equal(fstat(to, &st), 0);
    assert_int_equal(st.st_size, SIZE);
    assert_true(st.st_blocks * 512 < 128 << 10);
    assert_int_equal(pread(to, b, SIZE, 0), SIZE);
    assert_memory_equal(a, b, SIZE);
    assert_int_equal(ftruncate(to, 0), 0);
    assert_int_equal(full_copy(from, to, 8192, NULL), -ENOSPC);
    (void)close(from);
    (void)close(to);
    free(a);
    free(b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = { T(test_directories), T(test_link), T(test_dmesg),
                                        T(test_damaged_log), T(test_copy) };

    (void)umask(077);
    return cmocka_run_group_tests_name("capture/save", tests, NULL, NULL);
}
