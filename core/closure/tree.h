/* SPDX-License-Identifier: MIT */
/** @file
 * The insides of lists and maps, and what is done to whole trees of values.
 *
 * Invariants: nothing nests deeper than TP_VALUE_DEPTH_LIMIT, so that every recursion here fits a green thread's stack;
 * a value inside a list or map holds references of its own; what is not `changeable` holds only what is not.
 */
#ifndef TP_CLOSURE_TREE_H
#define TP_CLOSURE_TREE_H

#include "closure/block.h"

struct tp__list {
    struct tp__block block;
    size_t encoded_size; /**< set once it is shared */
    size_t count;
    size_t capacity;
    tp_value *items;
};

struct tp__entry {
    tp_str key;
    tp_value value;
};

struct tp__map {
    struct tp__block block;
    size_t encoded_size; /**< set once it is shared */
    size_t count;
    size_t capacity;
    struct tp__entry **entries; /**< in the order of their keys */
};

static inline struct tp__list *tp__block_list(struct tp__block *block)
{
    return (struct tp__list *)(void *)block;
}

static inline struct tp__map *tp__block_map(struct tp__block *block)
{
    return (struct tp__map *)(void *)block;
}

/** Empty, with one reference. NULL without memory (no error stored). */
struct tp__list *tp__list_new(void);
struct tp__map *tp__map_new(void);

/** Frees what they hold, not the block itself. */
void tp__list_fini(struct tp__list *list);
void tp__map_fini(struct tp__map *map);

/** Adds a value whose references the list takes over. False without memory: then they stay the caller's. */
bool tp__list_push(struct tp__list *list, tp_value item) __attribute__((warn_unused_result));
/** Makes room for `count` entries. False without memory. */
bool tp__map_reserve(struct tp__map *map, size_t count) __attribute__((warn_unused_result));
/** Adds an entry at `place`; the map takes over the references of both. False without memory. */
bool tp__map_insert(struct tp__map *map, size_t place, tp_str key, tp_value value) __attribute__((warn_unused_result));
void tp__map_remove(struct tp__map *map, size_t place);
/** True if the key is there; `*place` is where it is or belongs. */
bool tp__map_find(const struct tp__map *map, tp_str key, size_t *place);

enum tp__copy_mode {
    TP__COPY_SHARED,   /**< what crosses to another task: read-only all the way; what is shared already is not copied */
    TP__COPY_INSERTED, /**< what is put into a list or map: what can be changed stays so, what is shared too */
    TP__COPY_CHANGEABLE /**< what tp_value_copy makes: lists and maps can all be changed */
};

/** Copies a value to where it lies at `level` (1: outermost). TP_E_NOMEM, TP_E_LIMIT, TP_E_ARGUMENT (failed), without
 *  an error stored; then `*to` is nil. */
tp_status tp__tree_copy(tp_value *to, tp_value from, enum tp__copy_mode mode, unsigned level);
/** Gives the value's references back. */
void tp__tree_drop(tp_value value);
/** Levels of nesting from this value down, which must not be changeable: 0 for scalars. */
unsigned tp__tree_depth(tp_value value);
/** Completes a list or map that will never be changed again: stores its depth and encoded size. */
void tp__tree_seal(struct tp__block *container);

/** Strings and bytes: a reference that holds for ever, by copying if `owner` says that the memory is borrowed. */
tp_status tp__owner_copy(struct tp__block **owner, const void **data, size_t size);
void tp__owner_drop(struct tp__block *owner);

#endif
