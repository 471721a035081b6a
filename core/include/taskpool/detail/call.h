/* SPDX-License-Identifier: MIT */
/** @file
 * What the calls of task.h expand to, in C++ with the help of cxx.h. Captures: exactly once each, positional, named or
 * both. Internal.
 *
 * An installed header is a system header, in which compilers keep silent about mistakes in what a macro was given. The
 * line below tells them to take this file for the user's own, so that they speak with -isystem as they do with -I.
 */
#ifndef TASKPOOL_DETAIL_CALL_H
#define TASKPOOL_DETAIL_CALL_H

#include <taskpool/async_pool.h>
#include <taskpool/detail/define.h>
#include <taskpool/pool.h>

# 17 "taskpool/detail/call.h"

#ifndef __cplusplus

/* What the compiler only warns of is an error for captures. */
/* clang-format off */
#define TP__STRICT_BEGIN                                            \
    _Pragma("GCC diagnostic push")                                  \
    _Pragma("GCC diagnostic error \"-Wint-conversion\"")            \
    _Pragma("GCC diagnostic error \"-Wincompatible-pointer-types\"") \
    _Pragma("GCC diagnostic error \"-Wmissing-braces\"")            \
    _Pragma("GCC diagnostic error \"-Woverride-init\"")             \
    TP__STRICT_CLANG
/* clang-format on */
#ifdef __clang__
#define TP__STRICT_CLANG _Pragma("clang diagnostic error \"-Wexcess-initializers\"")
#else
#define TP__STRICT_CLANG
#endif
#define TP__STRICT_END _Pragma("GCC diagnostic pop")

/* Refuses a local task where a pool's is wanted. */
#define TP__REFUSE_LOCAL(task)                                                                         \
    _Static_assert(!task##__is_local, "'" #task "' is a TP_LOCAL_TASK, which stays on its OS thread: " \
                                      "start it with tp_async, or make it a TP_TASK");
#define TP__ALLOW_LOCAL(task)

/* A pointer to the captures of `task` as `struct tag`; the arguments are evaluated once. The call that this is an
 * argument of stays the outermost expression, so that its warn_unused_result counts. */
