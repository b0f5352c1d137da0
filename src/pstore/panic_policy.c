/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pstore/panic_policy.h"

static const struct {
    const char *name, *path;
    int64_t wanted;
    bool any_but_zero; /* else exactly the wanted value */
    const char *effect;
} policy[] = {
    { "kernel.panic", "/proc/sys/kernel/panic", -1, true,
      "after a panic the machine stands still until it is switched off, and the record is lost" },
    { "kernel.panic_on_oops", "/proc/sys/kernel/panic_on_oops", 1, false,
      "an oops does not reboot the machine; it runs on damaged" },
    { "kernel.softlockup_panic", "/proc/sys/kernel/softlockup_panic", 1, false,
      "a CPU that hangs in the kernel leaves no record" },
    { "kernel.hardlockup_panic", "/proc/sys/kernel/hardlockup_panic", 1, false,
      "a CPU that hangs with interrupts off leaves no record" },
};

_Static_assert(ARRAY_SIZE(policy) == PANIC_FINDINGS_MAX, "a finding for each row");

int sysctl_read(const struct root *root, const char *path, int64_t *out)
{
    struct span digits;
    char line[32];
    uint64_t value;
    bool negative;
    int r;

    r = root_read_line(root, path, line, sizeof(line));
    if (r < 0)
        return r;
    digits = span_str(line);
    negative = span_skip(&digits, "-");
    if (!span_to_u64(digits, &value) || value > INT64_MAX)
        return -EBADMSG;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return 0;
}

size_t panic_policy_check(const struct root *root, struct panic_finding out[PANIC_FINDINGS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(policy); i++) {
        int64_t live;

        if (sysctl_read(root, policy[i].path, &live) < 0)
            continue;
        if (policy[i].any_but_zero ? live != 0 : live == policy[i].wanted)
            continue;
        out[n++] =
            (struct panic_finding){ policy[i].name, live, policy[i].wanted, policy[i].effect };
    }
    return n;
}
