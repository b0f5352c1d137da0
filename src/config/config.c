/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/log.h"
#include "config/config.h"
#include "parse/cmdline.h"
#include "parse/shell_assign.h"

#define DEFAULT_FILE "/etc/default/kdump"

enum { MAX_FILE = 256 << 10, MAX_DROPINS = 256, MAX_VALUE = 4096 };

#define KEY(field) offsetof(struct config, field)

const struct config_key config_keys[] = {
    { "KDUMP_FOLDER", CONFIG_STRING, KEY(kdump_folder), "/home/.steamos/offload/var/kdump", 0, 0,
      "The folder of the reports. It must survive system updates. With MOUNT_DEVNODE it is\n"
      "relative to that file system. The services learn of another folder at the next boot, or\n"
      "by systemctl daemon-reload; so for MOUNT_DEVNODE and HANDOVER_FOLDER." },
    { "MOUNT_DEVNODE", CONFIG_STRING, KEY(mount_devnode), "", 0, 0,
      "The device whose file system holds KDUMP_FOLDER: a name or path (nvme0n1p8,\n"
      "/dev/nvme0n1p8), or UUID=, LABEL=, PARTUUID=, PARTLABEL=. Empty: KDUMP_FOLDER is an\n"
      "absolute path, and the file system that holds it is found by itself. A device that is in\n"
      "/etc/fstab is waited for; for another one it is looked every five minutes." },
    { "USE_PSTORE_RAM", CONFIG_BOOL, KEY(use_pstore_ram), "1", 0, 0,
      "1: record crashes in RAM that survives the reboot (pstore, ramoops). Where the machine has\n"
      "no such memory to spare, 5 MiB are reserved (kernels since 6.12), else a crash kernel is\n"
      "loaded. 0: a crash kernel (kdump) records; do not load ramoops." },
    { "RAMOOPS_RECORD_SIZE", CONFIG_SIZE, KEY(ramoops_record_size), "0", 0, 16 << 20,
      "Size of one ramoops record (a power of two from 4K, e.g. 1M). 0: chosen from the size of\n"
      "the region." },
    { "RAMOOPS_CONSOLE_SIZE", CONFIG_SIZE, KEY(ramoops_console_size), "0", 0, 16 << 20,
      "Size of the ramoops console record. 0: chosen from the size of the region." },
    { "CRASHKERNEL", CONFIG_SIZE, KEY(crashkernel), "0", 0, 4ULL << 30,
      "Memory that is reserved for the crash kernel, where one is needed and the kernel's command\n"
      "line has no crashkernel= of yours. 0: chosen; 96M to 160M, by the machine's memory and\n"
      "FULL_COREDUMP." },
    { "FULL_COREDUMP", CONFIG_BOOL, KEY(full_coredump), "0", 0, 0,
      "1: with kdump, save the filtered vmcore below crash/ besides the kernel log." },
    { "MAKEDUMPFILE_COREDUMP_CMD", CONFIG_STRING, KEY(makedumpfile_coredump_cmd),
      "makedumpfile -l -d 31", 0, 0,
      "How the vmcore is filtered and compressed: -l lzo, -z zstd, -p snappy, -c zlib. What the\n"
      "installed makedumpfile cannot do is replaced, with a warning, when the capture image is\n"
      "made." },
    { "MAKEDUMPFILE_DMESG_CMD", CONFIG_STRING, KEY(makedumpfile_dmesg_cmd),
      "makedumpfile --dump-dmesg", 0, 0,
      "The original's way to get the kernel log out of a vmcore. Accepted and not needed: the\n"
      "log is read without makedumpfile." },
    { "GRUB_AUTOSET", CONFIG_BOOL, KEY(grub_autoset), "1", 0, 0,
      "1: memory that must be reserved on the kernel's command line is put there for the next\n"
      "boot. 0: nothing is put into the boot loader's configuration; a line of ours that is there\n"
      "already is taken out when it is not needed, or the package is removed." },
    { "LOG_SUBMISSION", CONFIG_BOOL, KEY(log_submission), "1", 0, 0,
      "1: reports are sent to POST_URL. 0: they stay on this machine, in not_sent_logs/; what\n"
      "was collected while this was 0 is never sent later by itself." },
    { "POST_URL", CONFIG_STRING, KEY(post_url),
      "https://api.steampowered.com/ICrashReportService/ACTIONCrashUpload/v1", 0, 0,
      "Where reports go. The word ACTION stands for Start and Finish." },
    { "SENTRY_DSN", CONFIG_STRING, KEY(sentry_dsn), "", 0, 0,
      "Reports go to this Sentry project, too: https://KEY@HOST/PROJECT. Empty: to none." },
    { "HANDOVER_FOLDER", CONFIG_STRING, KEY(handover_folder), "", 0, 0,
      "Reports are handed over to another tool in this folder, too, such as\n"
      "/var/lib/steamos-log-submitter/pending/kdump. Empty: to none." },
    { "SCRUB", CONFIG_BOOL, KEY(scrub), "1", 0, 0,
      "1: addresses, serials, and names of people, hosts and networks are replaced in whatever\n"
      "leaves the machine; kdump-steamos report --as-sent shows it. 0: it leaves as it is." },
    { "MAX_REPORTS_PER_DAY", CONFIG_COUNT, KEY(max_reports_per_day), "32", 0, 100000,
      "How many reports go over the network within 24 hours; the others wait. 0: any number.\n"
      "What a person names (kdump-steamos submit REPORT), or sends with --now, always goes." },
    { "MAX_SIZE_PER_DAY", CONFIG_SIZE, KEY(max_bytes_per_day), "64M", 0, 1ULL << 50,
      "How much that may be, together, whether it arrived or not; a larger report goes alone.\n"
      "0: any size." },
    { "SAME_CRASH_PER_DAY", CONFIG_COUNT, KEY(same_crashes_per_day), "3", 0, 100000,
      "Of crashes with one signature this many are sent within 24 hours; the others go to\n"
      "not_sent_logs/, and the next one that is sent says how many they were. 0: all are sent." },
    { "LOGINVDF", CONFIG_STRING, KEY(loginvdf), "", 0, 0,
      "Steam's loginusers.vdf, for the account's name in the report. Empty: found below the\n"
      "home of user 1000." },
    { "KEEP_REPORTS", CONFIG_COUNT, KEY(keep_reports), "32", 1, 100000,
      "How many reports are kept in each state folder; the oldest go first. Those that wait to be\n"
      "sent all stay." },
    { "KEEP_VMCORES", CONFIG_COUNT, KEY(keep_vmcores), "2", 0, 1000,
      "How many vmcores are kept below crash/." },
    { "MIN_FREE_SPACE", CONFIG_SIZE, KEY(min_free_space), "256M", 0, 1ULL << 50,
      "Where the file system of KDUMP_FOLDER has less room than this, vmcores and then old\n"
      "reports are removed until it has; the newest report always stays." },
};
const size_t config_n_keys = ARRAY_SIZE(config_keys);

