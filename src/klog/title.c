/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/title.h"
#include "klog/frame.h"
#include "klog/names.h"

enum { FRAMES_NEAR_START = 15, MIN_BARE_FRAMES = 3 };

static struct span line_at(const struct title_text *text, size_t i)
{
    return klog_input_text(text->input, text->lines[i]);
}

/* A frame with '?' is a value that lies on the stack, not a call. '?' behind <EOI> marks none. */
static bool reliable_frame(struct span line, struct klog_frame *out)
{
    return klog_frame_parse(line, out) && (out->reliable || span_contains(line, "<EOI>"));
}

/* Where the search stands, and what it has found. */
struct search {
    const struct title_text *text;
    size_t at; /* the next line to look at */
    struct span names[TITLE_MAX_CANDIDATES];
    size_t n;
    char demangled[16 * KLOG_MAX_DEMANGLED]; /* what names point into, but for the log */
    size_t n_demangled;
    bool fault_injected;
    bool uncertain; /* the names are of another CPU than the one that reports */
};

static void add_name(struct search *s, struct span function)
{
    char *room = s->demangled + s->n_demangled;

    if (s->n_demangled + KLOG_MAX_DEMANGLED <= sizeof(s->demangled))
        function = klog_function_name(function, room);
    else
        function = klog_function_base(function);
    if (function.p == room)
        s->n_demangled += function.n;
    if (span_eq(function, "should_fail") || span_eq(function, "should_failslab"))
        s->fault_injected = true;
    if (s->n < TITLE_MAX_CANDIDATES && function.n > 0)
        s->names[s->n++] = function;
}

/* PowerPC's "--- interrupt: 700 at f+0x2c/0x70", where a warning traps */
static enum klog_ip parse_interrupt(struct span line, struct klog_frame *out)
{
    uint64_t number;

    if (!span_skip(&line, "--- interrupt: ") || !span_take_hex(&line, &number) ||
        !span_skip(&line, " at ") || !klog_frame_parse(line, out))
        return KLOG_IP_NONE;
    return KLOG_IP_FRAME;
}

/* R */
static bool find_ip(struct search *s, bool warning)
{
    for (; s->at < s->text->n; s->at++) {
        struct klog_frame frame;
        enum klog_ip ip = klog_ip_parse(line_at(s->text, s->at), &frame);

        if (ip == KLOG_IP_NONE && warning)
            ip = parse_interrupt(line_at(s->text, s->at), &frame);

        if (ip == KLOG_IP_NONE)
            continue;
        if (ip == KLOG_IP_FRAME)
            add_name(s, frame.function);
        s->at++;
        return true;
    }
    return false;
}

static bool ends_kmsan_trace(struct span line)
{
    return span_starts(line, "Local variable") || span_starts(line, "Uninit was created at") ||
           span_contains(line, "created at:");
}

/* F: the frames from here to the next start of a trace. */
static void take_frames(struct search *s, bool kmsan)
{
    for (; s->at < s->text->n; s->at++) {
        struct span line = line_at(s->text, s->at), callee;
        struct klog_frame frame;

        if (klog_starts_trace(line) || (kmsan && ends_kmsan_trace(line)))
            return;
        callee = klog_frame_callee(line);
        if (callee.n > 0)
            add_name(s, callee);
        if (reliable_frame(line, &frame))
            add_name(s, frame.function);
    }
}

static bool is_call_trace(struct span line)
{
    if (line.n > 512)
        line.n = 512;
    return span_contains(line, "Call Trace:") || span_contains(line, "Call trace:") ||
           span_contains(line, "Backtrace:");
}

/* T */
static bool take_trace(struct search *s)
{
    for (; s->at < s->text->n; s->at++)
        if (is_call_trace(line_at(s->text, s->at))) {
            s->at++;
            take_frames(s, false);
            return true;
        }
    return false;
}

/* The function behind word on the next line that has it so. */
static bool find_behind(struct search *s, const char *word)
{
    for (; s->at < s->text->n; s->at++) {
        struct span line = line_at(s->text, s->at);
        size_t at = span_find(line, word);
        struct klog_frame frame;

        if (at == SIZE_MAX)
            continue;
        (void)span_take(&line, at + strlen(word));
        if (!klog_frame_parse(line, &frame))
            continue;
        add_name(s, frame.function);
        s->at++;
        return true;
    }
    return false;
}

/* b: "[<ffffffff81234567>] f+0x1/0x2" */
static bool find_bracketed(struct search *s)
{
    for (; s->at < s->text->n; s->at++) {
        struct span line = span_trim(line_at(s->text, s->at));
        struct klog_frame frame;

        if (!span_starts(line, "[<") || !klog_frame_parse(line, &frame))
            continue;
        add_name(s, frame.function);
        s->at++;
        return true;
    }
    return false;
}

