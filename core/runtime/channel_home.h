/* SPDX-License-Identifier: MIT */
/** @file
 * Operations on channels that live here, for somebody elsewhere: like tp_send, tp_recv and tp_select, but nobody parks:
 * when the operation is done a function is called.
 */
#ifndef TP_RUNTIME_CHANNEL_HOME_H
#define TP_RUNTIME_CHANNEL_HOME_H

#include "runtime/channel.h"

struct tp__home_operation;

struct tp__home_case {
    tp_channel *channel; /**< a reference is taken */
    bool send;
    tp_kind kind;
    uint32_t size;
    const void *value; /**< to send: loose, taken over in any case (also on failure) */
};

struct tp__home_outcome {
    tp_status status; /**< TP_OK; TP_E_CLOSED, TP_E_TYPE, TP_E_FULL, TP_E_EMPTY, TP_E_NOMEM */
    size_t chosen;
    uint8_t found_kind; /**< with TP_E_TYPE: of the message that was there */
    uint32_t found_size;
    const void *value; /**< received: loose, of the case's kind and size; the operation's */
};

/** Begins an operation. `done` is called once, from any thread, perhaps before this returns, unless it is withdrawn; it
 *  must not yield nor call back into channels. NULL without memory (the error is stored; the values are dropped).
 *  `wait` false: at once or not at all. `timeout` is the caller's: tp__home_withdraw. */
struct tp__home_operation *tp__home_begin(const struct tp__home_case *cases, size_t count, bool wait,
                                          void (*done)(struct tp__home_operation *operation, void *argument),
                                          void *argument);
/** After `done`: how it ended. Valid until tp__home_end. */
const struct tp__home_outcome *tp__home_outcome(const struct tp__home_operation *operation);

/** Takes it back: true if it had not been done; then `done` will not be called. False: it was, or is being, called. */
bool tp__home_withdraw(struct tp__home_operation *operation);
/** Puts a received message back to the front of its channel (or hands it to who waits there). It is lost only if the
 *  channel is closed and nobody can receive it. TP_E_NOMEM: nothing has changed. */
tp_status tp__home_put_back(struct tp__home_operation *operation);
/** Frees an operation that is done or withdrawn, with a received message that it still has. */
void tp__home_end(struct tp__home_operation *operation);

#endif
