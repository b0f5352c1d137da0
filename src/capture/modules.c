/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "capture/machine.h"
#include "capture/target.h"

enum {
    MAX_LIST = 32 << 10,
    MODULE_SECONDS = 20, /* for each; the slowest are storage controllers that reset devices */
};

/* path: of a module as it is loaded, and its parameters behind a blank. */
static void load(struct span line)
{
    struct span path, parameters;
    char name[256], options[256];

    (void)span_next_field(&line, ' ', &path);
    parameters = span_trim(line.p ? line : (struct span){ "", 0 });
    if (!span_copy(path, name, sizeof(name)) || !span_copy(parameters, options, sizeof(options))) {
        say("a line of /modules.list is too long, ignoring");
        return;
    }
    limit_set(MODULE_SECONDS);
    {
        _cleanup_close_ int fd = open(name, O_RDONLY | O_CLOEXEC);

        /* ENODEV: for hardware that is not here. */
        if (fd < 0 ||
            (syscall(SYS_finit_module, fd, options, 0) < 0 && errno != EEXIST && errno != ENODEV))
            say("cannot load %s: %s, ignoring", name, errno_text(-errno));
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
