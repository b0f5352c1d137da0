/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>

#include "base/log.h"
#include "image/kexec_crash.h"
#include "parse/cmdline.h"

enum { TRIES = 200, PAUSE_MS = 50 };

/* While a kernel is being loaded, crash_get_memory_size() (kernel/kexec_core.c) is -EBUSY: it takes
 * the lock or fails, in 6.1 and in stable series back to 5.10; before, it waited. */
static int read_reserved(const struct root *root, uint64_t *out)
{
    const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000L };
    int r = -EBUSY;

    for (unsigned i = 0; i < TRIES && r == -EBUSY; i++) {
        if (i > 0)
            (void)nanosleep(&pause, NULL);
        r = root_read_u64(root, "/sys/kernel/kexec_crash_size", out);
    }
    return r;
}

void kexec_crash_read(const struct root *root, struct span cmdline, struct kexec_crash *out)
{
    struct kexec_crash k = { 0 };
    uint64_t loaded = 0;
    struct span value;
    int r = read_reserved(root, &k.reserved);

    if (r < 0 && r != -ENOENT)
        (void)log_warning_errno(r, "cannot read /sys/kernel/kexec_crash_size, ignoring");
    /* After the wait: what was being loaded is there by now. */
    k.supported = root_read_u64(root, "/sys/kernel/kexec_crash_loaded", &loaded) == 0;
    k.loaded = loaded != 0;
    if (cmdline_get(span_trim(cmdline), "crashkernel", &value))
        (void)span_copy(value, k.crashkernel, sizeof(k.crashkernel));
    *out = k;
}
