/* SPDX-License-Identifier: MIT */
#include "runtime/tally.h"

#include "base/alloc.h"
#include "base/barrier.h"
#include "base/spinlock.h"
#include "runtime/executor.h"
#include "runtime/wait.h"

#include <sched.h>

struct shard {
    _Alignas(TP__CACHE_PAIR) atomic_uint_fast64_t submitted[2]; /* by epoch; only ever grow */
    atomic_uint_fast64_t completed[2];
    atomic_uint_fast64_t windows; /* odd while this worker resolves a task that it has not counted yet */
    uint64_t round;               /* to which `quota` belongs */
    uint64_t quota;               /* completions until this worker looks at the sums */
};

struct drainer {
    struct tp__wait wait;
    struct drainer *next;
    struct tp__tally *tally;
};

enum stage { STRAGGLERS, CURRENT };

struct tp__tally {
    struct tp__executor *executor;
    struct tp__tally *parent;
    size_t depth;           /* how many parents above it */
    size_t worker_count;    /* that have a shard */
    atomic_uint epoch;      /* the lowest bit counts */
    atomic_uint references; /* the handle; unless it is the root: tasks that are not over, and tallies below this one */
    bool is_root;

    _Alignas(TP__CACHE_PAIR) atomic_uint_fast64_t round; /* of the drain that goes on; 0: nobody drains */
    atomic_uint_fast64_t round_quota;
    uint64_t rounds;       /* how many there have been */
    atomic_uint resolving; /* tasks that threads without a shard resolve and have not counted yet */
    tp__spinlock lock;     /* guards the rest, and the shard behind the workers' */
    enum stage stage;
    struct drainer *draining; /* wait for the present drain */
    struct drainer *arriving; /* came too late for it and wait for the next */

    struct shard shards[]; /* one a worker, and one for everyone else */
};

static void retain(struct tp__tally *tally)
{
    if (!tally->is_root)
        atomic_fetch_add_explicit(&tally->references, 1, memory_order_relaxed);
}

void tp__tally_release(struct tp__tally *tally)
{
    /* The root goes with the executor, and so has one reference only. */
    while (tally && atomic_fetch_sub_explicit(&tally->references, 1, memory_order_acq_rel) == 1) {
        struct tp__tally *parent = tally->parent && !tally->parent->is_root ? tally->parent : NULL;
        tp__free(tally);
        tally = parent;
    }
}

static struct tp__tally *new_tally(struct tp__executor *executor, size_t shard_count)
{
    const size_t size = sizeof(struct tp__tally) + (shard_count + 1) * sizeof(struct shard);
    struct tp__tally *tally = tp__alloc_aligned(_Alignof(struct tp__tally), size);
    if (!tally) {
        tp__fail_nomem("a pool's counters");
        return NULL;
    }
    __builtin_memset(tally, 0, size);
    tally->executor = executor;
    tally->worker_count = shard_count;
    atomic_init(&tally->references, 1);
    return tally;
}

struct tp__tally *tp__tally_new_root(struct tp__executor *executor, size_t worker_count)
{
    struct tp__tally *tally = new_tally(executor, worker_count);
    if (tally)
        tally->is_root = true;
    return tally;
}

struct tp__tally *tp__tally_new(struct tp__executor *executor, struct tp__tally *parent)
{
    struct tp__tally *tally = new_tally(executor, 0);
    if (tally && parent) {
        retain(parent);
        tally->parent = parent;
        tally->depth = parent->depth + 1;
    }
    return tally;
}

static struct shard *shard_of_worker(struct tp__tally *tally)
{
    const struct tp__worker *worker = tally->worker_count ? tp__executor_current_worker(tally->executor) : NULL;
    return worker ? &tally->shards[worker->index] : NULL;
}

static void add_alone(atomic_uint_fast64_t *counter, uint64_t count)
{
    /* One writer; release: who reads the sum sees what was done before. */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + count, memory_order_release);
}

static uint8_t count_submitted(struct tp__tally *tally)
{
    const uint8_t epoch = atomic_load_explicit(&tally->epoch, memory_order_relaxed) & 1;
    struct shard *shard = shard_of_worker(tally);
    if (tp__likely(shard != NULL))
        add_alone(&shard->submitted[epoch], 1);
    else
        atomic_fetch_add_explicit(&tally->shards[tally->worker_count].submitted[epoch], 1, memory_order_release);
    return epoch;
}

