/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* arm with a crash kernel, where the file system of the kdump folder takes nothing. */
#include "disk.h"
#include "machine.h"

#include <sched.h>
#include <sys/mount.h>

#include "arm/arm.h"
#include "base/log.h"
#include "image/image.h"
#include "spool/boot_marker.h"
#include "spool/spool.h"

#define FOLDER "/kdump"
#define IN_FOLDER FOLDER "/kdump-initrd-" DISK_KERNEL ".img"
#define IN_RUN RUN_DIR "/kdump-initrd-" DISK_KERNEL ".img"

static void path_of(const struct unit_tree *t, const char *path, char out[PATH_MAX])
{
    (void)snprintf(out, PATH_MAX, "%s%s", t->dir, path);
}

static void full(struct unit_tree *t, bool on)
{
    static const char block[4096];
    char path[PATH_MAX];
    int fd;

    path_of(t, FOLDER "/filler", path);
    if (!on) {
        assert_int_equal(unlink(path), 0);
        return;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    (void)close(fd);
}

struct fixture {
    struct unit_tree *tree;
    char image[PATH_MAX]; /* that was loaded last, below the tree */
    unsigned loads;
    bool fills; /* meanwhile, the disk of the kdump folder fills up */
};

static int fake_load(void *ctx, int kernel, int image, const char *cmdline)
{
    struct fixture *f = ctx;
    char link[64], path[PATH_MAX];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", image);
    n = readlink(link, path, sizeof(path) - 1);
    assert_true(n > (ssize_t)strlen(f->tree->dir));
    path[n] = '\0';
    (void)snprintf(f->image, sizeof(f->image), "%s", path + strlen(f->tree->dir));
    /* The kernel takes no file that somebody may be writing (deny_write_access). */
    assert_int_equal(fcntl(image, F_GETFL) & O_ACCMODE, O_RDONLY);
    f->loads++;
    if (f->fills)
        full(f->tree, true);
    unit_write_str(f->tree, "/sys/kernel/kexec_crash_loaded", "1\n");
    return 0;
}

static void write_kernel(struct unit_tree *t)
{
    static char file[40 << 10];

    memcpy(file + 0x202, "HdrS", 4);
    file[0x20f] = 0x02;
    (void)snprintf(file + 0x400, 64, DISK_KERNEL " (a@b) #1");
    unit_write(t, "/boot/vmlinuz-" DISK_KERNEL, file, sizeof(file));
}

/* A machine with 256 MiB for a crash kernel, and the kdump folder on a file system of its own, or
 * somewhere below that. */
static void create_with(struct unit_tree *t, const char *kdump_folder, const char *options)
{
    char config[128];
    char folder[PATH_MAX];

    machine_create(t, DISK_KERNEL);
    disk_create(t);
    write_kernel(t);
    unit_write_str(t, "/proc/cmdline", "quiet crashkernel=256M\n");
    unit_write_str(t, "/sys/kernel/kexec_crash_loaded", "0\n");
    unit_write_str(t, "/sys/kernel/kexec_crash_size", "268435456\n");
    (void)snprintf(config, sizeof(config), "USE_PSTORE_RAM=0\nKDUMP_FOLDER=%s\n", kdump_folder);
    unit_write_str(t, "/etc/default/kdump", config);
    unit_write_str(t, FOLDER "/here", "");
    path_of(t, FOLDER, folder);
    if (geteuid() != 0)
        skip();
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", folder, "tmpfs", 0, options) < 0)
        fail_msg("cannot mount a file system: %s", strerror(errno));
    root_done(&t->root); /* it was of the other name space */
    assert_int_equal(root_init(&t->root, t->dir), 0);
}

static void create(struct unit_tree *t)
{
    create_with(t, FOLDER, "size=256k,mode=700");
}

static int teardown(void **state)
{
    struct unit_tree *t = *state;
    char folder[PATH_MAX];

    path_of(t, FOLDER, folder);
    (void)umount2(folder, MNT_DETACH);
    path_of(t, RUN_DIR, folder);
    (void)umount2(folder, MNT_DETACH);
    return unit_tree_teardown(state);
}

static void read_only(struct unit_tree *t, bool on)
{
    char folder[PATH_MAX];

    path_of(t, FOLDER, folder);
    assert_int_equal(mount(NULL, folder, NULL, MS_REMOUNT | (on ? MS_RDONLY : 0), NULL), 0);
}

static int fake_unload(void *ctx)
{
    struct fixture *f = ctx;

    unit_write_str(f->tree, "/sys/kernel/kexec_crash_loaded", "0\n");
    return 0;
}

/* What the verb says goes to text. */
static int run(struct fixture *f, const struct verb *verb, const char *option, char *text,
               size_t size)
{
    struct fake_kernel kernel = { .tree = f->tree };
    struct sysops ops = fake_sysops(&kernel);
    struct context context = { .root = f->tree->root, .ops = &ops };
    char *argv[] = { (char *)(uintptr_t)verb->name, (char *)(uintptr_t)option, NULL };
    int saved = dup(STDERR_FILENO), r, pipes[2];
    ssize_t n;

    ops.ctx = f;
    ops.kexec_load = fake_load;
    ops.kexec_unload = fake_unload;
    assert_int_equal(config_load(&f->tree->root, NULL, &context.config), 0);
    assert_int_equal(pipe(pipes), 0);
    (void)dup2(pipes[1], STDERR_FILENO);
    (void)close(pipes[1]);
    optind = 0;
    r = verb->run(&context, option ? 2 : 1, argv);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    n = read(pipes[0], text, size - 1);
    text[n > 0 ? n : 0] = '\0';
    (void)close(pipes[0]);
    config_done(&context.config);
    return r;
}

static int arm(struct fixture *f, const char *option, char *text, size_t size)
{
    return run(f, &verb_arm, option, text, size);
}

static void says(const char *text, const char *words)
{
    if (!strstr(text, words))
        fail_msg("no \"%s\" in: %s", words, text);
}

/* Another boot: what /run had is gone. */
static void reboot(struct unit_tree *t, const char *boot_id)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -rf %s" RUN_DIR, t->dir);
    assert_int_equal(system(command), 0);
    unit_write_str(t, "/sys/kernel/kexec_crash_loaded", "0\n");
    machine_sysfs(t, "/proc/sys/kernel/random/boot_id", boot_id);
}

