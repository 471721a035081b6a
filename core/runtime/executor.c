/* SPDX-License-Identifier: MIT */
#include "runtime/executor.h"

#include "base/alloc.h"
#include "base/barrier.h"
#include "base/error.h"
#include "base/thread.h"
#include "runtime/channels.h"
#include "runtime/monitor.h"
#include "runtime/overflow.h"
#include "runtime/remote.h"
#include "runtime/tally.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <taskpool/green.h>

enum {
    TASKS_BETWEEN_OLDEST = 64, /* a worker takes its oldest task this often, so that none starves under younger ones */
    PREFETCHED = 4,            /* how far ahead of its start a task is fetched into the cache */
};

/* ---- the list of executors, for fork ---- */

static struct {
    pthread_mutex_t lock;
    struct tp__executor *first;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void before_fork(void)
{
    pthread_mutex_lock(&all.lock);
}

static void after_fork_in_parent(void)
{
    pthread_mutex_unlock(&all.lock);
}

/* Threads do not survive a fork: the child's copies of the pools have none. */
static void after_fork_in_child(void)
{
    for (struct tp__executor *executor = all.first; executor; executor = executor->next) {
        atomic_store_explicit(&executor->forked, true, memory_order_relaxed);
        atomic_store_explicit(&executor->exchange, NULL, memory_order_relaxed); /* that is the parent's */
    }
    pthread_mutex_unlock(&all.lock);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static void enlist(struct tp__executor *executor)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    pthread_mutex_lock(&all.lock);
    executor->next = all.first;
    executor->link = &all.first;
    if (all.first)
        all.first->link = &executor->next;
    all.first = executor;
    pthread_mutex_unlock(&all.lock);
}

static void delist(struct tp__executor *executor)
{
    pthread_mutex_lock(&all.lock);
    *executor->link = executor->next;
    if (executor->next)
        executor->next->link = executor->link;
    pthread_mutex_unlock(&all.lock);
}

/* ---- waking ---- */

/* A worker of a serial pool whose task is parked takes no other. */
static bool takes_tasks(const struct tp__worker *worker)
{
    return !atomic_load_explicit(&worker->loop.is_occupied, memory_order_relaxed);
}

static void wake_one(struct tp__executor *executor)
{
    for (size_t i = 0; i < executor->worker_count; i++)
        if (takes_tasks(&executor->workers[i]) && tp__loop_unpark(&executor->workers[i].loop))
            return;
}

/* After tasks were queued on a worker that may be busy: if nobody is looking for work, somebody who sleeps shall. */
static void wake_for_work(struct tp__executor *executor)
{
    if (tp__unlikely(atomic_load_explicit(&executor->sleeping, memory_order_relaxed) > 0) &&
        atomic_load_explicit(&executor->searching, memory_order_relaxed) == 0)
        wake_one(executor);
}

/* ---- queueing ---- */

static struct tp__worker *next_worker(struct tp__executor *executor)
{
    /* Not one atomic operation: two threads that submit at once may choose the same worker, which does no harm. */
    const unsigned robin = atomic_load_explicit(&executor->robin, memory_order_relaxed);
    const unsigned next = robin + 1;
    atomic_store_explicit(&executor->robin, next == executor->worker_count ? 0 : next, memory_order_relaxed);
    return &executor->workers[robin];
}

static bool submit_strictly(struct tp__executor *executor, struct tp_promise *task)
{
    unsigned robin = atomic_load_explicit(&executor->robin, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&executor->robin, &robin,
                                                  robin + 1 == executor->worker_count ? 0 : robin + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return tp__loop_submit_bound(&executor->workers[robin].loop, task);
}

bool tp__executor_submit(struct tp__executor *executor, struct tp_promise *task)
{
    if (tp__unlikely(executor->strict))
        return submit_strictly(executor, task);
    struct tp__worker *worker = tp__executor_current_worker(executor);
    if (tp__unlikely(worker && worker->loop.current == &worker->loop.root)) /* it came through the exchange */
        return tp__injector_push(&worker->injector, task);
    if (worker) {
        if (tp__unlikely(!tp__deque_push(&worker->deque, task)) && !tp__injector_push(&worker->injector, task))
            return false;
        tp__barrier_light();
    } else {
        worker = next_worker(executor);
        if (!tp__injector_push(&worker->injector, task))
            return false;
        tp__barrier_light();
        if (takes_tasks(worker) && tp__loop_unpark(&worker->loop))
            return true;
    }
    wake_for_work(executor);
    return true;
}

/* ---- taking ---- */

/* The deque is empty: fills it from an injector, so that the worker pops the oldest first; returns that one. */
static __attribute__((noinline)) struct tp_promise *refill_deque(struct tp__worker *worker, struct tp__injector *from,
                                                                 size_t limit)
{
    if (tp__injector_count(from) == 0)
        return NULL;
    struct tp_promise **batch = worker->batch;
    const size_t count = tp__injector_take(from, batch, limit < TP__REFILL_BATCH ? limit : TP__REFILL_BATCH);
    if (count == 0)
        return NULL;
    for (size_t i = count - 1; i > 0; i--) {
        if (i <= PREFETCHED)
            __builtin_prefetch(batch[i], 1);
        (void)tp__deque_push(&worker->deque, batch[i]); /* was empty: there is room */
    }
    return batch[0];
}

static struct tp_promise *own_task(struct tp__worker *worker)
{
    if (tp__unlikely(++worker->tick % TASKS_BETWEEN_OLDEST == 0)) {
        struct tp_promise *oldest = tp__deque_take_own(&worker->deque);
        if (oldest)
            return oldest;
    }
    struct tp_promise *task = tp__deque_pop(&worker->deque);
    if (task) {
        const int_fast64_t young = atomic_load_explicit(&worker->deque.young_end, memory_order_relaxed);
        __builtin_prefetch(
            atomic_load_explicit(&worker->deque.slots[(young - PREFETCHED) & TP__DEQUE_MASK], memory_order_relaxed), 1);
        return task;
    }
    return refill_deque(worker, &worker->injector, TP__REFILL_BATCH);
}

struct tp_promise *tp__worker_next_task(struct tp__worker *worker)
{
    struct tp_promise *task;
    while ((task = own_task(worker))) {
        if (tp__likely(tp__promise_claim(task)))
            return task;
        tp_promise_release(task); /* somebody awaited or cancelled it before: this was the queue's reference */
    }
    return NULL;
}

static uint32_t next_random(struct tp__worker *worker)
{
    /* xorshift32: Marsaglia, "Xorshift RNGs" (2003) */
    uint32_t x = worker->random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return worker->random = x;
}

/* Looks at every other worker once, beginning anywhere; what it finds goes to the own deque. */
static bool take_from_others(struct tp__worker *worker)
{
    struct tp__executor *executor = worker->executor;
    const size_t count = executor->worker_count;
    const size_t start = next_random(worker) % count;
    for (size_t i = 0; i < count; i++) {
        struct tp__worker *victim = &executor->workers[(start + i) % count];
        if (victim == worker)
            continue;
        struct tp_promise *task = NULL;
        const size_t queued = tp__injector_count(&victim->injector);
        if (queued > 0)
            task = refill_deque(worker, &victim->injector, (queued + 1) / 2);
        if (!task && !tp__deque_looks_empty(&victim->deque))
            task = tp__deque_take(&victim->deque);
        if (task) {
            (void)tp__deque_push(&worker->deque, task);
            return true;
        }
    }
    return false;
}

/* How many tasks are queued anywhere, roughly. */
static size_t tasks_in_sight(struct tp__executor *executor)
{
    size_t count = 0;
    for (size_t i = 0; i < executor->worker_count; i++)
        count += tp__injector_count(&executor->workers[i].injector) + tp__deque_count(&executor->workers[i].deque);
    return count;
}

static bool found_task(void *argument)
{
    struct tp__worker *worker = argument;
    return tasks_in_sight(worker->executor) > 0 && (tp__injector_count(&worker->injector) > 0 ||
                                                    !tp__deque_looks_empty(&worker->deque) || take_from_others(worker));
}

static bool is_done(struct tp__worker *worker)
{
    return atomic_load_explicit(&worker->executor->stopped, memory_order_acquire) && worker->loop.live == 0;
}

static void end_worker(struct tp__worker *worker)
{
    worker->loop.root.wait = NULL;
    tp__loop_push_ready(&worker->loop, &worker->loop.root);
}

/* Sleeps, unless there is something to do. */
static void sleep_if_idle(struct tp__worker *worker)
{
    struct tp__loop *loop = &worker->loop;
    if (!tp__loop_announce_sleep(loop))
        return;
    if (tp__loop_has_events(loop) || (takes_tasks(worker) && tasks_in_sight(worker->executor) > 0) || is_done(worker)) {
        tp__loop_retract_sleep(loop);
        return;
    }
    tp__loop_sleep(loop);
    tp__monitor_watch(worker->executor->monitor);
}

static void sleep_worker(struct tp__worker *worker)
{
    struct tp__exchange *exchange = tp__executor_exchange(worker->executor);
    tp__stacks_trim(&worker->loop.stacks);
    bool watches = exchange && exchange->begin_watch(exchange, worker->index);
    if (watches && !tp__poller_watch(&worker->loop.poller, exchange->descriptor)) {
        exchange->end_watch(exchange, worker->index);
        watches = false;
    }
    sleep_if_idle(worker);
    if (watches) {
        tp__poller_unwatch(&worker->loop.poller);
        exchange->end_watch(exchange, worker->index);
    }
}

/* Queues what has come on this worker, and wakes nobody. */
static void attend(struct tp__exchange *exchange)
{
    exchange->attend(exchange);
    tp__barrier_light(); /* before the look at who sleeps */
}

void tp__worker_attend(struct tp__worker *worker)
{
    struct tp__executor *executor = worker->executor;
    struct tp__exchange *exchange = tp__executor_exchange(executor);
    if (!exchange)
        return;
    attend(exchange);
    if (tasks_in_sight(executor) > 0)
        wake_for_work(executor);
}

void tp__executor_set_exchange(struct tp__executor *executor, struct tp__exchange *exchange)
{
    /* release: pairs with tp__executor_exchange, which workers that look for work call at any moment */
    atomic_store_explicit(&executor->exchange, exchange, memory_order_release);
}

void tp__worker_idle(struct tp__worker *worker)
{
    struct tp__executor *executor = worker->executor;
    if (is_done(worker) && !tp__loop_has_events(&worker->loop) && tasks_in_sight(worker->executor) == 0) {
        end_worker(worker);
        return;
    }
    if (atomic_load_explicit(&executor->stopped, memory_order_relaxed) && !worker->loop.is_ending) {
        worker->loop.is_ending = true;
        tp__loop_cancel_all(&worker->loop); /* what tasks left behind by tp_async, and waits */
        return;
    }
    struct tp__exchange *exchange = tp__executor_exchange(executor);
    bool found;
    if (exchange) {
        attend(exchange);
        found = found_task(worker); /* what comes, comes through a descriptor: spinning would only keep it waiting */
    } else if (takes_tasks(worker)) {
        atomic_fetch_add_explicit(&executor->searching, 1, memory_order_relaxed);
        found = tp__loop_spin(&worker->loop, found_task, worker);
        atomic_fetch_sub_explicit(&executor->searching, 1, memory_order_relaxed);
    } else {
        if (tasks_in_sight(executor) > 0)
            wake_for_work(executor); /* it leaves what is queued here to others, and may be about to sleep */
        found = tp__loop_spin(&worker->loop, NULL, NULL);
    }
    if (!found)
        sleep_worker(worker);
    tp__loop_poll(&worker->loop);
    /* Whoever queued a task woke this worker alone, or saw it searching and woke nobody. It takes one, unless it has
     * something else to do first; if there are more, another one shall look. */
    const size_t own = takes_tasks(worker) && !tp__loop_has_events(&worker->loop) ? 1 : 0;
    if (tasks_in_sight(executor) > own)
        wake_for_work(executor);
}

/* A task found in the caller's own queues is taken out; elsewhere its entry stays behind and gets a reference. */
bool tp__worker_claim_awaited(struct tp__worker *worker, struct tp_promise *task, struct tp__promise_waiter *waiter)
{
    bool taken = false;
    if (task->bound) {
        taken = tp__injector_take_exactly(&worker->loop.bound, task);
    } else if (tp__deque_youngest(&worker->deque) == task) {
        struct tp_promise *popped = tp__deque_pop(&worker->deque);
        taken = popped != NULL; /* nobody but this worker pushes: it is the one */
    } else if (tp__deque_oldest(&worker->deque) == task) {
        struct tp_promise *oldest = tp__deque_take_own(&worker->deque);
        taken = oldest == task;
        if (oldest && !taken)
            (void)tp__deque_push(&worker->deque, oldest); /* another was faster, and this is the next: there is room */
    } else if (tp__injector_count(&worker->injector) > 0) {
        taken = tp__injector_take_exactly(&worker->injector, task);
    }
    if (!taken)
        atomic_fetch_add_explicit(&task->references, 1, memory_order_relaxed);
    uintptr_t state;
    while (tp__phase_of(state = tp__promise_state(task)) == TP__QUEUED) {
        waiter->next = (struct tp__promise_waiter *)(state & ~(uintptr_t)TP__STATE_BITS);
        if (atomic_compare_exchange_weak_explicit(&task->state, &state,
                                                  (uintptr_t)waiter | (state & TP__ABANDONED) | TP__RUNNING,
                                                  memory_order_acq_rel, memory_order_relaxed))
            return true;
    }
    /* Somebody else has claimed it. In either case there is one reference too many now: the one of an entry that this
     * function took out, or the one that it added. */
    atomic_fetch_sub_explicit(&task->references, 1, memory_order_relaxed);
    return false;
}

/* ---- threads ---- */

static bool never_withdraws(struct tp__wait *wait)
{
    (void)wait;
    return false;
}

struct start {
    struct tp__worker *worker;
    size_t stack_bytes;
    tp_status status;
    sem_t done;
};

static void *worker_main(void *argument)
{
    struct start *start = argument;
    struct tp__worker *worker = start->worker;
    tp__overflow_thread_init();
    start->status = tp__loop_init(&worker->loop, worker, start->stack_bytes);
    const bool started = start->status == TP_OK;
    sem_post(&start->done); /* `start` is gone from here on */
    if (started) {
        struct tp__wait end = {.fiber = &worker->loop.root, .withdraw = never_withdraws};
        worker->loop.root.wait = &end;
        tp__loop_leave(&worker->loop); /* until the executor is stopped */
        tp__loop_fini(&worker->loop);
    }
    tp__overflow_thread_fini();
    return NULL;
}

static tp_status start_worker(struct tp__worker *worker, size_t stack_bytes)
{
    struct start start = {.worker = worker, .stack_bytes = stack_bytes};
    if (sem_init(&start.done, 0, 0) != 0)
        return tp__fail_errno(TP_E_SYSTEM, "worker %d cannot be started", worker->index);
    char name[16];
    snprintf(name, sizeof name, "tp-worker-%d", worker->index);
    const int error = tp__thread_start(&worker->thread, name, worker_main, &start);
    if (error) {
        errno = error;
        start.status = tp__fail_errno(TP_E_SYSTEM, "worker %d cannot be started", worker->index);
    } else {
        while (sem_wait(&start.done) != 0) {
        }
        if (start.status != TP_OK) {
            pthread_join(worker->thread, NULL);
            start.status = tp__fail(start.status, "worker %d cannot be started", worker->index);
        }
    }
    sem_destroy(&start.done);
    return start.status;
}

static void stop_workers(struct tp__executor *executor, size_t count)
{
    atomic_store_explicit(&executor->stopped, true, memory_order_release);
    tp__barrier_heavy();
    for (size_t i = 0; i < count; i++)
        tp__loop_unpark(&executor->workers[i].loop);
    for (size_t i = 0; i < count; i++)
        pthread_join(executor->workers[i].thread, NULL);
}

static void free_executor(struct tp__executor *executor)
{
    for (size_t i = 0; i < executor->worker_count && executor->workers; i++)
        tp__injector_fini(&executor->workers[i].injector);
    tp__monitor_free(executor->monitor);
    tp__tally_release(executor->tally);
    tp__channels_free(executor->channels);
    if (executor->remote && executor->remote->class->free)
        executor->remote->class->free(executor->remote);
    tp__free(executor->workers);
    tp__free(executor);
}

static bool start_threads(struct tp__executor *executor, const tp_pool_options *options)
{
    executor->tally = tp__tally_new_root(executor, executor->worker_count);
    if (!executor->tally)
        return false;
    executor->monitor = tp__monitor_start(executor, options);
    if (!executor->monitor)
        return false;
    const size_t stack_bytes = tp__stack_round_bytes(options->stack_bytes);
    for (size_t i = 0; i < executor->worker_count; i++) {
        if (start_worker(&executor->workers[i], stack_bytes) != TP_OK) {
            tp__monitor_stop(executor->monitor);
            stop_workers(executor, i);
            return false;
        }
    }
    return true;
}

struct tp__executor *tp__executor_start(size_t worker_count, const tp_pool_options *options)
{
    struct tp__executor *executor = tp__alloc_aligned(_Alignof(struct tp__executor), sizeof *executor);
    struct tp__worker *workers =
        tp__alloc_aligned(_Alignof(struct tp__worker), worker_count * sizeof(struct tp__worker));
    if (!executor || !workers) {
        tp__free(executor);
        tp__free(workers);
        tp__fail_nomem("the workers of a pool");
        return NULL;
    }
    memset(executor, 0, sizeof *executor);
    memset(workers, 0, worker_count * sizeof *workers);
    executor->worker_count = worker_count;
    executor->workers = workers;
    executor->strict = options->placement == TP_ROUND_ROBIN_STRICT;
    atomic_init(&executor->references, 1);
    for (size_t i = 0; i < worker_count; i++) {
        workers[i].executor = executor;
        workers[i].index = (int)i;
        atomic_init(&workers[i].number, (int)i);
        workers[i].loop.is_serial = options->serial_workers;
        workers[i].random = (uint32_t)i * 2654435761U + 1;
    }
    tp__overflow_install();
    if (!start_threads(executor, options)) {
        free_executor(executor);
        return NULL;
    }
    enlist(executor);
    return executor;
}

struct tp__executor *tp__executor_start_remote(struct tp__remote *remote, const tp_pool_options *options,
                                               bool channels_elsewhere)
{
    struct tp__executor *executor = tp__alloc_aligned(_Alignof(struct tp__executor), sizeof *executor);
    if (!executor) {
        tp__fail_nomem("a pool");
        return NULL;
    }
    memset(executor, 0, sizeof *executor);
    executor->strict = options->placement == TP_ROUND_ROBIN_STRICT;
    atomic_init(&executor->references, 1);
    executor->channels = tp__channels_new(channels_elsewhere ? remote : NULL);
    if (!executor->channels || !start_threads(executor, options)) {
        free_executor(executor);
        return NULL;
    }
    executor->remote = remote;
    enlist(executor);
    return executor;
}

void tp__executor_stop(struct tp__executor *executor)
{
    tp__monitor_stop(executor->monitor); /* before the fibers go, which it looks at */
    stop_workers(executor, executor->worker_count);
    if (executor->remote)
        executor->remote->class->close(executor->remote);
    delist(executor);
}

struct tp__executor *tp__executor_retain(struct tp__executor *executor)
{
    atomic_fetch_add_explicit(&executor->references, 1, memory_order_relaxed);
    return executor;
}

void tp__executor_release(struct tp__executor *executor)
{
    if (atomic_fetch_sub_explicit(&executor->references, 1, memory_order_acq_rel) == 1)
        free_executor(executor);
}

int tp_worker_index(void)
{
    const struct tp__loop *loop = tp__loop_of_thread;
    return loop && loop->worker ? atomic_load_explicit(&loop->worker->number, memory_order_relaxed) : -1;
}
