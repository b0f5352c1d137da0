/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A request from its first line to its answer. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>

#include "base/json_file.h"
#include "form.h"
#include "receiver.h"

enum action { ACTION_NONE, ACTION_START, ACTION_PUT, ACTION_FINISH, ACTION_CONTROL };

struct request {
    char *target; /* owned; as it stood in the request line */
    enum action action;
    bool began, logged, finished;
    struct answer answer; /* status 0 while nothing is wrong yet */
    struct fault_set faults;
    struct strbuf body; /* of everything but a PUT */
    uint64_t bytes;     /* of the body, as received */
    const struct upload *upload;
    json_t *headers; /* owned; of a PUT */
    struct put *put; /* owned */
    char method[24];
};

static const struct form_field start_fields[] = {
    { "steamid", FORM_NUMBER, 0, UINT64_MAX, NULL },
    { "have_dump_file", FORM_NUMBER, 1, 1, "1" },
    { "dump_file_size", FORM_NUMBER, 1, INT64_MAX, NULL },
    { "product", FORM_TEXT, 1, 0, NULL },
    { "build", FORM_TEXT, 0, 0, NULL },
    { "version", FORM_TEXT, 1, 0, NULL },
    { "platform", FORM_TEXT, 1, 0, "linux" },
    { "crash_time", FORM_NUMBER, 1, INT64_MAX, NULL },
    { "stack", FORM_TEXT, 0, 0, NULL },
    { "note", FORM_TEXT, 0, 0, NULL },
    { "format", FORM_TEXT, 0, 0, "json" },
};
static const struct form_field finish_fields[] = { { "gid", FORM_TEXT, 1, 0, NULL } };

static void form_begin(struct receiver *rx, struct MHD_Connection *conn, struct request *req,
                       uint64_t length);
static void put_begin(struct receiver *rx, struct MHD_Connection *conn, struct request *req,
                      uint64_t length);
static void start_end(struct receiver *rx, struct MHD_Connection *conn, struct request *req);
static void put_end(struct receiver *rx, struct MHD_Connection *conn, struct request *req);
static void finish_end(struct receiver *rx, struct MHD_Connection *conn, struct request *req);
static void control_end(struct receiver *rx, struct MHD_Connection *conn, struct request *req);

static const struct action_info {
    const char *name, *methods;
    enum step step; /* STEP_COUNT: none, so no fault and no begin */
    void (*begin)(struct receiver *rx, struct MHD_Connection *conn, struct request *req,
                  uint64_t length);
    void (*work)(struct receiver *rx, struct MHD_Connection *conn, struct request *req);
} actions[] = {
    [ACTION_NONE] = { "other", "", STEP_COUNT, NULL, NULL },
    [ACTION_START] = { "start", "POST", STEP_START, form_begin, start_end },
    [ACTION_PUT] = { "put", "PUT", STEP_PUT, put_begin, put_end },
    [ACTION_FINISH] = { "finish", "POST", STEP_FINISH, form_begin, finish_end },
    [ACTION_CONTROL] = { "control", "GET POST DELETE", STEP_COUNT, NULL, control_end },
};

static enum step step_of(const struct request *req)
{
    return actions[req->action].step;
}

void *api_uri(void *cls, const char *uri, struct MHD_Connection *conn)
{
    struct request *req = calloc(1, sizeof(*req));

    if (!req)
        return NULL;
    req->body.max = FORM_SIZE_MAX;
    req->target = strdup(uri);
    if (!req->target) {
        free(req);
        return NULL;
    }
    return req;
}

static void request_free(struct request *req)
{
    free(req->target);
    fault_set_clear(&req->faults);
    strbuf_clear(&req->answer.body);
    strbuf_clear(&req->body);
    json_decref(req->headers);
    if (req->put)
        put_discard(req->put);
    free(req);
}

/* One line for every request, and before its answer, so that who has the answer can read the line.
 * status 0: it gets none. */
