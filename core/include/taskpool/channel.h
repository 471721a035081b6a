/* SPDX-License-Identifier: MIT */
/** @file
 * Channels: typed messages between tasks, green threads and OS threads.
 *
 * Many senders, many receivers; each message reaches exactly one receiver; the messages of one sender arrive in order.
 * A channel without capacity never makes a sender wait; a bounded one that is full parks its senders. Messages are
 * copied. An integer or float is received into a wider type without loss; any other mismatch is TP_E_TYPE and the
 * message stays.
 *
 * Every function here may be called from any OS thread and any green thread, of any pool or none.
 *
 * In a cluster the named channels live with the program that opened the pool. Inside a task there each operation is a
 * round trip to it: tp_try_send, tp_try_recv, tp_channel_size and tp_channel_close yield then, too.
 */
#ifndef TASKPOOL_CHANNEL_H
#define TASKPOOL_CHANNEL_H

#include <taskpool/promise.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef struct tp_channel tp_channel;

/** Opens a channel without a name; `capacity` 0 means unbounded. The caller owns it: tp_channel_release. NULL on
 *  TP_E_NOMEM, TP_E_LIMIT (more than 2^31). Nothing of that size is allocated before it is needed. Such a channel
 *  cannot be captured by a closure: name one with tp_pool_channel. */
tp_channel *tp_channel_open(size_t capacity) __attribute__((warn_unused_result));

/** Closes the channel and wakes everyone who waits: senders get TP_E_CLOSED; receivers get what was sent before, then
 *  TP_E_CLOSED. A second close does nothing. TP_E_ARGUMENT for NULL. */
tp_status tp_channel_close(tp_channel *channel);

/** Closes a channel made by tp_channel_open and frees it. Nobody may be waiting on it or use it afterwards. Must not be
 *  called on a pool's named channel (ignored there: the pool owns it). NULL is allowed. */
void tp_channel_release(tp_channel *channel);

/** The number of messages that wait to be received; 0 for NULL. */
size_t tp_channel_size(const tp_channel *channel);

/** The name of a pool's channel, "" for one made by tp_channel_open. */
const char *tp_channel_name(const tp_channel *channel);

/** tp_status tp_send(tp_channel *channel, value): sends a copy of the value, whose type is that of the expression (an
 *  integer literal is an int: `(int64_t)42`). Waits while a bounded channel is full. TP_OK, TP_E_CLOSED,
 *  TP_E_CANCELLED, TP_E_ARGUMENT (a NULL channel, a value that holds a channel without a name), TP_E_LIMIT (more than
 *  16 MiB), TP_E_NOMEM. Yields if it must wait. */
#define tp_send(channel, ...) TP__SEND(TP__UNIQUE, channel, (__VA_ARGS__), TP_FOREVER)
/** The same without waiting: TP_E_FULL. Does not yield (but see above). */
#define tp_try_send(channel, ...) TP__SEND(TP__UNIQUE, channel, (__VA_ARGS__), 0)
/** The same with a time limit in milliseconds: TP_E_TIMEOUT. A value with commas goes in parentheses. */
#define tp_send_for(channel, value, timeout_ms) TP__SEND(TP__UNIQUE, channel, value, timeout_ms)

/** tp_status tp_recv(tp_channel *channel, type *out): takes the oldest message; waits while there is none. TP_OK,
 *  TP_E_CLOSED (closed and empty), TP_E_TYPE (the message stays), TP_E_CANCELLED, TP_E_ARGUMENT, TP_E_NOMEM. `*out` is
 *  zero after a failure. Yields if it must wait. */
#define tp_recv(channel, out) TP__RECV(TP__UNIQUE, channel, out, TP_FOREVER)
/** The same without waiting: TP_E_EMPTY. Does not yield (but see above). */
#define tp_try_recv(channel, out) TP__RECV(TP__UNIQUE, channel, out, 0)
/** The same with a time limit in milliseconds: TP_E_TIMEOUT. */
#define tp_recv_for(channel, out, timeout_ms) TP__RECV(TP__UNIQUE, channel, out, timeout_ms)

/* Behind tp_send, tp_try_send, tp_send_for: copies `size` bytes of that kind. timeout_ms 0: try (TP_E_FULL). */
tp_status tp__send(tp_channel *channel, const void *message, tp_kind kind, size_t size, int64_t timeout_ms);
/* Behind tp_recv, tp_try_recv, tp_recv_for. timeout_ms 0: try (TP_E_EMPTY). `out` is zero after a failure. */
tp_status tp__recv(tp_channel *channel, void *out, tp_kind kind, size_t size, int64_t timeout_ms);

/** One of the operations that tp_select chooses from; made by tp_case_recv and tp_case_send. */
typedef struct tp_select_case {
    tp_channel *channel;
    void *data; /**< received into, or sent from */
    size_t size;
    tp_kind kind;
    bool send;
    tp_status status; /**< of the chosen case: TP_OK, TP_E_CLOSED or TP_E_TYPE */
} tp_select_case;

/** A case that receives into `out`, the address of a variable. */
#define tp_case_recv(channel, out) TP__CASE_RECV(TP__UNIQUE, channel, out)
/** A case that sends `value`, which is evaluated here and lives until the end of the enclosing block. */
#define tp_case_send(channel, ...) TP__CASE_SEND(TP__UNIQUE, channel, (__VA_ARGS__))

/** Waits until one of the operations can be done, does exactly one, and stores its index in `*chosen`. Among several
 *  that are possible it starts looking at a case that differs from call to call. Returns the status of that case, or
 *  TP_E_TIMEOUT (0 ms: nothing was possible at once), TP_E_CANCELLED, TP_E_ARGUMENT (no case, a NULL channel, more than
 *  64 cases), TP_E_NOMEM, TP_E_UNSUPPORTED (inside a task on a cluster: some of the channels are the pool's, and some
 *  are the task's own). Yields. */
tp_status tp_select(tp_select_case *cases, size_t count, int64_t timeout_ms, size_t *chosen);

#pragma GCC visibility pop

#define TP__SEND(name, channel, value, timeout_ms) \
    TP__WITH_MESSAGE(name, "a message", value, tp__send((channel), TP__MESSAGE_ARGUMENTS(name), (timeout_ms)))
#define TP__RECV(name, channel, out, timeout_ms) \
    TP__WITH_OUTPUT(name, "tp_recv", out, tp__recv((channel), TP__OUTPUT_ARGUMENTS(name), (timeout_ms)))
#define TP__CASE_RECV(name, channel, out) \
    TP__WITH_OUTPUT(name, "tp_case_recv", out, TP__CASE_OF_OUTPUT(name, (channel)))
#define TP__CASE_SEND(name, channel, value) TP__CASE_OF_MESSAGE(name, (channel), value)

#ifdef __cplusplus
}
#endif
#endif
