/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define CURL_DISABLE_TYPECHECK /* it does not know calls through pointers */
#include <curl/curl.h>
#include <stdio.h>

#include "base/library.h"
#include "base/log.h"
#include "submit/http.h"
#include "submit/retry.h"

enum {
    CONNECT_SECONDS = 20,
    TOTAL_SECONDS = 60, /* of a POST */
    PUT_SECONDS = 1800, /* of an upload */
    STALL_BYTES = 64,   /* an upload slower than this … */
    MAX_HEADERS = 16 << 10,
    STALL_SECONDS = 60, /* … for so long has failed */
};

static struct {
    LIBRARY_FUNCTION(curl_global_init);
    LIBRARY_FUNCTION(curl_global_cleanup);
    LIBRARY_FUNCTION(curl_easy_init);
    LIBRARY_FUNCTION(curl_easy_setopt);
    LIBRARY_FUNCTION(curl_easy_perform);
    LIBRARY_FUNCTION(curl_easy_getinfo);
    LIBRARY_FUNCTION(curl_easy_strerror);
    LIBRARY_FUNCTION(curl_easy_cleanup);
    LIBRARY_FUNCTION(curl_slist_append);
    LIBRARY_FUNCTION(curl_slist_free_all);
} curl_api;

int http_start(void)
{
    static const struct library_symbol symbols[] = {
        LIBRARY_SYMBOL(curl_api, curl_global_init),   LIBRARY_SYMBOL(curl_api, curl_global_cleanup),
        LIBRARY_SYMBOL(curl_api, curl_easy_init),     LIBRARY_SYMBOL(curl_api, curl_easy_setopt),
        LIBRARY_SYMBOL(curl_api, curl_easy_perform),  LIBRARY_SYMBOL(curl_api, curl_easy_getinfo),
        LIBRARY_SYMBOL(curl_api, curl_easy_strerror), LIBRARY_SYMBOL(curl_api, curl_easy_cleanup),
        LIBRARY_SYMBOL(curl_api, curl_slist_append),  LIBRARY_SYMBOL(curl_api, curl_slist_free_all),
    };
    int r = library_load("libcurl.so.4", symbols, ARRAY_SIZE(symbols));

    if (r < 0)
        return r;
    return curl_api.curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -ENOMEM;
}

void http_stop(void)
{
    curl_api.curl_global_cleanup();
}

void http_answer_done(struct http_answer *answer)
{
    strbuf_clear(&answer->body);
    strbuf_clear(&answer->headers);
}

int http_form_add(struct strbuf *form, const char *name, struct span value)
{
    static const char digits[] = "0123456789ABCDEF";

    if (form->n > 0)
        (void)strbuf_char(form, '&');
    (void)strbuf_str(form, name);
    (void)strbuf_char(form, '=');
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (byte_is_alnum((char)c) || (c != '\0' && strchr("-._~", c))) {
            (void)strbuf_char(form, (char)c);
            continue;
        }
        (void)strbuf_char(form, '%');
        (void)strbuf_char(form, digits[c >> 4]);
        (void)strbuf_char(form, digits[c & 15]);
    }
    return form->failed;
}

struct transfer {
    const struct http_request *request;
    struct http_answer *answer;
    uint64_t sent;
    int shown; /* per cent */
    bool too_long;
};

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;

    if (t->answer->body.n + n > t->request->max_answer) {
        t->too_long = true;
        return 0;
    }
    return strbuf_append(&t->answer->body, p, size * n) < 0 ? 0 : size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    struct span line = { p, size * n }, name;

    if (span_starts(line, "HTTP/")) {
        t->answer->retry_after = -1; /* a 100 Continue came before */
        t->answer->rate_limits[0] = '\0';
        strbuf_clear(&t->answer->headers);
    } else if (t->answer->headers.n + line.n <= MAX_HEADERS) {
        (void)strbuf_span(&t->answer->headers, line);
    }
    if (!span_next_field(&line, ':', &name) || !line.p)
        return size * n;
    if (span_eq_case(name, "Retry-After"))
        t->answer->retry_after = retry_after_parse(span_trim(line), time(NULL));
    else if (span_eq_case(name, "X-Sentry-Rate-Limits"))
        (void)span_copy(span_trim(line), t->answer->rate_limits, sizeof(t->answer->rate_limits));
    return size * n;
}

/* pread: a retried upload starts at the file's beginning, whatever was read before. */
static size_t on_upload(char *p, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    size_t want = MIN(size * n, (size_t)(t->request->file_size - t->sent));
    ssize_t got = pread(t->request->file, p, want, (off_t)t->sent);

    if (got < 0 || (got == 0 && want > 0))
        return CURL_READFUNC_ABORT;
    t->sent += (uint64_t)got;
    return (size_t)got;
}

static int on_seek(void *ctx, curl_off_t offset, int origin)
{
    struct transfer *t = ctx;

    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > t->request->file_size)
        return CURL_SEEKFUNC_FAIL;
    t->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int on_progress(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal,
                       curl_off_t ulnow)
{
    struct transfer *t = ctx;
    int percent = ultotal > 0 ? (int)(ulnow * 100 / ultotal) : 0;

    if (percent != t->shown && ultotal > 0) {
        (void)fprintf(stderr, "\r  sent %d %%%s", percent, percent == 100 ? "\n" : "");
        t->shown = percent;
    }
    return 0;
}

static void slist_free(struct curl_slist **list)
{
    curl_api.curl_slist_free_all(*list);
}

