/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes of the kernel's log without what describes them. */
#include <errno.h>

#include "vmcore/internal.h"

enum {
    LEAST = 4,             /* bytes that are printable by chance are fewer */
    MAX_BUFFER = 1U << 31, /* LOG_BUF_LEN_MAX */
    PAGE = 4096,
};

struct text {
    vmcore_emit_fn emit;
    void *ctx;
    char bytes[PAGE]; /* of the stretch; its beginning may be out already */
    size_t n;
    bool out, any;
    int error;
};

static void flush(struct text *t)
{
    int r = t->error == 0 && t->n > 0 ? t->emit(t->ctx, t->bytes, t->n) : 0;

    if (r < 0)
        t->error = r;
    t->any = t->any || t->n > 0;
    t->out = true;
    t->n = 0;
}

static void end_stretch(struct text *t)
{
    if (!t->out && t->n < LEAST) {
        t->n = 0;
        return;
    }
    t->bytes[t->n++] = '\n'; /* add() leaves room */
    flush(t);
    t->out = false;
}

static void add(struct text *t, char c)
{
    if ((c >= ' ' && c < 0x7f) || c == '\t')
        t->bytes[t->n++] = c;
    else
        end_stretch(t);
    if (t->n == sizeof(t->bytes) - 1)
        flush(t);
}

int vmcore_log_text(const struct vmcore *v, vmcore_emit_fn emit, void *ctx)
{
    static char page[PAGE];
    struct text t = { .emit = emit, .ctx = ctx };
    uint64_t buffer_at, size_at, buffer = 0, at = 0;
    uint32_t size = 0;

    if (!vmcore_info_symbol(v, "log_buf", &buffer_at) ||
        !vmcore_info_symbol(v, "log_buf_len", &size_at))
        return -ENOMSG;
    if (vmcore_read(v, buffer_at, &buffer, sizeof(buffer)) < 0 ||
        vmcore_read(v, size_at, &size, sizeof(size)) < 0 || size > MAX_BUFFER)
        return -EBADMSG;
    while (at < size && t.error == 0) {
        size_t piece = size - at < PAGE ? (size_t)(size - at) : PAGE;
        int64_t got = vmcore_read_some(v, buffer + at, page, piece);

        for (int64_t i = 0; i < got; i++)
            add(&t, page[i]);
        if (got < (int64_t)piece)
            end_stretch(&t);
        at += piece;
    }
    end_stretch(&t);
    return t.error < 0 ? t.error : t.any ? 0 : -EBADMSG;
}