static void log_request(struct receiver *rx, struct request *req, unsigned status, const char *how)
{
    json_t *line;
    size_t n;

    if (req->logged)
        return;
    req->logged = true;
    line = json_pack("{s:I, s:s, s:s, s:s, s:i, s:I}", "time", (json_int_t)now_ms(), "method",
                     req->method, "path", req->target, "step", actions[req->action].name, "status",
                     (int)status, "bytes", (json_int_t)req->bytes);
    if (!line) /* a target that is no UTF-8 */
        line = json_pack("{s:I, s:s, s:i}", "time", (json_int_t)now_ms(), "step",
                         actions[req->action].name, "status", (int)status);
    if (req->upload)
        (void)json_object_set_new(line, "gid", json_string(req->upload->gid));
    if (how)
        (void)json_object_set_new(line, "how", json_string(how));
    n = req->answer.body.n;
    if (req->answer.status >= 400 && n > 0)
        (void)json_object_set_new(line, "refused", json_stringn(req->answer.body.p, n - 1));
    store_log(rx->store, line);
}

/* The request's target without its query is this path. */
static bool target_is(const struct request *req, const char *path)
{
    size_t n = strlen(path);

    return strncmp(req->target, path, n) == 0 && (req->target[n] == '\0' || req->target[n] == '?');
}

static bool has_word(const char *words, const char *word)
{
    struct span rest = span_str(words), w;

    while (span_next_word(&rest, &w))
        if (span_eq(w, word))
            return true;
    return false;
}

static void route(struct receiver *rx, struct request *req)
{
    req->upload = store_find_target(rx->store, req->target);
    if (req->upload)
        req->action = ACTION_PUT;
    else if (target_is(req, rx->start))
        req->action = ACTION_START;
    else if (target_is(req, rx->finish))
        req->action = ACTION_FINISH;
    else if (rx->control && target_is(req, "/_control/faults"))
        req->action = ACTION_CONTROL;
    else
        answer_refuse(&req->answer, MHD_HTTP_NOT_FOUND, "nothing is here");
    if (req->action != ACTION_NONE && !has_word(actions[req->action].methods, req->method))
        answer_refuse(&req->answer, MHD_HTTP_METHOD_NOT_ALLOWED, "use %s here",
                      actions[req->action].methods);
}

static const char *header(struct MHD_Connection *conn, const char *name)
{
    return MHD_lookup_connection_value(conn, MHD_HEADER_KIND, name);
}

/* False: the body is not wanted at all, answer now. */
static bool length_ok(const struct receiver *rx, struct MHD_Connection *conn, struct request *req,
                      uint64_t *length)
{
    const char *text = header(conn, MHD_HTTP_HEADER_CONTENT_LENGTH);
    uint64_t max = req->action == ACTION_PUT ? rx->max_size : FORM_SIZE_MAX;

    *length = 0;
    if (header(conn, MHD_HTTP_HEADER_TRANSFER_ENCODING) ||
        (!text && (strcmp(req->method, "PUT") == 0 || strcmp(req->method, "POST") == 0))) {
        answer_refuse(&req->answer, MHD_HTTP_LENGTH_REQUIRED, "Content-Length is missing");
        return false;
    }
    if (text && !span_to_u64(span_str(text), length)) {
        answer_refuse(&req->answer, MHD_HTTP_BAD_REQUEST, "Content-Length is no number");
        return false;
    }
    if (*length <= max)
        return true;
    answer_refuse(&req->answer, MHD_HTTP_CONTENT_TOO_LARGE,
                  "a body of %" PRIu64 " bytes; at most %" PRIu64 " are accepted", *length, max);
    return false;
}

static void refuse_errno(struct answer *a, int r, const char *what)
{
    if (r == -EALREADY)
        answer_refuse(a, MHD_HTTP_CONFLICT, "this upload is finished");
    else
        answer_refuse(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "cannot %s: %s", what, strerror(-r));
}

static void put_begin(struct receiver *rx, struct MHD_Connection *conn, struct request *req,
                      uint64_t length)
{
    char why[256] = "out of memory";
    int r;

    if (check_headers(conn, req->upload->pairs, &req->headers, why, sizeof(why)) < 0)
        answer_refuse(&req->answer, MHD_HTTP_BAD_REQUEST, "%s", why);
    else if (length != req->upload->size)
        answer_refuse(&req->answer, MHD_HTTP_BAD_REQUEST,
                      "Content-Length is %" PRIu64 ", dump_file_size was %" PRIu64, length,
                      req->upload->size);
    else if ((r = put_open(rx->store, req->upload, &req->put)) < 0)
        refuse_errno(&req->answer, r, "store the upload");
}

