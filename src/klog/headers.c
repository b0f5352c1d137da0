/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/headers.h"

#define OOPS HEADER_OOPS
#define NO_STACK HEADER_NO_STACK
#define MAY_STACK HEADER_MAY_STACK
#define CORRUPTED HEADER_CORRUPTED

#define KASAN_SKIP "kernel_fault tag_check mem_abort ^el1_ ^el1h_"
#define KMSAN_SKIP "alloc_skb netlink_ack netlink_rcv_skb _encrypt$ ^crypto_ ^cipher_ ^drbg_ ^rng_"
#define USB_SKIP \
    "alloc_skb usb_submit_urb usb_start_wait_urb usb_bulk_msg usb_interrupt_msg usb_control_msg"
#define PAGE_SKIP                                                                              \
    "free_page put_page get_page update_page release_page free_unref ^folio ^_folio ^__folio " \
    "truncate_inode_pages page_frag_free alloc vmap page_owner"
#define ODEBUG_SKIP \
    "debug_ rcu hrtimer_ timer_ work_ percpu_ vunmap vfree __free_ debug_check kobject_"

static const struct klog_header headers[] = {
    /* KASAN */
    { "BUG: KASAN: double-free or invalid-free in {h}", NULL, "KASAN: invalid-free in {f}", "HT",
      "slab_ kfree vunmap vfree", 0, "kasan" },
    { "BUG: KASAN: double-free in {h}", NULL, "KASAN: invalid-free in {f}", "HT",
      "slab_ kfree vunmap vfree", 0, "kasan" },
    { "BUG: KASAN: invalid-free in {h}", NULL, "KASAN: invalid-free in {f}", "HT",
      "slab_ kfree vunmap vfree", 0, "kasan" },
    { "BUG: KASAN: {k} in {h}", "Read of size|Read at addr|Write of size|Write at addr",
      "KASAN: {k} {r} in {f}", "HT", KASAN_SKIP, 0, "kasan" },
    { "BUG: KASAN: {k} on address", "Read of size|Write of size", "KASAN: {k} {r}", "", NULL, 0,
      "kasan" },
    { "BUG: KASAN: {k}$", NULL, "KASAN: {k}", "", NULL, CORRUPTED, "kasan" },
    /* KMSAN, KCSAN, KFENCE */
    { "BUG: KMSAN: kernel-usb-infoleak in {h}", NULL, "KMSAN: kernel-usb-infoleak in {f}", "F",
      USB_SKIP, NO_STACK, "kmsan" },
    { "BUG: KMSAN: {k} in {h}", NULL, "KMSAN: {k} in {f}", "F", KMSAN_SKIP, NO_STACK, "kmsan" },
    { "BUG: KCSAN: {k}$", NULL, "KCSAN: {k}", "K", NULL, NO_STACK, "kcsan" },
    { "BUG: KFENCE: invalid free in {h}", NULL, "KFENCE: invalid free in {f}", "HF", NULL, NO_STACK,
      "kfence" },
    { "BUG: KFENCE: memory corruption in {h}", NULL, "KFENCE: memory corruption in {f}", "HF", NULL,
      NO_STACK, "kfence" },
    { "BUG: KFENCE: {k} in {h}", NULL, "KFENCE: {k} in {f}", "HF", NULL, 0, "kfence" },
    /* memory faults */
    { "BUG: unable to handle page fault for address", NULL,
      "BUG: unable to handle kernel paging request in {f}", "RT", NULL, OOPS, "oops" },
    { "BUG: unable to handle kernel paging request", NULL,
      "BUG: unable to handle kernel paging request in {f}", "RT", NULL, OOPS, "oops" },
    { "BUG: Unable to handle kernel data access", NULL,
      "BUG: unable to handle kernel paging request in {f}", "RT", NULL, OOPS, "oops" },
    { "BUG: unable to handle kernel NULL pointer dereference", NULL,
      "BUG: unable to handle kernel NULL pointer dereference in {f}", "RT", NULL, OOPS, "oops" },
    { "BUG: kernel NULL pointer dereference", NULL,
      "BUG: unable to handle kernel NULL pointer dereference in {f}", "RT", NULL, OOPS, "oops" },
    { "BUG: Kernel NULL pointer dereference", NULL,
      "BUG: unable to handle kernel NULL pointer dereference in {f}", "RT", NULL, OOPS, "oops" },
    { "BUG: unable to handle kernel", NULL, "BUG: unable to handle kernel", "", NULL,
      CORRUPTED | OOPS, "oops" },
    { "BUG: Unable to handle kernel", NULL, "BUG: unable to handle kernel", "", NULL,
      CORRUPTED | OOPS, "oops" },
    { "Unable to handle kernel paging request", NULL,
      "BUG: unable to handle kernel paging request in {f}", "RT", NULL, OOPS, "oops" },
    { "Unable to handle kernel NULL pointer dereference", NULL,
      "BUG: unable to handle kernel NULL pointer dereference in {f}", "RT", NULL, OOPS, "oops" },
    { "Unable to handle kernel access to user memory", NULL,
      "BUG: unable to handle kernel access to user memory in {f}", "RT", NULL, OOPS, "oops" },
    { "Unable to handle kernel data access", NULL,
      "BUG: unable to handle kernel paging request in {f}", "RT", NULL, OOPS, "oops" },
    { "Unable to handle kernel {k} at virtual address", NULL,
      "BUG: unable to handle kernel {k} in {f}", "RT", NULL, OOPS, "oops" },
    /* traps */
    { "general protection fault*:", NULL, "general protection fault in {f}", "RT", NULL, OOPS,
      "oops" },
    { "stack segment:", NULL, "stack segment fault in {f}", "RT", NULL, OOPS, "oops" },
    { "divide error:", NULL, "divide error in {f}", "R", NULL, OOPS, "oops" },
    { "divide_error:", NULL, "divide error in {f}", "R", NULL, OOPS, "oops" },
    { "invalid opcode:", NULL, "invalid opcode in {f}", "R", NULL, OOPS | HEADER_FOLLOWS, "oops" },
    { "int3:", NULL, "int3 in {f}", "RT", NULL, OOPS, "oops" },
    { "PANIC: double fault", NULL, "PANIC: double fault in {f}", "R", NULL, OOPS | HEADER_FOLLOWS,
      "oops" },
    { "Internal error:", NULL, "Internal error in {f}", "RT", NULL, OOPS | HEADER_FOLLOWS, "oops" },
    { "Unhandled fault:", NULL, "Unhandled fault in {f}", "RT", NULL, OOPS, "oops" },
    { "Alignment trap:", NULL, "Alignment trap in {f}", "RT", NULL, OOPS, "oops" },
    { "BUG: *stack guard page was hit at", NULL, "BUG: stack guard page was hit in {f}", "RT", NULL,
      OOPS | HEADER_ANCHOR, "oops" },
    { "{d}", NULL, "{k} in {f}", "RT", NULL, OOPS | HEADER_FOLLOWS | HEADER_DIE, "oops" },
    /* BUG() */
    { "kernel BUG at *mm/usercopy.c", NULL, "BUG: bad usercopy in {f}", "T", "usercopy __check",
      OOPS, "bug" },
    { "kernel BUG at *lib/list_debug.c", NULL, "BUG: corrupted list in {f}", "T", NULL, OOPS,
      "bug" },
    { "kernel BUG at ", NULL, "kernel BUG in {f}", "RT", "^skb_", OOPS, "bug" },
    { "Kernel BUG ", NULL, "kernel BUG in {f}", "RT", "^skb_", OOPS, "bug" },
    /* lockups and stalls */
    { "BUG: soft lockup", NULL, "BUG: soft lockup in {f}", "RT", NULL, HEADER_ANCHOR, "hang" },
    { "INFO: rcu_*detected*stall", NULL, "INFO: rcu detected stall in {f}", "I",
      "apic_timer_interrupt rcu", HEADER_ANCHOR, "hang" },
    { "INFO: task *blocked*for more than", NULL, "INFO: task hung in {f}", "T", NULL, HEADER_HUNG,
      "hang" },
    { "INFO: task *can't die for more than", NULL, "INFO: task can't die in {f}", "T", "schedule",
      0, "hang" },
    { "BUG: workqueue lockup", NULL, "BUG: workqueue lockup", "", NULL, NO_STACK, "hang" },
    /* contexts and locks */
    { "BUG: scheduling while atomic", NULL, "BUG: scheduling while atomic in {f}", "T", "schedule",
      0, "bug" },
    { "BUG: sleeping function called from invalid context", NULL,
      "BUG: sleeping function called from invalid context in {f}", "T", NULL, 0, "bug" },
    { "BUG: using {k}() in preemptible", NULL, "BUG: using {k}() in preemptible code in {f}", "T",
      "dump_stack preempt debug_ processor_id this_cpu", 0, "bug" },
    { "BUG: spinlock {k} on CPU", NULL, "BUG: spinlock {k} in {f}", "T", "spin_ _lock _unlock", 0,
      "bug" },
    { "BUG: rwlock {k} on CPU", NULL, "BUG: rwlock {k} in {f}", "T", "spin_ _lock _unlock", 0,
      "bug" },
    { "BUG: bad unlock balance detected!", NULL, "BUG: bad unlock balance in {f}", "bT", NULL, 0,
      "lockdep" },
    { "WARNING: bad unlock balance detected!", NULL, "WARNING: bad unlock balance in {f}", "bT",
      NULL, 0, "lockdep" },
    { "BUG: held lock freed!", NULL, "BUG: held lock freed in {f}", "a", NULL, 0, "lockdep" },
    { "WARNING: held lock freed!", NULL, "WARNING: held lock freed in {f}", "a", NULL, 0,
      "lockdep" },
    { "BUG: *still has locks held!", NULL, "BUG: still has locks held in {f}", "a", NULL, 0,
      "lockdep" },
    { "WARNING: *still has locks held!", NULL, "WARNING: still has locks held in {f}", "a", NULL, 0,
      "lockdep" },
    { "BUG: lock held when returning to user space", NULL,
      "BUG: lock held when returning to user space in {f}", "a", NULL, NO_STACK, "lockdep" },
    { "WARNING: lock held when returning to user space", NULL,
      "WARNING: lock held when returning to user space in {f}", "a", NULL, NO_STACK, "lockdep" },
    { "BUG: Invalid wait context", NULL, "WARNING: locking bug in {f}", "T",
      "lock_sock release_sock", 0, "lockdep" },
    /* The forms up to 4.10, "[ INFO: … ]": the function that wants the lock, whatever it is. */
    { "INFO: possible circular locking dependency detected", "is trying to acquire lock",
      "possible deadlock in {f}", "a", NULL, HEADER_NO_HELPERS, "lockdep" },
    { "INFO: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected", "is trying to acquire",
      "possible deadlock in {f}", "a", NULL, HEADER_NO_HELPERS, "lockdep" },
    { "INFO: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "is trying to acquire",
      "possible deadlock in {f}", "a", NULL, HEADER_NO_HELPERS, "lockdep" },
    { "possible circular locking dependency detected", "is trying to acquire lock",
      "possible deadlock in {f}", "aaF",
      "process_one_work flush_workqueue drain_workqueue destroy_workqueue", 0, "lockdep" },
    { "possible irq lock inversion dependency detected", "just changed the state of lock",
      "possible deadlock in {f}", "a", NULL, HEADER_NO_HELPERS, "lockdep" },
    { "-safe -> *-unsafe lock order detected", NULL, "possible deadlock in {f}", "u", NULL, 0,
      "lockdep" },
    { "possible recursive locking detected", NULL, "possible deadlock in {f}", "a", NULL,
      HEADER_NO_HELPERS, "lockdep" },
    { "WARNING: inconsistent lock state", NULL, "inconsistent lock state in {f}", "T", NULL, 0,
      "lockdep" },
    { "INFO: inconsistent lock state", "takes", "inconsistent lock state in {f}", "t", NULL, 0,
      "lockdep" },
    { "WARNING: suspicious RCU usage", NULL, "WARNING: suspicious RCU usage in {f}", "T",
      "rcu kmem slab", 0, "lockdep" },
    { "INFO: suspicious RCU usage", NULL, "INFO: suspicious RCU usage in {f}", "T", "rcu kmem slab",
      0, "lockdep" },
    { "INFO: trying to register non-static key", NULL,
      "INFO: trying to register non-static key in {f}", "T", "stack lock IRQ", 0, "lockdep" },
    /* WARN() */
    { "WARNING: *lib/debugobjects.c", NULL, "WARNING: ODEBUG bug in {f}", "W", ODEBUG_SKIP, 0,
      "warning" },
    { "WARNING: *mm/usercopy.c", NULL, "WARNING: bad usercopy in {f}", "W", "usercopy __check", 0,
      "warning" },
    { "WARNING: *lib/kobject.c", NULL, "WARNING: kobject bug in {f}", "W", "kobject_", 0,
      "warning" },
    { "WARNING: *fs/proc/generic.c", NULL, "WARNING: proc registration bug in {f}", "W", "proc_", 0,
      "warning" },
    { "WARNING: *lib/refcount.c", NULL, "WARNING: refcount bug in {f}", "W", "refcount kobject_", 0,
      "warning" },
    { "WARNING: *kernel/locking/lockdep.c*lock_", NULL, "WARNING: locking bug in {f}", "W",
      "lock_sock release_sock", 0, "warning" },
    { "WARNING: Nested lock was not taken", NULL, "WARNING: nested lock was not taken in {f}", "W",
      NULL, 0, "lockdep" },
    { "WARNING: nested lock was not taken", NULL, "WARNING: nested lock was not taken in {f}", "W",
      NULL, 0, "lockdep" },
    { "WARNING: *mm/vmalloc.c*__vmalloc_node", NULL, "WARNING: zero-size vmalloc in {f}", "W", NULL,
      0, "warning" },
    { "WARNING: *mm/*.c* kmalloc", NULL, "WARNING: kmalloc bug in {f}", "W",
      "kmalloc krealloc slab kmem", 0, "warning" },
    { "WARNING: *mm/*.c* kvmalloc", NULL, "WARNING: kmalloc bug in {f}", "W",
      "kmalloc krealloc slab kmem", 0, "warning" },
    { "WARNING: *mm/*.c* vmalloc", NULL, "WARNING: kmalloc bug in {f}", "W",
      "kmalloc krealloc slab kmem", 0, "warning" },
    { "WARNING: *usb_submit_urb", NULL, "WARNING in {f}/usb_submit_urb", "W",
      "usb_submit_urb usb_start_wait_urb usb_bulk_msg usb_interrupt_msg usb_control_msg", 0,
      "warning" },
    { "WARNING: kernel stack regs at * has bad '{k}' value", NULL,
      "WARNING: kernel stack regs has bad '{k}' value", "", NULL, NO_STACK, "warning" },
    { "WARNING: kernel stack frame pointer at * has bad value", NULL,
      "WARNING: kernel stack frame pointer has bad value", "", NULL, NO_STACK, "warning" },
    { "WARNING: CPU: {n} PID: {n}", NULL, "WARNING in {f}", "W", NULL, 0, "warning" },
    { "WARNING: {s} at ", NULL, "WARNING in {f}", "W", NULL, 0, "warning" },
    { "WARNING: [*] {s} at ", NULL, "WARNING in {f}", "W", NULL, 0, "warning" },
    { "WARNING: at {s}", NULL, "WARNING in {f}", "W", NULL, 0, "warning" },
    /* the rest of BUG and INFO */
    { "UBSAN: Undefined behaviour in", NULL, "UBSAN: undefined-behaviour in {f}", "T",
      "ubsan overflow", 0, "ubsan" },
    { "UBSAN: {k} in ", NULL, "UBSAN: {k} in {f}", "T", "ubsan overflow", 0, "ubsan" },
    { "BUG: Bad page state", NULL, "BUG: Bad page state in {f}", "A", PAGE_SKIP, 0, "bug" },
    { "BUG: Bad page cache", NULL, "BUG: Bad page cache in {f}", "A", PAGE_SKIP, 0, "bug" },
    { "BUG: Dentry *still in use *unmount of", NULL, "BUG: Dentry still in use in unmount", "",
      NULL, 0, "bug" },
    { "BUG: workqueue leaked lock or atomic", "last function: ",
      "BUG: workqueue leaked lock or atomic in {f}", "l", NULL, NO_STACK, "bug" },
    { "BUG: Bad rss-counter state", NULL, "BUG: Bad rss-counter state", "", NULL, NO_STACK, "bug" },
    { "BUG: non-zero nr_ptes on freeing mm", NULL, "BUG: non-zero nr_ptes on freeing mm", "", NULL,
      NO_STACK, "bug" },
    { "BUG: non-zero nr_pmds on freeing mm", NULL, "BUG: non-zero nr_pmds on freeing mm", "", NULL,
      NO_STACK, "bug" },
    { "BUG: non-zero pgtables_bytes on freeing mm", NULL,
      "BUG: non-zero pgtables_bytes on freeing mm", "", NULL, NO_STACK, "bug" },
    { "BUG: Bad page map", NULL, "BUG: Bad page map", "", NULL, 0, "bug" },
    { "unregister_netdevice: waiting for {k} to become free", NULL,
      "unregister_netdevice: waiting for DEV to become free", "", NULL, NO_STACK | HEADER_FOLLOWS,
      "other" },
    { "VFS: Busy inodes after unmount", NULL, "VFS: Busy inodes after unmount (use-after-free)", "",
      NULL, NO_STACK, "other" },
    { "VFS: Close: file count is 0", NULL, "VFS: Close: file count is zero (use-after-free)", "",
      NULL, NO_STACK, "other" },
    { "BUG {k}: Object already free", NULL, "BUG: Object already free", "", NULL, 0, "bug" },
    { "BUG * (*ainted*): Invalid object pointer", NULL, "BUG: Invalid object pointer", "", NULL, 0,
      "bug" },
    { "BUG * (*ainted*): {k}$", NULL, "BUG: {k}", "", NULL, 0, "bug" },
    { "INFO: Freed in {k}$", NULL, "INFO: Freed in {k}", "", NULL, CORRUPTED, "bug" },
    { "INFO: Allocated in {k}$", NULL, "INFO: Allocated in {k}", "", NULL, CORRUPTED, "bug" },
    /* panics */
    { "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: {h}", NULL,
      "kernel panic: stack is corrupted in {f}", "HT", "stack_chk", OOPS | NO_STACK, "panic" },
    { "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted", NULL,
      "kernel panic: stack is corrupted in {f}", "T", "stack_chk", OOPS, "panic" },
    { "Kernel panic - not syncing: corrupted stack end detected inside scheduler", NULL,
      "kernel panic: corrupted stack end in {f}", "T", "schedule retint_kernel",
      OOPS | HEADER_ANCHOR, "panic" },
    { "Kernel panic - not syncing: kernel stack overflow", NULL, "kernel stack overflow in {f}",
      "T", "bad_stack", OOPS | HEADER_ANCHOR, "panic" },
    { "Kernel panic - not syncing: Attempted to kill init!", NULL,
      "kernel panic: Attempted to kill init!", "", NULL, MAY_STACK | OOPS, "panic" },
    { "Kernel panic - not syncing: Couldn't open N_TTY ldisc", NULL,
      "kernel panic: Couldn't open N_TTY ldisc", "", NULL, MAY_STACK | OOPS, "panic" },
    { "Kernel panic - not syncing: Fatal exception", NULL, "kernel panic: Fatal exception", "",
      NULL, NO_STACK | CORRUPTED | OOPS | HEADER_FOLLOWS, "panic" },
    { "Kernel panic - not syncing: Oops: Fatal exception", NULL, "kernel panic: Fatal exception",
      "", NULL, NO_STACK | CORRUPTED | OOPS | HEADER_FOLLOWS, "panic" },
    { "Kernel panic - not syncing: {k}panic_on_warn set", NULL, "kernel panic: panic_on_warn set",
      "", NULL, NO_STACK | CORRUPTED | OOPS | HEADER_FOLLOWS, "panic" },
    { "Kernel panic - not syncing: hung_task: blocked tasks", NULL,
      "kernel panic: hung_task: blocked tasks", "", NULL,
      NO_STACK | CORRUPTED | OOPS | HEADER_FOLLOWS, "panic" },
    { "Kernel panic - not syncing: softlockup: hung tasks", NULL,
      "kernel panic: softlockup: hung tasks", "", NULL, NO_STACK | OOPS | HEADER_FOLLOWS, "panic" },
    { "Kernel panic - not syncing: {k}$", NULL, "kernel panic: {k}", "", NULL, MAY_STACK | OOPS,
      "panic" },
    { "etected hard LOCKUP on cpu", NULL, "watchdog: hard LOCKUP in {f}", "RT", NULL,
      HEADER_ANCHOR | HEADER_YIELDS, "hang" },
    /* any other words of the kernel */
    { "BUG: {k}$", "Call Trace:|Call trace:", "BUG: {k}", "", NULL, 0, "bug" },
};

