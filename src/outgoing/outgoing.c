/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/log.h"
#include "outgoing/outgoing.h"
#include "outgoing/titles.h"
#include "spool/report_zip.h"

enum {
    MAX_MEMBER = 32 << 20, /* bytes that are read of one; the rest stays here */
    MAX_MEMBERS = 512,
    MAX_TOTAL = 128 << 20, /* bytes of all members */
};

enum form { FORM_TEXT, FORM_LOG, FORM_RING, FORM_VERSION, FORM_JSON, FORM_HTML };

/* Only what is known leaves: a vmcore, or a record that could not be decoded, cannot be looked
 * through. */
static const struct {
    const char *prefix, *suffix;
    enum form form;
} members[] = {
    { "dmesg-", "", FORM_LOG },        { "console.", "", FORM_RING },
    { "pmsg.", "", FORM_LOG },         { "crash_summary.", "", FORM_LOG },
    { "build.", "", FORM_TEXT },       { "version.", "", FORM_VERSION },
    { "dmidecode.", "", FORM_TEXT },   { "report.", ".json", FORM_JSON },
    { "report.", ".html", FORM_HTML },
};

struct making {
    const struct outgoing_options *options;
    struct scrub *scrub; /* NULL: nothing is hidden */
    struct report_zip *zip;
    json_t *report;    /* owned; as it was collected, of a report with several the last; or NULL */
    struct strbuf log; /* owned; what leaves of the log that the report was made of */
    bool whole;        /* it is what a crash kernel saved: what pstore has is part of it */
    bool titled;       /* the scrubber knows how the titles are written */
    size_t n, total;
    unsigned left_out;
};

static bool find_form(const char *name, enum form *form)
{
    struct span s = span_str(name);

    if (span_ends(s, ".enc.z"))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (span_starts(s, members[i].prefix) && span_ends(s, members[i].suffix)) {
            *form = members[i].form;
            return true;
        }
    return false;
}

static int protect(struct scrub *s, const json_t *value)
{
    const json_t *item;
    size_t i;
    int r = 0;

    if (json_is_string(value))
        return scrub_protect(s, span_str(json_string_value(value)));
    json_array_foreach(value, i, item) if (r == 0) r =
        protect(s, json_is_object(item) ? json_object_get(item, "name") : item);
    return r;
}

/* What a report's structure is made of: a machine of the name of a module keeps its traces. Names
 * of code only: a panic's title is free text. */
static int protect_report(struct scrub *s, const json_t *report)
{
    static const char *const keys[] = { "crash_function", "stack", "modules", "modules_unloaded" };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(keys); i++)
        r = protect(s, json_object_get(report, keys[i]));
    return r < 0 ? r : scrub_keep(s, span_str(json_get_str(report, "kernel_release", "")));
}

/* Versions, which may look like addresses, or hold a word that is the machine's name, too. */
static int keep_versions(struct scrub *s, const json_t *collected)
{
    static const char *const keys[] = { "crashed_kernel", "running_kernel", "build" };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(keys); i++)
        r = scrub_keep(s, span_str(json_get_str(collected, keys[i], "")));
    return r;
}

static int teach(struct scrub *s, const json_t *report, const struct private_values *known)
{
    static const struct {
        const char *key;
        enum scrub_kind kind;
    } collected[] = { { "serial", SCRUB_SERIAL },
                      { "account", SCRUB_STEAM },
                      { "steamid", SCRUB_STEAM },
                      { "hostname", SCRUB_HOST } };
    const json_t *item;
    size_t i;
    int r = 0;

    json_array_foreach(json_object_get(report, "reports"), i, item) if (r == 0) r =
        protect_report(s, item);
    if (r == 0)
        r = keep_versions(s, json_object_get(report, "collected"));
    for (i = 0; r == 0 && i < ARRAY_SIZE(collected); i++)
        r = scrub_add_known(s, collected[i].kind,
                            span_str(json_get_str(json_object_get(report, "collected"),
                                                  collected[i].key, "")));
    return r == 0 && known ? private_values_tell(known, s) : r;
}

