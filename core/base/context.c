/* SPDX-License-Identifier: MIT */
#include "base/context.h"

#include "base/error.h"

#include <pthread.h>
#include <stdatomic.h>

_Thread_local struct tp__context *tp__context_of_task;

static _Thread_local struct tp__context context_of_thread;
static _Thread_local bool registered;
static atomic_uint_least64_t last_thread_id; /* the ids of tasks have higher bits: runtime/loop.h */
static pthread_key_t thread_end_key;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;

static void thread_end(void *context)
{
    tp__error_release(((struct tp__context *)context)->error);
    ((struct tp__context *)context)->error = NULL;
    registered = false; /* another destructor of this thread may fail and store an error once more */
}

static void make_thread_end_key(void)
{
    /* Without a key the error of a thread that ends is lost: a few hundred bytes, once a thread. */
    (void)pthread_key_create(&thread_end_key, thread_end);
}

struct tp__context *tp__context_current(void)
{
    if (tp__context_of_task)
        return tp__context_of_task;
    if (!registered) {
        registered = true;
        pthread_once(&thread_end_once, make_thread_end_key);
        if (context_of_thread.id == 0)
            context_of_thread.id = atomic_fetch_add_explicit(&last_thread_id, 1, memory_order_relaxed) + 1;
        (void)pthread_setspecific(thread_end_key, &context_of_thread);
    }
    return &context_of_thread;
}
