/* SPDX-License-Identifier: MIT */
/** @file
 * What TP_TASK expands to. Internal.
 *
 * TP_TASK(add, long, (int, a), (int, b)) { ... } makes
 *
 *     struct add__args { nothing tp__first; int a; int b; char tp__end; };
 *     struct add__rest { room for a: tp__first; int b; char tp__end; };      laid out as add__args
 *     typedef long add__result; typedef int add__first;
 *     enum { add__arity = 2, add__is_a_task = 1, add__is_local = 0 };
 *     static const tp_task_definition add__is_a_TP_TASK;                     its name reads well in "undeclared" errors
 *     static const tp_task_definition *const add__entry;                     in the linker section taskpool_tasks
 *
 * The struct may alias, since `call` may store the result where the captures were. tp__end costs a byte and makes one
 * capture too many (.b = 1, 2) an error in every compiler. C++ has no `tp__first` and no `__rest`.
 */
#ifndef TASKPOOL_DETAIL_DEFINE_H
#define TASKPOOL_DETAIL_DEFINE_H

#include <taskpool/detail/count.h>
#include <taskpool/detail/kinds.h>

#ifdef __cplusplus
#define TP__ASSERT static_assert
#define TP__EXTERN extern "C"
#else
#define TP__ASSERT _Static_assert
#define TP__EXTERN extern
#endif

