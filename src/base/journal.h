/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line of the log that programs can find: sent to the journal with fields of its own, in the
 * journal's native protocol (systemd's docs/JOURNAL_NATIVE_PROTOCOL.md). Where there is no journal,
 * and for a person at a terminal, it is a line like any other.
 */
#pragma once

#include "base/log.h"
#include "base/root.h"

struct journal_field {
    const char *name;  /* [A-Z0-9_], not with an underscore in front */
    const char *value; /* any bytes; NULL: left out */
};

enum { JOURNAL_FIELDS_MAX = 16 };

/* The datagram of a message; at most JOURNAL_FIELDS_MAX fields. Pure but for memory: -ENOMEM. */
int journal_format(enum log_level level, const char *message, const struct journal_field *fields,
                   size_t n, struct strbuf *out) _must_check_;
/* Logs as log_write() does; in addition, or instead where stderr is the journal's, the message goes
 * to the journal of this root with its fields. A journal that is not there is none of the caller's
 * business. */
void log_event(const struct root *root, enum log_level level, const struct journal_field *fields,
               size_t n, const char *fmt, ...) _printf_(5, 6);