enum { MAX_DIE_WORDS = 40 };

static bool is_name_byte(char c)
{
    return byte_is_alnum(c) || c == '_' || c == '.' || c == '$';
}

static bool is_address(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (byte_hex_value(s.p[i]) < 0)
            return false;
    return s.n >= 8;
}

/* A function's name up to '+': "func.isra.0+0x1/0x2" gives the whole name. */
static bool take_name(struct span *s, struct span *out)
{
    size_t n = 0;

    while (n < s->n && is_name_byte(s->p[n]))
        n++;
    if (n == 0 || is_address((struct span){ s->p, n }))
        return false;
    *out = span_take(s, n);
    return true;
}

/* "drivers/gpu/drm/drm_file.c:123" */
static bool take_source(struct span *s)
{
    struct span rest = *s;
    uint64_t line;
    size_t n = 0;

    while (n < rest.n && (is_name_byte(rest.p[n]) || (rest.p[n] && strchr("/-+,", rest.p[n]))))
        n++;
    if (!memchr(rest.p, '.', n))
        return false;
    (void)span_take(&rest, n);
    if (!span_skip(&rest, ":") || !span_take_dec(&rest, &line))
        return false;
    *s = rest;
    return true;
}

/* "alignment check: 0000 [#1]", with "Oops: " before it since 6.10 (arch/x86/kernel/dumpstack.c,
 * __die_header): a trap by its name. */
