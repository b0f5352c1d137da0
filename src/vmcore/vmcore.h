/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory of a crashed kernel, as an ELF core: /proc/vmcore in the kernel that took over, or a
 * file that was made of it. Pure: bytes come by a callback, nothing is allocated, nothing but
 * memcpy and the like is called, and every number in the core is taken for a lie until it fits: the
 * kernel that wrote them had crashed. 64-bit little-endian cores of x86-64 and arm64.
 */
#pragma once

#include "base/span.h"

/* Where the bytes come from. read gives all n bytes at this offset of the core, or a negative errno
 * (-ENODATA behind its end). */
struct vmcore_file {
    void *ctx;
    int (*read)(void *ctx, uint64_t offset, void *buf, size_t n);
};

/* One PT_LOAD: [paddr, paddr + memsz) of the crashed machine's memory. Of it the first filesz bytes
 * are in the core at offset, the rest was zero. vaddr is 0 where the core's maker did not know it.
 */
struct vmcore_load {
    uint64_t vaddr, paddr, offset, filesz, memsz;
};

enum {
    VMCORE_MAX_LOADS = 1024,
    VMCORE_MAX_INFO = 16 << 10,
};

/* Some 57 KiB; what is not used of it is never touched. Made by vmcore_open, and then read only. */
struct vmcore {
    struct vmcore_file file;
    unsigned machine; /* EM_X86_64, EM_AARCH64 */
    unsigned n_loads;
    struct vmcore_load loads[VMCORE_MAX_LOADS];
    size_t info_size;
    char info[VMCORE_MAX_INFO]; /* VMCOREINFO: lines KEY=value */
    /* How kernel addresses become physical ones; translate.c. */
    bool has_text_base;
    uint64_t text_start, text_size, text_base;
    bool has_page_table;
    unsigned page_levels;
    uint64_t page_table, page_mask;
};

/* Reads the headers and VMCOREINFO. -ENOEXEC: no 64-bit little-endian ELF core; -ENOTSUP: of a
 * machine that this code does not know; -ENOMSG: without VMCOREINFO; or what read gave. *out is
 * undefined on failure. */
int vmcore_open(struct vmcore *out, const struct vmcore_file *file);

/* The value of a line of VMCOREINFO (kernel/crash_core.c, kernel/vmcore_info.c): "OSRELEASE",
 * "SYMBOL(prb)". It points into v. False where there is none. */
bool vmcore_info(const struct vmcore *v, const char *key, struct span *out);
/* The same as a number: hexadecimal for SYMBOL(), decimal (negative ones as two's complement)
 * otherwise. */
bool vmcore_info_symbol(const struct vmcore *v, const char *name, uint64_t *out);
bool vmcore_info_number(const struct vmcore *v, const char *key, uint64_t *out);

/* The physical address behind a kernel address, and for how many bytes from there on (at least 1)
 * the answer holds. False: nothing is known to be there, or not in the core. */
bool vmcore_translate(const struct vmcore *v, uint64_t va, uint64_t *pa, uint64_t *run);
/* n bytes at a physical address, or at a kernel address; -EFAULT where some are not in the core.
 * What is in buf after a failure is undefined. */
int vmcore_read_physical(const struct vmcore *v, uint64_t pa, void *buf, size_t n);
int vmcore_read(const struct vmcore *v, uint64_t va, void *buf, size_t n);
/* As many as there are at va, up to max: their number, or -EFAULT where there is none. */
int64_t vmcore_read_some(const struct vmcore *v, uint64_t va, void *buf, size_t max);

/* Takes a piece of the log; negative: stop with this error. */
typedef int (*vmcore_emit_fn)(void *ctx, const char *p, size_t n);

struct vmcore_log {
    uint64_t records; /* given out */
    uint64_t damaged; /* left out, because some of their memory made no sense */
};

/*
 * The kernel's log: the lockless ring of 5.10 and later (kernel/printk/printk_ringbuffer.h), or the
 * record log from 3.5 on (struct log, later struct printk_log, of kernel/printk/printk.c). Text as
 * `makedumpfile --dump-dmesg` prints it, "[    1.234567] text", further lines of a record indented
 * by as many blanks as the prefix has; bytes that are not printable ASCII are \xNN, as /dev/kmsg
 * has them. Every record that was committed is given, oldest first.
 *
 * callers: print "[    T1]" as CONFIG_PRINTK_CALLER does. The lockless ring holds it in any case,
 * and a core does not tell whether the kernel printed it.
 *
 * -ENOMSG: VMCOREINFO names no log; -EBADMSG: the log makes no sense; -EFAULT: it is not in the
 * core; or what emit gave. *out (may be NULL) is set in any case.
 */
int vmcore_dmesg(const struct vmcore *v, bool callers, vmcore_emit_fn emit, void *ctx,
                 struct vmcore_log *out);

/*
 * Where that gives nothing: the printable text in the buffer that the log's records lie in (log_buf
 * of kernel/printk/printk.c; the same buffer in both logs), as it lies there, without its times,
 * and beginning anywhere where it wrapped. What is between two stretches of text is a new line;
 * stretches of less than 4 bytes, and what is not in the core, are left out. -ENOMSG: VMCOREINFO
 * names no buffer; -EBADMSG: there is no text in it; or what emit gave.
 */
int vmcore_log_text(const struct vmcore *v, vmcore_emit_fn emit, void *ctx);
