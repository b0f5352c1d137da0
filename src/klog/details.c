/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/details_parts.h"

static const struct klog_who nobody = { .cpu = -1, .pid = -1 };

void klog_details_init(struct klog_details *d)
{
    *d = (struct klog_details){ .cpu = -1, .pid = -1, .uid = -1, .next = nobody };
}

void klog_details_shed(struct klog_details *d)
{
    free(d->registers);
    free(d->others);
    free(d->modules);
    free(d->unloaded);
    free(d->frames);
    free(d->traces);
    d->registers = d->others = NULL;
    d->modules = d->unloaded = NULL;
    d->frames = NULL;
    d->traces = NULL;
    d->n_registers = d->n_others = d->n_modules = d->n_unloaded = d->n_frames = d->n_traces = 0;
    d->modules_done = false;
}

void klog_details_done(struct klog_details *d)
{
    klog_details_shed(d);
    klog_details_init(d);
}

int klog_details_grow(void *array, size_t n, size_t item)
{
    void *old, *items;

    if ((n & (n - 1)) != 0)
        return 0;
    (void)memcpy(&old, array, sizeof(old));
    items = reallocarray(old, n ? n * 2 : 1, item);
    if (!items)
        return -ENOMEM;
    (void)memcpy(array, &items, sizeof(items));
    return 0;
}

static size_t find_last(struct span s, const char *word)
{
    size_t at = SIZE_MAX, base = 0, hit;

    while ((hit = span_find(s, word)) != SIZE_MAX) {
        at = base + hit;
        (void)span_take(&s, hit + 1);
        base = at + 1;
    }
    return at;
}

static bool is_letters(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 'A' || s.p[i] > 'Z')
            return false;
    return true;
}

/* What follows the name: "Not tainted 6.1.52 #36" or "Tainted: G        W  O  6.1.52 #36 Debian".
 * The release is the word before " #". */
static void take_taint(struct klog_details *d, struct span s)
{
    struct span letters = { s.p, 0 }, release;
    size_t hash, start;
    bool tainted;

    if (d->taint_known)
        return;
    tainted = span_skip(&s, "Tainted: ");
    if (!tainted && !span_skip(&s, "Not tainted"))
        return;
    hash = span_find(s, " #");
    release = (struct span){ s.p, hash == SIZE_MAX ? s.n : hash };
    release = span_trim(release);
    for (start = release.n; start > 0 && release.p[start - 1] != ' '; start--)
        ;
    if (tainted)
        letters = (struct span){ s.p, (size_t)(release.p + start - s.p) };
    (void)span_take(&release, start);
    /* up to 2.6.28: "Not tainted (2.6.27-7 #1)" */
    if (span_skip(&release, "(") && span_ends(s, ")"))
        s.n--;
    /* Letters only: the release is missing. */
    if (hash != SIZE_MAX && release.n > 0 && !is_letters(release)) {
        d->release = release;
        d->build = span_trim((struct span){ s.p + hash, s.n - hash });
    } else if (tainted)
        letters = s;
    d->taints = letters;
    d->taint_known = true;
}

/* The last of " Not tainted" and " Tainted: ", since a task may be named like that. */
static size_t find_taint(struct span s)
{
    size_t clean = find_last(s, " Not tainted"), tainted = find_last(s, " Tainted: ");

    if (clean == SIZE_MAX)
        return tainted;
    return tainted == SIZE_MAX || clean > tainted ? clean : tainted;
}

static bool number_behind(struct span s, const char *word, int64_t *out)
{
    size_t at = span_find(s, word);
    uint64_t value;

    if (at == SIZE_MAX)
        return false;
    (void)span_take(&s, at + strlen(word));
    while (s.n > 0 && s.p[0] == ' ')
        (void)span_take(&s, 1);
    if (!span_take_dec(&s, &value) || value > INT64_MAX)
        return false;
    if (*out < 0)
        *out = (int64_t)value;
    return true;
}

/* "6.11.11 #1 Tainted: G        W": how lock checkers name the kernel (kernel/locking/lockdep.c,
 * print_kernel_ident). */
static void take_kernel_ident(struct klog_details *d, struct span line)
{
    size_t taint = find_taint(line), hash = span_find(line, " #");

    if (taint == SIZE_MAX || hash == SIZE_MAX || hash > taint || d->taint_known)
        return;
    if (d->release.n == 0)
        d->release = (struct span){ line.p, hash };
    (void)span_take(&line, taint + 1);
    d->taint_known = true;
    if (span_skip(&line, "Tainted: "))
        d->taints = line;
}

static struct span without_kdump(struct span comm)
{
    static const char kdump_loaded[] = " Kdump: loaded"; /* since 4.19, with a crash kernel */

