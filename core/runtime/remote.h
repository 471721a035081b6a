/* SPDX-License-Identifier: MIT */
/** @file
 * The seam to pools whose workers are elsewhere. The runtime knows nothing of networks: it hands tasks to a *remote*,
 * and a remote resolves their promises. core/cluster/ provides two: the driver's session with a cluster, and, in a
 * worker process of a node, the way to the driver for the children and channels of the tasks that run there.
 *
 * A remote pool is an executor without workers: it has the tally, the monitor (time limits) and the named channels of
 * any other pool. Its tasks stay QUEUED until they are resolved; the remote is their queue, and has what
 * runtime/promise.h says a queue has.
 */
#ifndef TP_RUNTIME_REMOTE_H
#define TP_RUNTIME_REMOTE_H

#include "runtime/foreign.h"
#include "runtime/promise.h"

struct tp__channels;
struct tp__clause;
struct tp__executor;
struct tp__remote;

/** What a remote can do. All may be called from any thread; none may yield but `operate`, `close_channel`,
 *  `channel_size` and `open_channel`, and `submit` outside tasks. */
struct tp__remote_class {
    /** Takes over a task that is counted and filled. What its payload captures is borrowed, and gone once this has
     *  returned, so it is encoded here (tp__closure_encode says what is wrong with it). False with the error stored:
     *  then it is not taken. May park the caller while the remote is full (TP_E_FULL inside a task). `options` is not
     *  NULL. `worker`: -1 or the one that it is pinned to, which may have gone. */
    bool (*submit)(struct tp__remote *remote, struct tp_promise *task, const tp_task_options *options, int worker);
    /** The OS thread that has submitted `task`, with `is_served` set, does nothing now but wait for it, and no green
     *  thread is on it: it may do the remote's work meanwhile. Returns when it has resolved, or sooner. NULL: there is
     *  nothing to do for it, and `is_served` is never set. */
    void (*serve)(struct tp__remote *remote, struct tp_promise *task);
    /** The task was cancelled or its time ran out: its promise is resolved. The remote still has its reference and
     *  drops it when it has found the task. Called before the pool counts the task as over, so that the remote is open;
     *  and perhaps at the moment in which another thread calls tp__remote_resolve, which then does nothing but drop the
     *  reference: who guards the remote's list of tasks sees to it that only one of the two does so. */
    void (*stopped)(struct tp__remote *remote, struct tp_promise *task);
    /** The number of workers there are now. */
    size_t (*size)(struct tp__remote *remote);
    /** Nothing is unresolved any more: ends the session and its threads. The executor is released by the caller. */
    void (*close)(struct tp__remote *remote);
    /** The executor is freed, and calls nothing any more; `size` may have been called until now. NULL: nothing to do.
     */
    void (*free)(struct tp__remote *remote);
    /** Channels that live elsewhere; NULL if they live here. Does one of `count` operations (`clauses`, of which each
     * has channel, kind, size, send and data set) or waits until one can be done; stores which. Parks the green thread;
     * in an OS thread that is none, blocks it. `timeout_ms` 0: at once or not at all (one clause: TP_E_FULL,
     * TP_E_EMPTY; several: TP_E_TIMEOUT). The status is the operation's, the error is stored, and received data are
     * where they belong and given to the task (tp__clause_finish does these three once `status` and the loose data are
     * set). What is sent is only read: tp__value_encode of data.content.bytes. `*chosen` stays as it is if no operation
     * ended. */
    tp_status (*operate)(struct tp__remote *remote, struct tp__clause *clauses, size_t count, int64_t timeout_ms,
                         size_t *chosen);
    tp_status (*close_channel)(struct tp__remote *remote, tp_channel *channel);
    size_t (*channel_size)(struct tp__remote *remote, const tp_channel *channel);
    /** The channel is named in tp_pool_channel_with: TP_E_ARGUMENT if it exists with another capacity. */
    tp_status (*open_channel)(struct tp__remote *remote, tp_channel *channel, size_t capacity);
};

/** Embedded at the beginning of what provides it. */
struct tp__remote {
    const struct tp__remote_class *class;
};

/** Resolves a task of a remote pool to a value (the encoding of closure/codec.h, decoded into the promise; one that
 *  cannot be decoded rejects it with TP_E_DECODE) or, if `error` is not NULL, to that error, whose reference is taken
 *  over. Drops the remote's reference. Does only the latter if the task was resolved meanwhile. From a
 *  thread for which `close` waits: the pool may be closed as soon as the promise is resolved. */
void tp__remote_resolve(struct tp_promise *task, const uint8_t *value, size_t size, struct tp__error_record *error);

/** The place in a task that belongs to its remote, from submit to resolve or stopped. */
static inline void **tp__remote_place(struct tp_promise *task)
{
    return (void **)&task->fiber; /* nothing here ever runs it */
}

/** Opens a pool at "tcp://host:port": set by core/cluster/ when it is linked. NULL with the error stored. The executor
 *  has no workers, one reference, `remote` and `channels` set. */
typedef struct tp__executor *tp__remote_opener(const char *host_and_port, const tp_pool_options *options);
extern tp__remote_opener *tp__remote_open;

/** An executor for a remote pool, with one reference. NULL on failure (the error is stored; nothing of the remote was
 *  called). Channels of `channels_elsewhere` are proxies: their operations go to remote->class->operate. */
struct tp__executor *tp__executor_start_remote(struct tp__remote *remote, const tp_pool_options *options,
                                               bool channels_elsewhere) __attribute__((warn_unused_result));

/* ---- in a worker process; the rest of what it needs is in runtime/foreign.h ---- */

/** Pools that tasks of `executor` open with tp_pool_open(NULL) are handles on `children`, and a pool of another cluster
 *  cannot be opened in this process. NULL takes it back. Before the first task. */
void tp__executor_set_children(struct tp__executor *executor, struct tp__executor *children);
/** tp_worker_index() of worker i is first + i; error origins too. Before the first task. */
void tp__executor_set_first_worker(struct tp__executor *executor, uint32_t first);
/** True if some executor of this process has children elsewhere. */
bool tp__process_is_worker(void);

#endif
