/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A vmcore as the source of a log. */
#pragma once

#include "base/strbuf.h"

/* Whether a file begins as an ELF core does, or as a dump in makedumpfile's own format. */
bool core_is_elf(int fd);
bool core_is_filtered(int fd);
/* Appends the log of the kernel whose memory this is. */
int core_read_log(int fd, struct strbuf *out);