struct tp__epochs tp__tally_submitted(struct tp__tally *tally)
{
    struct tp__epochs epochs = {0};
    if (tp__unlikely(!tally->is_root)) {
        retain(tally);
        epochs.root = count_submitted(tally->executor->tally) & 1U;
    }
    epochs.own = count_submitted(tally) & 1U;
    return epochs;
}

static uint64_t sum_completed(const struct tp__tally *tally, unsigned epoch)
{
    uint64_t sum = 0;
    for (size_t i = 0; i <= tally->worker_count; i++)
        sum += atomic_load_explicit(&tally->shards[i].completed[epoch], memory_order_acquire);
    return sum;
}

/* Never less than what is pending at the time of the call. */
static uint64_t remaining(const struct tp__tally *tally, unsigned epoch)
{
    const uint64_t completed = sum_completed(tally, epoch);
    uint64_t submitted = 0;
    for (size_t i = 0; i <= tally->worker_count; i++)
        submitted += atomic_load_explicit(&tally->shards[i].submitted[epoch], memory_order_acquire);
    return submitted - completed;
}

static void open_window(struct tp__tally *tally)
{
    struct shard *shard = shard_of_worker(tally);
    if (tp__likely(shard != NULL))
        add_alone(&shard->windows, 1);
    else
        atomic_fetch_add_explicit(&tally->resolving, 1, memory_order_relaxed);
}

static void close_window(struct tp__tally *tally)
{
    struct shard *shard = shard_of_worker(tally);
    if (shard)
        add_alone(&shard->windows, 1);
    else
        atomic_fetch_sub_explicit(&tally->resolving, 1, memory_order_relaxed);
}

void tp__tally_resolving(struct tp__tally *tally)
{
    if (tp__unlikely(!tally->is_root))
        open_window(tally->executor->tally);
    open_window(tally);
}

void tp__tally_resolved_elsewhere(struct tp__tally *tally, bool is_over)
{
    close_window(tally);
    if (!tally->is_root) {
        close_window(tally->executor->tally);
        if (is_over)
            tp__tally_release(tally);
    }
}

size_t tp__tally_pending(struct tp__tally *tally)
{
    /* What is being resolved at this moment may have been seen resolved by the caller: wait for the few
     * instructions. */
    for (size_t i = 0; i < tally->worker_count; i++) {
        const uint64_t window = atomic_load_explicit(&tally->shards[i].windows, memory_order_acquire);
        while ((window & 1) && atomic_load_explicit(&tally->shards[i].windows, memory_order_acquire) == window)
            sched_yield();
    }
    while (atomic_load_explicit(&tally->resolving, memory_order_acquire) > 0)
        sched_yield();
    return remaining(tally, 0) + remaining(tally, 1);
}

/* Under the lock. Goes as far as the present drain can go; returns the drainers to wake. */
static struct drainer *advance(struct tp__tally *tally)
{
    struct drainer *finished = NULL;
    while (tally->draining) {
        const unsigned current = atomic_load_explicit(&tally->epoch, memory_order_relaxed) & 1;
        /* Before the flip the stragglers are those of the other epoch, after it the drained ones are. */
        const uint64_t before = remaining(tally, current ^ 1);
        if (before > 0) {
            /* Tell the workers, then look again: a completion that the second look misses sees the new round. */
            uint64_t quota = tally->worker_count ? before / (4 * tally->worker_count) : 1;
            if (quota == 0)
                quota = 1;
            atomic_store_explicit(&tally->round_quota, quota, memory_order_relaxed);
            atomic_store_explicit(&tally->round, ++tally->rounds, memory_order_release);
            tp__barrier_heavy();
            const uint64_t after = remaining(tally, current ^ 1);
            if (after > 0 && (quota == 1 || quota * tally->worker_count <= after))
                return finished;
            if (after > 0)
                continue;
        }
        if (tally->stage == STRAGGLERS) {
            tally->stage = CURRENT;
            atomic_store_explicit(&tally->epoch, current ^ 1, memory_order_relaxed);
            tp__barrier_heavy();
            continue;
        }
        /* The drain is over: all of it wakes, and those who came meanwhile begin the next. */
        struct drainer **end = &finished;
        while (*end)
            end = &(*end)->next;
        *end = tally->draining;
        tally->draining = tally->arriving;
        tally->arriving = NULL;
        tally->stage = STRAGGLERS;
    }
    atomic_store_explicit(&tally->round, 0, memory_order_relaxed);
    return finished;
}

