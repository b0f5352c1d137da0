/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "klog/internal.h"
#include "klog/names.h"

enum { SIGNATURE_FRAMES = 6, ECHO_LINES = 22, ECHO_LINES_KMSAN = 16, MAX_FOLLOW = 60 };

#define PANIC "Kernel panic - not syncing"

/* A line with a header's words. */
struct candidate {
    size_t line;
    uint32_t context;
    bool second; /* ends the text of a report before it */
};

struct candidates {
    struct candidate *items; /* owned */
    size_t n;
};

static void candidates_free(struct candidates *c)
{
    free(c->items);
}

static void report_done(struct parsed_report *r)
{
    free(r->report.title);
    free(r->report.crash_function);
    free(r->report.signature);
    free(r->report.kernel_release);
    free(r->report.comm);
    free(r->report.panic_message);
    free(r->report.stack);
    free(r->report.note);
    klog_details_done(&r->details);
}

void klog_free(struct klog *klog)
{
    for (size_t i = 0; i < klog->n; i++)
        report_done(&klog->reports[i]);
    free(klog->reports);
    klog_input_done(&klog->input);
    free(klog);
}

bool klog_same_context(uint32_t report, uint32_t line, bool nmi)
{
    return report == line || (nmi && (line & 3) == KLOG_CPU);
}

/* These have the words of a header and go on with the report before them. */
static bool is_second_header(struct span line)
{
    static const char *const go_on[] = { "invalid opcode: 0000", PANIC,
                                         "unregister_netdevice: waiting for", "PANIC: double fault",
                                         "Internal error:" };

    for (size_t i = 0; i < ARRAY_SIZE(go_on); i++)
        if (span_contains(line, go_on[i]))
            return false;
    return true;
}

/* No headers, but they end a report's text all the same. */
static bool is_end(struct span line)
{
    return span_contains(line, "vmalloc: allocation failure:") ||
           span_contains(line, "FAULT_INJECTION: forcing a failure") ||
           span_contains(line, "FAULT_FLAG_ALLOW_RETRY missing");
}

static int find_candidates(const struct klog_input *input, struct candidates *out)
{
    struct klog_scanner scanner;

    klog_scanner_init(&scanner);
    for (size_t i = 0; i < input->n_lines; i++) {
        struct span line = klog_input_text(input, i);

        if (!klog_scanner_hit(&scanner, line) || !klog_is_header(line))
            continue;
        if ((out->n & (out->n - 1)) == 0) {
            struct candidate *items =
                reallocarray(out->items, out->n ? out->n * 2 : 1, sizeof(*items));

            if (!items)
                return -ENOMEM;
            out->items = items;
        }
        out->items[out->n++] = (struct candidate){ .line = i,
                                                   .context = input->lines[i].context,
                                                   .second = is_second_header(line) };
    }
    return 0;
}

static bool is_questionable(struct span line)
{
    struct klog_frame frame;

    return span_contains(line, "? ") && !span_contains(line, "<EOI>") &&
           klog_frame_parse(line, &frame) && !frame.reliable;
}

/* Gathers what a title may use; lines has room for TITLE_MAX_LINES. */
static void gather_text(const struct klog_input *input, const struct candidates *c, size_t index,
                        struct title_text *text)
{
    const struct candidate *header = &c->items[index];
    bool caller = klog_context_has_caller(header->context), nmi = false;
    bool kmsan = span_contains(klog_input_text(input, header->line), "KMSAN");
    size_t next = index + 1;
    size_t end = MIN(input->n_lines, header->line + KLOG_MAX_SCAN);

    text->n = 0;
    for (size_t i = header->line; i < end && text->n < TITLE_MAX_LINES; i++) {
        struct span line = klog_input_text(input, i);

        while (next < c->n && c->items[next].line < i)
            next++;
        if (!klog_same_context(header->context, input->lines[i].context, nmi))
            continue;
        if (i > header->line && !caller &&
            ((next < c->n && c->items[next].line == i && c->items[next].second) || is_end(line)))
            return;
        if (text->n > (size_t)(kmsan ? ECHO_LINES_KMSAN : ECHO_LINES) &&
            (span_contains(line, PANIC) ||
             span_contains(line, "possible circular locking dependency detected")))
            return;
        nmi |= span_contains(line, "Sending NMI from CPU");
        if (span_contains(line, "Disabling lock debugging due to kernel taint") ||
            is_questionable(line))
            continue;
        text->lines[text->n++] = i;
    }
}

/* The panic's message; false where the line has no panic. */
static bool panic_message(struct span line, struct span *out)
{
    size_t at = span_find(line, PANIC);

    if (at == SIZE_MAX)
        return false;
    (void)span_take(&line, at + strlen(PANIC));
    (void)span_skip(&line, ":");
    *out = span_trim(line);
    return true;
}

