/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Report ZIPs, through libarchive. */
#pragma once

#include <time.h>

#include "base/io.h"

struct report_zip; /* a ZIP being written */

/* Writes to fd, which stays the caller's (see struct atomic_file). */
int report_zip_create(int fd, struct report_zip **out) _must_check_;
/* Adds a member of mode 0600 with this modification time. */
int report_zip_add(struct report_zip *zip, const char *name, time_t mtime,
                   struct span bytes) _must_check_;
/* Writes the directory and frees zip, whatever happens: 0 only if everything was written. */
int report_zip_finish(struct report_zip *zip) _must_check_;
void report_zip_abandon(struct report_zip *zip);
DEFINE_CLEANUP(struct report_zip *, report_zip_abandon)

/* Called for each member with its bytes (bounded by max; longer members come cut). Non-zero ends
 * the walk and is returned. */
typedef int (*report_zip_visit)(void *ctx, const char *name, struct span bytes);
/* Walks a ZIP of ours from fd's start. wanted (may be NULL: all) says which members to unpack.
 * -EBADMSG: no ZIP, or damaged. */
int report_zip_read(int fd, size_t max, bool (*wanted)(const char *name), report_zip_visit visit,
                    void *ctx) _must_check_;
