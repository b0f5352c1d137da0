/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pure: the name of the unit of a path, as `systemd-escape --path` has it (systemd.unit(5), "String
 * escaping for inclusion in unit names"). */
#pragma once

#include "base/span.h"

/* path is absolute. False: it is the root, has "..", or the name does not fit. */
bool unit_name_of_path(const char *path, const char *suffix, char *out, size_t size);
