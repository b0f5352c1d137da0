/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/log.h"
#include "spool/spool.h"
#include "submit/backend.h"
#include "submit/http.h"
#include "submit/submit.h"

enum { LOCK_TIMEOUT_MS = 30000 };

static const struct backend *const backends[] = { &backend_steam, &backend_sentry,
                                                  &backend_directory };

struct submission {
    const struct context *context;
    const struct backend *backend;
    struct spool spool;
    int state;       /* the state folder */
    int submit_lock; /* held for the whole run; the spool's own lock only around moves */
    const char *cacert;
    bool now; /* whatever the back-off says */
    unsigned sent, later, refused, kept;
    bool unreachable;
};

static void submission_done(struct submission *s)
{
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

static int save(struct submission *s, const char *name, const struct attempt *attempt)
{
    int r = attempt_save(s->state, name, attempt);

    if (r < 0)
        log_warning_errno(r, "cannot note the state of %s, ignoring", name);
    return r;
}

/* The server has it: noted first, so that a cut before the move does not send it again. */
static int accepted(struct submission *s, const struct spool_report *report,
                    struct attempt *attempt)
{
    int r;

    if (attempt->phase != ATTEMPT_ACCEPTED) {
        attempt->phase = ATTEMPT_ACCEPTED;
        (void)save(s, report->name, attempt);
    }
    r = report->state == SPOOL_SENT ? 0 : move_report(s, report->name, report->state, SPOOL_SENT);
    if (r < 0)
        return r;
    (void)attempt_remove(s->state, report->name);
    s->sent++;
    log_notice("sent %s", report->name);
    return 0;
}

static int refused(struct submission *s, const struct spool_report *report, struct attempt *attempt)
{
    (void)save(s, report->name, attempt);
    s->refused++;
    log_error("%s is refused for good: %s; it is kept in failed_logs/", report->name,
              attempt->last_error);
    return report->state == SPOOL_FAILED
               ? 0
               : move_report(s, report->name, report->state, SPOOL_FAILED);
}

static int postponed(struct submission *s, const struct spool_report *report,
                     struct attempt *attempt, int64_t retry_after)
{
    int64_t delay = retry_delay(attempt->tries, retry_after, random_number());

    attempt->next_try = (int64_t)time(NULL) + delay;
    (void)save(s, report->name, attempt);
    s->later++;
    log_warning("%s is not sent yet: %s; the next try is due in %lld s", report->name,
                attempt->last_error, (long long)delay);
    return 0;
}

static int open_report(struct submission *s, const struct spool_report *report)
{
    _cleanup_close_ int folder = spool_open_folder(&s->spool, report->state, false);
    int fd;

    if (folder < 0)
        return folder;
    fd = openat(folder, report->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int deliver(struct submission *s, const struct spool_report *report, struct attempt *attempt)
{
    _cleanup_close_ int zip = open_report(s, report);
    _cleanup_(report_fields_done) struct report_fields fields = { 0 };
    struct delivery delivery = {
        .config = &s->context->config,
        .root = &s->context->root,
        .cacert = s->cacert,
        .progress = !s->context->quiet && isatty(STDERR_FILENO),
        .name = report->name,
        .zip = zip,
        .state = s->state,
        .attempt = attempt,
        .fields = &fields,
        .retry_after = -1,
    };
    enum submit_outcome outcome;
    struct stat st;
    int r;

    if (zip == -ENOENT)
        return 0; /* removed by the limits meanwhile */
    if (zip < 0 || fstat(zip, &st) < 0)
        return log_error_errno(zip < 0 ? zip : -errno, "cannot open %s", report->name);
    delivery.size = (uint64_t)st.st_size;
    r = report_fields_read(zip, report->time, &fields);
    if (r == -EBADMSG) {
        (void)snprintf(attempt->last_error, sizeof(attempt->last_error),
                       "it is no whole report ZIP");
        return refused(s, report, attempt);
    }
    if (r < 0)
        return log_error_errno(r, "cannot read %s", report->name);
    log_info("sending %s (%llu bytes)", report->name, (unsigned long long)delivery.size);
    outcome = s->backend->deliver(&delivery);
    if (outcome == SUBMIT_OK)
        return accepted(s, report, attempt);
    attempt->tries++;
    s->unreachable |= delivery.unreachable;
    if (outcome == SUBMIT_PROTOCOL && ++attempt->protocol_errors < RETRY_MAX_PROTOCOL_ERRORS)
        outcome = SUBMIT_LATER;
    return outcome == SUBMIT_LATER ? postponed(s, report, attempt, delivery.retry_after)
                                   : refused(s, report, attempt);
}

/* A clock that jumped must not hold a report back for more than the longest back-off. */
static bool is_due(const struct attempt *attempt)
{
    int64_t now = (int64_t)time(NULL);

    return attempt->next_try <= now || attempt->next_try > now + RETRY_MAX_SECONDS;
}

static int submit_one(struct submission *s, const struct spool_report *report)
{
    struct attempt attempt;
    int r = attempt_load(s->state, report->name, &attempt);

    if (r < 0)
        return log_oom();
    if (attempt.phase == ATTEMPT_ACCEPTED)
        return accepted(s, report, &attempt);
    if (!s->now && !is_due(&attempt)) {
        log_info("%s waits for its next try", report->name);
        s->later++;
        return 0;
    }
    return deliver(s, report, &attempt);
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
        if (!s->context->config.log_submission)
            r = keep_pending(s, &reports[i]);
        else if (s->unreachable)
            s->later++; /* the others would fail in the same way */
        else
            r = submit_one(s, &reports[i]);
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
    s->submit_lock =
        openat(s->state, "submit.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->submit_lock < 0)
        return log_error_errno(-errno, "cannot open %s/state/submit.lock", s->spool.path);
    if (flock(s->submit_lock, LOCK_EX | LOCK_NB) < 0) {
        log_info("another submission is at work");
        return 1;
    }
    return 0;
}

static bool choose_backend(struct submission *s)
{
    for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
        if (backends[i]->enabled(&s->context->config)) {
            s->backend = backends[i];
            return true;
        }
    return false;
}

static int run(struct submission *s, int argc, char **argv)
{
    bool named = argc > 0, failed = false;
    int r = open_submission(s);

    if (r != 0)
        return r < 0 ? r : EXIT_SUCCESS;
    if ((named || s->context->config.log_submission) && !choose_backend(s)) {
        if (!s->context->config.post_url[0])
            log_info("POST_URL is empty: reports stay on this machine");
        return s->context->config.post_url[0] ? EXIT_FAILURE : EXIT_SUCCESS;
    }
    r = http_start();
    if (r < 0)
        return log_error_errno(r, "cannot set libcurl up");
    for (int i = 0; i < argc; i++)
        failed |= submit_named(s, argv[i]) < 0;
    if (!named)
        failed |= submit_pending(s) < 0;
    http_stop();
    if (s->sent || s->later || s->refused)
        log_info("%u sent, %u to be tried again, %u refused", s->sent, s->later, s->refused);
    return failed || s->later || s->refused ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_submit(struct context *context, int argc, char **argv)
{
    static const struct option options[] = { { "now", no_argument, NULL, 'n' },
                                             { "cacert", required_argument, NULL, 'c' },
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
        else
            return EXIT_USAGE;
    }
    s.now |= optind < argc;
    return run(&s, argc - optind, argv + optind);
}

const struct verb verb_submit = {
    .name = "submit",
    .arguments = "[--now] [REPORT...]",
    .summary = "Sends the pending reports, or these (service)",
    .details = "  --now           do not wait for a report's next try\n"
               "  --cacert=FILE   trust the certificates in FILE instead of the system's\n\n"
               "A report that is named is sent even where submission is off. Exit status: 0 when\n"
               "nothing is left to be sent, 1 when something failed or waits for another try.\n",
    .run = run_submit,
};