static struct span leading_name(struct span s)
{
    size_t n = 0;

    while (n < s.n && (byte_is_alnum(s.p[n]) || s.p[n] == '_' || s.p[n] == '.'))
        n++;
    return (struct span){ s.p, n };
}

/* K: "data-race in f / g" */
static struct span name_behind_in(struct span words)
{
    size_t at;

    if ((at = span_find(words, " in ")) == SIZE_MAX)
        return (struct span){ NULL, 0 };
    do
        (void)span_take(&words, at + strlen(" in "));
    while ((at = span_find(words, " in ")) != SIZE_MAX);
    return leading_name(words);
}

/* l */
static void find_last_function(struct search *s)
{
    static const char word[] = "last function: ";

    for (; s->at < s->text->n; s->at++) {
        struct span line = line_at(s->text, s->at);
        size_t at = span_find(line, word);

        if (at == SIZE_MAX)
            continue;
        (void)span_take(&line, at + strlen(word));
        add_name(s, leading_name(line));
        return;
    }
}

static bool go_behind(struct search *s, const char *const *words, size_t n)
{
    for (size_t i = s->at; i < s->text->n; i++)
        for (size_t w = 0; w < n; w++)
            if (span_contains(line_at(s->text, i), words[w])) {
                s->at = i + 1;
                return true;
            }
    return false;
}

/* I: a stall's own trace is that of the interrupt which saw it; what it interrupted comes below. */
static void take_stall(struct search *s)
{
    static const char *const timer[] = { "apic_timer_interrupt" };
    static const char *const nmi[] = { "NMI backtrace for cpu" };
    static const char *const others[] = { "apic_timer_interrupt", "Exception stack",
                                          "el1h_64_irq" };
    size_t start = s->at;

    if (go_behind(s, timer, ARRAY_SIZE(timer)) && find_ip(s, false)) {
        take_frames(s, false);
        if (s->n > 0)
            return;
    }
    s->at = start;
    s->n = 0;
    if (go_behind(s, others, ARRAY_SIZE(others)))
        take_frames(s, false);
    if (s->n > 0)
        return;
    /* Another CPU has seen the stall: where the stalled one was, an NMI has shown. */
    s->at = start;
    s->uncertain = go_behind(s, nmi, ARRAY_SIZE(nmi)) && find_ip(s, false);
    if (s->uncertain) {
        take_frames(s, false);
        (void)take_trace(s);
    }
}

/* W */
static bool any_useful(const struct search *s, const char *skip)
{
    for (size_t i = 0; i < s->n; i++)
        if (!klog_is_helper(s->names[i], skip))
            return true;
    return false;
}

static void take_warning(struct search *s, const char *skip)
{
    size_t start = s->at;

    if (find_ip(s, true))
        take_frames(s, false);
    if (any_useful(s, skip))
        return;
    s->at = start;
    (void)take_trace(s);
}

static void gather(struct search *s, const struct klog_header *header,
                   const struct klog_capture *capture)
{
    static const char *const page[] = { "page last allocated" };
    static const char *const unsafe[] = { "which became HARDIRQ-irq-unsafe at",
                                          "which became SOFTIRQ-irq-unsafe at",
                                          "irq-unsafe at:", "-irq-safe at:" };
    bool kmsan = strcmp(header->kind, "kmsan") == 0;

    for (const char *source = header->sources; *source; source++) {
        switch (*source) {
        case 'H':
            add_name(s, capture->h);
            break;
        case 'R':
            if (!find_ip(s, false))
                return; /* no candidate at all, not even from the trace */
            break;
        case 'T':
            (void)take_trace(s);
            break;
        case 'F':
            take_frames(s, kmsan);
            break;
        case 'a':
            (void)find_behind(s, "at: ");
            break;
        case 't':
            (void)go_behind(s, (const char *const[]){ "takes" }, 1);
            (void)find_behind(s, "at: ");
            break;
        case 'b':
            (void)find_bracketed(s);
            break;
        case 'A':
            if (go_behind(s, page, ARRAY_SIZE(page)))
                take_frames(s, false);
            break;
        case 'u':
            if (go_behind(s, unsafe, ARRAY_SIZE(unsafe)))
                take_frames(s, false);
            break;
        case 'l':
            find_last_function(s);
            break;
        case 'K':
            add_name(s, name_behind_in(capture->k));
            break;
        case 'I':
            take_stall(s);
            break;
        case 'W':
            take_warning(s, header->skip);
            break;
        default:
            break;
        }
    }
}

