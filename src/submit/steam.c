/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The crash report API in three steps: Start → PUT → Finish. */
#include <stdio.h>

#include "base/log.h"
#include "parse/steam_answer.h"
#include "submit/backend.h"
#include "submit/exchange.h"
#include "submit/http.h"
#include "submit/parcel.h"

#define ACTION "ACTION"

enum { MAX_URL = 2048, MAX_IGNORED_ANSWER = 64 << 10 };

/* POST_URL with its word ACTION replaced, everywhere. */
static int action_url(const char *post_url, const char *action, char *buf, size_t size)
{
    struct span rest = span_str(post_url);
    size_t n = 0;

    while (rest.n > 0) {
        const char *piece = span_starts(rest, ACTION) ? action : NULL;
        size_t length = piece ? strlen(piece) : 1;

        if (n + length + 1 > size)
            return -ENAMETOOLONG;
        memcpy(buf + n, piece ? piece : rest.p, length);
        n += length;
        (void)span_take(&rest, piece ? strlen(ACTION) : 1);
    }
    buf[n] = '\0';
    return 0;
}

static bool is_http(const struct config *config)
{
    return span_starts(span_str(config->post_url), "http://");
}

static bool steam_enabled(const struct config *config)
{
    struct span url = span_str(config->post_url);

    if (url.n == 0)
        return false;
    if (!span_starts(url, "https://") && !span_starts(url, "http://")) {
        log_error("POST_URL=%s is neither https nor http; correct it in /etc/default/kdump",
                  config->post_url);
        return false;
    }
    if (!span_contains(url, ACTION) || url.n > MAX_URL - 16) {
        log_error("POST_URL=%s must have the word ACTION, which stands for Start and Finish; "
                  "correct it in /etc/default/kdump",
                  config->post_url);
        return false;
    }
    return true;
}

/* Judges an answer and notes what was wrong with it. */
static enum submit_outcome judge_answer(struct delivery *d, const char *step, int performed,
                                        const struct http_answer *answer)
{
    enum submit_outcome outcome;
    struct span body = strbuf_view(&answer->body), line;

    d->attempt->last_status = answer->status;
    if (performed < 0) {
        d->unreachable = answer->unreachable;
        (void)snprintf(d->attempt->last_error, sizeof(d->attempt->last_error), "%s: %s", step,
                       performed == -ENOMEM ? "out of memory" : answer->error);
        return SUBMIT_LATER;
    }
    outcome = submit_judge_status(answer->status);
    if (outcome == SUBMIT_OK)
        return outcome;
    d->retry_after = answer->retry_after;
    if (!span_next_line(&body, &line))
        line = SPAN("no text");
    (void)snprintf(d->attempt->last_error, sizeof(d->attempt->last_error),
                   "%s: the server says %d: %.*s", step, answer->status,
                   (int)MIN(line.n, (size_t)200), line.p);
    return outcome;
}

static enum submit_outcome perform(struct delivery *d, const char *step,
                                   const struct http_request *request, struct http_answer *answer)
{
    enum submit_outcome outcome = judge_answer(d, step, http_perform(request, answer), answer);

    d->sent += answer->sent;
    if (outcome != SUBMIT_OK)
        exchange_save(d, request, answer);
    return outcome;
}

/* steamid is the account's own, as the API wants it; all else is what the parcel says. */
static int make_start_form(const struct delivery *d, const struct parcel *parcel,
                           struct strbuf *form)
{
    const struct report_fields *f = &parcel->fields;
    char size[24], time[24];

    (void)snprintf(size, sizeof(size), "%llu", (unsigned long long)parcel->outgoing.size);
    (void)snprintf(time, sizeof(time), "%lld", (long long)f->crash_time);
    (void)http_form_add(form, "steamid", span_str(d->fields->steamid));
    (void)http_form_add(form, "have_dump_file", SPAN("1"));
    (void)http_form_add(form, "dump_file_size", span_str(size));
    (void)http_form_add(form, "product", SPAN("holo"));
    (void)http_form_add(form, "build", span_str(f->build));
    (void)http_form_add(form, "version", span_str(f->version));
    (void)http_form_add(form, "platform", SPAN("linux"));
    (void)http_form_add(form, "crash_time", span_str(time));
    (void)http_form_add(form, "stack", strbuf_view(&f->stack));
    (void)http_form_add(form, "note", strbuf_view(&f->note));
    return http_form_add(form, "format", SPAN("json"));
}

