/* SPDX-License-Identifier: MIT */
#include "runtime/monitor.h"

#include "base/alloc.h"
#include "base/barrier.h"
#include "base/futex.h"
#include "base/thread.h"
#include "runtime/executor.h"

#include <errno.h>
#include <stdio.h>

enum { DEFAULT_WATCHDOG_MS = 1000, LOOKS_PER_LIMIT = 4 };

/* What the monitor remembers of a worker between two looks. */
struct watched {
    uint64_t turn;     /* seen last */
    int64_t since_ns;  /* when that turn was seen first */
    uint64_t reported; /* start turn of the task that was named last */
};

struct tp__monitor {
    struct tp__executor *executor;
    pthread_t thread;
    int64_t watchdog_ns; /* TP__NEVER: hogs are not named */
    tp_hog_fn *on_hog;
    void *on_hog_argument;
    tp__spinlock lock; /* guards the timers */
    struct tp__timers timers;
    atomic_int calls;       /* grows when the monitor is to look around; it sleeps on this word */
    atomic_bool is_resting; /* it sleeps until a worker calls */
    atomic_bool is_stopped;
    struct watched watched[];
};

static void print_hog(const char *task, int worker, int64_t held_ms, void *argument)
{
    (void)argument;
    fprintf(stderr,
            "taskpool: task '%s' has held worker %d for %lld ms without yielding; the other tasks that started there "
            "wait\n",
            task, worker, (long long)held_ms);
}

static void call(struct tp__monitor *monitor)
{
    atomic_fetch_add_explicit(&monitor->calls, 1, memory_order_release);
    tp__futex_wake(&monitor->calls);
}

/* Takes out what is due; its reference to the promise goes to the caller. */
static struct tp__task_extra *take_due(struct tp__monitor *monitor, int64_t now_ns)
{
    tp__spinlock_lock(&monitor->lock);
    struct tp__timer *timer = tp__timers_take_due(&monitor->timers, now_ns);
    tp__spinlock_unlock(&monitor->lock);
    return timer ? (struct tp__task_extra *)(void *)((char *)timer - offsetof(struct tp__task_extra, timeout)) : NULL;
}

static void end_tasks_in_time(struct tp__monitor *monitor, int64_t now_ns)
{
    struct tp__task_extra *extra;
    while ((extra = take_due(monitor, now_ns))) {
        /* Cannot fail: both the error and the message were made with the task. */
        (void)tp__promise_stop(extra->promise, tp__error_retain(extra->timeout_error), &extra->timeout_stop);
        tp_promise_release(extra->promise);
    }
}

static void name_hogs(struct tp__monitor *monitor, int64_t now_ns)
{
    for (size_t i = 0; i < monitor->executor->worker_count; i++) {
        struct tp__loop *loop = &monitor->executor->workers[i].loop;
        struct watched *watched = &monitor->watched[i];
        const uint64_t turn = atomic_load_explicit(&loop->turns, memory_order_relaxed);
        /* A fiber's memory stays as long as its loop, whatever it runs now. */
        const struct tp__fiber *fiber = atomic_load_explicit(&loop->watched_fiber, memory_order_relaxed);
        const tp_task_definition *task =
            fiber ? atomic_load_explicit(&fiber->watched.definition, memory_order_relaxed) : NULL;
        if (!task || turn != watched->turn) {
            watched->turn = turn;
            watched->since_ns = now_ns;
            continue;
        }
        const uint64_t started = atomic_load_explicit(&fiber->watched.start_turn, memory_order_relaxed);
        if (now_ns - watched->since_ns < monitor->watchdog_ns || started == watched->reported)
            continue;
        watched->reported = started;
        const int number = atomic_load_explicit(&monitor->executor->workers[i].number, memory_order_relaxed);
        monitor->on_hog(task->name, number, (now_ns - watched->since_ns) / 1000000, monitor->on_hog_argument);
    }
}

static bool all_sleep(const struct tp__monitor *monitor)
{
    return (size_t)atomic_load_explicit(&monitor->executor->sleeping, memory_order_relaxed) ==
           monitor->executor->worker_count;
}

