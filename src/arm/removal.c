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
    int r;

    arm_state_open(context, true, &state);
    if (state.fd < 0 || json_file_read(state.fd, found_name, &before) == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
        int64_t live;

        if (read_one(&context->root, sysctls[i].name, path, sizeof(path), &live) == 0 &&
            json_object_set_new(found, sysctls[i].name, json_integer((json_int_t)live)) < 0)
            return log_oom();
    }
    r = json_file_write(state.fd, found_name, found);
    return r < 0 ? log_error_errno(r, "cannot note in %s/state what the sysctls were",
                                   state.spool.path)
                 : 0;
}

static int restore_sysctls(const struct context *context, const struct arm_state *state)
{
    _cleanup_json_ json_t *found = NULL;
    char path[80], text[24];
    int ret = 0;

    if (state->fd >= 0)
        (void)!json_file_read(state->fd, found_name, &found);
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
    int ret = restore_sysctls(context, state);

    arm_state_set_late(&context->root, false);
    image_remove_all(context);
    for (size_t i = 0; i < ARRAY_SIZE(files) && state->fd >= 0; i++) {
        int r = unlink_durable(state->fd, files[i]);

        if (r < 0)
            ret = log_error_errno(r, "cannot remove %s/state/%s", state->spool.path, files[i]);
    }
    return ret;
}
