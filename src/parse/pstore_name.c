/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/pstore_name.h"

static const struct {
    const char *prefix;
    enum pstore_type type;
} types[] = {
    { "dmesg-", PSTORE_DMESG },        { "console-", PSTORE_CONSOLE },
    { "pmsg-", PSTORE_PMSG },          { "ftrace-", PSTORE_FTRACE },
    { "mce-", PSTORE_OTHER },          { "rtas-", PSTORE_OTHER },
    { "powerpc-ofw-", PSTORE_OTHER },  { "powerpc-common-", PSTORE_OTHER },
    { "powerpc-opal-", PSTORE_OTHER }, { "unknown-", PSTORE_OTHER },
};

static bool take_type(struct span *s, enum pstore_type *out)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (span_skip(s, types[i].prefix)) {
            *out = types[i].type;
            return true;
        }
    return false;
}

static bool is_backend(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!byte_is_alnum(s.p[i]) && s.p[i] != '_' && s.p[i] != '-')
            return false;
    return s.n > 0;
}

/* Takes "-ID" off the end; where there is none, s stays. False: it is too large. */
static bool take_id(struct span *s, bool *has_id, uint64_t *id)
{
    size_t digits = 0;
    struct span tail;

    while (digits < s->n && byte_is_digit(s->p[s->n - 1 - digits]))
        digits++;
    *has_id = digits > 0 && digits < s->n && s->p[s->n - 1 - digits] == '-';
    if (!*has_id)
        return true;
    tail = (struct span){ s->p + (s->n - digits), digits };
    s->n -= digits + 1;
    return span_to_u64(tail, id);
}

bool pstore_name_parse(const char *name, struct pstore_name *out)
{
    struct pstore_name parsed = { 0 };
    struct span s = span_str(name);
    bool has_id = false;

    if (span_ends(s, ".enc.z")) {
        parsed.compressed = true;
        s.n -= strlen(".enc.z");
    }
    if (!take_type(&s, &parsed.type) || !take_id(&s, &has_id, &parsed.id))
        return false;
    if (!has_id && parsed.type != PSTORE_CONSOLE && parsed.type != PSTORE_FTRACE)
        return false;
    if (!is_backend(s) || !span_copy(s, parsed.backend, sizeof(parsed.backend)))
        return false;
    *out = parsed;
    return true;
}

bool pstore_name_is_efi(const struct pstore_name *name)
{
    return strcmp(name->backend, "efi") == 0 || strcmp(name->backend, "efi_pstore") == 0;
}

struct pstore_efi_id pstore_efi_id(uint64_t id)
{
    return (struct pstore_efi_id){ .time = id / 100000,
                                   .part = (unsigned)(id / 1000 % 100),
                                   .count = (unsigned)(id % 1000) };
}

/* ramoops's own line. The flag is 'C' or 'D', and missing before 3.12. */
static bool take_ramoops_line(struct span *text, struct pstore_header *header, bool *compressed)
{
    struct span rest = *text, line;
    uint64_t time, microseconds;

    if (!span_skip(&rest, "====") || !span_next_line(&rest, &line) || line.n > 40 ||
        !span_take_dec(&line, &time) || !span_skip(&line, ".") ||
        !span_take_dec(&line, &microseconds))
        return false;
    *compressed = span_eq(line, "-C");
    if (!*compressed && line.n > 0 && !span_eq(line, "-D"))
        return false;
    header->time = time;
    *text = rest;
    return true;
}

static bool is_reason(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!byte_is_alpha(s.p[i]) && s.p[i] != ' ')
            return false;
    return s.n > 0;
}

/* "Panic#2 Part1" */
static bool take_dump_line(struct span *text, struct pstore_header *header)
{
    struct span rest = *text, line, reason;
    uint64_t count, part;
    size_t hash;

    if (!span_next_line(&rest, &line) || line.n > 64)
        return false;
    hash = span_find_byte(line, '#');
    if (hash == SIZE_MAX || hash >= sizeof(header->reason))
        return false;
    reason = span_take(&line, hash);
    (void)span_take(&line, 1);
    if (!is_reason(reason) || !span_take_dec(&line, &count) || !span_skip(&line, " Part") ||
        !span_take_dec(&line, &part) || span_trim(line).n != 0 || count > UINT32_MAX ||
        part > UINT32_MAX)
        return false;
    (void)span_copy(reason, header->reason, sizeof(header->reason));
    header->count = (unsigned)count;
    header->part = (unsigned)part;
    *text = rest;
    return true;
}

bool pstore_header_take(struct span *text, struct pstore_header *out)
{
    struct pstore_header header = { 0 };
    struct span rest = *text;
    bool compressed = false, any;

    any = take_ramoops_line(&rest, &header, &compressed);
    if (compressed)
        return false;
    any = take_dump_line(&rest, &header) || any;
    if (!any)
        return false;
    *text = rest;
    *out = header;
    return true;
}
