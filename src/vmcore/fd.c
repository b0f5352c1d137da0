/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <unistd.h>

#include "vmcore/fd.h"

int vmcore_fd_read(void *fd, uint64_t offset, void *buf, size_t n)
{
    size_t done = 0;

    if (offset > INT64_MAX - n)
        return -ENODATA;
    while (done < n) {
        ssize_t got = pread(*(int *)fd, (char *)buf + done, n - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -ENODATA;
        done += (size_t)got;
    }
    return 0;
}
