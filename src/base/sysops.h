/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What alters the machine, as one table of operations. Files are read and written through
 * struct root; everything else that changes the running system goes through here, so that a verb
 * can be run on a directory tree and its operations recorded instead of done.
 */
#pragma once

#include "base/root.h"

struct sysops {
    void *ctx;
    /* Loads a module of the running kernel with its dependencies; options as on modprobe's command
     * line, or NULL. -EEXIST when it is loaded already, -ENOENT when there is no such module. */
    int (*module_load)(void *ctx, const char *name, const char *options);
    int (*module_unload)(void *ctx, const char *name);
    int (*mount)(void *ctx, const char *source, const char *target, const char *type,
                 unsigned long flags);
    /* Runs a program directly (argv[0] is an absolute path, no shell), with an empty environment
     * but for PATH and LC_ALL=C, stdin and stderr on /dev/null. At most max bytes of its output are
     * appended to out (more: the program is killed, -EFBIG). -ETIMEDOUT after timeout_s seconds;
     * otherwise its exit status, 128 + signal when it was killed. -ENOENT: no such program. */
    int (*run)(void *ctx, const char *const argv[], size_t max, unsigned timeout_s,
               struct strbuf *out);
    /* Panics the running kernel (sysrq's c). Returns only where that failed. */
    int (*crash)(void *ctx);
    /* Loads a kernel file and an image (open fds) with this command line as what a crash starts:
     * kexec_file_load(2) with KEXEC_FILE_ON_CRASH; what was loaded before is replaced. -EPERM,
     * -EKEYREJECTED, -EADDRNOTAVAIL (no reservation, or too small), -EBUSY, -ENOSYS, … */
    int (*kexec_load)(void *ctx, int kernel, int image, const char *cmdline);
    int (*kexec_unload)(void *ctx);
};

/* The running machine. */
extern const struct sysops sysops_host;
/* Says on the log what would be done, and does nothing; every operation "succeeds" but run, which
 * finds no program (-ENOENT). Used with --root=DIR. */
extern const struct sysops sysops_planned;
