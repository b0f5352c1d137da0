/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "arm/arm.h"
#include "arm/removal.h"
#include "arm/ways.h"
#include "base/log.h"
#include "pstore/panic_policy.h"

static int unload_ramoops(const struct context *context, const struct pstore_backend *backend)
{
    int r;

    if (backend->kind != PSTORE_KIND_RAMOOPS && !backend->ramoops_present)
        return 0;
    r = context->ops->module_unload(context->ops->ctx, "ramoops");
    if (r < 0 && r != -ENOENT)
        return log_error_errno(r, "cannot unload ramoops; it records until the next boot");
    return 0;
}

static int restore_panic_print(const struct root *root, const struct boot_marker *marker)
{
    static const char path[] = "/proc/sys/kernel/panic_print";
    char text[24];
    int64_t live;
    int r;

    if (marker->panic_print_set < 0 || marker->panic_print_found < 0 ||
        sysctl_read(root, path, &live) < 0 || live != marker->panic_print_set)
        return 0;
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", marker->panic_print_found);
    r = root_write(root, path, text);
    if (r < 0)
        return log_error_errno(r, "cannot set kernel.panic_print back to %" PRId64,
                               marker->panic_print_found);
    return 0;
}

/* A boot that armed nothing: what records was there before us, and stays. */
static int nothing_to_undo(const struct pstore_backend *backend)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    if (!pstore_backend_armed(backend)) {
        log_notice("disarmed: nothing was armed in this boot");
        return EXIT_SUCCESS;
    }
    if (pstore_backend_describe(backend, &text) < 0)
        return log_oom();
    log_notice("nothing to undo: not armed by kdump-steamos in this boot, left as it is: %s",
               strbuf_cstr(&text));
    return EXIT_SUCCESS;
}

static int undo(struct context *context, struct arm_state *state,
                const struct pstore_backend *backend, bool this_boot)
{
    bool planned = context->ops == &sysops_planned;
    int unload = 0, restore = 0, kdump = 0, r;

    if (this_boot && state->last.loaded_ramoops)
        unload = unload_ramoops(context, backend);
    if (this_boot && state->last.loaded_kdump)
        kdump = kdump_disarm(context);
    if (planned)
        return EXIT_SUCCESS;
    if (this_boot)
        restore = restore_panic_print(&context->root, &state->last);
    if (unload < 0 || restore < 0 || kdump < 0)
        return unload < 0 ? unload : restore < 0 ? restore : kdump;
    r = state->run >= 0 ? boot_marker_remove(state->run) : 0;
    if (r == 0 && state->fd >= 0)
        r = boot_marker_remove(state->fd);
    if (r == -EROFS) { /* all is undone */
        (void)log_warning_errno(r,
                                "cannot remove the boot marker in %s%s; the next boot may take "
                                "this one for one that died, ignoring",
                                state->spool.path, spool_advice(r));
        return 0;
    }
    return r < 0 ? log_error_errno(r, "cannot remove the boot marker") : 0;
}

/* Our edit of GRUB's configuration goes, whichever boot made it. */
static int release_next_boot(const struct context *context, const struct arm_state *state)
{
    _cleanup_free_ struct arming *a = calloc(1, sizeof(*a));
    int r;

    if (!a || reserve_facts_read(&context->root, &a->reserve) < 0)
        return log_oom();
    a->reserve.interrupted = arm_state_grub_pending(state);
    if (a->reserve.ours[0] == '\0' && !a->reserve.interrupted)
        return 0;
    reserve_plan_make(&a->reserve, "", context->config.grub_autoset, &a->next);
    a->next_known = true;
    if (context->ops == &sysops_planned) {
        next_boot_print(a);
        return 0;
    }
    r = next_boot_prepare(context, state, a);
    return r < 0 ? r : 0;
}

static int say_undone(const struct context *context, const struct boot_marker *last)
{
    struct pstore_backend after;

    if (pstore_backend_inspect(&context->root, &after) < 0)
        return log_oom();
    if (last->loaded_ramoops && after.kind == PSTORE_KIND_RAMOOPS) {
        log_error("ramoops is still registered; it records until the next boot");
        return EXIT_FAILURE;
    }
    log_notice("disarmed: a crash of this boot leaves no record from now on%s",
               last->loaded_ramoops ? "; records that were not collected stay in memory until it "
                                      "is armed again"
                                    : "");
    return EXIT_SUCCESS;
}

static bool parse_options(int argc, char **argv, bool *removing)
{
    static const struct option options[] = { { "removing", no_argument, NULL, 'r' }, { 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option != 'r')
            return false;
        *removing = true;
    }
    if (optind != argc)
        log_error("disarm takes no arguments but --removing");
    return optind == argc;
}

static int run_disarm(struct context *context, int argc, char **argv)
{
    _cleanup_arm_state_ struct arm_state state = ARM_STATE_INIT;
    struct pstore_backend before;
    char boot_id[40] = "";
    bool this_boot, removing = false;
    int r = 0, released, removed = 0;

    if (!parse_options(argc, argv, &removing))
        return EXIT_USAGE;
    if (pstore_backend_inspect(&context->root, &before) < 0)
        return log_oom();
    if (root_read_line(&context->root, "/proc/sys/kernel/random/boot_id", boot_id,
                       sizeof(boot_id)) < 0)
        boot_id[0] = '\0';
    arm_state_open(context, false, &state);
    this_boot = state.found && boot_id[0] != '\0' && strcmp(state.last.boot_id, boot_id) == 0;
    released = release_next_boot(context, &state);
    if (state.found)
        r = undo(context, &state, &before, this_boot);
    if (removing && context->ops != &sysops_planned)
        removed = removal_undo(context, &state);
    if (r != 0)
        return r;
    if (released < 0 || removed < 0)
        return released < 0 ? released : removed;
    if (!this_boot || (!state.last.loaded_ramoops && !state.last.loaded_kdump))
        return nothing_to_undo(&before);
    return context->ops == &sysops_planned ? EXIT_SUCCESS : say_undone(context, &state.last);
}

const struct verb verb_disarm = {
    .name = "disarm",
    .arguments = "[--removing]",
    .summary = "Undo what arm did, in this boot and for the next ones",
    .details =
        "      --removing  set the sysctls of 60-kdump-steamos.conf back, too, and remove what\n"
        "                  the kdump folder has for arming; reports stay (called when the\n"
        "                  package is removed)\n\n"
        "Unloads what was loaded, and takes out of the boot loader's configuration what was\n"
        "put there. The next boot arms again; it stays off after\n"
        "systemctl disable kdump-steamos.service kdump-steamos-reserve.service.\n",
    .run = run_disarm,
};
