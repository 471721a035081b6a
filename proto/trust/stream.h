/* SPDX-License-Identifier: MIT */
/** @file
 * A stream: records between a driver and one incarnation of a node, in order, exactly once, sealed against the
 * coordinator in between, kept until the other end has acknowledged them. One end of it; no sockets, no clock.
 *
 * A frame's plaintext is: u64 the position up to which this end has received, then records. Data frames are numbered
 * from 1. At most two are unacknowledged, or as many small ones as have TP__STREAM_WINDOW_BYTES together; what is
 * appended meanwhile joins the next. An acknowledgement alone has a number of its own and is never acknowledged. The
 * nonce is (u32 0 data or 1 acknowledgement, u64 number); the associated data are session and incarnation.
 * ChaCha20-Poly1305 (IETF).
 */
#ifndef TP_PROTO_STREAM_H
#define TP_PROTO_STREAM_H

#include "trust/offer.h"
#include "wire/record.h"

struct tp__stream;

enum {
    TP__STREAM_FRAME_BYTES = TP__PART_BYTES + (4 << 10), /**< plaintext at most: records are never split over frames */
    TP__STREAM_SEALED_LIMIT_BYTES = TP__STREAM_FRAME_BYTES + 16, /**< with its tag */
    TP__STREAM_WINDOW_BYTES = 4096 /**< sealed: a third frame leaves only while fewer are unacknowledged */
};

/** NULL without memory. The keys are copied. */
struct tp__stream *tp__stream_new(const struct tp__stream_keys *keys, const struct tp__id *session,
                                  const struct tp__id *incarnation);
void tp__stream_free(struct tp__stream *stream); /**< wipes the keys; NULL is allowed */

/** Appends a record to what is to be sent. False without memory. */
bool tp__stream_append(struct tp__stream *stream, const struct tp__record *record) __attribute__((warn_unused_result));
/** Records that are ready in their layout, whole ones. */
bool tp__stream_append_raw(struct tp__stream *stream, const uint8_t *records, size_t size)
    __attribute__((warn_unused_result));

/** Bytes that wait to be sent or acknowledged: what the caller bounds. */
size_t tp__stream_unacknowledged(const struct tp__stream *stream);

struct tp__sealed {
    uint64_t position;
    bool acknowledgement;
    const uint8_t *bytes; /**< valid until the next call for this stream */
    size_t size;
};
/** The next frame to send, if there is one now: a frame of what was appended, one that must be sent again, or an
 *  acknowledgement that is due. Call until false, after every event. */
bool tp__stream_next(struct tp__stream *stream, struct tp__sealed *frame);
/** The path has broken: everything unacknowledged is sent again, and an acknowledgement too. */
void tp__stream_resend(struct tp__stream *stream);

enum tp__stream_verdict {
    TP__STREAM_FRESH,   /**< a data frame: its records are at `*records` */
    TP__STREAM_NOTHING, /**< an acknowledgement, or a data frame that was received before */
    TP__STREAM_GAP,     /**< a data frame further ahead than this end can take: one before it was lost; or there is
                              *   no memory to open it. The path must be made anew, so that it is sent again */
    TP__STREAM_FORGED   /**< it does not open, or what it says cannot be */
};
/** Opens a frame. `*records` points to memory of the stream, valid until the next call. Decides nothing about forged
 *  ones but that they have no effect. */
enum tp__stream_verdict tp__stream_receive(struct tp__stream *stream, uint64_t position, bool acknowledgement,
                                           const uint8_t *sealed, size_t size, struct tp__reader *records);

#endif