static bool take_die(struct span *s, struct span *words)
{
    struct span rest = *s;
    uint64_t number;
    size_t n = 0;

    (void)span_skip(&rest, "Oops: ");
    while (n < rest.n && n < MAX_DIE_WORDS && (byte_is_alpha(rest.p[n]) || rest.p[n] == ' '))
        n++;
    *words = span_take(&rest, n);
    if (n < 3 || span_eq(*words, "Oops") || !span_skip(&rest, ": ") ||
        !span_take_hex(&rest, &number) || !span_skip(&rest, " [#") ||
        !span_take_dec(&rest, &number) || !span_skip(&rest, "]"))
        return false;
    *s = rest;
    return true;
}

/* The literal at the pattern's front: up to '*', '{' or a final '$'. */
static size_t literal_length(const char *pattern)
{
    size_t n = strcspn(pattern, "*{$");

    while (pattern[n] == '$' && pattern[n + 1] != '\0')
        n += 1 + strcspn(pattern + n + 1, "*{$");
    return n;
}

static bool match_here(const char *pattern, struct span s, struct klog_capture *capture);

/* Any text, as little as does it, then the rest of the pattern. */
static bool match_any(const char *pattern, struct span s, struct span *taken,
                      struct klog_capture *capture)
{
    struct span start = s;

