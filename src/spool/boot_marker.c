/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spool/boot_marker.h"
#include "base/atomic_file.h"
#include "base/json_file.h"

static const char marker_name[] = "boot-marker.json";

static const char *const phase_names[] = {
    [BOOT_STARTED] = "started",
    [BOOT_ARMED] = "armed",
    [BOOT_SETTLED] = "settled",
    [BOOT_BLOCKED] = "blocked",
};

static bool phase_parse(const char *name, enum boot_phase *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(phase_names); i++)
        if (strcmp(phase_names[i], name) == 0) {
            *out = (enum boot_phase)i;
            return true;
        }
    return false;
}

int boot_marker_read(int statefd, struct boot_marker *out)
{
    _cleanup_json_ json_t *object = NULL;
    struct boot_marker marker = { 0 };
    int64_t deaths;
    int r;

    r = json_file_read(statefd, marker_name, &object);
    if (r < 0)
        return r;
    if (!phase_parse(json_get_str(object, "phase", ""), &marker.phase))
        return -EBADMSG;
    if (!span_copy(span_str(json_get_str(object, "boot_id", "")), marker.boot_id,
                   sizeof(marker.boot_id)) ||
        !span_copy(span_str(json_get_str(object, "kernel", "")), marker.kernel,
                   sizeof(marker.kernel)))
        return -EBADMSG;
    deaths = json_get_int(object, "deaths", 0);
    marker.deaths = deaths < 0 ? 0 : deaths > 1000 ? 1000 : (unsigned)deaths;
    marker.time = json_get_int(object, "time", 0);
    marker.loaded_ramoops = json_is_true(json_object_get(object, "loaded_ramoops"));
    marker.loaded_kdump = json_is_true(json_object_get(object, "loaded_kdump"));
    marker.panic_print_found = json_get_int(object, "panic_print_found", -1);
    marker.panic_print_set = json_get_int(object, "panic_print_set", -1);
    *out = marker;
    return 0;
}

int boot_marker_write(int statefd, const struct boot_marker *marker)
{
    _cleanup_json_ json_t *object = NULL;

    object =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:I, s:I}", "boot_id", marker->boot_id,
                  "kernel", marker->kernel, "phase", phase_names[marker->phase], "deaths",
                  (json_int_t)marker->deaths, "time", (json_int_t)marker->time, "loaded_ramoops",
                  (int)marker->loaded_ramoops, "loaded_kdump", (int)marker->loaded_kdump,
                  "panic_print_found", (json_int_t)marker->panic_print_found, "panic_print_set",
                  (json_int_t)marker->panic_print_set);
    if (!object)
        return -ENOMEM;
    return json_file_write(statefd, marker_name, object);
}

int boot_marker_remove(int statefd)
{
    return unlink_durable(statefd, marker_name);
}

enum boot_verdict boot_guard(const struct boot_marker *last, const char *boot_id,
                             const char *kernel, unsigned *deaths)
{
    enum boot_verdict verdict = BOOT_MAY_ARM;
    unsigned count = 0;

    if (last && strcmp(last->boot_id, boot_id) == 0) {
        /* The service was started again in one boot: nothing new has died. */
        count = last->deaths;
        if (last->phase == BOOT_BLOCKED)
            verdict = BOOT_REFUSED_DEATHS;
    } else if (last && last->phase == BOOT_BLOCKED) {
        /* Another kernel may well have lost the fault. */
        if (strcmp(last->kernel, kernel) == 0) {
            count = last->deaths;
            verdict = BOOT_REFUSED_DEATHS;
        }
    } else if (last && last->phase == BOOT_STARTED) {
        count = last->deaths + 1;
        verdict = BOOT_REFUSED_UNFINISHED;
    } else if (last && last->phase == BOOT_ARMED) {
        count = last->deaths + 1;
        if (count >= BOOT_DEATHS_MAX)
            verdict = BOOT_REFUSED_DEATHS;
    }
    if (deaths)
        *deaths = count;
    return verdict;
}
