/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "spool/spool.h"
#include "submit/backend.h"
#include "submit/http.h"
#include "submit/submit.h"

enum { LOCK_TIMEOUT_MS = 30000, LITTER_SECONDS = 3600 };

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
    unsigned sent, later, refused, kept;
    bool unreachable[N_BACKENDS];
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

/* All that take it have it: each was noted first, so that a cut before the move does not send it
 * again. */
static int accepted(struct submission *s, const struct spool_report *report)
{
    int r =
        report->state == SPOOL_SENT ? 0 : move_report(s, report->name, report->state, SPOOL_SENT);

    if (r < 0)
        return r;
    for (size_t i = 0; i < N_BACKENDS; i++) {
        char key[NAME_MAX + 32];

        (void)attempt_remove(s->state, attempt_key(i, report->name, key));
    }
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

static int open_report(struct submission *s, const struct spool_report *report)
{
    _cleanup_close_ int folder = spool_open_folder(&s->spool, report->state, false);
    int fd;

    if (folder < 0)
        return folder;
    fd = openat(folder, report->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static int deliver(struct submission *s, const struct spool_report *report, size_t backend,
                   struct attempt *attempt)
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
    enum submit_outcome outcome = SUBMIT_REFUSED;
    struct stat st;
    int r;

    if (zip < 0 || fstat(zip, &st) < 0)
        return log_error_errno(zip < 0 ? zip : -errno, "cannot open %s", report->name);
    delivery.size = (uint64_t)st.st_size;
    r = report_fields_read(zip, report->time, &fields);
    if (r < 0 && r != -EBADMSG)
        return log_error_errno(r, "cannot read %s", report->name);
    if (r == 0) {
        log_info("sending %s (%llu bytes)", report->name, (unsigned long long)delivery.size);
        outcome = backends[backend]->deliver(&delivery);
    } else {
        (void)snprintf(attempt->last_error, sizeof(attempt->last_error),
                       "it is no whole report ZIP");
    }
    s->unreachable[backend] |= delivery.unreachable;
    note_outcome(s, backend, report, attempt, outcome, delivery.retry_after);
    return 0;
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

static int submit_one(struct submission *s, const struct spool_report *report)
{
    struct attempt attempts[N_BACKENDS];
    char key[NAME_MAX + 32];
    bool failed = false;

    for (size_t i = 0; i < N_BACKENDS; i++)
        if (attempt_load(s->state, attempt_key(i, report->name, key), &attempts[i]) < 0)
            return log_oom();
    for (size_t i = 0; i < N_BACKENDS; i++) {
        int r = is_wanted(s, i, report, &attempts[i]) ? deliver(s, report, i, &attempts[i]) : 0;

        if (r == -ENOENT)
            return 0; /* removed by the limits meanwhile */
        failed |= r < 0;
    }
    return failed ? -EIO : settle(s, report, attempts);
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

/* "REPORT.zip.json", "REPORT.zip.sentry.json" of a report that was sent, or is gone: a run was cut
 * off between the move and the removal of its notes. */
static bool is_stale_note(const struct submission *s, const char *name)
{
    struct span rest = span_str(name);
    struct spool_report report;
    char copy[NAME_MAX + 1];
    size_t end = span_find(rest, ".zip.");
    int state;

    if (end == SIZE_MAX || !span_ends(rest, ".json"))
        return false;
    rest.n = end + strlen(".zip");
    if (!span_copy(rest, copy, sizeof(copy)) || !spool_report_parse_name(copy, &report))
        return false;
    state = spool_find(&s->spool, copy);
    return state == -ENOENT || state == SPOOL_SENT;
}

static void sweep_notes(const struct submission *s)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(s->state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (is_stale_note(s, entry->d_name))
            (void)unlinkat(s->state, entry->d_name, 0);
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
    s->submit_lock = spool_open_lock(s->state, "submit.lock");
    if (s->submit_lock < 0)
        return log_error_errno(s->submit_lock, "cannot open %s/state/submit.lock", s->spool.path);
    if (flock(s->submit_lock, LOCK_EX | LOCK_NB) < 0) {
        log_info("another submission is at work");
        return 1;
    }
    sweep_notes(s);
    return 0;
}

/* False where none is on. */
static bool choose_backends(struct submission *s, bool *network)
{
    for (size_t i = 0; i < N_BACKENDS; i++) {
        s->on[i] = backends[i]->enabled(&s->context->config);
        s->n_on += s->on[i];
        *network |= s->on[i] && !backends[i]->local;
    }
    return s->n_on > 0;
}

static int run(struct submission *s, int argc, char **argv)
{
    bool named = argc > 0, failed = false, network = false;
    int r = open_submission(s);

    if (r != 0)
        return r < 0 ? r : EXIT_SUCCESS;
    if ((named || s->context->config.log_submission) && !choose_backends(s, &network)) {
        if (config_has_backend(&s->context->config))
            return EXIT_FAILURE;
        log_info(
            "POST_URL, SENTRY_DSN and HANDOVER_FOLDER are empty: reports stay on this machine");
        return EXIT_SUCCESS;
    }
    r = network ? http_start() : 0;
    if (r < 0)
        return log_error_errno(r, "cannot set libcurl up");
    for (int i = 0; i < argc; i++)
        failed |= submit_named(s, argv[i]) < 0;
    if (!named)
        failed |= submit_pending(s) < 0;
    if (network)
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
