/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "spool/limits.h"
#include "spool/spool.h"
#include "submit/backend.h"
#include "submit/http.h"
#include "submit/submit.h"

enum {
    LOCK_TIMEOUT_MS = 30000,
    LITTER_SECONDS = 3600,
    NETWORK_TRIES = 99,
    NETWORK_WAIT_SECONDS = 10, /* between two, at most */
    NETWORK_SECONDS = 15 * 60, /* for all of them */
    MAX_URL = 2048 + 64,
};

static const struct backend *const backends[] = { &backend_steam, &backend_sentry,
                                                  &backend_directory };

enum { N_BACKENDS = ARRAY_SIZE(backends) };

struct submission {
    const struct context *context;
    bool on[N_BACKENDS]; /* by the configuration; a report goes to all of them */
    size_t n_on;
    struct spool spool;
    int state;       /* the state folder */
    int submit_lock; /* held for the whole run; the spool's own lock only around moves */
    const char *cacert;
    bool now; /* whatever the back-off says */
    unsigned
        network_tries; /* to reach a server before the first report; 0: it is not asked before */
    unsigned sent, later, refused, kept;
    bool unreachable[N_BACKENDS];
    bool network;          /* a back end is on that needs it */
    struct limits *limits; /* of a day; owned */
};

/* A report's ZIP, and what is in it. */
struct opened {
    int zip;
    uint64_t size; /* bytes */
    bool whole;    /* it is a ZIP of ours, and fields are filled */
    struct report_fields fields;
};

static void opened_done(struct opened *o)
{
    close_fd(&o->zip);
    report_fields_done(&o->fields);
}

static void submission_done(struct submission *s)
{
    free(s->limits);
    close_fd(&s->submit_lock);
    close_fd(&s->state);
    spool_close(&s->spool);
}

static int move_report(struct submission *s, const char *name, enum spool_state from,
                       enum spool_state to)
{
    int r = spool_lock(&s->spool, LOCK_TIMEOUT_MS);

    if (r == 0)
        r = spool_move(&s->spool, name, from, to);
    close_fd(&s->spool.lock_fd);
    s->spool.lock_fd = -EBADF;
    if (r < 0)
        return log_error_errno(r, "cannot move %s to the %s reports", name, spool_state_name(to));
    return 0;
}

static uint32_t random_number(void)
{
    uint32_t value;

    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
        value = (uint32_t)time(NULL) * 2654435761U;
    return value;
}

/* What a report's attempts are filed under: each back end has its own. */
static const char *attempt_key(size_t backend, const char *report, char buf[NAME_MAX + 32])
{
    if (backend == 0)
        return report;
    (void)snprintf(buf, NAME_MAX + 32, "%s.%s", report, backends[backend]->name);
    return buf;
}

static void save(struct submission *s, size_t backend, const char *report,
                 const struct attempt *attempt)
{
    char key[NAME_MAX + 32];
    int r = attempt_save(s->state, attempt_key(backend, report, key), attempt);

    if (r < 0)
        log_warning_errno(r, "cannot note the state of %s, ignoring", report);
}

/* What a back end has refused for good stays known as long as the report is there. */
static void forget_attempts(const struct submission *s, const char *report)
{
    for (size_t i = 0; i < N_BACKENDS; i++) {
        char buf[NAME_MAX + 32];
        const char *key = attempt_key(i, report, buf);
        struct attempt attempt;

        if (attempt_load(s->state, key, &attempt) == 0 && attempt.phase != ATTEMPT_REFUSED)
            (void)attempt_remove(s->state, key);
    }
}

static void save_limits(const struct submission *s)
{
    int r = limits_save(s->state, s->limits);

    if (r < 0)
        log_warning_errno(r, "cannot note in %s/state what was sent today, ignoring",
                          s->spool.path);
}

/* All that take it have it: each was noted first, so that a cut before the move does not send it
 * again. */
