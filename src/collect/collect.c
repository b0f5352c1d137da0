/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/journal.h"
#include "collect/bundle.h"
#include "collect/captures.h"
#include "collect/collect.h"
#include "collect/private.h"
#include "spool/proof.h"
#include "spool/report_zip.h"
#include "spool/said.h"
#include "spool/spool.h"

/* Of the catalog's entry (data/kdump-steamos.catalog). */
#define MESSAGE_CRASH_RECORDED "584b942a0d344e338bb4a40e3ef5d24a"

enum { LOCK_TIMEOUT_MS = 30000, MAX_NAME_ATTEMPTS = 1000 };

static const char said_name[] = "collect-waits"; /* in RUN_DIR */

struct collection {
    const struct context *context;
    struct spool spool;
    struct facts facts;
    bool have_facts;
    unsigned failed;
};

static void collection_done(struct collection *c)
{
    spool_close(&c->spool);
    facts_done(&c->facts);
}

static int write_members(int fd, const struct bundle *bundle, const char *stamp)
{
    _cleanup_(report_zip_abandonp) struct report_zip *zip = NULL;
    int r = report_zip_create(fd, &zip);

    for (size_t i = 0; i < bundle->n && r == 0; i++) {
        char name[NAME_MAX + 1];

        r = member_format_name(&bundle->members[i], stamp, name, sizeof(name));
        if (r == 0)
            r = report_zip_add(zip, name, bundle->time, strbuf_view(&bundle->members[i].bytes));
    }
    return r < 0 ? r : report_zip_finish(TAKE_PTR(zip));
}

/* What is to become one report. */
struct crash {
    const struct pstore_records *records;
    const struct pstore_event *event;
    const struct capture *capture; /* what the capture kernel has of it; NULL: nothing */
    struct bundle bundle;
};

struct comparison {
    const struct crash *crash;
    bool *seen; /* of each record of the event's dumps, one after the other, and of the capture */
    bool any;   /* one that is not empty: empty ones prove nothing */
};

static bool is_dmesg(const char *name)
{
    return span_starts(span_str(name), "dmesg-");
}

static size_t count_records(const struct pstore_event *event)
{
    size_t n = 0;

    for (size_t i = 0; i < event->n_dumps; i++)
        n += event->dumps[i].n_records;
    return n;
}

static struct span captured(const struct crash *crash)
{
    return crash->capture ? strbuf_view(&crash->capture->log) : (struct span){ "", 0 };
}

static struct span record_text(const struct pstore_record *record)
{
    struct span text = strbuf_view(&record->bytes);
    struct pstore_header header;

    if (!record->undecoded)
        (void)pstore_header_take(&text, &header);
    return text;
}

static int compare_member(void *ctx, const char *name, struct span bytes)
{
    struct comparison *c = ctx;
    const struct pstore_event *event = c->crash->event;
    size_t n = 0;

    for (size_t i = 0; i < event->n_dumps; i++)
        for (size_t k = 0; k < event->dumps[i].n_records; k++, n++) {
            size_t index = event->dumps[i].records[k];
            struct span text = record_text(&c->crash->records->items[index]);

            if (!c->seen[n])
                c->seen[n] = memmem(bytes.p, bytes.n, text.p, text.n) != NULL;
            c->any |= c->seen[n] && text.n > 0;
        }
    if (captured(c->crash).n > 0) {
        struct span text = captured(c->crash);

        if (!c->seen[n])
            c->seen[n] = memmem(bytes.p, bytes.n, text.p, text.n) != NULL;
        c->any |= c->seen[n];
    }
    return 0;
}

/* Whether the report of this name has the texts of all records of this event: then an earlier run
 * wrote it, and was cut off before it had removed the records, or all of them. */
static bool is_same_event(const struct spool *spool, enum spool_state state, const char *name,
                          const struct crash *crash)
{
    size_t n = count_records(crash->event) + (captured(crash).n > 0);
    _cleanup_free_ bool *seen = calloc(n + 1, sizeof(*seen));
    struct comparison c = { .crash = crash, .seen = seen };
    _cleanup_close_ int folder = spool_open_folder(spool, state, false);
    _cleanup_close_ int fd = -EBADF;

    if (folder < 0 || !seen)
        return false;
    fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 || report_zip_read(fd, STRBUF_MAX / 2, is_dmesg, compare_member, &c) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!seen[i])
            return false;
    return c.any;
}

/* Where the event has no time to find its report by: whether any report is of it. */
static bool is_anywhere(const struct spool *spool, const struct crash *crash)
{
    _cleanup_free_ struct spool_report *reports = NULL;
    size_t n;

    if (spool_list(spool, &reports, &n) < 0)
        return false;
    for (size_t i = 0; i < n; i++)
        if (is_same_event(spool, reports[i].state, reports[i].name, crash)) {
            log_info("%s has this crash already", reports[i].name);
            return true;
        }
    return false;
}

