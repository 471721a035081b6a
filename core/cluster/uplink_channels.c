/* SPDX-License-Identifier: MIT */
/* Channels inside a worker process: proxies of those that live with the driver.
 *
 * Design notes. An operation waits in the frame of the green thread that wants it, and is in the table until its reply
 * has come. A time limit or a cancellation here cannot end it, since the driver may have done it already: it asks for
 * the withdrawal and goes on waiting for the reply, which says which it was. Only the driver's own order to stop the
 * task ends it at once: then the driver has forgotten the operation.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "cluster/worker.h"
#include "runtime/clause.h"

#include <string.h>
#include <taskpool/green.h>

enum { BUCKETS = 16384 };

struct pending {
    struct tp__wait wait;
    struct pending *next; /* in its bucket */
    struct tp__foreign_identity owner;
    uint32_t operation;
    bool is_linked; /* guarded by the table's lock, as `next` and what follows */
    bool is_withdrawing;
    uint8_t *reply; /* from tp__alloc; NULL: none came, the task is over */
    size_t reply_size;
};

static struct {
    pthread_mutex_t lock;
    struct pending *buckets[BUCKETS];
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Operations of green threads made by tp_async, which may outlive their task: mostly none. */
static atomic_uint async_operations;

static bool is_async(void)
{
    const struct tp_promise *task = tp__current_task();
    return task && !task->tally;
}

static void enter(struct pending *pending)
{
    pthread_mutex_lock(&table.lock);
    struct pending **bucket = &table.buckets[pending->operation % BUCKETS];
    pending->next = *bucket;
    *bucket = pending;
    pending->is_linked = true;
    pthread_mutex_unlock(&table.lock);
}

/* Lock held. */
static void take_out(struct pending *pending)
{
    struct pending **link = &table.buckets[pending->operation % BUCKETS];
    while (*link != pending)
        link = &(*link)->next;
    *link = pending->next;
    pending->is_linked = false;
}

/* True if the driver has told this task to stop, and so has forgotten what it wants. */
static bool is_stopped_by_driver(const struct pending *pending)
{
    pthread_mutex_lock(&tp__worker_lock);
    const struct tp__work *work = tp__worker_find(pending->owner.sequence, pending->owner.dispatch);
    const bool is_stopped = !work || work->fate != TP__FATE_REPORT;
    pthread_mutex_unlock(&tp__worker_lock);
    return is_stopped;
}

static bool withdraw(struct tp__wait *wait)
{
    struct pending *pending = (struct pending *)(void *)wait;
    const bool is_forgotten = is_stopped_by_driver(pending);
    pthread_mutex_lock(&table.lock);
    const bool waits = pending->is_linked;
    const bool asks = waits && !is_forgotten && !pending->is_withdrawing;
    if (waits && is_forgotten)
        take_out(pending);
    pending->is_withdrawing = pending->is_withdrawing || asks;
    const struct tp__foreign_identity owner = pending->owner;
    const uint32_t operation = pending->operation;
    pthread_mutex_unlock(&table.lock);
    if (asks)
        tp__worker_send(TP__RECORD_WITHDRAW, owner.sequence, owner.dispatch, operation, NULL, 0);
    return waits && is_forgotten;
}

void tp__uplink_reply(uint32_t operation, const uint8_t *body, size_t size)
{
    uint8_t *copy = tp__alloc(size > 0 ? size : 1);
    if (!copy)
        tp__worker_die("out of memory for a reply of %zu bytes", size);
    memcpy(copy, body, size);
    pthread_mutex_lock(&table.lock);
    struct pending *pending = table.buckets[operation % BUCKETS];
    while (pending && pending->operation != operation)
        pending = pending->next;
    if (pending) {
        take_out(pending);
        pending->reply = copy;
        pending->reply_size = size;
    }
    pthread_mutex_unlock(&table.lock);
    if (pending)
        tp__wait_wake(&pending->wait);
    else
        tp__free(copy); /* its task was told to stop meanwhile */
}

void tp__uplink_orphan_operations(uint64_t task, uint32_t dispatch)
{
    /* A task that has ended waits for nothing; only green threads that it made with tp_async may. */
    if (atomic_load_explicit(&async_operations, memory_order_relaxed) == 0)
        return;
    struct pending *orphans = NULL;
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        struct pending *pending = table.buckets[i];
        while (pending) {
            struct pending *next = pending->next;
            if (pending->owner.sequence == task && pending->owner.dispatch == dispatch) {
                take_out(pending);
                pending->next = orphans;
                orphans = pending;
            }
            pending = next;
        }
    }
    pthread_mutex_unlock(&table.lock);
    while (orphans) {
        struct pending *next = orphans->next;
        tp__wait_wake(&orphans->wait);
        orphans = next;
    }
}

/* True if it was still in the table: nobody will wake it any more. */
static bool forget(struct pending *pending)
{
    pthread_mutex_lock(&table.lock);
    const bool waits = pending->is_linked;
    if (waits)
        take_out(pending);
    pthread_mutex_unlock(&table.lock);
    return waits;
}

