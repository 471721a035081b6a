/* SPDX-License-Identifier: MIT */
/** @file
 * What every example needs besides TaskPool: numbers from the command line, errors for people, time.
 */
#ifndef EXAMPLES_SUPPORT_H
#define EXAMPLES_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What the examples exit with. */
enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/** Prints "PROGRAM: WHAT: STATUS: message" with the last error of TaskPool, and returns EXIT_FAILED. */
int fail(const char *what);

/** Prints "PROGRAM: message", formatted as by printf, and returns EXIT_FAILED. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** A whole number from `lowest` to `highest`; with K, M or G behind it times 2^10, 2^20, 2^30. False, and `*out`
 *  unchanged, for anything else. */
bool parse_number(const char *text, uint64_t lowest, uint64_t highest, uint64_t *out);

/** A finite number from `lowest` to `highest`. False, and `*out` unchanged, for anything else. */
bool parse_real(const char *text, double lowest, double highest, double *out);

/** Seconds of a clock that never jumps. */
double now_s(void);

/** The number with a comma before every third digit. `text` is where it is put together. */
struct grouped {
    char text[32];
};
const char *grouped(uint64_t number, struct grouped *text);

#endif
