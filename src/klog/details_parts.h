/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How details.c takes the lines of a register dump and of the list of modules. All return 0 or
 * -ENOMEM. */
#pragma once

#include "klog/details.h"

/* Room for one more item of an array that grows in powers of two. */
int klog_details_grow(void *array, size_t n, size_t item) _must_check_;

bool klog_is_register_line(struct span line);
/* Whose registers follow: the report's own, those of a trace that the dump stands inside of, or of
 * the trace that comes next. */
void klog_take_ip(struct klog_details *d, const struct klog_frame *frame);
/* "RSP: 0018:ffffb EFLAGS: 00010206", "x29: ffff x28: 0", "FS:  00(0063) GS:ffff(0000)" */
int klog_take_registers(struct klog_details *d, struct span line) _must_check_;

/* The list may go on over several lines, and ends with what was unloaded last. */
int klog_take_modules(struct klog_details *d, struct span line) _must_check_;
/* Whether the line after one of modules is another of them. */
bool klog_goes_on_with_modules(struct span line);
