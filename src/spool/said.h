/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What timers would say every few minutes is said once in a boot: a file of RUN_DIR tells. */
#pragma once

#include "base/root.h"

/* Whether it was said in this boot; notes that it is now. What cannot be noted was not said. */
bool said_in_boot(const struct root *root, const char *name);
/* It is not true any more, and is said anew when it is. */
void said_forget(const struct root *root, const char *name);
