/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"
#include "parse.h"

#include "parse/mountinfo.h"

#define ROOT "20 1 259:4 / / rw - ext4 /dev/nvme0n1p5 rw\n"
#define HOME "30 20 259:8 / /home rw,noatime shared:1 master:2 - ext4 /dev/nvme0n1p8 rw\n"

static struct mountinfo find(const char *text, const char *path)
{
    struct mountinfo m;

    assert_true(mountinfo_find(span_str(text), path, &m));
    return m;
}

static void the_longest_mount_point_holds_a_path(void **state)
{
    struct mountinfo m = find(ROOT HOME, "/home/deck");

    (void)state;
    assert_string_equal(m.place, "/home");
    assert_string_equal(m.source, "/dev/nvme0n1p8");
    assert_int_equal(m.major, 259);
    assert_int_equal(m.minor, 8);
    assert_string_equal(mountinfo_below(&m, "/home/deck"), "deck");
    assert_string_equal(mountinfo_below(&m, "/home"), "");
    assert_string_equal(find(HOME ROOT, "/home").place, "/home");
    assert_string_equal(find(ROOT HOME, "/homely").place, "/");
    m = find(ROOT, "/srv/a");
    assert_string_equal(mountinfo_below(&m, "/srv/a"), "srv/a");
}

static void a_later_mount_covers_an_earlier_one(void **state)
{
    (void)state;
    assert_string_equal(find(ROOT HOME
                             "40 20 0:42 /@home /home rw - btrfs /dev/sda1 rw,subvol=/@home\n",
                             "/home/a")
                            .fstype,
                        "btrfs");
}

static void blanks_are_octal(void **state)
{
    struct mountinfo m = find("20 1 8:1 /a\\040b /c\\011d rw - ext4 /dev/x\\134y rw\n", "/c\td/e");

    (void)state;
    assert_string_equal(m.root, "/a b");
    assert_string_equal(m.source, "/dev/x\\y");
    assert_string_equal(mountinfo_below(&m, "/c\td/e"), "e");
}

static void broken_lines_are_passed_over(void **state)
{
    static const char *const broken[] = {
        "",
        "\n\n",
        "20 1 8:1 / /home",
        "20 1 8 / /home rw - ext4 /dev/x rw\n",
        "20 1 8:1 / /home rw ext4 /dev/x rw\n",
        "20 1 a:b / /home rw - ext4 /dev/x rw\n",
    };
    struct mountinfo m;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++)
        assert_false(mountinfo_find(span_str(broken[i]), "/home", &m));
}

static void what_fstab_has_and_is_not_there_is_awaited(void **state)
{
    static const struct {
        const char *fstab, *mounts, *path;
        bool expected;
    } cases[] = {
        { "UUID=1 / ext4 rw 0 1\nUUID=2 /home ext4 nofail 0 2\n", ROOT, "/home/x", true },
        { "UUID=1 / ext4 rw 0 1\nUUID=2 /home ext4 nofail 0 2\n", ROOT HOME, "/home/x", false },
        { "UUID=2\t/home/\text4\n", ROOT, "/home/x", true },
        { "# UUID=2 /home ext4\n#UUID=2 /home ext4\n", ROOT, "/home/x", false },
        { "UUID=1 / ext4\n", ROOT, "/home/x", false },
        { "UUID=2 /home/x/y ext4\n", ROOT, "/home/x", false },
        { "UUID=2 /homes ext4\n", ROOT, "/home/x", false },
        { "UUID=3 none swap\nUUID=4 swap swap\n", ROOT, "/home/x", false },
        { "UUID=2 /home ext4\nUUID=3 /home/x ext4\n", ROOT HOME, "/home/x/y", true },
        { "", ROOT, "/home/x", false },
        { "UUID=2 /home ext4\n", "", "/home/x", false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(mountinfo_is_awaited(span_str(cases[i].fstab), span_str(cases[i].mounts),
                                              cases[i].path),
                         cases[i].expected);
}

static void an_automount_that_nobody_used_is_told_apart(void **state)
{
    static const char autofs[] = "29 20 0:40 / /home rw - autofs systemd-1 rw,fd=5,direct\n";

    (void)state;
    assert_true(mountinfo_is_automount(span_str(autofs), "/home/x"));
    assert_false(mountinfo_is_automount(span_str(autofs), "/homes"));
    assert_false(mountinfo_is_automount(span_str(ROOT HOME), "/home/x"));
    assert_false(
        mountinfo_is_automount(span_str("29 20 0:40 / /home rw - autofs systemd-1 rw\n" HOME),
                               "/home/x"));
    assert_false(mountinfo_is_automount(span_str(""), "/home"));
}

static void fstab_tells_where_a_device_belongs(void **state)
{
    static const struct {
        const char *fstab, *device, *place;
    } cases[] = {
        { "UUID=1 / ext4\nLABEL=data\t/mnt/a\\040b/ ext4\n", "LABEL=data", "/mnt/a b" },
        { "LABEL=data /mnt ext4\n", "/dev/disk/by-label/data", "/mnt" },
        { "/dev/disk/by-partuuid/7 /mnt ext4\n", "PARTUUID=7", "/mnt" },
        { "UUID=\"7\" /mnt ext4\n", "UUID=7", "/mnt" },
        { "/dev/nvme0n1p8 /home ext4\n", "nvme0n1p8", "/home" },
        { "/dev/disk/by-partsets/shared/home /home ext4 nofail 0 2\n",
          "/dev/disk/by-partsets/shared/home", "/home" },
        { "UUID=1 / ext4\n", "UUID=1", "/" },
        { "#UUID=1 /mnt ext4\n# UUID=1 /mnt ext4\n", "UUID=1", NULL },
        { "UUID=1 none swap\n", "UUID=1", NULL },
        { "UUID=12 /mnt ext4\nUUID=1\n", "UUID=1", NULL },
        { "PARTLABEL=a /mnt ext4\n", "LABEL=a", NULL },
        { "", "UUID=1", NULL },
    };
    char place[PATH_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        bool found =
            fstab_place_of(span_str(cases[i].fstab), cases[i].device, place, sizeof(place));

        assert_int_equal(found, cases[i].place != NULL);
        if (found)
            assert_string_equal(place, cases[i].place);
    }
    assert_false(fstab_place_of(span_str("UUID=1 /mnt x\n"), "UUID=1", place, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_mount_point_holds_a_path),
        cmocka_unit_test(a_later_mount_covers_an_earlier_one),
        cmocka_unit_test(blanks_are_octal),
        cmocka_unit_test(broken_lines_are_passed_over),
        cmocka_unit_test(what_fstab_has_and_is_not_there_is_awaited),
        cmocka_unit_test(an_automount_that_nobody_used_is_told_apart),
        cmocka_unit_test(fstab_tells_where_a_device_belongs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
