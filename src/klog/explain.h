/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a report means to a person: plain words, and what to look at next. */
#pragma once

#include "klog/internal.h"

enum { EXPLAIN_MAX_ADVICE = 6 };

/* What happened, in a few plain words; never NULL. */
const char *klog_explain_title(const struct parsed_report *report);
/* A taint's letter in words; NULL: none that is known (kernel/panic.c, taint_flags). */
const char *klog_explain_taint(char letter);
/* Whether a frame is where it crashed: the title's function, or that of the register dump where the
 * title names none. */
bool klog_is_crashed(const struct parsed_report *report, const struct klog_frame *frame);
/* The module that is to blame: the crashed function's; empty: the kernel itself, or unknown. */
struct span klog_blamed_module(const struct parsed_report *report);
/* Appends what to look at next, one advice a line, at most EXPLAIN_MAX_ADVICE. */
int klog_advice(const struct parsed_report *report, struct strbuf *out) _must_check_;
