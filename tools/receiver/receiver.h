/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The server as its files see it: options in, requests through api.c, answers out by answer.c. */
#pragma once

#include <microhttpd.h>

#include "base/strbuf.h"
#include "fault.h"
#include "store.h"

enum { FORM_SIZE_MAX = 1 << 20, EXPECTED_MAX = 32, ANSWER_ENDLESS_MAX = 1 << 30 };

struct receiver {
    const char *path;     /* of the API, with the word ACTION */
    char *start, *finish; /* owned: path for these actions */
    uint64_t max_size;    /* of an upload, bytes */
    bool tls, control, once;
    const char *expected[EXPECTED_MAX]; /* "Name: value", handed out besides our own */
    size_t n_expected;
    struct faults *faults;
    struct store *store;
    pthread_mutex_t stop_lock;
    pthread_cond_t stop_cond;
    bool stopping;
};

/* Sleeps; false when the server is being stopped. */
bool receiver_sleep(struct receiver *rx, uint64_t ms);

struct answer {
    unsigned status;
    const char *type;     /* Content-Type; borrowed */
    const char *location; /* borrowed; NULL: none */
    struct strbuf body;
};

/* Makes it a failure with a line of text for the client's developer. */
void answer_refuse(struct answer *a, unsigned status, const char *fmt, ...) _printf_(3, 4);
/* Makes body the text of value and takes the reference. */
void answer_json(struct answer *a, json_t *value);
/* What the faults want answered instead. */
void answer_spoil(struct answer *a, enum step step, const struct fault_set *faults);
/* Queues it; the body moves into the response. */
enum MHD_Result answer_send(struct receiver *rx, struct MHD_Connection *conn, struct answer *a,
                            const struct fault_set *faults);

/* The callbacks of the daemon; cls is the receiver. */
void *api_uri(void *cls, const char *uri, struct MHD_Connection *conn);
enum MHD_Result api_request(void *cls, struct MHD_Connection *conn, const char *url,
                            const char *method, const char *version, const char *data,
                            size_t *data_size, void **context);
void api_completed(void *cls, struct MHD_Connection *conn, void **context,
                   enum MHD_RequestTerminationCode code);

/* What Start hands out: {"url", "gid", "headers"}, and its upload in the store. */
int start_upload(struct receiver *rx, const char *host, json_t *fields,
                 const struct fault_set *faults, json_t **response,
                 const struct upload **upload) _must_check_;
/* Whether a PUT came with exactly the headers that were handed out; all of them are put into
 * *headers. -EINVAL: why says what is missing, different or too much. */
int check_headers(struct MHD_Connection *conn, const json_t *pairs, json_t **headers, char *why,
                  size_t why_size) _must_check_;
