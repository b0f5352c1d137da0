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

bool pstore_name_parse(const char *name, struct pstore_name *out)
{
    struct pstore_name parsed = { 0 };
    struct span s = span_str(name), id;
    size_t digits = 0;

    if (span_ends(s, ".enc.z")) {
        parsed.compressed = true;
        s.n -= strlen(".enc.z");
    }
    if (!take_type(&s, &parsed.type))
        return false;
    while (digits < s.n && byte_is_digit(s.p[s.n - 1 - digits]))
        digits++;
    if (digits == 0 || digits == s.n || s.p[s.n - 1 - digits] != '-')
        return false;
    id = (struct span){ s.p + (s.n - digits), digits };
    if (!span_to_u64(id, &parsed.id))
        return false;
    s.n -= digits + 1;
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

bool pstore_header_take(struct span *text, struct pstore_header *out)
{
    struct pstore_header header = { 0 };
    struct span rest = *text, line, reason;
    uint64_t count, part;
    size_t hash;

    if (!span_next_line(&rest, &line) || line.n > 64)
        return false;
    hash = span_find_byte(line, '#');
    if (hash == SIZE_MAX || hash == 0 || hash >= sizeof(header.reason))
        return false;
    reason = span_take(&line, hash);
    for (size_t i = 0; i < reason.n; i++)
        if (!byte_is_alpha(reason.p[i]) && reason.p[i] != ' ')
            return false;
    (void)span_take(&line, 1);
    if (!span_take_dec(&line, &count) || !span_skip(&line, " Part") ||
        !span_take_dec(&line, &part) || span_trim(line).n != 0 || count > UINT32_MAX ||
        part > UINT32_MAX)
        return false;
    (void)span_copy(reason, header.reason, sizeof(header.reason));
    header.count = (unsigned)count;
    header.part = (unsigned)part;
    *text = rest;
    *out = header;
    return true;
}
