/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <libmount.h>
#include <stdio.h>
#include <sys/file.h>

#include "base/atomic_file.h"
#include "base/library.h"
#include "base/log.h"
#include "parse/mountinfo.h"
#include "spool/owner.h"

static const struct {
    const char *name;
    const char *folder; /* NULL: the kdump folder itself */
} states[SPOOL_N_STATES] = {
    [SPOOL_PENDING] = { "pending", NULL },
    [SPOOL_SENT] = { "sent", "sent_logs" },
    [SPOOL_KEPT] = { "kept", "not_sent_logs" },
    [SPOOL_FAILED] = { "failed", "failed_logs" },
};

enum { FOLDER_MODE = 0700, MAX_MOUNTINFO = 4 << 20, MAX_FSTAB = 1 << 20 };

const char *spool_state_name(enum spool_state state)
{
    return states[state].name;
}

const char *spool_advice(int error)
{
    switch (-error) {
    case ENOSPC:
    case EDQUOT:
        return "; make room there, or lower KEEP_REPORTS";
    case EROFS:
        return "; mount it read-write, or set KDUMP_FOLDER to a place that is";
    case EIO:
        return "; the disk reports errors";
    case EUCLEAN:
        return "; the file system is damaged: check it (fsck)";
    default:
        return advice_as_root(error);
    }
}

static struct {
    LIBRARY_FUNCTION(mnt_new_table);
    LIBRARY_FUNCTION(mnt_unref_table);
    LIBRARY_FUNCTION(mnt_new_cache);
    LIBRARY_FUNCTION(mnt_unref_cache);
    LIBRARY_FUNCTION(mnt_table_parse_stream);
    LIBRARY_FUNCTION(mnt_table_set_cache);
    LIBRARY_FUNCTION(mnt_table_find_source);
    LIBRARY_FUNCTION(mnt_new_iter);
    LIBRARY_FUNCTION(mnt_free_iter);
    LIBRARY_FUNCTION(mnt_table_next_fs);
    LIBRARY_FUNCTION(mnt_fs_get_devno);
    LIBRARY_FUNCTION(mnt_fs_get_root);
    LIBRARY_FUNCTION(mnt_fs_get_target);
} mount_api;

static int load_libmount(void)
{
    static const struct library_symbol symbols[] = {
        LIBRARY_SYMBOL(mount_api, mnt_new_table),
        LIBRARY_SYMBOL(mount_api, mnt_unref_table),
        LIBRARY_SYMBOL(mount_api, mnt_new_cache),
        LIBRARY_SYMBOL(mount_api, mnt_unref_cache),
        LIBRARY_SYMBOL(mount_api, mnt_table_parse_stream),
        LIBRARY_SYMBOL(mount_api, mnt_table_set_cache),
        LIBRARY_SYMBOL(mount_api, mnt_table_find_source),
        LIBRARY_SYMBOL(mount_api, mnt_new_iter),
        LIBRARY_SYMBOL(mount_api, mnt_free_iter),
        LIBRARY_SYMBOL(mount_api, mnt_table_next_fs),
        LIBRARY_SYMBOL(mount_api, mnt_fs_get_devno),
        LIBRARY_SYMBOL(mount_api, mnt_fs_get_root),
        LIBRARY_SYMBOL(mount_api, mnt_fs_get_target),
    };

    return library_load("libmount.so.1", symbols, ARRAY_SIZE(symbols));
}

static void table_unref(struct libmnt_table **table)
{
    if (*table)
        mount_api.mnt_unref_table(*table);
}

static void cache_unref(struct libmnt_cache **cache)
{
    if (*cache)
        mount_api.mnt_unref_cache(*cache);
}

static void stream_close(FILE **f)
{
    if (*f)
        (void)fclose(*f);
}

/* Where the device that MOUNT_DEVNODE names is mounted: name, path or TAG=value. Of several mounts
 * the one that shows the file system's own root wins, for the folder is relative to that. */
