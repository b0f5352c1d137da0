/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "klog/explain.h"
#include "klog/names.h"

#define MEMORY_GONE "the memory was used up and nothing could be freed"

/* The first row whose word is in the title counts. */
static const struct {
    const char *word, *meaning, *advice;
} meanings[] = {
    { "sysrq triggered crash", "a person (or a program) asked for the crash: SysRq c",
      "nothing is broken; see who writes to /proc/sysrq-trigger if nobody meant it" },
    { "NULL pointer dereference", "the kernel followed a pointer that was NULL",
      "most likely a bug of the code that is marked or of its callers, seldom of the hardware" },
    { "use-after-free", "memory was used after it had been given back", NULL },
    { "out-of-bounds", "memory beside an object was used", NULL },
    { "double-free", "memory was given back twice", NULL },
    { "invalid-free", "memory was given back that was never handed out", NULL },
    { "KASAN:", "the memory checker KASAN found a wrong access", NULL },
    { "KFENCE:", "the memory sampler KFENCE found a wrong access", NULL },
    { "KMSAN:", "memory was used that nobody had written", NULL },
    { "KCSAN:", "two CPUs used the same memory without agreeing on it", NULL },
    { "UBSAN:", "C that has no defined meaning was run", NULL },
    { "paging request", "the kernel used an address where no memory is",
      "a wild pointer may also be broken RAM: if titles differ from crash to crash, run "
      "memtest86+" },
    { "general protection fault",
      "the kernel used an address that cannot be one, or an instruction that is not allowed",
      "a wild pointer may also be broken RAM: if titles differ from crash to crash, run "
      "memtest86+" },
    { "stack guard page", "a kernel stack overflowed", "deep recursion or large local variables" },
    { "stack overflow", "a kernel stack overflowed", "deep recursion or large local variables" },
    { "corrupted stack end", "a kernel stack overflowed",
      "deep recursion or large local variables" },
    { "stack is corrupted", "a function wrote beyond its own stack", NULL },
    { "double fault",
      "a fault while a fault was handled; most often a kernel stack that overflowed",
      "deep recursion or large local variables in the trace" },
    { "divide error", "the kernel divided by zero", NULL },
    { "invalid opcode", "the CPU met an instruction that it does not know",
      "a kernel built for another CPU, or broken RAM" },
    { "soft lockup", "a CPU ran in the kernel for many seconds and let nothing else run",
      "the trace shows where it loops or which lock it spins for; the other CPUs' traces show who "
      "holds it" },
    { "rcu detected", "a CPU or task held up the kernel's RCU for many seconds",
      "the trace shows where it loops" },
    { "hard LOCKUP", "a CPU did not even take interrupts for many seconds",
      "the trace shows where interrupts were off" },
    { "task hung", "a task waited for minutes and could not be woken",
      "the trace shows what it waits for: often a disk or a network file system that does not "
      "answer, "
      "or a lock whose holder waits itself" },
    { "blocked tasks", "a task waited for minutes and could not be woken",
      "the trace shows what it waits for: often a disk that does not answer, or a lock" },
    { "workqueue lockup", "the kernel's helpers had work and did not come to it", NULL },
    { "watchdog", "the watchdog was not fed in time", NULL },
    { "NMI", "the hardware raised an interrupt that nobody expects",
      "a watchdog, a button, or failing hardware: see the firmware's event log" },
    { "achine check", "the processor reported an error of the hardware",
      "this is hardware: see the mce: lines (rasdaemon or mcelog decode them); check cooling, "
      "power "
      "and undervolting" },
    { "ardware Error", "the firmware or processor reported an error of the hardware",
      "this is hardware: see the lines beginning with [Hardware Error]" },
    { "ut of memory", MEMORY_GONE,
      "what grew? a leak shows as one task, or a kind of memory, that is far too big" },
    { "deadlocked on memory", MEMORY_GONE,
      "what grew? a leak shows as one task, or a kind of memory, that is far too big" },
    { "out_of_memory", MEMORY_GONE,
      "what grew? a leak shows as one task, or a kind of memory, that is far too big" },
    { "kill init", "the first process of the system ended; without it nothing can run",
      "the exit code's low byte is the signal that killed it (0x0b: a crash); look above it in the "
      "log for what init met" },
    { "mount root fs", "the kernel did not find or could not read the root file system",
      "check root= on the command line, the initramfs, and whether the disk's driver is in it" },
    { "VFS: Unable", "the kernel did not find or could not read the root file system",
      "check root= on the command line, the initramfs, and whether the disk's driver is in it" },
    { "deadlock", "the lock checker found an order of locks that can block for ever", NULL },
    { "lock", "the lock checker found a lock that is used in two ways that exclude each other",
      NULL },
    { "scheduling while atomic", "the kernel went to sleep where it must not", NULL },
    { "sleeping function", "the kernel went to sleep where it must not", NULL },
    { "suspicious RCU", "protected data was used without protection", NULL },
    { "list_add corruption", "a list was found torn: its memory was overwritten or used after free",
      NULL },
    { "list_del corruption", "a list was found torn: its memory was overwritten or used after free",
      NULL },
    { "refcount", "a count of users went wrong: an object may be freed while in use", NULL },
    { "ad page", "a page of memory was found in a state that cannot be",
      "may be broken RAM: run memtest86+" },
    { "page allocation failure", "a request for memory failed; the machine may go on", NULL },
    { "memory leak", "memory was lost", NULL },
    { "kernel BUG", "the kernel's own check found a state that must not be (BUG)", NULL },
    { "WARNING", "the kernel's own check found something wrong (WARNING)", NULL },
    { "BUG:", "the kernel found an error in itself", NULL },
    { "Internal error", "the CPU reported a fault in the kernel", NULL },
    { "panic", "the kernel gave up", NULL },
};

