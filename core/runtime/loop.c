/* SPDX-License-Identifier: MIT */
#include "runtime/loop.h"

#include "base/alloc.h"
#include "base/barrier.h"
#include "base/futex.h"
#include "closure/payload.h"
#include "runtime/executor.h"
#include "runtime/fiber_switch.h"
#include "runtime/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <taskpool/green.h>
#include <unistd.h>

enum {
    LOOPS_LIMIT = TP__NO_LOOP - 1,
    TICKS_BETWEEN_POLLS = 64,  /* things picked to run between two looks at clock and descriptors */
    TICKS_BETWEEN_TASKS = 8,   /* a new task is picked this often although fibers are ready */
    SPIN_NS = 15 * 1000,       /* how long an OS thread looks for work before it sleeps */
    SPINS_FOR_TOKEN = 1000,    /* about as long as a system call takes */
    SPINS_BETWEEN_CLOCKS = 32, /* looks between two readings of the clock */
};

enum parked { AWAKE = 0, SLEEPS_ON_FUTEX = 1, SLEEPS_IN_POLLER = 2 };

_Thread_local struct tp__loop *tp__loop_of_thread;

/* The table of loops: ids fit a promise, and a loop that is gone is found to be gone. */
static struct {
    tp__spinlock lock;
    uint16_t next_id;
    struct tp__loop *loops[UINT16_MAX + 1];
} table = {.next_id = 1};

static void lock_table(void)
{
    tp__spinlock_lock(&table.lock);
}

static void unlock_table(void)
{
    tp__spinlock_unlock(&table.lock);
}

static void unlock_table_in_child(void)
{
    unlock_table();
    if (tp__loop_of_thread)
        tp__poller_forked(&tp__loop_of_thread->poller);
}

/* A forked child must not find the lock held by a thread that it does not have. */
__attribute__((constructor)) static void watch_forks_of_table(void)
{
    (void)pthread_atfork(lock_table, unlock_table, unlock_table_in_child);
}

static bool register_loop(struct tp__loop *loop)
{
    bool found = false;
    tp__spinlock_lock(&table.lock);
    for (unsigned tries = 0; tries < LOOPS_LIMIT && !found; tries++) {
        const uint16_t id = table.next_id;
        table.next_id = id == LOOPS_LIMIT ? 1 : (uint16_t)(id + 1);
        found = table.loops[id] == NULL;
        if (found) {
            loop->id = id;
            table.loops[id] = loop;
        }
    }
    tp__spinlock_unlock(&table.lock);
    return found;
}

static void unregister_loop(struct tp__loop *loop)
{
    tp__spinlock_lock(&table.lock);
    table.loops[loop->id] = NULL;
    tp__spinlock_unlock(&table.lock);
}

tp_status tp__loop_init(struct tp__loop *loop, struct tp__worker *worker, size_t stack_bytes)
{
    loop->worker = worker;
    loop->stack_bytes = stack_bytes;
    loop->current = &loop->root;
    loop->errno_place = &errno;
    loop->root.loop = loop;
    if (!register_loop(loop))
        return tp__fail(TP_E_LIMIT, "%d OS threads run green threads already: that is the limit", LOOPS_LIMIT);
    loop->last_task_id = (uint64_t)loop->id << 48;
    tp__sanitizer_stack_init_thread(&loop->root.sanitizer);
    tp__loop_of_thread = loop;
    return TP_OK;
}

void tp__loop_fini(struct tp__loop *loop)
{
    unregister_loop(loop);
    /* A cancellation may have come for a task that ended meanwhile. */
    struct tp__stop *stop = atomic_exchange_explicit(&loop->stops, NULL, memory_order_acquire);
    while (stop) {
        struct tp__stop *next = stop->next;
        tp__promise_stop_arrived(stop);
        stop = next;
    }
    tp__stacks_fini(&loop->stacks);
    tp__poller_fini(&loop->poller);
    tp__injector_fini(&loop->bound);
    tp__loop_of_thread = NULL;
}

