/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration: what a file says is what is used, and a bad line costs only itself. */
#include "base/log.h"
#include "config/config.h"
#include "unit.h"

static void load(struct unit_tree *t, struct config *config)
{
    assert_int_equal(config_load(&t->root, NULL, config), 0);
}

static void no_file_gives_the_defaults(void **state)
{
    _cleanup_config_ struct config c = { 0 };

    load(*state, &c);
    assert_string_equal(c.kdump_folder, "/home/.steamos/offload/var/kdump");
    assert_string_equal(c.mount_devnode, "");
    assert_true(c.use_pstore_ram);
    assert_true(c.grub_autoset);
    assert_true(c.log_submission);
    assert_false(c.full_coredump);
    assert_int_equal(c.keep_reports, 32);
    assert_int_equal(c.min_free_space, 256 << 20);
    assert_non_null(strstr(c.post_url, "ACTION"));
}

/* Every fallback lies within its own key's bounds and type: set_defaults() goes the way of a file. */
static void every_key_has_a_text_and_is_found_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_n_keys; i++) {
        assert_true(config_keys[i].doc[0] != '\0');
        for (size_t j = i + 1; j < config_n_keys; j++) {
            assert_string_not_equal(config_keys[i].name, config_keys[j].name);
            assert_int_not_equal(config_keys[i].offset, config_keys[j].offset);
        }
    }
}

static void values_of_each_type(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_config_ struct config c = { 0 };

    unit_write_str(t, "/etc/default/kdump",
                   "# a comment\n"
                   "FULL_COREDUMP=1\n"
                   "GRUB_AUTOSET=no\n"
                   "export USE_PSTORE_RAM='0'\n"
                   "KEEP_REPORTS=\"7\"\r\n"
                   "MIN_FREE_SPACE=1G\n"
                   "RAMOOPS_RECORD_SIZE=0x40000\n"
                   "POST_URL='https://example.org/ACTION?a=b&c'\n"
                   "MAKEDUMPFILE_COREDUMP_CMD=\"makedumpfile -l \\\"-d\\\" 31\"\n");
    load(t, &c);
    assert_true(c.full_coredump);
    assert_false(c.grub_autoset);
    assert_false(c.use_pstore_ram);
    assert_int_equal(c.keep_reports, 7);
    assert_int_equal(c.min_free_space, 1 << 30);
    assert_int_equal(c.ramoops_record_size, 0x40000);
    assert_string_equal(c.post_url, "https://example.org/ACTION?a=b&c");
    assert_string_equal(c.makedumpfile_coredump_cmd, "makedumpfile -l \"-d\" 31");
}

static void a_bad_line_costs_only_itself(void **state)
{
    static const char *const bad[] = {
        "FULL_COREDUMP=maybe\n",   "FULL_COREDUMP=\n", "KEEP_REPORTS=0\n", "KEEP_REPORTS=100001\n",
        "KEEP_REPORTS=-1\n",       "KEEP_REPORTS=1M\n", "MIN_FREE_SPACE=lots\n",
        "MIN_FREE_SPACE=99999999999999999999\n",        "NO_SUCH_KEY=1\n",
        "KDUMP_MNT=/mnt\n",        "keep_reports=3\n", "KEEP_REPORTS = 3\n", "rm -rf /\n",
        "KEEP_REPORTS=$(id)\n",    "\xff\xfe\n",
    };
    struct unit_tree *t = *state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        _cleanup_config_ struct config c = { 0 };
        char text[256];

        (void)snprintf(text, sizeof(text), "LOG_SUBMISSION=0\n%sKEEP_VMCORES=9\n", bad[i]);
        unit_write_str(t, "/etc/default/kdump", text);
        load(t, &c);
        assert_false(c.log_submission);
        assert_int_equal(c.keep_vmcores, 9);
        assert_int_equal(c.keep_reports, 32);
        assert_int_equal(c.min_free_space, 256 << 20);
        assert_false(c.full_coredump);
    }
}

static void a_broken_quote_takes_no_key_before_it(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_config_ struct config c = { 0 };

    unit_write_str(t, "/etc/default/kdump", "KEEP_VMCORES=9\nPOST_URL=\"https://half\n");
    load(t, &c);
    assert_int_equal(c.keep_vmcores, 9);
    assert_non_null(strstr(c.post_url, "steampowered"));
}

