/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "arm/reserve.h"
#include "base/atomic_file.h"
#include "base/log.h"

enum { MAX_FILE = 256 << 10, TOOL_SECONDS = 120, TOOL_OUTPUT = 1 << 20, LITTER_SECONDS = 60 };

/* The file that is edited: as it was, so that it can be put back. */
struct edited {
    const char *dir, *name;
    struct strbuf before; /* owned */
    bool existed;
    struct stat st; /* of it; where it is new, of nothing but the mode */
};

static void edited_done(struct edited *e)
{
    strbuf_clear(&e->before);
}

static int read_before(const struct root *root, struct edited *e)
{
    _cleanup_close_ int dir = root_open_dir(root, e->dir);
    int r;

    e->st = (struct stat){ .st_mode = S_IFREG | 0644 };
    if (dir < 0)
        return dir == -ENOENT ? 0 : dir;
    r = file_read_at(dir, e->name, MAX_FILE, &e->before);
    if (r == -ENOENT)
        return 0;
    if (r == 0 && fstatat(dir, e->name, &e->st, AT_SYMLINK_NOFOLLOW) < 0)
        r = -errno;
    e->existed = r == 0;
    return r;
}

/* A file of ours with nothing in it goes. */
static int write_text(const struct root *root, const struct edited *e, struct span text)
{
    _cleanup_atomic_file_ struct atomic_file file = ATOMIC_FILE_INIT;
    _cleanup_close_ int dir = root_make_dir(root, e->dir, 0755);
    bool dropin = strcmp(e->name, GRUB_DROPIN) == 0;
    int r;

    if (dir < 0)
        return dir;
    atomic_file_sweep(dir, LITTER_SECONDS);
    if (text.n == 0 && (dropin || !e->existed))
        return unlink_durable(dir, e->name);
    r = atomic_file_open(&file, dir, e->name, 0600);
    if (r < 0)
        return r;
    r = fd_write_all(file.fd, text.p, text.n);
    if (r < 0)
        return r;
    if (e->existed && (e->st.st_uid != geteuid() || e->st.st_gid != getegid()) &&
        fchown(file.fd, e->st.st_uid, e->st.st_gid) < 0)
        return -errno;
    if (fchmod(file.fd, e->st.st_mode & 07777) < 0)
        return -errno;
    return atomic_file_commit(&file, true);
}

static int edit(const struct root *root, const struct edited *e, const char *params)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r = grub_defaults_edit(strbuf_view(&e->before), span_str(params), &text);

    return r < 0 ? r : write_text(root, e, strbuf_view(&text));
}

static int run_tool(const struct sysops *ops, const struct reserve_facts *f,
                    struct reserve_plan *plan)
{
    const char *const argv[] = { f->tool, f->config ? "-o" : NULL, f->config, NULL };
    _cleanup_strbuf_ struct strbuf output = { 0 };
    int r = ops->run(ops->ctx, argv, TOOL_OUTPUT, TOOL_SECONDS, &output);

    if (r == 0)
        return 0;
    if (r < 0)
        SAY(plan->reason, "%s failed: %s", f->tool, strerror(-r));
    else
        SAY(plan->reason, "%s failed with status %d", f->tool, r);
    SAY(plan->advice, "see what it says: %s%s%s", f->tool, f->config ? " -o " : "",
        f->config ? f->config : "");
    return r < 0 ? r : -EIO;
}

static int explain_edit(int r, struct reserve_plan *plan)
{
    const char *path = reserve_place_path(plan->place);

    SAY(plan->reason, "cannot write %s: %s", path, strerror(-r));
    if (r == -EROFS)
        SAY(plan->advice, "make it writable, and call kdump-steamos arm again; on SteamOS: "
                          "steamos-readonly disable");
    else if (r == -EACCES || r == -EPERM)
        SAY(plan->advice, "run this as root");
    else
        SAY(plan->advice, "make room on the file system of /etc, and call kdump-steamos arm again");
    return r;
}

/* What was there comes back. The tool has left its old grub.cfg where it failed; it is run again
 * where it had not. */
static void roll_back(const struct root *root, const struct edited *e)
{
    int r = write_text(root, e, strbuf_view(&e->before));

    if (r < 0)
        (void)log_warning_errno(r, "cannot take the edit of %s/%s back", e->dir, e->name);
}

/* Some distributions' tools keep command lines elsewhere, and leave what we wrote alone. */
static int check_in_force(const struct root *root, const struct sysops *ops,
                          const struct reserve_facts *f, const struct edited *e,
                          struct reserve_plan *plan)
{
    struct reserve_facts now;
    int r;

    if (plan->params[0] == '\0')
        return 0;
    r = reserve_facts_read(root, &now);
    if (r < 0 || now.in_force)
        return r;
    roll_back(root, e);
    (void)run_tool(ops, f, plan);
    SAY(plan->reason, "%s does not put %s on the kernel's command line", f->tool,
        "GRUB_CMDLINE_LINUX_DEFAULT");
    if (root_exists(root, "/usr/sbin/grubby"))
        SAY(plan->advice, "do it, and reboot: grubby --update-kernel=ALL --args=\"%s\"",
            plan->params);
    else
        SAY(plan->advice, "add to the kernel's command line, and reboot: %s", plan->params);
    return -ENOTSUP;
}

int reserve_execute(const struct root *root, const struct sysops *ops,
                    const struct reserve_facts *facts, struct reserve_plan *plan)
{
    _cleanup_(edited_done) struct edited e = { .dir = "/etc/default", .name = "grub" };
    int r;

    if (plan->place == RESERVE_IN_DROPIN) {
        e.dir = GRUB_DROPINS;
        e.name = GRUB_DROPIN;
    }
    r = read_before(root, &e);
    if (r == 0)
        r = edit(root, &e, plan->params);
    if (r < 0)
        return explain_edit(r, plan);
    r = run_tool(ops, facts, plan);
    if (r < 0) {
        roll_back(root, &e);
        return r;
    }
    return check_in_force(root, ops, facts, &e, plan);
}
