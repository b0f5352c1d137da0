/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sentry: one envelope with the event and the report's files. */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "outgoing/device.h"
#include "parse/sentry.h"
#include "spool/report_zip.h"
#include "submit/backend.h"
#include "submit/exchange.h"
#include "submit/http.h"
#include "submit/parcel.h"
#include "submit/sentry_envelope.h"

#define LIMITS_FILE "sentry.json"

enum {
    MAX_MEMBER = 32 << 20,
    MAX_ANSWER = 64 << 10,
    POST_SECONDS = 1800,
    DEFAULT_LIMIT = 60, /* seconds after a 429 that names none */
};

static bool sentry_enabled(const struct config *config)
{
    struct sentry_dsn dsn;
    const char *why;

    if (!config->sentry_dsn[0])
        return false;
    if (sentry_dsn_parse(span_str(config->sentry_dsn), &dsn, &why))
        return true;
    log_error("SENTRY_DSN is none: %s; correct it in /etc/default/kdump", why);
    return false;
}

/* Whoever was told to wait waits with all reports, also after a boot. */
static int64_t limited_for(int state)
{
    _cleanup_json_ json_t *json = NULL;
    int64_t left;

    if (json_file_read(state, LIMITS_FILE, &json) < 0)
        return 0;
    left = json_get_int(json, "until", 0) - (int64_t)time(NULL);
    return left > 0 && left <= SENTRY_LIMIT_MAX ? left : 0; /* else the clock has jumped */
}

/* An event without its files is no report: it waits for both. */
static int64_t wanted_pause(const struct http_answer *answer)
{
    struct sentry_limits limits = sentry_limits_parse(span_str(answer->rate_limits));
    int64_t pause = MAX(limits.error, limits.attachment);

    if (answer->status == 429)
        pause = MAX(pause, answer->retry_after);
    return answer->status == 429 && pause <= 0 ? (int64_t)DEFAULT_LIMIT : pause;
}

static void note_limits(struct delivery *d, int64_t pause)
{
    _cleanup_json_ json_t *json = NULL;
    int r;

    if (pause <= 0)
        return;
    log_info("Sentry wants nothing for %lld s", (long long)pause);
    json = json_pack("{s:I}", "until", (json_int_t)(time(NULL) + pause));
    r = json ? json_file_write(d->state, LIMITS_FILE, json) : -ENOMEM;
    if (r < 0)
        log_warning_errno(r, "cannot note how long Sentry wants nothing, ignoring");
}

struct members {
    json_t *report;           /* owned */
    struct strbuf os_release; /* owned */
    struct sentry_envelope *envelope;
    bool logs; /* this walk is for the logs, which may be long */
};

static void members_done(struct members *m)
{
    json_decref(m->report);
    strbuf_clear(&m->os_release);
}

static int read_member(void *ctx, const char *name, struct span bytes)
{
    struct members *m = ctx;

    if (span_starts(span_str(name), "build.") && m->os_release.n == 0)
        return strbuf_span(&m->os_release, bytes);
    if (span_starts(span_str(name), "report.") && span_ends(span_str(name), ".json") && !m->report)
        m->report = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
    return 0;
}

static bool is_log(const char *name)
{
    return span_starts(span_str(name), "dmesg-") || span_starts(span_str(name), "console.") ||
           span_starts(span_str(name), "pmsg.");
}

static int attach_member(void *ctx, const char *name, struct span bytes)
{
    struct members *m = ctx;

    return is_log(name) == m->logs ? sentry_envelope_attach(m->envelope, name, bytes) : 0;
}

/* The envelope with its files, or only with the event. */
static int make_body(struct delivery *d, const struct parcel *parcel, bool files,
                     struct strbuf *body)
{
    _cleanup_sentry_envelope_ struct sentry_envelope envelope = { 0 };
    _cleanup_(members_done) struct members members = { .envelope = &envelope };
    _cleanup_strbuf_ struct strbuf event = { 0 };
    char device[DEVICE_ID_SIZE], id[SENTRY_EVENT_ID_SIZE];
    struct sentry_source source = {
        .note = strbuf_view(&parcel->fields.note),
        .version = parcel->fields.version,
        .crash_time = d->fields->crash_time,
        .device = device,
        .event_id = id,
    };
    int zip = parcel->outgoing.fd;
    int r = device_id(d->state, d->fields->serial, true, device);

