/* SPDX-License-Identifier: MIT */
/** @file
 * Strings, bytes and dynamic values: what a task can capture, return and send besides scalars and plain structs.
 *
 * All three are small structs that are passed by value; what is behind them is an immutable, reference-counted block
 * (lists and maps: see tp_value). Copying the struct copies no reference: the copy is the same string.
 *
 * Who owns: a string, bytes or value made or received *inside a task* belongs to the task and is freed when it ends.
 * Releasing it earlier frees it earlier; releasing there what is not the task's (a capture) does nothing. *Outside* a
 * task the caller owns what he made or received and releases it once, by hand or with tp_auto. What a task captures,
 * returns or sends is copied, so its maker's ownership never changes.
 *
 * Every function here may be called from any OS thread and any green thread, for different values at once, and never
 * yields.
 */
#ifndef TASKPOOL_VALUE_H
#define TASKPOOL_VALUE_H

#include <stdarg.h>
#include <taskpool/kind.h>
#include <taskpool/status.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#define TP__LITERAL(type) type
#else
#define TP__LITERAL(type) (type)
#endif

struct tp__block;
struct tp__closure;
struct tp_closure; /* <taskpool/closure.h> */
struct tp_channel;

/* Owners that are no block: of a literal, which lives for ever; of a string, bytes or value whose making failed. */
#define TP__OWNER_STATIC ((struct tp__block *)(uintptr_t)1)
#define TP__OWNER_FAILED ((struct tp__block *)(uintptr_t)2)

/** A string: `length` bytes at `data`. A 0 byte follows them in every string made by a function here and by
 *  tp_str_lit. A tp_str of zeros is the empty string. `data` is NULL only in that one and after a failure, whose reason
 *  is in tp_last_error(); capturing or sending a failed string fails as well. */
typedef struct tp_str {
    const char *data;
    size_t length;
    struct tp__block *owner; /* NULL: borrowed memory, copied when it is captured, returned or sent */
} tp_str;

/** Bytes: `size` of them at `data`. The rules of tp_str; no 0 byte follows. */
typedef struct tp_bytes {
    const uint8_t *data;
    size_t size;
    struct tp__block *owner;
} tp_bytes;

/** A string literal as tp_str: nothing is allocated, nothing to release. */
#define tp_str_lit(literal) (TP__LITERAL(tp_str){"" literal, sizeof(literal) - 1, TP__OWNER_STATIC})

/** A copy of a C string. `data` is NULL on failure: TP_E_NOMEM, TP_E_ARGUMENT for NULL. */
tp_str tp_str_new(const char *text) __attribute__((warn_unused_result));
/** A copy of `length` bytes, which may contain 0. `data` may be NULL if `length` is 0. TP_E_NOMEM, TP_E_ARGUMENT. */
tp_str tp_str_new_n(const char *data, size_t length) __attribute__((warn_unused_result));
/** A string formatted as by printf. TP_E_NOMEM, TP_E_ARGUMENT (a format that printf refuses). */
tp_str tp_str_format(const char *format, ...) __attribute__((format(printf, 1, 2), warn_unused_result));
tp_str tp_str_format_v(const char *format, va_list arguments) __attribute__((format(printf, 1, 0), warn_unused_result));
/** The caller's memory as tp_str, to be passed on without a copy of one's own; valid as long as that memory. `length`
 *  bytes; nothing to release. */
static inline tp_str tp_str_view(const char *data, size_t length)
{
    return TP__LITERAL(tp_str){data, length, NULL};
}
/** One more reference, which the caller owns; of borrowed memory a copy. Fails as tp_str_new. */
tp_str tp_str_retain(tp_str string) __attribute__((warn_unused_result));
/** Gives a reference back. Does nothing for a literal, borrowed memory and a failed string. */
void tp_str_release(tp_str string);
/** True if both have the same bytes. */
bool tp_str_equal(tp_str a, tp_str b);
/** Less than, equal to or greater than 0, by the bytes as unsigned numbers. */
int tp_str_compare(tp_str a, tp_str b);

