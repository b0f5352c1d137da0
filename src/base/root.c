/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include "base/root.h"

enum { MAX_LINKS = 40, MAX_DEPTH = 64 };

int root_init(struct root *root, const char *dir)
{
    struct stat st, host;
    int fd;

    fd = open(dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0 || stat("/", &host) < 0) {
        int r = -errno;

        (void)close(fd);
        return r;
    }
    *root = (struct root){ .fd = fd, .host = st.st_dev == host.st_dev && st.st_ino == host.st_ino };
    return 0;
}

void root_done(struct root *root)
{
    close_fd(&root->fd);
    root->fd = -EBADF;
}

static long sys_openat2(int dirfd, const char *path, struct open_how *how)
{
    return syscall(SYS_openat2, dirfd, path, how, sizeof(*how));
}

/* The directories from the root down to where a walk stands, so that ".." needs no trust. */
struct walk {
    int fds[MAX_DEPTH];
    size_t depth;
    unsigned links;
    char rest[PATH_MAX]; /* what is still to be walked */
};

static void walk_done(struct walk *w)
{
    while (w->depth > 0)
        (void)close(w->fds[--w->depth]);
}

/* Puts the link's target in front of what is still to be walked. */
static int walk_expand_link(struct walk *w, int fd)
{
    char target[PATH_MAX];
    size_t rest = strlen(w->rest);
    ssize_t n = readlinkat(fd, "", target, sizeof(target));

    if (n < 0)
        return -errno;
    if (++w->links > MAX_LINKS)
        return -ELOOP;
    if ((size_t)n + 1 + rest + 1 > sizeof(w->rest))
        return -ENAMETOOLONG;
    memmove(w->rest + n + 1, w->rest, rest + 1);
    memcpy(w->rest, target, (size_t)n);
    w->rest[n] = '/';
    if (target[0] == '/')
        while (w->depth > 1)
            (void)close(w->fds[--w->depth]);
    return 0;
}

/* Goes one component down; *last says that nothing is left behind it. */
static int walk_step(struct walk *w, int flags, mode_t mode, bool resolve_links, int *out)
{
    char name[NAME_MAX + 1];
    size_t skip = strspn(w->rest, "/");
    size_t n = strcspn(w->rest + skip, "/");
    size_t behind = skip + n + strspn(w->rest + skip + n, "/");
    bool last = w->rest[behind] == '\0';
    int top = w->fds[w->depth - 1];
    struct stat st;
    int fd;

    if (n > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, w->rest + skip, n);
    name[n] = '\0';
    memmove(w->rest, w->rest + behind, strlen(w->rest + behind) + 1);
    if (strcmp(name, "..") == 0) {
        if (w->depth > 1)
            (void)close(w->fds[--w->depth]);
        name[0] = '\0';
    }
    if (name[0] == '\0' || strcmp(name, ".") == 0) {
        if (!last)
            return 0;
        fd = openat(w->fds[w->depth - 1], ".", flags, mode);
        return fd < 0 ? -errno : (*out = fd, 0);
    }
    fd = openat(top, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode) && !(last && (flags & O_NOFOLLOW))) {
        int r = resolve_links ? walk_expand_link(w, fd) : -ELOOP;

        (void)close(fd);
        return r;
    }
    if (last) {
        if (fd >= 0)
            (void)close(fd);
        fd = openat(top, name, flags | O_NOFOLLOW, mode);
        return fd < 0 ? -errno : (*out = fd, 0);
    }
    if (fd < 0)
        return -errno;
    if (w->depth == MAX_DEPTH) {
        (void)close(fd);
        return -ENAMETOOLONG;
    }
    w->fds[w->depth++] = fd;
    return 0;
}

/* What openat2 does, component by component, for where it is missing: seccomp filters and valgrind
 * that do not know it answer ENOSYS. */
static int open_by_walk(int rootfd, const char *path, int flags, mode_t mode, bool resolve_links)
{
    _cleanup_(walk_done) struct walk w = { .depth = 0 };
    int fd = -EBADF, r = 0;

    if (!span_copy(span_str(path), w.rest, sizeof(w.rest)))
        return -ENAMETOOLONG;
    w.fds[0] = fcntl(rootfd, F_DUPFD_CLOEXEC, 3);
    if (w.fds[0] < 0)
        return -errno;
    w.depth = 1;
    while (fd < 0 && r == 0)
        r = walk_step(&w, flags, mode, resolve_links, &fd);
    return r < 0 ? r : fd;
}

