/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/strbuf.h"
#include "klog/frame.h"
#include "klog/kinds.h"
#include "klog/klog.h"
#include "klog/line.h"

enum {
    MAX_REPORTS = 256,
    MAX_NOTE = 256 << 10,
    MAX_STACK = 32 << 10,
    MAX_GAP = 60, /* lines of other things inside a report, before it counts as ended */
    MAX_SUMMARY_LINES = 50,
    SIGNATURE_FRAMES = 6,
};

struct parsed_report {
    struct klog_report report;
    const struct klog_kind *kind;
    struct span context; /* the caller of its lines; a report is of one context */
    struct strbuf stack, note;
    uint64_t hash;
    unsigned hashed_frames, quiet_lines;
    bool in_trace, has_rip, ended;
};

struct klog {
    struct span text;
    struct parsed_report *reports; /* owned */
    size_t n;
    bool panicked;
};

static void report_done(struct parsed_report *r)
{
    free(r->report.title);
    free(r->report.crash_function);
    free(r->report.signature);
    free(r->report.kernel_release);
    free(r->report.comm);
    free(r->report.panic_message);
    strbuf_clear(&r->stack);
    strbuf_clear(&r->note);
}

void klog_free(struct klog *klog)
{
    for (size_t i = 0; i < klog->n; i++)
        report_done(&klog->reports[i]);
    free(klog->reports);
    free(klog);
}

static int set_once(char **field, struct span value)
{
    if (*field || value.n == 0)
        return 0;
    *field = span_dup(value);
    return *field ? 0 : -ENOMEM;
}

/* FNV-1a, for signatures: stable over machines and builds. */
static void hash_span(uint64_t *hash, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        *hash = (*hash ^ (unsigned char)s.p[i]) * 0x100000001b3ULL;
    *hash = (*hash ^ '\n') * 0x100000001b3ULL;
}

static int take_function(struct parsed_report *r, struct span function)
{
    function = klog_function_base(function);
    if (klog_is_helper(function))
        return 0;
    return set_once(&r->report.crash_function, function);
}

static int take_frame(struct parsed_report *r, const struct klog_frame *frame)
{
    struct span base = klog_function_base(frame->function);

    if (!frame->reliable || r->stack.n >= MAX_STACK)
        return 0;
    (void)strbuf_printf(&r->stack, "%.*s+0x%llx/0x%llx", (int)frame->function.n, frame->function.p,
                        (unsigned long long)frame->offset, (unsigned long long)frame->length);
    if (frame->module.n > 0)
        (void)strbuf_printf(&r->stack, " [%.*s]", (int)frame->module.n, frame->module.p);
    (void)strbuf_char(&r->stack, '\n');
    if (r->hashed_frames < SIGNATURE_FRAMES && !klog_is_helper(base)) {
        hash_span(&r->hash, base);
        r->hashed_frames++;
    }
    return r->stack.failed == -ENOMEM ? -ENOMEM : take_function(r, frame->function);
}

/* "CPU: 3 PID: 2561 Comm: name Not tainted 6.1.52 #36": comm may hold blanks, so it ends where the
 * taint begins, and the release is the word before " #". */
static int take_cpu_line(struct parsed_report *r, struct span text)
{
    size_t comm_at = span_find(text, " Comm: "), end, hash_at;
    struct span comm, release;
    int ret;

    if (!span_starts(text, "CPU: ") || comm_at == SIZE_MAX)
        return 0;
    (void)span_take(&text, comm_at + strlen(" Comm: "));
    end = span_find(text, " Not tainted");
    if (end == SIZE_MAX)
        end = span_find(text, " Tainted: ");
    if (end == SIZE_MAX)
        return 0;
    comm = span_take(&text, end);
    ret = set_once(&r->report.comm, comm);
    hash_at = span_find(text, " #");
    if (ret < 0 || hash_at == SIZE_MAX)
        return ret;
    release = (struct span){ text.p, hash_at };
    for (size_t i = release.n; i > 0; i--)
        if (release.p[i - 1] == ' ') {
            (void)span_take(&release, i);
            break;
        }
    return set_once(&r->report.kernel_release, release);
}

