/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/names.h"

static bool fits(struct span name, struct span pattern)
{
    bool front = pattern.n > 0 && pattern.p[0] == '^';
    bool back = pattern.n > 0 && pattern.p[pattern.n - 1] == '$';

    if (front)
        (void)span_take(&pattern, 1);
    if (back)
        pattern.n--;
    if (pattern.n == 0 || name.n < pattern.n)
        return false;
    if (front)
        return (!back || name.n == pattern.n) && memcmp(name.p, pattern.p, pattern.n) == 0;
    if (back)
        return memcmp(name.p + (name.n - pattern.n), pattern.p, pattern.n) == 0;
    return memmem(name.p, name.n, pattern.p, pattern.n) != NULL;
}

/* The bytes that a text has, one bit for several of them: what lacks one of a pattern's does not
 * have the pattern in it, and that is known without a search. */
static uint64_t bytes_of(struct span s)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s.n; i++)
        bytes |= UINT64_C(1) << (s.p[i] & 63);
    return bytes;
}

/* Whether name fits one of the blank-separated patterns: part of a name, '^' its beginning, '$' its
 * end. */
static bool name_in(struct span name, const char *patterns)
{
    const uint64_t marks = UINT64_C(1) << ('^' & 63) | UINT64_C(1) << ('$' & 63);
    uint64_t has = bytes_of(name) | marks;

    for (const char *p = patterns; *p;) {
        struct span pattern = { p, 0 };
        uint64_t bytes = 0;

        for (; *p && *p != ' '; p++)
            bytes |= UINT64_C(1) << (*p & 63);
        pattern.n = (size_t)(p - pattern.p);
        if (*p == ' ')
            p++;
        if ((bytes & ~has) == 0 && pattern.n > 0 && fits(name, pattern))
            return true;
    }
    return false;
}

