/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "collect/facts.h"
#include "parse/passwd.h"
#include "parse/name.h"

#define DMI_DIR "/sys/class/dmi/id/"

enum {
    MAX_OS_RELEASE = 64 << 10,
    MAX_LOGIN_VDF = 1 << 20,
    MAX_DMIDECODE = 1 << 20,
    DMIDECODE_SECONDS = 10,
    STEAM_USER = 1000,
};

/* Handhelds, by vendor and by product or board name ('*' at the end: a prefix). Their serial goes
 * into reports, as their vendors' support asks for it; that of any other machine does not. */
static const struct {
    const char *vendor, *name;
} handhelds[] = {
    { "Valve", "Jupiter" }, /* Steam Deck LCD */
    { "Valve", "Galileo" }, /* Steam Deck OLED */
    { "Valve", "Fremont" },
    { "ASUSTeK COMPUTER INC.", "RC71L*" },  /* ROG Ally */
    { "ASUSTeK COMPUTER INC.", "RC72LA*" }, /* ROG Ally X */
    { "ASUSTeK COMPUTER INC.", "RC73*" },   /* ROG Xbox Ally, Ally X */
    { "ASUSTeK COMPUTER INC.", "ROG Ally*" },
    { "Micro-Star International Co., Ltd.", "MS-1T41*" }, /* Claw A1M */
    { "Micro-Star International Co., Ltd.", "MS-1T42*" }, /* Claw 7 AI+ */
    { "Micro-Star International Co., Ltd.", "MS-1T52*" }, /* Claw 8 AI+ */
    { "Micro-Star International Co., Ltd.", "MS-1T8K*" }, /* Claw A8 */
    { "Micro-Star International Co., Ltd.", "Claw*" },
    { "LENOVO", "83E1" }, /* Legion Go */
    { "LENOVO", "83L3" }, /* Legion Go S */
    { "LENOVO", "83N6" },
    { "LENOVO", "83Q2" },
    { "LENOVO", "83Q3" },
    { "LENOVO", "83N0" }, /* Legion Go 2 */
    { "LENOVO", "83N1" },
};

static bool matches(const char *name, const char *pattern)
{
    size_t n = strlen(pattern);

    if (n > 0 && pattern[n - 1] == '*')
        return strncmp(name, pattern, n - 1) == 0;
    return strcmp(name, pattern) == 0;
}

/* Whether a machine of these SMBIOS names is a handheld whose serial goes into reports. */
static bool is_handheld(const char *vendor, const char *product, const char *board)
{
    for (size_t i = 0; i < ARRAY_SIZE(handhelds); i++)
        if (strcmp(vendor, handhelds[i].vendor) == 0 &&
            (matches(product, handhelds[i].name) || matches(board, handhelds[i].name)))
            return true;
    return false;
}

static void read_dmi(const struct root *root, const char *name, char *buf, size_t size)
{
    char path[128];

    (void)snprintf(path, sizeof(path), DMI_DIR "%s", name);
    if (root_read_line(root, path, buf, size) < 0)
        buf[0] = '\0';
}

static void gather_dmi(const struct root *root, struct facts *facts)
{
    char serial[128];

    read_dmi(root, "sys_vendor", facts->vendor, sizeof(facts->vendor));
    read_dmi(root, "product_name", facts->product, sizeof(facts->product));
    read_dmi(root, "board_name", facts->board, sizeof(facts->board));
    (void)span_copy(SPAN("0"), facts->serial, sizeof(facts->serial));
    if (!is_handheld(facts->vendor, facts->product, facts->board))
        return;
    read_dmi(root, "product_serial", serial, sizeof(serial));
    if (!serial[0])
        read_dmi(root, "board_serial", serial, sizeof(serial));
    name_sanitize(span_str(serial), facts->serial, sizeof(facts->serial));
}

/* What sysfs has, where dmidecode cannot be run. */
static void describe_sysfs_dmi(const struct root *root, struct strbuf *out)
{
    static const char *const names[] = {
        "bios_vendor",  "bios_version", "bios_date",       "bios_release",   "ec_firmware_release",
        "sys_vendor",   "product_name", "product_version", "product_family", "product_sku",
        "board_vendor", "board_name",   "board_version",   "chassis_vendor", "chassis_type",
    };

    (void)strbuf_str(out, "# dmidecode was not to be had; this is what sysfs has\n");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char value[256];

        read_dmi(root, names[i], value, sizeof(value));
        if (value[0])
            (void)strbuf_printf(out, "%s: %s\n", names[i], value);
    }
}