    if (r == 0)
        r = report_zip_read(zip, MAX_MEMBER, NULL, read_member, &members);
    if (r < 0)
        return r;
    sentry_event_id(device, d->name, id);
    source.report = members.report;
    source.os_release = strbuf_view(&members.os_release);
    r = sentry_event_make(&source, &event);
    if (r == 0)
        r = sentry_envelope_start(&envelope, id, (int64_t)time(NULL), strbuf_view(&event));
    for (int logs = 0; files && r == 0 && logs < 2; logs++) {
        members.logs = logs;
        r = report_zip_read(zip, MAX_MEMBER, NULL, attach_member, &members);
    }
    return r == 0 ? sentry_envelope_compress(&envelope, body) : r;
}

static enum submit_outcome judge(struct delivery *d, int performed,
                                 const struct http_answer *answer)
{
    char *error = d->attempt->last_error;
    const size_t size = sizeof(d->attempt->last_error);
    enum submit_outcome outcome;
    struct span body = strbuf_view(&answer->body), line;
    int64_t pause;

    d->attempt->last_status = answer->status;
    if (performed < 0) {
        d->unreachable = answer->unreachable;
        (void)snprintf(error, size, "Sentry: %s",
                       performed == -ENOMEM ? "out of memory" : answer->error);
        return SUBMIT_LATER;
    }
    pause = wanted_pause(answer);
    note_limits(d, pause);
    outcome = submit_judge_status(answer->status);
    if (outcome == SUBMIT_OK)
        return outcome;
    d->retry_after = MAX(answer->retry_after, pause > 0 ? pause : -1);
    if (!span_next_line(&body, &line))
        line = SPAN("no text");
    (void)snprintf(error, size, "Sentry: the server says %d: %.*s", answer->status,
                   (int)MIN(line.n, (size_t)200), line.p);
    return outcome;
}

static enum submit_outcome post(struct delivery *d, const struct sentry_dsn *dsn, struct span body,
                                struct http_answer *answer)
{
    char auth[SENTRY_KEY_MAX + 128];
    const struct http_header headers[] = {
        { "Content-Type", "application/x-sentry-envelope" },
        { "Content-Encoding", "gzip" },
        { "X-Sentry-Auth", auth },
    };
    const struct http_request request = {
        .url = dsn->envelope_url,
        .allow_http = dsn->http,
        .cacert = d->cacert,
        .headers = headers,
        .n_headers = ARRAY_SIZE(headers),
        .form = body,
        .file = -1,
        .seconds = POST_SECONDS,
        .max_answer = MAX_ANSWER,
        .cut_answer = true,
    };

    enum submit_outcome outcome;

    (void)snprintf(auth, sizeof(auth),
                   "Sentry sentry_version=7, sentry_client=kdump-steamos/" KDUMP_VERSION
                   ", sentry_key=%s",
                   dsn->key);
    outcome = judge(d, http_perform(&request, answer), answer);
    d->sent += answer->sent;
    if (outcome != SUBMIT_OK)
        exchange_save(d, &request, answer);
    return outcome;
}

static enum submit_outcome send_report(struct delivery *d, const struct sentry_dsn *dsn,
                                       const struct parcel *parcel, bool files)
{
    _cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;
    _cleanup_strbuf_ struct strbuf body = { 0 };
    int r = make_body(d, parcel, files, &body);

    if (r < 0) {
        (void)snprintf(d->attempt->last_error, sizeof(d->attempt->last_error),
                       "Sentry: the envelope cannot be made: %s", strerror(-r));
        return SUBMIT_LATER;
    }
    return post(d, dsn, strbuf_view(&body), &answer);
}

static enum submit_outcome sentry_deliver(struct delivery *d)
{
    _cleanup_parcel_ struct parcel parcel = PARCEL_INIT;
    struct sentry_dsn dsn;
    enum submit_outcome outcome;
    const char *why;

    if (!sentry_dsn_parse(span_str(d->config->sentry_dsn), &dsn, &why))
        return SUBMIT_LATER;
    outcome = parcel_make(d, false, &parcel);
    if (outcome != SUBMIT_OK)
        return outcome;
    outcome = send_report(d, &dsn, &parcel, true);
    if (outcome == SUBMIT_REFUSED && d->attempt->last_status == 413) {
        log_info("%s is too large for Sentry: it gets the event without the files", d->name);
        outcome = send_report(d, &dsn, &parcel, false);
    }
    return outcome;
}

static bool sentry_server(const struct config *config, char *url, size_t size)
{
    struct sentry_dsn dsn;
    const char *why;

    return sentry_dsn_parse(span_str(config->sentry_dsn), &dsn, &why) &&
           span_copy(span_str(dsn.envelope_url), url, size);
}

const struct backend backend_sentry = {
    .name = "sentry",
    .enabled = sentry_enabled,
    .server = sentry_server,
    .pause = limited_for,
    .deliver = sentry_deliver,
};
