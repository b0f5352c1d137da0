/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"
#include "fuzz.h"
#include "parse/pstore_name.h"

static void check_header(struct span text)
{
    struct pstore_header header = { .reason = "old", .count = 7 };
    struct span rest = text;

    if (!pstore_header_take(&rest, &header)) {
        fuzz_check(rest.p == text.p && rest.n == text.n && header.count == 7);
        return;
    }
    fuzz_check(rest.n < text.n && fuzz_is_within(rest, text));
    fuzz_check(strlen(header.reason) < sizeof(header.reason));
    fuzz_check(header.reason[0] || (header.count == 0 && header.part == 0));
}

static void check_name(const char *s)
{
    static const char *const types[] = { "dmesg-", "console-", "pmsg-", "ftrace-" };
    struct pstore_name name = { 0 }, again;
    struct pstore_efi_id id;
    char canonical[128];

    if (!pstore_name_parse(s, &name))
        return;
    fuzz_check(name.backend[0] && !strchr(name.backend, '/') && !strchr(name.backend, '.'));
    id = pstore_efi_id(name.id);
    fuzz_check((id.time * 100 + id.part) * 1000 + id.count == name.id);
    if (name.type == PSTORE_OTHER)
        return;
    (void)snprintf(canonical, sizeof(canonical), "%s%s-%llu%s", types[name.type], name.backend,
                   (unsigned long long)name.id, name.compressed ? ".enc.z" : "");
    fuzz_check(pstore_name_parse(canonical, &again));
    fuzz_check(again.type == name.type && again.id == name.id &&
               strcmp(again.backend, name.backend) == 0 && again.compressed == name.compressed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    _cleanup_free_ char *s = span_dup(span_bytes(bytes, n));

    if (!s)
        return 0;
    check_name(s);
    check_header(span_bytes(bytes, n));
    return 0;
}