static void curl_done(CURL **curl)
{
    if (*curl)
        curl_api.curl_easy_cleanup(*curl);
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
    _cleanup_free_ char *line = NULL;
    struct curl_slist *longer;

    /* "Name;" is how libcurl is told to send a header without a value. */
    if (asprintf(&line, value[0] ? "%s: %s" : "%s;", name, value) < 0)
        return line = NULL, -ENOMEM;
    longer = curl_api.curl_slist_append(*list, line);
    if (!longer)
        return -ENOMEM;
    *list = longer;
    return 0;
}

static int make_headers(const struct http_request *request, struct curl_slist **list)
{
    /* Without a value: libcurl leaves its own Expect out, which some servers never answer. */
    struct curl_slist *first = curl_api.curl_slist_append(NULL, "Expect:");

    if (!first)
        return -ENOMEM;
    *list = first;
    for (size_t i = 0; i < request->n_headers; i++) {
        int r = add_header(list, request->headers[i].name, request->headers[i].value);

        if (r < 0)
            return r;
    }
    return 0;
}

#define SET(option, value)                                                  \
    do {                                                                    \
        if (curl_api.curl_easy_setopt(curl, (option), (value)) != CURLE_OK) \
            return -EINVAL;                                                 \
    } while (0)

static int set_common(CURL *curl, const struct http_request *request, struct transfer *t,
                      struct curl_slist *headers)
{
    const char *protocols = request->allow_http ? "http,https" : "https";

    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, protocols);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_USERAGENT, "kdump-steamos/" KDUMP_VERSION);
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (request->cacert) {
        SET(CURLOPT_CAINFO, request->cacert);
        SET(CURLOPT_CAPATH, NULL);
    }
    SET(CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    SET(CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
    SET(CURLOPT_LOW_SPEED_TIME, (long)STALL_SECONDS);
    SET(CURLOPT_ERRORBUFFER, t->answer->error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    return 0;
}

static int set_put(CURL *curl, const struct http_request *request, struct transfer *t)
{
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_TIMEOUT, (long)PUT_SECONDS);
    SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)request->file_size);
    SET(CURLOPT_READFUNCTION, on_upload);
    SET(CURLOPT_READDATA, t);
    SET(CURLOPT_SEEKFUNCTION, on_seek);
    SET(CURLOPT_SEEKDATA, t);
    if (request->progress) {
        SET(CURLOPT_NOPROGRESS, 0L);
        SET(CURLOPT_XFERINFOFUNCTION, on_progress);
        SET(CURLOPT_XFERINFODATA, t);
    }
    return 0;
}

static int set_post(CURL *curl, const struct http_request *request)
{
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_TIMEOUT, (long)(request->seconds ? request->seconds : TOTAL_SECONDS));
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->form.n);
    SET(CURLOPT_POSTFIELDS, request->form.p);
    return 0;
}

/* Nobody was there. A time-out says so only where no connection had come about. */
static bool is_unreachable(CURL *curl, CURLcode code)
{
    curl_off_t connected = 0;

    if (code == CURLE_OPERATION_TIMEDOUT)
        return curl_api.curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected) == CURLE_OK &&
               connected == 0;
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
           code == CURLE_COULDNT_CONNECT;
}

static int set_connect(CURL *curl)
{
    SET(CURLOPT_CONNECT_ONLY, 1L);
    return 0;
}

bool http_is_reachable(const char *url, bool allow_http, const char *cacert)
{
    const struct http_request request = { .url = url, .allow_http = allow_http, .cacert = cacert };
    _cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;
    _cleanup_(curl_done) CURL *curl = curl_api.curl_easy_init();
    struct transfer t = { .request = &request, .answer = &answer };
    CURLcode code;

    if (!curl || set_common(curl, &request, &t, NULL) < 0 || set_connect(curl) < 0)
        return true; /* the request itself will tell */
    code = curl_api.curl_easy_perform(curl);
    if (is_unreachable(curl, code))
        log_debug("nobody is reached: %s", answer.error);
    return !is_unreachable(curl, code);
}

int http_perform(const struct http_request *request, struct http_answer *answer)
{
    _cleanup_(slist_free) struct curl_slist *headers = NULL;
    _cleanup_(curl_done) CURL *curl = curl_api.curl_easy_init();
    struct transfer t = { .request = request, .answer = answer, .shown = -1 };
    curl_off_t sent = 0;
    long status = 0;
    CURLcode code;
    int r;

    if (!curl || make_headers(request, &headers) < 0)
        return -ENOMEM;
    r = set_common(curl, request, &t, headers);
    if (r == 0)
        r = request->file >= 0 ? set_put(curl, request, &t) : set_post(curl, request);
    if (r < 0) {
        (void)snprintf(answer->error, sizeof(answer->error), "libcurl refuses an option");
        return -EIO;
    }
    code = curl_api.curl_easy_perform(curl);
    if (curl_api.curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent) == CURLE_OK && sent > 0)
        answer->sent = (uint64_t)sent;
    if (t.too_long && request->cut_answer)
        code = CURLE_OK; /* we have ended it, behind the status */
    if (code != CURLE_OK) {
        answer->unreachable = is_unreachable(curl, code);
        if (t.too_long)
            (void)snprintf(answer->error, sizeof(answer->error), "the answer is too long");
        else if (!answer->error[0])
            (void)snprintf(answer->error, sizeof(answer->error), "%s",
                           curl_api.curl_easy_strerror(code));
        return -EIO;
    }
    (void)curl_api.curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer->status = (int)status;
    answer->error[0] = '\0';
    return 0;
}
