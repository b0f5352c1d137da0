/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Retention: what goes first when there are too many reports or too little room. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/atomic_file.h"
#include "base/json_file.h"
#include "base/log.h"
#include "spool/spool.h"

enum { STATE_TMP_AGE = 3600 /* seconds */ };

struct prune {
    const struct spool *spool;
    uint64_t min_free;
    bool sends; /* pending reports are going to be sent: not for their number's sake do they go */
    unsigned removed;
};

static bool room_is_short(const struct prune *p)
{
    struct statvfs st;

    if (fstatvfs(p->spool->fd, &st) < 0)
        return false; /* not known: remove nothing for it */
    return (uint64_t)st.f_bavail * st.f_frsize < p->min_free;
}

static const char unsent_name[] = "unsent.json";

unsigned spool_unsent(int state, time_t *last)
{
    _cleanup_json_ json_t *note = NULL;

    *last = 0;
    if (json_file_read(state, unsent_name, &note) < 0)
        return 0;
    *last = (time_t)json_get_int(note, "last", 0);
    return (unsigned)MAX(MIN(json_get_int(note, "removed", 0), (int64_t)1000000), (int64_t)0);
}

/* That a crash was lost to its server must not be known to nobody. */
static void note_unsent(const struct prune *p)
{
    _cleanup_close_ int state = spool_open_state(p->spool, true);
    _cleanup_json_ json_t *note = NULL;
    time_t last;
    int r = state < 0 ? state : 0;

    if (r == 0) {
        note = json_pack("{s:i, s:I}", "removed", (int)spool_unsent(state, &last) + 1, "last",
                         (json_int_t)time(NULL));
        r = note ? json_file_write(state, unsent_name, note) : -ENOMEM;
    }
    if (r < 0)
        log_warning_errno(r, "cannot note that a report went unsent, ignoring");
}

/* A report goes first, then what state/ knows of it: a cut in between leaves an orphan, which the
 * next run removes. */
static int remove_report(struct prune *p, const struct spool_report *report)
{
    _cleanup_close_ int folder = spool_open_folder(p->spool, report->state, false);
    int r = folder < 0 ? folder : unlink_durable(folder, report->name);

    if (r < 0)
        return r;
    p->removed++;
    if (p->sends && report->state == SPOOL_PENDING) {
        log_warning("removed %s, which was not sent yet: there is no room", report->name);
        note_unsent(p);
        return 0;
    }
    log_info("removed %s (%s) to keep within the limits", report->name,
             spool_state_name(report->state));
    return 0;
}

/* vmcore.STAMP, vmcore-incomplete.STAMP: the stamp, which sorts as text; NULL for other names. */
static const char *vmcore_stamp(const char *name)
{
    static const char *const prefixes[] = { "vmcore.", "vmcore-incomplete." };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (span_starts(span_str(name), prefixes[i]))
            return name + strlen(prefixes[i]);
    return NULL;
}

/* The oldest vmcore's name. The number of vmcores is the result. */
static unsigned oldest_vmcore(int crash, char *name, size_t size)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(crash, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;
    unsigned n = 0;

    while (dir && (entry = readdir(dir))) {
        const char *stamp = vmcore_stamp(entry->d_name);

        if (!stamp)
            continue;
        if (n++ == 0 || strcmp(stamp, vmcore_stamp(name)) < 0)
            (void)span_copy(span_str(entry->d_name), name, size);
    }
    return n;
}

static int prune_vmcores(struct prune *p, uint64_t keep)
{
    _cleanup_close_ int crash =
        openat(p->spool->fd, "crash", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    char name[NAME_MAX + 1];

    if (crash < 0)
        return errno == ENOENT ? 0 : -errno;
    for (;;) {
        unsigned n = oldest_vmcore(crash, name, sizeof(name));
        int r;

        if (n == 0 || (n <= keep && !room_is_short(p)))
            return 0;
        r = unlink_durable(crash, name);
        if (r < 0)
            return r;
        p->removed++;
        log_info("removed crash/%s to keep within the limits", name);
    }
}

static bool name_is_among(const char *name, const struct spool_report *reports, size_t n_reports)
{
    for (size_t i = 0; i < n_reports; i++)
        if (strcmp(reports[i].name, name) == 0)
            return true;
    return false;
}

/* What state/ has of reports that are gone; it may hold secrets. */
static void remove_orphans(struct prune *p)
{
    _cleanup_closedir_ DIR *dir = dir_stream(spool_open_state(p->spool, false));
    _cleanup_free_ struct spool_report *reports = NULL;
    const struct dirent *entry;
    char report[NAME_MAX + 1];
    size_t n_reports;

    if (!dir || spool_list(p->spool, &reports, &n_reports) < 0)
        return;
    while ((entry = readdir(dir))) {
        if (spool_note_parse_name(entry->d_name, report) &&
            !name_is_among(report, reports, n_reports))
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
}

/* Where room is short, what has arrived elsewhere goes before what is only here. */
static const enum spool_state sacrifice[] = { SPOOL_SENT, SPOOL_FAILED, SPOOL_KEPT, SPOOL_PENDING };

static int prune_reports(struct prune *p, uint64_t keep)
{
    _cleanup_free_ struct spool_report *reports = NULL;
    uint64_t seen[SPOOL_N_STATES] = { 0 };
    size_t n;
    int r = spool_list(p->spool, &reports, &n);

    if (r < 0)
        return r;
    /* reports[0] is the newest of all, and never goes. */
    for (size_t i = 0; i < n; i++) {
        if (++seen[reports[i].state] <= keep || i == 0 ||
            (p->sends && reports[i].state == SPOOL_PENDING))
            continue;
        r = remove_report(p, &reports[i]);
        if (r < 0)
            return r;
        reports[i].size = UINT64_MAX; /* gone */
    }
    for (size_t s = 0; s < ARRAY_SIZE(sacrifice); s++)
        for (size_t i = n; i-- > 1;) {
            if (reports[i].state != sacrifice[s] || reports[i].size == UINT64_MAX)
                continue;
            if (!room_is_short(p))
                return 0;
            r = remove_report(p, &reports[i]);
            if (r < 0)
                return r;
        }
    return 0;
}

int spool_prune(const struct spool *spool, const struct config *config, unsigned *removed)
{
    struct prune p = { .spool = spool,
                       .min_free = config->min_free_space,
                       .sends = config->log_submission && config_has_backend(config) };
    _cleanup_close_ int notes = spool_open_state(spool, false);
    int r;

    atomic_file_sweep(spool->fd, 0);
    /* arm and submit write there, and do not wait for this lock */
    if (notes >= 0)
        atomic_file_sweep(notes, STATE_TMP_AGE);
    for (int state = 1; state < SPOOL_N_STATES; state++) {
        _cleanup_close_ int folder = spool_open_folder(spool, (enum spool_state)state, false);

        if (folder >= 0)
            atomic_file_sweep(folder, 0);
    }
    r = prune_vmcores(&p, config->keep_vmcores);
    if (r == 0)
        r = prune_reports(&p, config->keep_reports);
    remove_orphans(&p);
    if (removed)
        *removed = p.removed;
    return r;
}