static int gather_smbios(const struct root *root, const struct sysops *ops, struct facts *facts)
{
    static const char *const paths[] = { "/usr/sbin/dmidecode", "/usr/bin/dmidecode",
                                         "/sbin/dmidecode" };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        const char *const argv[] = { paths[i], NULL };
        int r;

        strbuf_clear(&facts->smbios);
        r = ops->run(ops->ctx, argv, MAX_DMIDECODE, DMIDECODE_SECONDS, &facts->smbios);
        if (r == 0 && facts->smbios.n > 0)
            return 0;
        if (r == -ENOMEM)
            return r;
        if (r != -ENOENT)
            log_debug("%s failed (%d), ignoring", paths[i], r);
    }
    strbuf_clear(&facts->smbios);
    describe_sysfs_dmi(root, &facts->smbios);
    return facts->smbios.failed;
}

/* The home of the user with this id, out of passwd(5). */
static bool find_home(struct span passwd, uint64_t uid, char *home, size_t size)
{
    struct passwd_entry entry;

    while (passwd_next(&passwd, &entry))
        if (entry.uid == uid && entry.home.n > 0 && entry.home.p[0] == '/')
            return span_copy(entry.home, home, size);
    return false;
}

/* Reads a file that its user controls; owner is who else than root may own it. */
static int read_user_file(int dirfd, const char *path, uid_t owner, struct strbuf *out)
{
    _cleanup_close_ int fd = open_untrusted(dirfd, path);
    struct stat st;

    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid != 0 && st.st_uid != owner)
        return -EPERM;
    return fd_read_all(fd, MAX_LOGIN_VDF, out);
}

/* loginusers.vdf: of the configured path, or where Steam keeps it below user 1000's home. */
static int read_login_vdf(const struct root *root, const struct config *config, struct strbuf *out)
{
    static const char *const places[] = { ".local/share/Steam/config/loginusers.vdf",
                                          ".steam/steam/config/loginusers.vdf" };
    _cleanup_strbuf_ struct strbuf passwd = { 0 };
    _cleanup_close_ int home_fd = -EBADF;
    char home[PATH_MAX];
    int r = -ENOENT;

    if (config->loginvdf && config->loginvdf[0]) {
        home_fd = root_open_dir(root, "/");
        return home_fd < 0
                   ? home_fd
                   : read_user_file(home_fd, config->loginvdf + strspn(config->loginvdf, "/"),
                                    STEAM_USER, out);
    }
    r = root_read(root, "/etc/passwd", PASSWD_MAX, &passwd);
    if (r < 0)
        return r;
    if (!find_home(strbuf_view(&passwd), STEAM_USER, home, sizeof(home)))
        return -ENOENT;
    home_fd = root_open_dir(root, home);
    if (home_fd < 0)
        return home_fd;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        r = read_user_file(home_fd, places[i], STEAM_USER, out);
        if (r != -ENOENT && r != -ELOOP)
            break;
    }
    return r;
}

static int gather_account(const struct root *root, const struct config *config, struct facts *facts)
{
    _cleanup_strbuf_ struct strbuf vdf = { 0 };
    unsigned line = 0;
    int r;

    (void)span_copy(SPAN("0"), facts->account.name, sizeof(facts->account.name));
    (void)span_copy(SPAN("0"), facts->account.steamid, sizeof(facts->account.steamid));
    r = read_login_vdf(root, config, &vdf);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        if (r != -ENOENT && r != -ELOOP)
            log_warning_errno(r, "cannot read Steam's loginusers.vdf; the report goes without the "
                                 "account's name");
        return 0;
    }
    r = vdf_most_recent_login(strbuf_view(&vdf), &facts->account, &line);
    if (r == -EBADMSG)
        log_warning("loginusers.vdf is malformed at line %u; the report goes without the account's "
                    "name",
                    line);
    return 0;
}

int facts_gather(const struct root *root, const struct config *config, const struct sysops *ops,
                 struct facts *out)
{
    int r;

    *out = (struct facts){ 0 };
    if (root_read_line(root, "/proc/sys/kernel/osrelease", out->release, sizeof(out->release)) < 0)
        out->release[0] = '\0';
    r = root_read(root, "/etc/os-release", MAX_OS_RELEASE, &out->os_release);
    if (r == -ENOENT)
        r = root_read(root, "/usr/lib/os-release", MAX_OS_RELEASE, &out->os_release);
    if (r < 0 && r != -EFBIG)
        log_debug_errno(r, "cannot read os-release, ignoring");
    gather_dmi(root, out);
    r = gather_smbios(root, ops, out);
    if (r == 0)
        r = gather_account(root, config, out);
    if (r < 0 || out->os_release.failed == -ENOMEM) {
        facts_done(out);
        return -ENOMEM;
    }
    return 0;
}

void facts_done(struct facts *facts)
{
    strbuf_clear(&facts->os_release);
    strbuf_clear(&facts->smbios);
}