static int accepted(struct submission *s, const struct spool_report *report)
{
    int r;

    if (limits_accepted(s->limits, report->name))
        save_limits(s);
    r = report->state == SPOOL_SENT ? 0 : move_report(s, report->name, report->state, SPOOL_SENT);

    if (r < 0)
        return r;
    forget_attempts(s, report->name);
    s->sent++;
    log_notice("sent %s", report->name);
    return 0;
}

static int refused(struct submission *s, const struct spool_report *report, const char *why)
{
    log_error("%s is refused for good: %s; it is kept in failed_logs/", report->name, why);
    return report->state == SPOOL_FAILED
               ? 0
               : move_report(s, report->name, report->state, SPOOL_FAILED);
}

static void postponed(struct submission *s, size_t backend, const struct spool_report *report,
                      struct attempt *attempt, int64_t retry_after)
{
    int64_t delay = retry_delay(attempt->tries, retry_after, random_number());

    attempt->next_try = (int64_t)time(NULL) + delay;
    log_warning("%s is not sent yet: %s; the next try is due in %lld s", report->name,
                attempt->last_error, (long long)delay);
}

/* What came of a delivery, noted before anything is done about it. */
static void note_outcome(struct submission *s, size_t backend, const struct spool_report *report,
                         struct attempt *attempt, enum submit_outcome outcome, int64_t retry_after)
{
    if (outcome == SUBMIT_OK) {
        attempt->phase = ATTEMPT_ACCEPTED;
        if (s->n_on > 1)
            log_info("%s has %s", backends[backend]->name, report->name);
    } else {
        attempt->tries++;
        if (outcome == SUBMIT_PROTOCOL && ++attempt->protocol_errors < RETRY_MAX_PROTOCOL_ERRORS)
            outcome = SUBMIT_LATER;
        if (outcome == SUBMIT_LATER) {
            postponed(s, backend, report, attempt, retry_after);
        } else {
            attempt->phase = ATTEMPT_REFUSED;
            s->refused++;
            if (s->n_on > 1)
                log_error("%s refuses %s for good: %s", backends[backend]->name, report->name,
                          attempt->last_error);
        }
    }
    save(s, backend, report->name, attempt);
}