    if (pattern[0] == '$' && pattern[1] == '\0') {
        *taken = s;
        return true;
    }
    if (pattern[0] == '\0') {
        *taken = (struct span){ s.p, 0 };
        return true;
    }
    for (;;) {
        size_t n = literal_length(pattern);
        struct span literal = { pattern, n };
        const char *hit;

        if (n > 0) {
            hit = s.n >= n ? memmem(s.p, s.n, literal.p, n) : NULL;
            if (!hit)
                return false;
            (void)span_take(&s, (size_t)(hit - s.p));
        }
        if (match_here(pattern, s, capture)) {
            *taken = (struct span){ start.p, (size_t)(s.p - start.p) };
            return true;
        }
        if (s.n == 0)
            return false;
        (void)span_take(&s, 1);
    }
}

static bool match_here(const char *pattern, struct span s, struct klog_capture *capture)
{
    size_t n = literal_length(pattern);
    struct span ignored;
    uint64_t number;

    if (s.n < n || memcmp(s.p, pattern, n) != 0)
        return false;
    (void)span_take(&s, n);
    pattern += n;
    if (pattern[0] == '\0')
        return true;
    if (pattern[0] == '$')
        return s.n == 0;
    if (pattern[0] == '*')
        return match_any(pattern + 1, s, &ignored, capture);
    if (strncmp(pattern, "{k}", 3) == 0)
        return match_any(pattern + 3, s, &capture->k, capture);
    if (strncmp(pattern, "{h}", 3) == 0)
        return take_name(&s, &capture->h) && match_here(pattern + 3, s, capture);
    if (strncmp(pattern, "{s}", 3) == 0)
        return take_source(&s) && match_here(pattern + 3, s, capture);
    if (strncmp(pattern, "{d}", 3) == 0)
        return take_die(&s, &capture->k) && match_here(pattern + 3, s, capture);
    if (strncmp(pattern, "{n}", 3) == 0)
        return span_take_dec(&s, &number) && match_here(pattern + 3, s, capture);
    return false;
}

