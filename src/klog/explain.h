/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a report means to a person: plain words, and what to look at next. */
#pragma once

#include "klog/scene.h"

enum { EXPLAIN_MAX_ADVICE = 10 };

/* What happened, in a few plain words; never NULL. */
const char *klog_explain_title(const struct parsed_report *report);
/* What to look at for this kind of crash; NULL: nothing particular. */
const char *klog_explain_advice(const struct parsed_report *report);
bool klog_is_out_of_memory(const struct parsed_report *report);
/* "42.7 s", "3 min 12 s", "2 h 13 min", "5 days 3 h". */
void klog_format_uptime(double seconds, char *buf, size_t size);
/* A taint's letter in words; NULL: none that is known (kernel/panic.c, taint_flags). */
const char *klog_explain_taint(char letter);
/* The function to show as the one that crashed: the title's, or that of the register dump where the
 * title names none, or names the place that a busy loop was entered from. Empty: unknown. */
struct span klog_crashed_function(const struct parsed_report *report);
/* Whether a frame is of that function. */
bool klog_is_crashed(const struct parsed_report *report, const struct klog_frame *frame);
/* How often the i-th frame of a trace stands there in a row: a function that calls itself. */
unsigned klog_count_same(const struct klog_details *details, const struct klog_trace *trace,
                         size_t i);
/* Appends what to look at next, one advice a line, at most EXPLAIN_MAX_ADVICE. */
int klog_advice(const struct klog *klog, const struct parsed_report *report,
                const struct klog_scene *scene, const struct klog_view *view,
                struct strbuf *out) _must_check_;
