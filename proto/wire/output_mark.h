/* SPDX-License-Identifier: MIT */
/** @file
 * Who wrote a line: a mark that the library puts in front of what a task writes with stdio, in the same write, and that
 * the agent takes off again. A pipe itself does not say it.
 *
 *     0x1e, 16 hexadecimal digits: the task's sequence, 8: its dispatch, 0x1f
 *
 * A process can only name tasks of its own session.
 */
#ifndef TP_PROTO_OUTPUT_MARK_H
#define TP_PROTO_OUTPUT_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TP__OUTPUT_MARK_BYTES = 26, TP__OUTPUT_MARK_BEGIN = 0x1e, TP__OUTPUT_MARK_END = 0x1f };

struct tp__output_mark {
    uint64_t task; /**< 0: unknown */
    uint32_t dispatch;
};

static inline void tp__output_mark_write(uint8_t to[TP__OUTPUT_MARK_BYTES], const struct tp__output_mark *mark)
{
    static const char digits[] = "0123456789abcdef";
    to[0] = TP__OUTPUT_MARK_BEGIN;
    for (int i = 0; i < 16; i++)
        to[1 + i] = (uint8_t)digits[mark->task >> (60 - 4 * i) & 15];
    for (int i = 0; i < 8; i++)
        to[17 + i] = (uint8_t)digits[mark->dispatch >> (28 - 4 * i) & 15];
    to[25] = TP__OUTPUT_MARK_END;
}

/** False if no whole mark begins there. */
static inline bool tp__output_mark_read(const uint8_t *at, size_t size, struct tp__output_mark *mark)
{
    if (size < TP__OUTPUT_MARK_BYTES || at[0] != TP__OUTPUT_MARK_BEGIN || at[25] != TP__OUTPUT_MARK_END)
        return false;
    uint64_t task = 0;
    uint32_t dispatch = 0;
    for (int i = 1; i < 25; i++) {
        const uint8_t digit = at[i];
        uint32_t value;
        if (digit >= '0' && digit <= '9')
            value = digit - (uint32_t)'0';
        else if (digit >= 'a' && digit <= 'f')
            value = digit - (uint32_t)'a' + 10;
        else
            return false;
        if (i < 17)
            task = task << 4 | value;
        else
            dispatch = dispatch << 4 | value;
    }
    mark->task = task;
    mark->dispatch = dispatch;
    return true;
}

#endif
