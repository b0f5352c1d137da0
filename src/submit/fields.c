/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/json_file.h"
#include "klog/utf8.h"
#include "parse/os_release.h"
#include "spool/report_zip.h"
#include "submit/fields.h"

enum { MAX_MEMBER = 32 << 20 };

static bool is_wanted(const char *name)
{
    static const char *const prefixes[] = { "build.", "version.", "crash_summary.", "report." };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (span_starts(span_str(name), prefixes[i]))
            return !span_ends(span_str(name), ".html");
    return false;
}

struct span cut_lines(struct span text, size_t max)
{
    size_t end;

    if (text.n <= max)
        return text;
    for (end = max; end > 0 && text.p[end - 1] != '\n'; end--)
        ;
    if (end == 0)
        for (end = max; end > 0 && ((unsigned char)text.p[end] & 0xc0) == 0x80; end--)
            ;
    return (struct span){ text.p, end };
}

int concise_stack(struct span stack, size_t max, struct strbuf *out)
{
    struct span line;

    while (span_next_line(&stack, &line)) {
        line = span_trim(line);
        if (line.n == 0)
            continue;
        if (out->n + line.n + 1 > max)
            break;
        (void)strbuf_span(out, line);
        (void)strbuf_char(out, '\n');
    }
    return out->failed;
}

/* The stack is the printed trace, which on most machines begins with the caller of the function
 * that crashed: that one stands in the register dump. *out is empty where the trace has it already.
 */
static int crashed_frame(const json_t *rip, struct span stack, struct strbuf *out)
{
    const char *function = json_get_str(rip, "function_name", "");
    const char *module = json_get_str(rip, "module_name", "");
    int64_t offset = json_get_int(rip, "function_offset", -1);
    int64_t length = json_get_int(rip, "function_length", -1);
    size_t n = strlen(function);
    struct span line;

    if (n == 0)
        return 0;
    while (span_next_line(&stack, &line))
        if (span_starts(line, function) && (line.n == n || line.p[n] == '+' || line.p[n] == ' '))
            return 0;
    (void)strbuf_str(out, function);
    if (offset >= 0 && length >= 0)
        (void)strbuf_printf(out, "+0x%llx/0x%llx", (unsigned long long)offset,
                            (unsigned long long)length);
    if (module[0])
        (void)strbuf_printf(out, " [%s]", module);
    return out->failed;
}

/* report.TS.json: what the parser said, and where collect has noted what the log cannot tell. */
static int take_report(struct report_fields *f, struct span bytes)
{
    _cleanup_json_ json_t *top = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
    _cleanup_strbuf_ struct strbuf frames = { 0 };
    const json_t *collected = json_object_get(top, "collected"), *report;
    int64_t primary = json_get_int(top, "primary", -1);
    struct span id = span_str(json_get_str(collected, "steamid", "0")), stack;
    int64_t time = json_get_int(collected, "time", 0);
    uint64_t number;

    if (!json_is_object(top))
        return -EBADMSG;
    if (span_to_u64(id, &number) && !span_starts(id, "0x"))
        (void)snprintf(f->steamid, sizeof(f->steamid), "%llu", (unsigned long long)number);
    (void)span_copy(span_str(json_get_str(collected, "serial", "0")), f->serial, sizeof(f->serial));
    if (time > 0)
        f->crash_time = time;
    if (primary < 0)
        return 0;
    report = json_array_get(json_object_get(top, "reports"), (size_t)primary);
    (void)span_copy(span_str(json_get_str(report, "signature", "")), f->signature,
                    sizeof(f->signature));
    stack = span_str(json_get_str(report, "stack", ""));
    if (crashed_frame(json_object_get(report, "rip"), stack, &frames) < 0)
        return -ENOMEM;
    (void)strbuf_char(&frames, '\n');
    if (strbuf_span(&frames, stack) < 0)
        return -ENOMEM;
    return concise_stack(strbuf_view(&frames), FIELDS_MAX_STACK, &f->stack);
}

/* A form is text for a JSON world: what is no UTF-8 or a control byte would make a server refuse
 * it. */
static int add_text(struct strbuf *out, struct span text)
{
    while (text.n > 0) {
        size_t n = utf8_length((const unsigned char *)text.p, text.n);
        char c = text.p[0];

        if (n > 1 || c == '\n' || c == '\t' || (c >= ' ' && c <= '~'))
            (void)strbuf_span(out, span_take(&text, n));
        else if (span_take(&text, 1).p[0] != '\r')
            (void)strbuf_char(out, '?');
    }
    return out->failed;
}

/* The same for a short one, in place. */
static void clean_text(char *s)
{
    for (char *c = s; *c;) {
        size_t n = utf8_length((const unsigned char *)c, strlen(c));

        if (n == 0 || (n == 1 && (*c < ' ' || *c > '~')))
            *c = '?';
        c += n ? n : 1;
    }
}

static int take_member(void *ctx, const char *name, struct span bytes)
{
    struct report_fields *f = ctx;
    struct span s = span_str(name), line;

    if (span_starts(s, "build.")) {
        (void)os_release_get(bytes, "BUILD_ID", f->build, sizeof(f->build));
        clean_text(f->build);
    } else if (span_starts(s, "version.")) {
        if (span_next_line(&bytes, &line))
            (void)span_copy(span_trim(line), f->version, sizeof(f->version));
        clean_text(f->version);
    } else if (span_starts(s, "crash_summary.")) {
        return add_text(&f->note, cut_lines(bytes, FIELDS_MAX_NOTE));
    } else if (span_ends(s, ".json")) {
        return take_report(f, bytes);
    }
    return 0;
}

int report_fields_read(int zip, int64_t crash_time, struct report_fields *out)
{
    struct report_fields fields = { .steamid = "0", .serial = "0", .crash_time = crash_time };
    int r = report_zip_read(zip, MAX_MEMBER, is_wanted, take_member, &fields);

    if (r < 0) {
        report_fields_done(&fields);
        return r;
    }
    *out = fields;
    return 0;
}

void report_fields_done(struct report_fields *fields)
{
    strbuf_clear(&fields->stack);
    strbuf_clear(&fields->note);
}