static const char *const helpers[] = {
    /* sanitizers and checkers */
    "__sanitizer __asan kasan hwasan __msan kmsan kcsan_setup_watchpoint check_memory_region "
    "check_heap_object check_object read_word_at_a_time print_address_description "
    "print_report print_usage_bug __fortify_report debug_object timer_is_static_object "
    "work_is_static_object ref_tracker seqprop_assert __phys_addr",
    /* the way of dying */
    "panic invalid_op report_bug fixup_bug do_error _trap$ do_trap show_stack dump_stack "
    "walk_stack "
    "dump_backtrace warn_slowpath warn_alloc warn_bogus __warn assertfail "
    "program_check_exception program_check_common print_tainted ^get_taint$ "
    "stack_trace_consume_entry arch_stack_walk stack_trace_save",
    /* arm64's way to a fault */
    "do_kernel_fault do_translation_fault do_mem_abort el1_abort el1h_64_sync el1h_64_sync_handler",
    /* allocation */
    "alloc_page malloc zalloc calloc krealloc kmem_cache allocate_slab slab_ "
    "__alloc_frozen_pages_noprof ^kfree$ ^kvfree$ kfree_skb ida_free memdup",
    /* page cache */
    "folio_alloc folio_unlock filemap_alloc_folio __filemap_get_folio find_or_create_page "
    "do_read_cache_folio read_cache_page pagecache_get_page grab_cache_page_write_begin "
    "find_lock_entries truncate_inode_pages_range ^lock_page ^unlock_page mark_buffer_dirty "
    "xas_start xas_load xas_find",
    /* locks */
    "spin_lock spin_trylock spin_unlock raw_spin_rq read_lock read_trylock read_unlock write_lock "
    "write_trylock write_unlock ^down$ down_read down_write down_trylock down_read_trylock "
    "down_write_trylock up_read up_write ^mutex_ ^__mutex_ ^rt_mutex_ owner_on_cpu osq_lock "
    "osq_unlock lock_timer_base",
    /* lockdep */
    "lockdep lock_acquire lock_release lock_class mark_lock mark_held_locks reacquire_held_locks "
    "print_unlock imbalance_bug trace_hardirq trace_softirq lockdep_hardirq lockdep_softirq "
    "bh_enable bh_disable perf_trace might_sleep __might_resched might_fault __might_fault",
    /* atomics and counters */
    "atomic_dec atomic_inc atomic_read atomic_set atomic_or atomic_xor atomic_and atomic_add "
    "atomic_sub atomic_fetch atomic_xchg atomic_cmpxchg atomic_try atomic64_dec atomic64_inc "
    "atomic64_read atomic64_set atomic64_or atomic64_xor atomic64_and atomic64_add atomic64_sub "
    "atomic64_fetch atomic64_xchg atomic64_cmpxchg atomic64_try set_bit clear_bit change_bit "
    "test_bit ^refcount_ ^kref_",
    /* memory and strings */
    "memcpy memcmp memset memchr memmove strcmp strncmp strcpy strlcpy strncpy strscpy strlen "
    "strnlen strstr strnstr strchr strdup strndup string pointer snprintf scnprintf kasprintf "
    "kvasprintf va_format hex_dump_to_buffer print_hex_dump ^crc0 ^crc1 ^crc2 ^crc3 ^crc4 ^crc5 "
    "^crc6 ^crc7 ^crc8 ^crc9 crc_itu_t",
    /* user memory */
    "copy_to_user copy_from_user copy_to_iter copy_from_iter copy_page_to_iter copy_page_from_iter "
    "copy_folio_to_iter ^copyin$ ^copyout$ put_user get_user extract_user_to_sg extract_iter_to_sg",
    /* lists, trees, objects */
    "list_add list_del list_replace list_move list_splice ^rb_ ^__rb_ ^klist_ kobject_ "
    "rhashtable_lookup ^iput$ ^iput_final$ ^ihold$ fast_dput dput drop_nlink",
    /* printing */
    "printk dev_info dev_notice dev_warn dev_err dev_alert dev_crit dev_emerg",
    /* deferred work and waiting */
    "del_timer __timer_delete_sync __mod_timer sk_stop_timer_sync flush_work __cancel_work_timer "
    "cancel_work_sync try_to_grab_pending flush_workqueue drain_workqueue destroy_workqueue "
    "queue_work insert_work __queue_delayed_work queue_delayed_work_on finish_wait kthread_stop "
    "__wake_up ^complete$ wait_for_completion cleanup_srcu_struct _indirect_thunk_",
    /* driver core */
    "add_uevent_var get_device_parent device_add device_del device_unregister device_destroy "
    "device_release devres_release_all device_for_each_child ^put_device$ sysfs_remove "
    "device_remove_file tty_unregister_device hwrng_unregister i2c_del_adapter "
    "__unregister_client rollback_registered unregister_netdev dummy_urb_enqueue usb_kill_urb "
    "usb_kill_anchored_urbs usb_control_msg usb_hcd_submit_urb usb_submit_urb logic_in logic_out "
    "readb$ readw$ readl$ readq$ writeb$ writew$ writel$ writeq$",
};

/* read_once_…nocheck, write_once_…nocheck */
static bool is_nocheck(struct span name)
{
    return (span_contains(name, "read_once_") || span_contains(name, "write_once_")) &&
           span_contains(name, "nocheck");
}

bool klog_is_helper(struct span name, const char *extra)
{
    for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++)
        if (name_in(name, helpers[i]))
            return true;
    return is_nocheck(name) || (extra && name_in(name, extra));
}

struct span klog_function_base(struct span function)
{
    for (size_t i = 1; i < function.n; i++)
        if (function.p[i] == '.' || function.p[i] == '+')
            return (struct span){ function.p, i };
    return function;
}

struct span klog_function_name(struct span function, char buf[KLOG_MAX_DEMANGLED])
{
    size_t n = 0;

