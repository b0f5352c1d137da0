/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records in a tree, read and merged. */
#pragma once

#include "unit.h"

#include "base/macro.h"
#include "pstore/events.h"

struct merged {
    struct pstore_records records;
    struct pstore_events events;
};

static inline void merged_done(struct merged *m)
{
    pstore_events_free(&m->events);
    pstore_records_free(&m->records);
}
#define _cleanup_merged_ _cleanup_(merged_done)

/* A record with this mtime. */
static inline void put(struct unit_tree *t, const char *dir, const char *name, time_t mtime,
                       const char *text)
{
    const struct timespec times[2] = { { .tv_sec = mtime }, { .tv_sec = mtime } };
    char path[512], below[600];

    (void)snprintf(path, sizeof(path), "%s/%s", dir, name);
    (void)snprintf(below, sizeof(below), "%s%s", t->dir, path);
    unit_write_str(t, path, text);
    assert_int_equal(utimensat(AT_FDCWD, below, times, 0), 0);
}

/* A part of EFI's, with the id that the kernel makes. */
static inline void put_efi(struct unit_tree *t, time_t time, const char *reason, unsigned count,
                           unsigned part, const char *text)
{
    char name[64], all[1024];

    (void)snprintf(name, sizeof(name), "dmesg-efi_pstore-%llu",
                   ((unsigned long long)time * 100 + part) * 1000 + count);
    (void)snprintf(all, sizeof(all), "%s#%u Part%u\n%s", reason, count, part, text);
    put(t, PSTORE_DIR, name, 1, all);
}

static inline void merge(struct unit_tree *t, struct merged *m)
{
    *m = (struct merged){ 0 };
    assert_int_equal(pstore_read(&t->root, PSTORE_DIR, &m->records), 0);
    assert_int_equal(pstore_read(&t->root, PSTORE_ARCHIVE, &m->records), 0);
    assert_int_equal(pstore_merge(&m->records, &m->events), 0);
}

static inline const char *text_of(const struct merged *m, size_t event, size_t dump)
{
    assert_true(event < m->events.n);
    assert_true(dump < m->events.items[event].n_dumps);
    return strbuf_cstr(&m->events.items[event].dumps[dump].text);
}
