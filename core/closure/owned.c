/* SPDX-License-Identifier: MIT */
/* Design notes.
 *
 * A task's list holds one entry for each reference that the task owns: the address of a block, or of a channel with its
 * lowest bit set. A block remembers where its entry is, so that a loop which receives and releases a million strings
 * does so in constant time and space. The place is only a hint: a block may be in the lists of several tasks at once,
 * which overwrite it. A wrong hint costs a look at the newest entries; what is not found there stays until the end.
 */
#include "closure/block.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/channel_ref.h"
#include "closure/payload.h"

enum { FIRST_CAPACITY = 5, LOOK_AT = 64 };

struct tp__owned {
    struct tp__owned *outer; /* the list around this scope */
    uint32_t count;
    uint32_t capacity;
    uintptr_t entries[];
};

static uintptr_t entry_of_block(const struct tp__block *block)
{
    return (uintptr_t)block;
}

static uintptr_t entry_of_channel(const struct tp_channel *channel)
{
    return (uintptr_t)channel | 1;
}

static void set_hint(uintptr_t entry, uint32_t place)
{
    if (!(entry & 1))
        atomic_store_explicit(&((struct tp__block *)entry)->owned_at, place, memory_order_relaxed);
}

static void entry_release(uintptr_t entry)
{
    if (entry & 1)
        tp__channel_unref((tp_channel *)(entry & ~(uintptr_t)1));
    else
        tp__block_release((struct tp__block *)entry);
}

static struct tp__owned *list_new(struct tp__owned *outer)
{
    struct tp__owned *list = tp__alloc(sizeof *list + FIRST_CAPACITY * sizeof list->entries[0]);
    if (list)
        *list = (struct tp__owned){.outer = outer, .capacity = FIRST_CAPACITY};
    return list;
}

static void list_free(struct tp__owned *list)
{
    while (list->count > 0)
        entry_release(list->entries[--list->count]);
    tp__free(list);
}

/* The list with room for one more entry, NULL without memory. */
static struct tp__owned *list_with_room(struct tp__context *context)
{
    struct tp__owned *list = context->owned;
    if (!list) {
        list = list_new(NULL);
    } else if (list->count == list->capacity) {
        const size_t capacity = 2 * (size_t)list->capacity + 1;
        list = capacity < UINT32_MAX ? tp__realloc(list, sizeof *list + capacity * sizeof list->entries[0]) : NULL;
        if (list)
            list->capacity = (uint32_t)capacity;
    }
    if (list)
        context->owned = list;
    return list;
}

static bool collects(const struct tp__context *context)
{
    return tp__context_is_task() || context->owned;
}

bool tp__owned_collects(void)
{
    return collects(tp__context_current());
}

static tp_status give(uintptr_t entry)
{
    struct tp__context *context = tp__context_current();
    if (!collects(context))
        return TP_OK;
    struct tp__owned *list = list_with_room(context);
    if (!list) {
        entry_release(entry);
        return tp__fail_nomem("the list of a task's values");
    }
    set_hint(entry, list->count);
    list->entries[list->count++] = entry;
    return TP_OK;
}

/* Takes the entry out of the list: true if it was there. */
static bool take_out(struct tp__owned *list, uintptr_t entry, uint32_t hint)
{
    uint32_t place = hint;
    if (place >= list->count || list->entries[place] != entry) {
        const uint32_t end = list->count > LOOK_AT ? list->count - LOOK_AT : 0;
        place = list->count;
        while (place > end && list->entries[place - 1] != entry)
            place--;
        if (place == end)
            return false;
        place--;
    }
    const uintptr_t last = list->entries[--list->count];
    list->entries[place] = last;
    if (place < list->count)
        set_hint(last, place);
    return true;
}

static void take_back(uintptr_t entry, uint32_t hint)
{
    const struct tp__context *context = tp__context_current();
    if (!collects(context) || (context->owned && take_out(context->owned, entry, hint)))
        entry_release(entry);
}

tp_status tp__owned_give_block(struct tp__block *block)
{
    return give(entry_of_block(block));
}

tp_status tp__owned_give_channel(struct tp_channel *channel)
{
    return give(entry_of_channel(channel));
}

void tp__owned_take_back_block(struct tp__block *block)
{
    take_back(entry_of_block(block), atomic_load_explicit(&block->owned_at, memory_order_relaxed));
}

void tp__owned_take_back_channel(struct tp_channel *channel)
{
    take_back(entry_of_channel(channel), UINT32_MAX);
}

size_t tp__owned_count(const struct tp__context *context)
{
    size_t count = 0;
    for (const struct tp__owned *list = context->owned; list; list = list->outer)
        count += list->count;
    return count;
}

tp_status tp__owned_scope_open(void)
{
    struct tp__context *context = tp__context_current();
    struct tp__owned *scope = list_new(context->owned);
    if (!scope)
        return tp__fail_nomem("the values of a closure's call");
    context->owned = scope;
    return TP_OK;
}

void tp__owned_scope_close(void)
{
    struct tp__context *context = tp__context_current();
    struct tp__owned *scope = context->owned;
    context->owned = scope->outer;
    list_free(scope);
}

void tp__owned_free(struct tp__context *context)
{
    while (context->owned) {
        struct tp__owned *list = context->owned;
        context->owned = list->outer;
        list_free(list);
    }
}