/* Keys of the original that have no meaning any more. */
static const char *const ignored_keys[] = { "KDUMP_MNT" };

static bool parse_bool(struct span value, bool *out)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = { { "1", true },    { "0", false },     { "yes", true }, { "no", false },
                  { "true", true }, { "false", false }, { "on", true },  { "off", false } };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_eq_case(value, words[i].word)) {
            *out = words[i].value;
            return true;
        }
    return false;
}

static bool parse_number(const struct config_key *key, struct span value, uint64_t *out)
{
    uint64_t number;

    if (key->type == CONFIG_COUNT ? !span_to_u64(value, &number)
                                  : !cmdline_parse_size(value, &number))
        return false;
    if (number < key->min || number > key->max)
        return false;
    *out = number;
    return true;
}

/* -EINVAL: the value does not fit the key's type and bounds. */
static int set_key(struct config *config, const struct config_key *key, struct span value)
{
    char *field = (char *)config + key->offset;
    char *copy;

    switch (key->type) {
    case CONFIG_BOOL:
        return parse_bool(value, (bool *)(void *)field) ? 0 : -EINVAL;
    case CONFIG_COUNT:
    case CONFIG_SIZE:
        return parse_number(key, value, (uint64_t *)(void *)field) ? 0 : -EINVAL;
    case CONFIG_STRING:
    default:
        copy = span_dup(value);
        if (!copy)
            return -ENOMEM;
        free(*(char **)(void *)field);
        *(char **)(void *)field = copy;
        return 0;
    }
}

static const struct config_key *find_key(struct span name)
{
    for (size_t i = 0; i < config_n_keys; i++)
        if (span_eq(name, config_keys[i].name))
            return &config_keys[i];
    return NULL;
}

static bool is_ignored(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(ignored_keys); i++)
        if (span_eq(name, ignored_keys[i]))
            return true;
    return false;
}

void config_done(struct config *config)
{
    for (size_t i = 0; i < config_n_keys; i++)
        if (config_keys[i].type == CONFIG_STRING)
            free(*(char **)(void *)((char *)config + config_keys[i].offset));
    *config = (struct config){ 0 };
}

static int set_defaults(struct config *config)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        int r = set_key(config, &config_keys[i], span_str(config_keys[i].fallback));

        if (r < 0)
            return r;
    }
    return 0;
}

