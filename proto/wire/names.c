/* SPDX-License-Identifier: MIT */
#include "wire/names.h"

#include <sodium.h>

struct tp__id tp__id_new(void)
{
    struct tp__id id;
    do
        randombytes_buf(id.bytes, sizeof id.bytes);
    while (tp__id_is_none(&id));
    return id;
}

bool tp__id_read(struct tp__id *id, const uint8_t *bytes, size_t size)
{
    *id = (struct tp__id){{0}};
    if (size != sizeof id->bytes)
        return false;
    memcpy(id->bytes, bytes, size);
    return true;
}

void tp__id_text(const struct tp__id *id, char text[33])
{
    sodium_bin2hex(text, 33, id->bytes, sizeof id->bytes);
}