/* When to look again, if nobody calls before. */
static int64_t next_look(struct tp__monitor *monitor, int64_t now_ns)
{
    tp__spinlock_lock(&monitor->lock);
    const int64_t timer = tp__timers_next_ns(&monitor->timers);
    tp__spinlock_unlock(&monitor->lock);
    if (monitor->watchdog_ns == TP__NEVER)
        return timer;
    atomic_store_explicit(&monitor->is_resting, true, memory_order_relaxed);
    tp__barrier_heavy(); /* pairs with the light one in tp__monitor_watch */
    if (all_sleep(monitor))
        return timer;
    atomic_store_explicit(&monitor->is_resting, false, memory_order_relaxed);
    const int64_t look = now_ns + monitor->watchdog_ns / LOOKS_PER_LIMIT;
    return look < timer ? look : timer;
}

static void *monitor_main(void *argument)
{
    struct tp__monitor *monitor = argument;
    while (!atomic_load_explicit(&monitor->is_stopped, memory_order_acquire)) {
        const int calls = atomic_load_explicit(&monitor->calls, memory_order_acquire);
        const int64_t now_ns = tp__now_ns();
        end_tasks_in_time(monitor, now_ns);
        if (monitor->watchdog_ns != TP__NEVER)
            name_hogs(monitor, now_ns);
        const int64_t look = next_look(monitor, now_ns);
        if (!atomic_load_explicit(&monitor->is_stopped, memory_order_acquire))
            tp__futex_wait(&monitor->calls, calls, look);
    }
    return NULL;
}

struct tp__monitor *tp__monitor_start(struct tp__executor *executor, const tp_pool_options *options)
{
    struct tp__monitor *monitor =
        tp__alloc_zeroed(1, sizeof *monitor + executor->worker_count * sizeof(struct watched));
    if (!monitor) {
        tp__fail_nomem("the monitor of a pool");
        return NULL;
    }
    const int64_t watchdog_ms = options->watchdog_ms ? options->watchdog_ms : DEFAULT_WATCHDOG_MS;
    monitor->executor = executor;
    monitor->watchdog_ns = watchdog_ms < 0 || watchdog_ms > TP__NEVER / 1000000 ? TP__NEVER : watchdog_ms * 1000000;
    monitor->on_hog = options->on_hog ? options->on_hog : print_hog;
    monitor->on_hog_argument = options->on_hog_argument;
    const int error = tp__thread_start(&monitor->thread, "tp-monitor", monitor_main, monitor);
    if (error) {
        tp__free(monitor);
        errno = error;
        tp__fail_errno(TP_E_SYSTEM, "the monitor of a pool cannot be started");
        return NULL;
    }
    return monitor;
}

void tp__monitor_stop(struct tp__monitor *monitor)
{
    atomic_store_explicit(&monitor->is_stopped, true, memory_order_release);
    call(monitor);
    pthread_join(monitor->thread, NULL);
}

void tp__monitor_free(struct tp__monitor *monitor)
{
    tp__free(monitor);
}

bool tp__monitor_arm(struct tp__monitor *monitor, struct tp__task_extra *extra)
{
    tp__spinlock_lock(&monitor->lock);
    const bool arms = !extra->timeout_is_over;
    if (arms)
        tp__timers_add(&monitor->timers, &extra->timeout);
    const bool is_next = monitor->timers.root == &extra->timeout;
    tp__spinlock_unlock(&monitor->lock);
    if (arms && is_next)
        call(monitor);
    return arms;
}

bool tp__monitor_disarm(struct tp__monitor *monitor, struct tp__task_extra *extra)
{
    tp__spinlock_lock(&monitor->lock);
    extra->timeout_is_over = true;
    const bool armed = tp__timer_is_armed(&extra->timeout);
    if (armed)
        tp__timers_remove(&monitor->timers, &extra->timeout);
    tp__spinlock_unlock(&monitor->lock);
    return armed;
}

void tp__monitor_watch(struct tp__monitor *monitor)
{
    tp__barrier_light(); /* pairs with the heavy one in next_look: this worker is not counted as sleeping any more */
    if (tp__unlikely(atomic_load_explicit(&monitor->is_resting, memory_order_relaxed)) &&
        atomic_exchange_explicit(&monitor->is_resting, false, memory_order_relaxed))
        call(monitor);
}
