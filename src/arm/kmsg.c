/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>

#include "arm/kmsg.h"

enum {
    RECORDS_MAX = 20000,
    /* PRINTK_MESSAGE_MAX and the older CONSOLE_EXT_LOG_MAX: no record is longer. */
    RECORD_SIZE = 8192,
    TEXT_MAX = 8 << 20,
};

int kmsg_open(const struct root *root, bool at_end)
{
    _cleanup_close_ int fd = root_open(root, "/dev/kmsg", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

    if (fd < 0)
        return fd;
    if (at_end && lseek(fd, 0, SEEK_END) < 0)
        return -errno;
    return TAKE_FD(fd);
}

int kmsg_read(int fd, struct strbuf *out)
{
    char record[RECORD_SIZE];

    for (unsigned i = 0; i < RECORDS_MAX && out->n < TEXT_MAX; i++) {
        ssize_t n = read(fd, record, sizeof(record));
        int r;

        /* EPIPE: records were overwritten before we came to them; the next read goes on behind. */
        if (n < 0 && (errno == EINTR || errno == EPIPE))
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        r = strbuf_append(out, record, (size_t)n);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Who speaks of ramoops: fs/pstore/ram.c, ram_core.c, platform.c, the driver core, the loader. */
static const char *const speakers[] = { "ramoops", "pstore", "persistent_ram" };

/* Words of their lines that tell of a failure, 6.1 to 6.12. */
static const char *const complaints[] = {
    "fail",          "Fail",           "ignor",
    "already",       "no room",        "must be",
    "could not",     "cannot",         "record count == 0",
    "NULL platform", "Unknown compre", "invalid for parameter",
};

static const char *const compression_complaints[] = {
    "compression buffer allocation", "crypto_alloc_comp", "Unknown compression",
    "zlib deflate workspace",        "No memory for",
};

static bool contains_any(struct span line, const char *const words[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_contains(line, words[i]))
            return true;
    return false;
}

static bool speaks_of_ramoops(struct span line)
{
    for (size_t i = 0; i < ARRAY_SIZE(speakers); i++)
        if (span_starts(line, speakers[i]))
            return true;
    return false;
}

static void judge_line(struct span line, bool since_load, struct kmsg_effects *out)
{
    bool complaint = false;

    if (speaks_of_ramoops(line)) {
        if (span_contains(line, "Registered ramoops as persistent store backend"))
            out->registered = true;
        else if (span_contains(line, "Using crash dump compression"))
            out->compression_failed = !(out->compressed = true);
        else if (contains_any(line, compression_complaints, ARRAY_SIZE(compression_complaints)))
            complaint = out->compression_failed = !(out->compressed = false);
        else
            complaint = contains_any(line, complaints, ARRAY_SIZE(complaints));
    } else if (since_load) {
        /* modprobe: page allocation failure: order:10, … and the WARNING of an oversized kmalloc().
         */
        complaint =
            span_contains(line, "page allocation failure") || span_starts(line, "WARNING: CPU:");
    }
    if (complaint && out->complaint[0] == '\0')
        (void)span_copy(line, out->complaint, sizeof(out->complaint));
}

void kmsg_judge(struct span records, bool since_load, struct kmsg_effects *out)
{
    struct kmsg_effects effects = { 0 };
    struct span line, head;

    /* "6,1234,5678901,-;text", then lines of a blank and KEY=value that belong to it. */
    while (span_next_line(&records, &line)) {
        if (line.n > 0 && line.p[0] == ' ')
            continue;
        if (span_find_byte(line, ';') != SIZE_MAX)
            (void)span_next_field(&line, ';', &head);
        if (line.p)
            judge_line(line, since_load, &effects);
    }
    *out = effects;
}
