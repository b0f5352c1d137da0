/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "arm/arm.h"
#include "arm/execute.h"
#include "arm/removal.h"
#include "arm/ways.h"
#include "base/log.h"
#include "pstore/panic_policy.h"
#include "pstore/records.h"

struct arm_options {
    bool dry_run, force, settled;
    bool early, late; /* the boot's two runs */
    bool installing;
};

static int parse_options(int argc, char **argv, struct arm_options *out)
{
    static const struct option options[] = {
        { "dry-run", no_argument, NULL, 'n' },
        { "force", no_argument, NULL, 'f' },
        { "settled", no_argument, NULL, 's' },
        { "early", no_argument, NULL, 'e' },
        { "late", no_argument, NULL, 'l' },
        { "installing", no_argument, NULL, 'i' },
        { 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "nf", options, NULL)) >= 0) {
        switch (option) {
        case 'n':
            out->dry_run = true;
            break;
        case 'f':
            out->force = true;
            break;
        case 's':
            out->settled = true;
            break;
        case 'e':
            out->early = true;
            break;
        case 'l':
            out->late = true;
            break;
        case 'i':
            out->installing = true;
            break;
        default:
            return -EINVAL;
        }
    }
    if (optind != argc || ((out->settled || out->installing) && (out->dry_run || out->force)) ||
        out->settled + out->early + out->late + out->installing > 1) {
        log_error(
            "arm takes no arguments but its options, --settled and --installing no other; see "
            "arm --help");
        return -EINVAL;
    }
    return 0;
}

static void say_policy(const struct root *root)
{
    struct panic_finding findings[PANIC_FINDINGS_MAX];
    size_t n = panic_policy_check(root, findings);

    for (size_t i = 0; i < n; i++)
        log_warning("%s is %" PRId64 " (60-kdump-steamos.conf sets %" PRId64 "): %s",
                    findings[i].name, findings[i].live, findings[i].wanted, findings[i].effect);
}

static void say_armed(const struct pstore_backend *backend)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    if (pstore_backend_describe(backend, &text) < 0)
        (void)log_oom();
    else
        log_notice("armed: %s", strbuf_cstr(&text));
}

static void say_armed_kdump(const struct arming *a, const struct kdump_result *result)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    (void)strbuf_printf(&text, "armed: a crash starts the crash kernel (kdump), in ");
    (void)format_size(result->reserved, &text);
    (void)strbuf_str(&text, " of reserved memory");
    if (!result->loaded) {
        (void)strbuf_str(&text, "; it was loaded by another program");
    } else {
        (void)strbuf_printf(&text, "; kernel %s, capture image ", a->kdump.image);
        (void)format_size(result->image, &text);
    }
    if (text.failed)
        (void)log_oom();
    else
        log_notice("%s", strbuf_cstr(&text));
}

/* Where both ways are closed. What the next boots get is said by itself. */
static int say_not_armed(const struct arming *a)
{
    const struct arm_plan *p = &a->plan;
    const struct kdump_plan *k = &a->kdump_plan;
    bool soon = a->next_known && a->next.params[0] != '\0';

    if (!p->kdump)
        log_warning("not armed: %s; %s", p->reason, p->advice);
    else if (soon && k->no_memory)
        log_warning("not armed: %s; %s", p->reason, k->reason);
    else if (a->facts.use_pstore_ram && p->no_region && (k->no_memory || !a->kdump.kexec.supported))
        log_warning("not armed: %s; %s", p->reason, p->advice);
    else
        log_warning("not armed: %s; %s", k->reason, k->advice);
    return EXIT_NOT_ARMED;
}

static int print_kdump_plan(const struct arming *a)
{
    const struct kdump_plan *p = &a->kdump_plan;

    if (p->action == KDUMP_IMPOSSIBLE) {
        printf("plan: no crash kernel: %s\n      %s\n", p->reason, p->advice);
        return EXIT_NOT_ARMED;
    }
    if (p->action == KDUMP_KEEP)
        printf("plan: leave the crash kernel that another program has loaded\n");
    else
        printf("plan: load the crash kernel %s\n      command line: %s\n", a->kdump.image,
               p->cmdline);
    if (p->action == KDUMP_LOAD && p->left_out[0] != '\0')
        printf("      without, for it would be too long: %s\n", p->left_out);
    return EXIT_SUCCESS;
}