static enum submit_outcome post(struct delivery *d, const char *action, struct span form,
                                struct http_answer *answer)
{
    struct http_request request = {
        .allow_http = is_http(d->config),
        .cacert = d->cacert,
        .form = form,
        .file = -1,
        .max_answer = STEAM_ANSWER_MAX,
        .cut_answer = strcmp(action, "Finish") == 0,
    };
    char url[MAX_URL];

    if (action_url(d->config->post_url, action, url, sizeof(url)) < 0) {
        (void)snprintf(d->attempt->last_error, sizeof(d->attempt->last_error),
                       "POST_URL is too long");
        return SUBMIT_LATER;
    }
    request.url = url;
    return perform(d, action, &request, answer);
}

/* What cannot be noted is not done: the next run would not know of it, and do it again. */
static enum submit_outcome not_noted(struct delivery *d, int error)
{
    (void)snprintf(d->attempt->last_error, sizeof(d->attempt->last_error),
                   "how far it has come cannot be noted: %s", strerror(-error));
    return SUBMIT_LATER;
}

/* A PUT that was cut off is made again to the same place: a second Start would be a second report.
 */
static enum submit_outcome note_started(struct delivery *d, const struct parcel *parcel,
                                        const struct steam_answer *to, struct span answer)
{
    int r = reserve_save_upload(d->reserve, d->state, d->name, answer);

    (void)span_copy(span_str(to->gid), d->attempt->gid, sizeof(d->attempt->gid));
    if (r == 0) {
        d->attempt->phase = ATTEMPT_STARTED;
        d->attempt->upload_size = parcel->outgoing.size;
        r = reserve_save(d->reserve, d->state, d->name, d->attempt);
    }
    return r < 0 ? not_noted(d, r) : SUBMIT_OK;
}

/* Whether an upload that was begun can go on; its answer was looked at when it came, and is again.
 */
static bool resume(const struct delivery *d, const struct parcel *parcel, struct steam_answer *out)
{
    _cleanup_strbuf_ struct strbuf answer = { 0 };
    const char *why = "";

    return d->attempt->phase == ATTEMPT_STARTED &&
           d->attempt->upload_size == parcel->outgoing.size &&
           attempt_load_upload(d->state, d->name, &answer) == 0 &&
           steam_answer_parse(strbuf_view(&answer), is_http(d->config), out, &why) == 0 &&
           strcmp(out->gid, d->attempt->gid) == 0;
}

static void forget_upload(struct delivery *d)
{
    d->attempt->phase = ATTEMPT_NONE;
    d->attempt->finish_asked = false;
    d->attempt->gid[0] = '\0';
    (void)attempt_remove_upload(d->state, d->name);
}

static enum submit_outcome start(struct delivery *d, const struct parcel *parcel,
                                 struct steam_answer *out)
{
    _cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;
    _cleanup_strbuf_ struct strbuf form = { 0 };
    enum submit_outcome outcome;
    const char *why = "";
    int r = make_start_form(d, parcel, &form);

    if (r < 0)
        return SUBMIT_LATER;
    outcome = post(d, "Start", strbuf_view(&form), &answer);
    if (outcome != SUBMIT_OK)
        return outcome;
    r = steam_answer_parse(strbuf_view(&answer.body), is_http(d->config), out, &why);
    if (r == 0)
        return note_started(d, parcel, out, strbuf_view(&answer.body));
    (void)snprintf(answer.error, sizeof(answer.error), "the answer cannot be used: %s",
                   r == -ENOMEM ? "out of memory" : why);
    (void)snprintf(d->attempt->last_error, sizeof(d->attempt->last_error), "Start: %s",
                   answer.error);
    exchange_save(d,
                  &(struct http_request){
                      .url = d->config->post_url, .form = strbuf_view(&form), .file = -1 },
                  &answer);
    return r == -ENOMEM ? SUBMIT_LATER : SUBMIT_PROTOCOL;
}

