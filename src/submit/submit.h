/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verb submit: pending reports → a server. */
#pragma once

#include "config/verb.h"

extern const struct verb verb_submit;
