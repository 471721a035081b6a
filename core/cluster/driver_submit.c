/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * A submit is encoded by who submits, and appended to the inbox. Who submits more than the session has room for waits
 * in a list of its own; the session's thread looks after every round whether it is to be woken.
 *
 * A promise that is submitted belongs to its handles and to the session. The session's reference ends in one of two
 * ways: the session resolves it (it finds it unresolved or not, and lets go), or it is cancelled, and the CANCEL entry,
 * which has a reference of its own, finds out whether the session still knows it: `place` holds its sequence until
 * then.
 */
#include "base/error.h"
#include "closure/codec.h"
#include "closure/program.h"
#include "cluster/driver.h"
#include "trust/leaf.h"

#include <taskpool/green.h>

enum {
    INBOX_LIMIT_BYTES = 8 << 20, /* more than that, and who submits waits */
    LARGE_BYTES = 16 << 10,      /* from here on a payload is handed over and not copied */
};

struct submitter {
    struct tp__wait wait;
    struct tp__wait_link link;
    struct tp__driver *driver;
};

static bool withdraw_submitter(struct tp__wait *wait)
{
    struct submitter *submitter = (struct submitter *)(void *)wait;
    struct tp__driver *driver = submitter->driver;
    tp__spinlock_lock(&driver->submitters_lock);
    const bool waits = tp__wait_link_is_linked(&submitter->link);
    if (waits)
        tp__wait_list_remove(&driver->submitters, &submitter->link);
    tp__spinlock_unlock(&driver->submitters_lock);
    return waits;
}

static bool is_inside_task(void)
{
    return tp_worker_index() >= 0;
}

/* Makes the submitter wait if it has to; `*status` says whether it may go on. */
static bool enlist(struct tp__driver *driver, struct submitter *submitter, tp_status *status)
{
    tp__spinlock_lock(&driver->submitters_lock);
    const bool is_crowded = atomic_load_explicit(&driver->is_crowded, memory_order_relaxed);
    const bool waits = is_crowded && !(driver->is_full && is_inside_task());
    if (waits)
        tp__wait_list_append(&driver->submitters, &submitter->link);
    tp__spinlock_unlock(&driver->submitters_lock);
    *status = is_crowded && !waits ? TP_E_FULL : TP_OK;
    return waits;
}

/* A task waits for the session's thread to read what is there, but not for other tasks to end: they might wait for it.
 */
static tp_status wait_for_room(struct tp__driver *driver)
{
    /* acquire: pairs with the release of let_submit */
    while (tp__unlikely(atomic_load_explicit(&driver->is_crowded, memory_order_acquire))) {
        struct submitter submitter = {.driver = driver};
        tp_status status = tp__wait_init(&submitter.wait, withdraw_submitter);
        if (status != TP_OK)
            return status;
        if (enlist(driver, &submitter, &status))
            status = tp__wait_park(&submitter.wait, TP__NEVER, TP__WAIT_CANCELLABLE);
        if (status == TP_E_FULL)
            return tp__fail(status, "the session has as many unresolved tasks, or bytes of captured values, as it may: "
                                    "await some before you submit more");
        if (status != TP_OK)
            return status;
    }
    return TP_OK;
}

/* Under the lock: takes all out one by one, as a withdrawal must find them gone. */
static struct tp__wait *take_submitters(struct tp__driver *driver)
{
    struct tp__wait *taken = NULL;
    while (driver->submitters.first) {
        struct tp__wait_link *link = driver->submitters.first;
        struct submitter *submitter = (struct submitter *)(void *)((char *)link - offsetof(struct submitter, link));
        tp__wait_list_remove(&driver->submitters, link);
        submitter->link.next = (struct tp__wait_link *)(void *)taken;
        taken = &submitter->wait;
    }
    return taken;
}

