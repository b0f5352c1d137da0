/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kills a program at a system call, so that tests can do so at each one:
 *
 *     kill_at [--exit] [--log=FILE] --from=WORD NUMBER COMMAND [ARGUMENT...]
 *
 * Calls are counted over all threads and children, from the first open of a path that holds WORD
 * on: what the dynamic loader does before is nobody's matter. At the entry of call NUMBER, which
 * does not happen any more, or at its exit with --exit, all are killed and it ends with 137. Where
 * the command ends by itself, or NUMBER is 0, the command's own status is given and FILE says how
 * many calls it made; else FILE says at which one it died.
 *
 * ptrace(2): a stop at a system call has bit 7 of the signal set (PTRACE_O_TRACESYSGOOD), and
 * PTRACE_GET_SYSCALL_INFO (Linux 5.3) tells entry from exit. A call whose entry stop ends by
 * SIGKILL is not made.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STATUS_KILLED = 137, STATUS_USAGE = 2, STATUS_TROUBLE = 3, MAX_PATH_BYTES = 4096 };

struct run {
    const char *from; /* counting begins where a path has this in it */
    bool at_exit;
    bool counting;
    bool pending; /* the entry of the one to die at was seen, its exit is awaited */
    pid_t victim; /* that waits in it */
    unsigned long number, seen;
    pid_t child;
    int status; /* of child, once it has ended */
};

static void trouble(const char *what)
{
    fprintf(stderr, "kill_at: %s: %s\n", what, strerror(errno));
    exit(STATUS_TROUBLE);
}

/* A string of the traced program, cut at a page that is not there. */
static void read_path(pid_t pid, unsigned long at, char buf[MAX_PATH_BYTES])
{
    struct iovec local = { buf, MAX_PATH_BYTES - 1 };
    struct iovec remote[2] = { { (void *)at, 4096 - (at & 4095) } };
    ssize_t n;

    if (remote[0].iov_len > local.iov_len)
        remote[0].iov_len = local.iov_len;
    remote[1].iov_base = (char *)remote[0].iov_base + remote[0].iov_len;
    remote[1].iov_len = local.iov_len - remote[0].iov_len;
    n = process_vm_readv(pid, &local, 1, remote, 2, 0);
    buf[n < 0 ? 0 : n] = '\0';
}

static bool begins(const struct run *run, pid_t pid, const struct __ptrace_syscall_info *info)
{
    char path[MAX_PATH_BYTES];

    if (info->entry.nr != SYS_openat && info->entry.nr != SYS_openat2)
        return false;
    read_path(pid, (unsigned long)info->entry.args[1], path);
    return strstr(path, run->from) != NULL;
}

/* Whether this is the moment. */
static bool at_call(struct run *run, pid_t pid)
{
    struct __ptrace_syscall_info info;

    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
        return false; /* it is gone: somebody else's exit_group */
    if (info.op == PTRACE_SYSCALL_INFO_EXIT)
        return run->pending && pid == run->victim;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return false;
    run->counting = run->counting || begins(run, pid, &info);
    if (!run->counting || ++run->seen != run->number)
        return false;
    if (!run->at_exit || info.entry.nr == SYS_exit_group || info.entry.nr == SYS_exit)
        return true; /* an exit has no exit */
    run->pending = true;
    run->victim = pid;
    return false;
}

/* True where the program was killed at its call, false where it has ended by itself. */
static bool follow(struct run *run)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, __WALL)) > 0) {
        int deliver = 0;

        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (pid == run->child)
                run->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            if (at_call(run, pid))
                return true;
        } else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) {
            deliver = WSTOPSIG(status); /* no event of ptrace, nor a new thread's first stop */
        }
        if (ptrace(PTRACE_SYSCALL, pid, NULL, (void *)(long)deliver) < 0 && errno != ESRCH)
            trouble("cannot continue");
    }
    return false;
}

static void start(struct run *run, char **command)
{
    int status;

    run->child = fork();
    if (run->child < 0)
        trouble("cannot fork");
    if (run->child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
            (void)execvp(command[0], command); /* stops with SIGTRAP */
        fprintf(stderr, "kill_at: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    if (waitpid(run->child, &status, 0) != run->child)
        trouble("cannot wait");
    if (!WIFSTOPPED(status))
        exit(STATUS_TROUBLE);
    if (ptrace(PTRACE_SETOPTIONS, run->child, NULL,
               (void *)(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE |
                              PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)) < 0 ||
        ptrace(PTRACE_SYSCALL, run->child, NULL, NULL) < 0)
        trouble("cannot trace");
}

/* The leader's death is waited for: it may hold locks. Its threads have to be reaped before it is
 * told of. Children of their own die as their tracer, this program, ends (PTRACE_O_EXITKILL). */
static void kill_all(const struct run *run)
{
    int status;
    pid_t pid;

    (void)kill(run->child, SIGKILL);
    while ((pid = waitpid(-1, &status, __WALL)) > 0)
        if (pid == run->child && (WIFEXITED(status) || WIFSIGNALED(status)))
            return;
}

static void note(const char *path, const char *word, unsigned long number)
{
    FILE *file = path ? fopen(path, "we") : NULL;

    if (!path)
        return;
    if (!file || fprintf(file, "%s %lu\n", word, number) < 0 || fclose(file) != 0)
        trouble(path);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "exit", no_argument, NULL, 'x' },
                                             { "from", required_argument, NULL, 'f' },
                                             { "log", required_argument, NULL, 'l' },
                                             { 0 } };
    struct run run = { .status = STATUS_TROUBLE };
    const char *log = NULL;
    char *end;
    int option;

    while ((option = getopt_long(argc, argv, "+", options, NULL)) >= 0) {
        if (option == 'x')
            run.at_exit = true;
        else if (option == 'f')
            run.from = optarg;
        else if (option == 'l')
            log = optarg;
        else
            return STATUS_USAGE;
    }
    if (!run.from || argc - optind < 2)
        return STATUS_USAGE;
    run.number = strtoul(argv[optind], &end, 10);
    if (*end)
        return STATUS_USAGE;
    start(&run, argv + optind + 1);
    if (follow(&run)) {
        kill_all(&run);
        note(log, "killed", run.number);
        return STATUS_KILLED;
    }
    note(log, "ended", run.seen);
    return run.status;
}
