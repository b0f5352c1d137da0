/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arm/removal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/json_file.h"
#include "base/log.h"
#include "image/image.h"
#include "pstore/panic_policy.h"

static const char found_name[] = "sysctl-found.json";

/* Those of 60-kdump-steamos.conf, and the kernel's own values where its configuration has no other
 * (lib/Kconfig.debug, kernel/printk). */
static const struct {
    const char *name;
    int64_t ours, fallback;
} sysctls[] = {
    { "panic", -1, 0 },           { "panic_on_oops", 1, 0 },   { "softlockup_panic", 1, 0 },
    { "hardlockup_panic", 1, 0 }, { "hung_task_panic", 0, 0 }, { "panic_on_rcu_stall", 0, 0 },
    { "panic_print", 2, 0 },
};

static int read_one(const struct root *root, const char *name, char *path, size_t size,
                    int64_t *out)
{
    (void)snprintf(path, size, "/proc/sys/kernel/%s", name);
    return sysctl_read(root, path, out);
}

int removal_note(const struct context *context)
{
    _cleanup_arm_state_ struct arm_state state = ARM_STATE_INIT;
    _cleanup_json_ json_t *found = json_object();
    _cleanup_json_ json_t *before = NULL;
    char path[80];
    int folder, r;

    arm_state_open(context, true, &state);
    folder = state.fd >= 0 ? state.fd : state.run;
    if (folder < 0 || json_file_read(folder, found_name, &before) == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
        int64_t live;

        if (read_one(&context->root, sysctls[i].name, path, sizeof(path), &live) == 0 &&
            json_object_set_new(found, sysctls[i].name, json_integer((json_int_t)live)) < 0)
            return log_oom();
    }
    r = json_file_write(folder, found_name, found);
    return r < 0 ? log_error_errno(r, "cannot note what the sysctls were") : 0;
}

void removal_take_over(const struct root *root, const struct arm_state *state)
{
    _cleanup_close_ int run = root_open_dir(root, RUN_DIR);
    _cleanup_json_ json_t *found = NULL;
    int r;

    if (run < 0 || state->fd < 0 || json_file_read(run, found_name, &found) < 0)
        return;
    r = json_file_write(state->fd, found_name, found);
    if (r == 0)
        r = unlink_durable(run, found_name);
    if (r < 0)
        (void)log_warning_errno(r, "cannot note in %s/state what the sysctls were, ignoring",
                                state->spool.path);
}

static int restore_sysctls(const struct context *context, const struct arm_state *state)
{
    _cleanup_json_ json_t *found = NULL;
    char path[80], text[24];
    int ret = 0;

    if (state->fd >= 0 || state->run >= 0)
        (void)!json_file_read(state->fd >= 0 ? state->fd : state->run, found_name, &found);
    for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
        int64_t live, value = json_get_int(found, sysctls[i].name, sysctls[i].fallback);
        int r;

        if (read_one(&context->root, sysctls[i].name, path, sizeof(path), &live) < 0 ||
            live != sysctls[i].ours || live == value)
            continue;
        (void)snprintf(text, sizeof(text), "%" PRId64 "\n", value);
        r = root_write(&context->root, path, text);
        if (r < 0)
            ret =
                log_error_errno(r, "cannot set kernel.%s back to %" PRId64, sysctls[i].name, value);
    }
    return ret;
}

int removal_undo(const struct context *context, const struct arm_state *state)
{
    static const char *const files[] = { found_name, "ramoops-lost.json", "test.json" };
    int ret;

    removal_take_over(&context->root, state);
    ret = restore_sysctls(context, state);
    arm_state_set_late(&context->root, false);
    if (state->run >= 0)
        (void)!unlink_durable(state->run, found_name);
    image_remove_all(context);
    for (size_t i = 0; i < ARRAY_SIZE(files) && state->fd >= 0; i++) {
        int r = unlink_durable(state->fd, files[i]);

        if (r < 0)
            ret = log_error_errno(r, "cannot remove %s/state/%s", state->spool.path, files[i]);
    }
    return ret;
}
