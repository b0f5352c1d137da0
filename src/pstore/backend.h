/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the kernel's pstore records to right now, as /sys/module, /proc/self/mounts and /proc/iomem
 * show it. Reads only; status and arm use the same eyes.
 */
#pragma once

#include "base/root.h"

enum pstore_kind {
    PSTORE_KIND_NONE, /* no back end is registered: a crash leaves nothing */
    PSTORE_KIND_RAMOOPS,
    PSTORE_KIND_EFI,
    PSTORE_KIND_ERST,
    PSTORE_KIND_OTHER,
};

/* The parameters of ramoops as it uses them: fs/pstore/ram.c writes what it made of platform data,
 * device tree or module options back to /sys/module/ramoops/parameters (sizes in bytes). */
struct ramoops_params {
    bool known;        /* the files are readable by root only */
    bool in_use;       /* a memory size is set */
    char mem_name[64]; /* of reserve_mem= (since 6.12); "" : none */
    uint64_t mem_address, mem_size;
    uint64_t record_size, console_size, ftrace_size, pmsg_size;
    uint64_t ecc;       /* bytes of each block's code, 0: none */
    int64_t max_reason; /* enum kmsg_dump_reason: 1 panic, 2 oops; -1: the default, which is 2 */
};

struct pstore_backend {
    bool supported; /* this kernel has pstore */
    bool mounted;   /* on /sys/fs/pstore */
    enum pstore_kind kind;
    char name[32];        /* as registered, "" : none */
    char compression[16]; /* "" : none */
    uint64_t kmsg_bytes;  /* of the log, per dump, for back ends that store it in many parts */
    bool console;         /* the back end is a console too, and keeps what is printed there */
    bool ramoops_present; /* the module is loaded or built in */
    struct ramoops_params ramoops;
    char region[64];        /* the name that /proc/iomem gives the memory; "" : not to be seen */
    uint64_t zone_size;     /* bytes of one ramoops record with its header */
    unsigned records;       /* dumps that ramoops keeps; 0: unknown, or none */
    uint64_t text_per_dump; /* bytes of kernel log that one dump keeps; 0: unknown */
};

enum {
    PSTORE_DEFAULT_KMSG_BYTES = 10240, /* CONFIG_PSTORE_DEFAULT_KMSG_BYTES */
    RAMOOPS_ZONE_HEADER = 12,          /* struct persistent_ram_buffer: sig, start, size */
};

/* Never fails for what is missing: a kernel without pstore is supported = false. -ENOMEM. */
int pstore_backend_inspect(const struct root *root, struct pstore_backend *out) _must_check_;
/* The kernel had no memory for compression (it said so in its log; sysfs does not tell). */
void pstore_backend_uncompressed(struct pstore_backend *backend);
/* A crash of this kernel would leave a record. */
bool pstore_backend_armed(const struct pstore_backend *backend);
/* The way of a crash's record, for proofs: "ramoops", "efi", "erst", "pstore"; "" where nothing is
 * registered. */
const char *pstore_backend_mechanism(const struct pstore_backend *backend);
/* Appends one clause for people: "ramoops at 0x3e000000, 4.25 MiB of RAM buffer: 4 records of
 * 1 MiB (compressed), 256 KiB console; survives a reboot". */
int pstore_backend_describe(const struct pstore_backend *backend, struct strbuf *out);
/* Appends a size: "5 MiB", "1.19 MiB", "12 KiB", "100 bytes". */
int format_size(uint64_t bytes, struct strbuf *out);
