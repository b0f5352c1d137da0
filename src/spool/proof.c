/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spool/proof.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "base/atomic_file.h"

static const char proof_name[] = "proof.json", test_name[] = "test.json";

enum { CLOCK_SLACK = 120 }; /* seconds that two boots' clocks may differ by */

/* Firmware and crashes write what they like; this goes to terminals and into JSON. */
static void clean(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

void proof_of_now(const struct root *root, struct proof *out)
{
    static const struct {
        const char *path;
        size_t offset, size;
    } sources[] = {
        { "/proc/sys/kernel/random/boot_id", offsetof(struct proof, boot_id),
          sizeof(out->boot_id) },
        { "/proc/sys/kernel/osrelease", offsetof(struct proof, kernel), sizeof(out->kernel) },
        { "/sys/class/dmi/id/bios_version", offsetof(struct proof, firmware),
          sizeof(out->firmware) },
    };

    char loaded[8];

    *out = (struct proof){ .time = time(NULL) };
    if (root_read_line(root, "/sys/kernel/kexec_crash_loaded", loaded, sizeof(loaded)) == 0 &&
        strcmp(loaded, "1") == 0)
        memcpy(out->mechanism, "kdump", sizeof("kdump"));
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        char *field = (char *)out + sources[i].offset;

        if (root_read_line(root, sources[i].path, field, sources[i].size) < 0)
            field[0] = '\0';
        clean(field);
    }
}

static int read_file(int statefd, const char *name, struct proof *out)
{
    _cleanup_json_ json_t *object = NULL;
    struct proof proof = { 0 };
    int r = json_file_read(statefd, name, &object);

    if (r < 0)
        return r;
    proof.time = json_get_int(object, "time", -1);
    proof.on_purpose = json_is_true(json_object_get(object, "test"));
    if (proof.time < 0 ||
        !span_copy(span_str(json_get_str(object, "boot_id", "")), proof.boot_id,
                   sizeof(proof.boot_id)) ||
        !span_copy(span_str(json_get_str(object, "kernel", "")), proof.kernel,
                   sizeof(proof.kernel)) ||
        !span_copy(span_str(json_get_str(object, "firmware", "")), proof.firmware,
                   sizeof(proof.firmware)) ||
        !span_copy(span_str(json_get_str(object, "mechanism", "")), proof.mechanism,
                   sizeof(proof.mechanism)))
        return -EBADMSG;
    clean(proof.kernel);
    clean(proof.firmware);
    clean(proof.mechanism);
    *out = proof;
    return 0;
}

static int write_file(int statefd, const char *name, const struct proof *proof)
{
    _cleanup_json_ json_t *object = NULL;

    object = json_pack("{s:I, s:s, s:s, s:s, s:s, s:b}", "time", (json_int_t)proof->time, "boot_id",
                       proof->boot_id, "kernel", proof->kernel, "firmware", proof->firmware,
                       "mechanism", proof->mechanism, "test", (int)proof->on_purpose);
    return object ? json_file_write(statefd, name, object) : -ENOMEM;
}

int proof_read(int statefd, struct proof *out)
{
    return read_file(statefd, proof_name, out);
}

static int proof_write(int statefd, const struct proof *proof)
{
    return write_file(statefd, proof_name, proof);
}

int proof_test_read(int statefd, struct proof *out)
{
    return read_file(statefd, test_name, out);
}

int proof_test_write(int statefd, const struct proof *test)
{
    return write_file(statefd, test_name, test);
}

int proof_test_remove(int statefd)
{
    return unlink_durable(statefd, test_name);
}

int proof_note_crash(int statefd, const struct root *root, int64_t crash_time, const char *kernel,
                     const char *mechanism)
{
    struct proof proof, last, test;
    bool have_test = proof_test_read(statefd, &test) == 0;
    int r;

    proof_of_now(root, &proof);
    proof.time = crash_time;
    if (kernel[0] && !span_copy(span_str(kernel), proof.kernel, sizeof(proof.kernel)))
        return -EINVAL;
    clean(proof.kernel);
    if (!span_copy(span_str(mechanism), proof.mechanism, sizeof(proof.mechanism)))
        return -EINVAL;
    /* The test's crash comes in a boot after the one that wrote test.json. */
    if (have_test && strcmp(test.boot_id, proof.boot_id) != 0 &&
        crash_time >= test.time - CLOCK_SLACK) {
        proof.on_purpose = true;
        /* The firmware that reset the machine, and the kernel that died: as the test saw them. */
        memcpy(proof.firmware, test.firmware, sizeof(proof.firmware));
        if (!kernel[0])
            memcpy(proof.kernel, test.kernel, sizeof(proof.kernel));
    }
    if (!proof.on_purpose && proof_read(statefd, &last) == 0 && last.time > crash_time)
        return 0;
    r = proof_write(statefd, &proof);
    return r == 0 && proof.on_purpose ? proof_test_remove(statefd) : r;
}

static void add_change(char *buf, size_t size, const char *fmt, ...) _printf_(3, 4);
static void add_change(char *buf, size_t size, const char *fmt, ...)
{
    size_t n = strlen(buf);
    va_list ap;

    if (n > 0 && n + 2 < size)
        n += (size_t)snprintf(buf + n, size - n, ", ");
    va_start(ap, fmt);
    (void)vsnprintf(buf + n, size - n, fmt, ap);
    va_end(ap);
}

void proof_changes(const struct proof *proof, const struct proof *now, char *buf, size_t size)
{
    buf[0] = '\0';
    if (now->kernel[0] && strcmp(now->kernel, proof->kernel) != 0)
        add_change(buf, size, "Linux %s", now->kernel);
    if (now->firmware[0] && strcmp(now->firmware, proof->firmware) != 0)
        add_change(buf, size, "firmware %s", now->firmware);
    if (now->mechanism[0] && strcmp(now->mechanism, proof->mechanism) != 0)
        add_change(buf, size, "%s", now->mechanism);
}
