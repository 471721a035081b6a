/* SPDX-License-Identifier: MIT */
#include "cluster/inbox.h"

#include "base/error.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { KEPT_BYTES = 1 << 20 }; /* a larger buffer is given back when it has been read */

tp_status tp__inbox_init(struct tp__inbox *inbox)
{
    *inbox = (struct tp__inbox){.descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    return inbox->descriptor >= 0 ? TP_OK : tp__fail_errno(TP_E_SYSTEM, "an event descriptor");
}

void tp__inbox_fini(struct tp__inbox *inbox)
{
    tp__buffer_free(&inbox->entries);
    tp__buffer_free(&inbox->taken);
    if (inbox->descriptor >= 0)
        close(inbox->descriptor);
}

static void wake(struct tp__inbox *inbox)
{
    /* seq_cst: pairs with tp__inbox_announce_sleep, which stores `sleeping` and then looks */
    if (atomic_load(&inbox->sleeping) && atomic_exchange(&inbox->sleeping, false)) {
        const uint64_t one = 1;
        (void)!write(inbox->descriptor, &one, sizeof one);
    }
}

void tp__inbox_nudge(struct tp__inbox *inbox)
{
    atomic_store(&inbox->nudged, true);
    wake(inbox);
}

bool tp__inbox_put(struct tp__inbox *inbox, const void *head, size_t head_size, const void *body, size_t body_size,
                   bool wakes, size_t *waiting)
{
    tp__spinlock_lock(&inbox->lock);
    const bool has_room = tp__buffer_reserve(&inbox->entries, head_size + body_size) &&
                          tp__buffer_append(&inbox->entries, head, head_size) &&
                          tp__buffer_append(&inbox->entries, body, body_size);
    if (waiting)
        *waiting = inbox->entries.size;
    tp__spinlock_unlock(&inbox->lock);
    if (has_room && wakes) {
        atomic_thread_fence(memory_order_seq_cst);
        wake(inbox);
    }
    return has_room;
}

bool tp__inbox_put_record(struct tp__inbox *inbox, const struct tp__record *record, bool wakes)
{
    tp__spinlock_lock(&inbox->lock);
    const bool has_room = tp__record_append(&inbox->entries, record);
    tp__spinlock_unlock(&inbox->lock);
    if (has_room && wakes) {
        atomic_thread_fence(memory_order_seq_cst);
        wake(inbox);
    }
    return has_room;
}

struct tp__reader tp__inbox_take(struct tp__inbox *inbox)
{
    if (inbox->taken.capacity > KEPT_BYTES)
        tp__buffer_free(&inbox->taken);
    inbox->taken.size = 0;
    tp__spinlock_lock(&inbox->lock);
    const struct tp__buffer full = inbox->entries;
    inbox->entries = inbox->taken;
    tp__spinlock_unlock(&inbox->lock);
    inbox->taken = full;
    return tp__reader_of(full.bytes, full.size);
}

bool tp__inbox_is_empty(struct tp__inbox *inbox)
{
    tp__spinlock_lock(&inbox->lock);
    const bool is_empty = inbox->entries.size == 0;
    tp__spinlock_unlock(&inbox->lock);
    return is_empty;
}

bool tp__inbox_announce_sleep(struct tp__inbox *inbox, const atomic_bool *is_blocked)
{
    atomic_store(&inbox->sleeping, true);
    atomic_thread_fence(memory_order_seq_cst);
    const bool is_empty = tp__inbox_is_empty(inbox);
    /* `is_blocked` is looked at last: what is put after it became false finds `sleeping` */
    const bool sleeps =
        !atomic_exchange(&inbox->nudged, false) && (is_empty || (is_blocked && atomic_load(is_blocked)));
    if (!sleeps)
        atomic_store(&inbox->sleeping, false);
    return sleeps;
}

void tp__inbox_awake(struct tp__inbox *inbox)
{
    atomic_store(&inbox->sleeping, false);
    uint64_t count;
    (void)!read(inbox->descriptor, &count, sizeof count);
}
