/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting for a server to be there. */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "submit/http.h"
#include "submit/submission.h"

enum {
    NETWORK_WAIT_SECONDS = 10, /* between two tries, at most */
    NETWORK_SECONDS = 15 * 60, /* for all of them */
    MAX_URL = 2048 + 64,
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

static time_t uptime(void)
{
    struct timespec now;

    return clock_gettime(CLOCK_MONOTONIC, &now) < 0 ? 0 : now.tv_sec;
}

void submission_wait(struct submission *s)
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
