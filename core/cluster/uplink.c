/* SPDX-License-Identifier: MIT */
/* The remote of pools that tasks open on their own pool: their tasks are children, which the driver signs and sends. */
#include "base/alloc.h"
#include "base/error.h"
#include "closure/codec.h"
#include "closure/program.h"
#include "cluster/worker.h"
#include "trust/leaf.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_FIRST = 256, CHILDREN_LIMIT = 1 << 20 };

/* A task that a task of this process has submitted. In the table, and in its parent's list, until it is resolved here.
 */
struct tp__child {
    struct tp__child *next;            /* in its bucket */
    struct tp__child *younger, *elder; /* of the same parent */
    struct tp__foreign_identity parent;
    uint32_t operation;
    struct tp_promise *promise; /* the remote's reference: runtime/remote.h */
};

/* Guarded by tp__worker_lock. */
static struct {
    struct tp__child **buckets;
    size_t bucket_count; /* a power of 2 */
    size_t count;
} table;

uint32_t tp__uplink_next_operation(void)
{
    static atomic_uint last;
    uint32_t next;
    do
        next = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    while (next == 0);
    return next;
}

/* Lock held. */
static bool make_room(void)
{
    if (table.count < table.bucket_count)
        return true;
    const size_t count = table.bucket_count > 0 ? 2 * table.bucket_count : BUCKETS_FIRST;
    struct tp__child **buckets = tp__alloc_zeroed(count, sizeof(struct tp__child *));
    if (!buckets)
        return table.bucket_count > 0;
    for (size_t i = 0; i < table.bucket_count; i++) {
        struct tp__child *child = table.buckets[i];
        while (child) {
            struct tp__child *next = child->next;
            struct tp__child **bucket = &buckets[child->operation & (count - 1)];
            child->next = *bucket;
            *bucket = child;
            child = next;
        }
    }
    tp__free(table.buckets);
    table.buckets = buckets;
    table.bucket_count = count;
    return true;
}

/* Lock held: takes it out of the table. */
static void take_out(struct tp__child *child)
{
    struct tp__child **link = &table.buckets[child->operation & (table.bucket_count - 1)];
    while (*link != child)
        link = &(*link)->next;
    *link = child->next;
    table.count--;
    *tp__remote_place(child->promise) = NULL;
}

/* Lock held: takes it out of its parent's list, if that is still here. */
static void leave_parent(struct tp__child *child)
{
    struct tp__work *parent = tp__worker_find(child->parent.sequence, child->parent.dispatch);
    if (child->younger)
        child->younger->elder = child->elder;
    else if (parent)
        parent->children = child->elder;
    if (child->elder)
        child->elder->younger = child->younger;
}

/* False with the error stored. */
static bool enter(struct tp__child *child)
{
    tp_status status = TP_OK;
    pthread_mutex_lock(&tp__worker_lock);
    struct tp__work *parent = tp__worker_find(child->parent.sequence, child->parent.dispatch);
    if (!parent) {
        status = TP_E_UNSUPPORTED;
    } else if (table.count >= CHILDREN_LIMIT) {
        status = TP_E_FULL;
    } else if (!make_room()) {
        status = TP_E_NOMEM;
    } else {
        struct tp__child **bucket = &table.buckets[child->operation & (table.bucket_count - 1)];
        child->next = *bucket;
        *bucket = child;
        table.count++;
        child->elder = parent->children;
        if (parent->children)
            parent->children->younger = child;
        parent->children = child;
        *tp__remote_place(child->promise) = child;
    }
    pthread_mutex_unlock(&tp__worker_lock);
    if (status == TP_E_UNSUPPORTED)
        tp__fail(status,
                 "the task that this green thread belongs to has ended: what it leaves behind cannot submit tasks "
                 "to the cluster");
    else if (status == TP_E_FULL)
        tp__fail(status, "this process has %d unresolved tasks of its tasks: await some before you submit more",
                 CHILDREN_LIMIT);
    else if (status == TP_E_NOMEM)
        tp__fail_nomem("the table of a process's children");
    return status == TP_OK;
}

static bool put_child(struct tp__buffer *body, uint32_t index, const tp_task_options *options, int worker,
                      const struct tp__encoded *closure)
{
    uint8_t head[28];
    const uint32_t flags = (options && options->at_most_once ? TP__LEAF_AT_MOST_ONCE : 0U) |
                           (options && options->isolated ? TP__LEAF_ISOLATED : 0U);
    uint8_t *to = tp__put_u32(head, index);
    to = tp__put_u64(to, 0); /* time limits are kept here */
    to = tp__put_u32(to, options ? (uint32_t)options->max_attempts : 0);
    to = tp__put_u32(to, flags);
    to = tp__put_u32(to, (uint32_t)(worker + 1));
    tp__put_u32(to, options ? (uint32_t)((options->stack_bytes + 1023) / 1024) : 0);
    return tp__buffer_reserve(body, sizeof head + closure->size) && tp__buffer_append(body, head, sizeof head) &&
           tp__buffer_append(body, closure->bytes, closure->size);
}

