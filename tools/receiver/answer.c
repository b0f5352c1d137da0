/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "receiver.h"

/* A body in delivery; owned by its response. */
struct delivery {
    struct receiver *rx;
    struct strbuf body;
    enum fault_kind kind;
    uint64_t ms; /* FAULT_SLOW: between two bytes */
};

void answer_refuse(struct answer *a, unsigned status, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    strbuf_clear(&a->body);
    (void)strbuf_printf(&a->body, "%s\n", text);
    a->status = status;
    a->type = "text/plain; charset=utf-8";
}

void answer_json(struct answer *a, json_t *value)
{
    _cleanup_free_ char *text = value ? json_dumps(value, JSON_COMPACT) : NULL;

    json_decref(value);
    if (!text) {
        answer_refuse(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory");
        return;
    }
    strbuf_clear(&a->body);
    (void)strbuf_str(&a->body, text);
    a->status = MHD_HTTP_OK;
    a->type = "application/json; charset=UTF-8";
}

static const char *const wrong_types[STEP_COUNT] = {
    [STEP_START] =
        "{\"response\":{\"url\":17,\"gid\":{\"a\":true},\"headers\":{\"pairs\":{\"name\":1}}}}",
    [STEP_PUT] = "[0,null,{}]",
    [STEP_FINISH] = "{\"response\":[false,-1e300]}",
};

void answer_spoil(struct answer *a, enum step step, const struct fault_set *faults)
{
    const struct fault_hit *content = &faults->by_class[CLASS_CONTENT];
    const struct fault_hit *type = &faults->by_class[CLASS_TYPE];

    if (content->kind != FAULT_NONE) {
        strbuf_clear(&a->body);
        (void)strbuf_str(&a->body, content->kind == FAULT_JSON         ? content->text
                                   : content->kind == FAULT_WRONG_TYPE ? wrong_types[step]
                                                                       : "<html><body>Welcome to "
                                                                         "the hotel's network"
                                                                         "</body></html>\n");
        a->type = content->kind == FAULT_NOT_JSON ? "text/html" : "application/json; charset=UTF-8";
    }
    if (type->kind != FAULT_NONE)
        a->type = type->text;
}

static void delivery_free(void *cls)
{
    struct delivery *d = cls;

    strbuf_clear(&d->body);
    free(d);
}

static ssize_t deliver(void *cls, uint64_t pos, char *buf, size_t max)
{
    struct delivery *d = cls;
    size_t end = d->kind == FAULT_TRUNCATE ? d->body.n / 2 : d->body.n;
    size_t n = d->kind == FAULT_SLOW ? MIN(max, (size_t)1) : max;

    if (d->kind == FAULT_ENDLESS) {
        if (pos >= ANSWER_ENDLESS_MAX)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        memset(buf, ' ', max);
        /* It begins as the true answer does, so that only its length is wrong. */
        if (pos < d->body.n)
            memcpy(buf, d->body.p + pos, MIN(max, d->body.n - (size_t)pos));
        return (ssize_t)max;
    }
    if (pos >= end)
        return d->kind == FAULT_TRUNCATE ? MHD_CONTENT_READER_END_WITH_ERROR
                                         : MHD_CONTENT_READER_END_OF_STREAM;
    if (d->kind == FAULT_SLOW && !receiver_sleep(d->rx, d->ms))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = MIN(n, end - (size_t)pos);
    memcpy(buf, d->body.p + pos, n);
    return (ssize_t)n;
}

static struct MHD_Response *make_response(struct receiver *rx, struct answer *a,
                                          const struct fault_hit *how)
{
    struct MHD_Response *response;
    struct delivery *d;

    if (a->body.failed)
        return NULL;
    if (how->kind == FAULT_NONE) {
        size_t n = a->body.n;
        char *p = strbuf_take(&a->body);

        return p ? MHD_create_response_from_buffer(n, p, MHD_RESPMEM_MUST_FREE) : NULL;
    }
    d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    *d = (struct delivery){ rx, a->body, how->kind, how->number };
    a->body = (struct strbuf){ 0 };
    response =
        MHD_create_response_from_callback(how->kind == FAULT_ENDLESS ? MHD_SIZE_UNKNOWN : d->body.n,
                                          16384, deliver, d, delivery_free);
    if (!response)
        delivery_free(d);
    return response;
}

/* "Name: value" */
static void add_header(struct MHD_Response *response, const char *text)
{
    const char *colon = strchr(text, ':');
    _cleanup_free_ char *name = colon ? strndup(text, (size_t)(colon - text)) : NULL;

    if (!name ||
        MHD_add_response_header(response, name, colon + 1 + strspn(colon + 1, " ")) != MHD_YES)
        (void)fprintf(stderr, "receiver: warning: cannot answer with header \"%s\", ignoring\n",
                      text);
}

enum MHD_Result answer_send(struct receiver *rx, struct MHD_Connection *conn, struct answer *a,
                            const struct fault_set *faults)
{
    const struct fault_hit *retry = &faults->by_class[CLASS_RETRY];
    const struct fault_hit *header = &faults->by_class[CLASS_HEADER];
    bool bodiless = a->status == MHD_HTTP_NO_CONTENT || a->status == MHD_HTTP_NOT_MODIFIED;
    struct MHD_Response *response;
    enum MHD_Result r;

    if (bodiless)
        strbuf_clear(&a->body);
    response =
        make_response(rx, a,
                      bodiless ? &(struct fault_hit){ 0 } : &faults->by_class[CLASS_DELIVERY]);
    if (!response)
        return MHD_NO;
    if (a->type && !bodiless)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
    if (a->location)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, a->location);
    if (retry->kind == FAULT_RETRY_AFTER) {
        char seconds[24];

        (void)snprintf(seconds, sizeof(seconds), "%llu", (unsigned long long)retry->number);
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (header->kind == FAULT_HEADER)
        add_header(response, header->text);
    r = MHD_queue_response(conn, a->status, response);
    MHD_destroy_response(response);
    return r;
}
