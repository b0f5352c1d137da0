/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "capture/machine.h"
#include "capture/target.h"

enum {
    MAX_LIST = 32 << 10,
    /* For each. The slowest are storage controllers that reset their devices: some wait for one
     * that does not answer until the commands to it time out (30 s in drivers/scsi/sd.h), and
     * again. */
    MODULE_SECONDS = 90,
};

static int insert(int fd, const char *options)
{
    if (syscall(SYS_finit_module, fd, options, 0) == 0)
        return 0;
    /* ENODEV: for hardware that is not here. */
    return errno == EEXIST || errno == ENODEV ? 0 : -errno;
}

/* path: of a module as it is loaded, and its parameters behind a blank. */
static void load(struct span line)
{
    struct span path, parameters;
    char name[256], options[1024];

    (void)span_next_field(&line, ' ', &path);
    parameters = span_trim(line.p ? line : (struct span){ "", 0 });
    if (!span_copy(path, name, sizeof(name)) || !span_copy(parameters, options, sizeof(options))) {
        say("a line of /modules.list is too long, ignoring");
        return;
    }
    limit_set(MODULE_SECONDS);
    {
        _cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);
        int r = fd < 0 ? -errno : insert(fd, options);

        if (r < 0 && fd >= 0 && options[0] != '\0') {
            say("cannot load %s with %s: %s; without", name, options, errno_text(-r));
            r = insert(fd, "");
        }
        if (r < 0)
            say("cannot load %s: %s, ignoring", name, errno_text(-r));
    }
    (void)unlink(name); /* the file lies in memory */
}

void modules_load(void)
{
    static char buf[MAX_LIST];
    struct span text = read_text("/modules.list", buf, sizeof(buf)), line;
    char path[300];

    while (span_next_line(&text, &line)) {
        line = span_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (line.p[0] != '/' && line.n < sizeof(path) - 2) {
            path[0] = '/';
            memcpy(path + 1, line.p, line.n);
            line = span_bytes(path, line.n + 1);
        }
        load(line);
    }
}
