/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a person asks: the verbs status, list, report and prune. */
#pragma once

#include "config/verb.h"

extern const struct verb verb_status, verb_list, verb_report, verb_prune;
