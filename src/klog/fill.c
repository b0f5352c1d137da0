/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a report's lines say, once it is known where all reports begin. */
#include <stdio.h>

#include "klog/internal.h"
#include "klog/names.h"

enum { SIGNATURE_FRAMES = 6 };

#define PANIC "Kernel panic - not syncing"

/* Words that begin lines of a report, beside frames and registers. */
#define STARTS(word) (s.n >= sizeof(word) - 1 && memcmp(s.p, word, sizeof(word) - 1) == 0)
static bool is_report_line(struct span line)
{
    struct span s = span_trim(line);

    switch (s.n > 0 ? s.p[0] : '\0') {
    case '#':
        return true;
    case '-':
        return STARTS("---[");
    case '<':
        return true;
    case '=':
        return STARTS("====");
    case 'A':
        return STARTS("Allocated");
    case 'C':
        return STARTS("Call Trace") || STARTS("Call trace") || STARTS("Code:") || STARTS("CPU:") ||
               STARTS("CS:") || STARTS("CR2:");
    case 'D':
        return STARTS("DR0:") || STARTS("DR3:") || STARTS("Data abort");
    case 'F':
        return STARTS("FS:") || STARTS("Freed");
    case 'H':
        return STARTS("Hardware name");
    case 'I':
        return STARTS("INFO:") || STARTS("Internal error");
    case 'K':
        return STARTS("Kernel panic - not syncing") || STARTS("Kernel Offset");
    case 'L':
        return STARTS("Last potentially");
    case 'M':
        return STARTS("Modules linked") || STARTS("Memory state") || STARTS("Mem abort");
    case 'N':
        return STARTS("NMI backtrace");
    case 'O':
        return STARTS("Oops");
    case 'P':
        return STARTS("PKRU:") || STARTS("PGD") || STARTS("PHYS");
    case 'R':
        return STARTS("RIP:") || STARTS("RSP:") || STARTS("RAX:") || STARTS("RDX:") ||
               STARTS("RBP:") || STARTS("R10:") || STARTS("R13:") || STARTS("Rebooting") ||
               STARTS("Read of");
    case 'S':
        return STARTS("Stack:") || STARTS("Sending NMI") || STARTS("Shutting down") ||
               STARTS("SMP:") || STARTS("Showing");
    case 'T':
        return STARTS("Tainted:") || STARTS("The buggy");
    case 'U':
        return STARTS("Unable to");
    case 'W':
        return STARTS("Workqueue:") || STARTS("Write of");
    case 'f':
        return STARTS("flags:");
    case 'h':
        return STARTS("hardirqs");
    case 'i':
        return STARTS("irq event");
    case 'l':
        return STARTS("lr :");
    case 'n':
        return STARTS("note:");
    case 'p':
        return STARTS("page:") || STARTS("pc :") || STARTS("pstate");
    case 'r':
        return STARTS("raw:");
    case 's':
        return STARTS("sp :") || STARTS("softirqs");
    case 't':
        return STARTS("task:");
    case 'x':
        return true;
    default:
        return false;
    }
}
#undef STARTS

struct note {
    size_t bytes;
    unsigned doubtful; /* lines since the last one that is surely of the report */
    bool closed;
};

enum { MAX_SHARED_GAP = 8, KLOG_MAX_SHARED = 100 };
enum { MAX_DOUBTFUL = 40, MAX_DOUBTFUL_AFTER_END = 3 };

/* A panic that is the last word of what began before it: the words of that beginning. */
static const struct {
    const char *message, *beginning;
} beginnings[] = {
    { "Hard LOCKUP", "etected hard LOCKUP on cpu" },
    { "Asynchronous SError Interrupt", "SError Interrupt on CPU" },
    { "Fatal", "[Hardware Error]: CPU" },
    { "NMI: Not continuing", "NMI received for unknown reason" },
    { "Fatal exception", NULL }, /* the oops's head is lost: its registers and trace */
    { "Oops: Fatal exception", NULL },
};

enum { MAX_BEFORE = 600, MAX_GAP = 15, LEAST_LINES = 64 };

bool klog_is_known_line(struct span line)
{
    struct klog_frame frame;

    return is_report_line(line) || klog_frame_parse(line, &frame);
}

static size_t find_beginning(const struct klog *klog, const struct parsed_report *r,
                             const char *words, size_t least)
{
    size_t found = r->line, gap = 0;

    for (size_t i = r->line; i-- > least && (words || gap <= MAX_GAP);) {
        struct span line = klog_input_text(&klog->input, i);

        gap++;
        if (words && span_contains(line, words))
            found = i; /* the first of several */
        else if (!words && klog_is_known_line(line))
            found = i, gap = 0;
    }
    return found;
}