static void form_begin(struct receiver *rx, struct MHD_Connection *conn, struct request *req,
                       uint64_t length)
{
    static const char want[] = "application/x-www-form-urlencoded";
    const char *type = header(conn, MHD_HTTP_HEADER_CONTENT_TYPE);
    size_t n = type ? strcspn(type, "; ") : 0;

    if (n != strlen(want) || strncasecmp(type, want, n) != 0)
        answer_refuse(&req->answer, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Type must be %s",
                      want);
}

/* A fault that decides without looking at the request. */
static bool fault_decides(struct request *req)
{
    const struct fault_hit *f = &req->faults.by_class[CLASS_OUTCOME];

    if (f->kind == FAULT_STATUS && f->number >= 300) {
        answer_refuse(&req->answer, (unsigned)f->number, "status %u was asked for",
                      (unsigned)f->number);
        return true;
    }
    if (f->kind == FAULT_REDIRECT) {
        answer_refuse(&req->answer, MHD_HTTP_FOUND, "elsewhere");
        req->answer.location = f->text;
        return true;
    }
    return f->kind == FAULT_CUT;
}

static enum MHD_Result send_answer(struct receiver *rx, struct MHD_Connection *conn,
                                   struct request *req)
{
    enum fault_kind outcome = req->faults.by_class[CLASS_OUTCOME].kind;
    uint64_t delay = req->faults.by_class[CLASS_DELAY].number;

    if (delay > 0)
        (void)receiver_sleep(rx, delay);
    if (outcome == FAULT_CUT || outcome == FAULT_STORE_THEN_CUT) {
        log_request(rx, req, 0, outcome == FAULT_CUT ? "cut" : "stored, then cut");
        return MHD_NO;
    }
    if (step_of(req) < STEP_COUNT)
        answer_spoil(&req->answer, step_of(req), &req->faults);
    log_request(rx, req, req->answer.status, NULL);
    return answer_send(rx, conn, &req->answer, &req->faults);
}

static enum MHD_Result request_begin(struct receiver *rx, struct MHD_Connection *conn,
                                     struct request *req)
{
    uint64_t length;
    bool wanted;

    route(rx, req);
    wanted = length_ok(rx, conn, req, &length);
    if (req->answer.status == 0 && step_of(req) < STEP_COUNT) {
        if (faults_take(rx->faults, step_of(req), &req->faults) < 0)
            return MHD_NO;
        if (!fault_decides(req))
            actions[req->action].begin(rx, conn, req, length);
    }
    /* A refused body is read to its end, because a client that is still sending may never see the
     * answer; unless it is too much, or the client waits for our word. */
    if (!wanted || (req->answer.status != 0 && header(conn, MHD_HTTP_HEADER_EXPECT)))
        return send_answer(rx, conn, req);
    return MHD_YES;
}

static enum MHD_Result request_body(struct receiver *rx, struct request *req, const char *data,
                                    size_t n)
{
    const struct fault_hit *f = &req->faults.by_class[CLASS_OUTCOME];
    int r;

    req->bytes += n;
    if (f->kind == FAULT_CUT_AFTER && req->bytes >= f->number) {
        log_request(rx, req, 0, "cut inside the body");
        return MHD_NO;
    }
    if (req->answer.status != 0)
        return MHD_YES;
    r = req->put ? put_write(req->put, data, n) : strbuf_append(&req->body, data, n);
    if (r < 0)
        refuse_errno(&req->answer, r, "store the body");
    return MHD_YES;
}

/* The Host that the client used is the one under which it reaches us. */
static bool host_ok(const char *host)
{
    if (!host || !*host || strlen(host) > 255)
        return false;
    for (const char *c = host; *c; c++)
        if (!byte_is_alnum(*c) && !strchr(".-:[]", *c))
            return false;
    return true;
}

static void start_end(struct receiver *rx, struct MHD_Connection *conn, struct request *req)
{
    const char *host = header(conn, MHD_HTTP_HEADER_HOST);
    _cleanup_json_ json_t *fields = NULL;
    json_t *response = NULL;
    char why[256] = "out of memory";
    int r;

    if (!host_ok(host)) {
        answer_refuse(&req->answer, MHD_HTTP_BAD_REQUEST, "header Host is missing or odd");
        return;
    }
    r = form_read(strbuf_view(&req->body), start_fields, ARRAY_SIZE(start_fields), &fields, why,
                  sizeof(why));
    if (r < 0) {
        answer_refuse(&req->answer, MHD_HTTP_BAD_REQUEST, "%s", why);
        return;
    }
    if (strtoull(json_get_str(fields, "dump_file_size", ""), NULL, 10) > rx->max_size) {
        answer_refuse(&req->answer, MHD_HTTP_CONTENT_TOO_LARGE,
                      "field dump_file_size: at most %" PRIu64 " are accepted", rx->max_size);
        return;
    }
    r = start_upload(rx, host, fields, &req->faults, &response, &req->upload);
    if (r < 0)
        refuse_errno(&req->answer, r, "start an upload");
    else
        answer_json(&req->answer, response);
}