static bool submit(struct tp__remote *remote, struct tp_promise *task, const tp_task_options *options, int worker)
{
    (void)remote;
    const tp_task_definition *definition = task->definition;
    uint32_t index;
    const struct tp__foreign_identity parent = tp__foreign_current();
    if (parent.sequence == 0) {
        tp__fail(TP_E_UNSUPPORTED, "task '%s': only tasks of the cluster can submit to it from a node",
                 definition->name);
        return false;
    }
    if (!tp__program_index(definition, &index)) {
        tp__fail(TP_E_UNSUPPORTED, "task '%s' lives in a shared library, which is not sent to other machines",
                 definition->name);
        return false;
    }
    struct tp__encoded closure;
    if (tp__closure_encode(definition, task->payload, &closure) != TP_OK)
        return false;
    struct tp__buffer body = {.bytes = NULL};
    struct tp__child *child = tp__alloc_zeroed(1, sizeof *child);
    bool is_done = child && put_child(&body, index, options, worker, &closure);
    tp__encoded_free(&closure);
    if (!is_done)
        tp__fail_nomem("a child");
    if (is_done) {
        *child = (struct tp__child){.parent = parent, .operation = tp__uplink_next_operation(), .promise = task};
        const uint32_t operation = child->operation;
        is_done = enter(child);
        if (is_done)
            tp__worker_send(TP__RECORD_CHILD, parent.sequence, parent.dispatch, operation, body.bytes, body.size);
    }
    if (!is_done)
        tp__free(child);
    tp__buffer_free(&body);
    return is_done;
}

static void stopped(struct tp__remote *remote, struct tp_promise *task)
{
    (void)remote;
    pthread_mutex_lock(&tp__worker_lock);
    struct tp__child *child = *tp__remote_place(task);
    if (child) {
        take_out(child);
        leave_parent(child);
    }
    pthread_mutex_unlock(&tp__worker_lock);
    if (!child)
        return; /* its result has come meanwhile, and finds the promise resolved */
    tp__worker_send(TP__RECORD_CHILD_CANCEL, child->parent.sequence, child->parent.dispatch, child->operation, NULL, 0);
    tp_promise_release(task); /* the remote's */
    tp__free(child);
}

static size_t size_of_pool(struct tp__remote *remote)
{
    (void)remote;
    return tp__worker_process.executor->worker_count;
}

static void close_uplink(struct tp__remote *remote)
{
    (void)remote; /* the process ends with the session */
}

struct tp__remote *tp__uplink_remote(void)
{
    static const struct tp__remote_class class = {.submit = submit,
                                                  .stopped = stopped,
                                                  .size = size_of_pool,
                                                  .close = close_uplink,
                                                  .operate = tp__uplink_operate,
                                                  .close_channel = tp__uplink_close_channel,
                                                  .channel_size = tp__uplink_channel_size,
                                                  .open_channel = tp__uplink_open_channel};
    static struct tp__remote remote = {.class = &class};
    return &remote;
}

/* The promise of that child, which is known here no more; NULL if it was cancelled. */
static struct tp_promise *take_promise(uint32_t operation)
{
    pthread_mutex_lock(&tp__worker_lock);
    struct tp__child *child = table.bucket_count > 0 ? table.buckets[operation & (table.bucket_count - 1)] : NULL;
    while (child && child->operation != operation)
        child = child->next;
    if (child) {
        take_out(child);
        leave_parent(child);
    }
    pthread_mutex_unlock(&tp__worker_lock);
    struct tp_promise *promise = child ? child->promise : NULL;
    tp__free(child);
    return promise;
}

void tp__uplink_child_result(uint32_t operation, const uint8_t *value, size_t size)
{
    struct tp_promise *promise = take_promise(operation);
    if (promise)
        tp__remote_resolve(promise, value, size, NULL);
}

/* A copy of a text, "" if it is missing; from malloc, NULL without memory. */
static char *read_text(struct tp__reader *reader)
{
    size_t size = 0;
    const char *text = tp__get_text(reader, &size);
    return strndup(text ? text : "", text ? size : 0);
}

void tp__uplink_child_failure(uint32_t operation, const uint8_t *body, size_t size)
{
    struct tp_promise *promise = take_promise(operation);
    if (!promise)
        return;
    struct tp__reader reader = tp__reader_of(body, size);
    const tp_status status = (tp_status)tp__get_u32(&reader);
    const int worker = (int)tp__get_u32(&reader) - 1;
    char *message = read_text(&reader);
    char *task = read_text(&reader);
    char *backtrace = read_text(&reader);
    char *node = read_text(&reader);
    const struct tp__origin origin = {.task = task, .node = node, .worker = worker, .backtrace = backtrace};
    tp__remote_resolve(promise, NULL, 0, tp__error_new(status, &origin, message));
    free(message);
    free(task);
    free(backtrace);
    free(node);
}

void tp__uplink_take_out(struct tp__child *children)
{
    for (struct tp__child *child = children; child; child = child->elder)
        take_out(child);
}

void tp__uplink_orphan(struct tp__child *children)
{
    while (children) {
        struct tp__child *child = children;
        children = child->elder;
        tp__remote_resolve(
            child->promise, NULL, 0,
            tp__error_new(TP_E_CANCELLED, NULL, "the task that submitted it has ended, and nobody awaits it any more"));
        tp__free(child);
    }
}
