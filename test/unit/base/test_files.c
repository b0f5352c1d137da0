/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rooted access and atomic files, run twice: with openat2(2), and with a filter that denies it. */
#include "unit.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/atomic_file.h"
#include "base/json_file.h"

static void reads_a_line(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_strbuf_ struct strbuf text = { 0 };
    uint64_t number = 0;
    char buf[16];

    unit_write_str(t, "/sys/x/y", "  value \nsecond\n");
    assert_int_equal(root_read_line(&t->root, "/sys/x/y", buf, sizeof(buf)), 0);
    assert_string_equal(buf, "value");
    assert_int_equal(root_read_line(&t->root, "/sys/x/y", buf, 3), -EFBIG);
    assert_int_equal(root_read_line(&t->root, "/sys/x/z", buf, sizeof(buf)), -ENOENT);
    unit_write_str(t, "/sys/x/n", "4096\n");
    assert_int_equal(root_read_u64(&t->root, "/sys/x/n", &number), 0);
    assert_int_equal(root_read_u64(&t->root, "/sys/x/y", &number), -EBADMSG);
    assert_int_equal(root_read_u64(&t->root, "/sys/x/z", &number), -ENOENT);
    assert_int_equal(number, 4096);
    assert_int_equal(root_read_some(&t->root, "/sys/x/z", 3, &text), 0);
    assert_int_equal(text.n, 0);
    assert_int_equal(root_read_some(&t->root, "/sys/x/y", 3, &text), 0);
    assert_int_equal(text.n, 3);
}

static void links_stay_inside(void **state)
{
    struct unit_tree *t = *state;
    struct {
        const char *link, *target;
    } cases[] = {
        { "abs", "/etc/inside" },
        { "up", "../../../../../../../../etc/inside" },
        { "chain", "abs" },
        { "dirlink", "/etc" },
    };
    char path[128], buf[32];

    unit_write_str(t, "/etc/inside", "ours\n");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", t->dir, cases[i].link);
        assert_int_equal(symlink(cases[i].target, path), 0);
    }
    assert_int_equal(root_read_line(&t->root, "/abs", buf, sizeof(buf)), 0);
    assert_string_equal(buf, "ours");
    assert_int_equal(root_read_line(&t->root, "/up", buf, sizeof(buf)), 0);
    assert_int_equal(root_read_line(&t->root, "/chain", buf, sizeof(buf)), 0);
    assert_int_equal(root_read_line(&t->root, "/dirlink/inside", buf, sizeof(buf)), 0);
    assert_int_equal(root_read_line(&t->root, "/dirlink/../etc/./inside", buf, sizeof(buf)), 0);
    /* What exists only outside of the tree is not found. */
    assert_false(root_exists(&t->root, "/../../../../../../../../proc/self/status"));
    (void)snprintf(path, sizeof(path), "%s/loop", t->dir);
    assert_int_equal(symlink("loop", path), 0);
    assert_int_equal(root_read_line(&t->root, "/loop", buf, sizeof(buf)), -ELOOP);
}