/* Bytes that are no UTF-8 become '?': a reader that decodes strictly reads it all the same. */
static int add_utf8(struct span text, struct strbuf *out)
{
    while (text.n > 0) {
        unsigned char c = (unsigned char)text.p[0];
        size_t n = c < 0x80                ? 1
                   : c >= 0xc2 && c < 0xe0 ? 2
                   : c >= 0xe0 && c < 0xf0 ? 3
                   : c >= 0xf0 && c < 0xf5 ? 4
                                           : 0;
        json_t *sequence = n > 1 && n <= text.n ? json_stringn(text.p, n) : NULL;

        if (n == 1 || sequence)
            (void)strbuf_span(out, span_take(&text, n));
        else
            (void)strbuf_char(out, '?'), (void)span_take(&text, 1);
        json_decref(sequence);
    }
    return out->failed;
}

static int scrub_report(struct scrub *s, struct span bytes, struct strbuf *out)
{
    _cleanup_json_ json_t *json = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
    _cleanup_free_ char *text = NULL;
    int r;

    if (!json)
        return -EBADMSG;
    r = scrub_json(s, json);
    if (r < 0)
        return r == -EFBIG ? -EBADMSG : r;
    text = json_dumps(json, JSON_INDENT(1));
    return text ? strbuf_str(out, text) : -ENOMEM;
}

/* The log that has left so far; in a ZIP of ours it stands before what is made of it. */
static int note_log(struct making *m, const char *name, struct span scrubbed)
{
    bool whole = span_starts(span_str(name), "dmesg-kdump");

    if (!span_starts(span_str(name), "dmesg-") || (m->whole && !whole))
        return 0;
    if (whole)
        strbuf_clear(&m->log);
    else if (m->log.n > 0 && m->log.p[m->log.n - 1] != '\n')
        (void)strbuf_char(&m->log, '\n');
    m->whole = whole;
    return strbuf_span(&m->log, scrubbed);
}

static int scrub_member(struct making *m, enum form form, struct span bytes, struct strbuf *out)
{
    int r = 0;

    if ((form == FORM_JSON || form == FORM_HTML) && !m->titled) {
        r = titles_rename(m->scrub, m->report, strbuf_view(&m->log));
        m->titled = true;
    }
    if (r < 0)
        return r;
    if (form == FORM_JSON)
        return scrub_report(m->scrub, bytes, out);
    return form == FORM_HTML ? scrub_html(m->scrub, bytes, out) : scrub_text(m->scrub, bytes, out);
}

/* What a ring buffer has of the line that it begins with may be the second half of an address. */
static void drop_cut_line(struct span *bytes)
{
    struct span line;

    if (bytes->n > 0 && bytes->p[0] != '[' && bytes->p[0] != '<')
        (void)span_next_line(bytes, &line);
}

static int transform(struct making *m, const char *name, enum form form, struct span bytes,
                     struct strbuf *out)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span line;
    int r = 0;

    if (m->options->plain && form == FORM_VERSION && span_next_line(&bytes, &line))
        bytes = line;
    if (m->options->plain && (form == FORM_LOG || form == FORM_RING || form == FORM_VERSION)) {
        r = add_utf8(bytes, &text);
        bytes = strbuf_view(&text);
    }
    if (r < 0 || !m->scrub)
        return r < 0 ? r : strbuf_span(out, bytes);
    if (form == FORM_RING)
        drop_cut_line(&bytes);
    r = scrub_member(m, form, bytes, out);
    return r < 0 || form != FORM_LOG ? r : note_log(m, name, strbuf_view(out));
}

static int take_member(void *ctx, const char *name, struct span bytes)
{
    _cleanup_strbuf_ struct strbuf out = { 0 };
    struct making *m = ctx;
    enum form form;
    int r;

    if (!find_form(name, &form) || strchr(name, '/') || strlen(name) > NAME_MAX) {
        m->left_out++;
        return 0;
    }
    r = transform(m, name, form, bytes, &out);
    if (r == -EBADMSG) {
        m->left_out++; /* damaged: it cannot be looked through */
        return 0;
    }
    if (r < 0)
        return r;
    if (++m->n > MAX_MEMBERS || !add_size(m->total, out.n, &m->total) || m->total > MAX_TOTAL)
        return -EFBIG;
    return report_zip_add(m->zip, name, m->options->time, strbuf_view(&out));
}

