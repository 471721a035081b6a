/* SPDX-License-Identifier: MIT */
/** @file
 * The macros in C++20: what kinds.h, define.h and call.h do in C, with positional captures. Internal.
 */
#ifndef TASKPOOL_DETAIL_CXX_H
#define TASKPOOL_DETAIL_CXX_H

#ifdef __cplusplus

#include <stddef.h>
#include <taskpool/closure.h>
#include <taskpool/detail/count.h>
#include <taskpool/value.h>
#include <type_traits>

typedef struct tp_channel tp_channel;

extern "C++" {

namespace tp__cxx {

template <class T> constexpr bool holds_pointer = std::is_pointer_v<std::decay_t<T>> || std::is_member_pointer_v<T>;
template <> inline constexpr bool holds_pointer<tp_channel *> = false;
template <> inline constexpr bool holds_pointer<tp_channel *const> = false;

template <class T> constexpr tp_kind kind()
{
    using U = std::remove_cv_t<T>;
    if constexpr (std::is_void_v<U>)
        return TP_KIND_VOID;
    else if constexpr (std::is_enum_v<U>)
        return kind<std::underlying_type_t<U>>();
    else if constexpr (std::is_same_v<U, bool>)
        return TP_KIND_BOOL;
    else if constexpr (std::is_integral_v<U> && sizeof(U) <= 8)
        return std::is_signed_v<U> ? TP_KIND_INT : TP_KIND_UINT;
    else if constexpr (std::is_same_v<U, float> || std::is_same_v<U, double>)
        return TP_KIND_FLOAT;
    else if constexpr (std::is_same_v<U, tp_str>)
        return TP_KIND_STR;
    else if constexpr (std::is_same_v<U, tp_bytes>)
        return TP_KIND_BYTES;
    else if constexpr (std::is_same_v<U, tp_value>)
        return TP_KIND_VALUE;
    else if constexpr (std::is_same_v<U, tp_closure>)
        return TP_KIND_CLOSURE;
    else if constexpr (std::is_same_v<U, tp_channel *>)
        return TP_KIND_CHANNEL;
    else
        return TP_KIND_PLAIN;
}

template <class T> constexpr uint32_t size()
{
    if constexpr (std::is_void_v<T>)
        return 0;
    else
        return static_cast<uint32_t>(sizeof(T));
}

template <class T> constexpr size_t align()
{
    if constexpr (std::is_void_v<T>)
        return 1;
    else
        return alignof(T);
}

template <class T> constexpr bool travels = std::is_void_v<T> || std::is_trivially_copyable_v<T>;

/* Outputs. NULL and nullptr become a `void *`. */
template <class T> T *output(T *out)
{
    return out;
}
inline void *output(std::nullptr_t)
{
    return nullptr;
}

/* The captures of one call: an argument of the call, so that it lives as long as that. */
template <class Captures> struct captured {
    Captures captures;
    operator const void *() const
    {
        return &captures;
    }
};
template <bool Local> constexpr void refuse_local()
{
    static_assert(!Local, "a TP_LOCAL_TASK stays on its OS thread: start it with tp_async, or make it a TP_TASK");
}
template <class Captures, bool Local, class Result, class... Parameters>
captured<Captures> all(Result (*)(Parameters...), std::type_identity_t<Parameters>... values)
{
    refuse_local<Local>();
    return {Captures{values..., 0}};
}
template <class Captures, bool Local, class Result, class First, class... Parameters>
captured<Captures> rest(Result (*)(First, Parameters...), std::type_identity_t<Parameters>... values)
{
    refuse_local<Local>();
    return {Captures{First{}, values..., 0}};
}
template <class Captures, bool Local, class Result, class First, class... Parameters, class... Values>
captured<Captures> bound(Result (*function)(First, Parameters...), Values... values)
{
    return rest<Captures, Local>(function, static_cast<Parameters>(values)...);
}
template <class Captures, bool Local, class Result, class... Parameters, class... Values>
tp_closure bind(const tp_task_definition *task, Result (*function)(Parameters...), Values... values)
{
    if constexpr (sizeof...(Values) == sizeof...(Parameters))
        return tp__bind(task, all<Captures, Local>(function, static_cast<Parameters>(values)...),
                        int{sizeof...(Values)});
    else
        return tp__bind(task, bound<Captures, Local>(function, values...), int{sizeof...(Values)});
}
template <class Result, class First, class... Parameters>
const void *elements(Result (*)(First, Parameters...), const std::type_identity_t<First> *in)
{
    return in;
}
template <class Result> void *results(Result *out)
{
    return out;
}
template <class T> const T *address(const T &options)
{
    return &options;
}

} // namespace tp__cxx
}

#define TP__KIND_OF(value) tp__cxx::kind<std::remove_cvref_t<decltype(value)>>()

#define TP__WITH_OUTPUT(name, what, out, call)                                                       \
    __extension__({                                                                                  \
        auto name = tp__cxx::output(out);                                                            \
        static_assert(!tp__cxx::holds_pointer<std::remove_pointer_t<decltype(name)>> &&              \
                          !std::is_const_v<std::remove_pointer_t<decltype(name)>>,                   \
                      what ": the output must be NULL or the address of a variable that is neither " \
                           "const nor a pointer, such as &v");                                       \
        call;                                                                                        \
    })