/** A copy of `size` bytes. `data` may be NULL if `size` is 0. TP_E_NOMEM, TP_E_ARGUMENT. */
tp_bytes tp_bytes_new(const void *data, size_t size) __attribute__((warn_unused_result));
/** As tp_str_view, tp_str_retain, tp_str_release, tp_str_equal. */
static inline tp_bytes tp_bytes_view(const void *data, size_t size)
{
    return TP__LITERAL(tp_bytes){(const uint8_t *)data, size, NULL};
}
tp_bytes tp_bytes_retain(tp_bytes bytes) __attribute__((warn_unused_result));
void tp_bytes_release(tp_bytes bytes);
bool tp_bytes_equal(tp_bytes a, tp_bytes b);

/** The type of a tp_value. The numbers are part of the encoding: frozen. */
typedef enum tp_value_type {
    TP_VALUE_NIL = 0,
    TP_VALUE_BOOL = 1,
    TP_VALUE_INT = 2,   /**< int64_t */
    TP_VALUE_FLOAT = 3, /**< double */
    TP_VALUE_STR = 4,
    TP_VALUE_BYTES = 5,
    TP_VALUE_LIST = 6,
    TP_VALUE_MAP = 7, /**< string keys without 0 bytes, kept in the order of tp_str_compare */
    TP_VALUE_CLOSURE = 8,
    TP_VALUE_CHANNEL = 9, /**< a named channel */
    TP_VALUE_FAILED = 255 /**< what a failed tp_value function returned; every function refuses it */
} tp_value_type;

/** A value of any of those types. A tp_value of zeros is nil.
 *
 *  A list or map can be changed by the one who made it; a tp_value of it is a handle on it, so a copy of the struct is
 *  the same list. Whatever is put into it is copied. Lists and maps that were captured, received or awaited are shared
 *  and therefore read-only (TP_E_UNSUPPORTED), inside other ones too: tp_value_copy gives one that can be changed.
 *  Values nest at most TP_VALUE_DEPTH_LIMIT deep (TP_E_LIMIT); a scalar has depth 0, a list or map, or a closure, one
 *  more than the deepest of what it holds. */
typedef struct tp_value {
    tp_value_type type;
    union {
        bool boolean;
        int64_t integer;
        double number;
        tp_str string;
        tp_bytes bytes;
        struct tp__block *block; /* list, map */
        struct tp__closure *closure;
        struct tp_channel *channel;
    } as;
} tp_value;

enum { TP_VALUE_DEPTH_LIMIT = 32 };

static inline tp_value tp_value_nil(void)
{
    tp_value value = TP__LITERAL(tp_value){TP_VALUE_NIL, {false}};
    return value;
}
static inline tp_value tp_value_bool(bool boolean)
{
    tp_value value = TP__LITERAL(tp_value){TP_VALUE_BOOL, {false}};
    value.as.boolean = boolean;
    return value;
}
static inline tp_value tp_value_int(int64_t integer)
{
    tp_value value = TP__LITERAL(tp_value){TP_VALUE_INT, {false}};
    value.as.integer = integer;
    return value;
}
static inline tp_value tp_value_float(double number)
{
    tp_value value = TP__LITERAL(tp_value){TP_VALUE_FLOAT, {false}};
    value.as.number = number;
    return value;
}
/** The same string, bytes or closure as a value: no reference is taken, so it is released once, as one or the other. */
tp_value tp_value_str(tp_str string);
tp_value tp_value_bytes(tp_bytes bytes);
tp_value tp_value_closure(struct tp_closure closure);
/** A named channel as a value, with a reference of its own. TP_VALUE_FAILED on TP_E_ARGUMENT (NULL, a channel without a
 *  name), TP_E_NOMEM. */
tp_value tp_value_channel(struct tp_channel *channel) __attribute__((warn_unused_result));
/** An empty list, an empty map. TP_VALUE_FAILED on TP_E_NOMEM. */
tp_value tp_value_list(void) __attribute__((warn_unused_result));
tp_value tp_value_map(void) __attribute__((warn_unused_result));

