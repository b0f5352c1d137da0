/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status/core.h"
#include "vmcore/fd.h"
#include "vmcore/vmcore.h"

static bool begins_with(int fd, const char *magic, size_t n)
{
    char start[16];

    return pread(fd, start, n, 0) == (ssize_t)n && memcmp(start, magic, n) == 0;
}

bool core_is_elf(int fd)
{
    return begins_with(fd,
                       "\x7f"
                       "ELF",
                       4);
}

bool core_is_filtered(int fd)
{
    return begins_with(fd, "KDUMP   ", 8) || begins_with(fd, "makedumpfile", 12);
}

static int append(void *ctx, const char *p, size_t n)
{
    return strbuf_append(ctx, p, n);
}

int core_read_log(int fd, struct strbuf *out)
{
    _cleanup_free_ struct vmcore *core = malloc(sizeof(*core));
    int r;

    if (!core)
        return -ENOMEM;
    r = vmcore_open(core, &(struct vmcore_file){ &fd, vmcore_fd_read });
    return r < 0 ? r : vmcore_dmesg(core, false, append, out, NULL);
}
