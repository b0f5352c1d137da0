/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether the kdump folder's file system would take a report. */
#include <sys/statvfs.h>

#include "spool/spool.h"

enum { ROOM = 1 << 20 /* for a report */ };

/* Blocks and inodes that are kept for root count: root writes the reports. */
static int find_room(int folder)
{
    struct statvfs fs;

    if (fstatvfs(folder, &fs) < 0)
        return 0;
    if (fs.f_flag & ST_RDONLY)
        return -EROFS;
    if (fs.f_files > 0 && fs.f_ffree == 0)
        return -ENOSPC;
    return fs.f_blocks > 0 && (uint64_t)fs.f_bfree * fs.f_frsize < ROOM ? -ENOSPC : 0;
}

int spool_room(const struct root *root, const struct config *config)
{
    _cleanup_free_ char *path = NULL;
    int r = spool_path(root, config, true, &path);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (;;) {
        _cleanup_close_ int folder = root_open_dir(root, path);
        char *slash = strrchr(path, '/');

        if (folder >= 0)
            return find_room(folder);
        if (folder != -ENOENT || !slash || path[1] == '\0')
            return 0;
        slash[slash == path] = '\0';
    }
}
