/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hands reports over to another tool: a ZIP in its folder, with the members that the shell versions
 * wrote. steamos-log-submitter (helpers/kdump.py) skips names that begin with a dot, takes the time
 * from what stands behind the last '-', as YYYYMMDDHHMM, and decodes dmesg*, version* and build* as
 * UTF-8.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "outgoing/device.h"
#include "submit/backend.h"
#include "submit/parcel.h"
#include "submit/sentry_event.h"

#define NAME_PREFIX "kdump-"

enum { MAX_WAITING = 64, MAX_LOOKED_AT = 4096, COPY_BYTES = 64 << 10 };

static bool directory_enabled(const struct config *config)
{
    if (!config->handover_folder[0])
        return false;
    if (config->handover_folder[0] == '/' && config->handover_folder[1])
        return true;
    log_error("HANDOVER_FOLDER=%s is no absolute path of a folder; correct it in "
              "/etc/default/kdump",
              config->handover_folder);
    return false;
}

/* The last part of the path must be a folder itself: who owns what is above it could else send us
 * anywhere. */
static int open_folder(const struct root *root, const char *path)
{
    _cleanup_free_ char *above = NULL;
    _cleanup_close_ int dir = -EBADF;
    struct span s = span_str(path);
    size_t slash;
    int fd;

    while (s.n > 1 && s.p[s.n - 1] == '/')
        s.n--;
    for (slash = s.n; slash > 0 && s.p[slash - 1] != '/'; slash--)
        ;
    above = span_dup((struct span){ s.p, slash });
    if (!above)
        return -ENOMEM;
    dir = root_open_dir(root, above);
    if (dir < 0)
        return dir;
    free(above);
    above = span_dup((struct span){ s.p + slash, s.n - slash });
    if (!above)
        return -ENOMEM;
    fd = openat(dir, above, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The same for the same report: handed over twice, it is there once. */
static int make_name(const struct delivery *d, char *name, size_t size)
{
    char device[DEVICE_ID_SIZE], id[SENTRY_EVENT_ID_SIZE], stamp[16];
    time_t time = (time_t)d->fields->crash_time;
    struct tm tm;
    int n, r = device_id(d->state, d->fields->serial, true, device);

    if (r < 0)
        return r;
    if (!gmtime_r(&time, &tm) || strftime(stamp, sizeof(stamp), "%Y%m%d%H%M", &tm) != 12)
        return -ERANGE;
    sentry_event_id(device, d->name, id);
    n = snprintf(name, size, NAME_PREFIX "%.16s-%.8s-%s.zip", device, id, stamp);
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* What an interrupted run of ours was writing: there is only one run at a time, and the other tool
 * has names of its own. */
static bool is_litter(int folder, const char *name)
{
    struct span rest = span_str(name);
    struct stat st;

    if (!span_skip(&rest, ATOMIC_FILE_PREFIX) || rest.n != 16 ||
        strspn(rest.p, "0123456789abcdef") != rest.n)
        return false;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           st.st_uid == geteuid();
}

/* Ours that nobody has taken yet; removes litter on the way. */
static unsigned count_waiting(int folder)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;
    unsigned n = 0, looked_at = 0;

    while (dir && looked_at++ < MAX_LOOKED_AT && (entry = readdir(dir))) {
        if (is_litter(folder, entry->d_name))
            (void)unlinkat(folder, entry->d_name, 0);
        n += span_starts(span_str(entry->d_name), NAME_PREFIX) &&
             span_ends(span_str(entry->d_name), ".zip");
    }
    return n;
}

static int copy(int from, int to)
{
    _cleanup_free_ char *buf = malloc(COPY_BYTES);
    off_t at = 0;

    if (!buf)
        return -ENOMEM;
    for (;;) {
        ssize_t n = pread(from, buf, COPY_BYTES, at);
        int r;

        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        r = fd_write_all(to, buf, (size_t)n);
        if (r < 0)
            return r;
        at += n;
    }
}

/* The other tool must be able to read it: by the folder's group. Where that cannot be given (the
 * submitter's service has no right to), all who may enter the folder can, as the shell versions had
 * it. */
static int let_read(int fd, int folder)
{
    struct stat dir, file;
    mode_t mode = 0640;

    if (fstat(folder, &dir) < 0 || fstat(fd, &file) < 0)
        return -errno;
    if (file.st_gid != dir.st_gid && fchown(fd, (uid_t)-1, dir.st_gid) < 0)
        mode = 0644;
    return fchmod(fd, mode) < 0 ? -errno : 0;
}

static int place(int folder, const char *name, int zip)
{
    _cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
    unsigned waiting = count_waiting(folder);
    int r;

    if (faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return fd_sync(folder); /* it waits there already; the cut may have come before this */
    if (waiting >= MAX_WAITING)
        return -EDQUOT;
    r = atomic_file_open(&file, folder, name, 0600);
    if (r == 0)
        r = copy(zip, file.fd);
    if (r == 0)
        r = let_read(file.fd, folder);
    if (r == 0)
        r = atomic_file_commit(&file, false);
    return r == -EEXIST ? 0 : r;
}

static enum submit_outcome explain(struct delivery *d, int r)
{
    static const struct {
        int error;
        const char *text;
    } texts[] = {
        { -ENOENT, "there is no such folder: is the tool that takes reports there installed?" },
        { -EDQUOT, "so many reports wait there that nobody seems to take them" },
        { -ENOTDIR, "it is no folder, or a link to one, which is not followed" },
    };
    const char *text = strerror(-r);

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i].error == r)
            text = texts[i].text;
    (void)snprintf(d->attempt->last_error, sizeof(d->attempt->last_error), "HANDOVER_FOLDER=%s: %s",
                   d->config->handover_folder, text);
    return SUBMIT_LATER;
}

static enum submit_outcome directory_deliver(struct delivery *d)
{
    _cleanup_parcel_ struct parcel parcel = PARCEL_INIT;
    _cleanup_close_ int folder = open_folder(d->root, d->config->handover_folder);
    enum submit_outcome outcome;
    char name[NAME_MAX + 1];
    int r;

    if (folder < 0)
        return explain(d, folder);
    outcome = parcel_make(d, true, &parcel);
    if (outcome != SUBMIT_OK)
        return outcome;
    r = make_name(d, name, sizeof(name));
    if (r == 0)
        r = place(folder, name, parcel.outgoing.fd);
    if (r < 0)
        return explain(d, r);
    log_info("%s is handed over as %s/%s", d->name, d->config->handover_folder, name);
    return SUBMIT_OK;
}

const struct backend backend_directory = {
    .name = "directory",
    .local = true,
    .enabled = directory_enabled,
    .deliver = directory_deliver,
};
