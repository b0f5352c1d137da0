/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "collect/private.h"
#include "parse/passwd.h"

enum {
    MAX_ENTRIES = 512,
    FIRST_USER = 1000,
    NOBODY = 65534,
    MAX_CONNECTION = 64 << 10,
    MAX_SSID = 32
};

/* One file, one value. */
static const struct {
    const char *path;
    enum scrub_kind kind;
} files[] = {
    { "/proc/sys/kernel/hostname", SCRUB_HOST },
    { "/etc/hostname", SCRUB_HOST },
    { "/etc/machine-id", SCRUB_ID },
    { "/sys/class/dmi/id/product_serial", SCRUB_SERIAL },
    { "/sys/class/dmi/id/board_serial", SCRUB_SERIAL },
    { "/sys/class/dmi/id/chassis_serial", SCRUB_SERIAL },
    { "/sys/class/dmi/id/product_uuid", SCRUB_UUID },
    { "/sys/class/dmi/id/board_asset_tag", SCRUB_SERIAL },
    { "/sys/class/dmi/id/chassis_asset_tag", SCRUB_SERIAL },
};

/* A file in each entry of a directory. */
static const struct {
    const char *dir, *file;
    enum scrub_kind kind;
} places[] = {
    { "/sys/block", "wwid", SCRUB_DISK },
    { "/sys/block", "device/wwid", SCRUB_DISK },
    { "/sys/block", "device/serial", SCRUB_DISK },
    { "/sys/block", "device/cid", SCRUB_DISK },
    { "/sys/class/nvme", "serial", SCRUB_DISK },
    { "/sys/bus/usb/devices", "serial", SCRUB_SERIAL },
    { "/sys/class/power_supply", "serial_number", SCRUB_SERIAL },
    { "/sys/class/net", "address", SCRUB_MAC },
    { "/sys/class/bluetooth", "address", SCRUB_MAC },
};

/* Directories with a file for each wireless network that is known, named by it. */
static const struct {
    const char *dir, *suffix;
    bool hex; /* iwd's; else a file has the name in it, too */
} networks[] = {
    { "/etc/NetworkManager/system-connections", ".nmconnection", false },
    { "/var/lib/iwd", ".psk", true },
    { "/var/lib/iwd", ".open", true },
    { "/var/lib/iwd", ".8021x", true },
};

/* What firmware says where it has no serial. */
static bool says_nothing(const char *value)
{
    static const char *const words[] = { "none",
                                         "unknown",
                                         "not specified",
                                         "default string",
                                         "to be filled by o.e.m.",
                                         "system serial number",
                                         "chassis serial number",
                                         "no asset tag",
                                         "not available",
                                         "not applicable",
                                         "(none)" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_eq_case(span_str(value), words[i]))
            return true;
    /* "0000:00:14.0": what the kernel gives its root hubs. */
    return strlen(value) == 12 && strspn(value, "0123456789abcdef:.") == 12 && value[10] == '.';
}

static int add_file(const struct root *root, const char *path, enum scrub_kind kind,
                    struct private_values *out)
{
    char value[SCRUB_MAX_VALUE];

    if (root_read_line(root, path, value, sizeof(value)) < 0 || says_nothing(value))
        return 0;
    return private_values_add(out, kind, span_str(value));
}

typedef int (*visit_entry)(void *ctx, const char *name);

