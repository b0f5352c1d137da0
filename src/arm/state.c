/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "arm/state.h"
#include "base/atomic_file.h"
#include "base/json_file.h"
#include "base/log.h"
#include "pstore/panic_policy.h"
#include "pstore/records.h"
#include "spool/consent.h"
#include "spool/proof.h"
#include "spool/said.h"

static const char consent_said[] = "said-consent"; /* in RUN_DIR */
static const char lost_name[] = "ramoops-lost.json", grub_name[] = "grub-pending";

static const char guard_off[] = "the guard against boot loops is off";
static const char panic_print_path[] = "/proc/sys/kernel/panic_print";

void arm_state_close(struct arm_state *state)
{
    close_fd(&state->run);
    close_fd(&state->fd);
    spool_close(&state->spool);
}

/* What this boot noted while the kdump folder was missing. */
static void take_over(const struct context *context, struct arm_state *state)
{
    _cleanup_close_ int run = root_open_dir(&context->root, RUN_DIR);
    struct boot_marker marker;

    if (run < 0 || boot_marker_read(run, &marker) < 0)
        return;
    (void)boot_guard(state->found ? &state->last : NULL, marker.boot_id, marker.kernel,
                     &marker.deaths);
    state->last = marker;
    state->found = true;
    state->run = TAKE_FD(run);
}

/* Before the kdump folder is there, and where there never is one. */
static void open_without_folder(const struct context *context, bool create, int error,
                                struct arm_state *out)
{
    const char *folder = context->config.kdump_folder;

    out->run = create ? root_make_dir(&context->root, RUN_DIR, 0700)
                      : root_open_dir(&context->root, RUN_DIR);
    out->found = out->run >= 0 && boot_marker_read(out->run, &out->last) == 0;
    if (create && error == -ENODEV)
        log_debug("the file system of %s is not mounted yet: until then the guard is in " RUN_DIR,
                  folder);
    else if (create)
        (void)log_warning_errno(error,
                                "the guard against boot loops is off, for there is no writable "
                                "kdump folder %s%s, ignoring",
                                folder, spool_advice(error));
}

void arm_state_open(const struct context *context, bool create, struct arm_state *out)
{
    int r;

    *out = (struct arm_state)ARM_STATE_INIT;
    out->root = &context->root;
    out->arming = create;
    r = spool_open(&context->root, &context->config, create, &out->spool);
    if (r >= 0) {
        out->fd = spool_open_state(&out->spool, create);
        r = out->fd;
    }
    if (r < 0) {
        open_without_folder(context, create, r, out);
        return;
    }
    r = boot_marker_read(out->fd, &out->last);
    out->found = r == 0;
    if (r < 0 && r != -ENOENT)
        (void)log_warning_errno(r, "cannot read the boot marker in %s/state, ignoring",
                                out->spool.path);
    take_over(context, out);
}

struct boot_marker arm_state_marker(const struct arm_state *state, const char *boot_id,
                                    const char *kernel)
{
    struct boot_marker marker = {
        .phase = BOOT_STARTED,
        .time = time(NULL),
        .panic_print_found = -1,
        .panic_print_set = -1,
    };

    if (state->found && boot_id[0] != '\0' && strcmp(state->last.boot_id, boot_id) == 0)
        marker = state->last;
    (void)span_copy(span_str(boot_id), marker.boot_id, sizeof(marker.boot_id));
    (void)span_copy(span_str(kernel), marker.kernel, sizeof(marker.kernel));
    return marker;
}

/* Whether what is in the folder has been overtaken: by what this boot wrote there before, or found
 * there and knows better, as it has lived or nobody was counted dead (--force). A refusal goes on
 * being one. */
static bool is_overtaken(const struct boot_marker *old, const struct boot_marker *now)
{
    return now->phase != BOOT_BLOCKED &&
           (strcmp(old->boot_id, now->boot_id) == 0 || now->phase == BOOT_SETTLED ||
            (now->phase == BOOT_ARMED && now->deaths == 0));
}

/* What the next boot goes by where the folder does not take this marker: one that stays there would
 * be the last word. A full disk lets it be removed, a read-only one does not. */
static const char *leave_in_folder(const struct arm_state *state, const struct boot_marker *now)
{
    struct boot_marker old;

    if (state->fd < 0 || boot_marker_read(state->fd, &old) < 0 || old.phase == BOOT_SETTLED ||
        (is_overtaken(&old, now) && boot_marker_remove(state->fd) == 0))
        return guard_off;
    return strcmp(old.boot_id, now->boot_id) == 0
               ? "this boot will count as one that died"
               : "what an earlier boot noted there still counts against the next one";
}

static int save_in_run(struct arm_state *state, const struct boot_marker *marker)
{
    if (state->run < 0)
        state->run = root_make_dir(state->root, RUN_DIR, 0700);
    return state->run < 0 ? state->run : boot_marker_write(state->run, marker);
}

static int save_in_folder(struct arm_state *state, const struct boot_marker *marker)
{
    int r = boot_marker_write(state->fd, marker);

    if (r == 0 && state->run >= 0) {
        (void)!boot_marker_remove(state->run);
        close_fd(&state->run);
        state->run = -EBADF;
    }
    return r;
}

static void warn_of_marker(struct arm_state *state, const char *folder, int error,
                           const char *effect)
{
    if (state->said && strcmp(state->said, effect) == 0)
        return;
    (void)log_warning_errno(error, "cannot write the boot marker in %s%s; %s, ignoring", folder,
                            spool_advice(error), effect);
    state->said = effect;
}

