/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A log's bytes as text that a screen, a page or a parser can be given. */
#pragma once

#include "base/strbuf.h"

/* The length of the UTF-8 sequence at p, or 0 where there is none (RFC 3629). n > 0. */
size_t utf8_length(const unsigned char *p, size_t n);
/* Appends s with all that is no UTF-8 replaced by U+FFFD. */
int utf8_append(struct strbuf *out, struct span s);
/* Appends s for a terminal: no control byte but '\t', and nothing that turns the writing about or
 * hides (C1, bidirectional controls), so that a log cannot steer what shows it. */
int utf8_append_plain(struct strbuf *out, struct span s);