/* The lines of another report do not become this one's. */
static void look_back(const struct klog *klog, struct parsed_report *r)
{
    struct span message = span_str(r->report.panic_message);
    size_t least = r->line > MAX_BEFORE ? r->line - MAX_BEFORE : 0;

    if (message.n == 0 || strcmp(r->kind, "panic") != 0)
        return;
    if (r > klog->reports && r[-1].last + 1 > least)
        least = r[-1].last + 1;
    for (size_t i = 0; i < ARRAY_SIZE(beginnings) && r->begin == r->line; i++)
        if (span_starts(message, beginnings[i].message))
            r->begin = find_beginning(klog, r, beginnings[i].beginning, least);
}

/* The excerpt ends with the last line that is surely of the report. */
static void note_line(struct parsed_report *r, struct note *note, size_t index, struct span line,
                      bool ended)
{
    struct klog_frame frame;

    if (note->closed)
        return;
    note->bytes += line.n + 1;
    if (note->bytes > KLOG_MAX_NOTE) {
        note->closed = true;
    } else if (is_report_line(line) || klog_frame_parse(line, &frame) || index <= r->last) {
        r->note_last = index;
        note->doubtful = 0;
        r->last = MAX(r->last, index);
    } else if (++note->doubtful > (ended ? MAX_DOUBTFUL_AFTER_END : MAX_DOUBTFUL)) {
        note->closed = true;
    }
}

static struct klog_walk walk_all(const struct klog *klog, const struct parsed_report *r)
{
    return (struct klog_walk){
        .klog = klog, .report = r, .at = r->begin, .end = MIN(r->limit, r->line + KLOG_MAX_SCAN)
    };
}

struct klog_walk klog_note_walk(const struct klog *klog, const struct parsed_report *r)
{
    struct klog_walk walk = walk_all(klog, r);

    walk.end = MIN(walk.end, r->note_last + 1);
    walk.closed = r->note_last < r->begin;
    return walk;
}

bool klog_walk_next(struct klog_walk *w, size_t *out)
{
    const struct klog_input *input = &w->klog->input;
    const struct parsed_report *r = w->report;
    uint32_t beginning = input->lines[r->begin].context;

    for (; w->at < w->end && !w->closed; w->at++) {
        uint32_t context = input->lines[w->at].context;
        struct span line = klog_input_text(input, w->at);

        if (!klog_same_context(r->context, context, w->nmi) &&
            (w->at >= r->line || context != beginning))
            continue;
        w->nmi |=
            span_find_byte(line, 'S') != SIZE_MAX && span_contains(line, "Sending NMI from CPU");
        w->closed = span_starts(line, "---[ end Kernel panic");
        *out = w->at++;
        return true;
    }
    return false;
}

/* At most so many lines. */
static int take_lines(const struct klog *klog, struct parsed_report *r, size_t *lines)
{
    struct klog_walk walk = walk_all(klog, r);
    struct note note = { 0 };
    bool ended = false;
    size_t i;

    r->note_last = r->begin - 1;
    for (; *lines > 0 && klog_walk_next(&walk, &i); --*lines) {
        struct span line = klog_input_text(&klog->input, i);
        int ret;

        ended |= span_starts(line, "---[ end ");
        note_line(r, &note, i, line, ended);
        ret = klog_details_line(&r->details, line);
        if (ret == -ENOMEM)
            return ret;
    }
    return 0;
}

/* Two headers for one thing, one right behind the other: "BUG: scheduling while atomic" and the
 * panic that it leads to. Who ran, and the trace, stand behind the second and are the first one's,
 * too. */
