/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spool/said.h"

#include <fcntl.h>

#include "spool/spool.h"

bool said_in_boot(const struct root *root, const char *name)
{
    _cleanup_close_ int run = root_make_dir(root, RUN_DIR, 0700), fd = -EBADF;

    if (run < 0)
        return false;
    fd = openat(run, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return fd < 0 && errno == EEXIST;
}

void said_forget(const struct root *root, const char *name)
{
    _cleanup_close_ int run = root_open_dir(root, RUN_DIR);

    if (run >= 0)
        (void)unlinkat(run, name, 0);
}