static struct parsed_report *last_of_context(struct klog *klog, uint32_t context)
{
    for (size_t i = klog->n, looked = 0; i-- > 0 && looked < 64; looked++)
        if (klog->reports[i].context == context)
            return &klog->reports[i];
    return NULL;
}

/* Whether a panic is the consequence of the report before it in its context. */
static bool panic_follows(const struct parsed_report *before, struct span message)
{
    static const char *const of_oops[] = { "Fatal exception", "Oops: Fatal exception",
                                           "Fatal exception in interrupt", "Oops - " };
    static const char *const of_any[] = { "panic_on_warn set", "kasan.fault=panic set",
                                          "panic_on_kcsan", "panic_on_kmsan set" };

    for (size_t i = 0; i < ARRAY_SIZE(of_oops); i++)
        if (span_starts(message, of_oops[i]))
            return before->flags & HEADER_OOPS;
    for (size_t i = 0; i < ARRAY_SIZE(of_any); i++)
        if (span_contains(message, of_any[i]))
            return true;
    if (span_contains(message, "hung_task: blocked tasks"))
        return before->flags & HEADER_HUNG;
    if (span_contains(message, "softlockup: hung tasks"))
        return strcmp(before->kind, "hang") == 0;
    if (span_starts(message, "RCU Stall"))
        return strcmp(before->kind, "hang") == 0;
    return false;
}

static int set_panic(struct parsed_report *r, struct span message)
{
    if (r->report.panic_message)
        return 0;
    r->report.panic_message = span_dup(message);
    return r->report.panic_message ? 0 : -ENOMEM;
}

/* Whether the header only goes on with the report before it. 1: yes; negative: error. */
static int merge(struct klog *klog, const struct candidate *c, struct span line)
{
    struct parsed_report *before = last_of_context(klog, c->context);
    struct span message;

    if (panic_message(line, &message)) {
        klog->panicked = true;
        if (!before || before->report.panic_message || !panic_follows(before, message))
            return 0;
        before->last = MAX(before->last, c->line);
        return set_panic(before, message) < 0 ? -ENOMEM : 1;
    }
    if (c->second || span_contains(line, "unregister_netdevice") || !before)
        return 0;
    /* "invalid opcode" behind "kernel BUG at", "Internal error" behind "Unable to handle kernel" */
    if ((before->flags & HEADER_OOPS) && c->line - before->line < MAX_FOLLOW)
        return 1;
    return 0;
}

static int add_report(struct klog *klog, const struct candidate *c, struct title_result *title)
{
    struct parsed_report *reports, *r;

    if ((klog->n & (klog->n - 1)) == 0) {
        reports = reallocarray(klog->reports, klog->n ? klog->n * 2 : 1, sizeof(*reports));
        if (!reports)
            return -ENOMEM;
        klog->reports = reports;
    }
    r = &klog->reports[klog->n++];
    *r = (struct parsed_report){ .line = c->line, .last = c->line, .context = c->context };
    klog_details_init(&r->details);
    r->flags = title->header ? title->header->flags : 0;
    r->kind = title->header ? title->header->kind : "other";
    r->corrupted = title->corrupted;
    r->why = title->why;
    r->limit = klog->input.n_lines;
    r->type = klog_type_of(strbuf_view(&title->title));
    r->report.title = strbuf_take(&title->title);
    if (!r->report.title)
        return -ENOMEM;
    if (title->function.n > 0) {
        r->report.crash_function = span_dup(title->function);
        if (!r->report.crash_function)
            return -ENOMEM;
    }
    return 0;
}

static void end_before(struct klog *klog, const struct candidate *c)
{
    struct parsed_report *before = last_of_context(klog, c->context);

    if (before && before->limit > c->line)
        before->limit = c->line;
}

static int take_candidate(struct klog *klog, const struct candidates *all, size_t index,
                          struct title_text *text)
{
    const struct candidate *c = &all->items[index];
    struct span line = klog_input_text(&klog->input, c->line), message;
    struct title_result title;
    int r = merge(klog, c, line);

    if (r != 0)
        return r < 0 ? r : 0;
    if (klog->n == KLOG_MAX_REPORTS)
        return 0;
    if (c->line + 1 < klog->input.n_lines &&
        span_contains(klog_input_text(&klog->input, c->line + 1),
                      "** replaying previous printk message **"))
        return 0;
    gather_text(&klog->input, all, index, text);
    r = title_make(text, &title);
    if (r == -ENODATA)
        return 0;
    if (r < 0)
        return r;
    end_before(klog, c);
    r = add_report(klog, c, &title);
    strbuf_clear(&title.title);
    if (r == 0 && panic_message(line, &message))
        r = set_panic(&klog->reports[klog->n - 1], message);
    return r;
}

