/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * The session's state machine belongs to who has the turn, which is this thread but for driver_serve.c. Others reach it
 * through the inbox: all that waits there is taken at once, so that batches form by themselves under load and nothing
 * waits when there is none.
 *
 * It sleeps in poll(2) rather than zmq_poll, which makes a dozen system calls each time. ZeroMQ's descriptors tell of
 * news once, and any call on a socket may take the news: so the socket is asked itself before each sleep; on the watch
 * nothing is called but when its descriptor has told.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "cluster/driver.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum {
    TROUBLE_LASTS_MS = 3000, /* so long somebody may be about to list this key, or to start the right coordinator */
};

static void take_submit(struct tp__driver *driver, const struct tp__driver_entry *entry, struct tp__reader *reader)
{
    struct tp_promise *promise = entry->object;
    const size_t length = (size_t)entry->length;
    const uint8_t *payload = entry->payload ? entry->payload : tp__get_bytes(reader, length);
    if (entry->payload)
        atomic_fetch_sub_explicit(&driver->large_bytes, length, memory_order_relaxed);
    const struct tp__session_task task = {.tag = promise,
                                          .task = entry->task,
                                          .flags = entry->flags,
                                          .worker = entry->worker,
                                          .stack_kib = entry->stack_kib,
                                          .max_attempts = entry->max_attempts,
                                          .payload = payload,
                                          .owned_payload = entry->payload,
                                          .length = length};
    tp_status status;
    const uint64_t sequence = tp__session_submit(driver->session, &task, &status);
    if (sequence > 0) {
        *tp__remote_place(promise) = (void *)(uintptr_t)sequence;
        return;
    }
    tp__free(entry->payload);
    struct tp__problem problem = {.status = status};
    (void)tp__session_state(driver->session, &problem);
    char message[TP__PROBLEM_BYTES + 128];
    snprintf(message, sizeof message, "task '%.80s' was not sent to the cluster: %s", promise->definition->name,
             status == TP_E_ARGUMENT   ? "the worker that it is pinned to is gone"
             : status == TP_E_NOMEM    ? "out of memory"
             : problem.text[0] != '\0' ? problem.text
                                       : tp_status_text(status));
    const struct tp__origin origin = {.task = promise->definition->name, .node = "", .worker = -1};
    tp__remote_resolve(promise, NULL, 0, tp__error_new(status, &origin, message));
}

static void take_cancel(struct tp__driver *driver, struct tp_promise *promise)
{
    const uint64_t sequence = (uint64_t)(uintptr_t)*tp__remote_place(promise);
    if (sequence > 0) {
        *tp__remote_place(promise) = NULL;
        tp__session_cancel(driver->session, sequence);
        tp_promise_release(promise); /* the session's */
    }
    tp_promise_release(promise);
}

/* True if there was something. */
static bool take_inbox(struct tp__driver *driver)
{
    struct tp__reader reader = tp__inbox_take(&driver->inbox);
    const bool found = tp__reader_left(&reader) > 0;
    while (tp__reader_left(&reader) > 0) {
        struct tp__driver_entry entry;
        memcpy(&entry, tp__get_bytes(&reader, sizeof entry), sizeof entry);
        switch ((enum tp__driver_entry_type)entry.type) {
        case TP__ENTRY_SUBMIT:
            take_submit(driver, &entry, &reader);
            break;
        case TP__ENTRY_CANCEL:
            take_cancel(driver, entry.object);
            break;
        case TP__ENTRY_OPERATION_DONE:
            tp__operations_done(&driver->operations, entry.object);
            break;
        }
    }
    return found;
}

