/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where reports go, for people: what status says. */
#pragma once

#include "config/config.h"

/* Appends "https://… (steam), Sentry project 42 at HOST, the folder /…", and whether what leaves is
 * scrubbed; nothing where reports go nowhere. No keys. -ENOMEM. */
int outgoing_destinations(const struct config *config, struct strbuf *out) _must_check_;
