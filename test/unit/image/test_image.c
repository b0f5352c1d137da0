/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The image of a machine whose makedumpfile answers. */
#include "disk.h"

#include <elf.h>

#include "base/macro.h"
#include "image/image.h"

struct fake {
    const char *answer;
    int result;
    unsigned asked;
};

static int fake_run(void *ctx, const char *const argv[], size_t max, unsigned timeout_s,
                    struct strbuf *out)
{
    struct fake *f = ctx;

    f->asked++;
    assert_string_equal(argv[0], "/usr/bin/makedumpfile");
    assert_string_equal(argv[1], "-v");
    assert_null(argv[2]);
    assert_true(max > 0 && timeout_s > 0);
    return f->result == 0 ? strbuf_str(out, f->answer) : f->result;
}

static void write_machine(struct unit_tree *t)
{
    const Elf64_Ehdr program = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64 },
                                 .e_phentsize = sizeof(Elf64_Phdr) };

    disk_create(t);
    unit_write(t, "/usr/bin/makedumpfile", &program, sizeof(program));
    unit_write_str(t, "/kdump/empty", "");
}

/* The line of the image's /kdump.conf, as it is noted of the image. */
static void expect(struct unit_tree *t, struct fake *fake, const char *command, const char *line)
{
    const struct sysops ops = { .ctx = fake, .run = fake_run };
    struct context context = { .root = t->root, .ops = &ops };
    _cleanup_strbuf_ struct strbuf notes = { 0 };
    char text[256];
    struct image image;

    (void)snprintf(text, sizeof(text), "KDUMP_FOLDER=/kdump\nFULL_COREDUMP=1\n%s%s%s\n",
                   command ? "MAKEDUMPFILE_COREDUMP_CMD='" : "", command ? command : "",
                   command ? "'" : "");
    unit_write_str(t, "/etc/default/kdump", text);
    assert_int_equal(config_load(&t->root, NULL, &context.config), 0);
    if (image_ensure(&context, DISK_KERNEL, 0, &image) < 0)
        fail_msg("%s", image.problem);
    assert_int_equal(root_read(&t->root, "/kdump/state/kdump-initrd-" DISK_KERNEL ".json", 64 << 10,
                               &notes),
                     0);
    (void)snprintf(text, sizeof(text), "\\nMAKEDUMPFILE=%s\\n", line);
    if (!strstr(strbuf_cstr(&notes), text))
        fail_msg("no %s in %s", text, strbuf_cstr(&notes));
    config_done(&context.config);
}

static void makedumpfile_is_asked(void **state)
{
    struct unit_tree *t = *state;
    struct fake debian = { .answer = "lzo\tenabled\nsnappy\tdisabled\nzstd\tdisabled\n" };
    struct fake lame = { .answer = "lzo\tdisabled\nsnappy\tdisabled\nzstd\tdisabled\n" };
    struct fake silent = { .result = -ETIMEDOUT }, broken = { .result = 1 };

    write_machine(t);
    expect(t, &debian, NULL, "/usr/bin/makedumpfile -l -d 31");
    expect(t, &debian, "makedumpfile -z -d 31", "/usr/bin/makedumpfile -l -d 31");
    expect(t, &lame, NULL, "/usr/bin/makedumpfile -c -d 31");
    expect(t, &silent, "makedumpfile -z -d 31", "/usr/bin/makedumpfile -z -d 31");
    expect(t, &broken, NULL, "/usr/bin/makedumpfile -l -d 31");
    assert_true(debian.asked == 2 && lame.asked == 1 && silent.asked == 1 && broken.asked == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makedumpfile_is_asked, unit_tree_setup, unit_tree_teardown),
    };

    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