static int write_report(struct collection *c, const struct bundle *bundle, enum spool_state state,
                        const char *stamp, const char *name)
{
    _cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
    _cleanup_close_ int folder = spool_open_folder(&c->spool, state, true);
    int r = folder < 0 ? folder : atomic_file_open(&file, folder, name, 0600);

    if (r == 0)
        r = fd_inherit_owner(file.fd, folder);
    if (r == 0)
        r = write_members(file.fd, bundle, stamp);
    return r < 0 ? r : atomic_file_commit(&file, false);
}

/* It takes consent at the crash and now, at the collection. */
static enum spool_state target_state(const struct config *config, const struct crash *crash)
{
    bool may = config->log_submission && config_has_backend(config) && !crash->bundle.kept;

    return may ? SPOOL_PENDING : SPOOL_KEPT;
}

/* The way that the crash took, as struct proof names it. */
static const char *mechanism(const struct crash *crash)
{
    static const struct {
        const char *prefix, *name;
    } ways[] = { { "efi", "efi" }, { "erst", "erst" }, { "ramoops", "ramoops" } };
    const struct pstore_event *event = crash->event;

    if (crash->capture)
        return "kdump";
    for (size_t i = 0; i < ARRAY_SIZE(ways) && event->n_dumps > 0; i++)
        if (span_starts(span_str(event->dumps[0].name.backend), ways[i].prefix))
            return ways[i].name;
    return "pstore";
}

