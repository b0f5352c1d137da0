/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "verbs.h"

#include "arm/arm.h"
#include "collect/collect.h"
#include "image/image.h"
#include "prove/prove.h"
#include "status/status.h"
#include "submit/submit.h"

const struct verb *const verbs[] = {
    &verb_arm,    &verb_collect, &verb_submit, &verb_status, &verb_list,
    &verb_report, &verb_initrd,  &verb_test,   &verb_prune,  &verb_disarm,
};
const size_t n_verbs = ARRAY_SIZE(verbs);

const char global_arguments[] = "[--root=DIR] [--config=FILE] [-q|-v]";
const char global_options[] =
    "  --root=DIR      work on the machine whose files are below DIR; nothing is done to the\n"
    "                  running one\n"
    "  --config=FILE   read FILE instead of /etc/default/kdump\n"
    "  -q, --quiet     say only what went wrong\n"
    "  -v, --verbose   say more\n"
    "  -h, --help      this text; behind a verb, that verb's\n"
    "  --version       the version\n";
