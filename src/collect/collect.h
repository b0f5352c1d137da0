/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb collect: what the last crash left → reports in the spool. */
#pragma once

#include "config/verb.h"

extern const struct verb verb_collect;
