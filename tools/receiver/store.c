/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <zlib.h>

#include "base/io.h"
#include "base/json_file.h"
#include "store.h"
#include "zip.h"

enum { UPLOADS_MAX = 1 << 20, SUMMARY_MAX = 160 };

struct entry {
    struct upload u; /* first: uploads are handed out as pointers to it */
    unsigned puts, finishes;
    uint32_t crc;
    int64_t started, uploaded, finished; /* ms since 1970; 0: not yet */
};

struct store {
    pthread_mutex_t lock;
    int fd, log_fd;
    struct entry **entries; /* oldest first */
    size_t n, allocated;
    uint64_t serial; /* makes temporary names unique */
};

struct put {
    struct store *store;
    struct entry *entry;
    int dir, fd;
    uint64_t size;
    uint32_t crc;
    char tmp[48];
};

int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void entry_free(struct entry *e)
{
    free(e->u.gid);
    free(e->u.target);
    free(e->u.summary);
    json_decref(e->u.pairs);
    free(e);
}
DEFINE_CLEANUP(struct entry *, entry_free)

void store_free(struct store *s)
{
    for (size_t i = 0; i < s->n; i++)
        entry_free(s->entries[i]);
    free(s->entries);
    close_fd(&s->fd);
    close_fd(&s->log_fd);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

int store_open(const char *dir, struct store **out)
{
    _cleanup_(store_freep) struct store *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->fd = s->log_fd = -EBADF;
    (void)pthread_mutex_init(&s->lock, NULL);
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    s->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->fd < 0)
        return -errno;
    s->log_fd = openat(s->fd, "requests.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (s->log_fd < 0)
        return -errno;
    *out = TAKE_PTR(s);
    return 0;
}

void store_log(struct store *s, json_t *line)
{
    _cleanup_free_ char *text = json_dumps(line, JSON_COMPACT);
    _cleanup_strbuf_ struct strbuf b = { 0 };

    json_decref(line);
    if (!text || strbuf_str(&b, text) < 0 || strbuf_char(&b, '\n') < 0 ||
        fd_write_all(s->log_fd, b.p, b.n) < 0)
        (void)dprintf(STDERR_FILENO, "receiver: warning: cannot write requests.log, ignoring\n");
}

/* Replaces the file whole; the caller has the lock. */
static int write_json(struct store *s, int dir, const char *name, const json_t *value)
{
    _cleanup_free_ char *text = json_dumps(value, JSON_INDENT(1) | JSON_SORT_KEYS);
    _cleanup_close_ int fd = -EBADF;
    char tmp[48];
    int r;

    if (!text)
        return -ENOMEM;
    (void)snprintf(tmp, sizeof(tmp), ".tmp-%" PRIu64, s->serial++);
    fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = fd_write_all(fd, text, strlen(text));
    if (r == 0)
        r = fd_write_all(fd, "\n", 1);
    if (r == 0 && renameat(dir, tmp, dir, name) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(dir, tmp, 0);
    return r;
}

static int write_receipt(struct store *s, int dir, const struct entry *e)
{
    _cleanup_json_ json_t *o = NULL;
    char crc[9];

    (void)snprintf(crc, sizeof(crc), "%08" PRIx32, e->crc);
    o = json_pack("{s:s, s:I, s:s?, s:i, s:i, s:b, s:{s:I, s:I, s:I}}", "gid", e->u.gid, "size",
                  (json_int_t)e->u.size, "crc32", e->puts ? crc : NULL, "puts", (int)e->puts,
                  "finishes", (int)e->finishes, "finished", e->finishes > 0, "times", "started",
                  (json_int_t)e->started, "uploaded", (json_int_t)e->uploaded, "finished",
                  (json_int_t)e->finished);
    return o ? write_json(s, dir, "receipt.json", o) : -ENOMEM;
}

static int open_dir(const struct store *s, const struct entry *e)
{
    int fd = openat(s->fd, e->u.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* A gid may be anything when a fault chose it: the folder's name is its harmless bytes, and a
 * number where that is not unique. */
static int make_dir(struct store *s, struct entry *e)
{
    char plain[64];
    size_t n = 0;

    for (const char *c = e->u.gid; *c && n + 1 < sizeof(plain); c++)
        plain[n++] = byte_is_alnum(*c) || *c == '-' ? *c : '_';
    plain[n] = '\0';
    (void)snprintf(e->u.dir, sizeof(e->u.dir), "%s", n ? plain : "_");
    while (mkdirat(s->fd, e->u.dir, 0700) < 0) {
        if (errno != EEXIST)
            return -errno;
        (void)snprintf(e->u.dir, sizeof(e->u.dir), "%s.%" PRIu64, plain, s->serial++);
    }
    return open_dir(s, e);
}

static char *make_summary(const json_t *fields)
{
    char text[SUMMARY_MAX];
    const char *note = json_get_str(fields, "note", "");
    int n = snprintf(text, sizeof(text), "product %s, version %s, %.*s",
                     json_get_str(fields, "product", ""), json_get_str(fields, "version", ""),
                     (int)strcspn(note, "\r\n"), note);

    /* It goes to a terminal, and may have been cut inside a character. */
    for (char *c = text; n > 0 && *c; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
            *c = '?';
    return strdup(text);
}

static int append(struct store *s, struct entry *e)
{
    if (s->n == UPLOADS_MAX)
        return -ENOSPC;
    if (s->n == s->allocated) {
        size_t allocated = s->allocated ? s->allocated * 2 : 64;
        struct entry **p = realloc(s->entries, allocated * sizeof(struct entry *));

        if (!p)
            return -ENOMEM;
        s->entries = p;
        s->allocated = allocated;
    }
    s->entries[s->n++] = e;
    return 0;
}

static int start_locked(struct store *s, struct entry *e, const json_t *fields)
{
    _cleanup_close_ int dir = make_dir(s, e);
    int r = dir;

    if (r >= 0)
        r = write_json(s, dir, "fields.json", fields);
    if (r >= 0)
        r = write_receipt(s, dir, e);
    return r < 0 ? r : append(s, e);
}

int store_start(struct store *s, char *gid, char *target, json_t *pairs, json_t *fields,
                const struct upload **out)
{
    _cleanup_(entry_freep) struct entry *e = calloc(1, sizeof(*e));
    int r;

    if (!e) {
        free(gid);
        free(target);
        json_decref(pairs);
        return -ENOMEM;
    }
    e->u.gid = gid;
    e->u.target = target;
    e->u.pairs = pairs;
    e->u.size = strtoull(json_get_str(fields, "dump_file_size", "0"), NULL, 10);
    e->u.summary = make_summary(fields);
    e->started = now_ms();
    if (!gid || !target || !pairs || !e->u.summary)
        return -ENOMEM;
    (void)pthread_mutex_lock(&s->lock);
    r = start_locked(s, e, fields);
    (void)pthread_mutex_unlock(&s->lock);
    if (r == 0)
        *out = &TAKE_PTR(e)->u;
    return r;
}

enum key { BY_GID, BY_TARGET };

/* Newest first: what is looked for began a moment ago. The caller has the lock. */
static struct entry *find(const struct store *s, enum key key, const char *value)
{
    for (size_t i = s->n; i-- > 0;) {
        struct entry *e = s->entries[i];

        if (strcmp(key == BY_GID ? e->u.gid : e->u.target, value) == 0)
            return e;
    }
    return NULL;
}

const struct upload *store_find_target(struct store *s, const char *target)
{
    struct entry *e;

    (void)pthread_mutex_lock(&s->lock);
    e = find(s, BY_TARGET, target);
    (void)pthread_mutex_unlock(&s->lock);
    return e ? &e->u : NULL;
}

int put_open(struct store *s, const struct upload *u, struct put **out)
{
    _cleanup_(put_discardp) struct put *p = calloc(1, sizeof(*p));
    struct entry *e;
    uint64_t serial;
    bool finished;

    if (!p)
        return -ENOMEM;
    p->dir = p->fd = -EBADF;
    (void)pthread_mutex_lock(&s->lock);
    e = find(s, BY_TARGET, u->target);
    finished = e && e->finishes > 0;
    serial = s->serial++;
    (void)pthread_mutex_unlock(&s->lock);
    if (!e)
        return -ENOENT;
    if (finished)
        return -EALREADY;
    p->store = s;
    p->entry = e;
    p->crc = (uint32_t)crc32(0, NULL, 0);
    p->dir = open_dir(s, e);
    if (p->dir < 0)
        return p->dir;
    (void)snprintf(p->tmp, sizeof(p->tmp), ".put-%" PRIu64, serial);
    p->fd = openat(p->dir, p->tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (p->fd < 0)
        return -errno;
    *out = TAKE_PTR(p);
    return 0;
}

int put_write(struct put *p, const void *bytes, size_t n)
{
    p->size += n;
    p->crc = (uint32_t)crc32_z(p->crc, bytes, n);
    return fd_write_all(p->fd, bytes, n);
}

static int commit_locked(struct put *p, const json_t *headers)
{
    struct store *s = p->store;
    struct entry *e = p->entry;
    int r;

    if (e->finishes > 0)
        return -EALREADY;
    r = write_json(s, p->dir, "headers.json", headers);
    if (r < 0)
        return r;
    if (renameat(p->dir, p->tmp, p->dir, "upload.zip") < 0)
        return -errno;
    close_fd(&p->fd);
    p->fd = -EBADF;
    e->puts++;
    e->crc = p->crc;
    e->uploaded = now_ms();
    return write_receipt(s, p->dir, e);
}

int put_commit(struct put *p, json_t *headers, char *why, size_t why_size)
{
    int r;

    if (p->size != p->entry->u.size) {
        (void)snprintf(why, why_size, "the body has %" PRIu64 " bytes, Start announced %" PRIu64,
                       p->size, p->entry->u.size);
        return -EBADMSG;
    }
    r = zip_check(p->fd, p->size, why, why_size);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&p->store->lock);
    r = commit_locked(p, headers);
    (void)pthread_mutex_unlock(&p->store->lock);
    return r;
}

void put_discard(struct put *p)
{
    if (p->fd >= 0) {
        (void)unlinkat(p->dir, p->tmp, 0);
        close_fd(&p->fd);
    }
    close_fd(&p->dir);
    free(p);
}

static int finish_locked(struct store *s, struct entry *e)
{
    _cleanup_close_ int dir = open_dir(s, e);
    int r;

    if (dir < 0)
        return dir;
    e->finishes++;
    if (e->finishes == 1)
        e->finished = now_ms();
    r = write_receipt(s, dir, e);
    return r < 0 ? r : (int)e->finishes;
}

int store_finish(struct store *s, const char *gid, const struct upload **out)
{
    struct entry *e;
    int r = -ENOENT;

    (void)pthread_mutex_lock(&s->lock);
    e = find(s, BY_GID, gid);
    if (e)
        r = e->puts > 0 ? finish_locked(s, e) : -ENODATA;
    (void)pthread_mutex_unlock(&s->lock);
    if (r > 0)
        *out = &e->u;
    return r;
}
