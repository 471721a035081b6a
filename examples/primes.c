/* SPDX-License-Identifier: MIT */
/* Counts the primes below a limit: a map over slices, each sieved on its own, with a progress bar.
 *
 *     primes [LIMIT]        default 100,000,000; at most 10^12
 */
#include "support/progress.h"
#include "support/support.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <taskpool/taskpool.h>

enum { SLICE = 1 << 20 };

/* The primes up to `last`, by the sieve of Eratosthenes; their number in `*count`. The caller frees them. */
static uint32_t *small_primes(uint32_t last, size_t *count)
{
    bool *composite = calloc((size_t)last + 1, 1);
    uint32_t *primes = malloc(((size_t)last + 1) * sizeof *primes);
    *count = 0;
    for (uint32_t n = 2; composite && primes && n <= last; n++) {
        if (composite[n])
            continue;
        primes[(*count)++] = n;
        for (uint64_t multiple = (uint64_t)n * n; multiple <= last; multiple += n)
            composite[multiple] = true;
    }
    free(composite);
    return primes;
}

static uint32_t square_root(uint64_t n)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 20; bit; bit >>= 1)
        if ((root + bit) * (root + bit) <= n)
            root += bit;
    return (uint32_t)root;
}

/* How many primes there are in [first, end). */
TP_TASK(count_primes, uint64_t, (uint64_t, first), (uint64_t, limit))
{
    const uint64_t end = first + SLICE < limit ? first + SLICE : limit;
    size_t prime_count;
    uint32_t *primes = small_primes(square_root(end), &prime_count);
    bool *composite = calloc(SLICE, 1);
    if (!primes || !composite) {
        free(primes);
        free(composite);
        tp_raise("no memory for the slice that begins at %" PRIu64, first);
    }
    for (size_t i = 0; i < prime_count; i++) {
        const uint64_t prime = primes[i];
        uint64_t multiple = (first + prime - 1) / prime * prime;
        if (multiple < prime * prime)
            multiple = prime * prime;
        for (; multiple < end; multiple += prime)
            composite[multiple - first] = true;
    }
    uint64_t count = 0;
    for (uint64_t n = first < 2 ? 2 : first; n < end; n++)
        count += !composite[n - first];
    free(primes);
    free(composite);
    return count;
}

static int count_all(tp_pool *pool, uint64_t limit)
{
    const size_t slices = (size_t)((limit + SLICE - 1) / SLICE);
    uint64_t *firsts = calloc(slices, sizeof *firsts);
    uint64_t *counts = calloc(slices, sizeof *counts);
    if (!firsts || !counts) {
        free(firsts);
        free(counts);
        return complain("no memory for %zu slices", slices);
    }
    for (size_t i = 0; i < slices; i++)
        firsts[i] = i * SLICE;
    const size_t workers = tp_pool_size(pool);
    struct progress progress;
    progress_begin(&progress, "slices", false);
    const double start = now_s();
    const tp_status status =
        tp_map_with(pool, tp_map_options(.progress = progress_of_map, .progress_argument = &progress), count_primes,
                    firsts, counts, slices, .limit = limit);
    uint64_t sum = 0;
    for (size_t i = 0; i < slices; i++)
        sum += counts[i];
    free(firsts);
    free(counts);
    if (status != TP_OK)
        return fail("the map failed");
    printf("%" PRIu64 " primes below %" PRIu64 " (%zu slices on %zu workers in %.2f s)\n", sum, limit, slices, workers,
           now_s() - start);
    return 0;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    uint64_t limit = 100000000;
    if (argc > 2 || (argc == 2 && !parse_number(argv[1], 1, 1000000000000, &limit))) {
        fprintf(stderr, "usage: primes [LIMIT]   with LIMIT from 1 to 10^12\n");
        return EXIT_USAGE;
    }
    int result = EXIT_FAILED;
    tp_with (tp_pool, pool, tp_pool_open(NULL))
        result = count_all(pool, limit);
    else
        result = fail("cannot open a pool");
    return result;
}
