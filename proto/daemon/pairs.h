/* SPDX-License-Identifier: MIT */
/** @file
 * "key=value key=value": what log lines say, as text. Values that hold blanks or quotes, or that a reader would take
 * for a number though they are text, stand in double quotes, with \", \\, \n, \t and \u00XX inside. Pure: state
 * machines write pairs too.
 */
#ifndef TP_PROTO_PAIRS_H
#define TP_PROTO_PAIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TP__PAIRS_BYTES = 2048 };

/** Zero it to begin with. What does not fit is left out, whole pairs at a time, and `cut` says so. */
struct tp__pairs {
    size_t length;
    bool cut;
    char text[TP__PAIRS_BYTES]; /**< always 0-terminated */
};

/** Text from anywhere: control characters are escaped, what is not UTF-8 becomes "?". NULL: nothing is added. */
void tp__pairs_add(struct tp__pairs *pairs, const char *key, const char *value);
void tp__pairs_add_number(struct tp__pairs *pairs, const char *key, int64_t value);
/** A value put together as by printf; cut at 511 bytes. */
void tp__pairs_add_format(struct tp__pairs *pairs, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Reads the next pair of a text. The key is not 0-terminated; `value` gets it without quotes and escapes. What is no
 *  pair comes as a value with an empty key. False at the end. */
struct tp__pair {
    const char *key;
    size_t key_length;
    bool quoted;
    size_t length;
    char value[TP__PAIRS_BYTES];
};
bool tp__pairs_next(const char **at, struct tp__pair *pair);

/** The length of the UTF-8 character at `text`, 1 to 4; 0 if it is none or a control character (C1 too). */
size_t tp__utf8_length(const char *text, size_t size);

#endif
