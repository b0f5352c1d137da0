/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "arm/layout.h"

/*
 * What fs/pstore/ram.c (6.1 to 6.12) does with the sizes that it is given:
 *
 * - record_size and console_size are rounded down to powers of two;
 * - the dumps get mem_size - console_size - ftrace_size - pmsg_size, in count = that / record_size
 *   zones of that / count bytes each: zones are *larger* than record_size where it does not divide
 *   evenly. The original's 2 MiB records in 4 MiB less two pages became one zone of nearly 4 MiB;
 * - only the first part of a dump is stored, so a dump is never more than one zone, and kmsg_bytes
 *   has no say;
 * - an oops is a dump of its own, written before panic() begins, and its panic is the next one; the
 *   ring begins at zone 0 in every boot. Three zones take a crash and the oops that came on top of
 * it.
 *
 * fs/pstore/platform.c: the text to be compressed is collected in a buffer of zone * 100 / 60
 * bytes. Before 6.6 that came from kmalloc(): a WARNING above 4 MiB, and an order 10 allocation
 * above 2 MiB that fails, with a trace in the log, where memory is fragmented. 1 MiB zones
 * need 1.67 MiB.
 *
 * The layout depends on the region's size and the configuration and on nothing else: the kernel
 * that reads the records after an update must find them where the one that crashed had put them. So
 * zones are made exactly record_size where the size is ours to say (and then no more memory is
 * touched than they need), and 1 MiB also where a newer kernel could have larger ones.
 */
enum {
    RECORD_MAX = 1 << 20,
    RECORD_MIN = 16 << 10,
    RECORDS_WANTED = 3,
    RECORDS_MAX = 8,
    CONSOLE_MAX = 256 << 10,
    CONSOLE_MIN = 4 << 10,
    CONSOLE_SHARE = 16,                            /* one part of so many */
    ZONE_KMALLOC_MAX = 4 * 1024 * 1024 / 100 * 60, /* its text buffer is 4 MiB */
};

static uint64_t floor_power_of_two(uint64_t n)
{
    return n ? UINT64_C(1) << (63 - __builtin_clzll(n)) : 0;
}

static uint64_t clamp(uint64_t n, uint64_t low, uint64_t high)
{
    return n < low ? low : n > high ? high : n;
}

/* The kernel's own arithmetic; false where it gives no usable record. */
static bool divide(const struct layout_wish *wish, uint64_t record, uint64_t console,
                   struct layout *out)
{
    uint64_t count, zone;

    if (record < RECORD_MIN || console >= wish->region)
        return false;
    count = (wish->region - console) / record;
    if (count == 0)
        return false;
    if (!wish->whole)
        count = MIN(count, (uint64_t)RECORDS_MAX);
    zone = wish->whole ? (wish->region - console) / count : record;
    if (wish->kmalloc_limit && zone > ZONE_KMALLOC_MAX)
        return false;
    *out = (struct layout){
        .mem_size = wish->whole ? wish->region : console + count * record,
        .record_size = record,
        .console_size = console,
        .records = (unsigned)MIN(count, (uint64_t)UINT32_MAX),
    };
    return true;
}

int layout_choose(const struct layout_wish *wish, struct layout *out)
{
    uint64_t console = floor_power_of_two(wish->console_size);
    uint64_t record = floor_power_of_two(wish->record_size);
    uint64_t own_console, own_record;

    if (wish->region < RAMOOPS_REGION_MIN)
        return -ENOSPC;
    /* A console zone keeps the last console lines even of a machine that dies without a panic,
     * where the kernel has CONFIG_PSTORE_CONSOLE. */
    own_console = clamp(floor_power_of_two(wish->region / CONSOLE_SHARE), CONSOLE_MIN, CONSOLE_MAX);
    if (console == 0)
        console = own_console;
    own_record =
        console < wish->region ? floor_power_of_two((wish->region - console) / RECORDS_WANTED) : 0;
    own_record = MIN(own_record, (uint64_t)RECORD_MAX);
    if (divide(wish, record ? record : own_record, console, out))
        return 0;
    own_record = floor_power_of_two((wish->region - own_console) / RECORDS_WANTED);
    own_record = MIN(own_record, (uint64_t)RECORD_MAX);
    if (!divide(wish, own_record, own_console, out))
        return -ENOSPC;
    out->wish_refused = true;
    return 0;
}

/*
 * panic() prints its message and the stack, then what kernel.panic_print asks for, and only then
 * calls the dumpers (kernel/panic.c, 6.1 to 6.12). Everything goes through the kernel's log buffer,
 * which keeps the newest text, and the dump takes the newest text of that: a task dump that is
 * larger than either pushes the panic out. Only an oops is safe, for its record is written before.
 *
 * Measured with 450 tasks of short stacks: on 6.1 1.38 kB per task in the record and 84 bytes more
 * in the scheduler's lists behind it, on 6.12 1.49 kB and 100 bytes; some 1.1 kB of the log buffer
 * itself. A log buffer of 128 KiB, as distributions have it, keeps the last 50 to 60 tasks and not
 * the panic; one of 4 MiB with records of 1 MiB keeps all. Graphics drivers and games have deeper
 * stacks, hence the 2 kB. The memory state is some 2 to 6 kB and always fits.
 */
enum {
    TASK_TEXT = 2000,            /* bytes of log per listed task */
    CRASH_TEXT = 64 << 10,       /* bytes for the crash, what led to it, and the memory state */
    LOG_BUF_DEFAULT = 128 << 10, /* CONFIG_LOG_BUF_SHIFT=17 */
    TASKS_GROWTH_PERCENT = 150,  /* until panic_print is looked at again */
};

/* Least capacity, in tasks, → what is printed: the first row that fits. Timers (0x04) and ftrace
 * (0x10) are left out, for they are long and explain little; locks (0x08) are there only in debug
 * kernels; 0x20 only repeats the log on the consoles. */
static const struct {
    unsigned capacity;
    bool all_tasks;
    unsigned value;
} tiers[] = {
    { 512, true, PANIC_PRINT_TASKS | PANIC_PRINT_MEM },
    { 256, false, PANIC_PRINT_BLOCKED_TASKS | PANIC_PRINT_MEM },
    { 0, false, PANIC_PRINT_MEM },
};

uint64_t panic_print_capacity(const struct panic_print_facts *facts)
{
    uint64_t text = facts->log_buf_len ? facts->log_buf_len : LOG_BUF_DEFAULT;

    if (facts->text_per_dump)
        text = MIN(text, facts->text_per_dump);
    return text > CRASH_TEXT ? (text - CRASH_TEXT) / TASK_TEXT : 0;
}

unsigned panic_print_choose(const struct panic_print_facts *facts)
{
    uint64_t capacity = panic_print_capacity(facts);
    uint64_t needed = facts->tasks / 100 * TASKS_GROWTH_PERCENT;

    for (size_t i = 0; i < ARRAY_SIZE(tiers); i++)
        if (capacity >= tiers[i].capacity && (!tiers[i].all_tasks || capacity >= needed))
            return tiers[i].value;
    return PANIC_PRINT_MEM;
}
