/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A lockless ring of the kernel's log in a core, written as the kernel's writers do. */
#pragma once

#include "core.h"

enum {
    RING_SYMBOL = 0x1000, /* prb, the pointer */
    RING_STRUCT = 0x1100,
    RING_BUFFER = 0x1200, /* log_buf, the pointer, and log_buf_len behind it */
    RING_DESCS = 0x10000, /* 24 bytes each */
    RING_INFOS = 0x20000, /* 88 bytes each */
    RING_TEXT = 0x40000,
    RING_COUNT_BITS = 5,
    RING_COUNT = 1 << RING_COUNT_BITS,
    RING_REUSABLE = 3,
    RING_FINALIZED = 2,
    RING_COMMITTED = 1,
    RING_RESERVED = 0,
};
#define RING_ID_MASK ((1ULL << 62) - 1)

struct ring_writer {
    struct core *core;
    unsigned text_bits;
    uint64_t head, tail; /* ids: of the next record, of the oldest one */
    uint64_t lpos;
    uint64_t (*address)(size_t at); /* how the kernel points to the rings */
};

static inline void ring_layout_info(struct core *c)
{
    core_info(c, "SYMBOL(prb)=%llx\n", (unsigned long long)core_text(RING_SYMBOL));
    core_info(c, "SYMBOL(log_buf)=%llx\nSYMBOL(log_buf_len)=%llx\n",
              (unsigned long long)core_text(RING_BUFFER),
              (unsigned long long)core_text(RING_BUFFER + 8));
    core_info(c, "%s",
              "SIZE(printk_ringbuffer)=80\nOFFSET(printk_ringbuffer.desc_ring)=0\n"
              "OFFSET(printk_ringbuffer.text_data_ring)=40\nOFFSET(printk_ringbuffer.fail)=72\n"
              "SIZE(prb_desc_ring)=40\nOFFSET(prb_desc_ring.count_bits)=0\n"
              "OFFSET(prb_desc_ring.descs)=8\nOFFSET(prb_desc_ring.infos)=16\n"
              "OFFSET(prb_desc_ring.head_id)=24\nOFFSET(prb_desc_ring.tail_id)=32\n"
              "SIZE(prb_desc)=24\nOFFSET(prb_desc.state_var)=0\n"
              "OFFSET(prb_desc.text_blk_lpos)=8\nSIZE(prb_data_blk_lpos)=16\n"
              "OFFSET(prb_data_blk_lpos.begin)=0\nOFFSET(prb_data_blk_lpos.next)=8\n"
              "SIZE(printk_info)=88\nOFFSET(printk_info.seq)=0\nOFFSET(printk_info.ts_nsec)=8\n"
              "OFFSET(printk_info.text_len)=16\nOFFSET(printk_info.caller_id)=20\n"
              "OFFSET(printk_info.dev_info)=24\nSIZE(prb_data_ring)=32\n"
              "OFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=8\n"
              "OFFSET(prb_data_ring.head_lpos)=16\nOFFSET(prb_data_ring.tail_lpos)=24\n"
              "SIZE(atomic_long_t)=8\nOFFSET(atomic_long_t.counter)=0\n");
}

static inline void ring_start(struct ring_writer *w, struct core *c, unsigned text_bits)
{
    *w = (struct ring_writer){ .core = c, .text_bits = text_bits, .address = core_direct };
    /* As the kernel starts: the first ids are about to wrap (DESC0_ID). */
    w->head = w->tail = (0 - (uint64_t)(RING_COUNT + 1)) & RING_ID_MASK;
    w->lpos = 0 - (1ULL << text_bits);
    ring_layout_info(c);
    for (unsigned i = 0; i < RING_COUNT; i++)
        core_put(c, RING_DESCS + 24 * i, (uint64_t)RING_REUSABLE << 62, 8);
}

static inline size_t ring_desc(uint64_t id)
{
    return RING_DESCS + 24 * (id % RING_COUNT);
}
static inline size_t ring_info(uint64_t id)
{
    return RING_INFOS + 88 * (id % RING_COUNT);
}

/* One record; returns its id. n 0: one without text. */
static inline uint64_t ring_add(struct ring_writer *w, uint64_t nsec, uint32_t caller,
                                const char *text, size_t n, unsigned state)
{
    uint64_t size = 1ULL << w->text_bits, mask = size - 1, id = w->head;
    uint64_t begin = w->lpos, next, start;

    next = begin + ((8 + n + 7) & ~7ULL);
    start = begin & mask;
    if (n == 0) {
        begin = next = 3; /* EMPTY_LINE_LPOS */
    } else {
        if ((begin & ~mask) != ((next - 1) & ~mask)) { /* would cross the end */
            next = (begin & ~mask) + size + ((8 + n + 7) & ~7ULL);
            start = 0;
        }
        core_put(w->core, RING_TEXT + start, id, 8);
        memcpy(w->core->ram + RING_TEXT + start + 8, text, n);
        w->lpos = next;
    }
    core_put(w->core, ring_desc(id), id | (uint64_t)state << 62, 8);
    core_put(w->core, ring_desc(id) + 8, begin, 8);
    core_put(w->core, ring_desc(id) + 16, next, 8);
    core_put(w->core, ring_info(id) + 8, nsec, 8);
    core_put(w->core, ring_info(id) + 16, n, 2);
    core_put(w->core, ring_info(id) + 20, caller, 4);
    w->head = (id + 1) & RING_ID_MASK;
    if (((w->head - w->tail) & RING_ID_MASK) > RING_COUNT)
        w->tail = (w->tail + 1) & RING_ID_MASK;
    return id;
}

/* Writes the ring's own structure; then the core is ready to be read. */
static inline void ring_finish(struct ring_writer *w, uint64_t vaddr)
{
    core_put(w->core, RING_SYMBOL, w->address(RING_STRUCT), 8);
    core_put(w->core, RING_BUFFER, w->address(RING_TEXT), 8);
    core_put(w->core, RING_BUFFER + 8, 1ULL << w->text_bits, 4);
    core_put(w->core, RING_STRUCT + 0, RING_COUNT_BITS, 4);
    core_put(w->core, RING_STRUCT + 8, w->address(RING_DESCS), 8);
    core_put(w->core, RING_STRUCT + 16, w->address(RING_INFOS), 8);
    core_put(w->core, RING_STRUCT + 24, (w->head - 1) & RING_ID_MASK, 8);
    core_put(w->core, RING_STRUCT + 32, w->tail, 8);
    core_put(w->core, RING_STRUCT + 40, w->text_bits, 4);
    core_put(w->core, RING_STRUCT + 48, w->address(RING_TEXT), 8);
    core_headers(w->core, vaddr);
}