/* ---- details, once all reports are known ---- */

/* Words that begin lines of a report, beside frames and registers. */
static bool is_report_line(struct span line)
{
    static const char *const starts[] = {
        "Call Trace",
        "Call trace",
        "Code:",
        "Modules linked",
        "CPU:",
        "Hardware name",
        "RIP:",
        "RSP:",
        "RAX:",
        "RDX:",
        "RBP:",
        "R10:",
        "R13:",
        "FS:",
        "CS:",
        "CR2:",
        "DR0:",
        "DR3:",
        "PKRU:",
        "---[",
        PANIC,
        "Kernel Offset",
        "Rebooting",
        "Oops",
        "#PF:",
        "PGD",
        "Workqueue:",
        "Tainted:",
        "Stack:",
        "note:",
        "Read of",
        "Write of",
        "Allocated",
        "Freed",
        "The buggy",
        "Memory state",
        "Last potentially",
        "====",
        "page:",
        "raw:",
        "flags:",
        "<",
        "Sending NMI",
        "NMI backtrace",
        "pc :",
        "lr :",
        "sp :",
        "x",
        "pstate",
        "Shutting down",
        "SMP:",
        "PHYS",
        "Mem abort",
        "Data abort",
        "INFO:",
        "Showing",
        "irq event",
        "hardirqs",
        "softirqs",
        "#",
        "task:",
        "Internal error",
        "Unable to",
    };

    line = span_trim(line);
    for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
        if (span_starts(line, starts[i]))
            return true;
    return false;
}

struct note {
    struct strbuf text;
    size_t good;       /* bytes up to the last line that is surely of the report */
    unsigned doubtful; /* lines since then */
    bool closed;
};

enum { MAX_DOUBTFUL = 40, MAX_DOUBTFUL_AFTER_END = 3 };

static int note_line(struct parsed_report *r, struct note *note, size_t index, struct span line,
                     bool ended)
{
    struct klog_frame frame;

    if (note->closed || note->text.n + line.n > KLOG_MAX_NOTE)
        return 0;
    (void)strbuf_span(&note->text, line);
    (void)strbuf_char(&note->text, '\n');
    if (is_report_line(line) || klog_frame_parse(line, &frame) || index <= r->last) {
        note->good = note->text.n;
        note->doubtful = 0;
        r->last = MAX(r->last, index);
    } else if (++note->doubtful > (ended ? MAX_DOUBTFUL_AFTER_END : MAX_DOUBTFUL)) {
        note->closed = true;
    }
    return note->text.failed;
}

static int take_lines(const struct klog *klog, struct parsed_report *r, struct note *note)
{
    size_t end = MIN(r->limit, r->line + KLOG_MAX_SCAN);
    bool nmi = false, ended = false;

    for (size_t i = r->line; i < end; i++) {
        struct span line = klog_input_text(&klog->input, i);
        int ret;

        if (!klog_same_context(r->context, klog->input.lines[i].context, nmi))
            continue;
        nmi |= span_contains(line, "Sending NMI from CPU");
        ended |= span_starts(line, "---[ end ");
        ret = note_line(r, note, i, line, ended);
        if (ret == 0)
            ret = klog_details_line(&r->details, line);
        if (ret == -ENOMEM)
            return ret;
        if (span_starts(line, "---[ end Kernel panic"))
            break;
    }
    return 0;
}

/* A hung task's report is about another task than the one that prints it: "INFO: task NAME:PID". */
static int take_hung_task(struct parsed_report *r, struct span line)
{
    static const char word[] = "INFO: task ";
    size_t at = span_find(line, word), blocked, colon;
    struct span digits;
    uint64_t pid;

    if (!(r->flags & HEADER_HUNG) || at == SIZE_MAX)
        return 0;
    (void)span_take(&line, at + strlen(word));
    blocked = span_find(line, " blocked");
    if (blocked == SIZE_MAX)
        return 0;
    line.n = blocked;
    for (colon = line.n; colon > 0 && line.p[colon - 1] != ':'; colon--)
        ;
    if (colon == 0)
        return 0;
    digits = (struct span){ line.p + colon, line.n - colon };
    if (span_take_dec(&digits, &pid)) {
        r->details.pid = (int64_t)pid;
        r->details.comm = (struct span){ line.p, colon - 1 };
    }
    return 0;
}

static void hash_span(uint64_t *hash, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        *hash = (*hash ^ (unsigned char)s.p[i]) * UINT64_C(0x100000001b3);
    *hash = (*hash ^ '\n') * UINT64_C(0x100000001b3);
}

