/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "klog/internal.h"
#include "klog/names.h"

enum {
    ECHO_LINES = 22,
    ECHO_LINES_KMSAN = 16,
    MAX_FOLLOW = 60,
    MAX_HEADLESS = 64,
    MAX_LOOK_AHEAD = 64
};
/* What all titles of one log may cost: to take a line and look at it is as dear as to pass over 64
 * of other contexts. A header has an equal share of what those before it left. */
enum { COST_TAKEN = 64, COST_OF_LINE = 4 * COST_TAKEN, LEAST_LINES = 32 };

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

/* Whether a line has a word, told quickly by a byte of it that few lines have. */
static bool has_word(struct span line, char rare, const char *word)
{
    return span_find_byte(line, rare) != SIZE_MAX && span_contains(line, word);
}

/* No headers, but they end a report's text all the same. */
static bool is_end(struct span line)
{
    return has_word(line, ':', "vmalloc: allocation failure:") ||
           has_word(line, 'F', "FAULT_INJECTION: forcing a failure") ||
           has_word(line, 'F', "FAULT_FLAG_ALLOW_RETRY missing");
}

static int find_candidates(const struct klog_input *input, struct candidates *out)
{
    struct klog_scanner scanner;

    klog_scanner_init(&scanner);
    for (size_t i = 0; i < input->n_lines; i++) {
        struct span line = klog_input_text(input, i);
        bool goes_on;

        if (!klog_scanner_hit(&scanner, line) || !klog_is_header(line) ||
            !title_has_form(line, &goes_on))
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
                                                   .second = !goes_on && is_second_header(line) };
    }
    return 0;
}

static bool is_questionable(struct span line)
{
    struct klog_frame frame;

    return has_word(line, '?', "? ") && !span_contains(line, "<EOI>") &&
           klog_frame_parse(line, &frame) && !frame.reliable;
}

/* Gathers what a title may use; lines has room for TITLE_MAX_LINES. Returns what it has cost, which
 * is at most the share. */
static size_t gather_text(const struct klog_input *input, const struct candidates *c, size_t index,
                          size_t share, struct title_text *text)
{
    const struct candidate *header = &c->items[index];
    bool caller = klog_context_has_caller(header->context), nmi = false;
    bool kmsan = span_contains(klog_input_text(input, header->line), "KMSAN");
    size_t next = index + 1, lines = 0;
    size_t end = MIN(input->n_lines, header->line + KLOG_MAX_SCAN), cost = 0;

    text->n = 0;
    for (size_t i = header->line; i < end && text->n < TITLE_MAX_LINES && cost < share; i++) {
        struct span line = klog_input_text(input, i);

        cost++;
        if (!klog_same_context(header->context, input->lines[i].context, nmi))
            continue;
        cost += COST_TAKEN;
        while (next < c->n && c->items[next].line < i)
            next++;
        if (i > header->line && !caller &&
            ((next < c->n && c->items[next].line == i && c->items[next].second) || is_end(line)))
            break;
        if (is_questionable(line))
            continue;
        if (++lines > (size_t)(kmsan ? ECHO_LINES_KMSAN : ECHO_LINES) &&
            (has_word(line, 'K', PANIC) ||
             has_word(line, 'y', "possible circular locking dependency detected")))
            break;
        nmi |= has_word(line, 'S', "Sending NMI from CPU");
        if (has_word(line, 'D', "Disabling lock debugging due to kernel taint"))
            continue;
        text->lines[text->n++] = i;
    }
    return cost;
}

/* The panic's message; false where the line has no panic. */
static bool panic_message(struct span line, struct span *out)
{
    size_t at = span_find(line, PANIC);

    if (at == SIZE_MAX)
        return false;
    (void)span_take(&line, at + strlen(PANIC));
    (void)span_skip(&line, ":");
    if (span_ends(line, " ]---"))
        line.n -= strlen(" ]---");
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
    if (span_starts(message, "scheduling while atomic"))
        return strstr(before->report.title, "scheduling while atomic") != NULL;
    if (span_contains(message, "hung_task: blocked tasks"))
        return before->flags & HEADER_HUNG;
    if (span_contains(message, "softlockup: hung tasks"))
        return strcmp(before->kind, "hang") == 0;
    if (span_starts(message, "RCU Stall"))
        return strcmp(before->kind, "hang") == 0;
    return false;
}