static void expect_marker(struct unit_tree *t, const char *folder)
{
    _cleanup_close_ int fd = root_open_dir(&t->root, folder);
    struct boot_marker marker;

    assert_true(fd >= 0);
    assert_int_equal(boot_marker_read(fd, &marker), 0);
    assert_true(marker.phase == BOOT_ARMED && marker.loaded_kdump);
}

/* With an image and a state of an earlier boot, or in the first boot of all. */
static void takes_nothing(struct unit_tree *t, void (*break_it)(struct unit_tree *, bool),
                          const char *error, const char *next_step)
{
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    /* The folder is there, and empty. */
    break_it(t, true);
    assert_int_equal(arm(&f, "--early", text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_RUN);
    says(text, error);
    says(text, next_step);
    says(text, "guard against boot loops is off");
    says(text, "for this boot alone");
    says(text, "armed: a crash starts the crash kernel");
    expect_marker(t, RUN_DIR);
    /* It is known for ours, and loaded again with the image that is there. */
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_RUN);
    assert_null(strstr(text, "another program"));
    assert_null(strstr(text, "made the capture image"));
    assert_int_equal(arm(&f, "--late", text, sizeof(text)), 0);
    assert_int_equal(f.loads, 2);
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    assert_string_equal(text, "");

    /* All goes to its place as soon as it can. */
    break_it(t, false);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_FOLDER);
    assert_false(root_exists(&t->root, IN_RUN));
    assert_false(root_exists(&t->root, RUN_DIR "/boot-marker.json"));
    expect_marker(t, FOLDER "/state");

    /* In the next boot the image that is there is loaded from there. */
    break_it(t, true);
    reboot(t, "22222222-2222-3333-4444-555555555555");
    assert_int_equal(arm(&f, "--early", text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_FOLDER);
    says(text, next_step);
    assert_false(root_exists(&t->root, IN_RUN));
    expect_marker(t, RUN_DIR);

    /* One that is out of date is not. */
    unit_write_str(t, IMAGE_CAPTURE, "a newer one");
    reboot(t, "33333333-2222-3333-4444-555555555555");
    assert_int_equal(arm(&f, "--late", text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_RUN);
    says(text, "armed: ");
}

static void test_read_only(void **state)
{
    takes_nothing(*state, read_only, "Read-only file system", "mount it read-write");
}

static void test_full(void **state)
{
    takes_nothing(*state, full, "No space left on device", "make room there");
}

/* The disk fills up while arming runs: what it began must not look unfinished to the next boot. */
static void test_full_in_between(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t, .fills = true };
    char text[4096];

    create(t);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    says(text, "make room there");
    expect_marker(t, RUN_DIR);
    assert_false(root_exists(&t->root, FOLDER "/state/boot-marker.json"));
    full(t, false);
    f.fills = false;
    reboot(t, "22222222-2222-3333-4444-555555555555");
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    expect_marker(t, FOLDER "/state");
}

