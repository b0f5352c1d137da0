/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names that come from outside, made safe for file names. */
#pragma once

#include "base/span.h"

/* Copies what is in [A-Za-z0-9_-] and drops every other byte; "0" where nothing is left. Cut to fit
 * size, the NUL included (below 2 there is no room for the "0"). */
void name_sanitize(struct span in, char *out, size_t size);
