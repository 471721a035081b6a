/* SPDX-License-Identifier: MIT */
/** @file
 * Tasks that wait, by depth: a list for each, and the deepest one that is not empty.
 */
#ifndef TP_CLUSTER_SESSION_LANES_H
#define TP_CLUSTER_SESSION_LANES_H

#include "cluster/session_ring.h"

struct lanes {
    struct ring shallowest; /* depth 0 */
    struct ring **deeper;   /* by depth; NULL: there is none */
    uint64_t *occupied;     /* a bit a depth: it may have some */
    uint32_t count;         /* of depths, a multiple of 64 */
};

void tp__lanes_init(struct lanes *lanes);
void tp__lanes_fini(struct lanes *lanes);
/** Behind or before the others of its depth; without memory, with those of the next depth above that has a lane. */
void tp__lanes_put(struct lanes *lanes, uint32_t depth, struct ring *link, bool first);
/** NULL: all are empty. */
struct ring *tp__lanes_deepest(struct lanes *lanes);

#endif