/* ---- asking ---- */

static bool put_channel(struct tp__buffer *body, const tp_channel *channel)
{
    const uint8_t length = (uint8_t)channel->name_length;
    return tp__buffer_append(body, &length, 1) && tp__buffer_append(body, channel->name, length);
}

static bool put_byte(struct tp__buffer *body, unsigned value)
{
    const uint8_t byte = (uint8_t)value;
    return tp__buffer_append(body, &byte, 1);
}

static const void *content_of(const struct tp__clause *clause)
{
    return tp__message_is_boxed(clause->size) ? clause->data.content.block : clause->data.content.bytes;
}

/* Channel, kind and size; a value to send behind them, with its length in a select. */
static tp_status put_case(struct tp__buffer *body, const struct tp__clause *clause, bool is_select, bool wait)
{
    uint8_t type[5];
    tp__put_u32(tp__put_u8(type, clause->kind), clause->size);
    bool fits = (!is_select || put_byte(body, clause->send)) && put_channel(body, clause->channel) &&
                (is_select || put_byte(body, wait)) && tp__buffer_append(body, type, sizeof type);
    if (!fits)
        return tp__fail_nomem("a channel operation");
    if (!clause->send)
        return TP_OK;
    struct tp__encoded value;
    const tp_status status = tp__value_encode(clause->kind, clause->size, content_of(clause), &value);
    if (status != TP_OK)
        return status;
    uint8_t length[4];
    tp__put_u32(length, (uint32_t)value.size);
    fits = (!is_select || tp__buffer_append(body, length, sizeof length)) &&
           tp__buffer_append(body, value.bytes, value.size);
    tp__encoded_free(&value);
    return fits ? TP_OK : tp__fail_nomem("a channel operation");
}

static tp_status put_operation(struct tp__buffer *body, const struct tp__clause *clauses, size_t count, bool wait)
{
    const bool is_select = count > 1;
    const enum tp__channel_action action = is_select         ? TP__CHANNEL_SELECT
                                           : clauses[0].send ? TP__CHANNEL_SEND
                                                             : TP__CHANNEL_RECEIVE;
    if (!put_byte(body, action) || (is_select && !(put_byte(body, wait) && put_byte(body, (unsigned)count))))
        return tp__fail_nomem("a channel operation");
    tp_status status = TP_OK;
    for (size_t i = 0; i < count && status == TP_OK; i++)
        status = put_case(body, &clauses[i], is_select, wait);
    return status;
}

static tp_status orphaned(void)
{
    return tp__fail(TP_E_CANCELLED, "the task that this green thread belongs to has ended");
}

/* Sends the operation and waits for its reply, which is `pending`'s then. The body goes before the wait: what waits may
 * be many. */
static tp_status ask(struct pending *pending, struct tp__buffer *body, int64_t deadline_ns)
{
    pending->owner = tp__foreign_current();
    if (pending->owner.sequence == 0)
        return tp__fail(TP_E_UNSUPPORTED, "on a node only tasks of the cluster, and green threads that they make with "
                                          "tp_async, can use the pool's channels");
    if (is_stopped_by_driver(pending))
        return tp__fail(TP_E_CANCELLED, "the task was told to stop, or has ended");
    const tp_status status = tp__wait_init(&pending->wait, withdraw);
    if (status != TP_OK)
        return status;
    pending->operation = tp__uplink_next_operation();
    const unsigned asyncs = is_async();
    atomic_fetch_add_explicit(&async_operations, asyncs, memory_order_relaxed);
    enter(pending);
    /* The task may have ended before it was entered: then nobody will answer. */
    if (asyncs > 0 && is_stopped_by_driver(pending) && forget(pending)) {
        atomic_fetch_sub_explicit(&async_operations, asyncs, memory_order_relaxed);
        return orphaned();
    }
    tp__worker_send(TP__RECORD_OPERATION, pending->owner.sequence, pending->owner.dispatch, pending->operation,
                    body->bytes, body->size);
    tp__buffer_free(body);
    const tp_status outcome = tp__wait_park(&pending->wait, deadline_ns, TP__WAIT_CANCELLABLE);
    atomic_fetch_sub_explicit(&async_operations, asyncs, memory_order_relaxed);
    return outcome;
}

/* ---- replies ---- */

static tp_status receive_value(struct pending *pending, struct tp__reader *reader, const struct tp__clause *clause)
{
    struct tp__channels *channels = tp__worker_process.executor->channels;
    tp_status status =
        tp__value_decode(reader->at, tp__reader_left(reader), channels, clause->kind, clause->size, clause->data.out);
    if (status == TP_OK)
        status = tp__value_give(clause->kind, clause->size, clause->data.out);
    if (status == TP_OK)
        tp__worker_send(TP__RECORD_CONFIRM, pending->owner.sequence, pending->owner.dispatch, pending->operation, NULL,
                        0);
    return status;
}