static enum submit_outcome put(struct delivery *d, const struct parcel *parcel,
                               const struct steam_answer *to)
{
    _cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;
    struct http_header headers[STEAM_ANSWER_MAX_HEADERS];
    struct http_request request = {
        .url = to->url,
        .allow_http = is_http(d->config),
        .cacert = d->cacert,
        .headers = headers,
        .n_headers = to->n_headers,
        .file = parcel->outgoing.fd,
        .file_size = parcel->outgoing.size,
        .max_answer = MAX_IGNORED_ANSWER,
        .cut_answer = true,
        .progress = d->progress,
    };

    for (size_t i = 0; i < to->n_headers; i++)
        headers[i] = (struct http_header){ to->headers[i].name, to->headers[i].value };
    return perform(d, "PUT", &request, &answer);
}

/* The gid alone names the upload, and a second finish of it changes nothing: it may be repeated
 * after a cut, where a second Start would be a second report. */
static enum submit_outcome finish(struct delivery *d)
{
    _cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;
    _cleanup_strbuf_ struct strbuf form = { 0 };

    if (http_form_add(&form, "gid", span_str(d->attempt->gid)) < 0)
        return SUBMIT_LATER;
    return post(d, "Finish", strbuf_view(&form), &answer);
}

static enum submit_outcome start_and_put(struct delivery *d, const struct parcel *parcel)
{
    _cleanup_free_ struct steam_answer *to = calloc(1, sizeof(*to)); /* 46 KiB */
    enum submit_outcome outcome = SUBMIT_OK;

    if (!to)
        return SUBMIT_LATER;
    if (resume(d, parcel, to)) {
        outcome = put(d, parcel, to);
        if (outcome == SUBMIT_OK || outcome == SUBMIT_LATER)
            return outcome;
        log_info("%s: the place of its upload is gone (%s); it is started again", d->name,
                 d->attempt->last_error);
    }
    forget_upload(d);
    outcome = start(d, parcel, to);
    return outcome == SUBMIT_OK ? put(d, parcel, to) : outcome;
}

static enum submit_outcome upload(struct delivery *d)
{
    _cleanup_parcel_ struct parcel parcel = PARCEL_INIT;
    enum submit_outcome outcome = parcel_make(d, false, &parcel);

    if (outcome == SUBMIT_OK)
        outcome = start_and_put(d, &parcel);
    if (outcome == SUBMIT_REFUSED || outcome == SUBMIT_PROTOCOL)
        forget_upload(d);
    if (outcome == SUBMIT_OK)
        d->attempt->phase = ATTEMPT_FINISHING;
    return outcome;
}

/* Once the server was told that the upload is whole it may have the report, whatever is heard of
 * it: noted before. */
static enum submit_outcome finish_noted(struct delivery *d)
{
    bool asked = d->attempt->finish_asked;
    enum submit_outcome outcome;
    int r, status;

    d->attempt->finish_asked = true;
    r = reserve_save(d->reserve, d->state, d->name, d->attempt);
    if (r < 0) {
        d->attempt->finish_asked = asked;
        return not_noted(d, r);
    }
    (void)attempt_remove_upload(d->state, d->name);
    outcome = finish(d);
    status = d->attempt->last_status;
    if (outcome == SUBMIT_OK)
        return outcome;
    if (asked && (status == 400 || status == 404 || status == 409 || status == 410)) {
        log_info("%s: the server, whose answer was lost when it was told that the upload is whole, "
                 "knows of no such upload any more (%d): it has the report",
                 d->name, status);
        return SUBMIT_OK;
    }
    /* An answer of its own tells that it did not take it; a gateway's tells nothing. */
    d->attempt->finish_asked = asked || status == 0 || status == 502 || status == 504;
    if (outcome == SUBMIT_REFUSED && status == 404) {
        /* The server has forgotten the upload: from the start, next time. */
        d->attempt->phase = ATTEMPT_NONE;
        d->attempt->finish_asked = false;
        d->attempt->gid[0] = '\0';
        return SUBMIT_PROTOCOL;
    }
    return outcome;
}

static enum submit_outcome steam_deliver(struct delivery *d)
{
    enum submit_outcome outcome;

    if (d->attempt->phase == ATTEMPT_NONE || d->attempt->phase == ATTEMPT_STARTED) {
        outcome = upload(d);
        if (outcome != SUBMIT_OK)
            return outcome;
    }
    return finish_noted(d);
}

static bool steam_server(const struct config *config, char *url, size_t size)
{
    return action_url(config->post_url, "Start", url, size) == 0;
}

const struct backend backend_steam = {
    .name = "steam",
    .enabled = steam_enabled,
    .server = steam_server,
    .deliver = steam_deliver,
};