/** A copy that the caller owns, of which every list and map can be changed. TP_VALUE_FAILED on TP_E_NOMEM,
 *  TP_E_ARGUMENT (a failed value). */
tp_value tp_value_copy(tp_value value) __attribute__((warn_unused_result));
/** Frees the value with all that it holds. What tp_value_list_get, tp_value_map_get and the tp_value_to functions gave
 *  out of it is gone then. Does nothing for scalars and for a list or map that lies in another one that can be
 *  changed. */
void tp_value_release(tp_value value);

static inline bool tp_value_is(tp_value value, tp_value_type type)
{
    return value.type == type;
}
/** "nil", "bool", "int", "float", "string", "bytes", "list", "map", "closure", "channel", "failed". Static. */
const char *tp_value_type_name(tp_value_type type);

/** What the value holds, if it is of that type; else TP_E_TYPE, and `*out` is zero. Numbers are not converted. A
 *  string, bytes, closure or channel stays the value's and is valid as long as the value. */
tp_status tp_value_to_bool(tp_value value, bool *out);
tp_status tp_value_to_int(tp_value value, int64_t *out);
tp_status tp_value_to_float(tp_value value, double *out);
tp_status tp_value_to_str(tp_value value, tp_str *out);
tp_status tp_value_to_bytes(tp_value value, tp_bytes *out);
tp_status tp_value_to_closure(tp_value value, struct tp_closure *out);
tp_status tp_value_to_channel(tp_value value, struct tp_channel **out);

/** The number of elements of a list or map, of bytes of a string or bytes; 0 for every other type. */
size_t tp_value_size(tp_value value);

/** Adds a copy of `item` at the end. TP_E_TYPE (no list), TP_E_UNSUPPORTED (read-only), TP_E_LIMIT (too deep),
 *  TP_E_ARGUMENT (a failed item), TP_E_NOMEM; then the list is as it was. */
tp_status tp_value_list_append(tp_value list, tp_value item);
/** Replaces the element by a copy of `item`. As tp_value_list_append; TP_E_ARGUMENT when there is no such element. */
tp_status tp_value_list_set(tp_value list, size_t index, tp_value item);
/** The element, which stays the list's: valid until the list is changed or freed. A list or map in it can be changed in
 *  place. TP_E_TYPE, TP_E_ARGUMENT (no such element); then `*out` is nil. */
tp_status tp_value_list_get(tp_value list, size_t index, tp_value *out);

/** Stores a copy of `item` under `key`, in place of what was there. As tp_value_list_append; TP_E_ARGUMENT for a NULL
 *  key as well. */
tp_status tp_value_map_set(tp_value map, const char *key, tp_value item);
/** What is stored under `key`, which stays the map's, as in tp_value_list_get. TP_E_TYPE, TP_E_ARGUMENT (no such
 *  key). */
tp_status tp_value_map_get(tp_value map, const char *key, tp_value *out);
bool tp_value_map_has(tp_value map, const char *key);
/** Key and element number `index` in the order of the keys, 0 to tp_value_size() - 1; both stay the map's. `key` and
 *  `out` may be NULL. TP_E_TYPE, TP_E_ARGUMENT. */
tp_status tp_value_map_at(tp_value map, size_t index, tp_str *key, tp_value *out);
/** Takes the key and what is under it out of the map. TP_E_TYPE, TP_E_UNSUPPORTED, TP_E_ARGUMENT (no such key). */
tp_status tp_value_map_remove(tp_value map, const char *key);

/** True if both have the same type and hold the same: lists element by element, maps key by key, closures by task and
 *  captures, channels by identity. An int never equals a float; NaN equals nothing. A failed value equals nothing. */
bool tp_value_equal(tp_value a, tp_value b);

/** The value as text for people, like JSON: `{"a": [1, 2.5, true, nil], "b": "x\n"}`. Bytes appear as `<3 bytes:
 *  00ff10>`, closures as `<closure add_base>`, channels as `<channel sync>`. `data` is NULL on TP_E_NOMEM. */
tp_str tp_value_text(tp_value value) __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif
