/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record log of kernels 3.5 to 5.9, kernel/printk/printk.c (kernel/printk.c before 3.11).
 *
 * log_buf holds records behind each other: a header (struct printk_log; struct log before 3.11) of
 * time and lengths, the text, the dictionary, padding. len is the whole record's; a header whose
 * len is 0 says that the next record is at the buffer's start. They go from log_first_idx to
 * log_next_idx.
 */
#include <errno.h>

#include "vmcore/internal.h"

struct record_layout {
    uint32_t header, nsec, len, text_len;
};

#define FIELDS(name)                                                              \
    {                                                                             \
        { "SIZE(" name ")", offsetof(struct record_layout, header) },             \
            { "OFFSET(" name ".ts_nsec)", offsetof(struct record_layout, nsec) }, \
            { "OFFSET(" name ".len)", offsetof(struct record_layout, len) },      \
        {                                                                         \
            "OFFSET(" name ".text_len)", offsetof(struct record_layout, text_len) \
        }                                                                         \
    }
static const struct layout_field layouts[][4] = { FIELDS("printk_log"), FIELDS("log") };

struct records {
    const struct vmcore *v;
    struct record_layout at;
    bool has_caller; /* these kernels have the field only where they print it */
    uint64_t caller;
    uint64_t buffer;
    uint32_t size, first, next;
    struct window window, text_window;
};

static int read_number32(const struct vmcore *v, const char *symbol, uint32_t *out)
{
    uint64_t va;

    if (!vmcore_info_symbol(v, symbol, &va))
        return -ENOMSG;
    return vmcore_read(v, va, out, sizeof(*out));
}

static int read_log(struct records *log)
{
    uint64_t va;
    int r = read_number32(log->v, "log_buf_len", &log->size);

    if (r == 0)
        r = read_number32(log->v, "log_first_idx", &log->first);
    if (r == 0)
        r = read_number32(log->v, "log_next_idx", &log->next);
    if (r < 0)
        return r;
    if (!vmcore_info_symbol(log->v, "log_buf", &va))
        return -ENOMSG;
    if (vmcore_read(log->v, va, &log->buffer, sizeof(log->buffer)) < 0)
        return -EFAULT;
    log->has_caller = vmcore_info_number(log->v, "OFFSET(printk_log.caller_id)", &log->caller) &&
                      log->caller <= log->at.header && log->at.header - log->caller >= 4;
    if (log->at.header < 12 || log->at.header - log->at.nsec < 8 || log->at.nsec > log->at.header ||
        log->at.len > log->at.header - 2 || log->at.text_len > log->at.header - 2 ||
        log->size < log->at.header || log->first >= log->size || log->next >= log->size)
        return -EBADMSG;
    return 0;
}

/* The header at idx; NULL where it does not fit into the buffer, or is not in the core. */
static const char *header_at(struct records *log, uint32_t idx)
{
    if (idx > log->size || log->size - idx < log->at.header)
        return NULL;
    return window_at(&log->window, log->v, log->buffer + idx, log->at.header);
}

static bool dump_record(struct records *log, uint32_t idx, const char *header, struct printer *p)
{
    uint32_t n = (uint32_t)number_at(header + log->at.text_len, 2);
    uint32_t caller = log->has_caller ? (uint32_t)number_at(header + log->caller, 4) : 0;
    uint64_t start = (uint64_t)idx + log->at.header;
    bool whole;

    if (n > log->size - start)
        n = (uint32_t)(log->size - start);
    print_prefix(p, number_at(header + log->at.nsec, 8), log->has_caller, caller);
    whole = print_memory(p, log->v, &log->text_window, log->buffer + start, n);
    print_end(p);
    return whole;
}

int records_dump(const struct vmcore *v, struct printer *p, struct vmcore_log *out)
{
    struct records log = { .v = v };
    uint64_t walked = 0;
    uint32_t idx;
    int r = -ENOMSG;

    for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]) && r == -ENOMSG; i++)
        r = layout_read(v, layouts[i], sizeof(layouts[i]) / sizeof(layouts[i][0]), &log.at);
    if (r == 0)
        r = read_log(&log);
    if (r < 0)
        return r;
    for (idx = log.first; idx != log.next && p->error == 0;) {
        const char *header = header_at(&log, idx);
        uint32_t len = header ? (uint32_t)number_at(header + log.at.len, 2) : 0;

        if (header && len == 0 && idx != 0) {
            idx = 0;
            continue;
        }
        walked += len;
        if (len < log.at.header || walked > log.size) {
            out->damaged++; /* the rest cannot be found without this one's length */
            break;
        }
        if (!dump_record(&log, idx, header, p))
            out->damaged++;
        out->records++;
        idx += len; /* at most 64 KiB behind the buffer: header_at refuses it */
    }
    return out->records == 0 && out->damaged > 0 ? -EBADMSG : 0;
}
