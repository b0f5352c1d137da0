/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb table and the global options: what main runs, and the manual and completions tell. */
#pragma once

#include "config/verb.h"

extern const struct verb *const verbs[];
extern const size_t n_verbs;
extern const char global_arguments[]; /* as struct verb has them */
extern const char global_options[];
