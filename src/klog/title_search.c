/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the function of a title is looked for. */
#include "klog/title_search.h"
#include "klog/names.h"

/* A frame with '?' is a value that lies on the stack, not a call. '?' behind <EOI> marks none. */
static bool reliable_frame(struct span line, struct klog_frame *out)
{
    return klog_frame_parse(line, out) && (out->reliable || span_contains(line, "<EOI>"));
}

static void add_name(struct title_search *s, struct span function)
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
static bool find_ip(struct title_search *s, bool warning)
{
    for (; s->at < s->text->n; s->at++) {
        struct klog_frame frame;
        enum klog_ip ip = klog_ip_parse(title_line(s->text, s->at), &frame);

        if (ip == KLOG_IP_NONE && warning)
            ip = parse_interrupt(title_line(s->text, s->at), &frame);

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
void title_take_frames(struct title_search *s, bool kmsan)
{
    for (; s->at < s->text->n; s->at++) {
        struct span line = title_line(s->text, s->at), callee;
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

bool title_is_call_trace(struct span line)
{
    if (line.n > 512)
        line.n = 512;
    return span_contains(line, "Call Trace:") || span_contains(line, "Call trace:") ||
           span_contains(line, "Backtrace:");
}

/* T */
bool title_take_trace(struct title_search *s)
{
    for (; s->at < s->text->n; s->at++)
        if (title_is_call_trace(title_line(s->text, s->at))) {
            s->at++;
            title_take_frames(s, false);
            return true;
        }
    return false;
}

/* The function behind word on the next line that has it so. */
static bool find_behind(struct title_search *s, const char *word)
{
    for (; s->at < s->text->n; s->at++) {
        struct span line = title_line(s->text, s->at);
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
static bool find_bracketed(struct title_search *s)
{
    for (; s->at < s->text->n; s->at++) {
        struct span line = span_trim(title_line(s->text, s->at));
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
struct span title_name_behind_in(struct span words)
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
static void find_last_function(struct title_search *s)
{
    static const char word[] = "last function: ";

    for (; s->at < s->text->n; s->at++) {
        struct span line = title_line(s->text, s->at);
        size_t at = span_find(line, word);

        if (at == SIZE_MAX)
            continue;
        (void)span_take(&line, at + strlen(word));
        add_name(s, leading_name(line));
        return;
    }
}

static bool go_behind(struct title_search *s, const char *const *words, size_t n)
{
    for (size_t i = s->at; i < s->text->n; i++)
        for (size_t w = 0; w < n; w++)
            if (span_contains(title_line(s->text, i), words[w])) {
                s->at = i + 1;
                return true;
            }
    return false;
}

/* I: a stall's own trace is that of the interrupt which saw it; what it interrupted comes below. */
static void take_stall(struct title_search *s)
{
    static const char *const timer[] = { "apic_timer_interrupt" };
    static const char *const nmi[] = { "NMI backtrace for cpu" };
    static const char *const others[] = { "apic_timer_interrupt", "Exception stack",
                                          "el1h_64_irq" };
    size_t start = s->at;

    if (go_behind(s, timer, ARRAY_SIZE(timer)) && find_ip(s, false)) {
        title_take_frames(s, false);
        if (s->n > 0)
            return;
    }
    s->at = start;
    s->n = 0;
    if (go_behind(s, others, ARRAY_SIZE(others)))
        title_take_frames(s, false);
    if (s->n > 0)
        return;
    /* Another CPU has seen the stall: where the stalled one was, an NMI has shown. */
    s->at = start;
    s->uncertain = go_behind(s, nmi, ARRAY_SIZE(nmi)) && find_ip(s, false);
    if (s->uncertain) {
        title_take_frames(s, false);
        (void)title_take_trace(s);
    }
}

/* W */
static bool any_useful(const struct title_search *s, const char *skip)
{
    for (size_t i = 0; i < s->n; i++)
        if (!klog_is_helper(s->names[i], skip))
            return true;
    return false;
}

static void take_warning(struct title_search *s, const char *skip)
{
    size_t start = s->at;

    if (find_ip(s, true))
        title_take_frames(s, false);
    if (any_useful(s, skip))
        return;
    s->at = start;
    (void)title_take_trace(s);
}

void title_gather(struct title_search *s, const struct klog_header *header,
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
            (void)title_take_trace(s);
            break;
        case 'F':
            title_take_frames(s, kmsan);
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
                title_take_frames(s, false);
            break;
        case 'u':
            if (go_behind(s, unsafe, ARRAY_SIZE(unsafe)))
                title_take_frames(s, false);
            break;
        case 'l':
            find_last_function(s);
            break;
        case 'K':
            add_name(s, title_name_behind_in(capture->k));
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

static struct span choose_by_anchor(const struct title_search *s, const char *skip)
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

static struct span choose_waiter(const struct title_search *s, const char *skip)
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

struct span title_choose(const struct title_search *s, const struct klog_header *header)
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
