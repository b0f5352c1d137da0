/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/macro.h"
#include "parse/mountinfo.h"

/* A field with blanks and backslashes as octal, "\040". */
static bool take_escaped(struct span word, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];

        if (c == '\\' && i + 3 < word.n) {
            unsigned value = 0, digits = 0;

            for (; digits < 3 && word.p[i + 1 + digits] >= '0' && word.p[i + 1 + digits] <= '7';
                 digits++)
                value = value * 8 + (unsigned)(word.p[i + 1 + digits] - '0');
            if (digits == 3 && value > 0 && value < 256) {
                c = (char)value;
                i += 3;
            }
        }
        if (n + 1 >= size)
            return false;
        out[n++] = c;
    }
    out[n] = '\0';
    return true;
}

static bool take_device(struct span word, struct mountinfo *out)
{
    uint64_t major, minor;

    if (!span_take_dec(&word, &major) || !span_skip(&word, ":") || !span_take_dec(&word, &minor) ||
        word.n > 0 || major > UINT_MAX || minor > UINT_MAX)
        return false;
    out->major = (unsigned)major;
    out->minor = (unsigned)minor;
    return true;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue" */
static bool parse_line(struct span line, struct mountinfo *out)
{
    struct span word;

    if (!span_next_word(&line, &word) || !span_next_word(&line, &word) ||
        !span_next_word(&line, &word) || !take_device(word, out) || !span_next_word(&line, &word) ||
        !take_escaped(word, out->root, sizeof(out->root)) || !span_next_word(&line, &word) ||
        !take_escaped(word, out->place, sizeof(out->place)))
        return false;
    do {
        if (!span_next_word(&line, &word))
            return false;
    } while (!span_eq(word, "-"));
    return span_next_word(&line, &word) && take_escaped(word, out->fstype, sizeof(out->fstype)) &&
           span_next_word(&line, &word) && take_escaped(word, out->source, sizeof(out->source)) &&
           span_next_word(&line, &word) && take_escaped(word, out->options, sizeof(out->options));
}

const char *mountinfo_below(const struct mountinfo *mount, const char *path)
{
    const char *below = path + strlen(mount->place);

    while (*below == '/')
        below++;
    return below;
}

/* Whether path is place or lies below it. */
static bool covers(const char *place, const char *path)
{
    size_t n = strlen(place);

    if (strncmp(place, path, n) != 0)
        return false;
    return n == 1 || path[n] == '\0' || path[n] == '/';
}

bool mountinfo_find(struct span text, const char *path, struct mountinfo *out)
{
    static const size_t none = SIZE_MAX;
    struct mountinfo mount;
    struct span line;
    size_t best = none;

    while (span_next_line(&text, &line)) {
        if (!parse_line(line, &mount) || !covers(mount.place, path))
            continue;
        if (best != none && strlen(mount.place) < best)
            continue;
        best = strlen(mount.place);
        *out = mount;
    }
    return best != none;
}

/* The longest mount point of fstab above path; false: none but the root. */
static bool fstab_above(struct span fstab, const char *path, char *place, size_t size)
{
    struct span line, word;
    char here[PATH_MAX];
    size_t best = 1;

    while (span_next_line(&fstab, &line)) {
        size_t n;

        if (!span_next_word(&line, &word) || word.p[0] == '#' || !span_next_word(&line, &word) ||
            !take_escaped(word, here, sizeof(here)) || here[0] != '/')
            continue;
        for (n = strlen(here); n > 1 && here[n - 1] == '/'; n--)
            here[n - 1] = '\0';
        if (n > best && covers(here, path) && span_copy(span_str(here), place, size))
            best = n;
    }
    return best > 1;
}

/* fstab's two ways to name a device by a tag: UUID=x and /dev/disk/by-uuid/x; and nvme0n1p8 alone.
 */
static bool device_path(const char *device, char *out, size_t size)
{
    static const struct {
        const char *tag, *folder;
    } tags[] = { { "UUID=", "by-uuid" },
                 { "LABEL=", "by-label" },
                 { "PARTUUID=", "by-partuuid" },
                 { "PARTLABEL=", "by-partlabel" } };
    bool is_name = !strchr(device, '/') && !strchr(device, '=');
    int n;

    for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
        struct span value = span_str(device);

        if (!span_skip(&value, tags[i].tag))
            continue;
        if (value.n > 1 && value.p[0] == '"' && value.p[value.n - 1] == '"')
            value = (struct span){ value.p + 1, value.n - 2 };
        n = snprintf(out, size, "/dev/disk/%s/%.*s", tags[i].folder, (int)value.n, value.p);
        return n > 0 && (size_t)n < size;
    }
    n = snprintf(out, size, "%s%s", is_name ? "/dev/" : "", device);
    return n > 0 && (size_t)n < size;
}

bool fstab_place_of(struct span fstab, const char *device, char *place, size_t size)
{
    char wanted[PATH_MAX], source[PATH_MAX], here[PATH_MAX];
    struct span line, word;

    if (!device_path(device, wanted, sizeof(wanted)))
        return false;
    while (span_next_line(&fstab, &line)) {
        if (!span_next_word(&line, &word) || word.p[0] == '#' ||
            !take_escaped(word, here, sizeof(here)) || !device_path(here, source, sizeof(source)) ||
            strcmp(source, wanted) != 0 || !span_next_word(&line, &word) ||
            !take_escaped(word, here, sizeof(here)) || here[0] != '/')
            continue;
        for (size_t n = strlen(here); n > 1 && here[n - 1] == '/'; n--)
            here[n - 1] = '\0';
        return span_copy(span_str(here), place, size);
    }
    return false;
}

bool mountinfo_is_automount(struct span mountinfo, const char *path)
{
    struct mountinfo mount;

    return mountinfo_find(mountinfo, path, &mount) && strcmp(mount.fstype, "autofs") == 0;
}

bool mountinfo_is_awaited(struct span fstab, struct span mountinfo, const char *path)
{
    struct mountinfo mount;
    char place[PATH_MAX];

    return fstab_above(fstab, path, place, sizeof(place)) &&
           mountinfo_find(mountinfo, path, &mount) && strlen(mount.place) < strlen(place);
}
