/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One report's way: which back ends have to get it now, what came of it, where it goes then. */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "submit/submission.h"

enum { LOCK_TIMEOUT_MS = 30000 };

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

static int move_report(struct submission *s, const char *name, enum spool_state from,
                       enum spool_state to)
{
    int r = spool_lock(&s->spool, LOCK_TIMEOUT_MS);

    if (r == 0)
        r = spool_move(&s->spool, name, from, to);
    if (reserve_spend(&s->reserve, r))
        r = spool_move(&s->spool, name, from, to);
    close_fd(&s->spool.lock_fd);
    s->spool.lock_fd = -EBADF;
    if (r < 0)
        return log_error_errno(r, "cannot move %s to the %s reports", name, spool_state_name(to));
    return 0;
}

static int save(struct submission *s, size_t backend, const char *report,
                const struct attempt *attempt)
{
    char key[NAME_MAX + 32];

    return reserve_save(&s->reserve, s->state, notes_key(backend, report, key), attempt);
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
    notes_forget(s, report->name);
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
    int r;

    if (outcome == SUBMIT_OK) {
        attempt->phase = ATTEMPT_ACCEPTED;
        attempt->tries--; /* it was noted as one that failed */
        attempt->next_try = 0;
        attempt->last_error[0] = '\0';
        if (s->n_on > 1)
            log_info("%s has %s", backends[backend]->name, report->name);
    } else {
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
    r = save(s, backend, report->name, attempt);
    if (r < 0) {
        s->stuck = true;
        log_error_errno(r, "cannot note in %s/state what came of %s; nothing more is sent now",
                        s->spool.path, report->name);
    }
}

/* All that takes room on the disk is done before the first byte leaves: a report that a server has,
 * and nothing here knows of it, would go again and again. */
static int make_room(struct submission *s)
{
    _cleanup_close_ int folder = spool_open_folder(&s->spool, SPOOL_SENT, true), lock = -EBADF;

    if (folder < 0)
        return folder;
    lock = spool_open_lock(s->state, "lock");
    return lock < 0 ? lock : reserve_take(&s->reserve, s->state);
}

/* A try that is cut off has failed, and is not made again at once. */
static int note_begun(struct submission *s, size_t backend, const struct spool_report *report,
                      struct attempt *attempt)
{
    char key[NAME_MAX + 32];

    attempt->tries++;
    attempt->next_try = (int64_t)time(NULL) + retry_delay(attempt->tries, -1, random_number());
    (void)span_copy(SPAN("the last try was cut off"), attempt->last_error,
                    sizeof(attempt->last_error));
    return attempt_save(s->state, notes_key(backend, report->name, key), attempt);
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

static int begin(struct submission *s, const struct spool_report *report,
                 const struct limits_report *begun, size_t backend, struct attempt *attempt,
                 struct delivery *delivery)
{
    int r = make_room(s);

    /* The day's list first: a report that waits for its next try and is not on it would let the
     * next of its kind go in its place. */
    if (r == 0 && !backends[backend]->local) {
        delivery->counted =
            limits_begin(s->limits, begun, (int64_t)time(NULL), &delivery->counted_since);
        r = limits_save(s->state, s->limits);
    }
    if (r == 0)
        r = note_begun(s, backend, report, attempt);
    if (r == 0)
        return 0;
    s->stuck = true;
    return log_error_errno(r, "cannot note in %s/state that %s is being sent: nothing is sent",
                           s->spool.path, report->name);
}

/* Where only the finish is left, hardly any. */
static uint64_t bytes_to_go(const struct opened *opened, const struct attempt *attempt)
{
    return attempt->phase == ATTEMPT_FINISHING ? 0 : opened->size;
}

static int deliver(struct submission *s, const struct spool_report *report,
                   const struct opened *opened, size_t backend, struct attempt *attempt)
{
    char key[NAME_MAX + 32];
    struct delivery delivery = {
        .config = &s->context->config,
        .root = &s->context->root,
        .cacert = s->cacert,
        .progress = !s->context->quiet && isatty(STDERR_FILENO),
        .name = report->name,
        .key = notes_key(backend, report->name, key),
        .zip = opened->zip,
        .size = opened->size,
        .state = s->state,
        .attempt = attempt,
        .reserve = &s->reserve,
        .fields = &opened->fields,
        .retry_after = -1,
    };
    const struct limits_report begun = { report->name, opened->fields.signature,
                                         bytes_to_go(opened, attempt), false };
    bool first = !limits_has_begun(s->limits, report->name);
    enum submit_outcome outcome = SUBMIT_REFUSED;
    int r = begin(s, report, &begun, backend, attempt, &delivery);

    if (r < 0)
        return r;
    if (opened->whole) {
        log_info("sending %s (%llu bytes)", report->name, (unsigned long long)delivery.size);
        outcome = backends[backend]->deliver(&delivery);
    } else {
        (void)snprintf(attempt->last_error, sizeof(attempt->last_error),
                       "it is no whole report ZIP");
    }
    s->unreachable[backend] |= delivery.unreachable;
    note_outcome(s, backend, report, attempt, outcome, delivery.retry_after);
    if (!backends[backend]->local) {
        limits_went(s->limits, &begun, first, delivery.sent, (int64_t)time(NULL));
        save_limits(s);
    }
    return 0;
}

/* A clock that jumped must not hold a report back for more than the longest back-off. */
static bool is_due(const struct attempt *attempt)
{
    int64_t now = (int64_t)time(NULL);

    return attempt->next_try <= now || attempt->next_try > now + RETRY_AHEAD_SECONDS;
}

/* The server's own word, which all reports heed: none has failed for it. */
static bool is_pausing(const struct submission *s, size_t backend)
{
    int64_t pause = backends[backend]->pause ? backends[backend]->pause(s->state) : 0;

    if (pause > 0)
        log_info("%s wants nothing for %lld s more", backends[backend]->name, (long long)pause);
    return pause > 0;
}

/* Whether this back end is to be tried now. One that has refused the report is asked again where a
 * person wants it. */
static bool is_wanted(struct submission *s, size_t backend, const struct spool_report *report,
                      struct attempt *attempt)
{
    if (!s->on[backend] || attempt->phase == ATTEMPT_ACCEPTED || s->unreachable[backend] ||
        s->stuck || s->reserve.spent)
        return false; /* the others would fail in the same way */
    if (attempt->phase == ATTEMPT_REFUSED) {
        if (report->state != SPOOL_FAILED)
            return false;
        attempt->phase = ATTEMPT_NONE;
    }
    if (is_pausing(s, backend))
        return false;
    if (s->now || is_due(attempt))
        return true;
    log_info("%s waits for its next try", report->name);
    return false;
}

static bool is_done(const struct attempt *attempt)
{
    return attempt->phase == ATTEMPT_ACCEPTED || attempt->phase == ATTEMPT_REFUSED;
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
        if (!is_done(&attempts[i])) {
            s->later++;
            return 0;
        }
        taken |= attempts[i].phase == ATTEMPT_ACCEPTED;
        if (attempts[i].phase == ATTEMPT_REFUSED)
            why = attempts[i].last_error;
    }
    return taken || !why ? accepted(s, report) : refused(s, report, why);
}

/* What a day's limits say of a report that goes by itself. */
static enum limits_verdict judge(const struct submission *s, const struct spool_report *report,
                                 const struct opened *opened,
                                 const struct attempt attempts[N_BACKENDS])
{
    struct limits_report r = { report->name, opened->fields.signature, 0, false };

    if (!s->network || s->now || !opened->whole)
        return LIMITS_SEND;
    for (size_t i = 0; i < N_BACKENDS; i++) {
        if (!s->on[i] || backends[i]->local)
            continue;
        r.begun |= attempts[i].phase != ATTEMPT_NONE;
        if (!is_done(&attempts[i]))
            r.bytes += bytes_to_go(opened, &attempts[i]);
    }
    return limits_judge(s->limits, &s->context->config, &r, (int64_t)time(NULL));
}

/* Enough of its kind went today. It is counted before it is moved: a run that was cut off in
 * between is finished by the next, and counts it once. */
static int count_report(struct submission *s, const struct spool_report *report,
                        const struct opened *opened)
{
    const struct limits_report counted = { report->name, opened->fields.signature, 0, false };
    int r = 0;

    if (limits_count(s->limits, &counted, (int64_t)time(NULL)))
        r = limits_save(s->state, s->limits);
    if (r < 0)
        return log_error_errno(r, "cannot count %s in %s/state", report->name, s->spool.path);
    r = move_report(s, report->name, report->state, SPOOL_KEPT);
    if (r < 0)
        return r;
    notes_forget(s, report->name);
    s->kept++;
    log_notice("%s is the same crash as %llu that were sent within a day: counted, and kept in "
               "not_sent_logs/",
               report->name, (unsigned long long)s->context->config.same_crashes_per_day);
    return 0;
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

int submission_send(struct submission *s, const struct spool_report *report)
{
    _cleanup_(opened_done) struct opened opened = { .zip = -EBADF };
    enum limits_verdict verdict = LIMITS_SEND;
    struct attempt attempts[N_BACKENDS];
    bool wanted[N_BACKENDS], any = false;
    char key[NAME_MAX + 32];
    int r;

    for (size_t i = 0; i < N_BACKENDS; i++) {
        r = attempt_load(s->state, notes_key(i, report->name, key), &attempts[i]);
        if (r < 0)
            return log_error_errno(r, "cannot read in %s/state how far %s has come: it is not sent",
                                   s->spool.path, report->name);
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
    for (size_t i = 0; i < N_BACKENDS && !s->stuck; i++) {
        if (!wanted[i] || (verdict != LIMITS_SEND && !backends[i]->local))
            continue;
        r = deliver(s, report, &opened, i, &attempts[i]);
        if (r < 0)
            return r;
    }
    return verdict == LIMITS_SEND ? settle(s, report, attempts)
                                  : hold_back(s, report, &opened, attempts, verdict);
}

int submission_keep(struct submission *s, const struct spool_report *report)
{
    int r = move_report(s, report->name, SPOOL_PENDING, SPOOL_KEPT);

    if (r == 0) {
        log_notice("submission is off: %s is kept in not_sent_logs/", report->name);
        s->kept++;
    }
    return r;
}
