/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* os-release(5): shell assignments. */
#pragma once

#include "base/span.h"

/* The value of key, cut to fit buf (of 1 byte or more). False, with buf "", where there is none;
 * the last one wins, and a malformed line is skipped. */
bool os_release_get(struct span text, const char *key, char *buf, size_t size);
