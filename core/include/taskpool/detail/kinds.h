/* SPDX-License-Identifier: MIT */
/** @file
 * From a C type to its tp_kind, when compiling. Internal.
 */
#ifndef TASKPOOL_DETAIL_KINDS_H
#define TASKPOOL_DETAIL_KINDS_H

#include <taskpool/closure.h>
#include <taskpool/detail/count.h>
#include <taskpool/value.h>

typedef struct tp_channel tp_channel;

#ifdef __cplusplus
#include <taskpool/detail/cxx.h>
#else

__extension__ struct tp__nothing {
};

#ifdef __CHAR_UNSIGNED__
#define TP__KIND_CHAR TP_KIND_UINT
#else
#define TP__KIND_CHAR TP_KIND_INT
#endif

/* clang-format off */

/* The value is not evaluated. An enum counts as the integer type that the compiler gave it. */
#define TP__KIND_OF(value)                                                                        \
    _Generic((value),                                                                             \
        bool: TP_KIND_BOOL,                                                                       \
        char: TP__KIND_CHAR,                                                                      \
        signed char: TP_KIND_INT,                                                                 \
        short: TP_KIND_INT,                                                                       \
        int: TP_KIND_INT,                                                                         \
        long: TP_KIND_INT,                                                                        \
        long long: TP_KIND_INT,                                                                   \
        unsigned char: TP_KIND_UINT,                                                              \
        unsigned short: TP_KIND_UINT,                                                             \
        unsigned int: TP_KIND_UINT,                                                               \
        unsigned long: TP_KIND_UINT,                                                              \
        unsigned long long: TP_KIND_UINT,                                                         \
        float: TP_KIND_FLOAT,                                                                     \
        double: TP_KIND_FLOAT,                                                                    \
        tp_str: TP_KIND_STR,                                                                      \
        tp_bytes: TP_KIND_BYTES,                                                                  \
        tp_value: TP_KIND_VALUE,                                                                  \
        tp_closure: TP_KIND_CLOSURE,                                                              \
        tp_channel *: TP_KIND_CHANNEL,                                                            \
        struct tp__nothing: TP_KIND_VOID,                                                         \
        default: TP_KIND_PLAIN)

/* Arrays and functions decay, so they count as pointers. A channel does not. */
#define TP__HOLDS_POINTER(value) (__builtin_classify_type(value) == 5 && TP__KIND_OF(value) != TP_KIND_CHANNEL)

/* An unevaluated value of a type; the type may be written as in a cast. */
#define TP__A(type) (*(__typeof__(type) *)0)

/* Outputs: the address of a variable, or NULL. */
#define TP__IS_NULL(out) \
    _Generic(1 ? _Generic((out), void *: (out), default: (void *)1) : (int *)0, int *: 1, default: 0)
/* The two are nested, since `type` may be void itself. */
#define TP__POINTS_TO(type, out) _Generic((out), void *: 0, default: _Generic((out), type *: 1, default: 0))
/* `out` as a pointer to a complete type, whatever it is, so that a mistake gives one message and not ten. */
#define TP__TARGET(out)                                              \
    __builtin_choose_expr(                                           \
        __builtin_classify_type(out) == 5,                           \
        _Generic((out),                                              \
            void *: (struct tp__nothing *)0,                         \
            const void *: (struct tp__nothing *)0,                   \
            default: (out)),                                         \
        (struct tp__nothing *)0)
#define TP__IS_OUTPUT(out)                                                                \
    (__builtin_classify_type(out) == 5 &&                                                 \
     _Generic((out), void *: 0, const void *: 0, default: 1) &&                           \
     !_Generic(TP__TARGET(out), const __typeof__(*TP__TARGET(out)) *: 1, default: 0) &&   \
     !TP__HOLDS_POINTER(*TP__TARGET(out)))

/* clang-format on */

/* A block around a call that takes an output: `name` holds it. The enums keep clang from printing whole expressions
 * when an assertion fails. */
#define TP__WITH_OUTPUT(name, what, out, call)                                                                   \
    __extension__({                                                                                              \
        __auto_type name = (out);                                                                                \
        enum { name##_ok = TP__IS_NULL(out) || TP__IS_OUTPUT(name) };                                            \
        _Static_assert(name##_ok, what ": the output must be NULL or the address of a variable that is neither " \
                                       "const nor a pointer (nor void), such as &v");                            \
        call;                                                                                                    \
    })
#define TP__OUTPUT_ARGUMENTS(name) (name), TP__KIND_OF(*TP__TARGET(name)), sizeof(*TP__TARGET(name))

/* A block around a call that takes a value of any kind: `name` holds it. */
#define TP__WITH_MESSAGE(name, what, value, call)                                                                     \
    __extension__({                                                                                                   \
        __auto_type name = (value);                                                                                   \
        enum { name##_is_a_pointer = TP__HOLDS_POINTER(name) };                                                       \
        _Static_assert(!name##_is_a_pointer, what " is a pointer: it means nothing elsewhere; use "                   \
                                                  "tp_str_lit(\"text\"), a tp_str, a tp_bytes or a struct by value"); \
        call;                                                                                                         \
    })
#define TP__MESSAGE_ARGUMENTS(name) &(name), TP__KIND_OF(name), sizeof(name)

/* The cases of tp_select. What is sent must outlive the expression, so it cannot lie in a block of its own. */
#define TP__CASE(channel, data, sample, send) \
    ((tp_select_case){channel, data, sizeof(sample), TP__KIND_OF(sample), send, TP_OK})
#define TP__CASE_OF_OUTPUT(name, channel) TP__CASE(channel, (name), *TP__TARGET(name), false)
#define TP__CASE_OF_MESSAGE(name, channel, value) \
    TP__CASE(channel, ((TP__TYPE_OF_MESSAGE(name, value)[1]){value}), TP__A(TP__TYPE_OF_MESSAGE(name, value)), true)
#define TP__TYPE_OF_MESSAGE(name, value) __typeof__(TP__WITH_MESSAGE(name, "a message", value, name))

#endif
#endif
