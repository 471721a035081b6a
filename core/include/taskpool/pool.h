/* SPDX-License-Identifier: MIT */
/** @file
 * Pools: where tasks run.
 *
 * Every function here may be called from any OS thread and any green thread, unless it says otherwise.
 */
#ifndef TASKPOOL_POOL_H
#define TASKPOOL_POOL_H

#include <taskpool/closure.h>
#include <taskpool/promise.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct tp_pool tp_pool;
typedef struct tp_channel tp_channel;

/** How a pool places tasks on its workers. */
typedef enum tp_placement {
    TP_ROUND_ROBIN = 0, /**< in turn; a worker that would idle takes tasks that have not started from a busy one */
    TP_ROUND_ROBIN_STRICT = 1 /**< in turn and final: element i of a map runs on worker i mod n */
} tp_placement;

/** Tells that a task has held its worker for longer than the pool's `watchdog_ms` without yielding. Called once a task
 *  from a thread of the pool; must not block. `task` is the name, valid during the call. */
typedef void tp_hog_fn(const char *task, int worker, int64_t held_ms, void *argument);

/** What a pool can be told. A field left 0 (or NULL, false) has its default. A cluster knows `placement` and
 *  `stack_bytes`; with another one it is not opened (TP_E_UNSUPPORTED). */
typedef struct tp_pool_options {
    tp_placement placement;
    size_t stack_bytes;  /**< stack of each green thread; default 65,536; 16,384 to 1 GiB, rounded up to a power of 2 */
    int64_t watchdog_ms; /**< how long a task may hold its worker before it is named; default 1,000; -1: never */
    tp_hog_fn *on_hog;   /**< default: one line on standard error */
    void *on_hog_argument; /**< passed to on_hog */
    bool serial_workers; /**< a worker starts a task only after the one before it has ended, or while that one awaits it
                              or drains a handle of its own (default: green threads) */
} tp_pool_options;
#define tp_pool_options(...) (TP__LITERAL(tp_pool_options){__VA_ARGS__})

/** What one task can be told. A field left 0 (or false) has its default. */
typedef struct tp_task_options {
    int64_t timeout_ms; /**< rejects the promise with TP_E_TIMEOUT this long after the submit; default: never */
    int max_attempts;   /**< how often a cluster may suspect it of having ended its process; default 3 */
    bool at_most_once;  /**< a cluster never starts the task twice */
    bool isolated;      /**< a cluster runs the task in a process of its own */
    bool pinned;        /**< runs on worker number `worker` and on no other */
    int worker;         /**< with `pinned`: 0 to tp_pool_size() - 1 */
    size_t stack_bytes; /**< stack of the task's green thread; default: the pool's */
} tp_task_options;
#define tp_task_options(...) (TP__LITERAL(tp_task_options){__VA_ARGS__})

/** What a map can be told. */
typedef struct tp_map_options {
    /** Called from the thread that called tp_map, now and then, with the number of resolved elements; last with
     *  `total`. */
    void (*progress)(size_t resolved, size_t total, void *argument);
    void *progress_argument;
    tp_status *statuses; /**< if given: `count` statuses, one an element, stored when the map returns */
    tp_task_options task;
} tp_map_options;
#define tp_map_options(...) (TP__LITERAL(tp_map_options){__VA_ARGS__})

/** Opens a pool. `where` is "local" (a worker a processor that this process may use), "local:4", or "tcp://host:port"
 *  for a cluster; NULL means $TASKPOOL, and "local" if that is not set. Inside a task NULL gives a handle on the task's
 *  own pool: draining or closing it waits for what was submitted through that handle.
 *  Returns NULL on failure, with the reason in tp_last_error(): TP_E_NO_INIT, TP_E_ADDRESS (also a host that is not
 *  found), TP_E_LIMIT (more than 4,096 workers), TP_E_UNSUPPORTED (a cluster, in a library without it, inside a task on
 *  one, or with an option of local pools), TP_E_NOMEM, TP_E_SYSTEM (a cluster: also when no coordinator answers within
 *  10 s). A cluster reads the files of $TASKPOOL_KEY and $TASKPOOL_AUTHORIZED_KEYS: TP_E_UNTRUSTED (one that others can
 *  read or write, no key of a coordinator; a coordinator with another key, or one that does not know this key),
 *  TP_E_DECODE (malformed); and the coordinator may refuse, with a status of its own. What only a person can mend, a
 *  host that is not found or a key, is reported after 3 s. From then on glibc takes blocks of 16 MiB for usual and
 *  keeps more of what is freed, unless the program has set mallopt's M_MMAP_THRESHOLD. The caller owns the handle:
 *  tp_pool_close. */