#define TP__OUTPUT_ARGUMENTS(name)                                                     \
    static_cast<void *>(name), tp__cxx::kind<std::remove_pointer_t<decltype(name)>>(), \
        tp__cxx::size<std::remove_pointer_t<decltype(name)>>()

#define TP__WITH_MESSAGE(name, what, value, call)                                                  \
    __extension__({                                                                                \
        auto name = (value);                                                                       \
        static_assert(!tp__cxx::holds_pointer<decltype(name)>,                                     \
                      what " is a pointer: it means nothing elsewhere; use tp_str_lit(\"text\"), " \
                           "a tp_str, a tp_bytes or a struct by value");                           \
        static_assert(tp__cxx::travels<decltype(name)>, what " cannot be copied byte by byte");    \
        call;                                                                                      \
    })
#define TP__MESSAGE_ARGUMENTS(name) &(name), TP__KIND_OF(name), sizeof(name)

#define TP__CASE_OF_OUTPUT(name, channel) (tp_select_case{channel, TP__CASE_ARGUMENTS(name), false, TP_OK})
#define TP__CASE_ARGUMENTS(name)                                                       \
    static_cast<void *>(name), tp__cxx::size<std::remove_pointer_t<decltype(name)>>(), \
        tp__cxx::kind<std::remove_pointer_t<decltype(name)>>()
/* In C++ the value must be a variable. */
#define TP__CASE_OF_MESSAGE(name, channel, value)                                                                      \
    (tp_select_case{channel, const_cast<void *>(static_cast<const void *>(&value)), sizeof(value), TP__KIND_OF(value), \
                    true, TP_OK})

#define TP__ALL(task, ...) tp__cxx::all<task##__args, task##__is_local>(task __VA_OPT__(, ) __VA_ARGS__)
#define TP__ALL_LOCAL(task, ...) tp__cxx::all<task##__args, false>(task __VA_OPT__(, ) __VA_ARGS__)
#define TP__REST(task, ...) tp__cxx::rest<task##__args, task##__is_local>(task __VA_OPT__(, ) __VA_ARGS__)
#define TP__ELEMENTS(name, task, in) tp__cxx::elements(task, in)
#define TP__RESULTS(name, call, task, out) tp__cxx::results<task##__result>(out)
#define TP__BIND(task, ...) \
    tp__cxx::bind<task##__args, task##__is_local>(&task##__is_a_TP_TASK, task __VA_OPT__(, ) __VA_ARGS__)
#define TP__OPTIONS(type, options) tp__cxx::address<type>(options)

#define TP__CHECK(task, p) TP__APPLY(TP__CHECK_, (task, TP__UNPAREN p))
#define TP__CHECK_(task, type, name)                                                                              \
    static_assert(!tp__cxx::holds_pointer<__typeof__(type)>,                                                      \
                  "parameter '" #name "' of task '" #task                                                         \
                  "' is a pointer: it means nothing on another machine; use tp_str or tp_bytes (copied), a "      \
                  "struct by value, or tp_channel *; a TP_LOCAL_TASK, for tp_async alone, may capture pointers"); \
    static_assert(tp__cxx::travels<__typeof__(type)>,                                                             \
                  "parameter '" #name "' of task '" #task "' cannot be copied byte by byte");                     \
    enum { task##__##name##__kind = tp__cxx::kind<__typeof__(type)>() };
#define TP__CHECK_LOCAL(task, p) TP__APPLY(TP__CHECK_LOCAL_, (task, TP__UNPAREN p))
#define TP__CHECK_LOCAL_(task, type, name)                                                          \
    static_assert(tp__cxx::travels<__typeof__(type)>,                                               \
                  "parameter '" #name "' of task '" #task "' cannot be copied byte by byte");       \
    enum {                                                                                          \
        task##__##name##__kind =                                                                    \
            std::is_pointer_v<__typeof__(type)> ? TP_KIND_PLAIN : tp__cxx::kind<__typeof__(type)>() \
    };

#define TP__TYPES(n, local, check, task, type, ...)                                                                  \
    TP__EACH_##n(check, task, __VA_ARGS__) typedef type task##__result;                                              \
    enum { task##__arity = n, task##__is_local = local, task##__result_kind = tp__cxx::kind<task##__result>() };     \
    static_assert(!tp__cxx::holds_pointer<task##__result>,                                                           \
                  "the result of task '" #task                                                                       \
                  "' is a pointer: it means nothing on another machine; return a tp_str or tp_bytes (copied) "       \
                  "or a struct by value");                                                                           \
    static_assert(tp__cxx::travels<task##__result>, "the result of task '" #task "' cannot be copied byte by byte"); \
    struct __attribute__((__may_alias__)) task##__args {                                                             \
        TP__EACH_##n(TP__FIELD, task, __VA_ARGS__) char tp__end;                                                     \
    };                                                                                                               \
    static_assert(alignof(task##__args) <= 16 && tp__cxx::align<task##__result>() <= 16,                             \
                  "a parameter or the result of task '" #task "' needs an alignment above 16 bytes");

#endif
#endif
