/* SPDX-License-Identifier: MIT */
/** @file
 * Locks that park green threads instead of blocking their worker. They work between green threads of any OS threads,
 * and for plain OS threads.
 */
#ifndef TASKPOOL_SYNC_H
#define TASKPOOL_SYNC_H

#include <taskpool/promise.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct tp_mutex tp_mutex;
typedef struct tp_cond tp_cond;
typedef struct tp_semaphore tp_semaphore;

/** A mutex, unlocked. Owned by the task (or OS thread) that locked it; not recursive. NULL on TP_E_NOMEM. */
tp_mutex *tp_mutex_new(void) __attribute__((warn_unused_result));
/** Frees an unlocked mutex; a locked one is reported and aborts, as is a condition or semaphore for which someone
 *  waits. NULL is allowed. */
void tp_mutex_release(tp_mutex *mutex);
/** Waits for the mutex, first come first served; not ended by a cancellation. TP_OK, TP_E_DEADLOCK (already the
 *  caller's), TP_E_ARGUMENT. Yields if it must wait. */
tp_status tp_mutex_lock(tp_mutex *mutex);
/** TP_OK, or TP_E_BUSY if it is locked. Does not yield. */
tp_status tp_mutex_try_lock(tp_mutex *mutex);
/** Hands the mutex to the one who waits longest. TP_OK, TP_E_ARGUMENT (not the caller's). Does not yield. */
tp_status tp_mutex_unlock(tp_mutex *mutex);

/** A condition. NULL on TP_E_NOMEM. */
tp_cond *tp_cond_new(void) __attribute__((warn_unused_result));
void tp_cond_release(tp_cond *cond);
/** Unlocks the mutex, waits for a signal, and locks it again whatever it returns: TP_OK, TP_E_TIMEOUT, TP_E_CANCELLED,
 *  TP_E_ARGUMENT (the mutex is not the caller's). There are no spurious wakes, but the condition may have changed
 *  before the mutex was locked again: test it in a loop. Yields. */
tp_status tp_cond_wait(tp_cond *cond, tp_mutex *mutex, int64_t timeout_ms);
/** Wakes the one who waits longest, or everyone. TP_E_ARGUMENT for NULL. Does not yield. */
tp_status tp_cond_signal(tp_cond *cond);
tp_status tp_cond_broadcast(tp_cond *cond);

/** A semaphore of `count` permits. NULL on TP_E_NOMEM. */
tp_semaphore *tp_semaphore_new(size_t count) __attribute__((warn_unused_result));
void tp_semaphore_release(tp_semaphore *semaphore);
/** Takes a permit; waits for one up to `timeout_ms` (0: TP_E_BUSY at once). TP_OK, TP_E_TIMEOUT, TP_E_CANCELLED,
 *  TP_E_ARGUMENT. First come first served. Yields if it must wait. */
tp_status tp_semaphore_acquire(tp_semaphore *semaphore, int64_t timeout_ms);
/** Gives a permit back. TP_OK, TP_E_ARGUMENT, TP_E_OVERFLOW (SIZE_MAX permits). Does not yield. */
tp_status tp_semaphore_post(tp_semaphore *semaphore);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
