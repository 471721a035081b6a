/* SPDX-License-Identifier: MIT */
#include "runtime/pool.h"

#include "base/alloc.h"
#include "base/barrier.h"
#include "runtime/address.h"
#include "runtime/channels.h"
#include "runtime/init.h"
#include "runtime/remote.h"

static tp_pool *make_handle(struct tp__executor *executor, struct tp__tally *tally)
{
    tp_pool *pool = tally ? tp__alloc_zeroed(1, sizeof *pool) : NULL;
    if (!pool) {
        tp__fail_nomem("a pool");
        return NULL;
    }
    pool->executor = executor;
    pool->tally = tally;
    return pool;
}

static struct tp__executor *start_local(size_t worker_count, const tp_pool_options *options)
{
    struct tp__channels *channels = tp__channels_new(NULL);
    if (!channels)
        return NULL;
    struct tp__executor *executor = tp__executor_start(worker_count, options);
    if (executor)
        executor->channels = channels;
    else
        tp__channels_free(channels);
    return executor;
}

/* The handle that owns the workers; takes the executor over. */
static tp_pool *own(struct tp__executor *executor)
{
    tp_pool *pool = make_handle(executor, executor->tally);
    if (pool) {
        pool->owns_workers = true;
    } else {
        tp__executor_stop(executor);
        tp__executor_release(executor);
    }
    return pool;
}

/* A handle for the task that runs here, on its own pool. In a cluster that is elsewhere. */
static tp_pool *open_own_pool(void)
{
    const struct tp_promise *task = tp__current_task();
    struct tp__executor *here = tp__loop_of_thread->worker->executor;
    struct tp__executor *executor = here->children ? here->children : here;
    struct tp__tally *tally = tp__tally_new(executor, executor == here ? task->tally : NULL);
    tp_pool *pool = make_handle(executor, tally);
    if (pool)
        tp__executor_retain(executor);
    else
        tp__tally_release(tally);
    return pool;
}

static tp_status check_options(const tp_pool_options *options)
{
    if (options->placement != TP_ROUND_ROBIN && options->placement != TP_ROUND_ROBIN_STRICT)
        return tp__fail(TP_E_ARGUMENT, "tp_pool_open_with: placement %d is none of tp_placement",
                        (int)options->placement);
    if (tp__stack_round_bytes(options->stack_bytes) == 0)
        return tp__fail(TP_E_ARGUMENT, "tp_pool_open_with: a stack of %zu bytes; it has %d bytes to 1 GiB",
                        options->stack_bytes, TP__STACK_MINIMUM_BYTES);
    if (options->watchdog_ms < -1)
        return tp__fail(TP_E_ARGUMENT, "tp_pool_open_with: watchdog_ms is %lld; -1 turns it off",
                        (long long)options->watchdog_ms);
    return TP_OK;
}

tp_pool *tp_pool_open_with(const char *where, tp_pool_options options)
{
    if (!tp__init_was_called()) {
        tp__fail(TP_E_NO_INIT, "tp_init was not called: make tp_init(argc, argv) the first line of main");
        return NULL;
    }
    if (check_options(&options) != TP_OK)
        return NULL;
    if (!where && tp__current_task() && tp__loop_of_thread->worker)
        return open_own_pool();
    struct tp__address address;
    if (tp__address_parse(where, &address) != TP_OK)
        return NULL;
    struct tp__executor *executor = address.host_and_port ? tp__remote_open(address.host_and_port, &options)
                                                          : start_local(address.worker_count, &options);
    return executor ? own(executor) : NULL;
}

tp_pool *tp_pool_open(const char *where)
{
    return tp_pool_open_with(where, (tp_pool_options){0});
}

tp_status tp__pool_check(const char *function, const tp_pool *pool)
{
    if (!pool)
        return tp__fail(TP_E_ARGUMENT, "%s: the pool is NULL", function);
    if (atomic_load_explicit(&pool->executor->forked, memory_order_relaxed))
        return tp__fail(TP_E_FORKED, "%s: the pool belongs to the parent process of this fork; open one here",
                        function);
    return TP_OK;
}

static tp_status check_open(const char *function, const tp_pool *pool)
{
    const tp_status status = tp__pool_check(function, pool);
    if (status == TP_OK && (atomic_load_explicit(&pool->phase, memory_order_acquire) == TP__POOL_SHUT ||
                            atomic_load_explicit(&pool->executor->stopped, memory_order_acquire)))
        return tp__fail(TP_E_SHUTDOWN, "%s: the pool is shut down", function);
    return status;
}