static void tell(struct collection *c, const struct crash *crash, enum spool_state state,
                 const char *name)
{
    const struct bundle *bundle = &crash->bundle;
    const char *title = bundle->title[0] ? bundle->title : "no known report in its log";
    const struct journal_field fields[] = {
        { "MESSAGE_ID", MESSAGE_CRASH_RECORDED },
        { "KDUMP_TITLE", title },
        { "KDUMP_SIGNATURE", bundle->signature[0] ? bundle->signature : NULL },
        { "KDUMP_KERNEL", bundle->kernel[0] ? bundle->kernel : NULL },
        { "KDUMP_MECHANISM", mechanism(crash) },
        { "KDUMP_STATE", spool_state_name(state) },
        { "KDUMP_FOLDER", c->spool.path },
        { "KDUMP_REPORT", name },
    };
    char when[32];
    struct tm tm;

    (void)gmtime_r(&bundle->time, &tm);
    (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M", &tm);
    log_event(&c->context->root, LOG_LEVEL_NOTICE, fields, ARRAY_SIZE(fields),
              "the crash of %s UTC is recorded: %s: %s (%s)", when, title, name,
              spool_state_name(state));
}

/* That a crash came so far is the proof that crashes do. */
static void note_proof(struct collection *c, const struct crash *crash)
{
    _cleanup_close_ int state = spool_open_state(&c->spool, true);
    int r = state < 0 ? state
                      : proof_note_crash(state, &c->context->root, crash->bundle.time,
                                         crash->bundle.kernel, mechanism(crash));

    if (r < 0)
        log_warning_errno(r, "cannot note in %s/state that recording works, ignoring",
                          c->spool.path);
}

static int store_report(struct collection *c, const struct crash *crash)
{
    enum spool_state state = target_state(&c->context->config, crash);
    const struct bundle *bundle = &crash->bundle;
    char stamp[SPOOL_STAMP_MAX], name[NAME_MAX + 1];

    if (bundle->guessed && is_anywhere(&c->spool, crash))
        return 0;
    for (unsigned attempt = 0; attempt < MAX_NAME_ATTEMPTS; attempt++) {
        int found, r;

        r = spool_report_format_name(c->facts.serial, c->facts.account.name, bundle->time, attempt,
                                     stamp, name);
        if (r < 0)
            return r;
        found = spool_find(&c->spool, name);
        if (found >= 0 && is_same_event(&c->spool, (enum spool_state)found, name, crash)) {
            log_info("%s has this crash already", name);
            return 0;
        }
        if (found >= 0)
            continue;
        if (found != -ENOENT)
            return found;
        r = write_report(c, bundle, state, stamp, name);
        if (r == -EEXIST)
            continue;
        if (r < 0)
            return r;
        tell(c, crash, state, name);
        return 0;
    }
    return -EEXIST;
}

static int remove_one(struct collection *c, const struct pstore_record *record)
{
    int r = pstore_remove(&c->context->root, record);

    if (r < 0)
        log_warning_errno(r,
                          "cannot remove %s/%s, whose report is stored; the next run tries again",
                          record->dir, record->file);
    return r;
}

/* The report is durable: now its records may go. First those that are no event by themselves, then
 * the oldest dump: whatever an interruption leaves is found to be of this report. */
static void remove_records(struct collection *c, const struct pstore_records *records,
                           const struct pstore_event *event)
{
    bool failed = false;

    for (size_t i = 0; i < event->n_extras; i++)
        failed |= remove_one(c, &records->items[event->extras[i]]) < 0;
    for (size_t i = 0; i < event->n_dumps; i++)
        for (size_t k = 0; k < event->dumps[i].n_records; k++)
            failed |= remove_one(c, &records->items[event->dumps[i].records[k]]) < 0;
    c->failed += failed;
}

static void crash_done(struct crash *crash)
{
    bundle_done(&crash->bundle);
}

static bool is_crash(const struct pstore_event *event)
{
    for (size_t i = 0; i < event->n_dumps; i++)
        if (pstore_dump_is_crash(&event->dumps[i]))
            return true;
    return false;
}

/* Before the report can be seen: who sends it hides what is noted here. */
static int note_private_values(struct collection *c)
{
    _cleanup_private_values_ struct private_values values = { 0 };
    _cleanup_close_ int state = spool_open_state(&c->spool, true);
    int r = state < 0 ? state : private_gather(&c->context->root, &values);

    if (r == 0)
        r = private_values_save(&values, state);
    if (r < 0 && r != -ENOMEM)
        log_warning_errno(r, "cannot note this machine's names for the scrubber, ignoring");
    return r == -ENOMEM ? r : 0;
}

static int load_consent(struct collection *c)
{
    _cleanup_close_ int state = spool_open_state(&c->spool, true);

    return state < 0 ? 0 : consent_load(state, &c->facts.consent);
}

static void finish_capture(struct collection *c, const struct capture *capture)
{
    char vmcore[NAME_MAX + 1];
    int r = capture_finish(&c->spool, capture, vmcore);

    if (vmcore[0] != '\0')
        log_notice("the memory of that crash is in %s/crash/%s%s", c->spool.path, vmcore,
                   span_starts(span_str(vmcore), "vmcore-") ? ", as far as it was written" : "");
    if (r == 0)
        return;
    c->failed++;
    log_warning_errno(r,
                      "cannot clear %s/crash/%s, whose report is stored; the next run tries again",
                      c->spool.path, capture->folder);
}

static int collect_event(struct collection *c, const struct pstore_records *records,
                         const struct pstore_event *event, const struct capture *capture)
{
    _cleanup_(
        crash_done) struct crash crash = { .records = records, .event = event, .capture = capture };
    const struct context *context = c->context;
    int r;

    if (!capture && !is_crash(event)) {
        log_debug("a dump of an orderly shutdown: no crash, removed");
        remove_records(c, records, event);
        return 0;
    }
    if (!c->have_facts) {
        if (facts_gather(&context->root, &context->config, context->ops, &c->facts) < 0)
            return log_oom();
        if (note_private_values(c) < 0 || load_consent(c) < 0)
            return log_oom();
        c->have_facts = true;
    }
    if (bundle_make(event, captured(&crash), &c->facts, &crash.bundle) < 0)
        return log_oom();
    r = store_report(c, &crash);
    if (r < 0)
        return log_error_errno(r,
                               "cannot store the report of a crash in %s; its records stay %s, and "
                               "the next boot tries again%s",
                               c->spool.path, event->n_dumps > 0 ? "in pstore" : "in crash/",
                               spool_advice(r));
    note_proof(c, &crash);
    /* The capture last: by its time an interrupted run's report is found again. */
    remove_records(c, records, event);
    if (capture)
        finish_capture(c, capture);
    return 0;
}

/* Where a device may come at any time, a timer asks every few minutes. */
static int say_not_mounted(const struct context *context, int error)
{
    const struct config *config = &context->config;
    enum log_level level = log_is_journal() && said_in_boot(&context->root, said_name)
                               ? LOG_LEVEL_DEBUG
                               : LOG_LEVEL_ERROR;

    if (config->mount_devnode[0])
        return log_full_errno(
            level, error, "MOUNT_DEVNODE=%s is not mounted; what a crash left stays where it is",
            config->mount_devnode);
    return log_full_errno(level, error,
                          "the file system of %s, which is in /etc/fstab, is not mounted; what a "
                          "crash left stays where it is",
                          config->kdump_folder);
}

static int open_spool(struct collection *c)
{
    const struct context *context = c->context;
    int r = spool_open(&context->root, &context->config, true, &c->spool);

    if (r == -ENODEV)
        return say_not_mounted(context, r);
    said_forget(&context->root, said_name);
    if (r < 0)
        return log_error_errno(r, "cannot open %s; what a crash left stays where it is%s",
                               context->config.kdump_folder, spool_advice(r));
    r = spool_lock(&c->spool, LOCK_TIMEOUT_MS);
    if (r == -EBUSY)
        return log_error_errno(r, "another kdump-steamos is at work in %s; the next run collects",
                               c->spool.path);
    if (r < 0)
        return log_error_errno(r, "cannot lock %s; what a crash left stays where it is%s",
                               c->spool.path, spool_advice(r));
    return 0;
}

static void prune(struct collection *c)
{
    int r = spool_prune(&c->spool, &c->context->config, NULL);

    if (r < 0)
        log_warning_errno(r, "cannot apply the limits to %s, ignoring", c->spool.path);
}

/* The capture of this event, which is then marked as taken. */
static const struct capture *take_capture(const struct captures *captures, bool *taken,
                                          const struct pstore_event *event)
{
    for (size_t i = 0; i < captures->n; i++)
        if (!taken[i] && capture_is_of_event(&captures->items[i], event)) {
            taken[i] = true;
            return &captures->items[i];
        }
    return NULL;
}

/* An event that only the capture kernel tells of. One without a log has no report: its dump is put
 * where dumps are. */
static int collect_capture(struct collection *c, const struct capture *capture)
{
    const struct pstore_event event = { .time = capture->time };
    const struct pstore_records none = { 0 };

    if (capture->log.n > 0)
        return collect_event(c, &none, &event, capture);
    finish_capture(c, capture);
    return 0;
}

static int collect_all(struct collection *c, const struct pstore_records *records,
                       const struct pstore_events *events, const struct captures *captures)
{
    bool taken[CAPTURES_MAX] = { false };

    prune(c);
    for (size_t i = 0; i < events->n; i++) {
        const struct capture *capture = take_capture(captures, taken, &events->items[i]);
        struct pstore_event event = events->items[i];

        if (capture)
            event.time = capture->time;
        if (collect_event(c, records, &event, capture) < 0)
            c->failed++;
    }
    for (size_t i = 0; i < captures->n; i++)
        if (!taken[i] && collect_capture(c, &captures->items[i]) < 0)
            c->failed++;
    prune(c);
    return 0;
}

/* Whether the capture kernel has left something, without making the kdump folder. */
static bool any_capture(const struct context *context)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;

    return spool_open(&context->root, &context->config, false, &spool) == 0 && captures_any(&spool);
}