static int open_report(struct submission *s, const struct spool_report *report, struct opened *out)
{
    _cleanup_(opened_done) struct opened o = { .zip = -EBADF };
    _cleanup_close_ int folder = spool_open_folder(&s->spool, report->state, false);
    struct stat st;
    int r;

    if (folder < 0)
        return folder;
    o.zip = openat(folder, report->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (o.zip < 0 || fstat(o.zip, &st) < 0)
        return log_error_errno(-errno, "cannot open %s", report->name);
    o.size = (uint64_t)st.st_size;
    r = report_fields_read(o.zip, report->time, &o.fields);
    if (r < 0 && r != -EBADMSG)
        return log_error_errno(r, "cannot read %s", report->name);
    o.whole = r == 0;
    *out = o;
    o = (struct opened){ .zip = -EBADF };
    return 0;
}

static void deliver(struct submission *s, const struct spool_report *report,
                    const struct opened *opened, size_t backend, struct attempt *attempt)
{
    char key[NAME_MAX + 32];
    struct delivery delivery = {
        .config = &s->context->config,
        .root = &s->context->root,
        .cacert = s->cacert,
        .progress = !s->context->quiet && isatty(STDERR_FILENO),
        .name = report->name,
        .key = attempt_key(backend, report->name, key),
        .zip = opened->zip,
        .size = opened->size,
        .state = s->state,
        .attempt = attempt,
        .fields = &opened->fields,
        .retry_after = -1,
    };
    const struct limits_report begun = { report->name, opened->fields.signature, opened->size };
    enum submit_outcome outcome = SUBMIT_REFUSED;

    if (!backends[backend]->local) {
        delivery.counted =
            limits_begin(s->limits, &begun, (int64_t)time(NULL), &delivery.counted_since);
        save_limits(s);
    }
    if (opened->whole) {
        log_info("sending %s (%llu bytes)", report->name, (unsigned long long)delivery.size);
        outcome = backends[backend]->deliver(&delivery);
    } else {
        (void)snprintf(attempt->last_error, sizeof(attempt->last_error),
                       "it is no whole report ZIP");
    }
    s->unreachable[backend] |= delivery.unreachable;
    note_outcome(s, backend, report, attempt, outcome, delivery.retry_after);
}

/* A clock that jumped must not hold a report back for more than the longest back-off. */
static bool is_due(const struct attempt *attempt)
{
    int64_t now = (int64_t)time(NULL);

    return attempt->next_try <= now || attempt->next_try > now + RETRY_MAX_SECONDS;
}

/* Whether this back end is to be tried now. One that has refused the report is asked again where a
 * person wants it. */
static bool is_wanted(struct submission *s, size_t backend, const struct spool_report *report,
                      struct attempt *attempt)
{
    if (!s->on[backend] || attempt->phase == ATTEMPT_ACCEPTED || s->unreachable[backend])
        return false; /* where it is unreachable the others would fail in the same way */
    if (attempt->phase == ATTEMPT_REFUSED) {
        if (report->state != SPOOL_FAILED)
            return false;
        attempt->phase = ATTEMPT_NONE;
    }
    if (s->now || is_due(attempt))
        return true;
    log_info("%s waits for its next try", report->name);
    return false;
}

/* Where it goes when all back ends have said their last word. One that took it is enough. */
static int settle(struct submission *s, const struct spool_report *report,
                  const struct attempt attempts[N_BACKENDS])
{
    const char *why = NULL;
    bool taken = false;

    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (!s->on[i])
            continue;
        if (attempts[i].phase != ATTEMPT_ACCEPTED && attempts[i].phase != ATTEMPT_REFUSED) {
            s->later++;
            return 0;
        }
        taken |= attempts[i].phase == ATTEMPT_ACCEPTED;
        if (attempts[i].phase == ATTEMPT_REFUSED)
            why = attempts[i].last_error;
    }
    return taken || !why ? accepted(s, report) : refused(s, report, why);
}

/* What a day's limits say of a report that goes by itself; one that was begun goes on. */
static enum limits_verdict judge(const struct submission *s, const struct spool_report *report,
                                 const struct opened *opened,
                                 const struct attempt attempts[N_BACKENDS])
{
    const struct limits_report r = { report->name, opened->fields.signature, opened->size };

    if (!s->network || s->now || !opened->whole)
        return LIMITS_SEND;
    for (size_t i = 0; i < N_BACKENDS; i++)
        if (s->on[i] && !backends[i]->local &&
            (attempts[i].phase != ATTEMPT_NONE || attempts[i].tries > 0))
            return LIMITS_SEND;
    return limits_judge(s->limits, &s->context->config, &r, (int64_t)time(NULL));
}

/* Enough of its kind went today. It is counted before it is moved: a run that was cut off in
 * between is finished by the next, and counts it once. */
static int count_report(struct submission *s, const struct spool_report *report,
                        const struct opened *opened)
{
    const struct limits_report counted = { report->name, opened->fields.signature, opened->size };
    int r = 0;

    if (limits_count(s->limits, &counted, (int64_t)time(NULL)))
        r = limits_save(s->state, s->limits);
    if (r < 0)
        return log_error_errno(r, "cannot count %s in %s/state", report->name, s->spool.path);
    r = move_report(s, report->name, report->state, SPOOL_KEPT);
    if (r < 0)
        return r;
    forget_attempts(s, report->name);
    s->kept++;
    log_notice("%s is the same crash as %llu that were sent within a day: counted, and kept in "
               "not_sent_logs/",
               report->name, (unsigned long long)s->context->config.same_crashes_per_day);
    return 0;
}

static bool is_done(const struct attempt *attempt)
{
    return attempt->phase == ATTEMPT_ACCEPTED || attempt->phase == ATTEMPT_REFUSED;
}

