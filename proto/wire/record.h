/* SPDX-License-Identifier: MIT */
/** @file
 * Records: what is said about one task between its driver, the node's agent and the worker process. They travel back to
 * back in the sealed frames of a stream, and between agent and worker process over a socket pair.
 *
 *     u8 type, u8 flags, u32 size of the body; as numbers (wire/bytes.h): task (its sequence), dispatch, and operation
 *     if NUMBERED says that it is not 0; body
 *
 * `operation` numbers what a task asks for and gets an answer to: a channel operation, a child. It is unique among the
 * open operations of (task, dispatch). A body longer than TP__PART_BYTES travels as several records of the same type,
 * task, dispatch and operation, all but the last with TP__RECORD_MORE; other records may come in between.
 */
#ifndef TP_PROTO_RECORD_H
#define TP_PROTO_RECORD_H

#include "wire/bytes.h"
#include "wire/names.h"

#include <taskpool/status.h>

enum {
    TP__RECORD_HEADER_LEAST_BYTES = 8,
    TP__RECORD_HEADER_LIMIT_BYTES = 6 + TP__NUMBER_64_BYTES + 2 * TP__NUMBER_32_BYTES,
    TP__RECORD_MORE = 1,
    TP__RECORD_NUMBERED = 2 /**< there is an operation; only in the layout, not in struct tp__record */
};

/* A value: the encoding of core/closure/codec.h. A text: u32 length, bytes. A channel: u8 length of its name, name. */
enum tp__record_type {
    /* worker -> agent -> driver */
    TP__RECORD_RESULT = 1,    /**< a value */
    TP__RECORD_FAILURE = 2,   /**< u32 tp_status, u32 worker + 1, texts: message, task name, backtrace; and the
                                   node's name if it is another one's */
    TP__RECORD_RETURNED = 3,  /**< has not started and will not here: u8 tp__returned, text reason */
    TP__RECORD_OPERATION = 4, /**< a channel operation: see tp__channel_action */
    TP__RECORD_WITHDRAW = 5,  /**< give the operation up if it still waits: its reply says which */
    TP__RECORD_CONFIRM = 6,   /**< the task has taken the message of this operation */
    TP__RECORD_CHILD = 7, /**< u32 task index, u64 timeout_ms (0: none), u32 max_attempts (0: default), u32 leaf flags
                               (AT_MOST_ONCE, ISOLATED), u32 worker + 1 (0: not pinned), u32 stack_kib, then its
                               closure's encoding */
    TP__RECORD_CHILD_CANCEL = 8, /**< of the child that this operation asked for */
    TP__RECORD_OUTPUT = 9, /**< u8 descriptor (1 or 2), u32 bytes dropped before these, the bytes; task 0: unknown */
    /* agent -> driver */
    TP__RECORD_CLAIM = 16,   /**< may this at-most-once task start here? */
    TP__RECORD_CRASHED = 17, /**< its process died: u8 tp__crash_role, u8 1 if it was alone there; then as FAILURE */
    TP__RECORD_HELD = 18,    /**< u64 nonce; then for each task that is here: u64 sequence, u32 dispatch, u8 tp__held */
    /* driver -> agent */
    TP__RECORD_OPEN =
        32, /**< the first in its direction: u32 number of the node's first worker in the session; the agent
                               passes it on to processes that run already */
    TP__RECORD_GRANT = 33,
    TP__RECORD_REFUSE = 34,    /**< the claim: the agent forgets the task */
    TP__RECORD_RECONCILE = 35, /**< u64 nonce: answer with HELD */
    TP__RECORD_TICK = 36,      /**< the driver lives */
    /* driver -> agent -> worker */
    TP__RECORD_CANCEL = 40, /**< stop it; nothing of it is of interest any more, and no answer is sent */
    TP__RECORD_REPLY = 41,  /**< of an operation: u32 tp_status, u32 index of the chosen case, u8 kind and u32 size of
                                 the message that was found, then the value if one was received, or a u64 (SIZE) */
    TP__RECORD_CHILD_RESULT = 42,  /**< as RESULT; task, dispatch: the parent's; operation: the child */
    TP__RECORD_CHILD_FAILURE = 43, /**< as FAILURE, and a text behind it: the node's name */
    /* agent -> worker only */
    TP__RECORD_TASK = 64,      /**< u32 leaf flags, u32 depth, u32 worker + 1, u32 stack_kib; the closure's encoding */
    TP__RECORD_GIVE_BACK = 65, /**< u32 count: return that many tasks that have not started, the last received first */
    TP__RECORD_STOP = 66,      /**< no more tasks come: end once those here have ended */
    /* worker -> agent only */
    TP__RECORD_READY = 80 /**< u32 TP__PROTOCOL_VERSION, u32 number of tasks, then their names as texts */
};

