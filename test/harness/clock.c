/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loaded before a program by LD_PRELOAD, it puts the wall clock forward by CLOCK_OFFSET seconds, so
 * that a test can let a day pass. Clocks that measure how long something takes go on as they are,
 * or CLOCK_RATE times as fast, so that a test need not wait for a program's patience to end; the
 * file system's time stamps go on as they are, and so does what the kernel waits for. With
 * RANDOM_SEED what the kernel calls random is the same in each run with that seed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t offset(void)
{
    const char *value = getenv("CLOCK_OFFSET");

    return value ? (time_t)strtoll(value, NULL, 10) : 0;
}

static unsigned rate(void)
{
    const char *value = getenv("CLOCK_RATE");

    return value ? (unsigned)strtoul(value, NULL, 10) : 1;
}

/* From the first look at it on, so that it is near what others call now. */
static void hurry(clockid_t clock, struct timespec *time)
{
    static struct timespec first[CLOCK_BOOTTIME + 1];
    long long ns;

    if (clock < 0 || clock > CLOCK_BOOTTIME || rate() <= 1)
        return;
    if (first[clock].tv_sec == 0)
        first[clock] = *time;
    ns = (time->tv_sec - first[clock].tv_sec) * 1000000000LL + time->tv_nsec - first[clock].tv_nsec;
    ns = ns * rate() + first[clock].tv_nsec;
    time->tv_sec = first[clock].tv_sec + ns / 1000000000;
    time->tv_nsec = ns % 1000000000;
}

/* The C library's own functions read the clock without a system call, and are hidden by these. */
__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *out)
{
    long r = syscall(SYS_clock_gettime, clock, out);

    if (r == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += offset();
    else if (r == 0 && (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW ||
                        clock == CLOCK_MONOTONIC_COARSE || clock == CLOCK_BOOTTIME))
        hurry(clock, out);
    return (int)r;
}

__attribute__((visibility("default"))) time_t time(time_t *out)
{
    struct timespec now = { 0 };

    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict out,
                                                        void *restrict zone)
{
    struct timespec now = { 0 };
    int r = clock_gettime(CLOCK_REALTIME, &now);

    (void)zone; /* obsolete, and nobody asks */
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return r;
}

/* splitmix64; the order of calls is the program's own, which has one thread that asks. */
static unsigned char next_byte(void)
{
    static uint64_t state;
    uint64_t z;

    if (state == 0)
        state = strtoull(getenv("RANDOM_SEED"), NULL, 10);
    state += 0x9e3779b97f4a7c15;
    z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (unsigned char)(z >> 31);
}

__attribute__((visibility("default"))) ssize_t getrandom(void *out, size_t size, unsigned flags)
{
    unsigned char *bytes = out;

    if (!getenv("RANDOM_SEED"))
        return syscall(SYS_getrandom, out, size, flags);
    for (size_t i = 0; i < size; i++)
        bytes[i] = next_byte();
    return (ssize_t)size;
}
