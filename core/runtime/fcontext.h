/* SPDX-License-Identifier: MIT */
/** @file
 * Boost.Context's switch between stacks, which is assembly with a C interface but comes without a C header.
 * https://www.boost.org/doc/libs/1_74_0/libs/context/doc/html/
 */
#ifndef TP_RUNTIME_FCONTEXT_H
#define TP_RUNTIME_FCONTEXT_H

#include <stddef.h>

typedef void *tp__fcontext; /* the saved registers, on the stack that they belong to */

struct tp__transfer {
    tp__fcontext from; /* where the caller of the jump was left */
    void *data;        /* what it passed */
};

/** Prepares a stack (its top and size) so that the first jump to it calls `entry`, which must not return. */
tp__fcontext make_fcontext(void *top, size_t size, void (*entry)(struct tp__transfer transfer));

/** Leaves this stack and goes on where `to` was left. */
struct tp__transfer jump_fcontext(tp__fcontext to, void *data);

#endif