void tp__driver_let_submit(struct tp__driver *driver)
{
    const bool is_full = tp__session_is_full(driver->session);
    if (!is_full && !driver->is_full && !atomic_load_explicit(&driver->is_crowded, memory_order_relaxed))
        return;
    tp__spinlock_lock(&driver->submitters_lock);
    const bool is_news = !is_full || !driver->is_full; /* also for tasks that wait, when it has become full */
    driver->is_full = is_full;
    atomic_store_explicit(&driver->is_crowded, is_full, memory_order_release);
    struct tp__wait *woken = is_news ? take_submitters(driver) : NULL;
    tp__spinlock_unlock(&driver->submitters_lock);
    while (woken) {
        struct submitter *submitter = (struct submitter *)(void *)woken;
        struct tp__wait *next = (struct tp__wait *)(void *)submitter->link.next;
        tp__wait_wake(woken);
        woken = next;
    }
}

/* Takes the encoding over. False without memory. */
static bool put(struct tp__driver *driver, struct tp__driver_entry *entry, struct tp__encoded *encoded, bool wakes)
{
    const bool is_large = encoded->size >= LARGE_BYTES;
    const size_t large_bytes = is_large ? encoded->size : 0;
    size_t large_waiting = atomic_load_explicit(&driver->large_bytes, memory_order_relaxed);
    if (is_large) {
        entry->payload = encoded->bytes;
        large_waiting =
            large_bytes + atomic_fetch_add_explicit(&driver->large_bytes, large_bytes, memory_order_relaxed);
    }
    size_t waiting;
    const bool is_put = tp__inbox_put(&driver->inbox, entry, sizeof *entry, encoded->bytes,
                                      is_large ? 0 : encoded->size, wakes, &waiting);
    if (!is_put)
        atomic_fetch_sub_explicit(&driver->large_bytes, large_bytes, memory_order_relaxed);
    if (!is_put || !is_large)
        tp__encoded_free(encoded);
    if (tp__unlikely(is_put && waiting + large_waiting > INBOX_LIMIT_BYTES)) {
        atomic_store_explicit(&driver->is_crowded, true, memory_order_relaxed);
        tp__inbox_nudge(&driver->inbox); /* it may have read all that and be about to sleep: it takes this back */
    }
    return is_put;
}

bool tp__driver_submit(struct tp__remote *remote, struct tp_promise *task, const tp_task_options *options, int worker)
{
    struct tp__driver *driver = tp__driver_of(remote);
    const tp_task_definition *definition = task->definition;
    struct tp__driver_entry entry = {.type = TP__ENTRY_SUBMIT, .worker = worker, .object = task};
    if (!tp__program_index(definition, &entry.task)) {
        tp__fail(TP_E_UNSUPPORTED,
                 "task '%s' lives in a shared library (or is a TP_LOCAL_TASK), which is not sent to other machines: "
                 "define it in the program, or submit it to a local pool",
                 definition->name);
        return false;
    }
    if (options) {
        entry.flags =
            (options->at_most_once ? TP__LEAF_AT_MOST_ONCE : 0U) | (options->isolated ? TP__LEAF_ISOLATED : 0U);
        entry.stack_kib = tp__kib_of(options->stack_bytes);
        entry.max_attempts = (uint32_t)options->max_attempts;
    }
    struct tp__encoded encoded;
    if (wait_for_room(driver) != TP_OK || tp__closure_encode(definition, task->payload, &encoded) != TP_OK)
        return false;
    entry.length = encoded.size;
    const bool is_put = put(driver, &entry, &encoded, !task->is_served);
    if (!is_put)
        tp__fail_nomem("a task for the cluster");
    return is_put;
}

void tp__driver_stopped(struct tp__remote *remote, struct tp_promise *task)
{
    struct tp__driver *driver = tp__driver_of(remote);
    const struct tp__driver_entry entry = {.type = TP__ENTRY_CANCEL, .object = tp_promise_retain(task)};
    /* Without memory for the entry the task runs on and its result finds the promise resolved. */
    if (!tp__inbox_put(&driver->inbox, &entry, sizeof entry, NULL, 0, true, NULL))
        tp_promise_release(task);
}