/* What each parameter contributes; p is (type, name). */
#define TP__TYPE(p) TP__APPLY(TP__TYPE_, p)
#define TP__TYPE_(type, name) type
#define TP__FIELD(task, p) TP__APPLY(TP__FIELD_, p)
#define TP__FIELD_(type, name) __typeof__(type) name;
#define TP__DECLARATOR(task, p) TP__APPLY(TP__DECLARATOR_, p)
#define TP__DECLARATOR_(type, name) __typeof__(type) name
#define TP__DECLARATOR_0 void
#define TP__READ(task, p) TP__APPLY(TP__READ_, p)
#define TP__READ_(type, name) tp__in->name
#define TP__READ_0
#define TP__PLAIN(task, p) TP__APPLY(TP__PLAIN_, (task, TP__UNPAREN p))
#define TP__PLAIN_(task, type, name) &&(int)task##__##name##__kind < (int)TP_KIND_STR
#define TP__DESCRIBE(task, p) TP__APPLY(TP__DESCRIBE_, (task, TP__UNPAREN p))
#define TP__DESCRIBE_(task, type, name)                                                   \
    {#name, #type, (uint32_t)offsetof(struct task##__args, name), (uint32_t)sizeof(type), \
     (tp_kind)task##__##name##__kind},

#ifndef __cplusplus

/* The enum keeps clang from printing the whole of TP__KIND_OF when the assertion fails. */
#define TP__CHECK(task, p) TP__APPLY(TP__CHECK_, (task, TP__UNPAREN p))
#define TP__CHECK_(task, type, name)                                                                          \
    enum {                                                                                                    \
        task##__##name##__kind = TP__KIND_OF(TP__A(type)),                                                    \
        task##__##name##__is_a_pointer = TP__HOLDS_POINTER(TP__A(type))                                       \
    };                                                                                                        \
    _Static_assert(!task##__##name##__is_a_pointer,                                                           \
                   "parameter '" #name "' of task '" #task                                                    \
                   "' is a pointer: it means nothing on another machine; use tp_str or tp_bytes (copied), a " \
                   "struct by value, or tp_channel *; a TP_LOCAL_TASK, for tp_async alone, may capture pointers");
/* A local task shares memory with its maker: what it captures is copied byte by byte, pointers and channels too. */
#define TP__CHECK_LOCAL(task, p) TP__APPLY(TP__CHECK_LOCAL_, (task, TP__UNPAREN p))
#define TP__CHECK_LOCAL_(task, type, name)                                                                            \
    enum {                                                                                                            \
        task##__##name##__kind = __builtin_classify_type(TP__A(type)) == 5 ? TP_KIND_PLAIN : TP__KIND_OF(TP__A(type)) \
    };

#define TP__TYPES(n, local, check, task, type, ...)                                                             \
    TP__EACH_##n(check, task, __VA_ARGS__) typedef type task##__result;                                         \
    enum {                                                                                                      \
        task##__arity = n,                                                                                      \
        task##__is_a_task = 1,                                                                                  \
        task##__is_local = local,                                                                               \
        task##__result_kind = TP__IF(TP__IS_VOID(type), TP_KIND_VOID, TP__KIND_OF(TP__A(type))),                \
        task##__result_is_a_pointer = TP__IF(TP__IS_VOID(type), 0, TP__HOLDS_POINTER(TP__A(type)))              \
    };                                                                                                          \
    _Static_assert(!task##__result_is_a_pointer,                                                                \
                   "the result of task '" #task                                                                 \
                   "' is a pointer: it means nothing on another machine; return a tp_str or tp_bytes (copied) " \
                   "or a struct by value");                                                                     \
    struct __attribute__((__may_alias__)) task##__args {                                                        \
        struct tp__nothing tp__first;                                                                           \
        TP__EACH_##n(TP__FIELD, task, __VA_ARGS__) char tp__end;                                                \
    };                                                                                                          \
    _Static_assert(_Alignof(struct task##__args) <= 16,                                                         \
                   "a parameter of task '" #task "' needs an alignment above 16 bytes");                        \
    TP__IF(TP__IS_VOID(type), ,                                                                                 \
           _Static_assert(_Alignof(__typeof__(type)) <= 16,                                                     \
                          "the result of task '" #task "' needs an alignment above 16 bytes");)                 \
    typedef __typeof__(TP__TYPE(TP__FIRST_##n(__VA_ARGS__, ~))) task##__first;                                  \
    struct task##__rest {                                                                                       \
        struct {                                                                                                \
            _Alignas(task##__first) unsigned char room[sizeof(task##__first)];                                  \
        } tp__first;                                                                                            \
        TP__REST_##n(TP__FIELD, task, __VA_ARGS__) char tp__end;                                                \
    };                                                                                                          \
    _Static_assert(sizeof(struct task##__rest) == sizeof(struct task##__args), "layouts of " #task);

#endif

#define TP__PROTOTYPE(n, task, type, ...) type task(TP__LIST_##n(TP__DECLARATOR, task, __VA_ARGS__))

/* `linkage` is `static` or nothing. */
#define TP__DEFINITION(n, linkage, local, task, type, ...)                                      \
    static const tp_parameter task##__parameters[n + 1] = {                                     \
        TP__EACH_##n(TP__DESCRIBE, task, __VA_ARGS__){NULL, NULL, 0, 0, TP_KIND_VOID}};         \
    static void task##__call(const void *tp__captures, void *tp__result)                        \
    {                                                                                           \
        const struct task##__args *tp__in = (const struct task##__args *)tp__captures;          \
        (void)tp__in, (void)tp__result;                                                         \
        TP__IF(TP__IS_VOID(type), , *(__typeof__(type) *)tp__result =)                          \
        task(TP__LIST_##n(TP__READ, task, __VA_ARGS__));                                        \
    }                                                                                           \
    linkage const tp_task_definition task##__is_a_TP_TASK = {                                   \
        #task,                                                                                  \
        __FILE__,                                                                               \
        __LINE__,                                                                               \
        local,                                                                                  \
        (int)task##__result_kind < (int)TP_KIND_STR TP__EACH_##n(TP__PLAIN, task, __VA_ARGS__), \
        n,                                                                                      \
        (tp_kind)task##__result_kind,                                                           \
        TP__IF(TP__IS_VOID(type), 0, (uint32_t)sizeof(type)),                                   \
        (uint32_t)offsetof(struct task##__args, tp__end),                                       \
        task##__parameters,                                                                     \
        task##__call};

/* Pointers, not records: a linker section of records would be at the mercy of alignment and sanitizer red zones. */
#define TP__ENTRY(task)                                  \
    static const tp_task_definition *const task##__entry \
        __attribute__((__section__("taskpool_tasks"), __used__, __retain__)) = &task##__is_a_TP_TASK;

/* TP_TASK and its sisters, by the form of the parameters: OK, BAD or MANY. */
#define TP__TASK(what, how, task, ...) TP__TASK_(TP__COUNT_PARAMETERS(__VA_ARGS__), what, how, task, __VA_ARGS__)
#define TP__TASK_(n, what, how, task, type, ...) \
    TP__CAT(TP__TASK_, TP__FORM(n, __VA_ARGS__))(n, what, how, task, type, __VA_ARGS__)
#define TP__TASK_OK(n, what, how, ...) TP__TASK_##how(n, __VA_ARGS__)
#define TP__TASK_BAD(n, what, how, task, type, ...)                                          \
    TP__ASSERT(0, #what "(" #task ", ...): each parameter is written in parentheses, "       \
                        "(type, name), as in (int64_t, x); a task without has none at all"); \
    static __attribute__((__unused__)) type task(void)
#define TP__TASK_MANY(n, what, how, task, type, ...)                           \
    TP__ASSERT(0, #what "(" #task ", ...): a task has at most 16 parameters: " \
                        "put some of them into a struct");                     \
    static __attribute__((__unused__)) type task(void)

#define TP__TASK_STATIC(n, task, type, ...)                                       \
    TP__TYPES(n, 0, TP__CHECK, task, type, __VA_ARGS__)                           \
    static __attribute__((__unused__)) TP__PROTOTYPE(n, task, type, __VA_ARGS__); \
    TP__DEFINITION(n, static, 0, task, type, __VA_ARGS__)                         \
    TP__ENTRY(task)                                                               \
    static TP__PROTOTYPE(n, task, type, __VA_ARGS__)
#define TP__TASK_LOCAL(n, task, type, ...)                                            \
    TP__TYPES(n, 1, TP__CHECK_LOCAL, task, type, __VA_ARGS__)                         \
    static __attribute__((__unused__)) TP__PROTOTYPE(n, task, type, __VA_ARGS__);     \
    TP__DEFINITION(n, static __attribute__((__unused__)), 1, task, type, __VA_ARGS__) \
    static TP__PROTOTYPE(n, task, type, __VA_ARGS__)
#define TP__TASK_DECLARE(n, task, type, ...)                  \
    TP__TYPES(n, 0, TP__CHECK, task, type, __VA_ARGS__)       \
    TP__EXTERN const tp_task_definition task##__is_a_TP_TASK; \
    TP__EXTERN TP__PROTOTYPE(n, task, type, __VA_ARGS__)
#define TP__TASK_DEFINE(n, task, type, ...)                                                            \
    TP__ASSERT(task##__arity == n, "TP_TASK_DEFINE(" #task ", ...) differs from its TP_TASK_DECLARE"); \
    TP__DEFINITION(n, , 0, task, type, __VA_ARGS__)                                                    \
    TP__ENTRY(task)                                                                                    \
    TP__PROTOTYPE(n, task, type, __VA_ARGS__)

#endif
