/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pure: passwd(5), line by line. */
#pragma once

#include "base/span.h"

struct passwd_entry {
    struct span name, home; /* of the text */
    uint64_t uid, gid;
};

enum { PASSWD_MAX = 1 << 20 }; /* bytes of a file that is read */

/* Takes lines off text until one is an entry; false at the end. Lines that are none are passed by.
 */
bool passwd_next(struct span *text, struct passwd_entry *out);
/* The entry of this name. */
bool passwd_find(struct span text, const char *name, struct passwd_entry *out);
