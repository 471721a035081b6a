/* SPDX-License-Identifier: MIT */
#include "runtime/init.h"

#include <execinfo.h>
#include <stdatomic.h>
#include <taskpool/init.h>

static atomic_bool was_called;

bool tp__init_was_called(void)
{
    return atomic_load_explicit(&was_called, memory_order_relaxed);
}

void tp__init_done(void)
{
    /* The first backtrace loads a library, which needs memory: better now than when a task fails for want of it. */
    void *frame;
    (void)backtrace(&frame, 1);
    atomic_store_explicit(&was_called, true, memory_order_relaxed);
}

#ifndef TP_CLUSTER
void tp_init(int argc, char **argv)
{
    (void)argc, (void)argv;
    tp__init_done();
}
#endif