/* What other threads gave. */

static void take_wakes(struct tp__loop *loop)
{
    /* acquire: what the wakers stored for the fibers */
    struct tp__fiber *newest = atomic_exchange_explicit(&loop->wakes, NULL, memory_order_acquire);
    struct tp__fiber *oldest = NULL;
    while (newest) {
        struct tp__fiber *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct tp__fiber *next = oldest->next;
        oldest->wait = NULL;
        tp__loop_push_ready(loop, oldest);
        oldest = next;
    }
}

static void take_stops(struct tp__loop *loop)
{
    struct tp__stop *stop = atomic_exchange_explicit(&loop->stops, NULL, memory_order_acquire);
    /* A wake that came before a stop is seen before it: what woke the fiber may be gone already. */
    if (atomic_load_explicit(&loop->wakes, memory_order_acquire))
        take_wakes(loop);
    while (stop) {
        struct tp__stop *next = stop->next;
        struct tp__fiber *fiber = stop->task->fiber;
        if (fiber && fiber->wait && fiber->wait_is_cancellable)
            tp__wait_give_up(fiber, TP_E_CANCELLED);
        tp__promise_stop_arrived(stop);
        stop = next;
    }
}

/* In `wakes` while the thread sleeps. */
static struct tp__fiber asleep;

void tp__loop_wake_remote(struct tp__loop *loop, struct tp__fiber *fiber)
{
    struct tp__fiber *first = atomic_load_explicit(&loop->wakes, memory_order_relaxed);
    do {
        fiber->next = first == &asleep ? NULL : first;
        /* release: pairs with the exchange in take_wakes */
    } while (!atomic_compare_exchange_weak_explicit(&loop->wakes, &first, fiber, memory_order_acq_rel,
                                                    memory_order_relaxed));
    if (first != &asleep)
        return; /* the loop may be gone now */
    tp__loop_unpark(loop);
    atomic_store_explicit(&loop->token_is_back, true, memory_order_release);
}

void tp__loop_send_stop(uint16_t loop_id, struct tp__stop *stop)
{
    tp__spinlock_lock(&table.lock); /* the loop cannot go while it is held */
    struct tp__loop *loop = table.loops[loop_id];
    if (loop) {
        stop->next = atomic_load_explicit(&loop->stops, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&loop->stops, &stop->next, stop, memory_order_release,
                                                      memory_order_relaxed)) {
        }
        tp__barrier_light();
        tp__loop_unpark(loop);
    }
    tp__spinlock_unlock(&table.lock);
    if (!loop) {
        tp__promise_stop_arrived(stop);
    }
}

bool tp__loop_submit_bound(struct tp__loop *loop, struct tp_promise *task)
{
    task->bound = 1;
    atomic_store_explicit(&task->loop_id, loop->id, memory_order_relaxed);
    if (!tp__injector_push(&loop->bound, task))
        return false;
    tp__barrier_light();
    tp__loop_unpark(loop);
    return true;
}

/* Sleeping. */

bool tp__loop_unpark(struct tp__loop *loop)
{
    if (tp__likely(atomic_load_explicit(&loop->parked, memory_order_relaxed) == AWAKE))
        return false;
    const int before = atomic_exchange_explicit(&loop->parked, AWAKE, memory_order_acq_rel);
    if (before == AWAKE)
        return false;
    if (loop->worker)
        atomic_fetch_sub_explicit(&loop->worker->executor->sleeping, 1, memory_order_relaxed);
    if (before == SLEEPS_ON_FUTEX)
        tp__futex_wake(&loop->parked);
    else
        tp__poller_interrupt(&loop->poller);
    return true;
}

static void be_awake(struct tp__loop *loop)
{
    if (atomic_exchange_explicit(&loop->parked, AWAKE, memory_order_acq_rel) != AWAKE && loop->worker)
        atomic_fetch_sub_explicit(&loop->worker->executor->sleeping, 1, memory_order_relaxed);
}