/* The report that a panic belongs to: warnings may stand between an oops and the panic. */
static struct parsed_report *before_panic(struct klog *klog, uint32_t context, struct span message)
{
    for (size_t i = klog->n, looked = 0; i-- > 0 && looked < 64; looked++) {
        struct parsed_report *r = &klog->reports[i];

        if (r->context != context)
            continue;
        if (r->report.panic_message)
            return NULL;
        if (panic_follows(r, message))
            return r;
    }
    return NULL;
}

static bool panicked_before(const struct klog *klog, uint32_t context)
{
    for (size_t i = klog->n, looked = 0; i-- > 0 && looked < 64; looked++)
        if (klog->reports[i].context == context && klog->reports[i].report.panic_message)
            return true;
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
        if (span_starts(line, "---[ end ") && panicked_before(klog, c->context))
            return 1;
        before = before_panic(klog, c->context, message);
        if (!before)
            return 0;
        if (before->limit > c->line)
            before->last = MAX(before->last, c->line);
        return set_panic(before, message) < 0 ? -ENOMEM : 1;
    }
    if (c->second || span_contains(line, "unregister_netdevice") || !before)
        return 0;
    /* "invalid opcode" behind "kernel BUG at", "Internal error" behind "Unable to handle kernel" */
    if (!(before->flags & HEADER_OOPS) || c->line - before->line >= MAX_FOLLOW)
        return 0;
    for (size_t i = before->line; i < c->line; i++)
        if (klog->input.lines[i].context == c->context &&
            span_starts(klog_input_text(&klog->input, i), "---[ end trace"))
            return 0;
    return 1;
}

/* What a log tells of last is what one wants to know, and an oops more than a warning: of more
 * reports than there may be, the oldest go, those behind which the machine went on first. Not the
 * first ones and the last ones: what began it all is among these, and what ended it among those. */
static void drop_reports(struct klog *klog, size_t most)
{
    size_t excess = klog->n > most ? klog->n - most : 0;

    for (int round = 0; round < 3 && excess > 0; round++) {
        size_t kept = KLOG_FIRST_REPORTS;

        for (size_t i = KLOG_FIRST_REPORTS; i < klog->n; i++) {
            struct parsed_report *r = &klog->reports[i];
            bool goes = excess > 0 && i + KLOG_FIRST_REPORTS < klog->n &&
                        (round > 1 || !r->report.panic_message) &&
                        (round > 0 || !(r->flags & HEADER_OOPS));

            if (goes) {
                report_done(r);
                excess--;
                klog->left_out++;
            } else if (kept++ != i) {
                klog->reports[kept - 1] = *r;
            }
        }
        klog->n = kept;
    }
}