tp_pool *tp_pool_open(const char *where) __attribute__((warn_unused_result));
tp_pool *tp_pool_open_with(const char *where, tp_pool_options options) __attribute__((warn_unused_result));

/** Waits until every task submitted before the call has resolved. Returns TP_OK, TP_E_ARGUMENT for NULL, TP_E_DEADLOCK
 *  when called by a task that was itself submitted through this handle, TP_E_CANCELLED, TP_E_FORKED. Yields. */
tp_status tp_drain(tp_pool *pool);

/** Drains, cancels the green threads that tasks made with tp_async and left behind, and stops the workers when they
 *  have ended. The handle stays valid: submitting to it is TP_E_SHUTDOWN. A second call does nothing and returns
 *  TP_OK. Errors as tp_drain; then the pool runs on. Yields. */
tp_status tp_pool_shutdown(tp_pool *pool);

/** Shuts the pool down and frees the handle and the pool's named channels. NULL is allowed. Nobody else may be using
 *  the handle, not even in tp_pool_shutdown. On TP_E_DEADLOCK the handle stays valid. Promises of its tasks stay
 *  valid until they are released. */
tp_status tp_pool_close(tp_pool *pool);

/** The number of workers; 0 for NULL and after the shutdown. In a cluster it changes as nodes come and go. */
size_t tp_pool_size(const tp_pool *pool);

/** The number of tasks submitted through this handle, and through those that its tasks opened on their own pool, that
 *  are not resolved; 0 for NULL. */
size_t tp_pool_pending(const tp_pool *pool);

/** The pool's channel of that name, made unbounded on first use: the same one on every worker. Owned by the pool, valid
 *  until it is closed. NULL on failure (TP_E_ARGUMENT: NULL, empty or longer than 255 bytes; TP_E_NOMEM;
 *  TP_E_SHUTDOWN). */
tp_channel *tp_pool_channel(tp_pool *pool, const char *name);

/** The same with a capacity (0: unbounded), which counts when this call makes the channel; if it exists with another
 *  capacity: TP_E_ARGUMENT. */
tp_channel *tp_pool_channel_with(tp_pool *pool, const char *name, size_t capacity);

/* Behind the macros of task.h. `captures` is a struct of the definition's captures_size bytes, which may
 * be 0. */
tp_promise *tp__submit(tp_pool *pool, const tp_task_definition *task, const void *captures,
                       const tp_task_options *options) __attribute__((warn_unused_result));
tp_status tp__run(tp_pool *pool, const tp_task_definition *task, const void *captures, void *result,
                  const tp_task_options *options);
/* `captures`: the whole struct, its first parameter ignored: element i of `in` takes its place. */
tp_status tp__map(tp_pool *pool, const tp_task_definition *task, const void *captures, const void *in, void *out,
                  size_t count, const tp_map_options *options);
/* Behind tp_submit_closure: `argument` is NULL when none is given. */
tp_promise *tp__submit_closure(tp_pool *pool, tp_closure closure, const void *argument, tp_kind kind, size_t size,
                               const tp_task_options *options) __attribute__((warn_unused_result));
/* Behind tp_run_closure. */
tp_status tp__run_closure(tp_pool *pool, tp_closure closure, const void *argument, tp_kind kind, size_t size, void *out,
                          tp_kind out_kind, size_t out_size);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