static struct span choose_by_anchor(const struct search *s, const char *skip)
{
    struct span before = { NULL, 0 };

    for (size_t i = 0; i < s->n; i++) {
        struct span name = s->names[i], bare;

        if (klog_is_helper(name, skip))
            continue;
        bare = klog_strip_syscall(name);
        if (span_contains(name, "smp_call_function"))
            return SPAN("smp_call_function");
        if (klog_is_anchor(bare) || klog_is_anchor(name))
            return before.n > 0 ? before : name;
        before = name;
    }
    return (struct span){ NULL, 0 };
}

static struct span choose_waiter(const struct search *s, const char *skip)
{
    static const char *const rcu[] = { "synchronize_rcu", "synchronize_srcu", "synchronize_net",
                                       "synchronize_sched" };

    for (size_t i = 0; i < s->n; i++) {
        if (klog_is_helper(s->names[i], skip))
            continue;
        if (span_contains(s->names[i], "rtnl_lock"))
            return s->names[i];
        for (size_t k = 0; k < ARRAY_SIZE(rcu); k++)
            if (span_contains(s->names[i], rcu[k]))
                return SPAN("synchronize_rcu");
    }
    for (size_t i = 0; i < s->n; i++)
        if (!klog_is_waiting(s->names[i]) && !klog_is_helper(s->names[i], skip))
            return s->names[i];
    return (struct span){ NULL, 0 };
}

static struct span choose(const struct search *s, const struct klog_header *header)
{
    if (header->flags & HEADER_ANCHOR)
        return klog_strip_syscall(choose_by_anchor(s, header->skip));
    if (header->flags & HEADER_HUNG)
        return klog_strip_syscall(choose_waiter(s, header->skip));
    for (size_t i = 0; i < s->n; i++)
        if ((header->flags & HEADER_NO_HELPERS) || !klog_is_helper(s->names[i], header->skip))
            return klog_strip_syscall(s->names[i]);
    return (struct span){ NULL, 0 };
}

/* ---- the title ---- */

static bool has_later(void *ctx, const char *alternatives)
{
    const struct title_text *text = ctx;

    for (size_t i = 1; i < text->n; i++) {
        struct span rest = span_str(alternatives), part, line = line_at(text, i);

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

        if (klog_starts_trace(line_at(text, i)))
            return true;
        if (klog_frame_parse(line_at(text, i), &frame) && ++frames == MIN_BARE_FRAMES)
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

        if (!klog_starts_trace(line_at(text, i)))
            continue;
        /* Other CPUs' traces come behind the report's own; an idle one may have none. */
        if (is_call_trace(line_at(text, i))) {
            if (seen)
                continue;
            seen = true;
        }
        if (text->n - i - 1 < 2)
            return true;
        for (size_t k = i + 1; k < text->n && k <= i + FRAMES_NEAR_START && !found; k++) {
            struct span line = line_at(text, k);
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
        struct span line = line_at(text, i);

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

static void judge(const struct title_text *text, const struct search *s, struct title_result *out)
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
    struct search s = { .text = text };
    struct klog_capture capture;
    struct span line = line_at(text, 0), shown;
    void *ctx;
    int r;

    (void)memcpy(&ctx, &text, sizeof(ctx));
    *out = (struct title_result){ 0 };
    out->header = klog_header_match(line, has_later, ctx, &capture);
    if (!out->header) {
        r = known_words(line) ? own_words(line, out) : -ENODATA;
        return r;
    }
    gather(&s, out->header, &capture);
    out->function = choose(&s, out->header);
    if (out->function.n == 0 && strstr(out->header->title, "{f}") == NULL) {
        static const struct klog_header any = { .sources = "T", .kind = "" };

        /* A title that names a function of its own, or none: then the trace's. */
        out->function = name_behind_in(span_str(out->header->title));
        s.n = s.at = 0;
        if (out->function.n == 0 && take_trace(&s))
            out->function = choose(&s, &any);
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
    struct search s = { .text = text };
    bool warned = false;

    for (size_t i = 0; i < text->n && !warned; i++)
        warned = span_contains(line_at(text, i), " __warn+0x");
    *out = (struct title_result){ .header = warned ? &warning : &oops,
                                  .corrupted = true,
                                  .why = "the header is lost" };
    gather(&s, out->header, &(struct klog_capture){ { NULL, 0 }, { NULL, 0 } });
    out->function = choose(&s, out->header);
    /* Without the registers, too: then what the trace has. */
    for (s.at = s.n = 0; out->function.n == 0 && s.at < text->n; s.at++) {
        take_frames(&s, false);
        out->function = choose(&s, out->header);
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