static int print_pstore_plan(const struct arm_facts *facts, const struct arm_plan *plan)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    if (plan->warning[0] != '\0')
        log_warning("%s", plan->warning);
    if (plan->action == ARM_NOTHING) {
        printf("plan: nothing: %s\n      %s\n", plan->reason, plan->advice);
        return EXIT_NOT_ARMED;
    }
    if (plan->mount)
        printf("plan: mount pstore on /sys/fs/pstore\n");
    if (plan->action == ARM_KEEP) {
        (void)pstore_backend_describe(&facts->backend, &text);
        if (text.failed)
            return log_oom();
        printf("plan: leave what is registered: %s\n", strbuf_cstr(&text));
        if (plan->advice[0] != '\0')
            printf("      %s\n", plan->advice);
        return EXIT_SUCCESS;
    }
    if (plan->reload)
        printf("plan: unload ramoops, which has no region\n");
    printf("plan: load ramoops %s\n", plan->options);
    (void)strbuf_printf(&text, "      memory: %s", arm_source_name(plan->source));
    if (plan->region.start != 0)
        (void)strbuf_printf(&text, " at 0x%" PRIx64, plan->region.start);
    if (plan->region.size != 0) {
        (void)strbuf_str(&text, ", ");
        (void)format_size(plan->region.size, &text);
    }
    if (plan->layout.records != 0) {
        (void)strbuf_printf(&text, "\n      layout: %u records of ", plan->layout.records);
        (void)format_size(plan->layout.record_size, &text);
        (void)strbuf_str(&text, ", ");
        (void)format_size(plan->layout.console_size, &text);
        (void)strbuf_str(&text, " console");
    }
    if (text.failed)
        return log_oom();
    printf("%s\n", strbuf_cstr(&text));
    return EXIT_SUCCESS;
}

/* Early in the boot the kdump folder's file system may be missing, and with it the capture image.
 */
static bool is_left_for_late(const struct arming *a)
{
    return a->kdump_plan.action == KDUMP_LOAD && !a->kdump.kexec.loaded &&
           (a->plan.kdump || !pstore_backend_armed(&a->facts.backend));
}

/* What a dry run prints, and all that is done on a tree that is not the running system. */
static int print_plan(const struct arming *a, const struct arm_options *options)
{
    bool this_boot = !options->late || is_left_for_late(a);
    int r = EXIT_NOT_ARMED;

    if (this_boot && a->plan.kdump)
        r = print_kdump_plan(a);
    if (this_boot && r != EXIT_SUCCESS)
        r = print_pstore_plan(&a->facts, &a->plan);
    if (!options->early)
        next_boot_print(a);
    return options->late ? EXIT_SUCCESS : r;
}

/* A refusal that the kdump folder does not take is made anew at each boot, of whatever kernel. */
static void say_refused(const struct arm_state *state, enum boot_verdict verdict, int unsaved)
{
    const char *why = verdict == BOOT_REFUSED_UNFINISHED
                          ? "the last boot died while it was being armed"
                          : "two boots in a row died within a minute of arming";

    if (unsaved < 0 && state->fd >= 0)
        log_error("not armed: %s, by what is noted in %s, and that cannot be written anew (%s)%s; "
                  "until then each boot is refused, but for kdump-steamos arm --force",
                  why, state->spool.path, strerror(-unsaved), spool_advice(unsaved));
    else
        log_error("not armed: %s; after an update of the kernel, or by kdump-steamos arm --force, "
                  "it is tried again",
                  why);
}

/* True when the guard lets this boot arm. */
static bool pass_guard(struct arm_state *state, const struct arm_facts *facts, bool force,
                       struct boot_marker *marker)
{
    enum boot_verdict verdict;

    verdict = boot_guard(state->found ? &state->last : NULL, facts->boot_id, facts->kernel,
                         &marker->deaths);
    if (force) {
        marker->deaths = 0;
        return true;
    }
    if (verdict == BOOT_MAY_ARM)
        return true;
    marker->phase = BOOT_BLOCKED;
    say_refused(state, verdict, arm_state_save(state, marker));
    return false;
}

static struct panic_print_facts panic_facts(const struct arm_facts *facts)
{
    return (struct panic_print_facts){ .log_buf_len = facts->log_buf_len, .tasks = facts->tasks };
}