    if (function.n > 3 && function.p[0] == '_' && (function.p[1] == 'R' || function.p[1] == 'Z'))
        n = klog_demangle(function, buf);
    return n > 0 ? (struct span){ buf, n } : klog_function_base(function);
}

struct span klog_strip_syscall(struct span name)
{
    static const char *const prefixes[] = {
        "SYSC_",     "SyS_",      "sys_",         "__x64_",      "__ia32_",
        "__arm64_",  "____sys_",  "___sys_",      "__sys_",      "__se_",
        "__se_sys_", "__do_sys_", "compat_SYSC_", "compat_SyS_", "ksys_",
    };
    struct span best = name;

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        struct span rest = name;

        if (span_skip(&rest, prefixes[i]) && rest.n > 0 && rest.n < best.n)
            best = rest;
    }
    return best;
}

static const char *const anchors[] = {
    "do_syscall_ do_fast_syscall_ sysenter_dispatch tracesys_phase2 el0_svc_handler invoke_syscall "
    "ret_fast_syscall process_one_work",
    "netif_receive_skb do_softirq call_timer_fn _run_timers run_timer_softirq hrtimer_run "
    "run_ksoftirqd tasklet_action tasklet_hi_action",
    "smpboot_thread_fn ^kthread$ start_secondary cpu_startup_entry ret_from_fork",
    "vfs_read vfs_write vfs_iter_read vfs_iter_write do_iter_read do_iter_write call_read_iter "
    "call_write_iter new_sync_read new_sync_write do_iter_readv_writev vfs_ioctl ksys_ioctl "
    "compat_ioctl compat_sys_ioctl blkdev_ioctl blkdev_driver_ioctl ^call_mmap mmap_region do_mmap "
    "do_dentry_open vfs_open",
    "^sock_sendmsg ^sock_recvmsg ^sock_release ^__sock_release ^setsockopt$ kernel_setsockopt "
    "sock_common_setsockopt ^listen$ kernel_listen sk_common_release ^sock_mmap ^accept$ "
    "kernel_accept ^sock_do_ioctl ^sock_ioctl ^compat_sock_ioctl ^nfnetlink_rcv_msg "
    "^rtnetlink_rcv_msg ^netlink_dump ^socketpair ^sys_socketpair ^connect ^sys_connect ^ioctl "
    "^sys_ioctl",
    "__do_fault do_page_fault ^page_fault$ __fput task_work_run exit_to_usermode "
    "smp_call_function",
};

bool klog_is_anchor(struct span name)
{
    for (size_t i = 0; i < sizeof(anchors) / sizeof(anchors[0]); i++)
        if (name_in(name, anchors[i]))
            return true;
    return false;
}

bool klog_is_entry(struct span name)
{
    return name_in(name, "^do_syscall_ ^do_fast_syscall ^do_int80 ^__do_fast_syscall ^x64_sys_call "
                         "^ia32_sys_call ^entry_ ^system_call ^sysenter_ ^tracesys ^asm_ ^el0_ "
                         "^el0t_ ^invoke_syscall ^ret_fast_syscall ^el1_irq ^el1_interrupt "
                         "^el1h_64_irq ^__irq_svc ^ret_from_ ^kthread$ ^worker_thread$ "
                         "^process_one_work$ ^process_scheduled_works$ ^smpboot_thread_fn$ "
                         "^run_ksoftirqd$ ^__do_softirq$ ^do_softirq ^handle_softirqs$ ^irq_exit "
                         "^__irq_exit apic_timer_interrupt$ common_interrupt$ ^do_idle$ "
                         "^cpu_startup_entry$ ^start_secondary$ ^start_kernel$ ^secondary_startup");
}

bool klog_is_waiting(struct span name)
{
    return name_in(name, "sched _lock _slowlock down rwsem completion kthread wait synchronize "
                         "context_switch __switch_to cancel_delayed_work rcu_barrier");
}
