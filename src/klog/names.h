/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of the kernel's function names: which say nothing of a crash, and which are marks
 * on the way to the one that does. */
#pragma once

#include "klog/demangle.h"

/* A helper: the crash happened in it, but its caller is to blame. extra: patterns that are helpers
 * for one kind of report only, or NULL. */
bool klog_is_helper(struct span name, const char *extra);
/* The name up to its first '.', under which a compiler's clones are one function. */
struct span klog_function_base(struct span function);
/* The name that titles and signatures use: the same, and demangled, which needs buf. */
struct span klog_function_name(struct span function, char buf[KLOG_MAX_DEMANGLED]);
/* Without a syscall wrapper's prefix: "__x64_sys_read" is "read". */
struct span klog_strip_syscall(struct span name);
/* Where work is handed out: what a looping CPU was called from. */
bool klog_is_anchor(struct span name);
/* Where the kernel is entered, or a thread of it begins: what all crashes on this way have. */
bool klog_is_entry(struct span name);
/* A frame of waiting itself, below which is who waits. */
bool klog_is_waiting(struct span name);