/* A report that does not go over the network today: those that need none have it first. */
static int hold_back(struct submission *s, const struct spool_report *report,
                     const struct opened *opened, const struct attempt attempts[N_BACKENDS],
                     enum limits_verdict verdict)
{
    bool local_done = true;

    for (size_t i = 0; i < N_BACKENDS; i++)
        local_done &= !s->on[i] || !backends[i]->local || is_done(&attempts[i]);
    if (verdict == LIMITS_COUNT && local_done)
        return count_report(s, report, opened);
    s->later++;
    if (verdict == LIMITS_WAIT)
        log_info("%s waits: enough was sent within a day (MAX_REPORTS_PER_DAY, MAX_SIZE_PER_DAY); "
                 "kdump-steamos submit --now sends it",
                 report->name);
    return 0;
}

static int leave_to_newer(struct submission *s, const struct spool_report *report)
{
    log_warning("%s is on its way by a newer version of kdump-steamos, which goes on with it; "
                "update, or remove %s/state/%s.*json",
                report->name, s->spool.path, report->name);
    s->later++;
    return 0;
}

static int submit_one(struct submission *s, const struct spool_report *report)
{
    _cleanup_(opened_done) struct opened opened = { .zip = -EBADF };
    enum limits_verdict verdict = LIMITS_SEND;
    struct attempt attempts[N_BACKENDS];
    bool wanted[N_BACKENDS], any = false;
    char key[NAME_MAX + 32];
    int r;

    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (attempt_load(s->state, attempt_key(i, report->name, key), &attempts[i]) < 0)
            return log_oom();
        if (attempts[i].phase == ATTEMPT_UNKNOWN)
            return leave_to_newer(s, report);
        any |= wanted[i] = is_wanted(s, i, report, &attempts[i]);
    }
    if (any) {
        r = open_report(s, report, &opened);
        if (r < 0)
            return r == -ENOENT ? 0 : r; /* removed by the limits of the spool meanwhile */
        verdict = judge(s, report, &opened, attempts);
    }
    for (size_t i = 0; i < N_BACKENDS; i++)
        if (wanted[i] && (verdict == LIMITS_SEND || backends[i]->local))
            deliver(s, report, &opened, i, &attempts[i]);
    return verdict == LIMITS_SEND ? settle(s, report, attempts)
                                  : hold_back(s, report, &opened, attempts, verdict);
}

/* Consent is checked again: what was pending when submission was turned off stays here. */
static int keep_pending(struct submission *s, const struct spool_report *report)
{
    int r = move_report(s, report->name, SPOOL_PENDING, SPOOL_KEPT);

    if (r == 0) {
        log_notice("submission is off: %s is kept in not_sent_logs/", report->name);
        s->kept++;
    }
    return r;
}

/* Whether the server of a back end is there now. */
static bool is_reachable(const struct submission *s, size_t backend)
{
    const struct config *config = &s->context->config;
    char url[MAX_URL];

    return !backends[backend]->server(config, url, sizeof(url)) ||
           http_is_reachable(url, span_starts(span_str(url), "http://"), s->cacert);
}

static bool any_pending(const struct submission *s)
{
    _cleanup_free_ struct spool_report *reports = NULL;
    size_t n = 0;

    if (spool_list(&s->spool, &reports, &n) < 0)
        return true;
    for (size_t i = 0; i < n; i++)
        if (reports[i].state == SPOOL_PENDING)
            return true;
    return false;
}

static time_t uptime(void)
{
    struct timespec now;

    return clock_gettime(CLOCK_MONOTONIC, &now) < 0 ? 0 : now.tv_sec;
}

/* A boot's network comes up when it does. Waits until one of the servers is there, or there were
 * enough tries; one that is not there then is not asked in this run, and no report has failed. Not
 * under the lock: a person may submit meanwhile. */
