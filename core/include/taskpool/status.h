/* SPDX-License-Identifier: MIT */
/** @file
 * Every status that a call of TaskPool can return, in one table.
 *
 * The numbers travel on the wire and are frozen: a new status takes the next free number.
 */
#ifndef TASKPOOL_STATUS_H
#define TASKPOOL_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

/** The table: name, number, and what the status means in one phrase. */
#define TP_STATUS_TABLE(X)                                                    \
    X(TP_OK, 0, "success")                                                    \
    X(TP_E_NOMEM, 1, "out of memory")                                         \
    X(TP_E_ARGUMENT, 2, "invalid argument")                                   \
    X(TP_E_ADDRESS, 3, "not the address of a pool")                           \
    X(TP_E_NO_INIT, 4, "tp_init was not called")                              \
    X(TP_E_SHUTDOWN, 5, "the pool is shut down")                              \
    X(TP_E_CLOSED, 6, "the channel is closed")                                \
    X(TP_E_FULL, 7, "full: the operation would have to wait")                 \
    X(TP_E_EMPTY, 8, "empty: the operation would have to wait")               \
    X(TP_E_TIMEOUT, 9, "the time ran out")                                    \
    X(TP_E_CANCELLED, 10, "cancelled")                                        \
    X(TP_E_TASK, 11, "the task raised an error")                              \
    X(TP_E_TYPE, 12, "the value has another type")                            \
    X(TP_E_DEADLOCK, 13, "the call would wait for itself")                    \
    X(TP_E_NO_POOL, 14, "no pool is set for tp_parallel_async")               \
    X(TP_E_FORKED, 15, "the pool belongs to the parent process of this fork") \
    X(TP_E_DECODE, 16, "malformed encoded data")                              \
    X(TP_E_LIMIT, 17, "a limit was reached")                                  \
    X(TP_E_UNSUPPORTED, 18, "not supported here")                             \
    X(TP_E_SYSTEM, 19, "the operating system refused")                        \
    X(TP_E_BUSY, 20, "in use")                                                \
    X(TP_E_NODE_LOST, 21, "the node that ran the task was lost")              \
    X(TP_E_SESSION_LOST, 22, "the session with the cluster was lost")         \
    X(TP_E_UNTRUSTED, 23, "the signature was refused")                        \
    X(TP_E_OVERFLOW, 24, "the value does not fit")

/** What a call returned: TP_OK (0) or the reason why it failed. */
typedef enum tp_status {
#define TP__STATUS_ENUM(name, number, text) name = number,
    TP_STATUS_TABLE(TP__STATUS_ENUM)
#undef TP__STATUS_ENUM
} tp_status;

/** The name of a status as it is written in C, such as "TP_E_TIMEOUT"; "unknown status" for any other number.
 *  The string is static. Safe from any thread. */
const char *tp_status_name(tp_status status);

/** What a status means, in one phrase, such as "the time ran out". The string is static. Safe from any thread. */
const char *tp_status_text(tp_status status);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
