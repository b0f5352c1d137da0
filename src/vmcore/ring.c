/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lockless ring, kernel/printk/printk_ringbuffer.[ch] since 5.10.
 *
 * Descriptor `id` is descs[id % count] and infos[id % count]; its state_var holds the id that it
 * was last used for, and its state in the two highest bits. Ids count up from tail_id to head_id.
 * Text lies in a second ring of bytes: a block is [begin, next), taken modulo that ring's size,
 * begins with the id, and lies at the ring's start as a whole where it would have crossed the end.
 * A record without text has begin and next in one place. Sizes are powers of two.
 */
#include <errno.h>

#include "vmcore/internal.h"

enum {
    STATE_COMMITTED = 1, /* by its writer, who may still add to it */
    STATE_FINALIZED = 2,
    STATE_SHIFT = 62,
    MAX_TEXT_BITS = 31,                 /* LOG_BUF_LEN_MAX */
    MAX_COUNT_BITS = MAX_TEXT_BITS - 5, /* a descriptor for 32 bytes of text (PRB_AVGBITS) */
    MAX_DAMAGED = 1 << 17, /* then the ring is none; 4 MiB of log have as many records */
};
#define ID_MASK ((1ULL << STATE_SHIFT) - 1)

struct ring_layout {
    uint32_t ring_size, desc_ring, data_ring;
    uint32_t count_bits, descs, infos, head_id, tail_id;
    uint32_t desc_size, state, block, begin, next;
    uint32_t info_size, nsec, text_len, caller;
    uint32_t size_bits, data, counter;
};

#define FIELD(key, member)                        \
    {                                             \
        key, offsetof(struct ring_layout, member) \
    }
static const struct layout_field fields[] = {
    FIELD("SIZE(printk_ringbuffer)", ring_size),
    FIELD("OFFSET(printk_ringbuffer.desc_ring)", desc_ring),
    FIELD("OFFSET(printk_ringbuffer.text_data_ring)", data_ring),
    FIELD("OFFSET(prb_desc_ring.count_bits)", count_bits),
    FIELD("OFFSET(prb_desc_ring.descs)", descs),
    FIELD("OFFSET(prb_desc_ring.infos)", infos),
    FIELD("OFFSET(prb_desc_ring.head_id)", head_id),
    FIELD("OFFSET(prb_desc_ring.tail_id)", tail_id),
    FIELD("SIZE(prb_desc)", desc_size),
    FIELD("OFFSET(prb_desc.state_var)", state),
    FIELD("OFFSET(prb_desc.text_blk_lpos)", block),
    FIELD("OFFSET(prb_data_blk_lpos.begin)", begin),
    FIELD("OFFSET(prb_data_blk_lpos.next)", next),
    FIELD("SIZE(printk_info)", info_size),
    FIELD("OFFSET(printk_info.ts_nsec)", nsec),
    FIELD("OFFSET(printk_info.text_len)", text_len),
    FIELD("OFFSET(printk_info.caller_id)", caller),
    FIELD("OFFSET(prb_data_ring.size_bits)", size_bits),
    FIELD("OFFSET(prb_data_ring.data)", data),
    FIELD("OFFSET(atomic_long_t.counter)", counter),
};

struct ring {
    const struct vmcore *v;
    struct ring_layout at;
    uint64_t descs, infos, data; /* addresses */
    uint64_t count, size;        /* descriptors; bytes of text */
    uint64_t tail, head;         /* ids */
    uint64_t text_left;          /* blocks do not overlap: all text fits into the ring */
    struct window desc_window, info_window, text_window;
};

/* A number inside of a structure of this size; all of it must be in there. */
static bool get(const char *p, size_t size, uint64_t offset, size_t width, uint64_t *out)
{
    if (offset > size || size - offset < width)
        return false;
    *out = number_at(p + offset, width);
    return true;
}

