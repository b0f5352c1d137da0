/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <sys/types.h>

#include "base/macro.h"

/* Whether the file is a whole ZIP: it begins with a local header, its last record is the end of the
 * central directory, and the directory is where that record says (APPNOTE.TXT 6.3.10,
 * sections 4.3.7, 4.3.12 and 4.3.16). -EBADMSG with the reason in why, or what reading failed with.
 */
int zip_check(int fd, uint64_t size, char *why, size_t why_size) _must_check_;