static int open_resolved(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
    struct open_how how = {
        .flags = (unsigned)(flags | O_CLOEXEC),
        .mode = (flags & O_CREAT) ? mode : 0,
        .resolve = resolve,
    };
    long fd;

    do {
        fd = sys_openat2(dirfd, path, &how);
    } while (fd < 0 && errno == EAGAIN);
    if (fd < 0 && errno == ENOSYS)
        return open_by_walk(dirfd, path, flags | O_CLOEXEC, mode, !(resolve & RESOLVE_NO_SYMLINKS));
    return fd < 0 ? -errno : (int)fd;
}

int root_open(const struct root *root, const char *path, int flags, mode_t mode)
{
    return open_resolved(root->fd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int root_open_dir(const struct root *root, const char *path)
{
    return root_open(root, path, O_RDONLY | O_DIRECTORY, 0);
}

int open_untrusted(int dirfd, const char *path)
{
    _cleanup_close_ int fd = -EBADF;
    struct stat st;

    /* O_NONBLOCK: a FIFO must not hang us. */
    fd = open_resolved(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0,
                       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    return TAKE_FD(fd);
}

int root_make_dir(const struct root *root, const char *path, mode_t mode)
{
    char prefix[PATH_MAX];
    size_t n = strlen(path);
    int fd;

    fd = root_open_dir(root, path);
    if (fd != -ENOENT)
        return fd;
    if (n >= sizeof(prefix))
        return -ENAMETOOLONG;
    for (size_t end = 1; end <= n; end++) {
        _cleanup_close_ int parent = -EBADF;
        size_t start;
        int child;

        if ((path[end] != '/' && path[end] != '\0') || path[end - 1] == '/')
            continue;
        for (start = end; path[start - 1] != '/'; start--)
            ;
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        child = root_open_dir(root, prefix);
        if (child >= 0) {
            (void)close(child);
            continue;
        }
        if (child != -ENOENT)
            return child;
        prefix[start] = '\0';
        parent = root_open_dir(root, prefix);
        if (parent < 0)
            return parent;
        memcpy(prefix, path, end);
        prefix[end] = '\0';
        child = dir_open_or_make(parent, prefix + start, end == n ? mode : 0755);
        if (child < 0)
            return child;
        (void)close(child);
    }
    return root_open_dir(root, path);
}

int root_stat(const struct root *root, const char *path, struct stat *st)
{
    _cleanup_close_ int fd = root_open(root, path, O_PATH, 0);

    if (fd < 0)
        return fd;
    return fstat(fd, st) < 0 ? -errno : 0;
}

bool root_exists(const struct root *root, const char *path)
{
    struct stat st;

    return root_stat(root, path, &st) == 0;
}

int root_read(const struct root *root, const char *path, size_t max, struct strbuf *out)
{
    _cleanup_close_ int fd = root_open(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

    return fd < 0 ? fd : fd_read_all(fd, max, out);
}

int root_read_some(const struct root *root, const char *path, size_t max, struct strbuf *out)
{
    return root_read(root, path, max, out) == -ENOMEM ? -ENOMEM : 0;
}

int root_read_line(const struct root *root, const char *path, char *buf, size_t size)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span rest, line;
    int r = root_read(root, path, 65536, &text);

    if (r < 0)
        return r;
    rest = strbuf_view(&text);
    if (!span_next_line(&rest, &line))
        line = (struct span){ "", 0 };
    return span_copy(span_trim(line), buf, size) ? 0 : -EFBIG;
}

int root_read_u64(const struct root *root, const char *path, uint64_t *out)
{
    char line[32];
    int r = root_read_line(root, path, line, sizeof(line));

    if (r < 0)
        return r;
    return span_to_u64(span_str(line), out) ? 0 : -EBADMSG;
}

int root_write(const struct root *root, const char *path, const char *text)
{
    _cleanup_close_ int fd = root_open(root, path, O_WRONLY | O_NOCTTY, 0);
    ssize_t n;

    if (fd < 0)
        return fd;
    n = write(fd, text, strlen(text));
    if (n < 0)
        return -errno;
    return (size_t)n == strlen(text) ? 0 : -EIO;
}
