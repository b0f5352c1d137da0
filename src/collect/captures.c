/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "collect/captures.h"

enum {
    MAX_LOG = 32 << 20,
    MAX_TOTAL = 96 << 20,
    STAMP = 14, /* YYYYMMDDHHMMSS */
    MAX_NAME_ATTEMPTS = 1000,
    COMPARED_LINES = 16,
};

static const char whole_name[] = "vmcore", incomplete_name[] = "vmcore-incomplete";
/* The capture kernel was cut off while it wrote: what there is of the log is better than nothing.
 */
static const char *const log_names[] = { "dmesg.txt", ".tmp-dmesg.txt" };

/* "20260102030405", "20260102030405-1" */
static bool parse_folder(const char *name, time_t *time)
{
    struct tm tm = { 0 };
    const char *rest;
    struct span suffix;
    uint64_t number;

    for (size_t i = 0; i < STAMP; i++)
        if (!byte_is_digit(name[i]))
            return false;
    suffix = span_str(name + STAMP);
    if (suffix.n > 0 && (!span_skip(&suffix, "-") || !span_take_dec(&suffix, &number) ||
                         suffix.n > 0 || number > 9999))
        return false;
    rest = strptime(name, "%Y%m%d%H%M%S", &tm);
    if (!rest || rest != name + STAMP)
        return false;
    *time = timegm(&tm);
    return *time > 0;
}

static int open_crash(const struct spool *spool)
{
    int fd = openat(spool->fd, "crash", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? -errno : fd;
}

static int is_capture(const struct dirent *entry)
{
    time_t time;

    return parse_folder(entry->d_name, &time);
}

static int open_folder(int crash, const char *name)
{
    int fd = openat(crash, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    return fd < 0 ? -errno : fd;
}

bool captures_any(const struct spool *spool)
{
    _cleanup_closedir_ DIR *dir = dir_stream(open_crash(spool));
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (is_capture(entry))
            return true;
    return false;
}

void captures_free(struct captures *captures)
{
    for (size_t i = 0; i < captures->n; i++)
        strbuf_clear(&captures->items[i].log);
    captures->n = 0;
}

static bool is_file(int folder, const char *name)
{
    struct stat st;

    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static int read_log(int folder, struct capture *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(log_names); i++) {
        int r;

        if (!is_file(folder, log_names[i]))
            continue;
        c->has_log = true;
        r = file_read_at(folder, log_names[i], MAX_LOG, &c->log);
        if (r < 0 && r != -EFBIG)
            return r;
        if (c->log.n > 0)
            return 0;
    }
    return 0;
}

static int read_capture(int crash, const char *name, struct capture *c)
{
    _cleanup_close_ int folder = open_folder(crash, name);
    int r;

    if (folder < 0)
        return folder;
    *c = (struct capture){ 0 };
    (void)span_copy(span_str(name), c->folder, sizeof(c->folder));
    (void)parse_folder(name, &c->time);
    c->vmcore = is_file(folder, whole_name)        ? whole_name
                : is_file(folder, incomplete_name) ? incomplete_name
                                                   : NULL;
    r = read_log(folder, c);
    if (r < 0)
        strbuf_clear(&c->log);
    return r;
}

static int read_named(int crash, const char *name, size_t *total, struct captures *out)
{
    struct capture *c = &out->items[out->n];
    int r;

    if (out->n == CAPTURES_MAX || *total >= MAX_TOTAL) {
        out->left_out = true;
        return 0;
    }
    r = read_capture(crash, name, c);
    if (r == -ENOMEM)
        return r;
    if (r == -ENOTDIR || r == -ELOOP) /* no folder: not from the capture kernel */
        return 0;
    if (r < 0) {
        log_warning_errno(r, "cannot read crash/%s, ignoring", name);
        out->unreadable++;
        return 0;
    }
    *total += c->log.n;
    out->n++;
    return 0;
}

int captures_read(const struct spool *spool, struct captures *out)
{
    _cleanup_close_ int crash = open_crash(spool);
    _cleanup_dir_list_ struct dir_list names = { 0 };
    size_t total = 0;
    int r;

    if (crash < 0)
        return 0;
    r = dir_list_read(crash, is_capture, alphasort, &names);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (int i = 0; i < names.n && r == 0; i++)
        r = read_named(crash, names.entries[i]->d_name, &total, out);
    return r;
}

/* ---- the same crash in pstore ---- */

/* The last line of text, which is cut off it; without the level that pstore has in front. */
static struct span take_last_line(struct span *text)
{
    struct span line;
    size_t n;

    while (text->n > 0 && (text->p[text->n - 1] == '\n' || text->p[text->n - 1] == '\r'))
        text->n--;
    for (n = 0; n < text->n && text->p[text->n - n - 1] != '\n'; n++)
        ;
    line = span_bytes(text->p + text->n - n, n);
    text->n -= n;
    n = span_starts(line, "<") ? span_find_byte(line, '>') : SIZE_MAX;
    if (n <= 4)
        (void)span_take(&line, n + 1);
    return span_trim(line);
}

/* "[  100.000001] " in front: the same text at the same microsecond is the same event. */
static bool has_stamp(struct span line)
{
    uint64_t number;

    if (!span_skip(&line, "["))
        return false;
    line = span_trim(line);
    return span_take_dec(&line, &number) && span_skip(&line, ".") &&
           span_take_dec(&line, &number) && span_skip(&line, "]");
}

bool capture_is_of_event(const struct capture *capture, const struct pstore_event *event)
{
    struct span log = strbuf_view(&capture->log), text;
    unsigned compared = 0, found = 0;

    if (event->n_dumps == 0 || event->dumps[event->n_dumps - 1].undecoded)
        return false;
    text = strbuf_view(&event->dumps[event->n_dumps - 1].text);
    while (compared < COMPARED_LINES && text.n > 0) {
        struct span line = take_last_line(&text);

        if (!has_stamp(line))
            continue;
        compared++;
        found += memmem(log.p, log.n, line.p, line.n) != NULL;
    }
    return found > compared / 2;
}

/* ---- afterwards ---- */

/* The name that goes with the report: minutes, then seconds, then the next free second. */
static int move_vmcore(int crash, int folder, const struct capture *c, char *name)
{
    char stamp[SPOOL_STAMP_MAX], report[NAME_MAX + 1];

    for (unsigned attempt = 0; attempt < MAX_NAME_ATTEMPTS; attempt++) {
        int r = spool_report_format_name("0", "0", c->time, attempt, stamp, report);

        if (r < 0)
            return r;
        (void)snprintf(name, NAME_MAX + 1, "%s.%s", c->vmcore, stamp);
        r = rename_durable(folder, c->vmcore, crash, name);
        if (r != -EEXIST)
            return r;
    }
    return -EEXIST;
}

int capture_finish(const struct spool *spool, const struct capture *c, char *name)
{
    _cleanup_close_ int crash = open_crash(spool);
    _cleanup_close_ int folder = -EBADF;
    int r;

    name[0] = '\0';
    if (crash < 0)
        return crash;
    folder = open_folder(crash, c->folder);
    if (folder < 0)
        return folder;
    if (c->vmcore) {
        r = move_vmcore(crash, folder, c, name);
        if (r < 0) {
            name[0] = '\0';
            return r;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(log_names); i++) {
        r = unlink_durable(folder, log_names[i]);
        if (r < 0)
            return r;
    }
    if (unlinkat(crash, c->folder, AT_REMOVEDIR) < 0)
        return errno == ENOTEMPTY || errno == EEXIST ? 0 : -errno;
    return fd_sync(crash);
}