/* Tells the one who opens the pool what has become of it. */
static void report(struct tp__driver *driver)
{
    struct tp__driver_news news = {.problem.status = TP_OK};
    news.state = tp__session_state(driver->session, &news.problem);
    news.is_answered = news.state == TP__SESSION_OPEN && tp__session_is_answered(driver->session);
    news.trouble = driver->trouble;
    news.is_hopeless = tp__trouble_is_lasting(driver->trouble) && tp__now_ms() - driver->trouble_ms >= TROUBLE_LASTS_MS;
    const struct tp__driver_news *last = &driver->news;
    if (news.state == last->state && news.is_answered == last->is_answered && news.trouble == last->trouble &&
        news.is_hopeless == last->is_hopeless)
        return;
    pthread_mutex_lock(&driver->open_lock);
    driver->news = news;
    pthread_cond_broadcast(&driver->open_changed);
    pthread_mutex_unlock(&driver->open_lock);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t tp__driver_round(struct tp__driver *driver)
{
    if (take_inbox(driver))
        tp__session_flush(driver->session, tp__now_ms()); /* at once: a task that is run alone waits for nothing */
    tp__driver_receive(driver);
    tp__driver_mend(driver);
    tp__driver_look_at_keys(driver);
    tp__session_flush(driver->session, tp__now_ms());
    const int64_t next_ms = tp__session_tick(driver->session, tp__now_ms());
    const int64_t away_ms = tp__driver_note_away(driver);
    tp__driver_let_submit(driver);
    report(driver);
    return earlier(next_ms, earlier(away_ms, driver->reconnect_ms));
}

/* Where this thread should sleep; -1: anywhere. */
static int gather(struct tp__driver *driver)
{
    const uint64_t tasks = tp__session_unresolved(driver->session);
    if (tasks > 1)
        tp__gathering_scatter(driver->gathering);
    if (tasks != 1)
        return -1;
    tp__gathering_come(driver->gathering);
    return tp__gathering_processor(driver->gathering);
}

bool tp__driver_sleep(struct tp__driver *driver, int descriptor, bool is_served, int64_t wanted_ms)
{
    const int64_t left = wanted_ms - tp__now_ms();
    const int signals = tp__driver_serves(driver) ? driver->service.signal_descriptor : -1;
    struct pollfd items[4] = {{.fd = descriptor, .events = POLLIN},
                              {.fd = is_served ? -1 : driver->socket_descriptor, .events = POLLIN},
                              {.fd = is_served ? -1 : driver->watch_descriptor, .events = POLLIN},
                              {.fd = signals, .events = POLLIN}};
    struct tp__processors before;
    const int processor = is_served ? -1 : gather(driver);
    const bool is_narrowed = tp__processors_narrow(&before, processor);
    pthread_mutex_unlock(&driver->turn);
    (void)poll(items, 4, left < 0 ? 0 : (int)(left < 1000 ? left : 1000));
    if (is_narrowed)
        tp__processors_restore(&before, processor);
    if (items[3].revents != 0)
        tp__driver_handle_signals(driver);
    pthread_mutex_lock(&driver->turn);
    if (items[1].revents != 0 && driver->socket)
        tp__socket_told(driver->socket);
    driver->watch_has_news = driver->watch_has_news || items[2].revents != 0;
    return items[0].revents != 0;
}

static void sleep_until(struct tp__driver *driver, int64_t wanted_ms)
{
    if (!tp__inbox_announce_sleep(&driver->inbox, NULL))
        return;
    int64_t look_ms;
    const bool is_served = tp__driver_is_served(driver, &look_ms);
    if (is_served || !tp__driver_has_message(driver))
        (void)tp__driver_sleep(driver, driver->inbox.descriptor, is_served, look_ms < wanted_ms ? look_ms : wanted_ms);
    tp__inbox_awake(&driver->inbox);
}

void *tp__driver_run(void *argument)
{
    struct tp__driver *driver = argument;
    pthread_mutex_lock(&driver->turn);
    tp__driver_reconnect(driver);
    while (!atomic_load_explicit(&driver->is_closing, memory_order_acquire)) {
        const int64_t next_ms = tp__driver_round(driver);
        tp__driver_let_server_leave(driver);
        sleep_until(driver, next_ms);
    }
    tp__driver_end_service(driver);
    (void)take_inbox(driver);
    tp__session_close(driver->session, tp__now_ms());
    tp__driver_disconnect(driver);
    pthread_mutex_unlock(&driver->turn);
    zmq_ctx_term(driver->zmq); /* until Bye is on its way */
    driver->zmq = NULL;
    return NULL;
}
