/* SPDX-License-Identifier: MIT */
/** @file
 * The insides of a closure: a task, and its captures, which are never changed.
 */
#ifndef TP_CLOSURE_CLOSURE_H
#define TP_CLOSURE_CLOSURE_H

#include "closure/block.h"

#include <taskpool/closure.h>

struct tp__closure {
    struct tp__block block;
    const tp_task_definition *task;
    size_t encoded_size;
    bool takes_argument; /**< all but the first parameter are bound; the first one's bytes are zero */
    alignas(16) unsigned char captures[];
};

static inline struct tp__closure *tp__block_closure(struct tp__block *block)
{
    return (struct tp__closure *)(void *)block;
}

static inline struct tp__block *tp__closure_block(struct tp__closure *closure)
{
    return &closure->block;
}

/** What the runtime asks of a closure; for none: NULL, NULL, false. The captures are the task's whole struct, loose and
 *  the closure's. */
const tp_task_definition *tp__closure_task(tp_closure closure);
const void *tp__closure_captures(tp_closure closure);
bool tp__closure_takes_argument(tp_closure closure);

/** A closure of zero captures with one reference. NULL without memory (no error stored). */
struct tp__closure *tp__closure_new(const tp_task_definition *task, bool takes_argument)
    __attribute__((warn_unused_result));
/** Completes a closure whose captures have been filled in: stores its depth and encoded size. False if it nests deeper
 *  than TP_VALUE_DEPTH_LIMIT. */
bool tp__closure_seal(struct tp__closure *closure) __attribute__((warn_unused_result));
/** Frees what it holds, not the block itself. */
void tp__closure_fini(struct tp__closure *closure);

#endif
