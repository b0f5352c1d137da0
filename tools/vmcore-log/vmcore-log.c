/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmcore-log [--callers] CORE: prints the log of the kernel whose memory this is, with the code
 * that the capture kernel's program uses; --callers as a kernel with CONFIG_PRINTK_CALLER prints
 * it. For tests and figures; it is not installed. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmcore/fd.h"
#include "vmcore/vmcore.h"

static int print(void *ctx, const char *p, size_t n)
{
    return write(STDOUT_FILENO, p, n) == (ssize_t)n ? 0 : -1;
}

int main(int argc, char **argv)
{
    static struct vmcore core;
    bool callers = argc == 3 && strcmp(argv[1], "--callers") == 0;
    int fd = argc == 2 || callers ? open(argv[argc - 1], O_RDONLY | O_CLOEXEC) : -1;
    int r;

    if (fd < 0) {
        (void)fprintf(stderr, "usage: vmcore-log [--callers] CORE\n");
        return 2;
    }
    r = vmcore_open(&core, &(struct vmcore_file){ &fd, vmcore_fd_read });
    if (r == 0)
        r = vmcore_dmesg(&core, callers, print, NULL, NULL);
    if (r < 0)
        (void)fprintf(stderr, "vmcore-log: %s: %s\n", argv[argc - 1], strerror(-r));
    return r < 0 ? 1 : 0;
}
