/* SPDX-License-Identifier: MIT */
/** @file
 * A link: numbered frames between a peer and the coordinator. One end of it; no sockets, no clock of its own.
 *
 * ZeroMQ loses what is under way when a connection breaks, and says nothing: frames are numbered, and a gap breaks the
 * link. Each end keeps at most 2 MiB of bulk under way and sends control before bulk before programs. A link never
 * recovers: the peer makes a new one (a new socket), says Hello, and both reconcile (docs/protocol.md).
 */
#ifndef TP_PROTO_LINK_H
#define TP_PROTO_LINK_H

#include "wire/frame.h"

#include <stdint.h>

struct tp__link;

enum tp__lane { TP__LANE_CONTROL, TP__LANE_BULK, TP__LANE_PROGRAM, TP__LANES };

enum {
    TP__LINK_WINDOW_BYTES = 2 << 20, /**< of bulk and programs under way */
    TP__LARGE_FRAME_BYTES = 4096,    /**< from here on a copy costs more than what spares it */
    TP__HEARTBEAT_MS = 300,
    TP__SILENT_MS = 1000,
    TP__LOST_MS = 3000
};

struct tp__link_events {
    /** Hands a packed frame to the socket. Must not call back. */
    void (*transmit)(void *context, const uint8_t *bytes, size_t size);
    /** The same for a frame from TP__LARGE_FRAME_BYTES on, to spare a copy of it: takes over `block`, which is from
     *  malloc and holds the bytes. NULL: those go to `transmit` as well. */
    void (*transmit_block)(void *context, void *block, const uint8_t *bytes, size_t size);
    /** A frame arrived in order; never a Heartbeat. It is freed after the call, and its large fields lie in the message
     *  that came. The link may be freed in the call. */
    void (*received)(void *context, const Taskpool__Frame *frame);
    /** A gap, a malformed frame, a Reset: nothing more goes either way. Once. The link may be freed in the call. */
    void (*broken)(void *context, const char *reason);
    void *context;
};

/** NULL without memory. */
struct tp__link *tp__link_new(const struct tp__link_events *events, int64_t now_ms);
void tp__link_free(struct tp__link *link);

/** Queues a frame and sends what the window allows. The frame is packed at once, and numbered when it leaves (its
 *  `number` and `received` are cleared here). False without memory, when the link is broken, and for a frame that the
 *  other end would have to refuse: one without a body, or longer than TP__FRAME_LIMIT_BYTES. */
bool tp__link_send(struct tp__link *link, enum tp__lane lane, Taskpool__Frame *frame);
/** Bytes that wait in a lane, not those under way: what senders of bulk look at before they send more. */
size_t tp__link_queued(const struct tp__link *link, enum tp__lane lane);
/** A frame of bulk would leave at once: nothing that is sent after it can pass it. */
bool tp__link_is_open(const struct tp__link *link);

/** A message came out of the socket. */
void tp__link_receive(struct tp__link *link, const uint8_t *bytes, size_t size, int64_t now_ms);
/** Sends a heartbeat or an acknowledgement that is due. Returns when it wants to be called next. */
int64_t tp__link_tick(struct tp__link *link, int64_t now_ms);
/** When something was heard last. */
int64_t tp__link_heard_ms(const struct tp__link *link);
bool tp__link_is_broken(const struct tp__link *link);

#endif