bool tp__loop_announce_sleep(struct tp__loop *loop)
{
    if (loop->worker)
        atomic_fetch_add_explicit(&loop->worker->executor->sleeping, 1, memory_order_relaxed);
    /* release: pairs with the exchange in tp__loop_unpark, which then uses the poller that was opened here */
    atomic_store_explicit(&loop->parked, tp__poller_is_needed(&loop->poller) ? SLEEPS_IN_POLLER : SLEEPS_ON_FUTEX,
                          memory_order_release);
    tp__barrier_heavy(); /* pairs with the light barrier between a gift and the look at `parked` */
    struct tp__fiber *none = NULL;
    if (atomic_compare_exchange_strong_explicit(&loop->wakes, &none, &asleep, memory_order_acq_rel,
                                                memory_order_relaxed))
        return true;
    be_awake(loop);
    return false;
}

void tp__loop_retract_sleep(struct tp__loop *loop)
{
    be_awake(loop);
    struct tp__fiber *token = &asleep;
    if (atomic_compare_exchange_strong_explicit(&loop->wakes, &token, NULL, memory_order_acq_rel, memory_order_relaxed))
        return;
    /* Somebody has it, and is waking this thread at this moment or has done so. */
    for (int spins = 0; !atomic_load_explicit(&loop->token_is_back, memory_order_acquire); spins++) {
        if (spins < SPINS_FOR_TOKEN)
            tp__cpu_relax();
        else
            sched_yield();
    }
    atomic_store_explicit(&loop->token_is_back, false, memory_order_relaxed);
}

bool tp__loop_has_events(struct tp__loop *loop)
{
    const struct tp__fiber *woken = atomic_load_explicit(&loop->wakes, memory_order_relaxed);
    return loop->ready_first || (woken && woken != &asleep) ||
           atomic_load_explicit(&loop->stops, memory_order_relaxed) || tp__injector_count(&loop->bound) > 0;
}

void tp__loop_sleep(struct tp__loop *loop)
{
    const int64_t deadline_ns = tp__timers_next_ns(&loop->timers);
    if (tp__poller_is_needed(&loop->poller))
        tp__poller_poll(&loop->poller, deadline_ns);
    else
        tp__futex_wait(&loop->parked, SLEEPS_ON_FUTEX, deadline_ns);
    tp__loop_retract_sleep(loop);
    tp__loop_poll(loop);
}

static bool spinning_is_useful(void)
{
    static atomic_int processors; /* 0: not known yet */
    int known = atomic_load_explicit(&processors, memory_order_relaxed);
    if (known == 0) {
        known = (int)sysconf(_SC_NPROCESSORS_ONLN);
        atomic_store_explicit(&processors, known, memory_order_relaxed);
    }
    return known > 1;
}

bool tp__loop_spin(struct tp__loop *loop, bool (*found)(void *argument), void *argument)
{
    if (!spinning_is_useful())
        return false;
    const int64_t now = tp__now_ns();
    const int64_t timer = tp__timers_next_ns(&loop->timers);
    const int64_t end = timer < now + SPIN_NS ? timer : now + SPIN_NS;
    do {
        for (int i = 0; i < SPINS_BETWEEN_CLOCKS; i++) {
            if (tp__loop_has_events(loop) || (found && found(argument)))
                return true;
            tp__cpu_relax();
        }
    } while (tp__now_ns() < end);
    return false;
}

void tp__loop_poll(struct tp__loop *loop)
{
    if (loop->poller.waiting)
        tp__poller_poll(&loop->poller, 0);
    if (loop->timers.root) {
        const int64_t now = tp__now_ns();
        struct tp__timer *timer;
        while ((timer = tp__timers_take_due(&loop->timers, now)))
            timer->fire(timer);
    }
}

