/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "submit/reserve.h"

/* The ledger of a day has at most some 200 kB, a note 2. */
enum { RESERVE_BYTES = 256 << 10 };

/* Where a file system cannot be asked for room, it is written to. */
static int fill(int fd)
{
    static const char zeros[4096];
    int r = 0;

    if (fallocate(fd, 0, 0, RESERVE_BYTES) == 0)
        return 0;
    if (errno != EOPNOTSUPP && errno != ENOSYS)
        return -errno;
    for (size_t n = 0; r == 0 && n < RESERVE_BYTES; n += sizeof(zeros))
        r = fd_write_all(fd, zeros, sizeof(zeros));
    return r;
}

int reserve_take(struct reserve *reserve, int folder)
{
    _cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
    int r;

    if (reserve->fd >= 0)
        return 0;
    if (reserve->spent)
        return -ENOSPC;
    r = atomic_file_open(&file, folder, "reserve", 0600);
    if (r < 0)
        return r;
    if (unlinkat(folder, file.tmp, 0) < 0)
        return -errno;
    file.tmp[0] = '\0';
    r = fill(file.fd);
    if (r < 0)
        return r;
    reserve->fd = TAKE_FD(file.fd);
    return 0;
}

void reserve_done(struct reserve *reserve)
{
    close_fd(&reserve->fd);
    reserve->fd = -EBADF;
}

bool reserve_spend(struct reserve *reserve, int error)
{
    if (reserve->fd < 0 || (error != -ENOSPC && error != -EDQUOT))
        return false;
    log_info("the file system of the kdump folder is full: nothing more is sent now");
    reserve_done(reserve);
    reserve->spent = true;
    return true;
}

int reserve_save(struct reserve *reserve, int state, const char *report,
                 const struct attempt *attempt)
{
    int r = attempt_save(state, report, attempt);

    return reserve_spend(reserve, r) ? attempt_save(state, report, attempt) : r;
}

int reserve_save_upload(struct reserve *reserve, int state, const char *report, struct span answer)
{
    int r = attempt_save_upload(state, report, answer);

    return reserve_spend(reserve, r) ? attempt_save_upload(state, report, answer) : r;
}
