/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading what a crash left: the files of a pstore file system, and those that
 * systemd-pstore.service has moved to /var/lib/systemd/pstore (the same names, in folders of one or
 * two levels, beside a dmesg.txt that repeats them; systemd src/pstore/pstore.c).
 */
#pragma once

#include <limits.h>
#include <time.h>

#include "base/root.h"
#include "parse/pstore_name.h"

#define PSTORE_DIR "/sys/fs/pstore"
#define PSTORE_ARCHIVE "/var/lib/systemd/pstore"

enum {
    PSTORE_MAX_RECORDS = 4096,
    PSTORE_MAX_RECORD = 16 << 20, /* bytes of one record, before and after decompression */
    PSTORE_MAX_TOTAL = 64 << 20,
};

struct pstore_record {
    struct pstore_name name;
    char *dir;           /* owned; below the root */
    char *file;          /* owned; its name there */
    time_t time;         /* when the dump was made: the file's mtime, for EFI what the id says */
    struct strbuf bytes; /* owned; decompressed where that was possible */
    bool undecoded;      /* still compressed, in a way that is not understood */
    bool truncated;      /* longer than PSTORE_MAX_RECORD */
};

struct pstore_records {
    struct pstore_record *items;
    size_t n, size;
    size_t total;        /* bytes of all */
    bool left_out;       /* there were more than the limits allow; they stay where they are */
    unsigned unreadable; /* records and folders that could not be read; they stay too */
};

/* Adds all records below dir, in the order of their names; files of other names are passed over. A
 * missing directory holds none. What cannot be read is said on the log and passed over: one bad
 * record must not cost the others. -ENOMEM. */
int pstore_read(const struct root *root, const char *dir, struct pstore_records *out) _must_check_;
void pstore_records_free(struct pstore_records *records); /* also the cleanup function */
/* Whether there is any record below dir in which a crash may be, at the cost of listing it: the
 * console and pmsg are there after every clean reboot. */
bool pstore_any_dump(const struct root *root, const char *dir);
/* Removes a record where it lies: in pstore itself this erases it. In systemd-pstore's archive what
 * only repeats it goes too. */
int pstore_remove(const struct root *root, const struct pstore_record *record) _must_check_;
/* Makes durable what systemd-pstore has archived. It copies without fsync and then erases the
 * record (systemd 252, src/pstore/pstore.c), so that for as long as the file system likes a power
 * cut loses both. Costs a look at a folder where there is none. */
int pstore_archive_sync(const struct root *root) _must_check_;
