/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "submit/exchange.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "base/atomic_file.h"
#include "base/log.h"

enum { MAX_HEADERS = 8 << 10, MAX_BODY = 16 << 10 };

static bool ends_url(char c)
{
    return c <= ' ' || c > '~' || strchr("\"'<>\\^`{|}", c);
}

/* text begins with "http://" or "https://". */
static void add_url(struct span *text, struct strbuf *out)
{
    size_t scheme = span_find(*text, "://") + 3, n = scheme, host, at = 0;
    struct span url;

    while (n < text->n && !ends_url(text->p[n]))
        n++;
    url = span_take(text, n);
    (void)strbuf_span(out, span_take(&url, scheme));
    for (host = 0; host < url.n && url.p[host] != '/' && url.p[host] != '?'; host++)
        if (url.p[host] == '@')
            at = host + 1;
    (void)span_take(&url, at);
    n = 0;
    while (n < url.n && url.p[n] != '?' && url.p[n] != '#')
        n++;
    (void)strbuf_span(out, span_take(&url, n));
    if (url.n > 0)
        (void)strbuf_str(out, "?(left out)");
}

/* Appends text as a person may see it; control characters become '?', and of each URL user and
 * query are left out. */
static int clean(struct span text, struct strbuf *out)
{
    while (text.n > 0) {
        char c = text.p[0];

        if (span_starts(text, "http://") || span_starts(text, "https://")) {
            add_url(&text, out);
            continue;
        }
        (void)span_take(&text, 1);
        if (c != '\r')
            (void)strbuf_char(out, c == '\n' || c == '\t' || (c >= ' ' && c <= '~') ? c : '?');
    }
    return out->failed;
}

static bool is_secret(struct span name)
{
    static const char *const words[] = { "cookie", "auth", "token", "key", "signature", "secret" };
    char lower[128];

    if (!span_copy(name, lower, sizeof(lower)))
        return true;
    for (char *c = lower; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 'a' - 'A') : *c;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strstr(lower, words[i]))
            return true;
    return false;
}

static void add_headers(struct span headers, struct strbuf *out)
{
    struct span line, value, name;

    while (span_next_line(&headers, &line)) {
        value = line;
        if (span_find_byte(line, ':') == SIZE_MAX || !span_next_field(&value, ':', &name))
            continue;
        (void)clean(name, out);
        (void)strbuf_char(out, ':');
        (void)clean(is_secret(name) ? SPAN(" (left out)") : value, out);
        (void)strbuf_char(out, '\n');
    }
}

static struct span first(struct span text, size_t n)
{
    return (struct span){ text.p, MIN(text.n, n) };
}

/* What a presigned upload is told by: where to, and with which headers. */
static void leave_out(json_t *value, bool secret)
{
    const char *key;
    json_t *item;
    size_t i;

    if (json_is_string(value) && secret)
        (void)json_string_set(value, "(left out)");
    json_array_foreach(value, i, item) leave_out(item, secret);
    json_object_foreach(value, key, item)
        leave_out(item, secret || strcasecmp(key, "url") == 0 || strcasecmp(key, "headers") == 0);
}

/* An answer of yes that could not be used: what it says is the only clue, to a captive portal or a
 * server that has changed. Of JSON the secrets are left out, and what may be JSON and cannot be
 * read is left out as a whole. */
static void add_useless(struct span body, struct strbuf *out)
{
    _cleanup_json_ json_t *json = json_loadb(body.p, body.n, 0, NULL);
    _cleanup_free_ char *text = NULL;
    struct span rest = span_trim(body);

    if (!json && rest.n > 0 && (rest.p[0] == '{' || rest.p[0] == '[')) {
        (void)strbuf_printf(out, "(%zu bytes, left out: they may hold secrets)\n", body.n);
        return;
    }
    if (json) {
        leave_out(json, false);
        text = json_dumps(json, JSON_COMPACT);
        body = text ? span_str(text) : SPAN("");
    }
    (void)clean(first(body, MAX_BODY), out);
}

static int describe(const struct http_request *request, const struct http_answer *answer,
                    struct strbuf *out)
{
    time_t now = time(NULL);
    char when[32];
    struct tm tm;

    (void)gmtime_r(&now, &tm);
    (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    (void)strbuf_printf(out, "%s UTC, kdump-steamos " KDUMP_VERSION "\n%s ", when,
                        request->file >= 0 ? "PUT" : "POST");
    (void)clean(span_str(request->url), out);
    (void)strbuf_printf(out, "\n%llu bytes\n",
                        (unsigned long long)(request->file >= 0 ? request->file_size
                                                                : request->form.n));
    if (answer->error[0]) {
        (void)strbuf_str(out, "error: ");
        (void)clean(span_str(answer->error), out);
        (void)strbuf_char(out, '\n');
    }
    if (answer->status == 0)
        return out->failed;
    (void)strbuf_printf(out, "\nHTTP %d\n", answer->status);
    add_headers(first(strbuf_view(&answer->headers), MAX_HEADERS), out);
    (void)strbuf_char(out, '\n');
    if (answer->status < 300 && answer->error[0])
        add_useless(strbuf_view(&answer->body), out);
    else if (answer->status >= 300)
        (void)clean(first(strbuf_view(&answer->body), MAX_BODY), out);
    else
        (void)strbuf_printf(out, "(%zu bytes, left out: they may hold secrets)\n", answer->body.n);
    return out->failed;
}

void exchange_save(const struct delivery *d, const struct http_request *request,
                   const struct http_answer *answer)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    char name[NAME_MAX + 64];
    int r = describe(request, answer, &text);

    (void)snprintf(name, sizeof(name), "%s.exchange", d->key);
    if (r == 0)
        r = file_write_private(d->state, name, strbuf_view(&text));
    if (r < 0)
        log_warning_errno(r, "cannot keep what the server said in state/%s, ignoring", name);
    else
        log_info("what the server said is in state/%s", name);
}
