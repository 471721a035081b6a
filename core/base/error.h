/* SPDX-License-Identifier: MIT */
/** @file
 * Error records: immutable, reference-counted, shared between a rejected promise and whoever awaits it.
 *
 * A function of the library that fails does so in one line: `return tp__fail(TP_E_ARGUMENT, "tp_sleep_ms: ...")`.
 */
#ifndef TP_BASE_ERROR_H
#define TP_BASE_ERROR_H

#include <stdarg.h>
#include <taskpool/error.h>

struct tp__error_record; /* aligned to 16 bytes, so that four bits of its address are free */

/** Where an error arose. NULL strings count as "". Copied. */
struct tp__origin {
    const char *task;
    const char *node;
    int worker;
    const char *backtrace;
};

/** Stores an error in the current context and returns its status. Never fails: without memory the static record of
 *  TP_E_NOMEM is stored (and the given status still returned). */
tp_status tp__fail(tp_status status, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/** tp__fail with "WHAT: " and errno's text behind the message; takes errno as it is at the call. */
tp_status tp__fail_errno(tp_status status, const char *format, ...) __attribute__((format(printf, 2, 3), cold));
/** tp__fail(TP_E_NOMEM, ...) for `what` could not be had; allocates nothing. */
tp_status tp__fail_nomem(const char *what) __attribute__((cold));

/** A new record with one reference; on lack of memory the static record of TP_E_NOMEM. Never NULL. */
struct tp__error_record *tp__error_new(tp_status status, const struct tp__origin *origin, const char *message)
    __attribute__((cold));
struct tp__error_record *tp__error_newv(tp_status status, const struct tp__origin *origin, const char *format,
                                        va_list arguments) __attribute__((format(printf, 3, 0), cold));
struct tp__error_record *tp__error_retain(struct tp__error_record *record);
void tp__error_release(struct tp__error_record *record); /* NULL is allowed */
const tp_error *tp__error_view(const struct tp__error_record *record);

/** Makes `record` the last error of the current context (takes a reference of its own) and returns its status. */
tp_status tp__error_set(struct tp__error_record *record);

/** For work that this thread does for somebody else in between: takes the last error out (NULL: there is none), and
 *  puts it back in place of what came meanwhile. */
struct tp__error_record *tp__error_take(void) __attribute__((warn_unused_result));
void tp__error_put_back(struct tp__error_record *record);

#endif
