/* SPDX-License-Identifier: MIT */
/* tp_async: green threads on the current OS thread; and async pools, the target of tp_parallel_async. */
#include "base/alloc.h"
#include "closure/payload.h"
#include "runtime/foreign.h"
#include "runtime/loop.h"
#include "runtime/overflow.h"

#include <string.h>
#include <taskpool/async_pool.h>
#include <taskpool/green.h>

static tp_status fill(struct tp_promise *task, const void *captures)
{
    const tp_task_definition *definition = task->definition;
    if (!definition->plain)
        return tp__captures_copy(definition, task->payload, captures);
    if (definition->captures_size)
        memcpy(task->payload, captures, definition->captures_size);
    return TP_OK;
}

/* The new green thread starts with its maker's target, and is part of the foreign task that its maker is part of. */
static tp_status inherit(struct tp_promise *task, const struct tp_promise *maker)
{
    tp_pool *target = tp_get_async_pool();
    if (target) {
        struct tp__task_extra *extra = tp__promise_extra(task);
        if (!extra)
            return tp__fail_nomem("a green thread");
        extra->async_target = target;
    }
    return !maker || !maker->extra || tp__foreign_inherit(task) ? TP_OK : tp__fail_nomem("a green thread");
}

tp_promise *tp__async(const tp_task_definition *definition, const void *captures)
{
    struct tp__loop *loop = tp__loop_current();
    if (!loop)
        return NULL;
    if (loop->is_ending) {
        tp__fail(TP_E_SHUTDOWN, "tp_async: the OS thread is ending");
        return NULL;
    }
    if (!loop->worker) {
        tp__overflow_install();
        tp__overflow_thread_init();
    }
    struct tp_promise *task = tp__promise_new(definition);
    if (!task)
        return NULL;
    if (fill(task, captures) != TP_OK) {
        tp__promise_discard(task, false);
        return NULL;
    }
    if (inherit(task, loop->current->task) != TP_OK) {
        tp__promise_discard(task, true);
        return NULL;
    }
    if (!tp__loop_submit_bound(loop, task)) {
        tp__fail_nomem("a green thread");
        tp__promise_discard(task, true);
        return NULL;
    }
    return task;
}

struct tp_async_pool {
    tp_pool *pool;
    tp_pool *previous;          /* the target before this one was opened */
    struct tp_async_pool *next; /* opened before, in the same context */
};

void tp_set_async_pool(tp_pool *pool)
{
    tp__context_current()->async_target = pool;
}

tp_pool *tp_get_async_pool(void)
{
    return tp__context_current()->async_target;
}

tp_async_pool *tp_async_pool_open(const char *where)
{
    tp_async_pool *async_pool = tp__alloc_zeroed(1, sizeof *async_pool);
    if (!async_pool) {
        tp__fail_nomem("an async pool");
        return NULL;
    }
    async_pool->pool = tp_pool_open(where);
    if (!async_pool->pool) {
        tp__free(async_pool);
        return NULL;
    }
    struct tp__context *context = tp__context_current();
    async_pool->previous = context->async_target;
    async_pool->next = context->async_pools;
    context->async_pools = async_pool;
    context->async_target = async_pool->pool;
    return async_pool;
}

/* Takes it out of the stack of the context that opened it; elsewhere it is not found, and nothing is to restore. */
static void take_out(tp_async_pool *async_pool)
{
    struct tp__context *context = tp__context_current();
    if (context->async_pools == async_pool) {
        context->async_pools = async_pool->next;
        context->async_target = async_pool->previous;
        return;
    }
    for (tp_async_pool *above = context->async_pools; above; above = above->next) {
        if (above->next == async_pool) {
            above->next = async_pool->next;
            if (above->previous == async_pool->pool)
                above->previous = async_pool->previous;
            return;
        }
    }
}

tp_status tp_async_pool_close(tp_async_pool *async_pool)
{
    if (!async_pool)
        return TP_OK;
    const tp_status status = tp_pool_shutdown(async_pool->pool);
    if (status != TP_OK)
        return status;
    take_out(async_pool);
    (void)tp_pool_close(async_pool->pool); /* shut down already: it cannot fail */
    tp__free(async_pool);
    return TP_OK;
}

tp_pool *tp_async_pool_pool(tp_async_pool *async_pool)
{
    return async_pool ? async_pool->pool : NULL;
}

tp_status tp_async_pool_drain(tp_async_pool *async_pool)
{
    return tp_drain(async_pool ? async_pool->pool : NULL);
}

size_t tp_async_pool_size(const tp_async_pool *async_pool)
{
    return tp_pool_size(async_pool ? async_pool->pool : NULL);
}

size_t tp_async_pool_pending(const tp_async_pool *async_pool)
{
    return tp_pool_pending(async_pool ? async_pool->pool : NULL);
}

tp_promise *tp__parallel_async(const tp_task_definition *task, const void *captures)
{
    tp_pool *pool = tp_get_async_pool();
    if (!pool) {
        tp__fail(TP_E_NO_POOL, "tp_parallel_async: no pool is set; open one with tp_async_pool_open or set one with "
                               "tp_set_async_pool");
        return NULL;
    }
    return tp__submit(pool, task, captures, NULL);
}
