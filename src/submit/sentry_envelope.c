/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>
#include <zlib.h>

#include "base/json_file.h"
#include "submit/sentry_envelope.h"

enum { ITEM_HEADER_MAX = 512 /* bytes, with the line ends around the payload */ };

static int add_json_line(struct strbuf *out, json_t *json)
{
    _cleanup_free_ char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    if (!text)
        return -ENOMEM;
    (void)strbuf_str(out, text);
    return strbuf_char(out, '\n');
}

static int add_item(struct sentry_envelope *e, json_t *header, struct span payload)
{
    int r = add_json_line(&e->raw, header);

    if (r < 0)
        return r;
    (void)strbuf_span(&e->raw, payload);
    return strbuf_char(&e->raw, '\n');
}

int sentry_envelope_start(struct sentry_envelope *e, const char *event_id, int64_t sent_at,
                          struct span event)
{
    time_t seconds = (time_t)sent_at;
    char when[32] = "";
    struct tm tm;
    int r;

    *e = (struct sentry_envelope){ .raw = { .max = SENTRY_ENVELOPE_MAX } };
    if (gmtime_r(&seconds, &tm))
        (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    r = add_json_line(&e->raw,
                      json_pack("{s:s, s:s, s:{s:s, s:s}}", "event_id", event_id, "sent_at", when,
                                "sdk", "name", "kdump-steamos", "version", KDUMP_VERSION));
    if (r == 0)
        r = add_item(e,
                     json_pack("{s:s, s:I, s:s}", "type", "event", "length", (json_int_t)event.n,
                               "content_type", "application/json"),
                     event);
    return r;
}

static const char *content_type(const char *filename)
{
    struct span name = span_str(filename);

    if (span_ends(name, ".json"))
        return "application/json";
    return span_ends(name, ".html") ? "text/html" : "text/plain";
}

static bool is_log(const char *filename)
{
    struct span name = span_str(filename);

    return span_starts(name, "dmesg-") || span_starts(name, "console.");
}

/* From the beginning of a line on, at most max bytes of the end. */
static struct span last_lines(struct span text, size_t max)
{
    size_t line;

    if (text.n <= max)
        return text;
    (void)span_take(&text, text.n - max);
    line = span_find_byte(text, '\n');
    if (line != SIZE_MAX)
        (void)span_take(&text, line + 1);
    return text;
}

int sentry_envelope_attach(struct sentry_envelope *e, const char *filename, struct span bytes)
{
    size_t room = SENTRY_ENVELOPE_MAX - e->raw.n;
    json_t *header;

    if (room <= ITEM_HEADER_MAX || strlen(filename) > ITEM_HEADER_MAX / 2)
        return 0;
    if (is_log(filename))
        bytes = last_lines(bytes, room - ITEM_HEADER_MAX);
    if (bytes.n == 0 || bytes.n > room - ITEM_HEADER_MAX)
        return 0;
    header = json_pack("{s:s, s:I, s:s, s:s, s:s}", "type", "attachment", "length",
                       (json_int_t)bytes.n, "filename", filename, "content_type",
                       content_type(filename), "attachment_type", "event.attachment");
    if (!header)
        return 0; /* its name is no UTF-8 */
    return add_item(e, header, bytes);
}

int sentry_envelope_compress(const struct sentry_envelope *e, struct strbuf *out)
{
    enum { GZIP = 16 + MAX_WBITS, MEMORY = 8 };
    z_stream z = { .next_in = (unsigned char *)(uintptr_t)e->raw.p,
                   .avail_in = (unsigned)e->raw.n };
    size_t bound;
    int r;

    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        return -ENOMEM;
    bound = deflateBound(&z, e->raw.n);
    r = strbuf_reserve(out, bound);
    if (r == 0) {
        z.next_out = (unsigned char *)out->p + out->n;
        z.avail_out = (unsigned)bound;
        r = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : -EIO;
    }
    if (r == 0) {
        out->n += z.total_out;
        out->p[out->n] = '\0';
    }
    (void)deflateEnd(&z);
    return r;
}

void sentry_envelope_done(struct sentry_envelope *e)
{
    strbuf_clear(&e->raw);
}
