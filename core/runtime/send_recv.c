/* SPDX-License-Identifier: MIT */
/*
 * Design notes. The common cases, an integer into or out of the queue or to one who waits, are written out in tp__send
 * and tp__recv: one lock, no allocation. Everything else goes through a clause.
 *
 * Nothing of a channel is touched after its lock has been let go: who received the last message may free it at once.
 * Nothing is allocated, freed or woken while the lock is held.
 */
#include "base/alloc.h"
#include "base/context.h"
#include "base/error.h"
#include "closure/payload.h"
#include "runtime/clause.h"
#include "runtime/proxy.h"

/* A wait for one operation. */
struct single {
    struct tp__wait wait;
    struct tp__clause clause;
};

static bool withdraw_single(struct tp__wait *wait)
{
    struct single *single = (struct single *)(void *)((char *)wait - offsetof(struct single, wait));
    return tp__clause_withdraw(&single->clause);
}

static tp_status enlist_and_park(struct single *single, int64_t timeout_ms)
{
    tp__clause_enlist(&single->clause);
    return tp__wait_park(&single->wait, tp__deadline_ns(timeout_ms), TP__WAIT_CANCELLABLE);
}

/* With a deadline, and on an OS thread, the channel may be freed by the time the waiter looks at it again: it keeps it.
 * (Only a cancellation makes any other task look again: see tp__clauses_close.) */
static tp_status park_and_keep(struct single *single, int64_t timeout_ms)
{
    tp_channel *channel = tp__channel_retain(single->clause.channel);
    const tp_status status = enlist_and_park(single, timeout_ms);
    tp__channel_unref(channel);
    return status;
}

/* Does the operation, or waits until it is done. */
static __attribute__((noinline)) tp_status operate(struct single *single, int64_t timeout_ms)
{
    struct tp__clause *clause = &single->clause;
    const char *function = clause->send ? "tp_send" : "tp_recv";
    const char *name = tp__channel_lasting_name(clause->channel);
    const bool is_task = tp__context_is_task();
    tp_status status = TP_OK;
    if (clause->channel->elsewhere)
        return tp__proxy_operate(clause, timeout_ms, name, function);
    for (bool bound = false;; bound = true) {
        if (tp__clause_lock(clause, timeout_ms != 0)) {
            tp__clause_perform(clause);
            return tp__clause_finish(clause, name, function);
        }
        if (clause->status == TP_E_NOMEM)
            return tp__clause_finish(clause, name, function);
        if (timeout_ms == 0) {
            tp__clause_unlock(clause);
            clause->status = clause->send ? TP_E_FULL : TP_E_EMPTY;
            return tp__clause_finish(clause, name, function);
        }
        if (bound)
            break;
        if (is_task) {
            status = tp__wait_init(&single->wait, withdraw_single);
            if (status != TP_OK)
                tp__clause_unlock(clause);
            break;
        }
        tp__clause_unlock(clause); /* the first wait of an OS thread allocates: not under the lock */
        status = tp__wait_init(&single->wait, withdraw_single);
        if (status != TP_OK)
            break;
    }
    if (status == TP_OK)
        status = is_task && timeout_ms < 0 ? enlist_and_park(single, timeout_ms) : park_and_keep(single, timeout_ms);
    if (status == TP_OK)
        return tp__clause_finish(clause, name, function);
    if (!clause->send)
        memset(clause->data.out, 0, clause->size);
    return status;
}

static __attribute__((noinline)) tp_status send_slowly(tp_channel *channel, union tp__content content, tp_kind kind,
                                                       size_t size, int64_t timeout_ms)
{
    struct single single;
    single.clause = (struct tp__clause){.channel = channel,
                                        .wait = &single.wait,
                                        .data.content = content,
                                        .size = (uint32_t)size,
                                        .kind = (uint8_t)kind,
                                        .send = true};
    return operate(&single, timeout_ms);
}

/* `content` is packed; it is the channel's when the result is TP_OK. */
static inline tp_status send_packed(tp_channel *channel, union tp__content content, tp_kind kind, size_t size,
                                    int64_t timeout_ms)
{
    tp__channel_lock(channel);
    if (tp__likely(!channel->closed)) {
        if (channel->receivers.first) {
            struct tp__clause *receiver = tp__clause_of(channel->receivers.first);
            if (tp__likely(!receiver->select && receiver->kind == kind && receiver->size == size &&
                           !tp__wait_is_stopping(receiver->wait))) {
                tp__wait_list_remove(&channel->receivers, &receiver->link);
                tp__clause_deliver(receiver, size, content);
                receiver->status = TP_OK;
                tp__spinlock_unlock(&channel->lock);
                tp__wait_wake(receiver->wait);
                return TP_OK;
            }
        } else if (tp__likely(
                       tp__message_queue_is_fit(&channel->queue) &&
                       (channel->capacity == 0 || tp__message_queue_count(&channel->queue) < channel->capacity))) {
            tp__message_queue_push(&channel->queue, kind, size, content);
            tp__spinlock_unlock(&channel->lock);
            return TP_OK;
        }
    }
    tp__spinlock_unlock(&channel->lock);
    return send_slowly(channel, content, kind, size, timeout_ms);
}