static int find_mount_point(const struct root *root, const char *spec, char **out)
{
    _cleanup_(table_unref) struct libmnt_table *table = NULL;
    _cleanup_(cache_unref) struct libmnt_cache *cache = NULL;
    _cleanup_(stream_close) FILE *stream = NULL;
    _cleanup_strbuf_ struct strbuf text = { 0 };
    _cleanup_free_ char *device = NULL;
    struct libmnt_fs *fs, *best = NULL;
    struct libmnt_iter *iter;
    int r = load_libmount();

    if (r < 0)
        return r;
    table = mount_api.mnt_new_table();
    cache = mount_api.mnt_new_cache();
    if (!table || !cache)
        return -ENOMEM;
    r = root_read(root, "/proc/self/mountinfo", MAX_MOUNTINFO, &text);
    if (r < 0)
        return r;
    if (text.n == 0)
        return -ENODEV;
    stream = fmemopen(text.p, text.n, "r");
    if (!stream || mount_api.mnt_table_parse_stream(table, stream, "mountinfo") != 0)
        return -EIO;
    if (!strchr(spec, '/') && !strchr(spec, '=')) {
        if (asprintf(&device, "/dev/%s", spec) < 0) {
            device = NULL;
            return -ENOMEM;
        }
        spec = device;
    }
    (void)mount_api.mnt_table_set_cache(table, cache);
    fs = mount_api.mnt_table_find_source(table, spec, MNT_ITER_FORWARD);
    if (!fs)
        return -ENODEV;
    iter = mount_api.mnt_new_iter(MNT_ITER_FORWARD);
    if (!iter)
        return -ENOMEM;
    best = fs;
    for (struct libmnt_fs *other; mount_api.mnt_table_next_fs(table, iter, &other) == 0;)
        if (mount_api.mnt_fs_get_devno(other) == mount_api.mnt_fs_get_devno(fs) &&
            mount_api.mnt_fs_get_root(other) &&
            strcmp(mount_api.mnt_fs_get_root(other), "/") == 0) {
            best = other;
            break;
        }
    mount_api.mnt_free_iter(iter);
    *out = strdup(mount_api.mnt_fs_get_target(best));
    return *out ? 0 : -ENOMEM;
}

static int folder_path(const struct root *root, const struct config *config, char **out)
{
    _cleanup_free_ char *mount_point = NULL;
    const char *folder = config->kdump_folder;
    int r;

    if (!config->mount_devnode || config->mount_devnode[0] == '\0') {
        if (folder[0] != '/')
            return -EINVAL;
        *out = strdup(folder);
        return *out ? 0 : -ENOMEM;
    }
    r = find_mount_point(root, config->mount_devnode, &mount_point);
    if (r < 0)
        return r;
    r = asprintf(out, "%s/%s", strcmp(mount_point, "/") == 0 ? "" : mount_point,
                 folder + strspn(folder, "/"));
    return r < 0 ? -ENOMEM : 0;
}

/* Early in a boot /home may still be on its way (nofail): a folder made below its mount point would
 * be hidden as soon as it comes. */
static bool is_awaited(const struct root *root, const char *path)
{
    _cleanup_strbuf_ struct strbuf fstab = { 0 }, mountinfo = { 0 };

    return root_read(root, "/etc/fstab", MAX_FSTAB, &fstab) == 0 &&
           root_read(root, "/proc/self/mountinfo", MAX_MOUNTINFO, &mountinfo) == 0 &&
           mountinfo_is_awaited(strbuf_view(&fstab), strbuf_view(&mountinfo), path);
}

/* A folder behind an automount that nobody has used yet must not be touched by this run. */
static bool is_behind_automount(const struct root *root, const char *path)
{
    _cleanup_strbuf_ struct strbuf mountinfo = { 0 };

    return root->no_automount &&
           root_read(root, "/proc/self/mountinfo", MAX_MOUNTINFO, &mountinfo) == 0 &&
           mountinfo_is_automount(strbuf_view(&mountinfo), path);
}

int spool_path(const struct root *root, const struct config *config, bool create, char **out)
{
    _cleanup_free_ char *path = NULL;
    int r = folder_path(root, config, &path);

    if (r < 0)
        return r;
    if (is_behind_automount(root, path) || (create && is_awaited(root, path)))
        return -ENODEV;
    *out = TAKE_PTR(path);
    return 0;
}

int spool_open(const struct root *root, const struct config *config, bool create, struct spool *out)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    int r = spool_path(root, config, create, &spool.path);

    if (r < 0)
        return r;
    spool.fd =
        create ? root_make_dir(root, spool.path, FOLDER_MODE) : root_open_dir(root, spool.path);
    if (spool.fd < 0)
        return spool.fd;
    if (create)
        spool_hand_over(root, &spool);
    *out = spool;
    spool = (struct spool)SPOOL_INIT;
    return 0;
}

void spool_close(struct spool *spool)
{
    close_fd(&spool->lock_fd);
    close_fd(&spool->fd);
    free(spool->path);
    *spool = (struct spool)SPOOL_INIT;
}

