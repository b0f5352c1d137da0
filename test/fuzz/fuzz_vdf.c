/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "fuzz.h"
#include "parse/name.h"
#include "parse/vdf.h"

static void check_name(const char *name, size_t max)
{
    size_t n = strlen(name);

    fuzz_check(n > 0 && n <= max);
    for (size_t i = 0; i < n; i++)
        fuzz_check(byte_is_alnum(name[i]) || name[i] == '_' || name[i] == '-');
}

static bool is_malformed(struct span text)
{
    struct vdf_reader reader;
    enum vdf_event event;
    unsigned depth = 0;
    size_t events = 0;

    vdf_start(&reader, text);
    do {
        event = vdf_next(&reader);
        depth += event == VDF_OPEN;
        depth -= event == VDF_CLOSE;
        fuzz_check(reader.depth <= VDF_MAX_DEPTH);
        fuzz_check(event == VDF_INVALID || reader.depth == depth);
        fuzz_check(reader.key.n <= VDF_MAX_TOKEN && reader.value.n <= VDF_MAX_TOKEN);
        fuzz_check(fuzz_is_within(reader.rest, text));
        fuzz_check(++events <= text.n + 1);
    } while (event != VDF_END && event != VDF_INVALID);
    fuzz_check(event == VDF_INVALID || depth == 0);
    return event == VDF_INVALID;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct span text = span_bytes(bytes, n);
    struct steam_account account = { .name = "old" };
    unsigned line = 0;
    int r = vdf_most_recent_login(text, &account, &line);
    char name[8];

    fuzz_check((r == -EBADMSG) == is_malformed(text));
    if (r == 0) {
        check_name(account.name, sizeof(account.name) - 1);
        check_name(account.steamid, sizeof(account.steamid) - 1);
        for (const char *c = account.steamid; *c; c++)
            fuzz_check(byte_is_digit(*c));
    } else {
        fuzz_check(r == -ENOENT || (r == -EBADMSG && line > 0));
        fuzz_check(strcmp(account.name, "old") == 0);
    }
    name_sanitize(text, name, sizeof(name));
    check_name(name, sizeof(name) - 1);
    return 0;
}
