/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/random.h>

#include "base/json_file.h"
#include "base/sha256.h"
#include "outgoing/device.h"

#define FILE_NAME "device.json"

enum { SALT_BYTES = 32 };

static int make_salt(char salt[2 * SALT_BYTES + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[SALT_BYTES];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -errno;
    for (size_t i = 0; i < SALT_BYTES; i++) {
        salt[2 * i] = digits[bytes[i] >> 4];
        salt[2 * i + 1] = digits[bytes[i] & 15];
    }
    salt[2 * SALT_BYTES] = '\0';
    return 0;
}

static int read_salt(int state, bool create, char salt[2 * SALT_BYTES + 1])
{
    _cleanup_json_ json_t *json = NULL;
    int r = json_file_read(state, FILE_NAME, &json);

    if (r == 0 && span_copy(span_str(json_get_str(json, "salt", "")), salt, 2 * SALT_BYTES + 1) &&
        strlen(salt) == 2 * SALT_BYTES)
        return 0;
    if (r < 0 && r != -ENOENT && r != -EBADMSG)
        return r;
    if (!create)
        return -ENOENT;
    r = make_salt(salt);
    if (r < 0)
        return r;
    json_decref(json);
    json = json_pack("{s:s}", "salt", salt);
    return json ? json_file_write(state, FILE_NAME, json) : -ENOMEM;
}

int device_id(int state, const char *serial, bool create, char id[DEVICE_ID_SIZE])
{
    char salt[2 * SALT_BYTES + 1], hex[SHA256_HEX];
    struct sha256 h;
    int r = read_salt(state, create, salt);

    if (r < 0)
        return r;
    sha256_start(&h);
    sha256_add(&h, span_str(salt));
    sha256_add(&h, SPAN("\n"));
    sha256_add(&h, span_str(serial));
    sha256_end_hex(&h, hex);
    memcpy(id, hex, DEVICE_ID_SIZE - 1);
    id[DEVICE_ID_SIZE - 1] = '\0';
    return 0;
}
