/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* report --as-sent: what would leave this machine, made as submit makes it. */
#pragma once

#include "config/verb.h"
#include "klog/klog.h"
#include "outgoing/outgoing.h"

/* What would be sent of the report ZIP at fd. Says on the log what was replaced, and where it would
 * go. */
int as_sent_zip(const struct context *context, int fd, struct outgoing *out) _must_check_;
/* The same for a log that is in no ZIP: of the report that it would be. */
int as_sent_log(const struct context *context, const struct klog_view *view, struct span log,
                struct outgoing *out) _must_check_;
/* Appends the member of an outgoing ZIP that is "report.…" with this suffix; nothing where there is
 * none. */
int as_sent_member(const struct outgoing *outgoing, const char *suffix,
                   struct strbuf *out) _must_check_;
/* The whole of an outgoing ZIP in memory, to be written to a file. */
int as_sent_bytes(const struct outgoing *outgoing, struct strbuf *out) _must_check_;