static int add_report(struct klog *klog, const struct candidate *c, struct title_result *title)
{
    struct parsed_report *reports, *r;

    /* Many at a time, as this moves all that stay. */
    if (klog->n == 2 * KLOG_MAX_REPORTS)
        drop_reports(klog, KLOG_MAX_REPORTS);
    if ((klog->n & (klog->n - 1)) == 0) {
        reports = reallocarray(klog->reports, klog->n ? klog->n * 2 : 1, sizeof(*reports));
        if (!reports)
            return -ENOMEM;
        klog->reports = reports;
    }
    r = &klog->reports[klog->n++];
    *r = (struct parsed_report){
        .line = c->line, .begin = c->line, .last = c->line, .context = c->context
    };
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

/* A hard lockup's panic is the last thing of it: the other CPUs' traces come before. */
static bool lockup_panics(const struct klog *klog, const struct candidates *all, size_t index)
{
    struct span message;

    for (size_t i = index + 1; i < all->n && i - index < MAX_LOOK_AHEAD; i++)
        if (panic_message(klog_input_text(&klog->input, all->items[i].line), &message))
            return span_contains(message, "LOCKUP");
    return false;
}

static int take_candidate(struct klog *klog, const struct candidates *all, size_t index,
                          size_t *budget, struct title_text *text)
{
    size_t share = MAX(*budget / (all->n - index), (size_t)LEAST_LINES * COST_TAKEN), cost;
    const struct candidate *c = &all->items[index];
    struct span line = klog_input_text(&klog->input, c->line), message;
    struct title_result title;
    int r = merge(klog, c, line);

    if (r != 0)
        return r < 0 ? r : 0;
    if (c->line + 1 < klog->input.n_lines &&
        span_contains(klog_input_text(&klog->input, c->line + 1),
                      "** replaying previous printk message **"))
        return 0;
    cost = gather_text(&klog->input, all, index, share, text);
    *budget -= MIN(*budget, cost);
    r = title_make(text, &title);
    if (r == -ENODATA)
        return 0;
    if (r < 0)
        return r;
    if ((title.header && title.header->flags & HEADER_YIELDS) && lockup_panics(klog, all, index)) {
        strbuf_clear(&title.title);
        return 0;
    }
    end_before(klog, c);
    r = add_report(klog, c, &title);
    strbuf_clear(&title.title);
    if (r == 0 && panic_message(line, &message))
        r = set_panic(&klog->reports[klog->n - 1], message);
    return r;
}

static int by_line(const void *a, const void *b)
{
    const struct parsed_report *x = a, *y = b;

    return x->line < y->line ? -1 : x->line > y->line;
}

/* Reports whose header is lost: those that are known lie around them. */
static int take_headless(struct klog *klog, struct title_text *text)
{
    struct klog_headless lost;
    size_t from = 0;

    for (int n = 0;
         n < MAX_HEADLESS && klog->n < KLOG_MAX_REPORTS && klog_find_headless(klog, from, &lost);
         n++) {
        struct candidate first = { .line = lost.begin,
                                   .context = klog->input.lines[lost.begin].context };
        struct title_result title;
        int r;

        (void)gather_text(&klog->input, &(struct candidates){ &first, 1 }, 0,
                          (size_t)TITLE_MAX_LINES * COST_OF_LINE, text);
        while (text->n > 1 && text->lines[text->n - 1] >= lost.next)
            text->n--;
        from = lost.found + 1;
        r = title_make_headless(text, &title);
        /* What names nobody is better than nothing, and no better than anything else. */
        if (r == 0 && title.function.n == 0 && klog->n > 0) {
            strbuf_clear(&title.title);
            continue;
        }
        if (r == 0)
            r = add_report(klog, &first, &title);
        strbuf_clear(&title.title);
        if (r < 0)
            return r;
        klog->reports[klog->n - 1].limit = lost.next;
        r = klog_fill_report(klog, &klog->reports[klog->n - 1]);
        if (r < 0)
            return r;
        from = MAX(from, klog->reports[klog->n - 1].last + 1);
        qsort(klog->reports, klog->n, sizeof(*klog->reports), by_line);
    }
    return 0;
}

/* The first line may have lost its stamp, where the log was cut: it is of the one who goes on. */
static void repair_first_line(struct klog_input *input)
{
    if (input->n_lines > 1 && input->lines[0].context == KLOG_NO_STAMP)
        input->lines[0].context = input->lines[1].context;
}

static int parse_input(struct klog *klog)
{
    _cleanup_(candidates_free) struct candidates candidates = { 0 };
    _cleanup_free_ size_t *lines = calloc(TITLE_MAX_LINES, sizeof(*lines));
    struct title_text text = { .input = &klog->input, .lines = lines };
    size_t budget = (klog->input.n_lines + TITLE_MAX_LINES) * COST_OF_LINE;
    int r;

    repair_first_line(&klog->input);
    r = lines ? find_candidates(&klog->input, &candidates) : -ENOMEM;
    for (size_t i = 0; i < candidates.n && r == 0; i++)
        r = take_candidate(klog, &candidates, i, &budget, &text);
    drop_reports(klog, KLOG_MAX_REPORTS);
    if (r == 0)
        r = klog_fill_reports(klog);
    return r == 0 ? take_headless(klog, &text) : r;
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
    _cleanup_strbuf_ struct strbuf b = { 0 };
    size_t n = klog->input.n_lines, line;

    if (klog->n > 0) {
        struct klog_walk walk = klog_note_walk(klog, &klog->reports[klog_primary_index(klog)]);

        while (klog_walk_next(&walk, &line)) {
            (void)strbuf_span(&b, klog_input_text(&klog->input, line));
            (void)strbuf_char(&b, '\n');
        }
    }
    for (line = n > KLOG_SUMMARY_LINES ? n - KLOG_SUMMARY_LINES : 0; klog->n == 0 && line < n;
         line++) {
        (void)strbuf_span(&b, klog_input_text(&klog->input, line));
        (void)strbuf_char(&b, '\n');
    }
    *out = strbuf_take(&b);
    return *out ? 0 : -ENOMEM;
}
