/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spool/owner.h"

#include <fcntl.h>

#include "base/io.h"
#include "base/log.h"
#include "parse/passwd.h"

struct owner {
    uid_t uid;
    gid_t gid;
};

static bool find_owner(const struct root *root, struct owner *out)
{
    _cleanup_strbuf_ struct strbuf passwd = { 0 };
    struct passwd_entry entry;

    if (root_read(root, "/etc/passwd", PASSWD_MAX, &passwd) < 0 ||
        !passwd_find(strbuf_view(&passwd), SPOOL_USER, &entry) || entry.uid == 0 ||
        entry.uid >= UINT32_MAX || entry.gid >= UINT32_MAX)
        return false;
    *out = (struct owner){ .uid = (uid_t)entry.uid, .gid = (gid_t)entry.gid };
    return true;
}

static bool give(int fd, const struct owner *to)
{
    if (fchown(fd, to->uid, to->gid) == 0)
        return true;
    log_debug("cannot give a file of the kdump folder to " SPOOL_USER ": %m");
    return false;
}

/* Regular files of root's with no other name. reports: only those. */
static bool give_files(int folder, bool reports, const struct owner *to)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;
    struct spool_report report;

    while (dir && (entry = readdir(dir))) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (reports && !spool_report_parse_name(entry->d_name, &report))
            continue;
        fd = openat(folder, entry->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 ||
            st.st_nlink != 1)
            continue;
        if (!give(fd, to))
            return false;
    }
    return true;
}

static bool give_folder(int folder, const struct owner *to)
{
    return folder == -ENOENT || (folder >= 0 && give_files(folder, false, to) && give(folder, to));
}

void spool_hand_over(const struct root *root, const struct spool *spool)
{
    _cleanup_close_ int state = -EBADF;
    struct owner to;
    struct stat st;

    if (geteuid() != 0 || fstat(spool->fd, &st) < 0 || st.st_uid != 0 || !find_owner(root, &to))
        return;
    for (int i = 0; i < SPOOL_N_STATES; i++) {
        _cleanup_close_ int folder = -EBADF;

        if (i == SPOOL_PENDING)
            continue; /* that is the kdump folder itself */
        folder = spool_open_folder(spool, (enum spool_state)i, false);
        if (!give_folder(folder, &to))
            return;
    }
    state = spool_open_state(spool, false);
    if (!give_folder(state, &to) || !give_files(spool->fd, true, &to))
        return;
    (void)give(spool->fd, &to);
}