/* Another boot's word, from before the folder took nothing. */
static void leave_marker(struct unit_tree *t, enum boot_phase phase, unsigned deaths)
{
    _cleanup_close_ int fd = root_make_dir(&t->root, FOLDER "/state", 0700);
    const struct boot_marker marker = { .boot_id = "00000000-2222-3333-4444-555555555555",
                                        .kernel = DISK_KERNEL,
                                        .phase = phase,
                                        .deaths = deaths,
                                        .panic_print_found = -1,
                                        .panic_print_set = -1 };

    assert_true(fd >= 0);
    assert_int_equal(boot_marker_write(fd, &marker), 0);
}

static bool has_marker(struct unit_tree *t)
{
    return root_exists(&t->root, FOLDER "/state/boot-marker.json");
}

/* A refusal by what cannot be written anew says so, and what was forced stays forced. */
static void refused_on_full(struct unit_tree *t, enum boot_phase phase, unsigned deaths)
{
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    leave_marker(t, phase, deaths);
    full(t, true);
    for (unsigned boot = 0; boot < 2; boot++) {
        assert_int_equal(arm(&f, NULL, text, sizeof(text)), EXIT_NOT_ARMED);
        says(text, "make room there");
        says(text, "until then each boot is refused");
        assert_null(strstr(text, "guard against boot loops is off"));
        assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
        assert_true(has_marker(t));
        reboot(t, boot == 0 ? "22222222-2222-3333-4444-555555555555"
                            : "33333333-2222-3333-4444-555555555555");
    }
    assert_int_equal(arm(&f, "--force", text, sizeof(text)), 0);
    assert_false(has_marker(t));
    reboot(t, "44444444-2222-3333-4444-555555555555");
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_int_equal(f.loads, 2);
}

static void test_full_after_unfinished(void **state)
{
    refused_on_full(*state, BOOT_STARTED, 0);
}

static void test_full_after_deaths(void **state)
{
    refused_on_full(*state, BOOT_ARMED, 1);
}

/* One death before the disk was full: that counts until a boot has lived. */
static void test_full_after_a_death(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    leave_marker(t, BOOT_ARMED, 0);
    full(t, true);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    says(text, "what an earlier boot noted there still counts");
    assert_true(has_marker(t));
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    assert_false(has_marker(t));
}

/* Refused while there was room: asked again on the full disk, that stays what the next boot finds.
 */
static void test_full_after_refusal(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    leave_marker(t, BOOT_STARTED, 0);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), EXIT_NOT_ARMED);
    says(text, "after an update of the kernel, or by kdump-steamos arm --force");
    full(t, true);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), EXIT_NOT_ARMED);
    reboot(t, "22222222-2222-3333-4444-555555555555");
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), EXIT_NOT_ARMED);
    assert_int_equal(f.loads, 0);
}

/* There nothing can be forgotten. */
static void test_read_only_after_unfinished(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    leave_marker(t, BOOT_STARTED, 0);
    read_only(t, true);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), EXIT_NOT_ARMED);
    says(text, "mount it read-write");
    says(text, "until then each boot is refused");
    assert_int_equal(arm(&f, "--force", text, sizeof(text)), 0);
    says(text, "what an earlier boot noted there still counts");
    read_only(t, false);
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    reboot(t, "22222222-2222-3333-4444-555555555555");
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
}

/* Armed, and then the file system is mounted read-only, as after an error. */
static void test_read_only_before_settling(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    read_only(t, true);
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    says(text, "this boot will count as one that died");
    says(text, "mount it read-write");
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    assert_string_equal(text, "");
    read_only(t, false);
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    assert_false(root_exists(&t->root, RUN_DIR "/boot-marker.json"));
}

/* The first boot after installing: nobody has made the folder yet, and now nobody can. */
static void no_folder(struct unit_tree *t, const char *options, bool remount, const char *error)
{
    struct fixture f = { .tree = t };
    _cleanup_strbuf_ struct strbuf notes = { 0 };
    char text[4096];

    create_with(t, FOLDER "/not/yet", options);
    if (remount)
        read_only(t, true);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_RUN);
    says(text, error);
    says(text, "for this boot alone");
    expect_marker(t, RUN_DIR);
    assert_false(root_exists(&t->root, FOLDER "/not"));
    /* That the crash kernel makes. */
    assert_int_equal(root_read(&t->root, RUN_DIR "/kdump-initrd-" DISK_KERNEL ".json", 64 << 10,
                               &notes),
                     0);
    says(strbuf_cstr(&notes), "\\nSUBDIR=kdump/not/yet\\n");
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    assert_int_equal(arm(&f, "--late", text, sizeof(text)), 0);
    assert_int_equal(f.loads, 1);
}

static void test_no_folder_read_only(void **state)
{
    no_folder(*state, "size=256k,mode=700", true, "Read-only file system");
}

