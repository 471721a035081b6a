/* SPDX-License-Identifier: MIT */
/*
 * Design notes. What is waited for is handed over: whoever gives a mutex or a permit back makes the one who waits
 * longest its owner and wakes it, so nobody overtakes and a wake is never in vain.
 *
 * A signalled condition does not wake its waiter to compete for the mutex: it moves the waiter to the mutex's list,
 * where it is woken as owner. From then on its deadline and a cancellation no longer count.
 */
#include <taskpool/sync.h>

#include "base/alloc.h"
#include "base/context.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/spinlock.h"
#include "runtime/wait.h"
#include "runtime/wait_list.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIGNALS_A_LOCK = 64 }; /* a million waiters are passed on in portions, so that nobody spins for long */

struct tp_mutex {
    tp__spinlock lock;
    uint64_t owner; /* the id of its context; 0: unlocked */
    struct tp__wait_list waiters;
};

struct tp_cond {
    tp__spinlock lock;
    bool orphaned;    /* released: the last cancelled task that takes itself out frees it */
    uint64_t tickets; /* given out so far */
    struct tp__wait_list waiters;
};

struct tp_semaphore {
    tp__spinlock lock;
    bool orphaned;  /* as in tp_cond */
    size_t permits; /* 0 while someone waits */
    struct tp__wait_list waiters;
};

struct waiter {
    struct tp__wait wait;
    struct tp__wait_link link;
    union {
        tp_mutex *mutex;
        tp_semaphore *semaphore;
    } object;
    uint64_t owner; /* who becomes owner of the mutex: the id of its context */
};

struct cond_waiter {
    struct waiter waiter;
    tp_cond *cond;
    uint64_t ticket;
    atomic_bool decided; /* by a signal, or by the deadline or a cancellation */
};

static struct waiter *waiter_of_link(struct tp__wait_link *link)
{
    return (struct waiter *)(void *)((char *)link - offsetof(struct waiter, link));
}

static struct waiter *waiter_of_wait(struct tp__wait *wait)
{
    return (struct waiter *)(void *)((char *)wait - offsetof(struct waiter, wait));
}

static struct waiter *take_first(struct tp__wait_list *list)
{
    struct tp__wait_link *link = list->first;
    if (!link)
        return NULL;
    tp__wait_list_remove(list, link);
    return waiter_of_link(link);
}

/* Likewise, but passes cancelled tasks over, which would lose what they are given: they take themselves out. */
static struct waiter *take_first_to_go_on(struct tp__wait_list *list)
{
    struct tp__wait_link *link = list->first;
    while (link && tp__wait_is_stopping(&waiter_of_link(link)->wait))
        link = tp__wait_list_next(list, link);
    if (!link)
        return NULL;
    tp__wait_list_remove(list, link);
    return waiter_of_link(link);
}

/* Under the lock, which is let go outside tasks: the first wait of an OS thread allocates. */
static tp_status bind_waiter(struct waiter *waiter, tp__withdraw_fn *withdraw, tp__spinlock *lock)
{
    if (tp__context_is_task())
        return tp__wait_init(&waiter->wait, withdraw);
    tp__spinlock_unlock(lock);
    const tp_status status = tp__wait_init(&waiter->wait, withdraw);
    tp__spinlock_lock(lock);
    return status;
}

/* Takes the waiter out, and frees the object if that was all that a released one was kept for. */
static bool withdraw_from(struct tp__wait_list *list, struct waiter *waiter, tp__spinlock *lock, const bool *orphaned,
                          void *object)
{
    tp__spinlock_lock(lock);
    const bool waits = tp__wait_link_is_linked(&waiter->link);
    if (waits)
        tp__wait_list_remove(list, &waiter->link);
    const bool last = waits && *orphaned && !list->first;
    tp__spinlock_unlock(lock);
    if (last)
        tp__free(object);
    return waits;
}

/* A waiter's frame, or the lock itself, would be used after it is gone. */
static __attribute__((cold, noreturn)) void die_of_release(const char *what)
{
    fprintf(stderr, "taskpool: %s\n", what);
    abort();
}