static int each_entry(const struct root *root, const char *path, visit_entry visit, void *ctx)
{
    _cleanup_closedir_ DIR *dir = dir_stream(root_open_dir(root, path));
    const struct dirent *entry;
    unsigned n = 0;
    int r = 0;

    while (dir && r == 0 && n++ < MAX_ENTRIES && (entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            r = visit(ctx, entry->d_name);
    return r;
}

struct gathering {
    const struct root *root;
    struct private_values *out;
    size_t row; /* of the table */
};

static int visit_place(void *ctx, const char *name)
{
    const struct gathering *g = ctx;
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s/%s", places[g->row].dir, name, places[g->row].file);

    if (n < 0 || (size_t)n >= sizeof(path))
        return 0;
    return add_file(g->root, path, places[g->row].kind, g->out);
}

/* "=4a6f…": what iwd makes of a name that is more than letters, digits, blanks, '-' and '_'. */
static int add_hex_network(struct span digits, struct private_values *out)
{
    char name[MAX_SSID];
    size_t n = digits.n / 2;

    if (digits.n % 2 != 0 || n > sizeof(name))
        return 0;
    for (size_t i = 0; i < n; i++) {
        int high = byte_hex_value(digits.p[2 * i]), low = byte_hex_value(digits.p[2 * i + 1]);

        if (high < 0 || low < 0)
            return 0;
        name[i] = (char)(high << 4 | low);
    }
    return private_values_add(out, SCRUB_SSID, (struct span){ name, n });
}

/* NetworkManager's "ssid=The Smiths", or "ssid=84;104;101;" where it is no plain text. */
static int add_ssid(struct span value, struct private_values *out)
{
    struct span rest = value, number;
    char name[MAX_SSID];
    uint64_t byte;
    size_t n = 0;

    while (n < sizeof(name) && span_ends(value, ";") && rest.n > 0 &&
           span_next_field(&rest, ';', &number)) {
        if (!span_take_dec(&number, &byte) || number.n > 0 || byte > 255)
            return private_values_add(out, SCRUB_SSID, value);
        name[n++] = (char)byte;
    }
    return private_values_add(out, SCRUB_SSID, n > 0 ? (struct span){ name, n } : value);
}

/* The name in a connection's file: the file itself is named by what a person calls it. */
static int add_connection(const struct root *root, const char *path, struct private_values *out)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span rest, line;
    int r = root_read(root, path, MAX_CONNECTION, &text);

    rest = strbuf_view(&text);
    if (r == -EFBIG) /* half a name would leave the other half in a report */
        while (rest.n > 0 && rest.p[rest.n - 1] != '\n')
            rest.n--;
    r = r == -ENOMEM ? r : 0;
    while (r == 0 && span_next_line(&rest, &line))
        if (span_skip(&line, "ssid="))
            r = add_ssid(span_trim(line), out);
    return r;
}

static int visit_network(void *ctx, const char *name)
{
    const struct gathering *g = ctx;
    struct span s = span_str(name);
    char path[PATH_MAX];
    int n;

    if (!span_ends(s, networks[g->row].suffix))
        return 0;
    s.n -= strlen(networks[g->row].suffix);
    if (networks[g->row].hex && span_skip(&s, "="))
        return add_hex_network(s, g->out);
    n = snprintf(path, sizeof(path), "%s/%s", networks[g->row].dir, name);
    if (!networks[g->row].hex && n > 0 && (size_t)n < sizeof(path)) {
        int r = add_connection(g->root, path, g->out);

        if (r < 0)
            return r;
    }
    return private_values_add(g->out, SCRUB_SSID, s);
}

static int add_users(const struct root *root, struct private_values *out)
{
    _cleanup_strbuf_ struct strbuf passwd = { 0 };
    struct passwd_entry entry;
    struct span text;
    int r = root_read_some(root, "/etc/passwd", PASSWD_MAX, &passwd);

    text = strbuf_view(&passwd);
    while (r == 0 && passwd_next(&text, &entry))
        if (entry.uid >= FIRST_USER && entry.uid < NOBODY)
            r = private_values_add(out, SCRUB_USER, entry.name);
    return r;
}

int private_gather(const struct root *root, struct private_values *out)
{
    struct gathering g = { .root = root, .out = out };
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(files); i++)
        r = add_file(root, files[i].path, files[i].kind, out);
    if (r == 0)
        r = add_users(root, out);
    for (g.row = 0; r == 0 && g.row < ARRAY_SIZE(places); g.row++)
        r = each_entry(root, places[g.row].dir, visit_place, &g);
    for (g.row = 0; r == 0 && g.row < ARRAY_SIZE(networks); g.row++)
        r = each_entry(root, networks[g.row].dir, visit_network, &g);
    return r;
}