static void wake(struct drainer *finished)
{
    while (finished) {
        struct drainer *next = finished->next;
        tp__wait_wake(&finished->wait);
        finished = next;
    }
}

static void advance_and_wake(struct tp__tally *tally)
{
    tp__spinlock_lock(&tally->lock);
    wake(advance(tally)); /* under the lock: a drainer takes it once more before it lets anyone free the tally */
    tp__spinlock_unlock(&tally->lock);
}

static __attribute__((noinline)) void count_against_quota(struct tp__tally *tally, struct shard *shard, uint64_t round)
{
    if (shard->round != round) {
        shard->round = round;
        shard->quota = atomic_load_explicit(&tally->round_quota, memory_order_relaxed);
    }
    if (shard->quota <= 1)
        advance_and_wake(tally);
    else
        shard->quota--;
}

static void count_completed(struct tp__tally *tally, uint8_t epoch)
{
    struct shard *shard = shard_of_worker(tally);
    if (tp__likely(shard != NULL)) {
        add_alone(&shard->completed[epoch], 1);
        add_alone(&shard->windows, 1);
        tp__barrier_light(); /* pairs with the heavy one in advance() */
        const uint64_t round = atomic_load_explicit(&tally->round, memory_order_acquire);
        if (tp__unlikely(round != 0))
            count_against_quota(tally, shard, round);
        return;
    }
    /* Nobody joins this thread before the tally goes: all of it under the lock, which a drainer takes before that. */
    tp__spinlock_lock(&tally->lock);
    add_alone(&tally->shards[tally->worker_count].completed[epoch], 1);
    atomic_fetch_sub_explicit(&tally->resolving, 1, memory_order_release);
    wake(advance(tally));
    tp__spinlock_unlock(&tally->lock);
}

void tp__tally_completed(struct tp__tally *tally, struct tp__epochs epochs, bool is_over)
{
    if (tp__likely(tally->is_root)) {
        count_completed(tally, epochs.own);
        return;
    }
    struct tp__tally *root = tally->executor->tally;
    count_completed(tally, epochs.own);
    if (is_over)
        tp__tally_release(tally);
    count_completed(root, epochs.root); /* last: then the pool may be closed */
}

static bool remove_from(struct drainer **list, struct drainer *drainer)
{
    for (; *list; list = &(*list)->next) {
        if (*list == drainer) {
            *list = drainer->next;
            return true;
        }
    }
    return false;
}

static bool withdraw_drainer(struct tp__wait *wait)
{
    struct drainer *drainer = (struct drainer *)wait;
    struct tp__tally *tally = drainer->tally;
    tp__spinlock_lock(&tally->lock);
    const bool removed = remove_from(&tally->draining, drainer) || remove_from(&tally->arriving, drainer);
    if (removed && !tally->draining) {
        /* The drain goes on for nobody: whoever waits for the next begins it. */
        tally->draining = tally->arriving;
        tally->arriving = NULL;
        tally->stage = STRAGGLERS;
        wake(advance(tally));
    }
    tp__spinlock_unlock(&tally->lock);
    return removed;
}

tp_status tp__tally_drain(struct tp__tally *tally, enum tp__wait_mode mode)
{
    struct drainer self = {.tally = tally};
    tp_status status = tp__wait_init(&self.wait, withdraw_drainer);
    if (status != TP_OK)
        return status;
    tp__spinlock_lock(&tally->lock);
    struct drainer **list = tally->draining ? &tally->arriving : &tally->draining;
    const bool begins = !tally->draining;
    self.next = *list;
    *list = &self;
    if (begins) {
        tally->stage = STRAGGLERS;
        wake(advance(tally));
    }
    tp__spinlock_unlock(&tally->lock);
    status = tp__wait_park(&self.wait, TP__NEVER, mode);
    tp__spinlock_lock(&tally->lock); /* whoever woke this one has left the tally now */
    tp__spinlock_unlock(&tally->lock);
    return status;
}

struct tp__executor *tp__tally_executor(const struct tp__tally *tally)
{
    return tally->executor;
}

bool tp__tally_descends(const struct tp__tally *tally, const struct tp__tally *ancestor)
{
    while (tally && tally->depth > ancestor->depth)
        tally = tally->parent;
    return tally == ancestor;
}
