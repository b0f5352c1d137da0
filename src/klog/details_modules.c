/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/details_parts.h"

static int add_module(struct klog_module **list, size_t *n, struct span word)
{
    struct klog_module m = { word, { NULL, 0 } };
    size_t open = span_find_byte(word, '(');
    int r;

    if (*n == DETAILS_MAX_MODULES)
        return 0;
    if (open != SIZE_MAX) {
        m.name.n = open;
        m.flags = (struct span){ word.p + open + 1, word.n - open - 1 };
        if (m.flags.n > 0 && m.flags.p[m.flags.n - 1] == ')')
            m.flags.n--;
    }
    if (m.name.n == 0)
        return 0;
    r = klog_details_grow(list, *n, sizeof(m));
    if (r == 0)
        (*list)[(*n)++] = m;
    return r;
}

static bool is_module_word(struct span word)
{
    for (size_t i = 0; i < word.n; i++)
        if (!byte_is_alnum(word.p[i]) && (word.p[i] == '\0' || !strchr("_-()+", word.p[i])))
            return false;
    return word.n > 0;
}

int klog_take_modules(struct klog_details *d, struct span s)
{
    size_t bracket = span_find(s, "[last unloaded:");
    struct span list = { s.p, bracket == SIZE_MAX ? s.n : bracket }, word;
    int r = 0;

    while (r == 0 && span_next_word(&list, &word)) {
        if (!is_module_word(word))
            break;
        r = add_module(&d->modules, &d->n_modules, word);
    }
    if (bracket == SIZE_MAX || r < 0)
        return r;
    d->in_modules = false;
    (void)span_take(&s, bracket + strlen("[last unloaded:"));
    while (r == 0 && span_next_word(&s, &word)) {
        bool last = word.p[word.n - 1] == ']';

        if (last)
            word.n--;
        if (word.n > 0)
            r = add_module(&d->unloaded, &d->n_unloaded, word);
        if (last)
            break;
    }
    return r;
}

bool klog_goes_on_with_modules(struct span line)
{
    struct span rest = line, word;

    if (line.n == 0 || line.p[0] != ' ')
        return false;
    if (span_contains(line, "[last unloaded:"))
        return true;
    while (span_next_word(&rest, &word))
        if (!is_module_word(word))
            return false;
    return true;
}