static void wait_for_network(struct submission *s)
{
    time_t end = uptime() + NETWORK_SECONDS;

    if (!s->network || !s->context->config.log_submission || !any_pending(s))
        return;
    for (unsigned try = 0; try < s->network_tries && uptime() < end; try++) {
        bool any = false;

        if (try > 0)
            (void)sleep(try < 4 ? 1U << (try - 1) : NETWORK_WAIT_SECONDS);
        for (size_t i = 0; i < N_BACKENDS; i++)
            if (s->on[i] && !backends[i]->local)
                any |= !(s->unreachable[i] = !is_reachable(s, i));
        if (any)
            return;
    }
    if (s->network_tries > 0)
        log_info("no server is there; the next run tries again");
}

static int submit_pending(struct submission *s)
{
    _cleanup_free_ struct spool_report *reports = NULL;
    size_t n = 0;
    bool failed = false;
    int r = spool_list(&s->spool, &reports, &n);

    if (r < 0)
        return log_error_errno(r, "cannot list the reports in %s", s->spool.path);
    /* Newest first in the list; the oldest goes first. */
    for (size_t i = n; i-- > 0;) {
        if (reports[i].state != SPOOL_PENDING)
            continue;
        r = s->context->config.log_submission ? submit_one(s, &reports[i])
                                              : keep_pending(s, &reports[i]);
        failed |= r < 0;
        r = 0;
    }
    return failed ? -EIO : 0;
}

/* A report that the caller names is sent whatever consent and back-off say. */
static int submit_named(struct submission *s, const char *argument)
{
    const char *slash = strrchr(argument, '/');
    const char *name = slash ? slash + 1 : argument;
    struct spool_report report;
    int state;

    if (!spool_report_parse_name(name, &report))
        return log_error_errno(-EINVAL,
                               "%s is not the name of a report; kdump-steamos list has them", name);
    state = spool_find(&s->spool, name);
    if (state < 0)
        return log_error_errno(state, "there is no report %s in %s", name, s->spool.path);
    report.state = (enum spool_state)state;
    if (report.state == SPOOL_SENT) {
        log_notice("%s was sent already", name);
        return 0;
    }
    return submit_one(s, &report);
}

/* Whose note this is: "REPORT.zip.json", "REPORT.zip.sentry.json", "REPORT.zip.exchange" … */
static bool is_note(const char *name, char report[NAME_MAX + 1])
{
    static const char *const suffixes[] = { ".json", ".exchange", ".upload" };
    struct span rest = span_str(name);
    size_t end = span_find(rest, ".zip.");
    struct spool_report parsed;
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        known |= span_ends(rest, suffixes[i]);
    if (!known || end == SIZE_MAX)
        return false;
    rest.n = end + strlen(".zip");
    return span_copy(rest, report, NAME_MAX + 1) && spool_report_parse_name(report, &parsed);
}

/* Of reports that are gone, or were sent: a run was cut off between the move and the removal of its
 * notes. */
static void sweep_notes(const struct submission *s)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(s->state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;
    char report[NAME_MAX + 1];

    while (dir && (entry = readdir(dir))) {
        int state = is_note(entry->d_name, report) ? spool_find(&s->spool, report) : -EINVAL;

        if (state == -ENOENT)
            (void)unlinkat(s->state, entry->d_name, 0);
        else if (state == SPOOL_SENT)
            forget_attempts(s, report);
    }
    atomic_file_sweep(s->state, LITTER_SECONDS);
}

/* 0, or 1 where there is nothing to do. */
static int open_submission(struct submission *s)
{
    const struct config *config = &s->context->config;
    int r = spool_open(&s->context->root, config, false, &s->spool);

    if (r == -ENOENT)
        return 1;
    if (r < 0)
        return log_error_errno(r, "cannot open %s", config->kdump_folder);
    s->state = spool_open_state(&s->spool, true);
    if (s->state < 0)
        return log_error_errno(s->state, "cannot open %s/state", s->spool.path);
    return 0;
}

