/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "parse/steam_answer.h"

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!byte_is_alnum(s.p[i]) && (s.p[i] == '\0' || !strchr("!#$%&'*+-.^_`|~", s.p[i])))
            return false;
    return s.n > 0;
}

static bool is_printable(struct span s, char lowest)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < lowest || s.p[i] > '~')
            return false;
    return true;
}

static struct span json_span(const json_t *value)
{
    return json_is_string(value) ? span_bytes(json_string_value(value), json_string_length(value))
                                 : (struct span){ NULL, 0 };
}

/* Headers that decide how the request is framed or where it goes are ours alone. */
static bool is_forbidden_header(struct span name)
{
    static const char *const names[] = { "Host",
                                         "Content-Length",
                                         "Transfer-Encoding",
                                         "Connection",
                                         "Expect",
                                         "Upgrade",
                                         "TE",
                                         "Trailer",
                                         "Keep-Alive",
                                         "Proxy-Connection",
                                         "Proxy-Authorization" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (span_eq_case(name, names[i]))
            return true;
    return false;
}

static const char *take_url(const json_t *value, bool allow_http, struct steam_answer *out)
{
    struct span url = json_span(value), rest = url, host;
    size_t end = 0;

    if (url.n == 0)
        return "there is no url";
    if (!is_printable(url, '!') || !span_copy(url, out->url, sizeof(out->url)))
        return "the url is too long, or has bytes that no URL may have";
    if (!span_skip(&rest, "https://") && !(allow_http && span_skip(&rest, "http://")))
        return allow_http ? "the url is neither http nor https" : "the url is not https";
    while (end < rest.n && !strchr("/?#", rest.p[end]))
        end++;
    host = (struct span){ rest.p, end };
    if (span_find_byte(host, '@') != SIZE_MAX || span_find_byte(host, '\\') != SIZE_MAX)
        return "the url has user information";
    if (host.n == 0 || host.p[0] == ':')
        return "the url has no host";
    return NULL;
}

/* Seen as a string and as a number. */
static const char *take_gid(const json_t *value, struct steam_answer *out)
{
    struct span gid = json_span(value);

    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        (void)snprintf(out->gid, sizeof(out->gid), "%" JSON_INTEGER_FORMAT,
                       json_integer_value(value));
        return NULL;
    }
    if (gid.n == 0)
        return "there is no gid";
    if (!is_printable(gid, '!') || !span_copy(gid, out->gid, sizeof(out->gid)))
        return "the gid is too long, or has odd bytes";
    return NULL;
}

static const char *take_header(const json_t *pair, struct steam_header *out)
{
    struct span name = json_span(json_object_get(pair, "name"));
    const json_t *value_json = json_object_get(pair, "value");
    struct span value = json_span(value_json);

    if (!json_is_string(value_json) || !is_token(name))
        return "a header has no valid name or no value";
    if (is_forbidden_header(name))
        return "a header would change how the request is framed";
    if (!is_printable(value, ' '))
        return "a header's value has control bytes";
    value = span_trim(value); /* RFC 9110, 5.5: blanks around it are no part of it */
    if (!span_copy(name, out->name, sizeof(out->name)) ||
        !span_copy(value, out->value, sizeof(out->value)))
        return "a header is too long";
    return NULL;
}

static const char *take_headers(const json_t *headers, struct steam_answer *out)
{
    const json_t *pairs = json_object_get(headers, "pairs");

    if (!headers || json_is_null(headers) || (json_is_object(headers) && !pairs))
        return NULL; /* none to send */
    if (!json_is_array(pairs))
        return "the header pairs are no array";
    if (json_array_size(pairs) > STEAM_ANSWER_MAX_HEADERS)
        return "there are more than 20 headers";
    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const char *why = take_header(json_array_get(pairs, i), &out->headers[i]);

        if (why)
            return why;
        out->n_headers = i + 1;
    }
    return NULL;
}

static const char *take_all(const json_t *top, bool allow_http, struct steam_answer *out)
{
    const json_t *response = json_object_get(top, "response");
    const char *why;

    if (!json_is_object(response))
        return "it is no JSON object with a response";
    why = take_url(json_object_get(response, "url"), allow_http, out);
    if (!why)
        why = take_gid(json_object_get(response, "gid"), out);
    if (!why)
        why = take_headers(json_object_get(response, "headers"), out);
    return why;
}

int steam_answer_parse(struct span body, bool allow_http, struct steam_answer *out,
                       const char **why)
{
    struct steam_answer *answer;
    json_t *top;

    if (body.n > STEAM_ANSWER_MAX) {
        *why = "it is longer than 64 KiB";
        return -EBADMSG;
    }
    answer = calloc(1, sizeof(*answer)); /* some 46 KiB: not for the stack */
    if (!answer)
        return -ENOMEM;
    /* JSON_ALLOW_NUL: a NUL inside a string is refused by us, with a reason. */
    top = json_loadb(body.n ? body.p : "", body.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    *why = take_all(top, allow_http, answer);
    json_decref(top);
    if (!*why)
        *out = *answer;
    free(answer);
    return *why ? -EBADMSG : 0;
}
