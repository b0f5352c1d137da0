/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Making this boot able to record a crash, and undoing it: the verbs arm and disarm. */
#pragma once

#include "config/verb.h"

extern const struct verb verb_arm, verb_disarm;
