/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/frame.h"

static bool is_symbol_byte(char c)
{
    return byte_is_alnum(c) || c == '_' || c == '.' || c == '$';
}

static bool take_symbol(struct span *s, struct span *out)
{
    size_t n = 0;

    while (n < s->n && is_symbol_byte(s->p[n]))
        n++;
    if (n == 0 || byte_is_digit(s->p[0]))
        return false;
    *out = span_take(s, n);
    return true;
}

bool klog_frame_parse(struct span text, struct klog_frame *out)
{
    struct klog_frame frame = { .reliable = true };

    text = span_trim(text);
    /* Before 4.x: "[<ffffffff8105c2e5>] func+…" */
    if (span_skip(&text, "[<")) {
        size_t end = span_find(text, ">]");

        if (end == SIZE_MAX)
            return false;
        (void)span_take(&text, end + 2);
        text = span_trim(text);
    }
    if (span_skip(&text, "? "))
        frame.reliable = false;
    if (!take_symbol(&text, &frame.function) || !span_skip(&text, "+0x") ||
        !span_take_hex(&text, &frame.offset) || !span_skip(&text, "/0x") ||
        !span_take_hex(&text, &frame.length))
        return false;
    if (span_skip(&text, " [")) {
        size_t end = 0;

        /* Newer kernels print the build id behind the name. */
        while (end < text.n && text.p[end] != ' ' && text.p[end] != ']')
            end++;
        frame.module = (struct span){ text.p, end };
    }
    *out = frame;
    return true;
}

struct span klog_function_base(struct span function)
{
    size_t dot = span_find_byte(function, '.');

    if (dot != SIZE_MAX && dot > 0)
        function.n = dot;
    return function;
}
