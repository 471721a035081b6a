/* SPDX-License-Identifier: MIT */
/** @file
 * The encoding of closures: *(task index, captured values)*, compact, versioned, length-checked.
 *
 * Both ends run the same program, so a captured struct needs no schema; every length is checked before memory is taken.
 *
 *     closure  = version, task index, captures           version: one byte; numbers without a width: LEB128, shortest
 *     message  = version, value of the kind              form, at most 32 bits
 *     captures = each parameter in order, by its kind
 *
 *     bool      one byte, 0 or 1                         str, bytes   length, then as many bytes
 *     int, uint, float   little-endian, its size         channel      length of its name (1 to 255), the name
 *     plain     its bytes, padding and all               closure      0, or 1 if it takes an argument; task index;
 *     void      nothing                                               captures (without the first if it takes one)
 *     value     one byte, its type (tp_value_type); then nothing (nil), bool, int or float of 8 bytes, str, bytes,
 *               closure, channel as above; list: count, values; map: count, then keys as str, each with a value, in
 *               strictly ascending order
 */
#ifndef TP_CLOSURE_CODEC_H
#define TP_CLOSURE_CODEC_H

#include "closure/channel_ref.h"

#include <stdint.h>
#include <taskpool/kind.h>
#include <taskpool/status.h>
#include <taskpool/value.h>

/** Nothing encoded may be longer; an error names the parameter and its size. */
enum { TP__ENCODED_LIMIT_BYTES = 16 << 20, TP__ENCODED_VERSION = 1 };

struct tp__encoded {
    uint8_t *bytes; /**< from tp__alloc: tp__encoded_free */
    size_t size;
};
void tp__encoded_free(struct tp__encoded *encoded);

/** Encodes a task and its captures. TP_E_NOMEM; TP_E_LIMIT; TP_E_ARGUMENT (the task is not in the program's table: a
 *  TP_LOCAL_TASK, one of a shared library; what tp__value_copy refuses). */
tp_status tp__closure_encode(const tp_task_definition *task, const void *captures, struct tp__encoded *out);

/** Decodes: finds the task and stores a new captures struct, loose, in memory from tp__alloc (NULL if the task has no
 *  parameters; drop it with tp__captures_drop and tp__free). TP_E_DECODE with what is wrong and where, TP_E_NOMEM. */
tp_status tp__closure_decode(const uint8_t *bytes, size_t size, struct tp__channels *channels,
                             const tp_task_definition **task, void **captures);

/** The same for one value of a kind (a result, a message). */
tp_status tp__value_encode(tp_kind kind, size_t size, const void *value, struct tp__encoded *out);
tp_status tp__value_decode(const uint8_t *bytes, size_t encoded_size, struct tp__channels *channels, tp_kind kind,
                           size_t size, void *value);

/** How many bytes the encoding takes: of a value of a kind; of a tp_value with its type; of `length` bytes with their
 *  length; of a list's or map's type and count; of a whole task (without version). */
size_t tp__encoded_value_size(tp_kind kind, size_t size, const void *value);
size_t tp__encoded_tree_size(tp_value value);
size_t tp__encoded_run_size(size_t length);
size_t tp__encoded_container_size(size_t count);
size_t tp__encoded_captures_size(const tp_task_definition *task, const void *captures, bool without_first);

/** Stores TP_E_LIMIT for captures of `total` bytes, naming the longest parameter. */
tp_status tp__captures_refuse_size(const tp_task_definition *task, const void *captures, bool without_first,
                                   size_t total) __attribute__((cold));

#endif
