/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "arm/reserve.h"

#define PARAMS "crashkernel=96M"
#define DROPIN GRUB_DROPINS "/" GRUB_DROPIN
#define BEFORE "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\n"

/* grub-mkconfig as it is on a tree: what the files say is copied into grub.cfg. */
struct tool {
    struct unit_tree *tree;
    unsigned runs;
    int result;   /* of the run; nothing is written then */
    bool forgets; /* it succeeds, and has its command lines from elsewhere */
    char argv[256];
};

static int tool_run(void *ctx, const char *const argv[], size_t max, unsigned timeout_s,
                    struct strbuf *out)
{
    struct tool *tool = ctx;
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r;

    tool->runs++;
    tool->argv[0] = '\0';
    for (size_t i = 0; argv[i]; i++)
        (void)snprintf(tool->argv + strlen(tool->argv), sizeof(tool->argv) - strlen(tool->argv),
                       "%s%s", i ? " " : "", argv[i]);
    if (tool->result != 0)
        return tool->result;
    r = root_read(&tool->tree->root, GRUB_DEFAULTS, 4096, &text);
    assert_true(r == 0 || r == -ENOENT);
    r = root_read(&tool->tree->root, DROPIN, 4096, &text);
    assert_true(r == 0 || r == -ENOENT);
    if (!tool->forgets)
        unit_write(tool->tree, "/boot/grub/grub.cfg", strbuf_view(&text).p, text.n);
    return 0;
}

static void machine(struct unit_tree *t, bool dropins)
{
    unit_write_str(t, GRUB_DEFAULTS, BEFORE);
    unit_write_str(t, "/boot/grub/grub.cfg", "linux /vmlinuz quiet\n");
    unit_write_str(t, "/usr/sbin/grub-mkconfig",
                   dropins ? "#!/bin/sh\nfor x in ${sysconfdir}/default/grub.d/*.cfg ; do\n"
                           : "#!/bin/sh\n# not /etc/default/grub.d\n");
}

static void assert_file(struct unit_tree *t, const char *path, const char *expected)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r = root_read(&t->root, path, 4096, &text);

    if (!expected) {
        assert_int_equal(r, -ENOENT);
        return;
    }
    assert_int_equal(r, 0);
    assert_string_equal(strbuf_cstr(&text), expected);
}

static struct reserve_plan plan_of(struct unit_tree *t, const char *params,
                                   struct reserve_facts *facts)
{
    struct reserve_plan plan;

    assert_int_equal(reserve_facts_read(&t->root, facts), 0);
    reserve_plan_make(facts, params, true, &plan);
    return plan;
}

static int apply(struct tool *tool, const char *params, struct reserve_plan *plan)
{
    const struct sysops ops = { .ctx = tool, .run = tool_run };
    struct reserve_facts facts;

    *plan = plan_of(tool->tree, params, &facts);
    if (plan->action != RESERVE_CHANGE)
        return 1;
    return reserve_execute(&tool->tree->root, &ops, &facts, plan);
}