static void put_end(struct receiver *rx, struct MHD_Connection *conn, struct request *req)
{
    char why[256];
    int r = put_commit(req->put, req->headers, why, sizeof(why));

    if (r == -EBADMSG)
        answer_refuse(&req->answer, MHD_HTTP_BAD_REQUEST, "%s", why);
    else if (r < 0)
        refuse_errno(&req->answer, r, "store the upload");
    else
        answer_refuse(&req->answer, MHD_HTTP_OK, "stored");
}

static void finish_end(struct receiver *rx, struct MHD_Connection *conn, struct request *req)
{
    _cleanup_json_ json_t *fields = NULL;
    char why[256] = "out of memory";
    int r = form_read(strbuf_view(&req->body), finish_fields, ARRAY_SIZE(finish_fields), &fields,
                      why, sizeof(why));

    if (r < 0) {
        answer_refuse(&req->answer, MHD_HTTP_BAD_REQUEST, "%s", why);
        return;
    }
    r = store_finish(rx->store, json_get_str(fields, "gid", ""), &req->upload);
    if (r == -ENOENT)
        answer_refuse(&req->answer, MHD_HTTP_NOT_FOUND, "this gid was never handed out");
    else if (r == -ENODATA)
        answer_refuse(&req->answer, MHD_HTTP_CONFLICT, "the PUT of this gid has not come");
    else if (r < 0)
        refuse_errno(&req->answer, r, "finish the upload");
    else
        answer_json(&req->answer, json_pack("{s:{}}", "response"));
    if (r < 1)
        return;
    req->finished = true;
    (void)printf("%s gid=%s %" PRIu64 " bytes, %s\n", r == 1 ? "received" : "finished again",
                 req->upload->dir, req->upload->size, req->upload->summary);
    (void)fflush(stdout);
}

static void control_end(struct receiver *rx, struct MHD_Connection *conn, struct request *req)
{
    char why[512];

    if (strcmp(req->method, "DELETE") == 0)
        faults_clear(rx->faults);
    if (strcmp(req->method, "POST") == 0 &&
        faults_add(rx->faults, strbuf_view(&req->body), why, sizeof(why)) < 0)
        answer_refuse(&req->answer, MHD_HTTP_BAD_REQUEST, "%s", why);
    else
        answer_json(&req->answer, faults_list(rx->faults));
}

static enum MHD_Result request_end(struct receiver *rx, struct MHD_Connection *conn,
                                   struct request *req)
{
    const struct fault_hit *f = &req->faults.by_class[CLASS_OUTCOME];

    if (req->answer.status == 0 && f->kind != FAULT_CUT) {
        actions[req->action].work(rx, conn, req);
        if (req->answer.status == MHD_HTTP_OK && f->kind == FAULT_STATUS)
            req->answer.status = (unsigned)f->number;
    }
    return send_answer(rx, conn, req);
}

enum MHD_Result api_request(void *cls, struct MHD_Connection *conn, const char *url,
                            const char *method, const char *version, const char *data,
                            size_t *data_size, void **context)
{
    struct receiver *rx = cls;
    struct request *req = *context;
    size_t n = *data_size;

    if (!req)
        return MHD_NO;
    if (!req->began) {
        req->began = true;
        (void)span_copy(span_str(method), req->method, sizeof(req->method));
        return request_begin(rx, conn, req);
    }
    if (n == 0)
        return request_end(rx, conn, req);
    *data_size = 0;
    return request_body(rx, req, data, n);
}

void api_completed(void *cls, struct MHD_Connection *conn, void **context,
                   enum MHD_RequestTerminationCode code)
{
    struct receiver *rx = cls;
    struct request *req = *context;

    if (!req)
        return;
    if (req->began)
        log_request(rx, req, 0, "the client went away");
    if (rx->once && req->finished)
        (void)kill(getpid(), SIGTERM); /* main waits for it */
    request_free(req);
    *context = NULL;
}
