/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>

#include "base/log.h"
#include "submit/http.h"
#include "submit/submission.h"
#include "submit/submit.h"

enum { NETWORK_TRIES = 99 };

const struct backend *const backends[N_BACKENDS] = { &backend_steam, &backend_sentry,
                                                     &backend_directory };

static void submission_done(struct submission *s)
{
    free(s->limits);
    reserve_done(&s->reserve);
    close_fd(&s->submit_lock);
    close_fd(&s->state);
    spool_close(&s->spool);
}

uint32_t random_number(void)
{
    uint32_t value;

    if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != (ssize_t)sizeof(value))
        value = (uint32_t)time(NULL) * 2654435761U;
    return value;
}

/* False where none is on. */
static bool choose_backends(struct submission *s)
{
    s->n_on = 0;
    s->network = false;
    for (size_t i = 0; i < N_BACKENDS; i++) {
        s->on[i] = backends[i]->enabled(&s->context->config);
        s->n_on += s->on[i];
        s->network |= s->on[i] && !backends[i]->local;
    }
    return s->n_on > 0;
}

static int start_http(struct submission *s)
{
    int r = s->network && !s->http ? http_start() : 0;

    if (r < 0)
        return log_error_errno(r, "cannot set libcurl up");
    s->http |= s->network;
    return 0;
}

/* What is wrong in the files was said when the run began. */
static int load_silently(struct context *context, struct config *out)
{
    enum log_level level = LOG_LEVEL_DEBUG;
    int r;

    while (level > LOG_LEVEL_ERROR && !log_enabled(level))
        level--;
    log_set_max_level((enum log_level)(LOG_LEVEL_ERROR - 1));
    r = config_load(&context->root, context->config_file, out);
    log_set_max_level(level);
    return r;
}

int submission_reload(struct submission *s)
{
    struct config fresh;
    int r = load_silently(s->context, &fresh);

    if (r < 0)
        return log_error_errno(r, "cannot read the configuration again: nothing more is sent");
    config_done(&s->context->config);
    s->context->config = fresh;
    if (!fresh.log_submission)
        return 0;
    if (!choose_backends(s)) {
        log_notice("the configuration has no server and no folder any more: nothing more is sent");
        return -ENODEV;
    }
    return start_http(s);
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
        r = submission_reload(s);
        if (r < 0)
            return r;
        r = s->context->config.log_submission ? submission_send(s, &reports[i])
                                              : submission_keep(s, &reports[i]);
        failed |= r < 0;
        r = 0;
    }
    return failed ? -EIO : 0;
}

/* Whether a path leads to the report itself, and not to another file of its name. */
static int is_of_spool(const struct submission *s, const struct spool_report *report,
                       const char *path)
{
    _cleanup_close_ int folder = spool_open_folder(&s->spool, report->state, false);
    struct stat named, own;

    if (folder < 0)
        return folder;
    if (stat(path, &named) < 0 || fstatat(folder, report->name, &own, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return named.st_dev == own.st_dev && named.st_ino == own.st_ino;
}

/* A report that the caller names is sent whatever consent and back-off say. */
static int submit_named(struct submission *s, const char *argument)
{
    const char *slash = strrchr(argument, '/');
    const char *name = slash ? slash + 1 : argument;
    struct spool_report report;
    int state, r;

    if (!spool_report_parse_name(name, &report))
        return log_error_errno(-EINVAL,
                               "%s is not the name of a report; kdump-steamos list has them", name);
    state = spool_find(&s->spool, name);
    if (state == -ENOENT && slash)
        return log_error_errno(state,
                               "%s is not in %s, and only what is there can be sent: put it into "
                               "its folder not_sent_logs/ first",
                               argument, s->spool.path);
    if (state < 0)
        return log_error_errno(state, "there is no report %s in %s", name, s->spool.path);
    report.state = (enum spool_state)state;
    r = slash ? is_of_spool(s, &report, argument) : 1;
    if (r < 0)
        return log_error_errno(r, "cannot look at %s", argument);
    if (r == 0)
        return log_error_errno(-EINVAL,
                               "%s is another file than the report %s in %s: it is not sent",
                               argument, name, s->spool.path);
    if (report.state == SPOOL_SENT) {
        log_notice("%s was sent already", name);
        return 0;
    }
    return submission_send(s, &report);
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
    int r;

    s->submit_lock = spool_open_lock(s->state, "submit.lock");
    if (s->submit_lock < 0)
        return log_error_errno(s->submit_lock, "cannot open %s/state/submit.lock", s->spool.path);
    if (flock(s->submit_lock, LOCK_EX | LOCK_NB) < 0) {
        log_info("another submission is at work");
        return 1;
    }
    r = limits_load(s->state, (int64_t)time(NULL), &s->limits);
    if (r < 0)
        return log_error_errno(r, "cannot read %s/state/limits.json", s->spool.path);
    notes_sweep(s);
    return 0;
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
    r = start_http(s);
    if (r == 0 && !named)
        r = submission_wait(s);
    if (r == 0)
        r = lock_submission(s);
    for (int i = 0; r == 0 && i < argc; i++)
        failed |= submit_named(s, argv[i]) < 0;
    if (r == 0 && !named)
        failed |= submit_pending(s) < 0;
    if (s->http)
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
    _cleanup_(submission_done) struct submission s = { .context = context,
                                                       .spool = SPOOL_INIT,
                                                       .state = -EBADF,
                                                       .submit_lock = -EBADF,
                                                       .reserve = RESERVE_INIT };
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
        "  --wait=TRIES    begin at some time of a boot's first five minutes, and try so often "
        "(at\n"
        "                  most 99 times, up to 90 s apart) whether a server is there; where none\n"
        "                  is, no report has failed\n"
        "  --cacert=FILE   trust the certificates in FILE instead of the system's\n\n"
        "A report that is named is sent even where submission is off. Exit status: 0 when\n"
        "nothing is left to be sent, 1 when something failed or waits for another try.\n",
    .run = run_submit,
};