/* Under the lock, which is let go. A task that was cancelled is resolved at once and takes itself out when its turn
 * comes; until then the object stays. Anyone else who waits is a mistake of the program. */
static void release(const struct tp__wait_list *waiters, tp__spinlock *lock, bool *orphaned, void *object,
                    const char *mistake)
{
    for (struct tp__wait_link *link = waiters->first; link; link = tp__wait_list_next(waiters, link))
        if (!tp__wait_is_stopping(&waiter_of_link(link)->wait))
            die_of_release(mistake);
    *orphaned = waiters->first != NULL;
    const bool waits = *orphaned;
    tp__spinlock_unlock(lock);
    if (!waits)
        tp__free(object);
}

static __attribute__((cold)) tp_status is_null(const char *function, const char *what)
{
    return tp__fail(TP_E_ARGUMENT, "%s: the %s is NULL", function, what);
}

tp_mutex *tp_mutex_new(void)
{
    tp_mutex *mutex = tp__alloc_zeroed(1, sizeof *mutex);
    if (!mutex)
        tp__fail_nomem("a mutex");
    return mutex;
}

void tp_mutex_release(tp_mutex *mutex)
{
    if (!mutex)
        return;
    tp__spinlock_lock(&mutex->lock);
    if (mutex->owner)
        die_of_release("tp_mutex_release: the mutex is locked; unlock it first");
    tp__spinlock_unlock(&mutex->lock);
    tp__free(mutex);
}

/* Neither a deadline nor a cancellation ends the wait for a mutex. */
static bool stay(struct tp__wait *wait)
{
    (void)wait;
    return false;
}

tp_status tp_mutex_lock(tp_mutex *mutex)
{
    if (tp__unlikely(!mutex))
        return is_null("tp_mutex_lock", "mutex");
    const uint64_t self = tp__context_current()->id;
    struct waiter waiter;
    bool bound = false;
    tp__spinlock_lock(&mutex->lock);
    while (mutex->owner) {
        if (mutex->owner == self) {
            tp__spinlock_unlock(&mutex->lock);
            return tp__fail(TP_E_DEADLOCK, "tp_mutex_lock: the caller holds this mutex already");
        }
        if (bound) {
            waiter.object.mutex = mutex;
            waiter.owner = self;
            tp__wait_list_append(&mutex->waiters, &waiter.link);
            tp__spinlock_unlock(&mutex->lock);
            return tp__wait_park(&waiter.wait, TP__NEVER, TP__WAIT_UNCANCELLABLE);
        }
        const tp_status status = bind_waiter(&waiter, stay, &mutex->lock);
        if (status != TP_OK) {
            tp__spinlock_unlock(&mutex->lock);
            return status;
        }
        bound = true;
    }
    mutex->owner = self;
    tp__spinlock_unlock(&mutex->lock);
    return TP_OK;
}

tp_status tp_mutex_try_lock(tp_mutex *mutex)
{
    if (!mutex)
        return is_null("tp_mutex_try_lock", "mutex");
    const uint64_t self = tp__context_current()->id;
    tp__spinlock_lock(&mutex->lock);
    const bool free = !mutex->owner;
    if (free)
        mutex->owner = self;
    tp__spinlock_unlock(&mutex->lock);
    return free ? TP_OK : tp__fail(TP_E_BUSY, "tp_mutex_try_lock: the mutex is locked");
}

/* Lets the mutex's own lock go. */
static void hand_over(tp_mutex *mutex)
{
    struct waiter *next = take_first(&mutex->waiters);
    mutex->owner = next ? next->owner : 0;
    tp__spinlock_unlock(&mutex->lock);
    if (next)
        tp__wait_wake(&next->wait);
}

/* Unlocks, if the caller is the owner. */
static bool unlock_own(tp_mutex *mutex)
{
    const uint64_t self = tp__context_current()->id;
    tp__spinlock_lock(&mutex->lock);
    if (mutex->owner != self) {
        tp__spinlock_unlock(&mutex->lock);
        return false;
    }
    hand_over(mutex);
    return true;
}