/* A value that owns something, or a large one. */
static __attribute__((noinline)) tp_status send_value(tp_channel *channel, const void *message, tp_kind kind,
                                                      size_t size, int64_t timeout_ms)
{
    alignas(8) unsigned char loose[TP__MESSAGE_INLINE_BYTES];
    union tp__content content = {.block = NULL};
    tp_status status = tp__message_pack(tp_channel_name(channel), kind, size, message, loose, &content);
    if (status != TP_OK)
        return status;
    status = send_packed(channel, content, kind, size, timeout_ms);
    if (status != TP_OK)
        tp__message_drop(kind, size, content);
    return status;
}

static __attribute__((cold, noinline)) tp_status argument_missing(const char *function, bool channel_missing)
{
    return tp__fail(TP_E_ARGUMENT,
                    channel_missing ? "%s: the channel is NULL" : "%s: the pointer to the message is NULL", function);
}

tp_status tp__send(tp_channel *channel, const void *message, tp_kind kind, size_t size, int64_t timeout_ms)
{
    if (tp__unlikely(!channel || !message))
        return argument_missing("tp_send", !channel);
    if (tp__unlikely(tp__kind_is_counted(kind) || tp__message_is_boxed(size)))
        return send_value(channel, message, kind, size, timeout_ms);
    return send_packed(channel, (union tp__content){.bytes = message}, kind, size, timeout_ms);
}

/* Field by field: a struct that is put together elsewhere and copied would be read before its fields have reached
 * memory. */
static inline void init_receive(struct single *single, tp_channel *channel, void *out, tp_kind kind, size_t size)
{
    struct tp__clause *clause = &single->clause;
    clause->link.prev = NULL;
    clause->channel = channel;
    clause->wait = &single->wait;
    clause->select = NULL;
    clause->data.out = out;
    clause->block = NULL;
    clause->size = (uint32_t)size;
    clause->kind = (uint8_t)kind;
    clause->status = TP_OK;
    clause->send = false;
    clause->kept = false;
}

/* Lock held. */
static __attribute__((noinline)) tp_status receive_slowly(tp_channel *channel, void *out, tp_kind kind, size_t size,
                                                          int64_t timeout_ms)
{
    tp__spinlock_unlock(&channel->lock);
    if (size > TP__MESSAGE_LIMIT_BYTES)
        return tp__fail(TP_E_LIMIT, "tp_recv: a message of %zu bytes is larger than the limit of %d", size,
                        (int)TP__MESSAGE_LIMIT_BYTES);
    struct single single;
    init_receive(&single, channel, out, kind, size);
    return operate(&single, timeout_ms);
}

static __attribute__((noinline, cold)) tp_status finish_receive(struct single *single, tp_status status,
                                                                const char *name)
{
    if (status == TP_OK)
        return tp__clause_finish(&single->clause, name, "tp_recv");
    memset(single->clause.data.out, 0, single->clause.size);
    return status;
}

/* Lock held, the channel empty. What a task does that waits for an integer without a limit is here, in one frame: each
 * return after a switch is mispredicted. */
static TP__HOT __attribute__((noinline)) tp_status receive_later(tp_channel *channel, void *out, tp_kind kind,
                                                                 size_t size, int64_t timeout_ms)
{
    if (tp__unlikely(channel->closed || timeout_ms >= 0 || !tp__context_is_task() || size > TP__MESSAGE_LIMIT_BYTES))
        return receive_slowly(channel, out, kind, size, timeout_ms);
    struct single single;
    const char *name = tp__channel_lasting_name(channel);
    init_receive(&single, channel, out, kind, size);
    tp_status status = tp__wait_init(&single.wait, withdraw_single);
    if (tp__unlikely(status != TP_OK)) {
        tp__spinlock_unlock(&channel->lock);
        return finish_receive(&single, status, name);
    }
    tp__wait_list_append(&channel->receivers, &single.clause.link);
    tp__spinlock_unlock(&channel->lock);
    status = tp__wait_park(&single.wait, TP__NEVER, TP__WAIT_CANCELLABLE);
    if (tp__unlikely(status != TP_OK || single.clause.status != TP_OK || tp__kind_is_counted(kind) ||
                     tp__message_is_boxed(size)))
        return finish_receive(&single, status, name);
    return TP_OK;
}

tp_status tp__recv(tp_channel *channel, void *out, tp_kind kind, size_t size, int64_t timeout_ms)
{
    if (tp__unlikely(!channel || !out)) {
        if (out)
            memset(out, 0, size);
        return argument_missing("tp_recv", !channel);
    }
    tp__channel_lock(channel);
    if (tp__message_queue_count(&channel->queue) == 0)
        return receive_later(channel, out, kind, size, timeout_ms);
    const struct tp__message *message = tp__message_queue_front(&channel->queue);
    if (tp__unlikely(message->kind != kind || message->size != size || tp__message_is_boxed(size)))
        return receive_slowly(channel, out, kind, size, timeout_ms);
    tp__message_copy_bytes(out, message->in.bytes, size);
    struct tp__message_ring *retired = tp__message_queue_pop(&channel->queue);
    struct tp__clause *sender = channel->senders.first ? tp__clause_refill(channel) : NULL;
    tp__spinlock_unlock(&channel->lock);
    if (tp__unlikely(retired != NULL))
        tp__message_rings_free(retired);
    if (sender)
        tp__clause_wake(sender);
    return tp__likely(!tp__kind_is_counted(kind)) ? TP_OK : tp__value_give(kind, size, out);
}