static int take_rip(struct parsed_report *r, struct span text)
{
    static const char *const heads[] = { "RIP: 0010:", "pc : ", "EIP: " };
    struct klog_frame frame;

    for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
        struct span rest = text;

        if (!span_skip(&rest, heads[i]) || !klog_frame_parse(rest, &frame) || r->has_rip)
            continue;
        r->has_rip = true;
        return take_function(r, frame.function);
    }
    return 0;
}

static int take_line(struct parsed_report *r, struct span text)
{
    struct klog_frame frame;
    int ret;

    if (r->note.n < MAX_NOTE) {
        (void)strbuf_span(&r->note, text);
        (void)strbuf_char(&r->note, '\n');
    }
    ret = take_cpu_line(r, text);
    if (ret == 0)
        ret = take_rip(r, text);
    if (span_starts(text, "Call Trace:") || span_starts(text, "Call trace:"))
        r->in_trace = r->stack.n == 0 || r->in_trace;
    else if (span_starts(text, "---[ end ") || span_starts(text, "Modules linked in"))
        r->in_trace = false;
    else if (ret == 0 && r->in_trace && klog_frame_parse(text, &frame))
        ret = take_frame(r, &frame);
    return ret < 0 ? ret : r->note.failed == -ENOMEM ? -ENOMEM : 0;
}

/* Headers that tell more of the report they follow, rather than of another crash. */
static bool continues(const struct parsed_report *r, const struct klog_kind *kind, struct span text)
{
    if (r->ended)
        return false;
    if (span_contains(text, "Kernel panic - not syncing"))
        return true;
    /* "kernel BUG at" is followed by its trap, "Unable to handle" by "Internal error". */
    return r->kind->oops && !r->has_rip && kind->oops;
}

static struct parsed_report *last_report(struct klog *klog)
{
    return klog->n > 0 ? &klog->reports[klog->n - 1] : NULL;
}

static int take_panic(struct parsed_report *r, struct span text)
{
    static const char needle[] = "Kernel panic - not syncing: ";
    size_t at = span_find(text, needle);

    if (at == SIZE_MAX)
        return 0;
    (void)span_take(&text, at + strlen(needle));
    return set_once(&r->report.panic_message, text.n > 0 ? span_trim(text) : SPAN("?"));
}

static int begin_report(struct klog *klog, const struct klog_kind *kind, struct klog_line line,
                        unsigned number)
{
    struct parsed_report *reports, *r;

    if (klog->n == MAX_REPORTS)
        return 0;
    reports = reallocarray(klog->reports, klog->n + 1, sizeof(*reports));
    if (!reports)
        return -ENOMEM;
    klog->reports = reports;
    r = &reports[klog->n++];
    *r = (struct parsed_report){ .kind = kind,
                                 .context = line.caller,
                                 .hash = 0xcbf29ce484222325ULL };
    r->report.first_line = r->report.last_line = number;
    return 0;
}

static int make_title(struct parsed_report *r)
{
    _cleanup_strbuf_ struct strbuf title = { 0 };
    const char *pattern = r->kind->title, *at;

    if (!pattern) {
        (void)strbuf_printf(&title, "kernel panic: %s",
                            r->report.panic_message ? r->report.panic_message : "?");
    } else {
        at = strchr(pattern, '%');
        (void)strbuf_append(&title, pattern, (size_t)(at - pattern));
        (void)strbuf_str(&title, r->report.crash_function ? r->report.crash_function : "corrupted");
    }
    for (size_t i = 0; i < title.n; i++)
        if (title.p[i] < ' ' || title.p[i] > '~')
            title.p[i] = '?';
    hash_span(&r->hash, strbuf_view(&title));
    r->report.title = strbuf_take(&title);
    if (!r->report.title ||
        asprintf(&r->report.signature, "%016llx", (unsigned long long)r->hash) < 0)
        return -ENOMEM;
    r->report.stack = r->stack.p;
    r->report.note = r->note.p;
    return 0;
}

static int parse_line(struct klog *klog, struct klog_line line, unsigned number)
{
    const struct klog_kind *kind = klog_kind_of(line.text);
    struct parsed_report *r = last_report(klog);
    int ret;

    klog->panicked |= span_contains(line.text, "Kernel panic - not syncing");
    if (kind && (!r || !continues(r, kind, line.text))) {
        ret = begin_report(klog, kind, line, number);
        if (ret < 0)
            return ret;
        r = last_report(klog);
    }
    if (!r || r->ended)
        return 0;
    ret = take_panic(r, line.text);
    if (ret < 0)
        return ret;
    if (!span_eq_span(r->context, line.caller) && !kind)
        return 0;
    r->report.last_line = number;
    ret = take_line(r, line.text);
    if (span_starts(line.text, "---[ end Kernel panic"))
        r->ended = true;
    /* Behind the end of the trace only the panic is still of this report. */
    if (r->stack.n > 0 && !r->in_trace && ++r->quiet_lines > MAX_GAP)
        r->ended = true;
    return ret;
}

