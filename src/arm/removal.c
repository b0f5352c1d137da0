/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arm/removal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/json_file.h"
#include "base/log.h"
#include "image/image.h"
#include "pstore/panic_policy.h"
#include "spool/said.h"

static const char found_name[] = "sysctl-found.json";
static const char note_said[] = "said-sysctls"; /* in RUN_DIR */

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

/* What was noted: in the folder, or in /run while that took nothing. NULL: nothing was. */
static json_t *read_note(const struct root *root, const struct arm_state *state)
{
    _cleanup_close_ int run = root_open_dir(root, RUN_DIR);
    json_t *found = NULL;

    if (state->fd >= 0 && json_file_read(state->fd, found_name, &found) == 0)
        return found;
    return run >= 0 && json_file_read(run, found_name, &found) == 0 ? found : NULL;
}

static int write_note(const struct root *root, const struct arm_state *state, json_t *found)
{
    _cleanup_close_ int run = -EBADF;
    int r = state->fd >= 0 ? json_file_write(state->fd, found_name, found) : -ENOENT;

    if (state->fd >= 0 && !spool_takes_nothing(r))
        return r;
    run = root_make_dir(root, RUN_DIR, 0700);
    return run < 0 ? run : json_file_write(run, found_name, found);
}

int removal_note(const struct context *context)
{
    _cleanup_arm_state_ struct arm_state state = ARM_STATE_INIT;
    _cleanup_json_ json_t *found = json_object();
    _cleanup_json_ json_t *before = NULL;
    char path[80];
    int r;

    arm_state_open(context, true, &state);
    before = read_note(&context->root, &state);
    if (before || (state.fd < 0 && state.run < 0))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
        int64_t live;

        if (read_one(&context->root, sysctls[i].name, path, sizeof(path), &live) == 0 &&
            json_object_set_new(found, sysctls[i].name, json_integer((json_int_t)live)) < 0)
            return log_oom();
    }
    r = write_note(&context->root, &state, found);
    return r < 0 ? log_error_errno(r, "cannot note what the sysctls were") : 0;
}

void removal_take_over(const struct root *root, const struct arm_state *state)
{
    _cleanup_close_ int run = root_open_dir(root, RUN_DIR);
    _cleanup_json_ json_t *found = NULL;
    bool said;
    int r;

    if (run < 0 || state->fd < 0 || json_file_read(run, found_name, &found) < 0)
        return;
    r = json_file_write(state->fd, found_name, found);
    if (r == 0)
        r = unlink_durable(run, found_name);
    if (r == 0)
        return;
    said = said_in_boot(root, note_said);
    (void)log_full_errno(said ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, r,
                         "cannot note in %s/state what the sysctls were%s, ignoring",
                         state->spool.path, spool_advice(r));
}

static int restore_sysctls(const struct context *context, const struct arm_state *state)
{
    _cleanup_json_ json_t *found = read_note(&context->root, state);
    char path[80], text[24];
    int ret = 0;

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
    _cleanup_close_ int run = root_open_dir(&context->root, RUN_DIR);
    int ret;

    removal_take_over(&context->root, state);
    ret = restore_sysctls(context, state);
    arm_state_set_late(&context->root, false);
    if (run >= 0)
        (void)!unlink_durable(run, found_name);
    image_remove_all(context);
    for (size_t i = 0; i < ARRAY_SIZE(files) && state->fd >= 0; i++) {
        int r = unlink_durable(state->fd, files[i]);

        if (r < 0)
            ret = log_error_errno(r, "cannot remove %s/state/%s", state->spool.path, files[i]);
    }
    return ret;
}
