/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "arm/ways.h"
#include "base/log.h"

void arming_plan_next(const struct context *context, bool pstore_failed, struct arming *a)
{
    const struct next_boot_facts n = {
        .arm = &a->facts,
        .plan = &a->plan,
        .pstore_failed = pstore_failed,
        .can_kexec = a->kdump.kexec.supported,
        .running = a->kdump.kexec.crashkernel,
        .ours = a->reserve.ours,
        .theirs = a->reserve.theirs,
        .they_reserve = a->reserve.they_reserve,
        .crashkernel_mib = a->kdump.wanted_mib,
    };
    char params[GRUB_PARAMS_MAX + 1];

    a->next_known = arm_next_boot(&n, params, sizeof(params));
    if (a->next_known)
        reserve_plan_make(&a->reserve, params, context->config.grub_autoset, &a->next);
}

int arming_read(const struct context *context, const struct arm_state *state, struct arming *a)
{
    struct crashkernel_wish wish = {
        .configured = context->config.crashkernel,
        .full_coredump = context->config.full_coredump,
    };
    bool ours;

    if (arm_facts_read(&context->root, &context->config, &a->facts) < 0 ||
        kdump_facts_read(&context->root, &a->kdump) < 0 ||
        reserve_facts_read(&context->root, &a->reserve) < 0)
        return -ENOMEM;
    wish.memory = a->kdump.memory;
    a->kdump.wanted_mib = crashkernel_mib(&wish);
    a->facts.ramoops_lost = arm_state_ramoops_lost(state, &context->root);
    a->reserve.interrupted = arm_state_grub_pending(state);
    ours = state->found && state->last.loaded_kdump &&
           strcmp(state->last.boot_id, a->facts.boot_id) == 0;
    arm_plan_make(&a->facts, &a->plan);
    kdump_plan_make(&a->kdump, ours, &a->kdump_plan);
    arming_plan_next(context, false, a);
    return 0;
}

int next_boot_prepare(const struct context *context, const struct arm_state *state,
                      struct arming *a)
{
    struct reserve_plan *p = &a->next;
    const char *path = reserve_place_path(p->place);
    int r;

    if (!a->next_known || p->action == RESERVE_KEEP)
        return 0;
    if (p->action == RESERVE_REFUSED) {
        log_warning("nothing was %s for the next boot: %s; %s",
                    p->params[0] != '\0' ? "reserved" : "taken back", p->reason, p->advice);
        return -ENOTSUP;
    }
    arm_state_set_grub_pending(state, true);
    r = reserve_execute(&context->root, context->ops, &a->reserve, p);
    arm_state_set_grub_pending(state, false);
    if (r == -ENOMEM)
        return log_oom();
    if (r < 0) {
        log_error("nothing was %s for the next boot: %s; %s",
                  p->params[0] != '\0' ? "reserved" : "taken back", p->reason, p->advice);
        return r;
    }
    if (p->params[0] == '\0') {
        log_notice("the next boots reserve no memory for crashes: taken out of %s: %s", path,
                   a->reserve.ours[0] != '\0' ? a->reserve.ours : "what an earlier run had begun");
        return 0;
    }
    log_notice("reboot to record crashes: the next boots reserve memory for it; added to the "
               "kernel's command line by %s: %s",
               path, p->params);
    return 1;
}

void next_boot_print(const struct arming *a)
{
    const struct reserve_plan *p = &a->next;

    if (!a->next_known || p->action == RESERVE_KEEP)
        return;
    if (p->action == RESERVE_REFUSED)
        printf("plan: nothing for the next boot: %s\n      %s\n", p->reason, p->advice);
    else if (p->params[0] == '\0')
        printf("plan: take out of %s: %s\n", reserve_place_path(p->place), a->reserve.ours);
    else
        printf("plan: add to the next boots' command line, by %s: %s\n",
               reserve_place_path(p->place), p->params);
    if (p->action == RESERVE_CHANGE)
        printf("      and run %s%s%s\n", a->reserve.tool, a->reserve.config ? " -o " : "",
               a->reserve.config ? a->reserve.config : "");
}