int arm_state_save(struct arm_state *state, const struct boot_marker *marker)
{
    bool known = state->run >= 0 && !state->arming;
    const char *effect = guard_off;
    int folder = 0, r = 0;

    if (state->fd < 0 && state->run < 0)
        return state->fd;
    if (state->fd >= 0)
        folder = save_in_folder(state, marker);
    if (state->fd < 0 || folder < 0)
        r = save_in_run(state, marker);
    if (folder < 0 && r == 0)
        effect = leave_in_folder(state, marker);
    if (r == 0) {
        state->last = *marker;
        state->found = true;
    }
    if (folder < 0 && !known && marker->phase != BOOT_BLOCKED)
        warn_of_marker(state, state->spool.path, folder, effect);
    else if (r < 0)
        warn_of_marker(state, RUN_DIR, r, effect);
    return folder;
}

bool arm_state_ramoops_lost(const struct arm_state *state, const struct root *root)
{
    _cleanup_json_ json_t *object = NULL;
    struct proof now;

    if (state->fd < 0 || json_file_read(state->fd, lost_name, &object) < 0)
        return false;
    proof_of_now(root, &now);
    return strcmp(json_get_str(object, "firmware", ""), now.firmware) == 0;
}

void arm_state_set_late(const struct root *root, bool late)
{
    _cleanup_close_ int run =
        late ? root_make_dir(root, RUN_DIR, 0700) : root_open_dir(root, RUN_DIR);
    int r = run == -ENOENT && !late ? 0 : run;

    if (r >= 0 && run >= 0)
        r = late ? file_write_atomic(run, RUN_LATE, 0600, SPAN("")) : unlink_durable(run, RUN_LATE);
    if (r < 0)
        (void)log_warning_errno(r,
                                "cannot note in " RUN_DIR " whether kdump-steamos-reserve.service "
                                "has anything to do; run kdump-steamos arm --late");
}

void arm_state_note_consent(const struct arm_state *state, bool submission)
{
    bool said;
    int r;

    if (state->fd < 0)
        return;
    r = consent_note(state->fd, submission, time(NULL));
    if (r == 0) {
        said_forget(state->root, consent_said);
        return;
    }
    said = said_in_boot(state->root, consent_said) && !state->arming;
    (void)log_full_errno(said ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, r,
                         "cannot note in %s/state whether reports may leave, ignoring: what "
                         "the configuration says at the next boot will count alone",
                         state->spool.path);
}

void arm_state_judge_test(const struct arm_state *state, const struct root *root,
                          const char *boot_id)
{
    _cleanup_json_ json_t *object = NULL;
    struct proof test;
    int r;

    if (state->fd < 0 || proof_test_read(state->fd, &test) < 0 ||
        strcmp(test.mechanism, "ramoops") != 0 || strcmp(test.boot_id, boot_id) == 0 ||
        pstore_any_dump(root, PSTORE_DIR) || pstore_any_dump(root, PSTORE_ARCHIVE))
        return;
    object = json_pack("{s:I, s:s}", "time", (json_int_t)test.time, "firmware", test.firmware);
    r = object ? json_file_write(state->fd, lost_name, object) : -ENOMEM;
    if (r < 0)
        (void)log_warning_errno(r, "cannot note in %s/state that ramoops lost a test, ignoring",
                                state->spool.path);
}

void arm_state_forget_lost(const struct arm_state *state)
{
    if (state->fd >= 0)
        (void)!unlink_durable(state->fd, lost_name);
}

bool arm_state_grub_pending(const struct arm_state *state)
{
    return state->fd >= 0 && faccessat(state->fd, grub_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void arm_state_set_grub_pending(const struct arm_state *state, bool pending)
{
    if (state->fd < 0)
        return;
    if (pending)
        (void)!file_write_atomic(state->fd, grub_name, 0600, (struct span){ "", 0 });
    else
        (void)!unlink_durable(state->fd, grub_name);
}

static void warn_of_tasks(int64_t live, const struct panic_print_facts *facts)
{
    uint64_t capacity = panic_print_capacity(facts);

    if ((live & PANIC_PRINT_TASKS) && facts->tasks > capacity)
        log_warning("kernel.panic_print=%" PRId64
                    " lists all tasks, but a record has room for %" PRIu64 " and there are %" PRIu64
                    ": a panic's own text would be pushed out; "
                    "set it to %d, or boot with log_buf_len=4M",
                    live, capacity, facts->tasks, PANIC_PRINT_MEM);
}

void panic_print_fit(const struct context *context, const struct pstore_backend *backend,
                     const struct panic_print_facts *facts, bool quietly,
                     struct boot_marker *marker)
{
    struct panic_print_facts f = *facts;
    unsigned value;
    char text[24];
    int64_t live;
    int r;

    f.text_per_dump = backend->text_per_dump;
    if (sysctl_read(&context->root, panic_print_path, &live) < 0)
        return;
    if (live != PANIC_PRINT_MEM && live != marker->panic_print_set) {
        if (!quietly)
            warn_of_tasks(live, &f);
        return;
    }
    value = panic_print_choose(&f);
    if (live == (int64_t)value)
        return;
    (void)snprintf(text, sizeof(text), "%u\n", value);
    r = root_write(&context->root, panic_print_path, text);
    if (r < 0) {
        (void)log_warning_errno(r, "cannot set kernel.panic_print to %u, ignoring", value);
        return;
    }
    log_debug("kernel.panic_print: %" PRId64 " becomes %u (room for %" PRIu64 " tasks, %" PRIu64
              " there)",
              live, value, panic_print_capacity(&f), f.tasks);
    if (marker->panic_print_set < 0)
        marker->panic_print_found = live;
    marker->panic_print_set = value;
}