static void comes_and_goes(void **state)
{
    for (int dropins = 0; dropins < 2; dropins++) {
        struct tool tool = { .tree = *state };
        struct reserve_facts facts;
        struct reserve_plan plan;
        struct stat st;

        machine(tool.tree, dropins);
        assert_int_equal(chmod(tool.tree->dir, 0755), 0);
        assert_int_equal(apply(&tool, PARAMS, &plan), 0);
        assert_int_equal(plan.place, dropins ? RESERVE_IN_DROPIN : RESERVE_IN_DEFAULTS);
        assert_string_equal(tool.argv, "/usr/sbin/grub-mkconfig -o /boot/grub/grub.cfg");
        assert_int_equal(reserve_facts_read(&tool.tree->root, &facts), 0);
        assert_string_equal(facts.ours, PARAMS);
        assert_true(facts.in_force && facts.theirs[0] == '\0');
        assert_int_equal(root_stat(&tool.tree->root, reserve_place_path(plan.place), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        if (dropins)
            assert_file(tool.tree, GRUB_DEFAULTS, BEFORE);
        /* Again: nothing to do. */
        assert_int_equal(apply(&tool, PARAMS, &plan), 1);
        assert_int_equal(plan.action, RESERVE_KEEP);
        assert_int_equal(tool.runs, 1);
        /* Another size. */
        assert_int_equal(apply(&tool, "crashkernel=128M", &plan), 0);
        /* And back. */
        assert_int_equal(apply(&tool, "", &plan), 0);
        assert_file(tool.tree, GRUB_DEFAULTS, BEFORE);
        assert_file(tool.tree, DROPIN, NULL);
        assert_int_equal(apply(&tool, "", &plan), 1);
        assert_int_equal(tool.runs, 3);
    }
}

static void keeps_mode_and_owner(void **state)
{
    struct tool tool = { .tree = *state };
    struct reserve_plan plan;
    char path[128];
    struct stat st;

    machine(tool.tree, false);
    (void)snprintf(path, sizeof(path), "%s" GRUB_DEFAULTS, tool.tree->dir);
    assert_int_equal(chmod(path, 0640), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(path, 7, 8), 0);
    assert_int_equal(apply(&tool, PARAMS, &plan), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    if (geteuid() == 0)
        assert_true(st.st_uid == 7 && st.st_gid == 8);
}

/* Nothing half done. */
static void a_failing_tool(void **state)
{
    for (int dropins = 0; dropins < 2; dropins++) {
        struct tool tool = { .tree = *state, .result = dropins ? -ETIMEDOUT : 1 };
        struct reserve_plan plan;

        machine(tool.tree, dropins);
        assert_true(apply(&tool, PARAMS, &plan) < 0);
        assert_non_null(strstr(plan.reason, "/usr/sbin/grub-mkconfig failed"));
        assert_file(tool.tree, GRUB_DEFAULTS, BEFORE);
        assert_file(tool.tree, DROPIN, NULL);
        assert_file(tool.tree, "/boot/grub/grub.cfg", "linux /vmlinuz quiet\n");
    }
}

static void a_tool_that_has_it_from_elsewhere(void **state)
{
    struct tool tool = { .tree = *state, .forgets = true };
    struct reserve_plan plan;

    machine(tool.tree, false);
    assert_int_equal(apply(&tool, PARAMS, &plan), -ENOTSUP);
    assert_file(tool.tree, GRUB_DEFAULTS, BEFORE);
    assert_non_null(strstr(plan.advice, PARAMS));
    unit_write_str(tool.tree, "/usr/sbin/grubby", "");
    assert_int_equal(apply(&tool, PARAMS, &plan), -ENOTSUP);
    assert_non_null(strstr(plan.advice, "grubby --update-kernel=ALL"));
}

/* A cut between the edit and the tool: the next run goes on. */
static void goes_on_after_a_cut(void **state)
{
    struct tool tool = { .tree = *state };
    struct reserve_facts facts;
    struct reserve_plan plan;

    machine(tool.tree, true);
    unit_write_str(tool.tree, DROPIN,
                   "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT " PARAMS
                   "\" # kdump-steamos\n");
    assert_int_equal(apply(&tool, PARAMS, &plan), 0);
    assert_int_equal(tool.runs, 1);
    /* The edit went, and GRUB does not know yet. */
    assert_int_equal(unlinkat(root_open_dir(&tool.tree->root, GRUB_DROPINS), GRUB_DROPIN, 0), 0);
    plan = plan_of(tool.tree, "", &facts);
    assert_int_equal(plan.action, RESERVE_KEEP);
    facts.interrupted = true;
    reserve_plan_make(&facts, "", true, &plan);
    assert_int_equal(plan.action, RESERVE_CHANGE);
}

static void theirs(void **state)
{
    struct unit_tree *t = *state;
    struct reserve_facts facts;

    machine(t, true);
    unit_write_str(t, GRUB_DROPINS "/kdump-tools.cfg",
                   "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT "
                   "crashkernel=512M-:192M\"\n");
    unit_write_str(t, GRUB_DROPINS "/.hidden.cfg", "GRUB_CMDLINE_LINUX=crashkernel=1M\n");
    unit_write_str(t, DROPIN,
                   "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT " PARAMS
                   "\" # kdump-steamos\n");
    assert_int_equal(reserve_facts_read(&t->root, &facts), 0);
    assert_string_equal(facts.theirs, "512M-:192M");
    assert_string_equal(facts.ours, PARAMS);
    assert_false(facts.they_reserve);
    unit_write_str(t, GRUB_DEFAULTS, "GRUB_CMDLINE_LINUX='reserve_mem=2M:4096:oops'\n");
    assert_int_equal(reserve_facts_read(&t->root, &facts), 0);
    assert_true(facts.they_reserve);
}

static void refusals(void **state)
{
    static const struct {
        const char *what, *reason;
        struct reserve_facts facts;
        bool autoset;
    } cases[] = {
        { "off", "GRUB_AUTOSET=0", { .tool = "/usr/sbin/update-grub", .defaults = true }, false },
        { "no GRUB", "no GRUB", { .defaults = true }, true },
        { "no grub.cfg", "no grub.cfg", { .tool = "/usr/bin/grub-mkconfig", .defaults = true },
          true },
        { "no file", "there is no /etc/default/grub", { .tool = "/usr/sbin/update-grub" }, true },
        { "a link", "symbolic link",
          { .tool = "/usr/sbin/update-grub", .defaults = true, .defaults_link = true }, true },
        { "open", "ends inside",
          { .tool = "/usr/sbin/update-grub", .defaults = true, .defaults_open = true }, true },
        { "unreadable", "cannot read",
          { .tool = "/usr/sbin/update-grub", .defaults = true, .error = -EACCES }, true },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct reserve_plan plan;

        reserve_plan_make(&cases[i].facts, PARAMS, cases[i].autoset, &plan);
        assert_int_equal(plan.action, RESERVE_REFUSED);
        if (!strstr(plan.reason, cases[i].reason))
            fail_msg("%s: %s", cases[i].what, plan.reason);
        assert_non_null(strstr(plan.advice, PARAMS));
    }
}

/* GRUB_AUTOSET=0 says that nothing is to be put there: what we put there before goes. */
static void ours_goes_without_autoset(void **state)
{
    struct reserve_facts facts = { .tool = "/usr/sbin/update-grub",
                                   .defaults = true,
                                   .in_force = true };
    struct reserve_plan plan;

    (void)snprintf(facts.ours, sizeof(facts.ours), "%s", PARAMS);
    reserve_plan_make(&facts, "", false, &plan);
    assert_int_equal(plan.action, RESERVE_CHANGE);
    assert_string_equal(plan.params, "");
    reserve_plan_make(&facts, PARAMS, false, &plan);
    assert_int_equal(plan.action, RESERVE_KEEP);
    reserve_plan_make(&facts, PARAMS "0", false, &plan);
    assert_int_equal(plan.action, RESERVE_REFUSED);
}

static void the_right_tool(void **state)
{
    struct tool tool = { .tree = *state };
    struct reserve_plan plan;

    machine(tool.tree, false);
    unit_write_str(tool.tree, "/efi/EFI/steamos/grub.cfg", "linux " PARAMS "\n");
    assert_int_equal(apply(&tool, PARAMS, &plan), 0);
    assert_string_equal(tool.argv, "/usr/sbin/grub-mkconfig -o /efi/EFI/steamos/grub.cfg");
    assert_int_equal(apply(&tool, "", &plan), 0);
    unit_write_str(tool.tree, "/usr/bin/update-grub", "");
    assert_int_equal(apply(&tool, PARAMS, &plan), 0);
    assert_string_equal(tool.argv, "/usr/bin/update-grub");
}

static void sizes(void **state)
{
    static const struct {
        uint64_t configured, gib;
        bool full;
        unsigned mib;
    } cases[] = { { 0, 1, false, 96 },   { 0, 0, false, 96 },          { 0, 7, true, 112 },
                  { 0, 15, false, 112 }, { 0, 31, true, 128 },         { 0, 64, false, 128 },
                  { 0, 64, true, 160 },  { 200 << 20, 64, true, 200 }, { 1, 1, false, 1 } };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(crashkernel_mib(&(struct crashkernel_wish){
                             cases[i].configured, cases[i].gib << 30, cases[i].full }),
                         cases[i].mib);
}

#define ON_TREE(test) cmocka_unit_test_setup_teardown(test, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TREE(comes_and_goes),
        ON_TREE(keeps_mode_and_owner),
        ON_TREE(a_failing_tool),
        ON_TREE(a_tool_that_has_it_from_elsewhere),
        ON_TREE(goes_on_after_a_cut),
        ON_TREE(theirs),
        ON_TREE(the_right_tool),
        cmocka_unit_test(refusals),
        cmocka_unit_test(ours_goes_without_autoset),
        cmocka_unit_test(sizes),
    };

    return cmocka_run_group_tests_name("reserve", tests, NULL, NULL);
}
