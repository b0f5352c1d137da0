/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the memory of a report's crash was saved, too: said with how to open it. */
#pragma once

#include "config/verb.h"

/* name is what the user called the report: a path, or a name in the kdump folder. Says nothing
 * where it is no report's, or there is no vmcore of this crash. */
void vmcore_hint(const struct context *context, const char *name);
