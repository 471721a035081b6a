/* SPDX-License-Identifier: MIT */
/** @file
 * Text for people: what came over the wire made harmless for a terminal, and numbers in few characters.
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum { TEXT_BYTES = 512 };

/** A piece of text by value. */
struct text {
    char bytes[TEXT_BYTES];
};

/** Control characters become blanks, what is not UTF-8 becomes "?"; cut if it is too long. */
struct text text_clean(const char *from);
struct text text_count(uint64_t count);
struct text text_rate(double per_second); /**< "0", "0.4", "1234" */
struct text text_bytes(uint64_t bytes);   /**< "17 B", "1.2 MiB" */
struct text text_duration(uint64_t ms);   /**< "12 s", "2 h 13 min" */

#endif
