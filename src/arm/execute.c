/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <sys/mount.h>

#include "arm/execute.h"
#include "base/log.h"

static const char advice_dmesg[] = "see what the kernel says: dmesg | grep -e ramoops -e pstore";

/* Recording needs no mount; collecting does. So a failure here is not one of arming. */
static void mount_pstore(const struct sysops *ops, struct arm_result *result)
{
    int r = ops->mount(ops->ctx, "pstore", "/sys/fs/pstore", "pstore",
                       MS_NOSUID | MS_NODEV | MS_NOEXEC);

    if (r == 0)
        result->mounted = true;
    else if (r != -EBUSY)
        (void)log_debug_errno(r, "cannot mount pstore on /sys/fs/pstore");
}

static void explain_load(int r, struct arm_result *result)
{
    switch (r) {
    case -ENOENT:
        SAY(result->failure, "this kernel's modules have no ramoops");
        SAY(result->advice,
            "install the full set of modules of the running kernel; after an update "
            "of the kernel, reboot");
        break;
    case -EPERM:
    case -EACCES:
        SAY(result->failure, "loading modules is not permitted");
        SAY(result->advice, "run this as root, with kernel.modules_disabled=0");
        break;
    case -EKEYREJECTED:
        SAY(result->failure, "the kernel rejects the signature of the ramoops module");
        SAY(result->advice, "sign the module with a key that this kernel trusts");
        break;
    default:
        SAY(result->failure, "cannot load ramoops: %s", strerror(-r));
        SAY(result->advice, "%s", advice_dmesg);
    }
}

static int load_ramoops(const struct sysops *ops, const struct arm_plan *plan,
                        struct arm_result *result)
{
    const char *options = plan->options[0] ? plan->options : NULL;
    int r;

    if (plan->reload) {
        r = ops->module_unload(ops->ctx, "ramoops");
        if (r < 0) {
            SAY(result->failure, "ramoops is loaded without a region and cannot be unloaded: %s",
                strerror(-r));
            SAY(result->advice, "reboot");
            return r;
        }
        result->unloaded = true;
    }
    r = ops->module_load(ops->ctx, "ramoops", options);
    if (r == -EEXIST) /* udev or another was faster; what there is will be judged */
        return 0;
    if (r < 0) {
        explain_load(r, result);
        return r;
    }
    result->loaded = true;
    return 0;
}

/* What the kernel said from here on; the log is a witness, not a condition: -EBADF without it. */
static int open_log(const struct root *root, bool at_end)
{
    int fd = kmsg_open(root, at_end);

    if (fd < 0)
        (void)log_debug_errno(fd, "cannot read the kernel log /dev/kmsg, going by sysfs alone");
    return fd;
}

static void read_log(int fd, bool since_load, struct arm_result *result)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    if (fd < 0 || kmsg_read(fd, &text) < 0)
        return;
    kmsg_judge(strbuf_view(&text), since_load, &result->effects);
    result->log_read = true;
}

static int fail(struct arm_result *result, const char *failure)
{
    if (result->effects.complaint[0] != '\0')
        SAY(result->failure, "%s; the kernel says: %s", failure, result->effects.complaint);
    else
        SAY(result->failure, "%s", failure);
    SAY(result->advice, "%s", advice_dmesg);
    return -ENODEV;
}

/* The module reports success even where its probe failed: only what pstore has registered, and the
 * region that ramoops says it uses, count. */
static int verify_ramoops(const struct arm_plan *plan, struct arm_result *result)
{
    const struct pstore_backend *b = &result->backend;
    char failure[200];

    if (b->kind == PSTORE_KIND_NONE)
        return fail(result, "ramoops was loaded, but did not register with pstore");
    if (b->kind != PSTORE_KIND_RAMOOPS) {
        SAY(failure, "ramoops was loaded, but pstore had taken %s", b->name);
        return fail(result, failure);
    }
    if (!pstore_backend_armed(b))
        return fail(result, "ramoops is registered, but keeps no dumps");
    if (plan->region.start != 0 && b->ramoops.known &&
        b->ramoops.mem_address != plan->region.start) {
        SAY(failure, "ramoops uses 0x%" PRIx64 ", not the planned 0x%" PRIx64,
            b->ramoops.mem_address, plan->region.start);
        return fail(result, failure);
    }
    if (result->log_read && !result->effects.registered && result->loaded)
        return fail(result, "the kernel's log does not tell that ramoops was registered");
    return 0;
}

/* A module that holds nothing would only stand in the way of the next attempt. */
static void unload_useless(const struct sysops *ops, struct arm_result *result)
{
    if (!result->loaded || result->backend.kind == PSTORE_KIND_RAMOOPS)
        return;
    if (ops->module_unload(ops->ctx, "ramoops") == 0)
        result->loaded = false;
}

int arm_execute(const struct root *root, const struct sysops *ops, const struct arm_plan *plan,
                struct arm_result *result)
{
    bool load = plan->action == ARM_LOAD;
    _cleanup_close_ int log = -EBADF;
    int r;

    *result = (struct arm_result){ 0 };
    if (plan->action == ARM_NOTHING) {
        SAY(result->failure, "%s", plan->reason);
        SAY(result->advice, "%s", plan->advice);
        return -ENODEV;
    }
    if (plan->mount)
        mount_pstore(ops, result);
    log = open_log(root, load);
    if (load) {
        r = load_ramoops(ops, plan, result);
        if (r < 0)
            return r;
    }
    r = pstore_backend_inspect(root, &result->backend);
    if (r < 0)
        return r;
    read_log(log, load, result);
    if (result->log_read && result->effects.compression_failed &&
        result->backend.kind == PSTORE_KIND_RAMOOPS)
        pstore_backend_uncompressed(&result->backend);
    if (!load)
        return pstore_backend_armed(&result->backend) ? 0 : fail(result, "the back end is gone");
    r = verify_ramoops(plan, result);
    if (r < 0)
        unload_useless(ops, result);
    return r;
}