enum { MAX_HEADER_LINE = 2048 };

const struct klog_header *klog_header_match(struct span line, bool (*later)(void *, const char *),
                                            void *ctx, struct klog_capture *capture)
{
    if (line.n > MAX_HEADER_LINE)
        line.n = MAX_HEADER_LINE;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        const struct klog_header *h = &headers[i];
        size_t n = literal_length(h->pattern);
        const char *hit = line.n >= n ? memmem(line.p, line.n, h->pattern, n) : NULL;
        struct span from;

        if (!hit)
            continue;
        from = (struct span){ hit, (size_t)(line.p + line.n - hit) };
        *capture = (struct klog_capture){ { NULL, 0 }, { NULL, 0 } };
        if (match_here(h->pattern, from, capture) && (!h->later || later(ctx, h->later)))
            return h;
    }
    return NULL;
}

static const char *const needles[] = {
    "BUG:",
    "BUG ",
    "WARNING:",
    "INFO:",
    "Unable to handle kernel",
    "general protection fault",
    "Kernel panic - not syncing",
    "kernel BUG at",
    "Kernel BUG ",
    "divide error:",
    "divide_error:",
    "invalid opcode:",
    "UBSAN:",
    "unregister_netdevice: waiting",
    "Internal error:",
    "Unhandled fault:",
    "Alignment trap:",
    "stack segment:",
    "VFS: Busy inodes",
    "VFS: Close: file count",
    "PANIC: double fault",
    "int3:",
    "lock order detected",
    "possible circular locking",
    "possible recursive locking",
    "possible irq lock inversion",
    "LOCKUP on cpu",
    "[#", /* a trap's error code and count */
};

