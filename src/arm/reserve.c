/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "arm/reserve.h"
#include "base/log.h"
#include "parse/cmdline.h"

enum { MAX_FILE = 256 << 10, MAX_GRUB_CFG = 4 << 20, MAX_DROPINS = 256 };

static const char *const update_grub[] = { "/usr/sbin/update-grub", "/usr/bin/update-grub" };
static const char *const mkconfig[] = { "/usr/sbin/grub-mkconfig", "/usr/bin/grub-mkconfig",
                                        "/usr/sbin/grub2-mkconfig", "/usr/bin/grub2-mkconfig" };
/* SteamOS boots from the ESP of its slot; what lies in /boot there is not read. */
static const char *const grub_cfg[] = { "/efi/EFI/steamos/grub.cfg", "/boot/grub/grub.cfg",
                                        "/boot/grub2/grub.cfg" };

const char *reserve_place_path(enum reserve_place place)
{
    return place == RESERVE_IN_DROPIN ? GRUB_DROPINS "/" GRUB_DROPIN : GRUB_DEFAULTS;
}

#define FIRST_THAT_EXISTS(root, paths) first_that_exists((root), (paths), ARRAY_SIZE(paths))

static const char *first_that_exists(const struct root *root, const char *const *paths, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (root_exists(root, paths[i]))
            return paths[i];
    return NULL;
}

/* Distributions differ in whether their grub-mkconfig, a shell script, sources the folder. */
static int read_mkconfig(const struct root *root, const char *path, struct reserve_facts *f)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span rest, line;
    int r = root_read_some(root, path, MAX_FILE, &text);

    rest = strbuf_view(&text);
    while (!f->dropins && span_next_line(&rest, &line))
        f->dropins = !span_starts(span_trim(line), "#") && span_contains(line, "/default/grub.d");
    return r;
}

static int read_tools(const struct root *root, struct reserve_facts *f)
{
    const char *script = FIRST_THAT_EXISTS(root, mkconfig);

    f->tool = FIRST_THAT_EXISTS(root, update_grub);
    if (!f->tool) {
        f->tool = script;
        f->config = FIRST_THAT_EXISTS(root, grub_cfg);
    }
    return script ? read_mkconfig(root, script, f) : 0;
}

/* Takes our line out of a file's text and notes it; the rest is the user's. */
static int take_ours(struct strbuf *text, enum reserve_place place, struct reserve_facts *f)
{
    _cleanup_strbuf_ struct strbuf rest = { 0 };
    struct span params;
    int r;

    if (!grub_defaults_ours(strbuf_view(text), &params))
        return 0;
    (void)span_copy(params, f->ours, sizeof(f->ours));
    f->place = place;
    r = grub_defaults_edit(strbuf_view(text), (struct span){ 0 }, &rest);
    if (r < 0)
        return r;
    strbuf_clear(text);
    *text = rest;
    rest = (struct strbuf){ 0 };
    return 0;
}

static int read_defaults(const struct root *root, struct reserve_facts *f, struct grub_defaults *d)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    _cleanup_close_ int dir = root_open_dir(root, "/etc/default");
    struct stat st;
    int r = root_read(root, GRUB_DEFAULTS, MAX_FILE, &text);

    if (r == -ENOMEM || r == -ENOENT)
        return r == -ENOENT ? 0 : r;
    f->error = r;
    f->defaults = true;
    f->defaults_link =
        dir >= 0 && fstatat(dir, "grub", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    if (r < 0)
        return 0;
    r = take_ours(&text, RESERVE_IN_DEFAULTS, f);
    if (r < 0)
        return r;
    grub_defaults_read(strbuf_view(&text), d);
    f->defaults_open = d->open;
    return 0;
}

static int is_dropin(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && span_ends(span_str(entry->d_name), ".cfg");
}

static int read_dropin(int dir, const char *name, struct reserve_facts *f, struct grub_defaults *d)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r = file_read_at(dir, name, MAX_FILE, &text);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    if (strcmp(name, GRUB_DROPIN) == 0)
        r = take_ours(&text, RESERVE_IN_DROPIN, f);
    if (r == 0)
        grub_defaults_read(strbuf_view(&text), d);
    return r;
}

static int read_dropins(const struct root *root, struct reserve_facts *f, struct grub_defaults *d)
{
    _cleanup_close_ int dir = root_open_dir(root, GRUB_DROPINS);
    _cleanup_dir_list_ struct dir_list names = { 0 };
    int r;

    if (dir < 0)
        return 0;
    r = dir_list_read(dir, is_dropin, alphasort, &names);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    for (int i = 0; i < MIN(names.n, (int)MAX_DROPINS) && r == 0; i++)
        r = read_dropin(dir, names.entries[i]->d_name, f, d);
    return r;
}