/* Loads ramoops, or leaves what records. */
static int arm_by_pstore(struct context *context, const struct arming *a,
                         struct boot_marker *marker)
{
    struct panic_print_facts panic = panic_facts(&a->facts);
    struct arm_result result;
    int r;

    if (a->plan.warning[0] != '\0')
        log_warning("%s", a->plan.warning);
    r = arm_execute(&context->root, context->ops, &a->plan, &result);
    if (r == -ENOMEM)
        return log_oom();
    marker->loaded_ramoops = marker->loaded_ramoops || result.loaded;
    if (r < 0) {
        log_error("not armed by pstore: %s; %s", result.failure, result.advice);
        return r;
    }
    panic_print_fit(context, &result.backend, &panic, false, marker);
    if (result.effects.complaint[0] != '\0')
        log_warning("the kernel complained: %s", result.effects.complaint);
    say_armed(&result.backend);
    if (a->plan.advice[0] != '\0')
        log_info("%s", a->plan.advice);
    say_policy(&context->root);
    return 0;
}

static int arm_by_kdump(struct context *context, struct arm_state *state, struct arming *a,
                        struct boot_marker *marker)
{
    struct kdump_result result;
    int r = kdump_arm(context, state, a, marker, &result);

    if (r == -ENOMEM)
        return log_oom();
    if (r == 0) {
        say_armed_kdump(a, &result);
        say_policy(&context->root);
    }
    return r;
}

/* Back to pstore in the same boot: a crash kernel of ours would still be what a crash starts. */
static void leave_kdump(struct context *context, const struct arming *a, struct boot_marker *marker)
{
    if (!marker->loaded_kdump || !a->kdump.kexec.loaded)
        return;
    if (kdump_disarm(context) == 0)
        marker->loaded_kdump = false;
}

/* The crash kernel where it is to record, pstore where it can, and each where the other fails. */
static int try_ways(struct context *context, struct arm_state *state, struct arming *a,
                    struct boot_marker *marker)
{
    bool pstore = a->plan.action != ARM_NOTHING;
    bool kdump = a->kdump_plan.action != KDUMP_IMPOSSIBLE;
    int r = -ENODEV;

    if (a->plan.kdump && kdump) {
        r = arm_by_kdump(context, state, a, marker);
        if (r == 0)
            return 0;
        kdump = false;
    }
    if (pstore) {
        if (a->plan.kdump)
            log_warning("there is no crash kernel: %s; %s", a->kdump_plan.reason,
                        a->kdump_plan.advice);
        r = arm_by_pstore(context, a, marker);
        if (r == 0) {
            if (!a->plan.kdump)
                leave_kdump(context, a, marker);
            return 0;
        }
        arming_plan_next(context, true, a);
    }
    return kdump ? arm_by_kdump(context, state, a, marker) : r;
}

static bool touches_kernel(const struct arming *a)
{
    return a->plan.action == ARM_LOAD || (a->plan.kdump && a->kdump_plan.action == KDUMP_LOAD);
}

static int arm_this_boot(struct context *context, struct arm_state *state, struct arming *a,
                         bool force)
{
    struct boot_marker marker = arm_state_marker(state, a->facts.boot_id, a->facts.kernel);
    bool touches = touches_kernel(a);
    int r;

    if (a->plan.action == ARM_NOTHING && a->kdump_plan.action == KDUMP_IMPOSSIBLE)
        return say_not_armed(a);
    if (touches) {
        if (!pass_guard(state, &a->facts, force, &marker))
            return EXIT_NOT_ARMED;
        marker.phase = BOOT_STARTED;
        (void)arm_state_save(state, &marker);
    }
    r = try_ways(context, state, a, &marker);
    /* Where nothing was touched, a death is not ours. */
    if (touches)
        marker.phase = BOOT_ARMED;
    else if (marker.phase == BOOT_STARTED || marker.phase == BOOT_BLOCKED)
        marker.phase = BOOT_SETTLED;
    (void)arm_state_save(state, &marker);
    if (r < 0 && a->plan.action == ARM_NOTHING)
        return say_not_armed(a);
    return r;
}

/* Where pstore records, and nothing of ours is in GRUB's configuration, all is done early. */
static bool is_all_done(const struct arming *a, int r)
{
    return r == 0 && !a->plan.kdump && a->plan.action != ARM_NOTHING && a->next_known &&
           a->next.action == RESERVE_KEEP;
}