static void dropins_override_in_the_order_of_their_names(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_config_ struct config c = { 0 };

    unit_write_str(t, "/etc/default/kdump", "KEEP_REPORTS=1\nKEEP_VMCORES=1\n");
    unit_write_str(t, "/etc/default/kdump.d/90-last.conf", "KEEP_REPORTS=90\n");
    unit_write_str(t, "/etc/default/kdump.d/10-first.conf", "KEEP_REPORTS=10\nKEEP_VMCORES=10\n");
    unit_write_str(t, "/etc/default/kdump.d/.95-hidden.conf", "KEEP_REPORTS=95\n");
    unit_write_str(t, "/etc/default/kdump.d/99-note.txt", "KEEP_REPORTS=99\n");
    assert_int_equal(mkdirat(t->root.fd, "etc/default/kdump.d/50-folder.conf", 0755), 0);
    load(t, &c);
    assert_int_equal(c.keep_reports, 90);
    assert_int_equal(c.keep_vmcores, 10);
}

static void another_file_brings_its_own_dropins(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_config_ struct config c = { 0 }, none = { 0 };

    unit_write_str(t, "/etc/default/kdump", "KEEP_REPORTS=1\n");
    unit_write_str(t, "/srv/kdump", "KEEP_VMCORES=5\n");
    unit_write_str(t, "/srv/kdump.d/a.conf", "KEEP_VMCORES=6\n");
    assert_int_equal(config_load(&t->root, "/srv/kdump", &c), 0);
    assert_int_equal(c.keep_reports, 32);
    assert_int_equal(c.keep_vmcores, 6);
    assert_int_equal(config_load(&t->root, "/srv/missing", &none), -ENOENT);
}

/* The file is root's; who could put a link there could as well put a file. But no link leads out of
 * the tree, and what is no file is not read. */
static void what_is_no_file_is_not_read(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_config_ struct config c = { 0 };

    unit_write_str(t, "/etc/default/other", "");
    assert_int_equal(mkfifoat(t->root.fd, "etc/default/kdump", 0600), 0);
    load(t, &c);
    assert_int_equal(c.keep_reports, 32);
}

/* Uncommented, the shipped file says what is the default anyway. */
static void the_shipped_file_tells_the_defaults(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_config_ struct config shipped = { 0 }, uncommented = { 0 }, defaults = { 0 };
    _cleanup_strbuf_ struct strbuf text = { 0 }, bare = { 0 };
    struct span rest, line;
    unsigned keys = 0;

    assert_int_equal(config_write_template(&text), 0);
    load(t, &defaults);
    rest = strbuf_view(&text);
    while (span_next_line(&rest, &line)) {
        struct span word = { line.p + 1, line.n ? line.n - 1 : 0 };

        for (size_t i = 0; line.n > 1 && i < config_n_keys; i++)
            if (span_starts(word, config_keys[i].name) &&
                word.n > strlen(config_keys[i].name) && word.p[strlen(config_keys[i].name)] == '=') {
                (void)strbuf_span(&bare, word);
                (void)strbuf_char(&bare, '\n');
                keys++;
            }
        assert_true(line.n <= 100);
    }
    assert_int_equal(keys, config_n_keys);
    unit_write(t, "/etc/default/kdump", text.p, text.n);
    load(t, &shipped);
    unit_write(t, "/etc/default/kdump", bare.p, bare.n);
    load(t, &uncommented);
    for (size_t i = 0; i < config_n_keys; i++) {
        const char *a = (const char *)&defaults + config_keys[i].offset;
        const char *b = (const char *)&shipped + config_keys[i].offset;
        const char *c = (const char *)&uncommented + config_keys[i].offset;

        if (config_keys[i].type == CONFIG_STRING) {
            assert_string_equal(*(char *const *)(const void *)a, *(char *const *)(const void *)b);
            assert_string_equal(*(char *const *)(const void *)a, *(char *const *)(const void *)c);
        } else {
            size_t n = config_keys[i].type == CONFIG_BOOL ? sizeof(bool) : sizeof(uint64_t);

            assert_memory_equal(a, b, n);
            assert_memory_equal(a, c, n);
        }
    }
}

#define on_tree(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_tree(no_file_gives_the_defaults),
        cmocka_unit_test(every_key_has_a_text_and_is_found_once),
        on_tree(values_of_each_type),
        on_tree(a_bad_line_costs_only_itself),
        on_tree(a_broken_quote_takes_no_key_before_it),
        on_tree(dropins_override_in_the_order_of_their_names),
        on_tree(another_file_brings_its_own_dropins),
        on_tree(what_is_no_file_is_not_read),
        on_tree(the_shipped_file_tells_the_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