/* A task that waits until its own pool has no task left waits for itself. */
static tp_status check_not_own(const char *function, const tp_pool *pool)
{
    const struct tp_promise *task = tp__current_task();
    if (task && tp__tally_descends(task->tally, pool->tally))
        return tp__fail(
            TP_E_DEADLOCK,
            "%s: task '%s' was submitted through this handle and would wait for itself; inside a task, drain "
            "and close a handle of its own: tp_pool_open(NULL)",
            function, task->definition->name);
    return TP_OK;
}

/* A serial worker whose task drains may start what the task waits for. */
static tp_status drain(tp_pool *pool, enum tp__wait_mode mode)
{
    struct tp__loop *loop = tp__executor_current_worker(pool->executor) ? tp__loop_of_thread : NULL;
    if (loop) {
        loop->draining++;
        tp__loop_note_live(loop);
    }
    const tp_status status = tp__tally_drain(pool->tally, mode);
    if (loop) {
        loop->draining--;
        tp__loop_note_live(loop);
    }
    return status;
}

tp_status tp_drain(tp_pool *pool)
{
    tp_status status = tp__pool_check("tp_drain", pool);
    if (status == TP_OK)
        status = check_not_own("tp_drain", pool);
    return status == TP_OK ? drain(pool, TP__WAIT_CANCELLABLE) : status;
}

static tp_status shut_down(const char *function, tp_pool *pool)
{
    if (atomic_load_explicit(&pool->phase, memory_order_acquire) == TP__POOL_SHUT)
        return TP_OK;
    tp_status status = check_not_own(function, pool);
    if (status != TP_OK)
        return status;
    int open = TP__POOL_OPEN;
    const bool first = atomic_compare_exchange_strong_explicit(&pool->phase, &open, TP__POOL_CLOSING,
                                                               memory_order_acq_rel, memory_order_acquire);
    tp__barrier_heavy(); /* a submit from outside either sees the phase or is counted by the drain */
    do {
        status = drain(pool, TP__WAIT_UNCANCELLABLE);
    } while (status == TP_OK && tp__tally_pending(pool->tally) > 0); /* tasks may have submitted more meanwhile */
    if (!first)
        return status;
    if (status != TP_OK) {
        atomic_store_explicit(&pool->phase, TP__POOL_OPEN, memory_order_release);
        return status;
    }
    atomic_store_explicit(&pool->phase, TP__POOL_SHUT, memory_order_release);
    if (pool->owns_workers)
        tp__executor_stop(pool->executor);
    return TP_OK;
}

tp_status tp_pool_shutdown(tp_pool *pool)
{
    const tp_status status = tp__pool_check("tp_pool_shutdown", pool);
    return status == TP_OK ? shut_down("tp_pool_shutdown", pool) : status;
}

tp_status tp_pool_close(tp_pool *pool)
{
    if (!pool)
        return TP_OK;
    tp_status status = tp__pool_check("tp_pool_close", pool);
    if (status == TP_OK)
        status = shut_down("tp_pool_close", pool);
    if (status != TP_OK)
        return status;
    if (pool->owns_workers) {
        tp__channels_free(pool->executor->channels);
        pool->executor->channels = NULL;
    } else {
        tp__tally_release(pool->tally);
    }
    tp__executor_release(pool->executor);
    tp__free(pool);
    return TP_OK;
}

size_t tp_pool_size(const tp_pool *pool)
{
    const bool is_shut = !pool || atomic_load_explicit(&pool->phase, memory_order_acquire) == TP__POOL_SHUT ||
                         atomic_load_explicit(&pool->executor->stopped, memory_order_acquire);
    return is_shut ? 0 : tp__executor_size(pool->executor);
}

size_t tp_pool_pending(const tp_pool *pool)
{
    return pool ? tp__tally_pending(pool->tally) : 0;
}

tp_channel *tp_pool_channel(tp_pool *pool, const char *name)
{
    if (check_open("tp_pool_channel", pool) != TP_OK)
        return NULL;
    return tp__channels_get(pool->executor->channels, name);
}

tp_channel *tp_pool_channel_with(tp_pool *pool, const char *name, size_t capacity)
{
    if (check_open("tp_pool_channel_with", pool) != TP_OK)
        return NULL;
    return tp__channels_get_with(pool->executor->channels, name, capacity);
}
