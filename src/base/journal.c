/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/journal.h"

#include <endian.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* NAME=value and a newline; a value with newlines goes as NAME, newline, its length in 64 bits
 * little endian, itself, newline. */
static void append(struct strbuf *out, const char *name, const char *value)
{
    size_t n = strlen(value);
    uint64_t length = htole64(n);

    (void)strbuf_str(out, name);
    if (strchr(value, '\n')) {
        (void)strbuf_char(out, '\n');
        (void)strbuf_span(out, (struct span){ (const char *)&length, sizeof(length) });
    } else {
        (void)strbuf_char(out, '=');
    }
    (void)strbuf_span(out, (struct span){ value, n });
    (void)strbuf_char(out, '\n');
}

int journal_format(enum log_level level, const char *message, const struct journal_field *fields,
                   size_t n, struct strbuf *out)
{
    char priority[8];

    if (n > JOURNAL_FIELDS_MAX)
        return -EINVAL;
    (void)snprintf(priority, sizeof(priority), "%d", (int)level);
    append(out, "MESSAGE", message);
    append(out, "PRIORITY", priority);
    append(out, "SYSLOG_IDENTIFIER", "kdump-steamos");
    for (size_t i = 0; i < n; i++)
        if (fields[i].value)
            append(out, fields[i].name, fields[i].value);
    return out->failed ? -ENOMEM : 0;
}

/* The socket is found below the root, and its own path may be longer than sun_path. */
static int send_datagram(const struct root *root, struct span datagram)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct iovec part = { .iov_base = (void *)(uintptr_t)datagram.p, .iov_len = datagram.n };
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof(address), .msg_iov = &part, .msg_iovlen = 1
    };
    _cleanup_close_ int place = root_open(root, JOURNAL_SOCKET, O_PATH, 0);
    _cleanup_close_ int fd = -EBADF;

    if (place < 0)
        return place;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", place);
    /* Never waits: a journal that is stuck must not hold a boot up. */
    return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

void log_event(const struct root *root, enum log_level level, const struct journal_field *fields,
               size_t n, const char *fmt, ...)
{
    _cleanup_strbuf_ struct strbuf datagram = { 0 };
    char message[2048];
    int saved = errno, r;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    log_neutralize(message);
    r = journal_format(level, message, fields, n, &datagram);
    if (r == 0)
        r = send_datagram(root, strbuf_view(&datagram));
    /* stderr that goes to the journal would say the same a second time. */
    if (r < 0 || !log_is_journal())
        log_write(level, 0, "%s", message);
    errno = saved;
}
