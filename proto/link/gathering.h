/* SPDX-License-Identifier: MIT */
/** @file
 * Threads that pass one message on from one to the next, gathered on one processor.
 *
 * A small task that runs alone is passed on by a dozen threads, of which never more than one has something to do. The
 * kernel prefers to wake the next one on another processor that sleeps, which costs more than the work, above all in a
 * virtual machine (30 us against 4 us on the same processor, for `write` to an eventfd; bench/README.md). So as long
 * as a task is alone its threads stay where the thread is that has submitted it. What is more than that may go to
 * every processor.
 *
 * Nothing here fails: a processor that is not allowed, or the only one, changes nothing.
 */
#ifndef TP_PROTO_GATHERING_H
#define TP_PROTO_GATHERING_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- a thread ---- */

/** Where the calling thread may run. */
struct tp__processors {
    cpu_set_t set;
};

/** Keeps the calling thread on `processor` (from 0; -1 changes nothing) until tp__processors_restore, and stores where
 *  it may run else. False: it has stayed as it was, and there is nothing to restore. What it starts meanwhile would
 *  stay there: no code of the user's runs. */
bool tp__processors_narrow(struct tp__processors *before, int processor);
/** Does nothing if somebody else has sent the thread elsewhere meanwhile. */
void tp__processors_restore(const struct tp__processors *before, int processor);

/* ---- those of a context of ZeroMQ's ---- */

/** One thread at a time uses it. */
struct tp__gathering;

/** Before the context's first socket. NULL without memory. */
struct tp__gathering *tp__gathering_new(void *zmq_context);
void tp__gathering_free(struct tp__gathering *gathering); /* NULL is allowed */

/** Brings the context's I/O threads to the processor of the calling thread, which may go on to another one. */
void tp__gathering_come(struct tp__gathering *gathering);
/** For a thread that does nothing but receive messages, with each of them (a zmq_msg_t): brings it and the I/O threads
 *  to where its sender is, if that is on this machine, else to where the network's messages come in. Scatters them if
 *  one processor would not do, or `is_alone` is false: there may be more than one task. */
void tp__gathering_follow(struct tp__gathering *gathering, void *zmq_message, bool is_alone);
/** All may run where they could before. */
void tp__gathering_scatter(struct tp__gathering *gathering);
/** Where they are; -1: anywhere. */
int tp__gathering_processor(const struct tp__gathering *gathering);
/** Where the thread that follows may run when it does not; NULL: it does not. For what it starts. */
const struct tp__processors *tp__gathering_before(const struct tp__gathering *gathering);

#endif