static unsigned pair_of(const char *p)
{
    return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

void klog_scanner_init(struct klog_scanner *scanner)
{
    memset(scanner, 0, sizeof(*scanner));
    for (size_t i = 0; i < sizeof(needles) / sizeof(needles[0]); i++)
        scanner->pairs[pair_of(needles[i]) / 64] |= UINT64_C(1) << (pair_of(needles[i]) % 64);
}

static bool needle_at(struct span s)
{
    for (size_t i = 0; i < sizeof(needles) / sizeof(needles[0]); i++)
        if (span_starts(s, needles[i]))
            return true;
    return false;
}

bool klog_scanner_hit(const struct klog_scanner *scanner, struct span line)
{
    for (size_t i = 0; i + 4 <= line.n; i++) {
        unsigned pair = pair_of(line.p + i);

        if ((scanner->pairs[pair / 64] >> (pair % 64) & 1) &&
            needle_at((struct span){ line.p + i, line.n - i }))
            return true;
    }
    return false;
}

/* These have a header's words, and are no crash. */
static const char *const no_reports[] = {
    "ODEBUG:",
    "Boot_DEBUG:",
    "DEBUG:",
    "_INFO::",
    "_INFO:",
    "INFO: lockdep is turned off",
    "INFO: Stall ended before state dump start",
    "INFO: NMI handler",
    "interrupt took too long",
    "INFO: recovery required on readonly filesystem",
    "WARNING: the mand mount option",
    "WARNING: Unprivileged eBPF is enabled",
    "mitigation options",
    "WARNING: kernel not compiled with CPU_SRSO",
    "WARNING: fbcon:",
    "uses deprecated v2 capabilities",
};

static bool is_known_harmless(struct span line)
{
    for (size_t i = 0; i < sizeof(no_reports) / sizeof(no_reports[0]); i++)
        if (span_contains(line, no_reports[i]))
            return true;
    /* "traps: game[42] general protection fault ip:… error:0 in game" is a user's program. */
    return span_contains(line, "general protection fault") &&
           (span_contains(line, " ip:") || span_contains(line, " rip:"));
}

bool klog_is_header(struct span line)
{
    if (line.n > MAX_HEADER_LINE)
        line.n = MAX_HEADER_LINE;
    return !is_known_harmless(line);
}
