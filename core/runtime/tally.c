/* SPDX-License-Identifier: MIT */
#include "runtime/tally.h"

#include "base/alloc.h"
#include "base/barrier.h"
#include "base/spinlock.h"
#include "runtime/executor.h"
#include "runtime/wait.h"

struct shard {
    _Alignas(TP__CACHE_PAIR) atomic_uint_fast64_t submitted[2]; /* by epoch; only ever grow */
    atomic_uint_fast64_t completed[2];
    uint64_t round; /* to which `quota` belongs */
    uint64_t quota; /* completions until this worker looks at the sums */
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
    size_t worker_count; /* that have a shard */
    atomic_uint epoch; /* the lowest bit counts */

    _Alignas(TP__CACHE_PAIR) atomic_uint_fast64_t round; /* of the drain that goes on; 0: nobody drains */
    atomic_uint_fast64_t round_quota;
    uint64_t rounds; /* how many there have been */
    tp__spinlock lock; /* guards the rest, and the shard behind the workers' */
    enum stage stage;
    struct drainer *draining; /* wait for the present drain */
    struct drainer *arriving; /* came too late for it and wait for the next */

    struct shard shards[]; /* one a worker, and one for everyone else */
};

struct tp__tally *tp__tally_new(struct tp__executor *executor, size_t sharded_workers, struct tp__tally *parent)
{
    const size_t size = sizeof(struct tp__tally) + (sharded_workers + 1) * sizeof(struct shard);
    struct tp__tally *tally = tp__alloc_aligned(_Alignof(struct tp__tally), size);
    if (!tally) {
        tp__fail_nomem("a pool's counters");
        return NULL;
    }
    __builtin_memset(tally, 0, size);
    tally->executor = executor;
    tally->worker_count = sharded_workers;
    tally->parent = parent;
    return tally;
}

void tp__tally_free(struct tp__tally *tally)
{
    tp__free(tally);
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

uint8_t tp__tally_submitted_many(struct tp__tally *tally, size_t count)
{
    const uint8_t epoch = atomic_load_explicit(&tally->epoch, memory_order_relaxed) & 1;
    struct shard *shard = shard_of_worker(tally);
    if (tp__likely(shard != NULL))
        add_alone(&shard->submitted[epoch], count);
    else
        atomic_fetch_add_explicit(&tally->shards[tally->worker_count].submitted[epoch], count, memory_order_release);
    return epoch;
}

uint8_t tp__tally_submitted(struct tp__tally *tally)
{
    return tp__tally_submitted_many(tally, 1);
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

size_t tp__tally_pending(const struct tp__tally *tally)
{
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

void tp__tally_completed(struct tp__tally *tally, uint8_t epoch)
{
    struct shard *shard = shard_of_worker(tally);
    if (tp__likely(shard != NULL)) {
        add_alone(&shard->completed[epoch], 1);
        tp__barrier_light(); /* pairs with the heavy one in advance() */
        const uint64_t round = atomic_load_explicit(&tally->round, memory_order_acquire);
        if (tp__unlikely(round != 0))
            count_against_quota(tally, shard, round);
        return;
    }
    /* A thread that the tally does not outlive by joining it: all under the lock, so that a drainer cannot free it. */
    tp__spinlock_lock(&tally->lock);
    add_alone(&tally->shards[tally->worker_count].completed[epoch], 1);
    wake(advance(tally));
    tp__spinlock_unlock(&tally->lock);
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

static bool withdraw(struct tp__wait *wait)
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
    tp_status status = tp__wait_init(&self.wait, withdraw);
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
    for (; tally; tally = tally->parent)
        if (tally == ancestor)
            return true;
    return false;
}