static int make_stack(struct parsed_report *r)
{
    const struct klog_trace *trace = klog_details_stack(&r->details);
    _cleanup_strbuf_ struct strbuf stack = { 0 };
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    unsigned hashed = 0;

    hash_span(&hash, span_str(r->report.title));
    for (size_t i = 0; trace && i < trace->n; i++) {
        const struct klog_frame *f = &r->details.frames[trace->first + i];
        struct span name = klog_function_base(f->function);

        if (!f->reliable || stack.n > KLOG_MAX_STACK)
            continue;
        (void)strbuf_printf(&stack, "%.*s+0x%llx/0x%llx", (int)MIN(f->function.n, (size_t)512),
                            f->function.p, (unsigned long long)f->offset,
                            (unsigned long long)f->length);
        if (f->module.n > 0)
            (void)strbuf_printf(&stack, " [%.*s]", (int)MIN(f->module.n, (size_t)128), f->module.p);
        (void)strbuf_char(&stack, '\n');
        if (hashed < SIGNATURE_FRAMES && !r->corrupted && !klog_is_helper(name, NULL)) {
            hash_span(&hash, name);
            hashed++;
        }
    }
    if (stack.n > 0)
        stack.p[--stack.n] = '\0';
    r->report.stack = strbuf_take(&stack);
    if (!r->report.stack ||
        asprintf(&r->report.signature, "%016llx", (unsigned long long)hash) < 0) {
        r->report.signature = NULL;
        return -ENOMEM;
    }
    return 0;
}

static int copy_field(char **out, struct span value)
{
    if (value.n == 0)
        return 0;
    *out = span_dup(value);
    return *out ? 0 : -ENOMEM;
}

static int fill_report(const struct klog *klog, struct parsed_report *r)
{
    struct note note = { 0 };
    int ret = take_lines(klog, r, &note);

    if (ret == 0)
        ret = take_hung_task(r, klog_input_text(&klog->input, r->line));
    if (ret == 0)
        ret = make_stack(r);
    if (ret == 0) {
        ret = copy_field(&r->report.note, (struct span){ strbuf_cstr(&note.text),
                                                         note.good > 0 ? note.good - 1 : 0 });
        if (!r->report.note && ret == 0)
            r->report.note = strdup("");
    }
    strbuf_clear(&note.text);
    if (ret == 0)
        ret = copy_field(&r->report.comm, r->details.comm);
    if (ret == 0)
        ret = copy_field(&r->report.kernel_release, r->details.release);
    r->report.first_line = klog->input.lines[r->line].number;
    r->report.last_line = klog->input.lines[r->last].number;
    return ret;
}

static int parse_input(struct klog *klog)
{
    _cleanup_(candidates_free) struct candidates candidates = { 0 };
    _cleanup_free_ size_t *lines = calloc(TITLE_MAX_LINES, sizeof(*lines));
    struct title_text text = { .input = &klog->input, .lines = lines };
    int r = lines ? find_candidates(&klog->input, &candidates) : -ENOMEM;

    for (size_t i = 0; i < candidates.n && r == 0; i++)
        r = take_candidate(klog, &candidates, i, &text);
    for (size_t i = 0; i < klog->n && r == 0; i++)
        r = fill_report(klog, &klog->reports[i]);
    return r;
}

int klog_parse(struct span text, struct klog **out)
{
    _cleanup_(klog_freep) struct klog *klog = calloc(1, sizeof(*klog));
    int r;

    if (!klog)
        return -ENOMEM;
    r = klog_input_read(text, &klog->input);
    if (r == 0)
        r = parse_input(klog);
    if (r < 0)
        return r;
    *out = TAKE_PTR(klog);
    return 0;
}

size_t klog_primary_index(const struct klog *klog)
{
    for (size_t i = 0; i < klog->n; i++)
        if (klog->reports[i].report.panic_message)
            return i;
    for (size_t i = klog->n; i-- > 0;)
        if (klog->reports[i].flags & HEADER_OOPS)
            return i;
    return 0;
}

const struct klog_report *klog_primary(const struct klog *klog)
{
    return klog->n > 0 ? &klog->reports[klog_primary_index(klog)].report : NULL;
}

int klog_summary(const struct klog *klog, char **out)
{
    const struct klog_report *primary = klog_primary(klog);
    _cleanup_strbuf_ struct strbuf b = { 0 };
    size_t n = klog->input.n_lines;

    if (primary && primary->note[0]) {
        if (asprintf(out, "%s\n", primary->note) < 0)
            return -ENOMEM;
        return 0;
    }
    for (size_t i = n > KLOG_SUMMARY_LINES ? n - KLOG_SUMMARY_LINES : 0; i < n; i++) {
        (void)strbuf_span(&b, klog_input_text(&klog->input, i));
        (void)strbuf_char(&b, '\n');
    }
    *out = strbuf_take(&b);
    return *out ? 0 : -ENOMEM;
}
