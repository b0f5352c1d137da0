/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The machine around PID 1: its console, a limit to everything, and the way out. */
#pragma once

#include "base/macro.h"
#include "base/span.h"

/* Mounts /proc, /sys and /dev, opens the console, makes a panic of this kernel reboot, and starts
 * the guardian: a process that pets the hardware watchdog while PID 1 keeps to its limits, and
 * reboots the machine when it does not, or fails. last_words: what the guardian does before, unless
 * the log is safe; with a limit of its own (limit_set). */
void machine_start(void (*last_words)(void));
/* The crashed kernel's log is on the target, or was given out in another way. */
void machine_log_is_safe(void);

/* A line on the console. */
void say(const char *format, ...) _printf_(1, 2);
/* The text of a negative errno. */
const char *errno_text(int r);
/* Bytes on the console, as they are. */
void console_write(const char *p, size_t n);

/* What comes next takes at most this long; more, and the machine is rebooted. kdump_limit=SECONDS
 * on the kernel's command line is the most that any step gets. */
void limit_set(unsigned seconds);

/* Seconds since this kernel started. */
double uptime(void);
void sleep_ms(unsigned ms);

/* sync, reboot(2), sysrq, and at last the panic of a kernel without PID 1. */
_Noreturn void machine_reboot(void);

/* A file of /proc or /sys as text, without blanks at its ends; empty where it cannot be read. */
struct span read_text(const char *path, char *buf, size_t size);
int write_text(const char *path, const char *text);