static int collect_records(struct collection *c, const struct pstore_records *records,
                           bool captured_any)
{
    _cleanup_(pstore_events_free) struct pstore_events events = { 0 };
    _cleanup_(captures_free) struct captures captures = { .n = 0 };
    int r;

    if (pstore_merge(records, &events) < 0)
        return log_oom();
    if (events.n == 0 && !captured_any) {
        log_debug("pstore has no record of a crash");
        return 0;
    }
    r = open_spool(c);
    if (r < 0)
        return r;
    if (captures_read(&c->spool, &captures) < 0)
        return log_oom();
    c->failed += captures.unreadable;
    if (captures.left_out)
        log_warning("there are more captures in %s/crash than one run takes; the next run goes on",
                    c->spool.path);
    return collect_all(c, records, &events, &captures);
}

static int run_collect(struct context *context, int argc, char **argv)
{
    static const char *const dirs[] = { PSTORE_DIR, PSTORE_ARCHIVE };
    _cleanup_(collection_done) struct collection c = { .context = context, .spool = SPOOL_INIT };
    _cleanup_(pstore_records_free) struct pstore_records records = { 0 };
    bool any = false, captured_any;
    int r;

    if (argc != 1) {
        log_error("collect takes no arguments");
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
        any |= pstore_any_dump(&context->root, dirs[i]);
    for (size_t i = 0; i < ARRAY_SIZE(dirs) && any; i++) {
        r = pstore_read(&context->root, dirs[i], &records);
        if (r < 0)
            return log_error_errno(r, "cannot read the records in %s", dirs[i]);
    }
    c.failed = records.unreadable;
    captured_any = any_capture(context);
    if (records.n == 0 && !captured_any) {
        log_debug("nothing to collect");
        return c.failed ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    r = collect_records(&c, &records, captured_any);
    if (records.left_out)
        log_warning("there are more records than one run takes; the next run goes on");
    if (r == -ENODEV)
        return EXIT_NOT_MOUNTED;
    return r < 0 || c.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

const struct verb verb_collect = {
    .name = "collect",
    .arguments = "",
    .summary = "Turns what the last crash left into reports (boot service)",
    .details =
        "Reads the records of every pstore back end and those that systemd-pstore has\n"
        "archived, and what the crash kernel has saved, writes one report ZIP per crash into\n"
        "the kdump folder, and only then removes the records.\n\n"
        "Exit status: 0 done, or nothing to do; 1 failed; 3 the records wait, for the file\n"
        "system of the kdump folder is not mounted.\n",
    .run = run_collect,
};
