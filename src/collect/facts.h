/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a report says of the machine beside its kernel log. */
#pragma once

#include "base/sysops.h"
#include "config/config.h"
#include "parse/vdf.h"
#include "spool/consent.h"

struct facts {
    struct strbuf os_release; /* the file's text */
    struct strbuf smbios;     /* dmidecode's text, or what sysfs has of SMBIOS */
    char release[128];        /* of the running kernel */
    char vendor[65], product[65], board[65];
    char serial[65];                /* [A-Za-z0-9_-]; "0" unless this is a handheld that we know */
    struct steam_account account;   /* name "0" where there is none */
    struct consent_history consent; /* filled by the caller, who has the state folder */
};

/* Fills in what can be had; what cannot is empty, with a line in the log where that is a surprise.
 * -ENOMEM is the only error. */
int facts_gather(const struct root *root, const struct config *config, const struct sysops *ops,
                 struct facts *out) _must_check_;
void facts_done(struct facts *facts);
