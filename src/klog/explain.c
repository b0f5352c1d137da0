/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/explain.h"
#include "klog/names.h"

/* The first row whose word is in the title counts. */
static const struct {
    const char *word, *meaning, *advice;
} meanings[] = {
    { "sysrq triggered crash", "a person (or a program) asked for the crash: SysRq c",
      "nothing is broken; see who writes to /proc/sysrq-trigger if nobody meant it" },
    { "NULL pointer dereference", "the kernel followed a pointer that was NULL", NULL },
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
    { "ut of memory", "the memory was used up and nothing could be freed",
      "the task list in the log shows who had it" },
    { "deadlocked on memory", "the memory was used up and nothing could be freed",
      "the task list in the log shows who had it" },
    { "out_of_memory", "the memory was used up and nothing could be freed",
      "the task list in the log shows who had it" },
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

static bool is_function(const struct klog_frame *frame, const char *name)
{
    return name && span_eq(klog_function_base(frame->function), name);
}

bool klog_is_crashed(const struct parsed_report *r, const struct klog_frame *frame)
{
    const struct klog_details *d = &r->details;

    if (r->report.crash_function)
        return is_function(frame, r->report.crash_function);
    return d->has_rip && span_eq_span(frame->function, d->rip.function);
}

struct span klog_blamed_module(const struct parsed_report *r)
{
    const struct klog_details *d = &r->details;

    if (d->has_rip && klog_is_crashed(r, &d->rip))
        return d->rip.module;
    for (size_t i = 0; i < d->n_frames; i++)
        if (klog_is_crashed(r, &d->frames[i]))
            return d->frames[i].module;
    return d->has_rip ? d->rip.module : (struct span){ NULL, 0 };
}

static bool has_flag(struct span flags, char letter)
{
    return span_find_byte(flags, letter) != SIZE_MAX;
}

static struct span flags_of(const struct klog_details *d, struct span name)
{
    for (size_t i = 0; i < d->n_modules; i++)
        if (d->modules[i].name.n == name.n && memcmp(d->modules[i].name.p, name.p, name.n) == 0)
            return d->modules[i].flags;
    return (struct span){ NULL, 0 };
}

static void advise_module(const struct parsed_report *r, struct strbuf *out)
{
    struct span module = klog_blamed_module(r), flags;

    if (module.n == 0)
        return;
    flags = flags_of(&r->details, module);
    if (has_flag(flags, 'P') || has_flag(flags, 'O') || has_flag(flags, 'E'))
        (void)
            strbuf_printf(out,
                          "it happened in %.*s, a module that is not the kernel's own: try without "
                          "it, or tell its maker\n",
                          (int)MIN(module.n, (size_t)64), module.p);
    else
        (void)strbuf_printf(out,
                            "it happened in the driver %.*s: modinfo %.*s says what it is for\n",
                            (int)MIN(module.n, (size_t)64), module.p,
                            (int)MIN(module.n, (size_t)64), module.p);
}

int klog_advice(const struct parsed_report *r, struct strbuf *out)
{
    const struct klog_details *d = &r->details;
    size_t i = find_meaning(r);

    if (i != SIZE_MAX && meanings[i].advice)
        (void)strbuf_printf(out, "%s\n", meanings[i].advice);
    advise_module(r, out);
    if (has_flag(d->taints, 'D') || has_flag(d->taints, 'W'))
        (void)strbuf_str(out,
                         "an earlier oops or warning of this boot may be the cause: look for the "
                         "first one in the log\n");
    if (has_flag(d->taints, 'M') && !span_contains(span_str(r->report.title), "achine check"))
        (void)strbuf_str(out, "the hardware had reported errors before: see the mce: lines\n");
    if (r->corrupted)
        (void)strbuf_printf(out, "the log is damaged (%s): title and trace may mislead\n", r->why);
    if (!has_flag(d->taints, 'P') && !has_flag(d->taints, 'O') && r->report.title)
        (void)strbuf_str(out, "whether it is known: search for the title, on syzbot and in the "
                              "distribution's bug tracker\n");
    return out->failed;
}
