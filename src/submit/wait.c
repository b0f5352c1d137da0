/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for a server to be there, and for the first try of a boot. */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "submit/http.h"
#include "submit/submission.h"

enum {
    NETWORK_SECONDS = 15 * 60, /* for all tries */
    MAX_URL = 2048 + 64,
    MAX_UPTIME = 128,
};

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

static time_t now(void)
{
    struct timespec time;

    return clock_gettime(CLOCK_MONOTONIC, &time) < 0 ? 0 : time.tv_sec;
}

/* Seconds since the machine booted whose tree this is; -1: not known. */
static int64_t uptime(const struct submission *s)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span rest, word;
    uint64_t seconds;

    if (root_read(&s->context->root, "/proc/uptime", MAX_UPTIME, &text) < 0)
        return -1;
    rest = strbuf_view(&text);
    return span_next_field(&rest, '.', &word) && span_to_u64(word, &seconds) && seconds < INT32_MAX
               ? (int64_t)seconds
               : -1;
}

/* What is to be sent, and whether at all, may be another thing after it. */
static int pause_ms(struct submission *s, int64_t ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
    return submission_reload(s);
}

static bool is_worth_it(const struct submission *s)
{
    return s->network && s->context->config.log_submission && any_pending(s);
}

static bool is_any_reachable(struct submission *s)
{
    bool any = false;

    for (size_t i = 0; i < N_BACKENDS; i++)
        if (s->on[i] && !backends[i]->local)
            any |= !(s->unreachable[i] = !is_reachable(s, i));
    return any;
}

int submission_wait(struct submission *s)
{
    int64_t pause = s->network_tries > 0 ? retry_first_ms(uptime(s), random_number()) : 0;
    time_t end = now() + pause / 1000 + NETWORK_SECONDS;

    for (unsigned try = 0; try < s->network_tries && now() < end; try++) {
        if (!is_worth_it(s))
            return 0;
        if (pause > 0) {
            int r = pause_ms(s, pause);

            if (r < 0)
                return r;
        }
        if (!is_worth_it(s) || is_any_reachable(s))
            return 0;
        pause = retry_wait_ms(try + 1, random_number());
    }
    if (s->network_tries > 0)
        log_info("no server is there; the next run tries again");
    return 0;
}