int klog_parse(struct span text, struct klog **out)
{
    _cleanup_(klog_freep) struct klog *klog = calloc(1, sizeof(*klog));
    struct span rest = text, raw;
    unsigned number = 0;

    if (!klog)
        return -ENOMEM;
    klog->text = text;
    while (span_next_line(&rest, &raw)) {
        int r = parse_line(klog, klog_line_parse(raw), ++number);

        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < klog->n; i++) {
        int r = make_title(&klog->reports[i]);

        if (r < 0)
            return r;
    }
    *out = TAKE_PTR(klog);
    return 0;
}

static size_t primary_index(const struct klog *klog)
{
    for (size_t i = 0; i < klog->n; i++)
        if (klog->reports[i].report.panic_message)
            return i;
    for (size_t i = klog->n; i-- > 0;)
        if (klog->reports[i].kind->oops)
            return i;
    return 0;
}

const struct klog_report *klog_primary(const struct klog *klog)
{
    return klog->n > 0 ? &klog->reports[primary_index(klog)].report : NULL;
}

/* jansson takes UTF-8 only: what is none becomes U+FFFD, byte for byte. */
static json_t *json_text(const char *s)
{
    _cleanup_strbuf_ struct strbuf b = { 0 };
    json_t *value;

    if (!s)
        return json_null();
    value = json_string(s);
    if (value)
        return value;
    for (; *s; s++) {
        if ((unsigned char)*s < 0x80)
            (void)strbuf_char(&b, *s);
        else
            (void)strbuf_str(&b, "\xef\xbf\xbd");
    }
    return b.failed ? NULL : json_string(strbuf_cstr(&b));
}

static json_t *report_json(const struct parsed_report *r)
{
    return json_pack("{s:o, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i}", "title",
                     json_text(r->report.title), "kind", r->kind->kind, "crash_function",
                     json_text(r->report.crash_function), "panicked",
                     r->report.panic_message != NULL, "panic_message",
                     json_text(r->report.panic_message), "signature",
                     json_text(r->report.signature), "comm", json_text(r->report.comm),
                     "kernel_release", json_text(r->report.kernel_release), "stack",
                     json_text(r->report.stack), "note", json_text(r->report.note), "first_line",
                     (int)r->report.first_line, "last_line", (int)r->report.last_line);
}

int klog_to_json(const struct klog *klog, json_t **out)
{
    json_t *reports = json_array(), *top;

    for (size_t i = 0; i < klog->n; i++) {
        if (json_array_append_new(reports, report_json(&klog->reports[i])) < 0) {
            json_decref(reports);
            return -ENOMEM;
        }
    }
    top = json_pack("{s:i, s:b, s:o, s:o}", "schema", 1, "panicked", klog->panicked, "reports",
                    reports, "primary",
                    klog->n > 0 ? json_integer((json_int_t)primary_index(klog)) : json_null());
    if (!top)
        return -ENOMEM;
    *out = top;
    return 0;
}

int klog_summary(const struct klog *klog, char **out)
{
    const struct klog_report *primary = klog_primary(klog);
    _cleanup_strbuf_ struct strbuf b = { 0 };
    struct span text = klog->text, raw;
    size_t start = text.n;

    if (primary && primary->note) {
        *out = strdup(primary->note);
        return *out ? 0 : -ENOMEM;
    }
    for (unsigned lines = 0; start > 0 && lines <= MAX_SUMMARY_LINES; start--)
        if (text.p[start - 1] == '\n' && ++lines > MAX_SUMMARY_LINES)
            break;
    text = (struct span){ text.p + start, text.n - start };
    while (span_next_line(&text, &raw)) {
        (void)strbuf_span(&b, klog_line_parse(raw).text);
        (void)strbuf_char(&b, '\n');
    }
    *out = strbuf_take(&b);
    return *out ? 0 : -ENOMEM;
}
