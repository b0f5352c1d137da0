/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options, socket, daemon, signals. */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/io.h"
#include "receiver.h"

enum {
    CONNECTIONS_MAX = 1024,
    CONNECTION_TIMEOUT_S = 120,
    CONNECTION_MEMORY = 64 << 10, /* headers of a request */
    THREAD_STACK = 1 << 20,
    PEM_MAX = 1 << 20,
};

static const char default_path[] = "/ICrashReportService/ACTIONCrashUpload/v1";

struct settings {
    const char *listen, *port_file, *store, *cert, *key;
    bool verbose;
};

struct option_info {
    struct option o;
    const char *argument, *help;
};

static const struct option_info options[] = {
    { { "listen", required_argument, NULL, 'l' },
      "=ADDR:PORT",
      "where to listen (127.0.0.1:0; port 0 takes a free one)" },
    { { "port-file", required_argument, NULL, 'p' }, "=FILE", "write the port number there" },
    { { "store", required_argument, NULL, 's' }, "=DIR", "where to keep what comes (required)" },
    { { "path", required_argument, NULL, 'a' },
      "=PATH",
      "path of the API; ACTION stands for Start and Finish" },
    { { "cert", required_argument, NULL, 'c' },
      "=FILE",
      "speak TLS with this certificate chain (PEM)" },
    { { "key", required_argument, NULL, 'k' }, "=FILE", "the certificate's key (PEM)" },
    { { "expect-header", required_argument, NULL, 'e' },
      "=NAME:VALUE",
      "hand out this header too, and expect it with the PUT" },
    { { "max-size", required_argument, NULL, 'm' }, "=BYTES", "largest upload (512 MiB)" },
    { { "once", no_argument, NULL, 'o' }, "", "exit after the first finished upload" },
    { { "fault", required_argument, NULL, 'f' },
      "=FAULT",
      "misbehave; may be repeated (see below)" },
    { { "control", no_argument, NULL, 'C' },
      "",
      "let clients set faults: POST, GET and DELETE /_control/faults" },
    { { "verbose", no_argument, NULL, 'v' }, "", "say what goes wrong on connections" },
    { { "help", no_argument, NULL, 'h' }, "", "print this" },
};

static int _printf_(1, 2) complain(const char *fmt, ...)
{
    va_list ap;

    (void)fprintf(stderr, "receiver: ");
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "\n");
    return EXIT_FAILURE;
}

static void print_help(void)
{
    (void)printf("Usage: receiver --store=DIR [OPTION…]\n\n"
                 "A server that speaks the crash report submission API, checks all that a client\n"
                 "says, keeps what it sends, and misbehaves on demand.\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        char left[64];

        (void)snprintf(left, sizeof(left), "--%s%s", options[i].o.name, options[i].argument);
        (void)printf("  %-27s %s\n", left, options[i].help);
    }
    (void)printf("\nA FAULT is STEP[*COUNT]:KIND[:ARG][:COUNT]. STEP is start, put or finish; the\n"
                 "first COUNT requests suffer it, or all. Behind an ARG that is a text, the count\n"
                 "can only stand at the step. The kinds:\n");
    faults_print_help(stdout);
}

bool receiver_sleep(struct receiver *rx, uint64_t ms)
{
    struct timespec until;
    bool stopping;
    int r = 0;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&rx->stop_lock);
    while (!rx->stopping && r == 0)
        r = pthread_cond_timedwait(&rx->stop_cond, &rx->stop_lock, &until);
    stopping = rx->stopping;
    (void)pthread_mutex_unlock(&rx->stop_lock);
    return !stopping;
}

/* The path with Start or Finish where it says ACTION, everywhere, as clients do it. */
static char *expand_path(const char *path, const char *action)
{
    struct strbuf b = { 0 };
    struct span rest = span_str(path);
    size_t at;

    while ((at = span_find(rest, "ACTION")) != SIZE_MAX) {
        (void)strbuf_span(&b, span_take(&rest, at));
        (void)strbuf_str(&b, action);
        (void)span_skip(&rest, "ACTION");
    }
    (void)strbuf_span(&b, rest);
    return strbuf_take(&b);
}