enum tp__returned {
    TP__RETURNED_RECALLED = 1,  /**< the coordinator or an operator wanted it back; or its process crashed unstarted */
    TP__RETURNED_STALE = 2,     /**< of a batch that is too old, or seen already: sign it anew */
    TP__RETURNED_REFUSED = 3,   /**< the signature, the proof or the payload's hash is wrong */
    TP__RETURNED_UNREADABLE = 4 /**< the worker cannot decode it: final, `reason` says why */
};

enum tp__crash_role {
    TP__CRASH_SUSPECT = 1,  /**< it was current on a thread of the process */
    TP__CRASH_BYSTANDER = 2 /**< it had started, and was parked */
};

enum tp__held { TP__HELD_QUEUED = 1, TP__HELD_CLAIMED = 2, TP__HELD_RUNNING = 3, TP__HELD_FINISHED = 4 };

/** The body of TP__RECORD_OPERATION: u8 action, then as said here. `kind` is u8 tp_kind, `size` u32: the C type. */
enum tp__channel_action {
    TP__CHANNEL_SEND = 1,    /**< channel, u8 1 to wait or 0 to try, kind, size, the value's encoding */
    TP__CHANNEL_RECEIVE = 2, /**< channel, u8 wait, kind, size */
    TP__CHANNEL_SELECT = 3,  /**< u8 wait, u8 count; each: u8 1 to send or 0, channel, kind, size, and for a send u32
                                  length and the value's encoding */
    TP__CHANNEL_CLOSE = 4,   /**< channel */
    TP__CHANNEL_OPEN = 5,    /**< channel, u8 1 if a capacity is wanted, u64 capacity */
    TP__CHANNEL_SIZE = 6     /**< channel */
};

struct tp__record {
    uint8_t type;
    uint8_t flags;
    uint32_t dispatch;
    uint32_t operation;
    uint64_t task;
    const uint8_t *body; /**< points into what was read */
    uint32_t size;
};

/** Bytes that the record takes if it is not cut into parts. */
size_t tp__record_size(const struct tp__record *record);
/** Appends a record, in parts if need be. False without memory: then nothing has changed. */
bool tp__record_append(struct tp__buffer *buffer, const struct tp__record *record) __attribute__((warn_unused_result));
/** The same with a body that is `head`, of at most TP__PART_BYTES, and behind it the record's. */
bool tp__record_append_headed(struct tp__buffer *buffer, const struct tp__record *record, const uint8_t *head,
                              uint32_t head_size) __attribute__((warn_unused_result));

enum tp__record_next { TP__RECORD_FOUND, TP__RECORD_INCOMPLETE, TP__RECORD_MALFORMED };
/** Reads the next record and moves the reader behind it. INCOMPLETE: the rest has not come yet (nothing was moved). A
 *  body longer than TP__PART_BYTES, an unknown flag, a number that is longer than it need be or too large, and an
 *  operation 0 are MALFORMED, as soon as they are there. */
enum tp__record_next tp__record_read(struct tp__reader *reader, struct tp__record *record);

/** Puts records that travel in parts together again. Zero it to begin with. It holds at most `limit_bytes` in all. */
struct tp__assembly {
    struct tp__assembly_part *parts;
    size_t held_bytes;
    size_t limit_bytes;
};
/** True if `record` is complete now: then its body is whole, and valid until the next call. False: more parts are to
 *  come, or `*status` says why it cannot be (TP_E_LIMIT: past TP__PAYLOAD_LIMIT_BYTES and a bit, or past the limit;
 *  TP_E_NOMEM). A record without MORE and without earlier parts passes without a copy. */
bool tp__assembly_add(struct tp__assembly *assembly, struct tp__record *record, tp_status *status);
/** Forgets the parts of a task's attempt. */
void tp__assembly_forget(struct tp__assembly *assembly, uint64_t task, uint32_t dispatch);
void tp__assembly_free(struct tp__assembly *assembly);

/* ---- texts and errors in bodies ---- */

bool tp__put_text(struct tp__buffer *buffer, const char *text, size_t size) __attribute__((warn_unused_result));
/** A text, not 0-terminated. */
const char *tp__get_text(struct tp__reader *reader, size_t *size);

#endif
