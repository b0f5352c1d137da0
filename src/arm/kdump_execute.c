/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "arm/kdump.h"
#include "base/log.h"
#include "image/image.h"

/* The kernel is asked itself: another program may have been there in between. */
static int verify(const struct root *root, struct kdump_plan *plan, struct kdump_result *result)
{
    struct kexec_crash now;

    kexec_crash_read(root, SPAN(""), &now);
    if (!now.loaded) {
        SAY(plan->reason, "the crash kernel was loaded, but is not there");
        SAY(plan->advice, "see what the kernel says: dmesg | grep -i kexec");
        return -EIO;
    }
    result->reserved = now.reserved;
    return 0;
}

static void judge_size(const struct kdump_result *result, struct kdump_plan *plan)
{
    uint64_t needed = image_memory_needed(result->image);

    if (needed > result->reserved)
        SAY(plan->warning,
            "the crash kernel may need %llu MiB, and %llu are reserved: a crash may be lost; set "
            "CRASHKERNEL= in /etc/default/kdump, or crashkernel= where you have set it",
            (unsigned long long)(needed >> 20), (unsigned long long)(result->reserved >> 20));
}

int kdump_execute(const struct root *root, const struct sysops *ops,
                  const struct kdump_facts *facts, int image, struct kdump_plan *plan,
                  struct kdump_result *result)
{
    _cleanup_close_ int kernel = root_open(root, facts->image, O_RDONLY, 0);
    struct stat st;
    int r;

    *result = (struct kdump_result){ .reserved = facts->kexec.reserved };
    if (kernel < 0) {
        SAY(plan->reason, "cannot open %.200s: %s", facts->image, strerror(-kernel));
        SAY(plan->advice, "install the kernel's package again");
        return kernel;
    }
    if (fstat(image, &st) == 0 && st.st_size > 0)
        result->image = (uint64_t)st.st_size;
    r = ops->kexec_load(ops->ctx, kernel, image, plan->cmdline);
    if (r < 0) {
        kdump_explain(r, facts->kexec.reserved, plan);
        return r;
    }
    result->loaded = true;
    r = verify(root, plan, result);
    if (r == 0)
        judge_size(result, plan);
    return r;
}
