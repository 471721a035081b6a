/* SPDX-License-Identifier: MIT */
#include "text.h"

#include "daemon/pairs.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct text text_clean(const char *from)
{
    struct text text;
    size_t length = 0;
    size_t left = strlen(from);
    while (left > 0) {
        const size_t size = tp__utf8_length(from, left);
        if (length + (size > 0 ? size : 1) >= sizeof text.bytes)
            break;
        if (size > 0)
            memcpy(text.bytes + length, from, size);
        else
            text.bytes[length] = (unsigned char)*from < 0x20 || *from == 0x7f ? ' ' : '?';
        length += size > 0 ? size : 1;
        from += size > 0 ? size : 1;
        left -= size > 0 ? size : 1;
    }
    text.bytes[length] = '\0';
    return text;
}

struct text text_count(uint64_t count)
{
    struct text text;
    (void)snprintf(text.bytes, sizeof text.bytes, "%" PRIu64, count);
    return text;
}

struct text text_rate(double per_second)
{
    struct text text;
    if (!isfinite(per_second) || per_second < 0.05)
        per_second = 0;
    (void)snprintf(text.bytes, sizeof text.bytes, "%.*f", per_second > 0 && per_second < 10 ? 1 : 0, per_second);
    return text;
}

struct text text_bytes(uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    struct text text;
    double amount = (double)bytes;
    size_t unit = 0;
    while (amount >= 1024 && unit + 1 < sizeof units / sizeof *units) {
        amount /= 1024;
        unit++;
    }
    (void)snprintf(text.bytes, sizeof text.bytes, "%.*f %s", unit > 0 && amount < 10 ? 1 : 0, amount, units[unit]);
    return text;
}

struct text text_duration(uint64_t ms)
{
    struct text text;
    const uint64_t seconds = ms / 1000;
    if (seconds < 60)
        (void)snprintf(text.bytes, sizeof text.bytes, "%" PRIu64 " s", seconds);
    else if (seconds < 3600)
        (void)snprintf(text.bytes, sizeof text.bytes, "%" PRIu64 " min %" PRIu64 " s", seconds / 60, seconds % 60);
    else if (seconds < 86400)
        (void)snprintf(text.bytes, sizeof text.bytes, "%" PRIu64 " h %" PRIu64 " min", seconds / 3600,
                       seconds / 60 % 60);
    else
        (void)snprintf(text.bytes, sizeof text.bytes, "%" PRIu64 " d %" PRIu64 " h", seconds / 86400,
                       seconds / 3600 % 24);
    return text;
}