static int write_zip(int zip, struct making *m, int fd)
{
    _cleanup_(report_zip_abandonp) struct report_zip *made = NULL;
    int r = report_zip_create(fd, &made);

    m->zip = made;
    if (r == 0)
        r = report_zip_read(zip, MAX_MEMBER, NULL, take_member, m);
    return r < 0 ? r : report_zip_finish(TAKE_PTR(made));
}

/* The report, and behind it what it and the logs name: a name is replaced from the first line on,
 * and it may be the last that tells what it is. */
static int take_report(void *ctx, const char *name, struct span bytes)
{
    struct making *m = ctx;

    json_decref(m->report);
    m->report = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
    return 0;
}

static int take_names(void *ctx, const char *name, struct span bytes)
{
    return scrub_read(((struct making *)ctx)->scrub, bytes);
}

static bool is_report_json(const char *name)
{
    enum form form;

    return find_form(name, &form) && form == FORM_JSON;
}

static bool may_teach(const char *name)
{
    enum form form;

    return find_form(name, &form) && form != FORM_JSON && form != FORM_HTML;
}

static int make_scrub(int zip, const struct private_values *known, struct making *m)
{
    int r = report_zip_read(zip, MAX_MEMBER, is_report_json, take_report, m);

    if (r == 0)
        r = scrub_new(&m->scrub);
    if (r == 0)
        r = teach(m->scrub, m->report, known);
    return r < 0 ? r : report_zip_read(zip, MAX_MEMBER, may_teach, take_names, m);
}

static void making_done(struct making *m)
{
    scrub_free(m->scrub);
    json_decref(m->report);
    strbuf_clear(&m->log);
}

/* The report as it is. */
static int pass_through(int zip, struct outgoing *out)
{
    int fd = fcntl(zip, F_DUPFD_CLOEXEC, 3);
    struct stat st;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0) {
        close_fd(&fd);
        return -errno;
    }
    *out = (struct outgoing){ .fd = fd, .size = (uint64_t)st.st_size };
    return 0;
}

int outgoing_make(int zip, const struct outgoing_options *options, struct outgoing *out)
{
    _cleanup_outgoing_ struct outgoing made = OUTGOING_INIT;
    _cleanup_(making_done) struct making m = { .options = options };
    off_t size;
    int r = options->scrub ? make_scrub(zip, options->known, &m) : 0;

    if (r < 0)
        return r;
    if (!options->scrub && !options->plain)
        return pass_through(zip, out);
    made.fd = memfd_create("report", MFD_CLOEXEC);
    if (made.fd < 0)
        return -errno;
    r = write_zip(zip, &m, made.fd);
    if (r < 0)
        return r;
    size = lseek(made.fd, 0, SEEK_END);
    if (size < 0 || lseek(made.fd, 0, SEEK_SET) < 0)
        return -errno;
    made.size = (uint64_t)size;
    made.left_out = m.left_out;
    for (int kind = 0; m.scrub && kind < SCRUB_N_KINDS; kind++)
        made.replaced[kind] = scrub_count(m.scrub, (enum scrub_kind)kind);
    *out = made;
    made.fd = -EBADF;
    return 0;
}

void outgoing_done(struct outgoing *outgoing)
{
    close_fd(&outgoing->fd);
    outgoing->fd = -EBADF;
}

void outgoing_describe(const struct outgoing *outgoing, char *buf, size_t size)
{
    size_t n = 0;

    (void)span_copy(SPAN("nothing"), buf, size);
    for (int kind = 0; kind < SCRUB_N_KINDS; kind++) {
        int more;

        if (outgoing->replaced[kind] == 0)
            continue;
        more = snprintf(buf + n, size - n, "%s%u %s", n > 0 ? ", " : "", outgoing->replaced[kind],
                        scrub_kind_name((enum scrub_kind)kind));
        if (more < 0 || (size_t)more >= size - n)
            return;
        n += (size_t)more;
    }
}