static int apply_option(int c, struct settings *s, struct receiver *rx)
{
    char why[512];

    switch (c) {
    case 'l':
        s->listen = optarg;
        return 0;
    case 'p':
        s->port_file = optarg;
        return 0;
    case 's':
        s->store = optarg;
        return 0;
    case 'a':
        rx->path = optarg;
        return optarg[0] == '/' && strstr(optarg, "ACTION")
                   ? 0
                   : complain("--path must begin with / and hold the word ACTION");
    case 'c':
        s->cert = optarg;
        return 0;
    case 'k':
        s->key = optarg;
        return 0;
    case 'e':
        if (rx->n_expected == EXPECTED_MAX || !strchr(optarg, ':'))
            return complain("--expect-header wants NAME:VALUE, %d times at most", EXPECTED_MAX);
        rx->expected[rx->n_expected++] = optarg;
        return 0;
    case 'm':
        return span_to_u64(span_str(optarg), &rx->max_size)
                   ? 0
                   : complain("--max-size wants a number of bytes");
    case 'o':
        rx->once = true;
        return 0;
    case 'f':
        return faults_add(rx->faults, span_str(optarg), why, sizeof(why)) == 0
                   ? 0
                   : complain("--fault: %s", why);
    case 'C':
        rx->control = true;
        return 0;
    case 'v':
        s->verbose = true;
        return 0;
    default:
        return complain("try --help");
    }
}

/* 0, or an exit status; *help: there was --help. */
static int parse_options(int argc, char *argv[], struct settings *s, struct receiver *rx,
                         bool *help)
{
    struct option longs[ARRAY_SIZE(options) + 1] = { 0 };
    int c;

    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        longs[i] = options[i].o;
    while ((c = getopt_long(argc, argv, "hv", longs, NULL)) >= 0) {
        *help = *help || c == 'h';
        if (c != 'h' && apply_option(c, s, rx) != 0)
            return 2;
    }
    if (*help)
        return 0;
    if (optind < argc || !s->store || !s->cert != !s->key) {
        (void)complain("--store is needed, --cert and --key go together, nothing else; try --help");
        return 2;
    }
    rx->tls = s->cert != NULL;
    rx->start = expand_path(rx->path, "Start");
    rx->finish = expand_path(rx->path, "Finish");
    return rx->start && rx->finish ? 0 : complain("out of memory");
}

/* Listens on ADDR:PORT or [ADDR]:PORT, both numeric; puts the port into *port and how a URL writes
 * the address into host. */
static int listen_on(const char *text, char *host, size_t host_size, unsigned *port)
{
    _cleanup_free_ char *copy = strdup(text);
    char *colon = copy ? strrchr(copy, ':') : NULL, *addr = copy, bound[8];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    struct sockaddr_storage name;
    socklen_t n = sizeof(name);
    struct addrinfo *ai = NULL;
    _cleanup_close_ int fd = -EBADF;
    uint64_t wanted;
    int r;

    /* getaddrinfo() takes the port modulo 65536. */
    if (!colon || !span_to_u64(span_str(colon + 1), &wanted) || wanted > UINT16_MAX)
        return -EINVAL;
    *colon = '\0';
    if (addr[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        addr++;
    }
    if (getaddrinfo(addr, colon + 1, &hints, &ai) != 0)
        return -EINVAL;
    fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = fd < 0 ? -errno : 0;
    if (r == 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    if (r == 0 && (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0 ||
                   getsockname(fd, (struct sockaddr *)&name, &n) < 0))
        r = -errno;
    freeaddrinfo(ai);
    if (r < 0)
        return r;
    if (getnameinfo((struct sockaddr *)&name, n, NULL, 0, bound, sizeof(bound), NI_NUMERICSERV) !=
        0)
        return -EINVAL;
    *port = (unsigned)strtoul(bound, NULL, 10);
    (void)snprintf(host, host_size, strchr(addr, ':') ? "[%s]:%u" : "%s:%u", addr, *port);
    return TAKE_FD(fd);
}

/* Renamed into place: who finds the file finds the whole number. */
static int write_port_file(const char *path, unsigned port)
{
    _cleanup_strbuf_ struct strbuf tmp = { 0 };
    _cleanup_close_ int fd = -EBADF;
    char text[16];
    int n = snprintf(text, sizeof(text), "%u\n", port);

    if (strbuf_printf(&tmp, "%s.tmp", path) < 0)
        return -ENOMEM;
    fd = open(tmp.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    if (fd_write_all(fd, text, (size_t)n) < 0 || rename(tmp.p, path) < 0)
        return -errno;
    return 0;
}

static int read_pem(const char *path, struct strbuf *out)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    int r = fd < 0 ? -errno : fd_read_all(fd, PEM_MAX, out);

    return r < 0 ? complain("cannot read %s: %s", path, strerror(-r)) : 0;
}

static void _printf_(2, 0) log_connection(void *cls, const char *fmt, va_list ap)
{
    const struct settings *s = cls;

    if (s->verbose)
        (void)vfprintf(stderr, fmt, ap);
}

static struct MHD_Daemon *start_daemon(struct receiver *rx, struct settings *s, int fd,
                                       const char *cert, const char *key)
{
    /* The logger comes first: the options are read in this order, and complaints about the later
     * ones, such as a broken key, belong there. TLS comes last, to be left out. */
    struct MHD_OptionItem items[] = {
        { MHD_OPTION_EXTERNAL_LOGGER, (intptr_t)log_connection, s },
        { MHD_OPTION_LISTEN_SOCKET, fd, NULL },
        { MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, NULL },
        { MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_TIMEOUT_S, NULL },
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, NULL },
        { MHD_OPTION_THREAD_STACK_SIZE, THREAD_STACK, NULL },
        { MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)api_uri, rx },
        { MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)api_completed, rx },
        { rx->tls ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)(uintptr_t)cert },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key },
        { MHD_OPTION_END, 0, NULL },
    };
    unsigned flags = MHD_USE_AUTO | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ERROR_LOG;

    return MHD_start_daemon(flags | (rx->tls ? MHD_USE_TLS : 0U), 0, NULL, NULL, api_request, rx,
                            MHD_OPTION_ARRAY, items, MHD_OPTION_END);
}