/* 0, or 1 where another run is at work. */
static int lock_submission(struct submission *s)
{
    s->submit_lock = spool_open_lock(s->state, "submit.lock");
    if (s->submit_lock < 0)
        return log_error_errno(s->submit_lock, "cannot open %s/state/submit.lock", s->spool.path);
    if (flock(s->submit_lock, LOCK_EX | LOCK_NB) < 0) {
        log_info("another submission is at work");
        return 1;
    }
    if (limits_load(s->state, (int64_t)time(NULL), &s->limits) < 0)
        return log_oom();
    sweep_notes(s);
    return 0;
}

/* False where none is on. */
static bool choose_backends(struct submission *s)
{
    for (size_t i = 0; i < N_BACKENDS; i++) {
        s->on[i] = backends[i]->enabled(&s->context->config);
        s->n_on += s->on[i];
        s->network |= s->on[i] && !backends[i]->local;
    }
    return s->n_on > 0;
}

static int run(struct submission *s, int argc, char **argv)
{
    bool named = argc > 0, failed = false;
    int r = open_submission(s);

    if (r != 0)
        return r < 0 ? r : EXIT_SUCCESS;
    if ((named || s->context->config.log_submission) && !choose_backends(s)) {
        if (config_has_backend(&s->context->config))
            return EXIT_FAILURE;
        log_info(
            "POST_URL, SENTRY_DSN and HANDOVER_FOLDER are empty: reports stay on this machine");
        return EXIT_SUCCESS;
    }
    r = s->network ? http_start() : 0;
    if (r < 0)
        return log_error_errno(r, "cannot set libcurl up");
    if (!named)
        wait_for_network(s);
    r = lock_submission(s);
    for (int i = 0; r == 0 && i < argc; i++)
        failed |= submit_named(s, argv[i]) < 0;
    if (r == 0 && !named)
        failed |= submit_pending(s) < 0;
    if (s->network)
        http_stop();
    if (r != 0)
        return r < 0 ? r : EXIT_SUCCESS;
    if (s->sent || s->later || s->refused)
        log_info("%u sent, %u to be tried again, %u refused", s->sent, s->later, s->refused);
    return failed || s->later || s->refused ? EXIT_FAILURE : EXIT_SUCCESS;
}

static bool take_tries(const char *text, unsigned *out)
{
    uint64_t tries;

    if (!span_to_u64(span_str(text), &tries) || tries == 0 || tries > NETWORK_TRIES) {
        log_error("--wait takes a number of tries from 1 to %d", (int)NETWORK_TRIES);
        return false;
    }
    *out = (unsigned)tries;
    return true;
}

static int run_submit(struct context *context, int argc, char **argv)
{
    static const struct option options[] = { { "now", no_argument, NULL, 'n' },
                                             { "cacert", required_argument, NULL, 'c' },
                                             { "wait", required_argument, NULL, 'w' },
                                             { 0 } };
    _cleanup_(submission_done) struct submission s = {
        .context = context, .spool = SPOOL_INIT, .state = -EBADF, .submit_lock = -EBADF
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'n')
            s.now = true;
        else if (option == 'c')
            s.cacert = optarg;
        else if (option != 'w' || !take_tries(optarg, &s.network_tries))
            return EXIT_USAGE;
    }
    s.now |= optind < argc;
    return run(&s, argc - optind, argv + optind);
}

const struct verb verb_submit = {
    .name = "submit",
    .arguments = "[--now] [--wait=TRIES] [REPORT...]",
    .summary = "Sends the pending reports, or these (service)",
    .details =
        "  --now           do not wait for a report's next try\n"
        "  --wait=TRIES    try so often (at most 99 times, ten seconds apart) whether a server\n"
        "                  is there; where none is, no report has failed\n"
        "  --cacert=FILE   trust the certificates in FILE instead of the system's\n\n"
        "A report that is named is sent even where submission is off. Exit status: 0 when\n"
        "nothing is left to be sent, 1 when something failed or waits for another try.\n",
    .run = run_submit,
};
