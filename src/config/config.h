/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tunings: /etc/default/kdump, overridden by /etc/default/kdump.d, *.conf, in the order of
 * their names. One table (config_keys) has every key's name, type, default, bounds and text; the
 * shipped file and the manual page are made from it.
 */
#pragma once

#include "base/root.h"

struct config {
    /* the original's keys */
    char *mount_devnode; /* "" : the file system that holds kdump_folder */
    char *kdump_folder;  /* absolute, or relative to mount_devnode */
    bool full_coredump;
    char *makedumpfile_coredump_cmd;
    char *makedumpfile_dmesg_cmd;
    bool grub_autoset;
    bool use_pstore_ram;
    bool log_submission;
    char *loginvdf; /* "" : below user 1000's home */
    char *post_url; /* has the word ACTION; "" : no server */
    /* ours */
    uint64_t crashkernel;          /* bytes to reserve; 0: chosen from the machine's memory */
    char *sentry_dsn;              /* "" : no Sentry */
    char *handover_folder;         /* absolute; "" : to no other tool */
    bool scrub;                    /* what leaves the machine */
    uint64_t max_reports_per_day;  /* over the network; 0: any number */
    uint64_t max_bytes_per_day;    /* the same */
    uint64_t same_crashes_per_day; /* sent; the others are counted. 0: all */
    uint64_t keep_reports;         /* reports in each state folder, but those to be sent */
    uint64_t keep_vmcores;
    uint64_t min_free_space;       /* bytes to leave free on the spool's file system */
    uint64_t ramoops_record_size;  /* bytes; 0: chosen from the region */
    uint64_t ramoops_console_size; /* bytes; 0: chosen from the region */
};

/* Whether reports go anywhere at all, where submission is on. */
static inline bool config_has_backend(const struct config *config)
{
    return config->post_url[0] || config->sentry_dsn[0] || config->handover_folder[0];
}

enum config_type { CONFIG_STRING, CONFIG_BOOL, CONFIG_COUNT, CONFIG_SIZE };

struct config_key {
    const char *name;
    enum config_type type;
    size_t offset;        /* in struct config */
    const char *fallback; /* as it would stand in the file */
    uint64_t min, max;    /* of a count or size */
    const char *doc;      /* lines without comment signs */
};

extern const struct config_key config_keys[];
extern const size_t config_n_keys;

/* Fills *out with the defaults and then with what the files below root say; path replaces
 * /etc/default/kdump (its drop-ins are then those of path.d) or is NULL. A bad line is reported on
 * the log with file and line, and its default stays: only -ENOMEM, or the failure to read a file
 * that was named by path, is an error. */
int config_load(const struct root *root, const char *path, struct config *out) _must_check_;
void config_done(struct config *config);
#define _cleanup_config_ _cleanup_(config_done)
/* The shipped file: every key with its text and default, commented out. */
int config_write_template(struct strbuf *out) _must_check_;
