/* SPDX-License-Identifier: MIT */
#include "random.h"

#include <sodium.h>
#include <string.h>

/* splitmix64 and xoshiro256**, both in the public domain. */

static uint64_t split(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate(uint64_t value, int by)
{
    return (value << by) | (value >> (64 - by));
}

void random_begin(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = split(&seed);
}

uint64_t random_next(struct random *random)
{
    uint64_t *s = random->state;
    const uint64_t result = rotate(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t count)
{
    return count > 1 ? random_next(random) % count : 0;
}

int64_t random_between(struct random *random, int64_t low, int64_t high)
{
    return low + (int64_t)random_below(random, (uint64_t)(high - low) + 1);
}

bool random_chance(struct random *random, uint32_t parts)
{
    return parts > 0 && random_below(random, 1000000) < parts;
}

uint64_t random_mix(uint64_t a, uint64_t b)
{
    uint64_t state = a ^ rotate(b * UINT64_C(0xff51afd7ed558ccd), 32);
    (void)split(&state);
    return split(&state);
}

/* ---- libsodium ---- */

static struct random *source;

static const char *name(void)
{
    return "simulation";
}

static uint32_t next_32(void)
{
    return (uint32_t)random_next(source);
}

static void fill(void *const to, const size_t size)
{
    uint8_t *bytes = to;
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        const uint64_t value = random_next(source);
        memcpy(bytes + at, &value, size - at < sizeof value ? size - at : sizeof value);
    }
}

void random_be_sodium(struct random *random)
{
    static struct randombytes_implementation implementation = {
        .implementation_name = name, .random = next_32, .buf = fill};
    source = random;
    (void)randombytes_set_implementation(&implementation);
}
