/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and headers of pstore records.
 *
 * Files of the pstore file system are named TYPE-BACKEND-ID[.enc.z] (fs/pstore/inode.c,
 * pstore_mkfile; fs/pstore/platform.c, pstore_type_names); the first kernels with console and
 * ftrace records gave these no ID.
 *
 * systemd-pstore keeps the names below /var/lib/systemd/pstore/ (systemd, src/pstore/pstore.c):
 *     SECONDS/COUNT/dmesg-efi-…     since 253; COUNT has three digits
 *     FIRSTID/dmesg-erst-…          since 253; the id of the newest record of the dump
 *     PREFIX/dmesg-efi-…, -erst-…   before; the id without its last six digits, so one dump may
 *                                   lie in two folders, and two dumps in one
 *     dmesg-ramoops-…, others       at the top (before 253 too, for their ids are short)
 * beside a dmesg.txt that repeats the parts of the folder. The folders say nothing that the names
 * and the headers of the records do not: nothing here parses them.
 */
#pragma once

#include "base/span.h"

enum pstore_type {
    PSTORE_DMESG,
    PSTORE_CONSOLE,
    PSTORE_PMSG,
    PSTORE_FTRACE,
    PSTORE_OTHER, /* mce, rtas, powerpc-…, unknown */
};

struct pstore_name {
    enum pstore_type type;
    char backend[32]; /* "ramoops", "efi_pstore", "efi", "erst" */
    uint64_t id;      /* 0 where the name has none */
    bool compressed;  /* .enc.z: the kernel could not decompress it */
};

/* False where name is not of that form. The back end's name may itself hold '-'. */
bool pstore_name_parse(const char *name, struct pstore_name *out);
/* Whether the back end is EFI's: "efi", and "efi_pstore" since 6.2. */
bool pstore_name_is_efi(const struct pstore_name *name);

/* What an EFI record's id is made of: (time * 100 + part) * 1000 + count
 * (drivers/firmware/efi/efi-pstore.c, generic_id). Part and count may be cut: the header is the
 * truth. */
struct pstore_efi_id {
    uint64_t time; /* seconds since the epoch */
    unsigned part, count;
};
struct pstore_efi_id pstore_efi_id(uint64_t id);

/* The line that pstore_dump() puts before each part of a dump, "Panic#2 Part1\n"
 * (fs/pstore/platform.c). In memory that was read past pstore, ramoops's own line stands before it,
 * "====1700000000.123456-D\n" (fs/pstore/ram.c, ramoops_write_kmsg_hdr): it is taken off too. */
struct pstore_header {
    char reason[24]; /* "Panic", "Oops", "Emergency", … */
    unsigned count;  /* which dump of that boot, from 1 */
    unsigned part;   /* from 1, and 1 is the newest text */
    uint64_t time;   /* seconds since the epoch, of ramoops's own line; 0 where there is none */
};
/* Takes the header off the text; false, text untouched, where there is none, and where ramoops's
 * own line says that what follows is compressed. With that line alone the reason is "". */
bool pstore_header_take(struct span *text, struct pstore_header *out);