static const char *const type_hints[] = {
    [CONFIG_STRING] = "a word",
    [CONFIG_BOOL] = "0 or 1",
    [CONFIG_COUNT] = "a number",
    [CONFIG_SIZE] = "a size such as 1M",
};

static int apply(struct config *config, const struct shell_assign *a, const char *file)
{
    const struct config_key *key = find_key(a->key);
    struct span value = a->value;
    int r;

    if (is_ignored(a->key))
        return 0;
    if (!key) {
        log_warning("%s:%u: there is no key %.*s, ignoring", file, a->line,
                    (int)MIN(a->key.n, (size_t)64), a->key.p);
        return 0;
    }
    r = set_key(config, key, value);
    if (r != -EINVAL)
        return r;
    if (key->type == CONFIG_COUNT || (key->type == CONFIG_SIZE && key->min > 0))
        log_warning("%s:%u: %s wants %s from %llu to %llu, ignoring the line", file, a->line,
                    key->name, type_hints[key->type], (unsigned long long)key->min,
                    (unsigned long long)key->max);
    else
        log_warning("%s:%u: %s wants %s, ignoring the line", file, a->line, key->name,
                    type_hints[key->type]);
    return 0;
}

/* name is for messages. */
static int parse_text(struct span text, const char *name, struct config *config)
{
    struct shell_assign_cursor cursor = shell_assign_start(text);
    struct shell_assign a;

    while (shell_assign_next(&cursor, &a)) {
        int r;

        if (a.error != SHELL_ASSIGN_OK) {
            log_warning("%s:%u: %s, ignoring the line", name, a.line,
                        shell_assign_strerror(a.error));
            continue;
        }
        r = apply(config, &a, name);
        if (r < 0)
            return r;
    }
    return 0;
}

static int load_file(const struct root *root, const char *path, struct config *config)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r = root_read(root, path, MAX_FILE, &text);

    return r < 0 ? r : parse_text(strbuf_view(&text), path, config);
}

static int is_dropin(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && span_ends(span_str(entry->d_name), ".conf");
}

static int load_dropins(const struct root *root, const char *dir, struct config *config)
{
    _cleanup_close_ int fd = root_open_dir(root, dir);
    _cleanup_dir_list_ struct dir_list names = { 0 };
    int r;

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    r = dir_list_read(fd, is_dropin, alphasort, &names);
    if (r < 0)
        return r;
    for (int i = 0; i < MIN(names.n, (int)MAX_DROPINS); i++) {
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s/%s", dir, names.entries[i]->d_name) < 0)
            return path = NULL, -ENOMEM;
        r = load_file(root, path, config);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            log_warning_errno(r, "cannot read %s, ignoring", path);
    }
    return 0;
}

int config_load(const struct root *root, const char *path, struct config *out)
{
    _cleanup_config_ struct config config = { 0 };
    _cleanup_free_ char *dropins = NULL;
    int r = set_defaults(&config);

    if (r < 0 || asprintf(&dropins, "%s.d", path ? path : DEFAULT_FILE) < 0)
        return dropins = NULL, log_oom();
    r = load_file(root, path ? path : DEFAULT_FILE, &config);
    if (r == -ENOMEM)
        return log_oom();
    if (r < 0 && path)
        return log_error_errno(r, "cannot read the configuration %s", path);
    if (r < 0 && r != -ENOENT)
        log_warning_errno(r, "cannot read " DEFAULT_FILE ", using the defaults");
    r = load_dropins(root, dropins, &config);
    if (r == -ENOMEM)
        return log_oom();
    if (r < 0)
        log_warning_errno(r, "cannot read %s, ignoring", dropins);
    *out = config;
    config = (struct config){ 0 };
    return 0;
}

static void write_doc(struct strbuf *out, const char *doc)
{
    struct span rest = span_str(doc), line;

    while (span_next_line(&rest, &line)) {
        (void)strbuf_str(out, "# ");
        (void)strbuf_span(out, line);
        (void)strbuf_char(out, '\n');
    }
}

int config_write_template(struct strbuf *out)
{
    (void)strbuf_str(
        out, "# Tunings of kdump-steamos. Each key stands here with its default; take the\n"
             "# '#' off a key to change it, or put it into a file below kdump.d/, whose name\n"
             "# ends in .conf. Values are quoted as in a shell, but nothing is executed.\n");
    for (size_t i = 0; i < config_n_keys; i++) {
        (void)strbuf_char(out, '\n');
        write_doc(out, config_keys[i].doc);
        (void)strbuf_printf(out, "#%s=\"%s\"\n", config_keys[i].name, config_keys[i].fallback);
    }
    return out->failed;
}
