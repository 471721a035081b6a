/* SPDX-License-Identifier: MIT */
/** @file
 * Random numbers without a state: a block of them is a function of a key and a counter, so a task needs no generator of
 * its own and its numbers are the same wherever it runs.
 *
 * Philox 4x32 with 10 rounds, from J. Salmon, M. Moraes, R. Dror, D. Shaw: "Parallel Random Numbers: As Easy as 1, 2,
 * 3", SC11; checked against the known answers of the authors' library Random123.
 */
#ifndef SWEEP_PHILOX_H
#define SWEEP_PHILOX_H

#include <stdint.h>

struct philox {
    uint32_t word[4];
};

static inline struct philox philox(uint64_t key, struct philox counter)
{
    uint32_t low = (uint32_t)key, high = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        const uint64_t a = UINT64_C(0xD2511F53) * counter.word[0], b = UINT64_C(0xCD9E8D57) * counter.word[2];
        counter = (struct philox){{(uint32_t)(b >> 32) ^ counter.word[1] ^ low, (uint32_t)b,
                                   (uint32_t)(a >> 32) ^ counter.word[3] ^ high, (uint32_t)a}};
        low += 0x9E3779B9;
        high += 0xBB67AE85;
    }
    return counter;
}

#endif
