/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pure: /proc/self/mountinfo (proc_pid_mountinfo(5)), and which mount holds a path. */
#pragma once

#include <limits.h>

#include "base/span.h"

struct mountinfo {
    unsigned major, minor; /* of the file system's device; major 0: it has none of its own */
    char root[PATH_MAX];   /* what of the file system is mounted: "/", "/@home", a bound folder */
    char place[PATH_MAX];  /* where */
    char fstype[32];
    char source[256];
    char options[512]; /* of the file system */
};

/* The mount that a path lies on: the last one of the longest mount point above it, as later mounts
 * cover earlier ones. path is absolute, without links, "." and "..". False: none, or its line is
 * broken. */
bool mountinfo_find(struct span text, const char *path, struct mountinfo *out);
/* What of the path lies below the mount point, without a slash in front. */
const char *mountinfo_below(const struct mountinfo *mount, const char *path);
/* Whether fstab (fstab(5)) has a file system for a place above path, or for path itself, that is not
 * mounted: what is made there now would be hidden later. path as above; the root does not count. */
bool mountinfo_is_awaited(struct span fstab, struct span mountinfo, const char *path);
/* Whether the first one who opens the path has its file system mounted (autofs, systemd.automount(5)),
 * and waits for that. path as above. */
bool mountinfo_is_automount(struct span mountinfo, const char *path);
/* Where fstab has this device: a name or path, or TAG=value, each as fstab writes it or the same by
 * /dev/disk/by-tag/; other links to it are not known. The first line of several. */
bool fstab_place_of(struct span fstab, const char *device, char *place, size_t size);
