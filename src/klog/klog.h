/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pure: the text of a kernel log → what crashed. doc/signature.md explains titles and signatures.
 */
#pragma once

#include <jansson.h>

#include "base/macro.h"
#include "base/span.h"
#include "base/strbuf.h"

struct klog_report {
    char *title;          /* one line, e.g. "BUG: unable to handle kernel paging request in f" */
    char *crash_function; /* NULL: unknown, as for all that follow */
    char *signature;      /* for grouping: hexadecimal */
    char *kernel_release; /* as uname -r */
    char *comm;
    char *panic_message; /* behind "not syncing: "; NULL where the machine went on */
    char *stack;         /* reliable frames, innermost first: "function+0x1/0x2 [module]" lines */
    unsigned first_line, last_line; /* in the text, from 1 */
};

struct klog;

/* Parses a whole log; text must outlive *out. A damaged log is no error. -ENOMEM. */
int klog_parse(struct span text, struct klog **out) _must_check_;
void klog_free(struct klog *klog);
DEFINE_CLEANUP(struct klog *, klog_free)
/* The report to file: that of the panic, else the last oops, else the first report; NULL where the
 * log tells of no crash. */
const struct klog_report *klog_primary(const struct klog *klog);
/* Appends the report as JSON text, schema 1; collected: what is known beside the log, or NULL.
 * -ENOMEM, -EFBIG. */
int klog_write_json(const struct klog *klog, const json_t *collected,
                    struct strbuf *out) _must_check_;
/* The same as values, without what was collected. The caller owns *out. -ENOMEM. */
int klog_to_json(const struct klog *klog, json_t **out) _must_check_;
/* The excerpt of the log that matters: the primary report's, or the last lines where there is none.
 * The caller frees *out. -ENOMEM. */
int klog_summary(const struct klog *klog, char **out) _must_check_;

/* What is known of a crash beside its log; for people. All may be NULL or 0. */
struct klog_view {
    const char *source;    /* where the log is from: a file's name */
    const char *machine;   /* vendor and product */
    const char *os;        /* the system's build */
    int64_t time;          /* of the crash, seconds since the epoch */
    const char *vmcore;    /* where a dump of the memory lies */
    const char *signature; /* text: the report's, where the log is not as it was then */
    bool colour;           /* text: with a terminal's escapes */
};

/* One screen that tells a person what happened. Nothing of the log steers a terminal. -ENOMEM. */
int klog_to_text(const struct klog *klog, const struct klog_view *view,
                 struct strbuf *out) _must_check_;
/* One self-contained page: no network, no script; all that is of the log is escaped. -ENOMEM. */
int klog_to_html(const struct klog *klog, const struct klog_view *view,
                 struct strbuf *out) _must_check_;