static int arm_for_real(struct context *context, struct arm_state *state, struct arming *a,
                        const struct arm_options *options)
{
    int r = 0, next = 0;

    if (!options->late || is_left_for_late(a))
        r = arm_this_boot(context, state, a, options->force);
    if (!options->early)
        next = next_boot_prepare(context, state, a);
    arm_state_set_late(&context->root, options->early && !is_all_done(a, r));
    return options->late && next < 0 ? next : r;
}

/* A minute later, every few minutes after that, and at an orderly shutdown: this boot has lived,
 * and there may be more tasks now than a record can list. */
static int settle(struct context *context, const struct arm_facts *facts)
{
    _cleanup_arm_state_ struct arm_state state = ARM_STATE_INIT;
    struct panic_print_facts panic = panic_facts(facts);
    struct boot_marker marker;

    arm_state_open(context, false, &state);
    removal_take_over(&context->root, &state);
    arm_state_note_consent(&state, context->config.log_submission);
    arm_state_judge_test(&state, &context->root, facts->boot_id);
    if (!state.found || strcmp(state.last.boot_id, facts->boot_id) != 0)
        return EXIT_SUCCESS;
    marker = state.last;
    if (marker.phase != BOOT_BLOCKED) {
        marker.phase = BOOT_SETTLED;
        marker.deaths = 0;
    }
    if (pstore_backend_armed(&facts->backend))
        panic_print_fit(context, &facts->backend, &panic, true, &marker);
    if (state.run >= 0 || marker.phase != state.last.phase ||
        marker.panic_print_set != state.last.panic_print_set)
        (void)arm_state_save(&state, &marker);
    return EXIT_SUCCESS;
}

static int settle_now(struct context *context)
{
    struct arm_facts facts;

    return arm_facts_read(&context->root, &context->config, &facts) < 0 ? log_oom()
                                                                        : settle(context, &facts);
}

/* The first thing of a boot, right after systemd-pstore: what it archived may be the only copy. */
static void keep_archived(const struct root *root)
{
    int r = pstore_archive_sync(root);

    if (r < 0)
        (void)log_warning_errno(r, "cannot sync %s, ignoring", PSTORE_ARCHIVE);
}

static int run_arm(struct context *context, int argc, char **argv)
{
    _cleanup_arm_state_ struct arm_state state = ARM_STATE_INIT;
    _cleanup_free_ struct arming *a = NULL;
    struct arm_options options = { 0 };
    bool planned;

    if (parse_options(argc, argv, &options) < 0)
        return EXIT_USAGE;
    if (options.settled)
        return settle_now(context);
    if (options.installing)
        return removal_note(context);
    if (options.early && !options.dry_run)
        keep_archived(&context->root);
    planned = options.dry_run || context->ops == &sysops_planned;
    context->root.no_automount = options.early; /* the boot waits */
    arm_state_open(context, !planned, &state);
    if (options.force && !planned)
        arm_state_forget_lost(&state);
    a = calloc(1, sizeof(*a));
    if (!a || arming_read(context, &state, a) < 0)
        return log_oom();
    if (planned)
        return print_plan(a, &options);
    arm_state_note_consent(&state, context->config.log_submission);
    return arm_for_real(context, &state, a, &options);
}

const struct verb verb_arm = {
    .name = "arm",
    .arguments = "[--dry-run] [--force] [--early | --late]",
    .summary = "Make this boot able to record a crash",
    .details =
        "  -n, --dry-run   print what would be done, and do nothing\n"
        "  -f, --force     arm even though boots died right after arming, or ramoops lost a test\n"
        "      --early     (in early boot) leave the boot loader's configuration alone\n"
        "      --late      reserve in it what the next boots need, or give it back; and load the\n"
        "                  crash kernel where the kdump folder was not mounted early\n"
        "      --settled   this boot has lived (called by its timer and at shutdown)\n"
        "      --installing\n"
        "                  note the sysctls as they are (called before the package sets its "
        "own)\n\n"
        "Exit status: 0 armed, or the plan would arm; 1 failed; 3 not armed, for the reason\n"
        "that is given: nothing to arm with, switched off, or stopped by the guard against\n"
        "boot loops.\n",
    .run = run_arm,
};