    if (span_ends(comm, kdump_loaded))
        comm.n -= strlen(kdump_loaded);
    return comm;
}

/* The trace that comes next is of this task, on this CPU. */
static void announce(struct klog_details *d, struct span head, struct span comm)
{
    d->next = nobody;
    (void)number_behind(head, "CPU:", &d->next.cpu);
    if (!number_behind(head, "PID:", &d->next.pid))
        (void)number_behind(head, "id:", &d->next.pid);
    d->next.comm = without_kdump(comm);
    d->announced = true;
    d->dump = d->n_registers > 0 ? NEXT_REGISTERS : OWN_REGISTERS;
}

/* "task:kworker/0:1  state:D stack:0  pid:12  ppid:2" (kernel/sched/core.c, sched_show_task) */
static void take_task_line(struct klog_details *d, struct span line)
{
    size_t state = span_find(line, " state:");

    if (state == SIZE_MAX)
        return;
    d->next = nobody;
    d->next.comm = span_trim((struct span){ line.p, state });
    (void)number_behind(line, " pid:", &d->next.pid);
    d->announced = true;
    d->in_trace = false;
}

/* "CPU: 3 UID: 0 PID: 2561 Comm: name Not tainted 6.1.52 #36", and before 3.11 "Pid: 2663, comm:
 * name Tainted: G        WC 3.8.11 #1" (kernel/printk: dump_stack_print_info). */
static void take_cpu_line(struct klog_details *d, struct span line)
{
    size_t comm = span_find(line, "Comm: "), word = strlen("Comm: "), taint;
    struct span head;

    if (comm == SIZE_MAX) {
        comm = span_find(line, "comm: ");
        if (comm == SIZE_MAX || !span_contains(line, "id: "))
            return;
    }
    head = (struct span){ line.p, comm };
    if (!span_contains(head, "PID: ") && !span_contains(head, "id: "))
        return;
    (void)span_take(&line, comm + word);
    taint = find_taint(line);
    announce(d, head, (struct span){ line.p, taint == SIZE_MAX ? line.n : taint });
    if (d->comm.n == 0) {
        (void)number_behind(head, "CPU:", &d->cpu);
        (void)number_behind(head, "UID:", &d->uid);
        if (!number_behind(head, "PID:", &d->pid))
            (void)number_behind(head, "id:", &d->pid);
        d->comm = without_kdump((struct span){ line.p, taint == SIZE_MAX ? line.n : taint });
    }
    if (taint != SIZE_MAX)
        take_taint(d, (struct span){ line.p + taint + 1, line.n - taint - 1 });
}

/* ---- stacks ---- */

static int begin_trace(struct klog_details *d, struct span label, bool call_trace)
{
    int r;

    if (d->n_traces == DETAILS_MAX_TRACES)
        return 0;
    r = klog_details_grow(&d->traces, d->n_traces, sizeof(*d->traces));
    if (r < 0)
        return r;
    d->traces[d->n_traces++] = (struct klog_trace){
        .label = label, .who = nobody, .first = d->n_frames, .call_trace = call_trace
    };
    if (call_trace && d->announced) {
        d->traces[d->n_traces - 1].who = d->next;
        d->announced = false;
    }
    (void)number_behind(label, " by task ", &d->traces[d->n_traces - 1].who.pid);
    d->in_trace = true;
    d->behind = false;
    return 0;
}

/* "<TASK>": names the stack, where nothing else has. */
static bool take_stack_name(struct klog_details *d, struct span line)
{
    if (line.n < 3 || line.p[0] != '<' || line.p[line.n - 1] != '>')
        return false;
    d->behind |= line.p[1] == '/' || span_eq(line, "<EOI>") || span_eq(line, "<<EOE>>");
    if (d->in_trace && d->n_traces > 0 && line.p[1] != '/' &&
        d->traces[d->n_traces - 1].label.n == 0)
        d->traces[d->n_traces - 1].label = (struct span){ line.p + 1, line.n - 2 };
    return true;
}

static int take_frame(struct klog_details *d, struct span text, struct klog_frame *frame)
{
    int r;

    /* Old kernels have the mark on the frame's own line. */
    frame->behind = d->behind || span_starts(text, "<EOI>") || span_starts(text, "<<EOE>>");
    if (d->n_frames == DETAILS_MAX_FRAMES)
        return 0;
    if (!d->in_trace || d->n_traces == 0) {
        r = begin_trace(d, (struct span){ NULL, 0 }, false);
        if (r < 0)
            return r;
    }
    r = klog_details_grow(&d->frames, d->n_frames, sizeof(*frame));
    if (r < 0)
        return r;
    d->frames[d->n_frames++] = *frame;
    d->behind = false;
    d->traces[d->n_traces - 1].n++;
    return 0;
}