static void untrusted_files_must_be_plain(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int home = -EBADF, fd = -EBADF;
    char path[128];

    unit_write_str(t, "/home/u/a/file", "x");
    (void)snprintf(path, sizeof(path), "%s/home/u/link", t->dir);
    assert_int_equal(symlink("a", path), 0);
    (void)snprintf(path, sizeof(path), "%s/home/u/a/linkfile", t->dir);
    assert_int_equal(symlink("file", path), 0);
    (void)snprintf(path, sizeof(path), "%s/home/u/a/fifo", t->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    home = root_open_dir(&t->root, "/home/u");
    assert_true(home >= 0);
    fd = open_untrusted(home, "a/file");
    assert_true(fd >= 0);
    assert_int_equal(open_untrusted(home, "link/file"), -ELOOP);
    assert_int_equal(open_untrusted(home, "a/linkfile"), -ELOOP);
    assert_int_equal(open_untrusted(home, "a/fifo"), -EINVAL);
    assert_int_equal(open_untrusted(home, "a"), -EINVAL);
}

static void makes_directories(void **state)
{
    struct unit_tree *t = *state;
    struct stat st;
    int fd = root_make_dir(&t->root, "/home/.steamos//var/kdump", 0700);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    (void)close(fd);
    assert_int_equal(root_stat(&t->root, "/home/.steamos", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    fd = root_make_dir(&t->root, "/home/.steamos/var/kdump", 0700);
    assert_true(fd >= 0);
    (void)close(fd);
    unit_write_str(t, "/file", "");
    assert_int_equal(root_make_dir(&t->root, "/file/dir", 0700), -ENOTDIR);
}

static void atomic_files_appear_whole_or_not(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int dir = root_open_dir(&t->root, "/");
    struct atomic_file f = ATOMIC_FILE_INIT;
    struct stat st;
    char buf[16];

    assert_int_equal(atomic_file_open(&f, dir, "a", 0600), 0);
    assert_int_equal(fd_write_all(f.fd, "one\n", 4), 0);
    assert_false(root_exists(&t->root, "/a"));
    assert_int_equal(atomic_file_commit(&f, false), 0);
    assert_int_equal(root_stat(&t->root, "/a", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    f = (struct atomic_file)ATOMIC_FILE_INIT;
    assert_int_equal(atomic_file_open(&f, dir, "a", 0600), 0);
    assert_int_equal(fd_write_all(f.fd, "two\n", 4), 0);
    assert_int_equal(atomic_file_commit(&f, false), -EEXIST);
    assert_int_equal(root_read_line(&t->root, "/a", buf, sizeof(buf)), 0);
    assert_string_equal(buf, "one");
    assert_int_equal(atomic_file_set_name(&f, "b"), 0);
    assert_int_equal(atomic_file_commit(&f, false), 0);
    assert_int_equal(root_read_line(&t->root, "/b", buf, sizeof(buf)), 0);
    assert_string_equal(buf, "two");

    f = (struct atomic_file)ATOMIC_FILE_INIT;
    assert_int_equal(atomic_file_open(&f, dir, "c", 0600), 0);
    atomic_file_discard(&f);
    assert_false(root_exists(&t->root, "/c"));
    assert_int_equal(atomic_file_open(&f, dir, "../x", 0600), -EINVAL);

    /* An interrupted writer's leftover goes; other files stay, names that only begin alike too. */
    unit_write_str(t, "/.tmp-0123456789abcdef", "half");
    unit_write_str(t, "/.tmp-0123", "of another program");
    atomic_file_sweep(dir, 3600);
    assert_true(root_exists(&t->root, "/.tmp-0123456789abcdef"));
    atomic_file_sweep(dir, 0);
    assert_false(root_exists(&t->root, "/.tmp-0123456789abcdef"));
    assert_true(root_exists(&t->root, "/.tmp-0123"));
    assert_true(root_exists(&t->root, "/b"));
}

static void renames_replace_nothing(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int dir = root_open_dir(&t->root, "/");
    char buf[16];

    unit_write_str(t, "/a", "a");
    unit_write_str(t, "/b", "b");
    assert_int_equal(rename_durable(dir, "a", dir, "b"), -EEXIST);
    assert_int_equal(root_read_line(&t->root, "/b", buf, sizeof(buf)), 0);
    assert_string_equal(buf, "b");
    assert_int_equal(rename_durable(dir, "a", dir, "c"), 0);
    assert_int_equal(unlink_durable(dir, "c"), 0);
    assert_int_equal(unlink_durable(dir, "c"), 0);
}

static void json_files_round_trip(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int dir = root_open_dir(&t->root, "/");
    _cleanup_json_ json_t *value = json_pack("{s:i, s:s}", "n", 5, "s", "x"), *back = NULL;

    assert_int_equal(json_file_write(dir, "j.json", value), 0);
    assert_int_equal(json_file_read(dir, "j.json", &back), 0);
    assert_true(json_equal(value, back));
    assert_int_equal(json_get_int(back, "n", 0), 5);
    assert_int_equal(json_get_int(back, "s", -1), -1);
    unit_write_str(t, "/bad.json", "[1]");
    assert_int_equal(json_file_read(dir, "bad.json", &value), -EBADMSG);
    unit_write_str(t, "/cut.json", "{\"a\":");
    assert_int_equal(json_file_read(dir, "cut.json", &value), -EBADMSG);
}

static void reads_are_bounded(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_strbuf_ struct strbuf b = { 0 };
    char big[5000];

    memset(big, 'x', sizeof(big));
    unit_write(t, "/big", big, sizeof(big));
    assert_int_equal(root_read(&t->root, "/big", 5000, &b), 0);
    assert_int_equal(b.n, 5000);
    strbuf_clear(&b);
    assert_int_equal(root_read(&t->root, "/big", 4999, &b), -EFBIG);
    assert_int_equal(b.n, 4999);
}

/* From now on openat2 fails with ENOSYS, as under an older container's filter. */
static void deny_openat2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("seccomp");
        exit(1);
    }
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TREE_TEST(reads_a_line),
        TREE_TEST(links_stay_inside),
        TREE_TEST(untrusted_files_must_be_plain),
        TREE_TEST(makes_directories),
        TREE_TEST(atomic_files_appear_whole_or_not),
        TREE_TEST(renames_replace_nothing),
        TREE_TEST(json_files_round_trip),
        TREE_TEST(reads_are_bounded),
    };
    bool denied = argc > 1 && strcmp(argv[1], "--without-openat2") == 0;

    if (denied)
        deny_openat2();
    return cmocka_run_group_tests_name(denied ? "files without openat2" : "files", tests, NULL,
                                       NULL);
}