static int take_shared_lines(const struct klog *klog, struct parsed_report *r)
{
    size_t end = MIN(klog->input.n_lines, r->limit + KLOG_MAX_SHARED);

    if (r->details.comm.n > 0 || r->limit - r->line > MAX_SHARED_GAP)
        return 0;
    for (size_t i = r->limit; i < end; i++) {
        int ret = 0;

        if (klog_same_context(r->context, klog->input.lines[i].context, false))
            ret = klog_details_line(&r->details, klog_input_text(&klog->input, i));
        if (ret < 0)
            return ret;
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
    blocked = span_find(line, " blocked for more than ");
    if (blocked == SIZE_MAX)
        blocked = span_find(line, " blocked in I/O wait for more than ");
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

static struct span name_of(const struct klog_frame *f, char room[KLOG_MAX_DEMANGLED])
{
    return klog_strip_syscall(klog_function_name(f->function, room));
}

/* Where the frames of the signature begin. A CPU that loops is caught anywhere in its loop: only
 * what is outwards of the title's function is the same each time. What an NMI has found hung lies
 * behind the NMI's own frames; a crash inside of an interrupt lies before what that interrupted. */
static size_t first_hashed(const struct parsed_report *r, const struct klog_trace *trace)
{
    const struct klog_frame *frames = trace->n > 0 ? r->details.frames + trace->first : NULL;
    char room[KLOG_MAX_DEMANGLED];
    size_t first = 0;

    for (size_t i = 0; i < trace->n && (r->flags & HEADER_ANCHOR) && r->report.crash_function; i++)
        if (frames[i].reliable && span_eq(name_of(&frames[i], room), r->report.crash_function))
            return i + 1;
    for (size_t i = 1; i < trace->n && strcmp(r->kind, "panic") == 0 && first == 0; i++)
        if (frames[i].behind && span_eq(trace->label, "NMI"))
            first = i;
    return first;
}

/* The way to the crash: the functions below the helpers, up to where the kernel was entered. */
static void hash_way(const struct parsed_report *r, const struct klog_trace *trace, uint64_t *hash)
{
    size_t first = first_hashed(r, trace);
    unsigned hashed = 0;

    for (size_t i = first; i < trace->n && hashed < SIGNATURE_FRAMES; i++) {
        const struct klog_frame *f = &r->details.frames[trace->first + i];
        char room[KLOG_MAX_DEMANGLED];
        struct span name = name_of(f, room);
        bool entry = klog_is_entry(name);

        if (i > first && (f->behind || (entry && f->reliable && hashed > 0)))
            break;
        if (!f->reliable || entry || klog_is_helper(name, NULL))
            continue;
        hash_span(hash, name);
        hashed++;
    }
}

static int make_stack(struct parsed_report *r)
{
    const struct klog_trace *trace = klog_details_stack(&r->details);
    _cleanup_strbuf_ struct strbuf stack = { 0 };
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    hash_span(&hash, span_str(r->report.title));
    if (trace && !r->corrupted)
        hash_way(r, trace, &hash);
    for (size_t i = 0; trace && i < trace->n; i++) {
        const struct klog_frame *f = &r->details.frames[trace->first + i];

        if (!f->reliable || stack.n > KLOG_MAX_STACK)
            continue;
        (void)strbuf_printf(&stack, "%.*s+0x%llx/0x%llx", (int)MIN(f->function.n, (size_t)512),
                            f->function.p, (unsigned long long)f->offset,
                            (unsigned long long)f->length);
        if (f->module.n > 0)
            (void)strbuf_printf(&stack, " [%.*s]", (int)MIN(f->module.n, (size_t)128), f->module.p);
        (void)strbuf_char(&stack, '\n');
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

static int fill_report(const struct klog *klog, struct parsed_report *r, size_t *lines)
{
    int ret;

    look_back(klog, r);
    ret = take_lines(klog, r, lines);
    if (ret == 0)
        ret = take_shared_lines(klog, r);
    if (ret == 0)
        ret = take_hung_task(r, klog_input_text(&klog->input, r->line));
    if (ret == 0)
        ret = make_stack(r);
    if (ret == 0)
        ret = copy_field(&r->report.comm, r->details.comm);
    if (ret == 0)
        ret = copy_field(&r->report.kernel_release, r->details.release);
    r->report.first_line = klog->input.lines[r->begin].number;
    r->report.last_line = klog->input.lines[r->last].number;
    return ret;
}

/* Reports that have lines in common must not make much of a small log, and what is kept of a log
 * full of reports must not be many times its size: of the primary one all is kept, of the others
 * what there is room for. */
int klog_fill_reports(struct klog *klog)
{
    size_t lines = 4 * klog->input.n_lines, details = KLOG_MAX_DETAILS;
    size_t primary = klog->n > 0 ? klog_primary_index(klog) : 0;

    for (size_t i = 0; i < klog->n; i++) {
        struct parsed_report *r = &klog->reports[i];
        size_t own = i == primary ? KLOG_MAX_SCAN + MAX_BEFORE : MAX(lines, (size_t)LEAST_LINES);
        size_t left = own, kept;
        int ret = fill_report(klog, r, &left);

        if (ret < 0)
            return ret;
        if (i == primary)
            continue;
        lines -= MIN(lines, own - left);
        kept = r->details.n_frames + r->details.n_modules + r->details.n_registers;
        r->shed = kept > details;
        details -= MIN(details, kept);
        if (r->shed) {
            klog_details_shed(&r->details);
            free(r->report.stack);
            r->report.stack = NULL;
        }
    }
    return 0;
}

int klog_fill_report(const struct klog *klog, struct parsed_report *report)
{
    size_t lines = KLOG_MAX_SCAN + MAX_BEFORE;

    return fill_report(klog, report, &lines);
}