static void test_no_folder_no_inode(void **state)
{
    no_folder(*state, "size=256k,mode=700,nr_inodes=1", false, "No space left on device");
}

/* Blocks are free, inodes are not. */
static void test_no_inode(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t };
    char text[4096];

    create_with(t, FOLDER, "size=256k,mode=700,nr_inodes=1");
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_RUN);
    says(text, "make room there");
    expect_marker(t, RUN_DIR);
}

/* There unlink(2) fails even where there is nothing to unlink. */
static void test_disarm_on_read_only(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_int_equal(run(&f, &verb_disarm, NULL, text, sizeof(text)), 0);
    assert_false(has_marker(t));
    read_only(t, true);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_int_equal(run(&f, &verb_disarm, NULL, text, sizeof(text)), 0);
    says(text, "disarmed: ");
    assert_null(strstr(text, "boot marker"));
    assert_false(root_exists(&t->root, RUN_DIR "/boot-marker.json"));

    /* What is there stays, and all is undone. */
    read_only(t, false);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    read_only(t, true);
    assert_int_equal(run(&f, &verb_disarm, NULL, text, sizeof(text)), 0);
    says(text, "the next boot may take this one for one that died");
    says(text, "disarmed: ");
}

/* A timer settles every five minutes: what cannot be noted is said once in a boot. */
static void notes_later(struct unit_tree *t, void (*break_it)(struct unit_tree *, bool))
{
    struct fixture f = { .tree = t };
    char text[4096], line[16];

    create(t);
    break_it(t, true);
    machine_sysfs(t, "/proc/sys/kernel/panic", "9");
    assert_int_equal(arm(&f, "--installing", text, sizeof(text)), 0);
    assert_true(root_exists(&t->root, RUN_DIR "/sysctl-found.json"));
    machine_sysfs(t, "/proc/sys/kernel/panic", "-1");
    assert_int_equal(arm(&f, "--installing", text, sizeof(text)), 0); /* the first note holds */
    break_it(t, false);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    break_it(t, true);
    unit_write_str(t, "/etc/default/kdump",
                   "USE_PSTORE_RAM=0\nLOG_SUBMISSION=0\nKDUMP_FOLDER=" FOLDER "\n");
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    says(text, "cannot note in " FOLDER "/state whether reports may leave");
    says(text, "cannot note in " FOLDER "/state what the sysctls were");
    assert_int_equal(arm(&f, "--settled", text, sizeof(text)), 0);
    assert_string_equal(text, "");
    assert_int_equal(run(&f, &verb_disarm, "--removing", text, sizeof(text)), 0);
    assert_int_equal(root_read_line(&t->root, "/proc/sys/kernel/panic", line, sizeof(line)), 0);
    assert_string_equal(line, "9");
    assert_false(root_exists(&t->root, RUN_DIR "/sysctl-found.json"));
}

static void test_read_only_notes_later(void **state)
{
    notes_later(*state, read_only);
}

static void test_full_notes_later(void **state)
{
    notes_later(*state, full);
}

static void mount_small(struct unit_tree *t, const char *place)
{
    _cleanup_close_ int fd = root_make_dir(&t->root, place, 0700);
    char path[PATH_MAX];

    assert_true(fd >= 0);
    path_of(t, place, path);
    assert_int_equal(mount("none", path, "tmpfs", 0, "size=64k,mode=700,nr_inodes=1"), 0);
}

/* Nothing is replaced without the lock, and without a note it would be of no use. */
static void test_no_lock(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_FOLDER);
    mount_small(t, FOLDER "/state");
    reboot(t, "22222222-2222-3333-4444-555555555555");
    assert_int_equal(arm(&f, NULL, text, sizeof(text)), 0);
    assert_string_equal(f.image, IN_RUN);
    assert_true(root_exists(&t->root, IN_FOLDER));
}

/* What the user can mend is the folder. */
static void test_run_is_full(void **state)
{
    struct unit_tree *t = *state;
    struct fixture f = { .tree = t };
    char text[4096];

    create(t);
    mount_small(t, RUN_DIR);
    read_only(t, true);
    assert_true(arm(&f, NULL, text, sizeof(text)) != 0);
    says(text, FOLDER " takes nothing (Read-only file system); mount it read-write");
    says(text, "nor does " RUN_DIR " (No space left on device)");
    assert_int_equal(f.loads, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read_only, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_in_between, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_after_unfinished, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_after_deaths, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_after_refusal, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_after_a_death, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only_after_unfinished, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only_before_settling, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_folder_read_only, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_folder_no_inode, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_inode, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_lock, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_is_full, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_disarm_on_read_only, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_read_only_notes_later, unit_tree_setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_notes_later, unit_tree_setup, teardown),
    };

    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