static int take_trace_start(struct klog_details *d, struct span line)
{
    struct span label = span_trim(line);
    bool call = span_starts(label, "Call ") || span_starts(label, "Backtrace:");
    size_t colon = span_find_byte(label, ':');

    if (colon != SIZE_MAX)
        label.n = colon;
    return begin_trace(d, call ? (struct span){ NULL, 0 } : label, call);
}

/* The words before the address that could not be used: x86, old x86, arm64, KASAN. */
static void take_address(struct klog_details *d, struct span line)
{
    static const char *const words[] = { " address: ",       " at virtual address ", " address 0x",
                                         " dereference at ", " paging request at ",  " at addr " };

    for (size_t i = 0; i < ARRAY_SIZE(words) && !d->has_address; i++) {
        size_t at = span_find(line, words[i]);
        struct span rest = line;

        if (at == SIZE_MAX)
            continue;
        (void)span_take(&rest, at + strlen(words[i]));
        rest = span_trim(rest);
        (void)span_skip(&rest, "0x");
        d->has_address = span_take_hex(&rest, &d->address);
        if (span_starts(rest, "(null)")) {
            d->address = 0;
            d->has_address = true;
        }
    }
}

/* What begins with a word of its own; a letter tells quickly that none is there. */
static void take_named(struct klog_details *d, struct span text)
{
    static const char nmi[] = "NMI backtrace for cpu ";

    switch (text.n > 0 ? text.p[0] : '\0') {
    case 'B': /* BUG: */
    case 'O': /* Oops: general protection fault */
    case 'U': /* Unable to handle kernel */
    case 'g': /* general protection fault */
    case 'R': /* Read of size */
    case 'W':
        if (!d->has_address && !d->in_trace)
            take_address(d, text);
        break;
    case 'C':
        if (d->code.n == 0 && d->dump == OWN_REGISTERS && !d->user_registers &&
            span_skip(&text, "Code: "))
            d->code = span_trim(text);
        break;
    case 'H':
        if (d->hardware.n == 0 && span_skip(&text, "Hardware name: "))
            d->hardware = span_trim(text);
        break;
    case 'N':
        if (span_starts(text, nmi)) {
            d->next = nobody;
            (void)number_behind(text, " cpu ", &d->next.cpu);
            d->announced = true;
            d->in_trace = false;
        }
        break;
    case 't':
        if (span_skip(&text, "task:"))
            take_task_line(d, text);
        break;
    case '-':
        if (span_starts(text, "---[ end ")) {
            d->announced = false;
            d->in_trace = false;
        }
        break;
    default:
        break;
    }
}

int klog_details_line(struct klog_details *d, struct span line)
{
    struct span text = span_trim(line);
    struct klog_frame frame;
    enum klog_ip ip;

    /* Most lines of a report are frames, and all else has a colon. */
    if (span_find_byte(text, ':') == SIZE_MAX && !d->in_modules && klog_frame_parse(text, &frame))
        return take_frame(d, text, &frame);
    if (span_skip(&text, "Modules linked in:")) {
        bool first = !d->modules_done;

        d->in_modules = first;
        d->modules_done = true;
        d->in_trace = false;
        return first ? klog_take_modules(d, text) : 0;
    }
    if (d->in_modules && klog_goes_on_with_modules(line))
        return klog_take_modules(d, line);
    d->in_modules = false;
    if (klog_starts_trace(text))
        return take_trace_start(d, text);
    if (take_stack_name(d, text))
        return 0;
    ip = klog_ip_parse(text, &frame);
    if (ip == KLOG_IP_BARE)
        d->user_registers = true;
    if (ip == KLOG_IP_FRAME)
        klog_take_ip(d, &frame);
    if (klog_is_register_line(text))
        return d->user_registers ? 0 : klog_take_registers(d, text);
    if (klog_frame_parse(text, &frame))
        return take_frame(d, text, &frame);
    if (span_find_byte(text, ':') != SIZE_MAX && span_contains(text, "omm: "))
        take_cpu_line(d, text);
    else if (span_starts(text, "Not tainted") || span_starts(text, "Tainted: "))
        take_taint(d, text);
    else if (text.n > 0 && byte_is_digit(text.p[0]))
        take_kernel_ident(d, text);
    else
        take_named(d, text);
    return 0;
}

const struct klog_trace *klog_details_stack(const struct klog_details *d)
{
    for (size_t i = 0; i < d->n_traces; i++)
        if (d->traces[i].call_trace && d->traces[i].n > 0)
            return &d->traces[i];
    for (size_t i = 0; i < d->n_traces; i++)
        if (d->traces[i].n > 0)
            return &d->traces[i];
    return NULL;
}
