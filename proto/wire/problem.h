/* SPDX-License-Identifier: MIT */
/** @file
 * Why something failed, in words: filled by the one call that also says that it failed. proto/ stands below the library
 * and cannot use its error records.
 */
#ifndef TP_PROTO_PROBLEM_H
#define TP_PROTO_PROBLEM_H

#include <stdbool.h>
#include <taskpool/status.h>

enum { TP__PROBLEM_BYTES = 1024 };

struct tp__problem {
    tp_status status;
    char text[TP__PROBLEM_BYTES]; /**< what happened, to what, what to do; no line end; cut if too long */
};

/** Fills it and returns false. `problem` may be NULL. */
bool tp__problem_set(struct tp__problem *problem, tp_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

/** The same with ": " and errno's text behind the message. */
bool tp__problem_errno(struct tp__problem *problem, tp_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));

#endif