static int open_folder(int fd, const char *name, bool create)
{
    _cleanup_close_ int folder = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    int r = 0;

    if (folder < 0 && (errno != ENOENT || !create))
        return -errno;
    if (folder < 0) {
        folder = dir_open_or_make(fd, name, FOLDER_MODE);
        r = folder < 0 ? folder : fd_inherit_owner(folder, fd);
    }
    return r < 0 ? r : TAKE_FD(folder);
}

int spool_open_folder(const struct spool *spool, enum spool_state state, bool create)
{
    return open_folder(spool->fd, states[state].folder ? states[state].folder : ".",
                       create && states[state].folder);
}

int spool_open_state(const struct spool *spool, bool create)
{
    return open_folder(spool->fd, "state", create);
}

int spool_open_lock(int state, const char *name)
{
    for (;;) {
        int fd = openat(state, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW), r;

        if (fd >= 0 || errno != ENOENT)
            return fd < 0 ? -errno : fd;
        fd = openat(state, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0 && errno == EEXIST)
            continue; /* somebody else has made it just now */
        if (fd < 0)
            return -errno;
        r = fd_inherit_owner(fd, state);
        if (r < 0)
            close_fd(&fd);
        return r < 0 ? r : fd;
    }
}

int spool_lock(struct spool *spool, unsigned timeout_ms)
{
    const struct timespec tick = { .tv_nsec = 20000000 };
    _cleanup_close_ int state = spool_open_state(spool, true);
    _cleanup_close_ int fd = -EBADF;

    if (state < 0)
        return state;
    fd = spool_open_lock(state, "lock");
    if (fd < 0)
        return fd;
    for (unsigned waited = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; waited += 20) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return -errno;
        if (waited >= timeout_ms)
            return -EBUSY;
        (void)nanosleep(&tick, NULL);
    }
    close_fd(&spool->lock_fd);
    spool->lock_fd = TAKE_FD(fd);
    return 0;
}

int spool_find(const struct spool *spool, const char *name)
{
    for (int state = 0; state < SPOOL_N_STATES; state++) {
        _cleanup_close_ int folder = spool_open_folder(spool, (enum spool_state)state, false);

        if (folder == -ENOENT)
            continue;
        if (folder < 0)
            return folder;
        if (faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return state;
        if (errno != ENOENT)
            return -errno;
    }
    return -ENOENT;
}

int spool_move(const struct spool *spool, const char *name, enum spool_state from,
               enum spool_state to)
{
    _cleanup_close_ int source = spool_open_folder(spool, from, false);
    _cleanup_close_ int target = -EBADF;

    if (source < 0)
        return source;
    target = spool_open_folder(spool, to, true);
    return target < 0 ? target : rename_durable(source, name, target, name);
}

struct report_list {
    struct spool_report *items; /* owned */
    size_t n, size;
};

static void report_list_free(struct report_list *list)
{
    free(list->items);
}

static int report_list_add(struct report_list *list, const struct spool_report *report)
{
    if (list->n == list->size) {
        size_t size = list->size ? list->size * 2 : 32;
        struct spool_report *items = reallocarray(list->items, size, sizeof(*items));

        if (!items)
            return -ENOMEM;
        list->items = items;
        list->size = size;
    }
    list->items[list->n++] = *report;
    return 0;
}

/* Takes the folder's fd over. */
static int list_folder(int folder, enum spool_state state, struct report_list *list)
{
    _cleanup_closedir_ DIR *dir = dir_stream(folder);
    const struct dirent *entry;

    if (!dir)
        return -errno;
    while ((errno = 0, entry = readdir(dir))) {
        struct spool_report report;
        struct stat st;
        int r;

        if (!spool_report_parse_name(entry->d_name, &report) ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode))
            continue;
        report.state = state;
        report.size = (uint64_t)st.st_size;
        r = report_list_add(list, &report);
        if (r < 0)
            return r;
    }
    return -errno;
}

static int newest_first(const void *a, const void *b)
{
    const struct spool_report *x = a, *y = b;

    if (x->time != y->time)
        return x->time < y->time ? 1 : -1;
    return strcmp(y->name, x->name);
}

int spool_list(const struct spool *spool, struct spool_report **out, size_t *n)
{
    _cleanup_(report_list_free) struct report_list list = { 0 };

    for (int state = 0; state < SPOOL_N_STATES; state++) {
        int folder = spool_open_folder(spool, (enum spool_state)state, false);
        int r;

        if (folder == -ENOENT)
            continue;
        if (folder < 0)
            return folder;
        r = list_folder(folder, (enum spool_state)state, &list);
        if (r < 0)
            return r;
    }
    if (list.n > 1)
        qsort(list.items, list.n, sizeof(*list.items), newest_first);
    *out = TAKE_PTR(list.items);
    *n = list.n;
    return 0;
}
