/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/kinds.h"

static const struct klog_kind kinds[] = {
    { "BUG: kernel NULL pointer dereference", NULL,
      "BUG: unable to handle kernel NULL pointer dereference in %", "oops", true },
    { "BUG: unable to handle kernel NULL pointer", NULL,
      "BUG: unable to handle kernel NULL pointer dereference in %", "oops", true },
    { "Unable to handle kernel NULL pointer", NULL,
      "BUG: unable to handle kernel NULL pointer dereference in %", "oops", true },
    { "BUG: unable to handle page fault", NULL, "BUG: unable to handle kernel paging request in %",
      "oops", true },
    { "nable to handle kernel paging request", NULL,
      "BUG: unable to handle kernel paging request in %", "oops", true },
    { "BUG: stack guard page was hit", NULL, "BUG: stack guard page was hit in %", "oops", true },
    { "BUG: TASK stack guard page was hit", NULL, "BUG: stack guard page was hit in %", "oops",
      true },
    { "general protection fault", ": 0000", "general protection fault in %", "oops", true },
    { "general protection fault", "non-canonical", "general protection fault in %", "oops", true },
    { "divide error: 0000", NULL, "divide error in %", "oops", true },
    { "invalid opcode: 0000", NULL, "invalid opcode in %", "oops", true },
    { "int3: 0000", NULL, "int3 in %", "oops", true },
    { "stack segment: 0000", NULL, "stack segment fault in %", "oops", true },
    { "double fault: 0000", NULL, "PANIC: double fault in %", "oops", true },
    { "PANIC: double fault", NULL, "PANIC: double fault in %", "oops", true },
    { "Internal error: ", NULL, "Internal error in %", "oops", true },
    { "kernel BUG at lib/list_debug.c", NULL, "BUG: corrupted list in %", "bug", true },
    { "kernel BUG at ", NULL, "kernel BUG in %", "bug", true },
    { "BUG: soft lockup", NULL, "BUG: soft lockup in %", "hang", false },
    { "Watchdog detected hard LOCKUP", NULL, "Hard LOCKUP in %", "hang", false },
    { "INFO: rcu_", "stall", "INFO: rcu detected stall in %", "hang", false },
    { "rcu: INFO: rcu_", "stall", "INFO: rcu detected stall in %", "hang", false },
    { "INFO: task ", "blocked for more than", "INFO: task hung in %", "hang", false },
    { "INFO: task ", "blocked in I/O wait for more than", "INFO: task hung in %", "hang", false },
    { "BUG: scheduling while atomic", NULL, "BUG: scheduling while atomic in %", "bug", false },
    { "BUG: sleeping function called from invalid context", NULL,
      "BUG: sleeping function called from invalid context in %", "bug", false },
    { "BUG: KASAN: ", NULL, "KASAN: report in %", "kasan", false },
    { "WARNING: CPU: ", " at ", "WARNING in %", "warning", false },
    { "Kernel panic - not syncing: ", NULL, NULL, "panic", true },
};

const struct klog_kind *klog_kind_of(struct span text)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (span_contains(text, kinds[i].needle) &&
            (!kinds[i].second || span_contains(text, kinds[i].second)))
            return &kinds[i];
    return NULL;
}

/* Parts of names ('^' in front: the name begins so). */
static const char *const helpers[] = {
    "^dump_stack", "^show_stack",  "^__warn",         "^warn_slowpath", "^report_bug",
    "^panic",      "^die",         "^__die",          "^oops_",         "^page_fault",
    "^asm_",       "^exc_",        "^handle_bug",     "^do_error",      "_trap",
    "^fixup_bug",  "^no_context",  "^nmi_",           "^vpanic",        "memcpy",
    "memset",      "strlen",       "strcmp",          "^_raw_",         "spin_lock",
    "spin_unlock", "__mutex_lock", "mutex_lock",      "^schedule",      "^__schedule",
    "^__switch",   "^kasan",       "^__asan",         "^print_report",  "^watchdog",
    "^__list_",    "^ret_from",    "^dump_backtrace", "^sysvec_",       "^check_panic",
    "^bad_area",   "^fault_in",
};

bool klog_is_helper(struct span function)
{
    for (size_t i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
        const char *h = helpers[i];

        if (h[0] == '^' ? span_starts(function, h + 1) : span_contains(function, h))
            return true;
    }
    return false;
}
