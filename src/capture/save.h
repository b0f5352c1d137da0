/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is written: crash/TIMESTAMP/ in the kdump folder, dmesg.txt and vmcore in it. */
#pragma once

#include "vmcore/vmcore.h"

enum { SAVE_NAME = 32 };

/* Makes crash/TIMESTAMP below the folder, or TIMESTAMP-1 and so on where there is one already; its
 * name is put into name. A descriptor, or a negative errno. */
int save_directory(int folder, int64_t seconds, char name[SAVE_NAME]);
/* Gives the log out; where its records make no sense, a line that says so, and the text that lies
 * in its memory. As vmcore_dmesg. */
int save_emit_log(const struct vmcore *v, bool callers, vmcore_emit_fn emit, void *ctx);
/* Writes it as dmesg.txt, durably and as a whole: the newest part of it, and a line that says
 * so, where there is no room for all. The number of bytes, or a negative errno. */
int64_t save_dmesg(int dir, const struct vmcore *v, bool callers);
