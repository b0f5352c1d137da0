/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/frame.h"
#include "klog/title_search.h"

enum { FRAMES_NEAR_START = 15, MIN_BARE_FRAMES = 3 };

static bool has_later(void *ctx, const char *alternatives)
{
    const struct title_text *text = ctx;

    for (size_t i = 1; i < text->n; i++) {
        struct span rest = span_str(alternatives), part, line = title_line(text, i);

        while (span_next_field(&rest, '|', &part))
            if (line.n >= part.n && memmem(line.p, line.n, part.p, part.n))
                return true;
    }
    return false;
}

static bool has_stack(const struct title_text *text)
{
    unsigned frames = 0;

    /* Some traces have no heading; a single frame is none. */
    for (size_t i = 0; i < text->n; i++) {
        struct klog_frame frame;

        if (klog_starts_trace(title_line(text, i)))
            return true;
        if (klog_frame_parse(title_line(text, i), &frame) && ++frames == MIN_BARE_FRAMES)
            return true;
    }
    return false;
}

/* Whether a start of a trace has none behind it: the text was cut, or others wrote into it. */
static bool has_empty_trace(const struct title_text *text)
{
    bool seen = false;

    for (size_t i = 0; i < text->n; i++) {
        bool found = false;

        if (!klog_starts_trace(title_line(text, i)))
            continue;
        /* Other CPUs' traces come behind the report's own; an idle one may have none. */
        if (title_is_call_trace(title_line(text, i))) {
            if (seen)
                continue;
            seen = true;
        }
        if (text->n - i - 1 < 2)
            return true;
        for (size_t k = i + 1; k < text->n && k <= i + FRAMES_NEAR_START && !found; k++) {
            struct span line = title_line(text, k);
            struct klog_frame frame;

            if (klog_starts_trace(line))
                break;
            found = span_contains(line, "(stack is not available)") ||
                    klog_frame_parse(line, &frame) || klog_frame_callee(line).n > 0;
        }
        if (!found)
            return true;
    }
    return false;
}

static bool has_stamp(struct span title)
{
    size_t at;

    while ((at = span_find_byte(title, '[')) != SIZE_MAX) {
        uint64_t ignored;

        (void)span_take(&title, at + 1);
        while (title.n > 0 && title.p[0] == ' ')
            (void)span_take(&title, 1);
        if (span_take_dec(&title, &ignored) && span_skip(&title, ".") &&
            span_take_dec(&title, &ignored) && span_skip(&title, "]"))
            return true;
    }
    return false;
}

/* A second report may stand behind the first, with the other direction. */
static const char *direction(const struct title_text *text)
{
    for (size_t i = 0; i < text->n; i++) {
        struct span line = title_line(text, i);

        if (span_contains(line, "Read of size") || span_contains(line, "Read at addr"))
            return "Read";
        if (span_contains(line, "Write of size") || span_contains(line, "Write at addr"))
            return "Write";
    }
    return "Read";
}

static int expand(const struct title_text *text, const struct klog_header *header,
                  const struct klog_capture *capture, struct span function, struct strbuf *out)
{
    const char *p = header->title;

    while (*p) {
        if (strncmp(p, "{f}", 3) == 0) {
            (void)strbuf_span(out, function);
            p += 3;
        } else if (strncmp(p, "{r}", 3) == 0) {
            (void)strbuf_str(out, direction(text));
            p += 3;
        } else if (strncmp(p, "{k}", 3) == 0) {
            (void)strbuf_span(out, capture->k);
            p += 3;
        } else {
            (void)strbuf_char(out, *p++);
        }
    }
    return out->failed;
}

/* A header whose further lines are missing: its own words. */
static int own_words(struct span line, struct title_result *out)
{
    static const char *const words[] = { "BUG:", "WARNING:", "INFO:", "UBSAN:" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t at = span_find(line, words[i]);

        if (at == SIZE_MAX)
            continue;
        (void)span_take(&line, at);
        out->corrupted = true;
        out->why = "the lines that its title needs are missing";
        if (span_trim(line).n == strlen(words[i]))
            return strbuf_printf(&out->title, "%s corrupted", words[i]);
        return title_clean(line, &out->title);
    }
    return -ENODATA;
}

static bool known_words(struct span line)
{
    static const char *const words[] = { "BUG: KASAN",
                                         "possible circular locking",
                                         "possible irq lock inversion",
                                         "possible recursive locking",
                                         "BUG: KMSAN",
                                         "INFO: inconsistent lock state" };
    struct span trimmed = span_trim(line);

    if (span_eq(trimmed, "BUG:") || span_eq(trimmed, "WARNING:") || span_eq(trimmed, "INFO:"))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_contains(line, words[i]))
            return true;
    return false;
}

