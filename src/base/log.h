/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the program says: to stderr, each line with its syslog level in front when stderr is the
 * journal's (sd-daemon(3)), else with the program's name. The level is the only global state of the
 * program. A message is one line without a trailing full stop or newline, and says what was being
 * done, on what, and what the user can do.
 */
#pragma once

#include "base/macro.h"

enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5, /* the outcome of a verb: shown unless -q */
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

void log_set_max_level(enum log_level level); /* default: LOG_LEVEL_INFO */
bool log_enabled(enum log_level level);
bool log_is_journal(void);        /* whether stderr is the journal's */
void log_neutralize(char *text); /* control characters become blanks */
void log_write(enum log_level level, int error, const char *fmt, ...) _printf_(3, 4);

#define log_error(...) log_write(LOG_LEVEL_ERROR, 0, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, 0, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LEVEL_NOTICE, 0, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_INFO, 0, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, 0, __VA_ARGS__)

/* These append the error's text and give the error back: return log_error_errno(r, "cannot …"). */
#define log_full_errno(level, error, ...)        \
    ({                                           \
        int error_ = (error);                    \
        log_write((level), error_, __VA_ARGS__); \
        error_;                                  \
    })
#define log_error_errno(error, ...) log_full_errno(LOG_LEVEL_ERROR, error, __VA_ARGS__)
#define log_warning_errno(error, ...) log_full_errno(LOG_LEVEL_WARNING, error, __VA_ARGS__)
#define log_debug_errno(error, ...) log_full_errno(LOG_LEVEL_DEBUG, error, __VA_ARGS__)

static inline int log_oom(void)
{
    return log_error_errno(-ENOMEM, "out of memory");
}

/* What a person can do about an error of something that only root may see: "; run this as root", or
 * "" for any other error. */
static inline const char *advice_as_root(int error)
{
    return error == -EACCES || error == -EPERM ? "; run this as root" : "";
}
