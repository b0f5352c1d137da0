/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Start hands out for the PUT, and whether the PUT came with it. */
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <sys/random.h>

#include "base/json_file.h"
#include "receiver.h"

enum { REQUEST_HEADERS_MAX = 256 };

static int random_u64(uint64_t *out)
{
    return getrandom(out, sizeof(*out), 0) == (ssize_t)sizeof(*out) ? 0 : -EIO;
}

static void add_pair(json_t *pairs, const char *name, const char *value)
{
    (void)json_array_append_new(pairs, json_pack("{s:s, s:s}", "name", name, "value", value));
}

static void adjust_pairs(json_t *pairs, const struct fault_hit *fault)
{
    if (fault->kind == FAULT_HEADER_INJECT)
        add_pair(pairs, "X-Upload-Hint", "plain\r\nX-Injected: yes");
    if (fault->kind != FAULT_HEADERS)
        return;
    while (json_array_size(pairs) > fault->number)
        (void)json_array_remove(pairs, json_array_size(pairs) - 1);
    for (size_t i = json_array_size(pairs); i < fault->number; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "X-Extra-%zu", i);
        add_pair(pairs, name, "1");
    }
}

/* The values hold what a client could get wrong: blanks, quotes, the bytes of base64. */
static json_t *make_pairs(const struct receiver *rx, uint64_t token, const struct fault_hit *fault)
{
    json_t *pairs = json_array();
    char text[48];

    (void)snprintf(text, sizeof(text), "%016" PRIx64 "+/==", token);
    add_pair(pairs, "Content-Type", "application/zip");
    add_pair(pairs, "X-Upload-Token", text);
    add_pair(pairs, "X-Upload-Note", "kind=\"crash report\"; part=1, of 1");
    for (size_t i = 0; i < rx->n_expected; i++) {
        const char *colon = strchr(rx->expected[i], ':');
        _cleanup_free_ char *name = strndup(rx->expected[i], (size_t)(colon - rx->expected[i]));

        if (name)
            add_pair(pairs, name, colon + 1 + strspn(colon + 1, " "));
    }
    adjust_pairs(pairs, fault);
    return pairs;
}

static char *make_url(const struct receiver *rx, const char *host, const char *target,
                      const struct fault_hit *fault)
{
    struct strbuf b = { 0 };

    if (fault->kind == FAULT_URL)
        (void)strbuf_str(&b, fault->text);
    else
        (void)strbuf_printf(&b, "%s://%s%s%s", rx->tls ? "https" : "http",
                            fault->kind == FAULT_USERINFO ? "user:pw@" : "", host, target);
    return strbuf_take(&b);
}

int start_upload(struct receiver *rx, const char *host, json_t *fields,
                 const struct fault_set *faults, json_t **response, const struct upload **upload)
{
    const struct fault_hit *gid_fault = &faults->by_class[CLASS_GID];
    uint64_t number = 0, token = 0, signature = 0;
    _cleanup_free_ char *url = NULL;
    _cleanup_json_ json_t *made = NULL, *pairs = NULL;
    char gid[24], target[160];
    int r;

    if (random_u64(&number) < 0 || random_u64(&token) < 0 || random_u64(&signature) < 0)
        return -EIO;
    (void)snprintf(gid, sizeof(gid), "%" PRIu64, number);
    /* A query as presigned URLs have it: it must come back byte for byte. */
    (void)snprintf(target, sizeof(target),
                   "/put/%016" PRIx64 "?Expires=3600&Signature=%016" PRIx64 "%%2B%%2f%%3D&v=1",
                   token, signature);
    pairs = make_pairs(rx, token, &faults->by_class[CLASS_PAIRS]);
    url = make_url(rx, host, target, &faults->by_class[CLASS_URL]);
    if (!pairs || !url)
        return -ENOMEM;
    made = json_pack("{s:{s:s, s:s, s:{s:O}}}", "response", "url", url, "gid",
                     gid_fault->text ? gid_fault->text : gid, "headers", "pairs", pairs);
    if (!made)
        return -EINVAL; /* a text of a fault that is no UTF-8 */
    r = store_start(rx->store, strdup(gid_fault->text ? gid_fault->text : gid), strdup(target),
                    json_incref(pairs), fields, upload);
    if (r == 0)
        *response = TAKE_PTR(made);
    return r;
}

/* What a client may say of its own. */
static const char *const own_headers[] = {
    "Host", "User-Agent", "Accept", "Accept-Encoding", "Expect", "Connection", "Content-Length"
};

static enum MHD_Result collect_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                      const char *value)
{
    json_t *headers = cls,
           *pair = json_pack("{s:s, s:s}", "name", name, "value", value ? value : "");

    /* NULL where a byte is no UTF-8: then it cannot be what was handed out. */
    if (!pair)
        pair = json_pack("{s:s, s:s}", "name", "?", "value", "?");
    (void)json_array_append_new(headers, pair);
    return json_array_size(headers) < REQUEST_HEADERS_MAX ? MHD_YES : MHD_NO;
}

static size_t count_header(const json_t *headers, const char *name, const char **value)
{
    const json_t *h;
    size_t i, n = 0;

    json_array_foreach(headers, i, h) if (strcasecmp(json_get_str(h, "name", ""), name) == 0)
    {
        *value = json_get_str(h, "value", "");
        n++;
    }
    return n;
}

static bool is_own_header(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(own_headers); i++)
        if (strcasecmp(own_headers[i], name) == 0)
            return true;
    return false;
}

static int judge_headers(const json_t *headers, const json_t *pairs, char *why, size_t size)
{
    const char *value = "";
    const json_t *it;
    size_t i, n;

    json_array_foreach(pairs, i, it)
    {
        const char *name = json_get_str(it, "name", ""), *want = json_get_str(it, "value", "");

        n = count_header(headers, name, &value);
        if (n == 1 && strcmp(value, want) == 0)
            continue;
        (void)snprintf(why, size, "header %.64s %s", name,
                       n == 0  ? "is missing"
                       : n > 1 ? "is there more than once"
                               : "has another value than was handed out");
        return -EINVAL;
    }
    json_array_foreach(headers, i, it)
    {
        const char *name = json_get_str(it, "name", "");

        if (is_own_header(name) || count_header(pairs, name, &value) > 0)
            continue;
        (void)snprintf(why, size, "header %.64s was not handed out", name);
        return -EINVAL;
    }
    return 0;
}

int check_headers(struct MHD_Connection *conn, const json_t *pairs, json_t **headers, char *why,
                  size_t why_size)
{
    *headers = json_array();
    if (!*headers)
        return -ENOMEM;
    (void)MHD_get_connection_values(conn, MHD_HEADER_KIND, collect_header, *headers);
    return judge_headers(*headers, pairs, why, why_size);
}
