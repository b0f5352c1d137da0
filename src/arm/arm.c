/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "arm/arm.h"
#include "arm/execute.h"
#include "arm/state.h"
#include "base/log.h"
#include "pstore/panic_policy.h"

struct arm_options {
    bool dry_run, force, settled;
};

static int parse_options(int argc, char **argv, struct arm_options *out)
{
    static const struct option options[] = {
        { "dry-run", no_argument, NULL, 'n' },
        { "force", no_argument, NULL, 'f' },
        { "settled", no_argument, NULL, 's' },
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
        default:
            return -EINVAL;
        }
    }
    if (optind != argc || (out->settled && (out->dry_run || out->force))) {
        log_error("arm takes no arguments but its options, and --settled no other; see arm --help");
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

static int say_not_armed(const struct arm_plan *plan)
{
    log_warning("not armed: %s; %s", plan->reason, plan->advice);
    return EXIT_NOT_ARMED;
}

/* What a dry run prints, and all that is done on a tree that is not the running system. */
static int print_plan(const struct arm_facts *facts, const struct arm_plan *plan)
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
    log_error(
        "not armed: %s; after an update of the kernel, or by kdump-steamos arm --force, it is "
        "tried again",
        verdict == BOOT_REFUSED_UNFINISHED ? "the last boot died while it was being armed"
                                           : "two boots in a row died within a minute of arming");
    marker->phase = BOOT_BLOCKED;
    arm_state_save(state, marker);
    return false;
}

static struct panic_print_facts panic_facts(const struct arm_facts *facts)
{
    return (struct panic_print_facts){ .log_buf_len = facts->log_buf_len, .tasks = facts->tasks };
}

static int arm_for_real(struct context *context, const struct arm_facts *facts,
                        const struct arm_plan *plan, bool force)
{
    _cleanup_arm_state_ struct arm_state state = ARM_STATE_INIT;
    struct panic_print_facts panic = panic_facts(facts);
    struct arm_result result;
    struct boot_marker marker;
    int r;

    arm_state_open(context, true, &state);
    marker = arm_state_marker(&state, facts->boot_id, facts->kernel);
    if (plan->action == ARM_LOAD) {
        if (!pass_guard(&state, facts, force, &marker))
            return EXIT_NOT_ARMED;
        marker.phase = BOOT_STARTED;
        arm_state_save(&state, &marker);
    }
    r = arm_execute(&context->root, context->ops, plan, &result);
    if (r == -ENOMEM)
        return log_oom();
    marker.loaded_ramoops = marker.loaded_ramoops || result.loaded;
    if (r == 0)
        panic_print_fit(context, &result.backend, &panic, false, &marker);
    /* Where nothing was touched, a death is not ours. */
    if (plan->action == ARM_LOAD)
        marker.phase = BOOT_ARMED;
    else if (marker.phase == BOOT_STARTED || marker.phase == BOOT_BLOCKED)
        marker.phase = BOOT_SETTLED;
    arm_state_save(&state, &marker);
    if (r < 0) {
        log_error("not armed: %s; %s", result.failure, result.advice);
        return r;
    }
    if (result.effects.complaint[0] != '\0')
        log_warning("the kernel complained: %s", result.effects.complaint);
    say_armed(&result.backend);
    if (plan->advice[0] != '\0')
        log_info("%s", plan->advice);
    say_policy(&context->root);
    return EXIT_SUCCESS;
}

/* A minute later, every few minutes after that, and at an orderly shutdown: this boot has lived,
 * and there may be more tasks now than a record can list. */
static int settle(struct context *context, const struct arm_facts *facts)
{
    _cleanup_arm_state_ struct arm_state state = ARM_STATE_INIT;
    struct panic_print_facts panic = panic_facts(facts);
    struct boot_marker marker;

    arm_state_open(context, false, &state);
    if (!state.found || strcmp(state.last.boot_id, facts->boot_id) != 0)
        return EXIT_SUCCESS;
    marker = state.last;
    if (marker.phase != BOOT_BLOCKED) {
        marker.phase = BOOT_SETTLED;
        marker.deaths = 0;
    }
    if (pstore_backend_armed(&facts->backend))
        panic_print_fit(context, &facts->backend, &panic, true, &marker);
    if (marker.phase != state.last.phase || marker.panic_print_set != state.last.panic_print_set)
        arm_state_save(&state, &marker);
    return EXIT_SUCCESS;
}

static int run_arm(struct context *context, int argc, char **argv)
{
    struct arm_options options = { 0 };
    struct arm_facts facts;
    struct arm_plan plan;

    if (parse_options(argc, argv, &options) < 0)
        return EXIT_USAGE;
    if (arm_facts_read(&context->root, &context->config, &facts) < 0)
        return log_oom();
    if (options.settled)
        return settle(context, &facts);
    arm_plan_make(&facts, &plan);
    if (options.dry_run || context->ops == &sysops_planned)
        return print_plan(&facts, &plan);
    if (plan.warning[0] != '\0')
        log_warning("%s", plan.warning);
    if (plan.action == ARM_NOTHING)
        return say_not_armed(&plan);
    return arm_for_real(context, &facts, &plan, options.force);
}

const struct verb verb_arm = {
    .name = "arm",
    .arguments = "[--dry-run] [--force]",
    .summary = "Make this boot able to record a crash",
    .details =
        "  -n, --dry-run   print what would be done, and do nothing\n"
        "  -f, --force     arm even though boots died right after arming\n"
        "      --settled   this boot has lived (called by its timer and at shutdown)\n\n"
        "Exit status: 0 armed, or the plan would arm; 1 failed; 3 not armed, for the reason\n"
        "that is given: nothing to arm with, switched off, or stopped by the guard against\n"
        "boot loops.\n",
    .run = run_arm,
};