static int read_ring(struct ring *ring)
{
    const struct ring_layout *at = &ring->at;
    uint64_t va, count_bits, size_bits;
    char p[1024];
    size_t n = at->ring_size;

    if (!vmcore_info_symbol(ring->v, "prb", &va))
        return -ENOMSG;
    /* prb points at the static ring, or the larger one that was made later. */
    if (n > sizeof(p) || vmcore_read(ring->v, va, &va, sizeof(va)) < 0 ||
        vmcore_read(ring->v, va, p, n) < 0)
        return -EFAULT;
    if (!get(p, n, (uint64_t)at->desc_ring + at->count_bits, 4, &count_bits) ||
        !get(p, n, (uint64_t)at->desc_ring + at->descs, 8, &ring->descs) ||
        !get(p, n, (uint64_t)at->desc_ring + at->infos, 8, &ring->infos) ||
        !get(p, n, (uint64_t)at->desc_ring + at->head_id + at->counter, 8, &ring->head) ||
        !get(p, n, (uint64_t)at->desc_ring + at->tail_id + at->counter, 8, &ring->tail) ||
        !get(p, n, (uint64_t)at->data_ring + at->size_bits, 4, &size_bits) ||
        !get(p, n, (uint64_t)at->data_ring + at->data, 8, &ring->data))
        return -EBADMSG;
    if (count_bits == 0 || count_bits > MAX_COUNT_BITS || size_bits < 3 ||
        size_bits > MAX_TEXT_BITS)
        return -EBADMSG;
    ring->count = 1ULL << count_bits;
    ring->size = 1ULL << size_bits;
    ring->text_left = ring->size;
    ring->head &= ID_MASK;
    ring->tail &= ID_MASK;
    return 0;
}

/* Whether the text of a block was where it should be; less of it than text_len may have been kept.
 */
static bool find_text(const struct ring *ring, uint64_t begin, uint64_t next, uint64_t *start,
                      uint64_t *n)
{
    begin &= ring->size - 1;
    next &= ring->size - 1;
    if (begin > next)
        begin = 0; /* it would have crossed the end */
    if (next - begin < sizeof(uint64_t))
        return false;
    *start = begin + sizeof(uint64_t);
    if (*n > next - *start)
        *n = next - *start;
    return true;
}

static void dump_record(struct ring *ring, uint64_t id, struct printer *p, struct vmcore_log *log)
{
    const struct ring_layout *at = &ring->at;
    uint64_t index = id & (ring->count - 1), state, begin, next, nsec, n, caller, start = 0;
    const char *desc =
        window_at(&ring->desc_window, ring->v, ring->descs + index * at->desc_size, at->desc_size);
    const char *info;

    if (!desc || !get(desc, at->desc_size, (uint64_t)at->state + at->counter, 8, &state) ||
        !get(desc, at->desc_size, (uint64_t)at->block + at->begin, 8, &begin) ||
        !get(desc, at->desc_size, (uint64_t)at->block + at->next, 8, &next)) {
        log->damaged++;
        return;
    }
    /* Being written, or gone: not an error. */
    if ((state & ID_MASK) != id ||
        (state >> STATE_SHIFT != STATE_COMMITTED && state >> STATE_SHIFT != STATE_FINALIZED))
        return;
    if (((begin ^ next) & (ring->size - 1)) == 0)
        return;
    info =
        window_at(&ring->info_window, ring->v, ring->infos + index * at->info_size, at->info_size);
    if (!info || !get(info, at->info_size, at->nsec, 8, &nsec) ||
        !get(info, at->info_size, at->text_len, 2, &n) ||
        !get(info, at->info_size, at->caller, 4, &caller) ||
        !find_text(ring, begin, next, &start, &n) || n > ring->text_left) {
        log->damaged++;
        return;
    }
    ring->text_left -= n;
    print_prefix(p, nsec, p->callers, (uint32_t)caller);
    if (!print_memory(p, ring->v, &ring->text_window, ring->data + start, (size_t)n))
        log->damaged++;
    print_end(p);
    log->records++;
}

int ring_dump(const struct vmcore *v, struct printer *p, struct vmcore_log *log)
{
    struct ring ring = { .v = v };
    uint64_t id, n;
    int r;

    r = layout_read(v, fields, sizeof(fields) / sizeof(fields[0]), &ring.at);
    if (r == 0)
        r = read_ring(&ring);
    if (r < 0)
        return r;
    /* More ids than descriptors cannot be: one end is damaged. The newest records count. */
    n = ((ring.head - ring.tail) & ID_MASK) + 1;
    if (n > ring.count)
        n = ring.count;
    id = (ring.head - (n - 1)) & ID_MASK;
    for (; n > 0 && p->error == 0 && log->damaged < MAX_DAMAGED; n--, id = (id + 1) & ID_MASK)
        dump_record(&ring, id, p, log);
    return log->records == 0 && log->damaged > 0 ? -EBADMSG : 0;
}