static void idle(struct tp__loop *loop)
{
    if (loop->worker) {
        tp__worker_idle(loop->worker);
        return;
    }
    if (loop->is_ending && loop->live == 0) {
        tp__loop_push_ready(loop, &loop->root);
        return;
    }
    const bool spins = !loop->waits_elsewhere;
    loop->waits_elsewhere = false;
    if (!spins || !tp__loop_spin(loop, NULL, NULL)) {
        tp__stacks_trim(&loop->stacks);
        if (tp__loop_announce_sleep(loop)) {
            if (tp__loop_has_events(loop))
                tp__loop_retract_sleep(loop);
            else
                tp__loop_sleep(loop);
        }
    }
    tp__loop_poll(loop);
}

/* Picking what runs next. */

static struct tp__fiber *pop_ready(struct tp__loop *loop)
{
    struct tp__fiber *fiber = loop->ready_first;
    if (fiber)
        loop->ready_first = fiber->next;
    return fiber;
}

static struct tp_promise *next_bound_task(struct tp__loop *loop)
{
    struct tp_promise *task;
    while (tp__injector_count(&loop->bound) > 0 && tp__injector_take(&loop->bound, &task, 1) == 1) {
        if (tp__promise_claim(task))
            return task;
        tp_promise_release(task);
    }
    return NULL;
}

static struct tp_promise *next_task(struct tp__loop *loop)
{
    struct tp__worker *worker = loop->worker;
    if (loop->is_serial && loop->live > loop->draining)
        return NULL;
    struct tp_promise *task = next_bound_task(loop);
    return task || !worker ? task : tp__worker_next_task(worker);
}

/* The fiber on which a claimed task will run: `spare` if it fits. NULL if no stack can be had: the task is rejected. */
static struct tp__fiber *fiber_for(struct tp__loop *loop, struct tp_promise *task, struct tp__fiber *spare)
{
    const size_t wish = tp__unlikely(task->extra != NULL) ? task->extra->stack_bytes : 0;
    const size_t stack_bytes = wish ? wish : loop->stack_bytes;
    struct tp__fiber *fiber = spare && spare->stack_bytes == stack_bytes ? spare : NULL;
    if (!fiber)
        fiber = tp__stack_take(&loop->stacks, stack_bytes);
    /* release: pairs with who cancels it and looks for the loop */
    atomic_store_explicit(&task->loop_id, loop->id, memory_order_release);
    if (tp__unlikely(!fiber)) {
        if (!task->definition->plain)
            tp__captures_drop(task->definition, task->payload);
        const struct tp__origin origin = {.task = task->definition->name, .node = "local", .worker = tp_worker_index()};
        tp__promise_resolve(task, tp__error_new(TP_E_NOMEM, &origin, "no memory for the stack of the task"), NULL);
        return NULL;
    }
    if (tp__unlikely(!fiber->machine))
        tp__fiber_init(fiber, loop);
    fiber->task = task;
    task->fiber = fiber;
    loop->live++;
    tp__loop_note_live(loop);
    return fiber;
}

static struct tp__fiber *next_fiber(struct tp__loop *loop, struct tp__fiber *spare)
{
    loop->tick++;
    if (tp__unlikely(loop->tick % TICKS_BETWEEN_POLLS == 0)) {
        loop->attend_next = loop->worker && tp__executor_exchange(loop->worker->executor);
        if (loop->attend_next && loop->current != &loop->root)
            return NULL; /* the root does both, on its larger stack */
        tp__loop_poll(loop);
    }
    if (tp__unlikely(atomic_load_explicit(&loop->wakes, memory_order_relaxed) != NULL))
        take_wakes(loop);
    if (tp__unlikely(atomic_load_explicit(&loop->stops, memory_order_relaxed) != NULL))
        take_stops(loop);
    if (loop->ready_first && !loop->yielding && loop->tick % TICKS_BETWEEN_TASKS != 0)
        return pop_ready(loop);
    loop->yielding = false;
    struct tp_promise *task;
    while ((task = next_task(loop))) {
        struct tp__fiber *fiber = fiber_for(loop, task, spare);
        if (tp__likely(fiber != NULL))
            return fiber;
    }
    return pop_ready(loop);
}

