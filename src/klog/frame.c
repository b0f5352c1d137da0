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
    if (n == 0)
        return false;
    *out = span_take(s, n);
    return true;
}

static struct span skip_blanks(struct span s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        (void)span_take(&s, 1);
    return s;
}

/* "[<ffffffff8105c2e5>]" or "[ffffffff8105c2e5]" */
static bool take_address(struct span *s, uint64_t *address)
{
    struct span rest = *s;
    bool angle;

    if (!span_skip(&rest, "["))
        return false;
    angle = span_skip(&rest, "<");
    while (rest.n > 0 && rest.p[0] == ' ')
        (void)span_take(&rest, 1);
    (void)span_skip(&rest, "0x");
    if (!span_take_hex(&rest, address) || (angle && !span_skip(&rest, ">")) ||
        !span_skip(&rest, "]"))
        return false;
    *s = skip_blanks(rest);
    return true;
}

/* "f+0x1a/0x40 [m]", and before 2.6.20 ":m:f+0x1a/0x40" */
static bool take_location(struct span *s, struct klog_frame *f)
{
    struct span rest = *s;

    if (span_skip(&rest, ":") && (!take_symbol(&rest, &f->module) || !span_skip(&rest, ":")))
        return false;
    if (!take_symbol(&rest, &f->function) || !span_skip(&rest, "+0x") ||
        !span_take_hex(&rest, &f->offset))
        return false;
    f->length = 0;
    if (span_skip(&rest, "/0x") && !span_take_hex(&rest, &f->length))
        return false;
    if (span_starts(rest, " [")) {
        struct span inside = rest;
        size_t end = 0;

        (void)span_take(&inside, 2);
        /* Newer kernels print the build id behind the module's name. */
        while (end < inside.n && inside.p[end] != ' ' && inside.p[end] != ']')
            end++;
        if (end > 0 && end < inside.n && inside.p[0] != '<')
            f->module = (struct span){ inside.p, end };
    }
    *s = rest;
    return true;
}

struct span klog_frame_callee(struct span text)
{
    struct span s = skip_blanks(text), name = { NULL, 0 };
    uint64_t address;

    if (take_address(&s, &address) && span_skip(&s, "(") && take_symbol(&s, &name) &&
        (span_starts(s, ") from [") || span_starts(s, "+0x")))
        return name;
    s = skip_blanks(text);
    if (!take_symbol(&s, &name))
        return (struct span){ NULL, 0 };
    if (span_skip(&s, " [")) {
        size_t end = span_find_byte((struct span){ s.p, s.n < 128 ? s.n : 128 }, ']');

        (void)span_take(&s, end == SIZE_MAX ? s.n : end + 1);
    }
    if (span_starts(s, " from "))
        return name;
    return (struct span){ NULL, 0 };
}

/* 32-bit arm (arch/arm/kernel/traps.c, dump_backtrace_entry). */
static bool take_from(struct span s, struct klog_frame *f)
{
    uint64_t address;
    size_t from;

    if (klog_frame_callee(s).n == 0)
        return false;
    from = span_find((struct span){ s.p, s.n < 256 ? s.n : 256 }, " from ");
    if (from == SIZE_MAX)
        return false;
    (void)span_take(&s, from + strlen(" from "));
    (void)take_address(&s, &address);
    (void)span_skip(&s, "(");
    return take_location(&s, f);
}

bool klog_frame_parse(struct span text, struct klog_frame *out)
{
    struct klog_frame f = { .reliable = true };
    struct span s = skip_blanks(text);
    uint64_t second;

    /* Markers of a switch between stacks may stand before a frame. */
    while (span_skip(&s, "<IRQ>") || span_skip(&s, "<EOI>") || span_skip(&s, "<NMI>") ||
           span_skip(&s, "<EOE>") || span_skip(&s, "<TASK>") || span_skip(&s, "<#DF>") ||
           span_skip(&s, "<<EOE>>") || span_skip(&s, "<UNK>"))
        s = skip_blanks(s);
    if (take_from(s, &f)) {
        *out = f;
        return true;
    }
    /* PowerPC: "[c000000001] [c000000002] f+0x1/0x2 (unreliable)" */
    f.has_address = take_address(&s, &f.address);
    if (f.has_address && take_address(&s, &second))
        f.address = second;
    if (span_starts(s, "? ")) {
        f.reliable = false;
        (void)span_take(&s, 2);
        s = skip_blanks(s);
    }
    if (!take_location(&s, &f))
        return false;
    if (s.n > 0 && span_contains((struct span){ s.p, s.n < 64 ? s.n : 64 }, "(unreliable)"))
        f.reliable = false;
    *out = f;
    return true;
}

enum klog_ip klog_ip_parse(struct span text, struct klog_frame *out)
{
    static const char *const heads[] = { "RIP: ", "EIP: ", "EIP is at ", "IP: ",  "NIP ",
                                         "NIP: ", "pc : ", "PC is at ",  "epc : " };
    struct klog_frame f = { .reliable = true };
    struct span s = skip_blanks(text);
    uint64_t ignored;
    bool found = false;

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]) && !found; i++)
        found = span_skip(&s, heads[i]);
    if (!found)
        return KLOG_IP_NONE;
    s = skip_blanks(s);
    /* PowerPC's first line has addresses only; the name stands in one of its own, "NIP [c0…] f". */
    if (span_starts(skip_blanks(text), "NIP:") && s.n > 0 && s.p[0] != '[')
        return KLOG_IP_NONE;
    if (span_starts(s, "0033:") || span_starts(s, "0023:"))
        return KLOG_IP_BARE;
    if (s.n > 5 && s.p[4] == ':' && byte_hex_value(s.p[0]) >= 0) {
        (void)span_take(&s, 5);
        s = skip_blanks(s);
    }
    for (int i = 0; i < 2 && take_address(&s, &ignored); i++) {
        f.address = ignored;
        f.has_address = true;
    }
    if (!take_location(&s, &f) || byte_is_digit(f.function.p[0]))
        return KLOG_IP_BARE;
    *out = f;
    return KLOG_IP_FRAME;
}

bool klog_starts_trace(struct span text)
{
    static const char *const starts[] = {
        "Allocated by task", "Freed by task",
        "Allocated:",        "Freed:",
        "backtrace:",        "Uninit was stored to memory at",
        "Allocated by ",     "Freed by ",
    };

    if (text.n > 512)
        text.n = 512;
    /* Behind what another CPU wrote on the same line, too. */
    if (span_find_byte(text, ':') != SIZE_MAX && span_contains(text, "race:") &&
        (span_contains(text, "Call Trace:") || span_contains(text, "Call trace:") ||
         span_contains(text, "Backtrace:")))
        return true;
    text = skip_blanks(text);
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (span_starts(text, starts[i]))
            return true;
    return false;
}
