/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/details_parts.h"

bool klog_is_register_line(struct span s)
{
    static const char *const starts[] = {
        "RAX:", "RDX:", "RBP:", "R10:", "R13:",    "RSP:",  "EAX:", "ESI:",
        "EDX:", "EBP:", "DS:",  "FS:",  "CS:",     "CR0:",  "CR2:", "DR0:",
        "DR3:", "ESP:", "sp :", "lr :", "pstate:", "PKRU:", "RIP:", "EIP:",
    };

    for (size_t i = 0; i < ARRAY_SIZE(starts); i++)
        if (span_starts(s, starts[i]))
            return true;
    return s.n > 3 && s.p[0] == 'x' && byte_is_digit(s.p[1]) &&
           (s.p[2] == ':' || s.p[2] == ' ' || (byte_is_digit(s.p[2]) && s.p[3] == ':'));
}

/* The first of a name counts: the kernel prints its own dump again at the end of an oops. */
static bool has_register(const struct klog_register *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0)
            return true;
    return n >= DETAILS_MAX_REGISTERS;
}

static int add_register(struct klog_details *d, struct span name, uint64_t value, unsigned digits)
{
    struct klog_register r = { .value = value, .digits = digits };
    struct klog_who *who = &d->next;
    int ret;

    (void)span_copy(name, r.name, sizeof(r.name));
    for (char *c = r.name; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c + ('a' - 'A'));
    if (d->dump == OWN_REGISTERS) {
        if (has_register(d->registers, d->n_registers, r.name))
            return 0;
        ret = klog_details_grow(&d->registers, d->n_registers, sizeof(r));
        if (ret == 0)
            d->registers[d->n_registers++] = r;
        return ret;
    }
    if (d->dump == TRACE_REGISTERS)
        who = &d->traces[d->n_traces - 1].who;
    if (who->n_registers == 0)
        who->first_register = d->n_others;
    if (!who->has_rip || who->first_register + who->n_registers != d->n_others ||
        (who->n_registers > 0 &&
         has_register(d->others + who->first_register, who->n_registers, r.name)))
        return 0;
    ret = klog_details_grow(&d->others, d->n_others, sizeof(r));
    if (ret == 0) {
        d->others[d->n_others++] = r;
        who->n_registers++;
    }
    return ret;
}

void klog_take_ip(struct klog_details *d, const struct klog_frame *frame)
{
    struct klog_who *who = d->in_trace && d->n_traces > 0 ? &d->traces[d->n_traces - 1].who : NULL;

    d->user_registers = false;
    d->dump = OWN_REGISTERS;
    /* Old kernels have "IP: " in the header, and the same as "RIP: " with the registers. */
    if (!d->has_rip || d->n_registers == 0) {
        if (!d->has_rip)
            d->rip = *frame;
        d->has_rip = true;
        return;
    }
    if (d->announced)
        d->dump = NEXT_REGISTERS;
    else if (who && d->traces[d->n_traces - 1].n > 0)
        d->dump = TRACE_REGISTERS;
    else
        return;
    who = d->announced ? &d->next : who;
    if (!who->has_rip)
        who->rip = *frame;
    who->has_rip = true;
}

int klog_take_registers(struct klog_details *d, struct span s)
{
    while (s.n > 0) {
        struct span name, digits;
        uint64_t value;
        size_t n = 0;
        int r;

        while (s.n > 0 && !byte_is_alpha(s.p[0]))
            (void)span_take(&s, 1);
        while (n < s.n && (byte_is_alnum(s.p[n]) || s.p[n] == '_'))
            n++;
        if (n == 0)
            return 0;
        name = span_take(&s, n);
        while (s.n > 0 && s.p[0] == ' ')
            (void)span_take(&s, 1);
        if (!span_skip(&s, ":"))
            continue;
        while (s.n > 0 && s.p[0] == ' ')
            (void)span_take(&s, 1);
        digits = s;
        if (!span_take_hex(&s, &value))
            continue;
        /* A segment stands before the pointer. */
        if (digits.n - s.n == 4 && s.n > 1 && s.p[0] == ':' && byte_hex_value(s.p[1]) >= 0) {
            (void)span_take(&s, 1);
            digits = s;
            if (!span_take_hex(&s, &value))
                continue;
        }
        if (n >= sizeof(((struct klog_register *)0)->name) || span_eq(name, "RIP") ||
            span_eq(name, "EIP"))
            continue;
        r = add_register(d, name, value, (unsigned)(digits.n - s.n));
        if (r < 0)
            return r;
    }
    return 0;
}
