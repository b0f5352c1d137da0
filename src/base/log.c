/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_max_level(enum log_level level)
{
    max_level = level;
}

bool log_enabled(enum log_level level)
{
    return level <= max_level;
}

/* systemd sets JOURNAL_STREAM to the device and inode of the stream that it connected. */
bool log_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
           fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

/* What a crash, a user or a server wrote must not forge a line or steer a terminal. */
void log_neutralize(char *text)
{
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

void log_write(enum log_level level, int error, const char *fmt, ...)
{
    char text[2048], message[2304];
    va_list ap;
    int saved = errno;

    if (!log_enabled(level))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    log_neutralize(text);
    if (error != 0)
        (void)snprintf(message, sizeof(message), "%s: %s", text, strerror(abs(error)));
    else
        (void)snprintf(message, sizeof(message), "%s", text);
    if (log_is_journal())
        (void)dprintf(STDERR_FILENO, "<%d>%s\n", (int)level, message);
    else
        (void)dprintf(STDERR_FILENO, "kdump-steamos: %s%s\n",
                      level == LOG_LEVEL_ERROR     ? "error: "
                      : level == LOG_LEVEL_WARNING ? "warning: "
                                                   : "",
                      message);
    errno = saved;
}