static tp_status finish(struct pending *pending, struct tp__clause *clauses, size_t count, size_t *chosen)
{
    struct tp__reader reader = tp__reader_of(pending->reply, pending->reply_size);
    tp_status status = (tp_status)tp__get_u32(&reader);
    const uint32_t index = tp__get_u32(&reader);
    const uint8_t found_kind = tp__get_u8(&reader);
    const uint32_t found_size = tp__get_u32(&reader);
    if (count > 1 && (status == TP_E_FULL || status == TP_E_EMPTY))
        status = TP_E_TIMEOUT; /* what tp_select says when nothing was possible at once */
    if (!reader.ok || index >= count)
        return tp__fail(TP_E_DECODE, "the driver's reply to a channel operation makes no sense");
    struct tp__clause *clause = &clauses[index];
    if (status != TP_E_TIMEOUT)
        *chosen = index;
    if (status == TP_OK && clause->send)
        return TP_OK;
    if (status == TP_OK)
        return receive_value(pending, &reader, clause);
    if (status == TP_E_TIMEOUT)
        return tp_cancelled() ? tp__fail(TP_E_CANCELLED, "the task was cancelled while it waited")
                              : tp__fail(TP_E_TIMEOUT, "what was waited for did not happen within the time limit");
    clause->status = (uint8_t)status;
    clause->found_kind = found_kind;
    clause->found_size = found_size;
    if (status == TP_E_CLOSED || status == TP_E_FULL || status == TP_E_EMPTY || status == TP_E_TYPE)
        return tp__clause_finish(clause, tp_channel_name(clause->channel), clause->send ? "tp_send" : "tp_recv");
    return tp__fail(status, "the driver could not do it on channel \"%s\": %s", tp_channel_name(clause->channel),
                    tp_status_text(status));
}

tp_status tp__uplink_operate(struct tp__remote *remote, struct tp__clause *clauses, size_t count, int64_t timeout_ms,
                             size_t *chosen)
{
    (void)remote;
    struct tp__buffer body = {.bytes = NULL};
    struct pending pending = {.reply = NULL};
    tp_status status = put_operation(&body, clauses, count, timeout_ms != 0);
    if (status == TP_OK) /* an operation that does not wait has its reply soon */
        status = ask(&pending, &body, timeout_ms > 0 ? tp__deadline_ns(timeout_ms) : TP__NEVER);
    tp__buffer_free(&body);
    if (status == TP_OK)
        status = pending.reply ? finish(&pending, clauses, count, chosen) : orphaned();
    tp__free(pending.reply);
    for (size_t i = 0; i < count && status != TP_OK; i++)
        if (!clauses[i].send)
            memset(clauses[i].data.out, 0, clauses[i].size);
    return status;
}

/* What has a channel, perhaps a capacity, and a status as its reply. Stores what follows the status. */
static tp_status ask_simply(enum tp__channel_action action, const tp_channel *channel, const uint64_t *capacity,
                            uint64_t *answer)
{
    struct tp__buffer body = {.bytes = NULL};
    struct pending pending = {.reply = NULL};
    tp_status status = TP_OK;
    if (!put_byte(&body, action) || !put_channel(&body, channel) ||
        (capacity && !(put_byte(&body, 1) && tp__buffer_append(&body, capacity, sizeof *capacity))))
        status = tp__fail_nomem("a channel operation");
    if (status == TP_OK)
        status = ask(&pending, &body, TP__NEVER);
    tp__buffer_free(&body);
    if (status == TP_OK && !pending.reply)
        status = orphaned();
    if (status == TP_OK) {
        struct tp__reader reader = tp__reader_of(pending.reply, pending.reply_size);
        status = (tp_status)tp__get_u32(&reader);
        (void)tp__get_bytes(&reader, 9);
        if (answer)
            *answer = tp__get_u64(&reader);
    }
    tp__free(pending.reply);
    return status;
}

tp_status tp__uplink_close_channel(struct tp__remote *remote, tp_channel *channel)
{
    (void)remote;
    return ask_simply(TP__CHANNEL_CLOSE, channel, NULL, NULL);
}

size_t tp__uplink_channel_size(struct tp__remote *remote, const tp_channel *channel)
{
    (void)remote;
    uint64_t size = 0;
    return ask_simply(TP__CHANNEL_SIZE, channel, NULL, &size) == TP_OK ? (size_t)size : 0;
}

tp_status tp__uplink_open_channel(struct tp__remote *remote, tp_channel *channel, size_t capacity)
{
    (void)remote;
    const uint64_t wanted = capacity;
    const tp_status status = ask_simply(TP__CHANNEL_OPEN, channel, &wanted, NULL);
    if (status == TP_E_ARGUMENT)
        return tp__fail(status, "tp_pool_channel_with: channel \"%s\" exists with another capacity than %zu",
                        tp_channel_name(channel), capacity);
    if (status == TP_E_LIMIT)
        return tp__fail(status, "tp_pool_channel_with: a capacity of %zu is too large", capacity);
    return status;
}