static void note_theirs(const struct grub_value *v, struct reserve_facts *f)
{
    struct span cmdline = span_bytes(v->text, v->n), value;
    struct cmdline_reserve_mem reserved;

    if (cmdline_get(cmdline, "crashkernel", &value))
        (void)span_copy(value, f->theirs, sizeof(f->theirs));
    while (cmdline_next_reserve_mem(&cmdline, &reserved))
        f->they_reserve |= span_eq(reserved.name, "oops") || span_eq(reserved.name, "ramoops");
}

/* Where no grub.cfg is at a place that we know, what we wrote is taken for being in force. */
static int read_in_force(const struct root *root, struct reserve_facts *f)
{
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(grub_cfg) && f->ours[0] && !f->in_force; i++) {
        _cleanup_strbuf_ struct strbuf text = { 0 };
        int r = root_read(root, grub_cfg[i], MAX_GRUB_CFG, &text);

        if (r == -ENOMEM)
            return r;
        any |= r == 0;
        f->in_force = span_contains(strbuf_view(&text), f->ours);
    }
    f->in_force |= f->ours[0] != '\0' && !any;
    return 0;
}

int reserve_facts_read(const struct root *root, struct reserve_facts *out)
{
    _cleanup_free_ struct grub_defaults *d = calloc(1, sizeof(*d));
    struct reserve_facts f = { 0 };

    if (!d || read_tools(root, &f) < 0 || read_defaults(root, &f, d) < 0)
        return -ENOMEM;
    if ((f.dropins || root_exists(root, GRUB_DROPINS "/" GRUB_DROPIN)) &&
        read_dropins(root, &f, d) < 0)
        return -ENOMEM;
    note_theirs(&d->common, &f);
    note_theirs(&d->regular, &f);
    if (read_in_force(root, &f) < 0)
        return -ENOMEM;
    *out = f;
    return 0;
}

/* ---- the plan ---- */

/* What the user does where we cannot. */
static void refuse(struct reserve_plan *p, const struct reserve_facts *f, const char *reason)
{
    p->action = RESERVE_REFUSED;
    SAY(p->reason, "%s", reason);
    if (p->params[0] != '\0')
        SAY(p->advice,
            "add to the kernel's command line in the boot loader's configuration, and "
            "reboot: %s",
            p->params);
    else
        SAY(p->advice, "take out of %s what kdump-steamos put there: %s",
            reserve_place_path(f->place), f->ours);
}

void reserve_plan_make(const struct reserve_facts *f, const char *params, bool autoset,
                       struct reserve_plan *out)
{
    struct reserve_plan p = { .action = RESERVE_CHANGE };

    (void)span_copy(span_str(params), p.params, sizeof(p.params));
    if (f->ours[0] != '\0')
        p.place = f->place;
    else
        p.place = f->dropins ? RESERVE_IN_DROPIN : RESERVE_IN_DEFAULTS;
    if (strcmp(f->ours, params) == 0 && (params[0] == '\0' || f->in_force) && !f->interrupted)
        p.action = RESERVE_KEEP;
    else if (!autoset && params[0] != '\0') /* our own line goes whatever is allowed now */
        refuse(&p, f, "GRUB_AUTOSET=0 forbids to alter the boot loader's configuration");
    else if (!f->tool)
        refuse(&p, f, "there is no GRUB here (neither update-grub nor grub-mkconfig)");
    else if (!f->config && !span_ends(span_str(f->tool), "update-grub"))
        refuse(&p, f, "there is no grub.cfg in /boot/grub, /boot/grub2 or /efi/EFI/steamos");
    else if (p.place == RESERVE_IN_DEFAULTS && !f->defaults)
        refuse(&p, f, "there is no " GRUB_DEFAULTS);
    else if (p.place == RESERVE_IN_DEFAULTS && f->error < 0)
        refuse(&p, f, "cannot read " GRUB_DEFAULTS);
    else if (p.place == RESERVE_IN_DEFAULTS && f->defaults_link)
        refuse(&p, f, GRUB_DEFAULTS " is a symbolic link: another tool's file");
    else if (p.place == RESERVE_IN_DEFAULTS && f->defaults_open && params[0] != '\0')
        refuse(&p, f, GRUB_DEFAULTS " ends inside a quote or a continued line");
    *out = p;
}

/* The smallest reservations in which a whole capture was seen to work, each with a margin, on
 * machines of some memory; above that drivers and firmware tables want more, and so does the
 * bitmap of makedumpfile. The kernel itself takes some 50 MiB of each. */
unsigned crashkernel_mib(const struct crashkernel_wish *wish)
{
    static const struct {
        uint64_t gib; /* up to */
        unsigned log, full;
    } sizes[] = { { 8, 96, 112 }, { 32, 112, 128 }, { UINT64_MAX, 128, 160 } };
    size_t i = 0;

    if (wish->configured > 0)
        return (unsigned)((wish->configured + (1 << 20) - 1) >> 20);
    while (wish->memory >> 30 >= sizes[i].gib)
        i++;
    return wish->full_coredump ? sizes[i].full : sizes[i].log;
}