tp_status tp_mutex_unlock(tp_mutex *mutex)
{
    if (!mutex)
        return is_null("tp_mutex_unlock", "mutex");
    return tp__likely(unlock_own(mutex))
               ? TP_OK
               : tp__fail(TP_E_ARGUMENT, "tp_mutex_unlock: the caller does not hold this mutex");
}

tp_cond *tp_cond_new(void)
{
    tp_cond *cond = tp__alloc_zeroed(1, sizeof *cond);
    if (!cond)
        tp__fail_nomem("a condition");
    return cond;
}

void tp_cond_release(tp_cond *cond)
{
    if (!cond)
        return;
    tp__spinlock_lock(&cond->lock);
    release(&cond->waiters, &cond->lock, &cond->orphaned, cond,
            "tp_cond_release: someone waits for the condition; wake them first");
}

static struct cond_waiter *cond_waiter_of(struct waiter *waiter)
{
    return (struct cond_waiter *)(void *)((char *)waiter - offsetof(struct cond_waiter, waiter));
}

/* True for the one of two that comes first: the signal, or the deadline or cancellation. */
static bool decide(struct cond_waiter *waiter)
{
    /* acq_rel: pairs with the other one's */
    return !atomic_exchange_explicit(&waiter->decided, true, memory_order_acq_rel);
}

/* Once a signal has decided, the condition may be gone: it is not touched then. */
static bool withdraw_from_cond(struct tp__wait *wait)
{
    struct cond_waiter *waiter = cond_waiter_of(waiter_of_wait(wait));
    if (!decide(waiter))
        return false;
    tp_cond *cond = waiter->cond;
    withdraw_from(&cond->waiters, &waiter->waiter, &cond->lock, &cond->orphaned, cond);
    return true;
}

/* Makes a signalled waiter the mutex's owner, now or in its turn. */
static void pass_to_mutex(struct waiter *waiter)
{
    tp_mutex *mutex = waiter->object.mutex;
    tp__spinlock_lock(&mutex->lock);
    tp__wait_list_append(&mutex->waiters, &waiter->link);
    if (mutex->owner)
        tp__spinlock_unlock(&mutex->lock);
    else
        hand_over(mutex);
}

/* Passes those who wait longest on, at most `limit` and none that came after `ticket`. True if some are left; if not,
 * the condition may be gone as soon as the last one has woken. */
static bool signal_some(tp_cond *cond, uint64_t ticket, int limit)
{
    struct tp__wait_list signalled = {.first = NULL};
    tp__spinlock_lock(&cond->lock);
    struct tp__wait_link *link = cond->waiters.first;
    while (link && cond_waiter_of(waiter_of_link(link))->ticket < ticket && limit > 0) {
        struct tp__wait_link *next = tp__wait_list_next(&cond->waiters, link);
        if (!tp__wait_is_stopping(&waiter_of_link(link)->wait)) { /* a cancelled task takes itself out */
            /* Who has decided otherwise takes itself out as well. */
            if (decide(cond_waiter_of(waiter_of_link(link)))) {
                tp__wait_list_remove(&cond->waiters, link);
                tp__wait_list_append(&signalled, link);
                limit--;
            }
        }
        link = next;
    }
    const bool left = link && limit == 0;
    tp__spinlock_unlock(&cond->lock);
    struct waiter *waiter;
    while ((waiter = take_first(&signalled)))
        pass_to_mutex(waiter);
    return left;
}

tp_status tp_cond_wait(tp_cond *cond, tp_mutex *mutex, int64_t timeout_ms)
{
    if (!cond || !mutex)
        return is_null("tp_cond_wait", cond ? "mutex" : "condition");
    struct cond_waiter self = {.cond = cond, .waiter.object.mutex = mutex, .waiter.owner = tp__context_current()->id};
    tp__spinlock_lock(&mutex->lock);
    const bool is_owner = mutex->owner == self.waiter.owner;
    tp__spinlock_unlock(&mutex->lock);
    if (!is_owner)
        return tp__fail(TP_E_ARGUMENT, "tp_cond_wait: the caller does not hold the mutex; lock it first");
    tp_status status = tp__wait_init(&self.waiter.wait, withdraw_from_cond);
    if (status != TP_OK)
        return status;
    tp__spinlock_lock(&cond->lock);
    self.ticket = cond->tickets++;
    tp__wait_list_append(&cond->waiters, &self.waiter.link);
    tp__spinlock_unlock(&cond->lock);
    unlock_own(mutex);
    status = tp__wait_park(&self.waiter.wait, tp__deadline_ns(timeout_ms), TP__WAIT_CANCELLABLE);
    if (status != TP_OK)
        tp_mutex_lock(mutex); /* cannot fail: this OS thread has waited before */
    return status;
}