static const struct {
    char letter;
    const char *meaning;
} taints[] = {
    { 'P', "proprietary module loaded" },
    { 'F', "module loaded by force" },
    { 'S', "CPU or kernel out of specification" },
    { 'R', "module unloaded by force" },
    { 'M', "hardware error reported before" },
    { 'B', "bad page found before" },
    { 'U', "taint asked for by a program" },
    { 'D', "the kernel had oopsed before" },
    { 'A', "ACPI table overridden" },
    { 'W', "a warning came before" },
    { 'C', "staging driver loaded" },
    { 'I', "firmware bug worked around" },
    { 'O', "out-of-tree module loaded" },
    { 'E', "unsigned module loaded" },
    { 'L', "soft lockup before" },
    { 'K', "kernel live patched" },
    { 'X', "set by the distribution" },
    { 'T', "structures randomized" },
    { 'N', "in-kernel test run" },
    { 'J', "debug access to firmware" },
};

const char *klog_explain_taint(char letter)
{
    for (size_t i = 0; i < ARRAY_SIZE(taints); i++)
        if (taints[i].letter == letter)
            return taints[i].meaning;
    return NULL;
}

static size_t find_meaning(const struct parsed_report *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
        if (span_contains(span_str(r->report.title), meanings[i].word))
            return i;
    return SIZE_MAX;
}

const char *klog_explain_title(const struct parsed_report *r)
{
    size_t i = find_meaning(r);

    return i == SIZE_MAX ? "the kernel reported an error" : meanings[i].meaning;
}

void klog_format_uptime(double seconds, char *buf, size_t size)
{
    static const double too_long = 1e9; /* a damaged time stamp */
    unsigned s = seconds < too_long ? (unsigned)seconds : (unsigned)too_long;

    if (s < 60)
        (void)snprintf(buf, size, "%.1f s", seconds);
    else if (s < 3600)
        (void)snprintf(buf, size, "%u min %u s", s / 60, s % 60);
    else if (s < 86400)
        (void)snprintf(buf, size, "%u h %u min", s / 3600, s / 60 % 60);
    else
        (void)snprintf(buf, size, "%u day%s %u h", s / 86400, s < 2 * 86400 ? "" : "s",
                       s / 3600 % 24);
}

struct span klog_crashed_function(const struct parsed_report *r)
{
    const struct klog_details *d = &r->details;
    struct span base = d->has_rip ? klog_function_base(d->rip.function) : (struct span){ NULL, 0 };

    /* The title of a lockup is of where the work came from; a person wants to see the loop. */
    if ((r->flags & HEADER_ANCHOR) && base.n > 0 && !klog_is_helper(base, NULL))
        return base;
    return r->report.crash_function ? span_str(r->report.crash_function) : base;
}

const char *klog_explain_advice(const struct parsed_report *r)
{
    size_t i = find_meaning(r);

    return i == SIZE_MAX ? NULL : meanings[i].advice;
}

bool klog_is_out_of_memory(const struct parsed_report *r)
{
    return strcmp(klog_explain_title(r), MEMORY_GONE) == 0;
}

bool klog_is_crashed(const struct parsed_report *r, const struct klog_frame *frame)
{
    struct span function = klog_crashed_function(r);

    return function.n > 0 && span_eq_span(klog_function_base(frame->function), function);
}

static bool is_same_frame(const struct klog_frame *a, const struct klog_frame *b)
{
    return a->offset == b->offset && a->reliable == b->reliable &&
           span_eq_span(a->function, b->function) && span_eq_span(a->module, b->module);
}

unsigned klog_count_same(const struct klog_details *d, const struct klog_trace *t, size_t i)
{
    const struct klog_frame *frames = d->frames + t->first;
    unsigned n = 1;

    while (i + n < t->n && is_same_frame(&frames[i], &frames[i + n]))
        n++;
    return n;
}