static void leave_root(struct tp__loop *loop)
{
    struct tp__fiber *root = &loop->root;
    for (;;) {
        struct tp__fiber *to = next_fiber(loop, NULL);
        if (tp__unlikely(loop->attend_next)) {
            loop->attend_next = false;
            tp__loop_poll(loop);
            if (to) /* otherwise idle() does */
                tp__worker_attend(loop->worker);
        }
        if (to == root)
            return;
        if (!to) {
            idle(loop);
            continue;
        }
        tp__fiber_switch(root, to);
        if (!loop->idling)
            return; /* it was the root's turn among the ready */
        loop->idling = false;
    }
}

void tp__loop_leave(struct tp__loop *loop)
{
    struct tp__fiber *from = loop->current;
    if (tp__unlikely(from == &loop->root)) {
        leave_root(loop);
        return;
    }
    struct tp__fiber *to = next_fiber(loop, NULL);
    if (to == from)
        return;
    if (!to) {
        loop->idling = true;
        to = &loop->root;
    }
    tp__fiber_switch(from, to);
}

void tp__loop_start_and_leave(struct tp__loop *loop, struct tp_promise *task)
{
    struct tp__fiber *from = loop->current;
    struct tp__fiber *fiber = fiber_for(loop, task, NULL);
    if (tp__unlikely(!fiber)) {
        tp__loop_leave(loop); /* the task was rejected, and the waiter made ready by that */
        return;
    }
    fiber->return_to = from;
    tp__fiber_switch(from, fiber);
}

void tp__loop_next_task(struct tp__loop *loop, struct tp__fiber *fiber, struct tp__fiber *to)
{
    if (!to)
        to = next_fiber(loop, fiber);
    if (to == fiber)
        return;
    tp__stack_give(&loop->stacks, fiber);
    if (!to) {
        loop->idling = true;
        to = &loop->root;
    }
    tp__fiber_switch(fiber, to);
}

static void cancel_fiber(struct tp__fiber *fiber)
{
    if (fiber->task)
        (void)tp_cancel(fiber->task); /* without memory it runs on, which is waited for all the same */
}

void tp__loop_cancel_all(struct tp__loop *loop)
{
    struct tp_promise *task;
    while (tp__injector_take(&loop->bound, &task, 1) == 1) {
        (void)tp_cancel(task);
        tp_promise_release(task); /* the queue's */
    }
    tp__stacks_each(&loop->stacks, cancel_fiber);
}

/* The loop of an OS thread that is no worker. */

static pthread_key_t loop_end_key;
static pthread_once_t loop_end_once = PTHREAD_ONCE_INIT;

/* The thread ends and leaves green threads behind: they are cancelled, and end before it does. */
static void end_loop(void *argument)
{
    struct tp__loop *loop = argument;
    loop->is_ending = true;
    tp__loop_cancel_all(loop);
    if (loop->live > 0)
        tp__loop_leave(loop); /* until idle() finds that none is */
    tp__loop_fini(loop);
    tp__free(loop);
    tp__overflow_thread_fini();
}

static void make_loop_end_key(void)
{
    (void)pthread_key_create(&loop_end_key, end_loop);
}

static __attribute__((noinline)) struct tp__loop *make_loop(void)
{
    struct tp__loop *loop = tp__alloc_aligned(_Alignof(struct tp__loop), sizeof *loop);
    if (!loop) {
        tp__fail_nomem("the event loop of an OS thread");
        return NULL;
    }
    __builtin_memset(loop, 0, sizeof *loop);
    if (tp__loop_init(loop, NULL, TP__STACK_DEFAULT_BYTES) != TP_OK) {
        tp__free(loop);
        return NULL;
    }
    pthread_once(&loop_end_once, make_loop_end_key);
    (void)pthread_setspecific(loop_end_key, loop);
    return loop;
}

struct tp__loop *tp__loop_current(void)
{
    return tp__likely(tp__loop_of_thread != NULL) ? tp__loop_of_thread : make_loop();
}