tp_status tp_cond_signal(tp_cond *cond)
{
    if (!cond)
        return is_null("tp_cond_signal", "condition");
    signal_some(cond, UINT64_MAX, 1);
    return TP_OK;
}

tp_status tp_cond_broadcast(tp_cond *cond)
{
    if (!cond)
        return is_null("tp_cond_broadcast", "condition");
    tp__spinlock_lock(&cond->lock);
    const uint64_t ticket = cond->tickets; /* who waits again after this call is not meant by it */
    tp__spinlock_unlock(&cond->lock);
    while (signal_some(cond, ticket, SIGNALS_A_LOCK))
        continue;
    return TP_OK;
}

tp_semaphore *tp_semaphore_new(size_t count)
{
    tp_semaphore *semaphore = tp__alloc_zeroed(1, sizeof *semaphore);
    if (semaphore)
        semaphore->permits = count;
    else
        tp__fail_nomem("a semaphore");
    return semaphore;
}

void tp_semaphore_release(tp_semaphore *semaphore)
{
    if (!semaphore)
        return;
    tp__spinlock_lock(&semaphore->lock);
    release(&semaphore->waiters, &semaphore->lock, &semaphore->orphaned, semaphore,
            "tp_semaphore_release: someone waits for the semaphore; post to it first");
}

static bool withdraw_from_semaphore(struct tp__wait *wait)
{
    struct waiter *waiter = waiter_of_wait(wait);
    tp_semaphore *semaphore = waiter->object.semaphore;
    return withdraw_from(&semaphore->waiters, waiter, &semaphore->lock, &semaphore->orphaned, semaphore);
}

tp_status tp_semaphore_acquire(tp_semaphore *semaphore, int64_t timeout_ms)
{
    if (!semaphore)
        return is_null("tp_semaphore_acquire", "semaphore");
    struct waiter waiter;
    bool bound = false;
    tp__spinlock_lock(&semaphore->lock);
    while (semaphore->permits == 0) {
        if (timeout_ms == 0) {
            tp__spinlock_unlock(&semaphore->lock);
            return tp__fail(TP_E_BUSY, "tp_semaphore_acquire: no permit is left");
        }
        if (bound) {
            waiter.object.semaphore = semaphore;
            tp__wait_list_append(&semaphore->waiters, &waiter.link);
            tp__spinlock_unlock(&semaphore->lock);
            return tp__wait_park(&waiter.wait, tp__deadline_ns(timeout_ms), TP__WAIT_CANCELLABLE);
        }
        const tp_status status = bind_waiter(&waiter, withdraw_from_semaphore, &semaphore->lock);
        if (status != TP_OK) {
            tp__spinlock_unlock(&semaphore->lock);
            return status;
        }
        bound = true;
    }
    semaphore->permits--;
    tp__spinlock_unlock(&semaphore->lock);
    return TP_OK;
}

tp_status tp_semaphore_post(tp_semaphore *semaphore)
{
    if (!semaphore)
        return is_null("tp_semaphore_post", "semaphore");
    tp__spinlock_lock(&semaphore->lock);
    struct waiter *waiter = take_first_to_go_on(&semaphore->waiters);
    const bool overflows = !waiter && semaphore->permits == SIZE_MAX;
    if (!waiter && !overflows)
        semaphore->permits++;
    tp__spinlock_unlock(&semaphore->lock);
    if (waiter)
        tp__wait_wake(&waiter->wait);
    return overflows ? tp__fail(TP_E_OVERFLOW, "tp_semaphore_post: the semaphore has as many permits as can be counted")
                     : TP_OK;
}
