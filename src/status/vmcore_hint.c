/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status/vmcore_hint.h"

#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "spool/spool.h"

void vmcore_hint(const struct context *context, const char *name)
{
    static const char *const prefixes[] = { "vmcore", "vmcore-incomplete" };
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    const char *slash = strrchr(name, '/');
    struct spool_report report;

    if (!spool_report_parse_name(slash ? slash + 1 : name, &report) ||
        spool_open(&context->root, &context->config, false, &spool) < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "crash/%s.%s", prefixes[i], report.stamp);
        if (faccessat(spool.fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        log_info("the memory of this crash%s is in %s/%s; with the debugging symbols of its kernel "
                 "(vmlinux) it is opened by: crash VMLINUX %s/%s, or: drgn -c %s/%s -s VMLINUX",
                 i > 0 ? ", as far as it was written," : "", spool.path, path, spool.path, path,
                 spool.path, path);
        return;
    }
}