static int serve(struct receiver *rx, struct settings *s, const sigset_t *signals)
{
    _cleanup_strbuf_ struct strbuf cert = { 0 }, key = { 0 };
    const char *scheme = rx->tls ? "https" : "http";
    struct MHD_Daemon *daemon;
    char host[80];
    unsigned port;
    int fd, sig, r;

    if (rx->tls && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
        return complain("this libmicrohttpd was built without TLS");
    if (rx->tls && (read_pem(s->cert, &cert) != 0 || read_pem(s->key, &key) != 0))
        return EXIT_FAILURE;
    fd = listen_on(s->listen, host, sizeof(host), &port);
    if (fd < 0)
        return complain("cannot listen on %s: %s", s->listen, strerror(-fd));
    daemon = start_daemon(rx, s, fd, strbuf_cstr(&cert), strbuf_cstr(&key)); /* takes fd */
    if (!daemon)
        return complain("cannot start the server%s",
                        rx->tls ? "; are --cert and --key right?" : "");
    r = s->port_file ? write_port_file(s->port_file, port) : 0;
    if (r < 0) {
        (void)complain("cannot write %s: %s", s->port_file, strerror(-r));
    } else {
        (void)printf("listening on %s://%s\nPOST_URL=%s://%s%s\n", scheme, host, scheme, host,
                     rx->path);
        (void)fflush(stdout);
        (void)sigwait(signals, &sig);
    }
    (void)pthread_mutex_lock(&rx->stop_lock);
    rx->stopping = true;
    (void)pthread_cond_broadcast(&rx->stop_cond);
    (void)pthread_mutex_unlock(&rx->stop_lock);
    MHD_stop_daemon(daemon);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Signals are for sigwait() only, in all threads to come; a client that goes away is none. */
static void prepare_process(sigset_t *signals)
{
    struct rlimit files;

    (void)sigemptyset(signals);
    (void)sigaddset(signals, SIGTERM);
    (void)sigaddset(signals, SIGINT);
    (void)pthread_sigmask(SIG_BLOCK, signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char *argv[])
{
    struct settings s = { .listen = "127.0.0.1:0" };
    struct receiver rx = { .path = default_path, .max_size = 512ULL << 20 };
    pthread_condattr_t attr;
    sigset_t signals;
    bool help = false;
    int r;

    prepare_process(&signals);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&rx.stop_cond, &attr);
    (void)pthread_mutex_init(&rx.stop_lock, NULL);
    rx.faults = faults_new();
    if (!rx.faults)
        return complain("out of memory");
    r = parse_options(argc, argv, &s, &rx, &help);
    if (r == 0 && help) {
        print_help();
    } else if (r == 0) {
        r = store_open(s.store, &rx.store);
        r = r < 0 ? complain("cannot open %s: %s", s.store, strerror(-r))
                  : serve(&rx, &s, &signals);
    }
    if (rx.store)
        store_free(rx.store);
    faults_free(rx.faults);
    free(rx.start);
    free(rx.finish);
    return r;
}
