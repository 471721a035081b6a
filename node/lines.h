/* SPDX-License-Identifier: MIT */
/** @file
 * What a process writes, as lines; and the last lines that it has written.
 */
#ifndef NODE_LINES_H
#define NODE_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINES_BYTES = 16 << 10, TAIL_BYTES = 8 << 10, TAIL_LINES = 20 };

/** Holds a line that has not ended yet. Zero it to begin with. */
struct lines {
    size_t size;
    uint8_t bytes[LINES_BYTES];
};

/** Where the next bytes go: at least one fits. Then say how many came. */
uint8_t *lines_room(struct lines *lines, size_t *size);
void lines_came(struct lines *lines, size_t size);
/** How many bytes at the front of `lines->bytes` are whole lines. A line that fills all of the room counts as one;
 *  `all`: so does the one that has not ended. */
size_t lines_ready(const struct lines *lines, bool all);
void lines_taken(struct lines *lines, size_t size);

/** The end of all that was written. Zero it to begin with. */
struct tail {
    size_t size; /**< of what is in the ring */
    size_t next;
    uint8_t ring[TAIL_BYTES];
};

void tail_add(struct tail *tail, const uint8_t *bytes, size_t size);
/** The last TAIL_LINES lines as a text that ends with 0; what is neither printable nor white is replaced by '?'. A line
 *  whose beginning is gone is left out, unless it is the only one; so are line ends at the end. */
void tail_text(const struct tail *tail, char text[TAIL_BYTES + 1]);

#endif