#define TP__CAPTURES(name, refuse, tag, wanted, task, given, ...)                                \
    ((const struct tag[task##__is_a_task]){__extension__({                                       \
        refuse(task) _Static_assert((given) >= (wanted), "a capture of '" #task "' is missing"); \
        _Static_assert((given) <= (wanted), "'" #task "' is given more captures than it has");   \
        TP__STRICT_BEGIN                                                                         \
        struct tag name = {.tp__first = {} __VA_OPT__(, ) __VA_ARGS__, .tp__end = 0};            \
        TP__STRICT_END                                                                           \
        name;                                                                                    \
    })})

#define TP__ALL(task, ...)                                                        \
    TP__CAPTURES(TP__UNIQUE, TP__REFUSE_LOCAL, task##__args, task##__arity, task, \
                 TP__COUNT_REST(task __VA_OPT__(, ) __VA_ARGS__) __VA_OPT__(, ) __VA_ARGS__)
#define TP__ALL_LOCAL(task, ...)                                                 \
    TP__CAPTURES(TP__UNIQUE, TP__ALLOW_LOCAL, task##__args, task##__arity, task, \
                 TP__COUNT_REST(task __VA_OPT__(, ) __VA_ARGS__) __VA_OPT__(, ) __VA_ARGS__)

#define TP__REST(task, ...)                                                           \
    TP__CAPTURES(TP__UNIQUE, TP__REFUSE_LOCAL, task##__rest, task##__arity - 1, task, \
                 TP__COUNT_REST(task __VA_OPT__(, ) __VA_ARGS__) __VA_OPT__(, ) __VA_ARGS__)

/* The enums keep clang from printing whole expressions when an assertion fails. */
#define TP__RESULTS(checked, call, task, out)                                                                  \
    __extension__({                                                                                            \
        enum { checked = TP__IS_NULL(out) || TP__POINTS_TO(task##__result, out) };                             \
        _Static_assert(checked, call ": the output for '" #task "' must be NULL or the address of a variable " \
                                     "of the task's result type, '" #task "__result'");                        \
        (out);                                                                                                 \
    })
#define TP__ELEMENTS(checked, task, in)                                                                           \
    __extension__({                                                                                               \
        enum {                                                                                                    \
            checked = TP__IS_NULL(in) || __builtin_types_compatible_p(__typeof__(*TP__TARGET(in)), task##__first) \
        };                                                                                                        \
        _Static_assert(task##__arity > 0, "tp_map: '" #task "' has no parameter to take the elements");           \
        _Static_assert(checked, "tp_map: the input for '" #task "' must be an array of the type of its first "    \
                                "parameter, '" #task "__first'");                                                 \
        (in);                                                                                                     \
    })

/* All captures or all but the first: the type of the struct tells. */
#define TP__BIND(task, ...) \
    TP__BIND_(TP__UNIQUE, task, TP__COUNT_REST(task __VA_OPT__(, ) __VA_ARGS__) __VA_OPT__(, ) __VA_ARGS__)
#define TP__BIND_(name, task, given, ...) \
    tp__bind(&task##__is_a_TP_TASK, TP__BOUND(name, task, given __VA_OPT__(, ) __VA_ARGS__), given)
#define TP__BOUND_TYPE(task, given) \
    __typeof__(*__builtin_choose_expr((given) == task##__arity, (struct task##__args *)0, (struct task##__rest *)0))
#define TP__BOUND(name, task, given, ...)                                                                      \
    ((const TP__BOUND_TYPE(task, given)[task##__is_a_task]){__extension__({                                    \
        TP__REFUSE_LOCAL(task)                                                                                 \
        _Static_assert((given) >= task##__arity - 1, "a capture of '" #task "' is missing: tp_bind takes all " \
                                                     "captures, or all but the first");                        \
        _Static_assert((given) <= task##__arity, "'" #task "' is given more captures than it has");            \
        TP__STRICT_BEGIN                                                                                       \
        TP__BOUND_TYPE(task, given) name = {.tp__first = {} __VA_OPT__(, ) __VA_ARGS__, .tp__end = 0};         \
        TP__STRICT_END                                                                                         \
        name;                                                                                                  \
    })})

#define TP__OPTIONS(type, options) ((const type[1]){(options)})

#endif

/* The task's name comes first, so that "undeclared" names it. The `~` stands for "at least one more". */
#define TP__DEFINITION_OF(task, ...) &task##__is_a_TP_TASK

#define TP__SUBMIT(pool, options, ...) \
    tp__submit((pool), TP__DEFINITION_OF(__VA_ARGS__, ~), TP__ALL(__VA_ARGS__), options)
#define TP__ASYNC(...) tp__async(TP__DEFINITION_OF(__VA_ARGS__, ~), TP__ALL_LOCAL(__VA_ARGS__))
#define TP__PARALLEL_ASYNC(...) tp__parallel_async(TP__DEFINITION_OF(__VA_ARGS__, ~), TP__ALL(__VA_ARGS__))

#define TP__RUN(pool, options, task, ...) TP__RUN_(pool, options, task, __VA_ARGS__)
#define TP__RUN_(pool, options, task, out, ...)                                           \
    tp__run((pool), TP__DEFINITION_OF(task, ~), TP__ALL(task __VA_OPT__(, ) __VA_ARGS__), \
            TP__RESULTS(TP__UNIQUE, "tp_run", task, out), options)

#define TP__MAP(pool, options, task, in, out, count, ...)                                  \
    tp__map((pool), TP__DEFINITION_OF(task, ~), TP__REST(task __VA_OPT__(, ) __VA_ARGS__), \
            TP__ELEMENTS(TP__UNIQUE, task, in), TP__RESULTS(TP__UNIQUE, "tp_map", task, out), (count), options)

#define TP__CALL(...) TP__CAT(TP__CALL_, TP__COUNT_REST(__VA_ARGS__))(TP__UNIQUE, TP__UNIQUE, __VA_ARGS__)
#define TP__CALL_1(name, unused, closure, out) \
    TP__WITH_OUTPUT(name, "tp_call", out, tp__call((closure), NULL, TP_KIND_VOID, 0, TP__OUTPUT_ARGUMENTS(name)))
#define TP__CALL_2(name, message, closure, out, argument)                          \
    TP__WITH_OUTPUT(name, "tp_call", out,                                          \
                    TP__WITH_MESSAGE(message, "the argument of tp_call", argument, \
                                     tp__call((closure), TP__MESSAGE_ARGUMENTS(message), TP__OUTPUT_ARGUMENTS(name))))

#define TP__SUBMIT_CLOSURE(pool, options, ...) \
    TP__CAT(TP__SUBMIT_CLOSURE_, TP__COUNT_REST(__VA_ARGS__))(TP__UNIQUE, pool, options, __VA_ARGS__)
#define TP__SUBMIT_CLOSURE_0(name, pool, options, closure) \
    tp__submit_closure((pool), (closure), NULL, TP_KIND_VOID, 0, options)
#define TP__SUBMIT_CLOSURE_1(name, pool, options, closure, argument)      \
    TP__WITH_MESSAGE(name, "the argument of tp_submit_closure", argument, \
                     tp__submit_closure((pool), (closure), TP__MESSAGE_ARGUMENTS(name), options))

#define TP__RUN_CLOSURE(pool, ...) \
    TP__CAT(TP__RUN_CLOSURE_, TP__COUNT_REST(__VA_ARGS__))(TP__UNIQUE, TP__UNIQUE, pool, __VA_ARGS__)
#define TP__RUN_CLOSURE_1(name, unused, pool, closure, out) \
    TP__WITH_OUTPUT(name, "tp_run_closure", out,            \
                    tp__run_closure((pool), (closure), NULL, TP_KIND_VOID, 0, TP__OUTPUT_ARGUMENTS(name)))
#define TP__RUN_CLOSURE_2(name, message, pool, closure, out, argument)                                  \
    TP__WITH_OUTPUT(name, "tp_run_closure", out,                                                        \
                    TP__WITH_MESSAGE(message, "the argument of tp_run_closure", argument,               \
                                     tp__run_closure((pool), (closure), TP__MESSAGE_ARGUMENTS(message), \
                                                     TP__OUTPUT_ARGUMENTS(name))))

#endif