static void judge(const struct title_text *text, const struct title_search *s,
                  struct title_result *out)
{
    bool wants_function = strstr(out->header->title, "{f}") != NULL;
    unsigned flags = out->header->flags;

    if (flags & HEADER_CORRUPTED)
        out->why = "the real header is lost";
    else if (wants_function && out->function.n == 0)
        out->why = "no function was found for the title";
    else if (!(flags & (HEADER_NO_STACK | HEADER_MAY_STACK)) && !has_stack(text))
        out->why = "there is no stack";
    else if (!(flags & HEADER_NO_STACK) && has_empty_trace(text))
        out->why = "a stack trace has no frames";
    else if (has_stamp(strbuf_view(&out->title)))
        out->why = "a time stamp stands inside the title";
    else if (s->uncertain)
        out->why = "which function stalls is not certain";
    else if (s->fault_injected)
        out->why = "the fault was injected";
    else
        return;
    out->corrupted = true;
}

/* A demangled name stays with the result. */
static void keep_function(struct title_result *out)
{
    if (out->function.n > 0 && out->function.n <= sizeof(out->name)) {
        memcpy(out->name, out->function.p, out->function.n);
        out->function.p = out->name;
    }
}

static int clean_title(struct title_result *out)
{
    struct strbuf clean = { 0 };
    int r = title_clean(strbuf_view(&out->title), &clean);

    strbuf_clear(&out->title);
    if (r < 0)
        strbuf_clear(&clean);
    out->title = clean;
    return r;
}

int title_make(const struct title_text *text, struct title_result *out)
{
    struct title_search s = { .text = text };
    struct klog_capture capture;
    struct span line = title_line(text, 0), shown;
    void *ctx;
    int r;

    (void)memcpy(&ctx, &text, sizeof(ctx));
    *out = (struct title_result){ 0 };
    out->header = klog_header_match(line, has_later, ctx, &capture);
    if (!out->header) {
        r = known_words(line) ? own_words(line, out) : -ENODATA;
        return r;
    }
    title_gather(&s, out->header, &capture);
    out->function = title_choose(&s, out->header);
    if (out->function.n == 0 && strstr(out->header->title, "{f}") == NULL) {
        static const struct klog_header any = { .sources = "T", .kind = "" };

        /* A title that names a function of its own, or none: then the trace's. */
        out->function = title_name_behind_in(span_str(out->header->title));
        s.n = s.at = 0;
        if (out->function.n == 0 && title_take_trace(&s))
            out->function = title_choose(&s, &any);
    }
    /* What another CPU shows is for people; the title stays that of no function. */
    shown = out->function.n > 0 && !s.uncertain ? out->function : SPAN("corrupted");
    r = expand(text, out->header, &capture, shown, &out->title);
    if (r < 0) {
        strbuf_clear(&out->title);
        return r;
    }
    judge(text, &s, out);
    keep_function(out);
    return clean_title(out);
}

int title_make_headless(const struct title_text *text, struct title_result *out)
{
    static const struct klog_header oops = { .title = "crash in {f}",
                                             .sources = "RFT",
                                             .kind = "other",
                                             .flags = HEADER_OOPS },
                                    warning = { .title = "crash in {f}",
                                                .sources = "RFT",
                                                .kind = "other" };
    struct title_search s = { .text = text };
    bool warned = false;

    for (size_t i = 0; i < text->n && !warned; i++)
        warned = span_contains(title_line(text, i), " __warn+0x");
    *out = (struct title_result){ .header = warned ? &warning : &oops,
                                  .corrupted = true,
                                  .why = "the header is lost" };
    title_gather(&s, out->header, &(struct klog_capture){ { NULL, 0 }, { NULL, 0 } });
    out->function = title_choose(&s, out->header);
    /* Without the registers, too: then what the trace has. */
    for (s.at = s.n = 0; out->function.n == 0 && s.at < text->n; s.at++) {
        title_take_frames(&s, false);
        out->function = title_choose(&s, out->header);
    }
    (void)strbuf_str(&out->title, "crash in ");
    keep_function(out);
    return strbuf_span(&out->title, out->function.n > 0 ? out->function : SPAN("corrupted"));
}

static bool any_later(void *ctx, const char *alternatives)
{
    (void)ctx;
    (void)alternatives;
    return true;
}

bool title_has_form(struct span line, bool *goes_on)
{
    struct klog_capture capture;
    const struct klog_header *header = klog_header_match(line, any_later, NULL, &capture);

    *goes_on = header && (header->flags & HEADER_DIE);
    return header || known_words(line);
}
