/* SPDX-License-Identifier: MIT */
#include "cluster/session_lanes.h"

#include <stdlib.h>

void tp__lanes_init(struct lanes *lanes)
{
    *lanes = (struct lanes){.count = 0};
    tp__ring_init(&lanes->shallowest);
}

void tp__lanes_fini(struct lanes *lanes)
{
    for (uint32_t i = 0; i < lanes->count; i++)
        free(lanes->deeper[i]);
    free(lanes->deeper);
    free(lanes->occupied);
}

static bool grow(struct lanes *lanes, uint32_t depth)
{
    if (depth < lanes->count)
        return true;
    uint32_t count = lanes->count > 0 ? lanes->count : 64;
    while (count <= depth)
        count *= 2;
    struct ring **deeper = realloc(lanes->deeper, count * sizeof *deeper);
    if (!deeper)
        return false;
    lanes->deeper = deeper;
    uint64_t *occupied = realloc(lanes->occupied, count / 64 * sizeof *occupied);
    if (!occupied)
        return false;
    lanes->occupied = occupied;
    for (uint32_t i = lanes->count; i < count; i++)
        deeper[i] = NULL;
    for (uint32_t i = lanes->count / 64; i < count / 64; i++)
        occupied[i] = 0;
    lanes->count = count;
    return true;
}

static struct ring *find(struct lanes *lanes, uint32_t depth)
{
    return depth == 0 ? &lanes->shallowest : lanes->deeper[depth];
}

static bool make(struct lanes *lanes, uint32_t depth)
{
    if (depth == 0 || (depth < lanes->count && lanes->deeper[depth]))
        return true;
    struct ring *lane = grow(lanes, depth) ? malloc(sizeof *lane) : NULL;
    if (!lane)
        return false;
    tp__ring_init(lane);
    lanes->deeper[depth] = lane;
    return true;
}

void tp__lanes_put(struct lanes *lanes, uint32_t depth, struct ring *link, bool first)
{
    if (!make(lanes, depth)) {
        if (depth >= lanes->count)
            depth = lanes->count > 0 ? lanes->count - 1 : 0;
        while (!find(lanes, depth))
            depth--;
    }
    if (depth > 0)
        lanes->occupied[depth / 64] |= UINT64_C(1) << depth % 64;
    if (first)
        tp__ring_prepend(find(lanes, depth), link);
    else
        tp__ring_append(find(lanes, depth), link);
}

struct ring *tp__lanes_deepest(struct lanes *lanes)
{
    for (uint32_t word = lanes->count / 64; word-- > 0;) {
        while (lanes->occupied[word]) {
            const uint32_t bit = 63 - (uint32_t)__builtin_clzll(lanes->occupied[word]);
            struct ring *lane = lanes->deeper[word * 64 + bit];
            if (!tp__ring_is_empty(lane))
                return lane;
            lanes->occupied[word] &= ~(UINT64_C(1) << bit);
        }
    }
    return tp__ring_is_empty(&lanes->shallowest) ? NULL : &lanes->shallowest;
}
