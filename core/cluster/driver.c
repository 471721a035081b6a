/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * The session's state machine belongs to one thread. Others reach it through the inbox: a submit is encoded by who
 * submits and appended there; the thread takes all that waits at once, so that batches form by themselves under load
 * and nothing waits when there is none.
 *
 * It sleeps in poll(2) rather than zmq_poll, which makes a dozen system calls each time. ZeroMQ's descriptors tell of
 * news once, and any call on a socket may take the news: so the socket is asked itself before each sleep; on the watch
 * nothing is called but when its descriptor has told.
 *
 * A promise that is submitted belongs to its handles and to the session. The session's reference ends in one of two
 * ways: the session resolves it (it finds it unresolved or not, and lets go), or it is cancelled, and the CANCEL entry,
 * which has a reference of its own, finds out whether the session still knows it: `place` holds its sequence until
 * then.
 */
#include "cluster/driver.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/thread.h"
#include "closure/codec.h"
#include "closure/program.h"
#include "cluster/init.h"
#include "link/socket.h"
#include "runtime/channels.h"
#include "trust/leaf.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

enum {
    OPEN_TIMEOUT_MS = 10000,
    INBOX_LIMIT_BYTES = 8 << 20, /* more than that, and who submits waits */
    RECONNECT_MS = 1000,         /* a new socket at most so often, when the connection goes again and again */
    MESSAGES_A_ROUND = 64,       /* received before what was submitted meanwhile is looked at */
};

static struct tp__driver *driver_of(struct tp__remote *remote)
{
    return (struct tp__driver *)(void *)remote;
}

/* ---- those who submit ---- */

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

static tp_status wait_for_room(struct tp__driver *driver)
{
    /* acquire: pairs with the release of let_submit */
    while (tp__unlikely(atomic_load_explicit(&driver->is_crowded, memory_order_acquire))) {
        struct submitter submitter = {.driver = driver};
        tp_status status = tp__wait_init(&submitter.wait, withdraw_submitter);
        if (status != TP_OK)
            return status;
        tp__spinlock_lock(&driver->submitters_lock);
        const bool is_crowded = atomic_load_explicit(&driver->is_crowded, memory_order_relaxed);
        if (is_crowded)
            tp__wait_list_append(&driver->submitters, &submitter.link);
        tp__spinlock_unlock(&driver->submitters_lock);
        if (!is_crowded)
            break;
        status = tp__wait_park(&submitter.wait, TP__NEVER, TP__WAIT_CANCELLABLE);
        if (status != TP_OK)
            return status;
    }
    return TP_OK;
}

/* Makes those wait who submit more than the session has room for; wakes them when it has. */
static void let_submit(struct tp__driver *driver)
{
    const bool is_full = tp__session_is_full(driver->session);
    if (is_full)
        atomic_store_explicit(&driver->is_crowded, true, memory_order_relaxed);
    if (is_full || !atomic_load_explicit(&driver->is_crowded, memory_order_relaxed))
        return;
    tp__spinlock_lock(&driver->submitters_lock);
    atomic_store_explicit(&driver->is_crowded, false, memory_order_release);
    struct tp__wait_list list = driver->submitters;
    driver->submitters.first = NULL;
    struct tp__wait *woken = NULL;
    /* Taken out one by one under the lock: a withdrawal must find them gone. */
    while (list.first) {
        struct submitter *submitter =
            (struct submitter *)(void *)((char *)list.first - offsetof(struct submitter, link));
        tp__wait_list_remove(&list, list.first);
        submitter->link.next = (struct tp__wait_link *)(void *)woken;
        woken = &submitter->wait;
    }
    tp__spinlock_unlock(&driver->submitters_lock);
    while (woken) {
        struct submitter *submitter = (struct submitter *)(void *)woken;
        struct tp__wait *next = (struct tp__wait *)(void *)submitter->link.next;
        tp__wait_wake(woken);
        woken = next;
    }
}

static uint32_t kib_of(size_t bytes)
{
    return (uint32_t)((bytes + 1023) / 1024);
}

static bool submit(struct tp__remote *remote, struct tp_promise *task, const tp_task_options *options, int worker)
{
    struct tp__driver *driver = driver_of(remote);
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
        entry.stack_kib = kib_of(options->stack_bytes);
        entry.max_attempts = (uint32_t)options->max_attempts;
    }
    struct tp__encoded encoded;
    if (wait_for_room(driver) != TP_OK || tp__closure_encode(definition, task->payload, &encoded) != TP_OK)
        return false;
    entry.length = encoded.size;
    size_t waiting;
    const bool is_put = tp__inbox_put(&driver->inbox, &entry, sizeof entry, encoded.bytes, encoded.size, &waiting);
    tp__encoded_free(&encoded);
    if (!is_put) {
        tp__fail_nomem("a task for the cluster");
        return false;
    }
    if (tp__unlikely(waiting > INBOX_LIMIT_BYTES)) {
        atomic_store_explicit(&driver->is_crowded, true, memory_order_relaxed);
        tp__inbox_nudge(&driver->inbox); /* it may have read all that and be about to sleep: it takes this back */
    }
    return true;
}

static void stopped(struct tp__remote *remote, struct tp_promise *task)
{
    struct tp__driver *driver = driver_of(remote);
    const struct tp__driver_entry entry = {.type = TP__ENTRY_CANCEL, .object = tp_promise_retain(task)};
    /* Without memory for the entry the task runs on and its result finds the promise resolved. */
    if (!tp__inbox_put(&driver->inbox, &entry, sizeof entry, NULL, 0, NULL))
        tp_promise_release(task);
}

static size_t size_of_pool(struct tp__remote *remote)
{
    return atomic_load_explicit(&driver_of(remote)->workers, memory_order_relaxed);
}

/* ---- what the session wants ---- */

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct tp__driver *driver = context;
    if (driver->socket)
        (void)tp__socket_send(driver->socket, NULL, bytes, size); /* what is lost breaks the link, which is noticed */
}

static void disconnect(struct tp__driver *driver)
{
    if (driver->watch)
        tp__watch_close(driver->watch);
    if (driver->socket)
        zmq_close(driver->socket);
    driver->watch = driver->socket = NULL;
    driver->socket_descriptor = driver->watch_descriptor = -1; /* poll leaves those out */
}

static void reconnect(void *context)
{
    struct tp__driver *driver = context;
    disconnect(driver);
    driver->connected_ms = tp__now_ms();
    driver->reconnect_ms = INT64_MAX;
    struct tp__problem problem;
    driver->socket = tp__socket_connect(driver->zmq, driver->endpoint, &driver->key, &driver->coordinator, &problem);
    if (!driver->socket) {
        fprintf(stderr, "taskpool: %s: %s\n", driver->endpoint, problem.text);
        return; /* the session tries again when it has waited for long enough */
    }
    driver->watch = tp__watch_open(driver->zmq, driver->socket);
    driver->socket_descriptor = tp__socket_descriptor(driver->socket);
    driver->watch_descriptor = driver->watch ? tp__socket_descriptor(driver->watch) : -1;
    driver->watch_has_news = true; /* what came before its descriptor was looked at */
    tp__session_connected(driver->session, tp__now_ms());
}

static void on_result(void *context, void *tag, const uint8_t *value, size_t size)
{
    (void)context;
    *tp__remote_place(tag) = NULL;
    tp__remote_resolve(tag, value, size, NULL);
}

static void on_failure(void *context, void *tag, const struct tp__session_error *error)
{
    (void)context;
    const struct tp__origin origin = {
        .task = error->task, .node = error->node, .worker = error->worker, .backtrace = error->backtrace};
    *tp__remote_place(tag) = NULL;
    tp__remote_resolve(tag, NULL, 0, tp__error_new(error->status, &origin, error->message));
}

static void on_workers(void *context, size_t count)
{
    struct tp__driver *driver = context;
    atomic_store_explicit(&driver->workers, count, memory_order_relaxed);
}

static void on_room(void *context)
{
    (void)context; /* let_submit looks after every round */
}

static const uint8_t *read_chunk(void *context, uint32_t index, size_t *size)
{
    struct tp__driver *driver = context;
    if (!driver->chunk)
        driver->chunk = tp__alloc(TP__CHUNK_BYTES);
    *size = driver->chunk ? tp__image_read(driver->image, index, driver->chunk) : 0;
    return *size > 0 ? driver->chunk : NULL;
}

static const char *task_name(void *context, uint32_t index)
{
    (void)context;
    const tp_task_definition *task = tp__program_task(index);
    return task ? task->name : "";
}

/* What tasks print appears here, each line marked with where it comes from. */
static void on_output(void *context, const char *node, const char *task, int descriptor, uint32_t dropped_bytes,
                      const uint8_t *bytes, size_t size)
{
    (void)context;
    FILE *to = descriptor == STDOUT_FILENO ? stdout : stderr;
    const char *gap = task[0] ? " " : "";
    flockfile(to);
    if (dropped_bytes > 0)
        fprintf(to, "[%s%s%s] (%u bytes of output were dropped here)\n", node, gap, task, dropped_bytes);
    while (size > 0) {
        const uint8_t *end = memchr(bytes, '\n', size);
        const size_t length = end ? (size_t)(end - bytes) : size;
        fprintf(to, "[%s%s%s] ", node, gap, task);
        (void)fwrite(bytes, 1, length, to);
        (void)fputc('\n', to);
        const size_t taken = end ? length + 1 : length;
        bytes += taken;
        size -= taken;
    }
    (void)fflush(to);
    funlockfile(to);
}

static void child_began(void *context, uint64_t sequence)
{
    struct tp__driver *driver = context;
    tp__operations_child_began(&driver->operations, driver->executor->tally, sequence);
}

static void child_ended(void *context, uint64_t sequence)
{
    struct tp__driver *driver = context;
    tp__operations_child_ended(&driver->operations, driver->executor->tally, sequence);
}

static void on_operation(void *context, const struct tp__session_operation *operation, const uint8_t *body, size_t size)
{
    struct tp__driver *driver = context;
    tp__operations_begin(&driver->operations, operation, body, size);
}

static void on_withdraw(void *context, const struct tp__session_operation *operation)
{
    struct tp__driver *driver = context;
    tp__operations_withdraw(&driver->operations, operation);
}

static void on_confirmed(void *context, const struct tp__session_operation *operation)
{
    struct tp__driver *driver = context;
    tp__operations_confirm(&driver->operations, operation);
}

static bool on_dropped(void *context, const struct tp__session_operation *operation)
{
    struct tp__driver *driver = context;
    return tp__operations_drop(&driver->operations, operation);
}

/* ---- the thread ---- */

static void take_submit(struct tp__driver *driver, const struct tp__driver_entry *entry, const uint8_t *payload)
{
    struct tp_promise *promise = entry->object;
    const struct tp__session_task task = {.tag = promise,
                                          .task = entry->task,
                                          .flags = entry->flags,
                                          .worker = entry->worker,
                                          .stack_kib = entry->stack_kib,
                                          .max_attempts = entry->max_attempts,
                                          .payload = payload,
                                          .length = (size_t)entry->length};
    tp_status status;
    const uint64_t sequence = tp__session_submit(driver->session, &task, &status);
    if (sequence > 0) {
        *tp__remote_place(promise) = (void *)(uintptr_t)sequence;
        return;
    }
    struct tp__problem problem = {.status = status};
    (void)tp__session_state(driver->session, &problem);
    char message[400];
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
            take_submit(driver, &entry, tp__get_bytes(&reader, (size_t)entry.length));
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

static void receive_messages(struct tp__driver *driver)
{
    for (int i = 0; i < MESSAGES_A_ROUND && driver->socket; i++) {
        zmq_msg_t message;
        const int got = tp__socket_receive(driver->socket, NULL, NULL, &message);
        if (got == 0)
            return;
        if (got < 0)
            continue;
        tp__session_receive(driver->session, zmq_msg_data(&message), zmq_msg_size(&message), tp__now_ms());
        zmq_msg_close(&message);
    }
}

/* A connection that has gone is made anew: at once, but one that went as soon as it was there (a coordinator that turns
 * this key away) only after a while. */
static void mend(struct tp__driver *driver)
{
    const int64_t now_ms = tp__now_ms();
    const bool has_news = driver->watch_has_news;
    driver->watch_has_news = false;
    if (has_news && driver->watch && tp__watch_disconnected(driver->watch)) {
        disconnect(driver);
        driver->reconnect_ms = driver->connected_ms + RECONNECT_MS;
    }
    if (driver->reconnect_ms <= now_ms)
        reconnect(driver);
}

/* Tells the one who opens the pool what has become of it. */
static void report_state(struct tp__driver *driver)
{
    struct tp__problem problem = {.status = TP_OK};
    const enum tp__session_state state = tp__session_state(driver->session, &problem);
    const bool is_answered = state == TP__SESSION_OPEN && tp__session_is_answered(driver->session);
    if (state == driver->state && is_answered == driver->is_answered)
        return;
    pthread_mutex_lock(&driver->open_lock);
    driver->state = state;
    driver->is_answered = is_answered;
    driver->problem = problem;
    pthread_cond_broadcast(&driver->open_changed);
    pthread_mutex_unlock(&driver->open_lock);
}

static void sleep_until(struct tp__driver *driver, int64_t wanted_ms)
{
    if (!tp__inbox_announce_sleep(&driver->inbox))
        return;
    const int64_t left = wanted_ms - tp__now_ms();
    struct pollfd items[3] = {{.fd = driver->inbox.descriptor, .events = POLLIN},
                              {.fd = driver->socket_descriptor, .events = POLLIN},
                              {.fd = driver->watch_descriptor, .events = POLLIN}};
    if (!driver->socket || !tp__socket_has_message(driver->socket)) {
        (void)poll(items, 3, left < 0 ? 0 : (int)(left < 1000 ? left : 1000));
        driver->watch_has_news = driver->watch_has_news || items[2].revents != 0;
    }
    tp__inbox_awake(&driver->inbox);
}

static void *run(void *argument)
{
    struct tp__driver *driver = argument;
    reconnect(driver);
    while (!atomic_load_explicit(&driver->is_closing, memory_order_acquire)) {
        if (take_inbox(driver))
            tp__session_flush(driver->session, tp__now_ms()); /* at once: a task that is run alone waits for nothing */
        receive_messages(driver);
        mend(driver);
        tp__session_flush(driver->session, tp__now_ms());
        const int64_t next_ms = tp__session_tick(driver->session, tp__now_ms());
        let_submit(driver);
        report_state(driver);
        sleep_until(driver, next_ms < driver->reconnect_ms ? next_ms : driver->reconnect_ms);
    }
    (void)take_inbox(driver);
    tp__session_close(driver->session, tp__now_ms());
    disconnect(driver);
    return NULL;
}

/* ---- open and close ---- */

static void release(struct tp__driver *driver)
{
    tp__operations_fini(&driver->operations);
    tp__session_free(driver->session);
    if (driver->zmq)
        zmq_ctx_term(driver->zmq);
    tp__inbox_fini(&driver->inbox);
    tp__authorized_free(driver->authorized);
    tp__key_wipe(&driver->key);
    pthread_cond_destroy(&driver->open_changed);
    pthread_mutex_destroy(&driver->open_lock);
    tp__free(driver->chunk);
    tp__free(driver);
}

static void end_thread(struct tp__driver *driver)
{
    atomic_store_explicit(&driver->is_closing, true, memory_order_release);
    tp__inbox_nudge(&driver->inbox);
    pthread_join(driver->thread, NULL);
}

static void close_session(struct tp__remote *remote)
{
    end_thread(driver_of(remote));
}

static void free_driver(struct tp__remote *remote)
{
    release(driver_of(remote));
}

static const struct tp__remote_class driver_class = {
    .submit = submit, .stopped = stopped, .size = size_of_pool, .close = close_session, .free = free_driver};

static bool new_session(struct tp__driver *driver, const tp_pool_options *options)
{
    const struct tp__session_actions actions = {.transmit = transmit,
                                                .reconnect = reconnect,
                                                .result = on_result,
                                                .failure = on_failure,
                                                .child_began = child_began,
                                                .child_ended = child_ended,
                                                .operation = on_operation,
                                                .withdraw = on_withdraw,
                                                .confirmed = on_confirmed,
                                                .dropped = on_dropped,
                                                .output = on_output,
                                                .chunk = read_chunk,
                                                .task_name = task_name,
                                                .workers = on_workers,
                                                .room = on_room,
                                                .context = driver};
    struct tp__session_options session = {.key = &driver->key,
                                          .authorized = driver->authorized,
                                          .program = driver->image->root,
                                          .program_length = driver->image->length,
                                          .chunk_hashes = driver->image->chunk_hashes,
                                          .strict = options->placement == TP_ROUND_ROBIN_STRICT,
                                          .stack_kib = kib_of(options->stack_bytes)};
    memcpy(session.machine, driver->image->machine, sizeof session.machine);
    memcpy(session.program_name, driver->image->name, sizeof session.program_name);
    driver->session = tp__session_new(&session, &actions, tp__now_ms());
    driver->operations.session = driver->session;
    driver->operations.inbox = &driver->inbox;
    return driver->session != NULL;
}

static void deadline_after(struct timespec *deadline, int64_t ms)
{
    clock_gettime(CLOCK_MONOTONIC, deadline);
    deadline->tv_sec += ms / 1000;
}

/* Until every node that is there has answered the offer; a cluster without nodes is open as well. */
static tp_status wait_until_open(struct tp__driver *driver)
{
    struct timespec deadline;
    deadline_after(&deadline, OPEN_TIMEOUT_MS);
    pthread_mutex_lock(&driver->open_lock);
    int error = 0;
    while (driver->state != TP__SESSION_FAILED && !driver->is_answered && error == 0)
        error = pthread_cond_timedwait(&driver->open_changed, &driver->open_lock, &deadline);
    const enum tp__session_state state = driver->state;
    const struct tp__problem problem = driver->problem;
    pthread_mutex_unlock(&driver->open_lock);
    if (state == TP__SESSION_OPEN)
        return TP_OK;
    if (state == TP__SESSION_FAILED)
        return tp__fail(problem.status, "%s: %s", driver->endpoint, problem.text);
    return tp__fail(TP_E_SYSTEM,
                    "%s: no coordinator answered within %d s: is it running, can it be reached, is its key the one in "
                    "authorized_keys, and does it list this key (`taskpool keygen --show`) as a driver's?",
                    driver->endpoint, OPEN_TIMEOUT_MS / 1000);
}

/* What only the workers of this process can be told. */
static tp_status check_options(const char *host_and_port, const tp_pool_options *options)
{
    const char *option = options->serial_workers     ? "serial_workers"
                         : options->on_hog           ? "on_hog"
                         : options->watchdog_ms != 0 ? "watchdog_ms"
                                                     : NULL;
    if (!option)
        return TP_OK;
    return tp__fail(TP_E_UNSUPPORTED, "tcp://%s: %s is an option of local pools; a cluster has none of it",
                    host_and_port, option);
}

static tp_status start(struct tp__driver *driver, const char *host_and_port, const tp_pool_options *options)
{
    if (check_options(host_and_port, options) != TP_OK)
        return TP_E_UNSUPPORTED;
    snprintf(driver->endpoint, sizeof driver->endpoint, "tcp://%.280s", host_and_port);
    tp_status status = tp__driver_read_keys(driver, host_and_port);
    if (status != TP_OK)
        return status;
    driver->image = tp__image_get();
    if (!driver->image)
        return tp_last_error()->status;
    status = tp__inbox_init(&driver->inbox);
    if (status != TP_OK)
        return status;
    driver->zmq = zmq_ctx_new();
    if (!driver->zmq || !new_session(driver, options))
        return tp__fail_nomem("a session");
    driver->executor = tp__executor_start_remote(&driver->remote, options, false);
    if (!driver->executor)
        return tp_last_error()->status;
    driver->operations.channels = driver->executor->channels;
    return TP_OK;
}

static struct tp__executor *open_session(const char *host_and_port, const tp_pool_options *options)
{
    struct tp__driver *driver = tp__alloc_zeroed(1, sizeof *driver);
    if (!driver) {
        tp__fail_nomem("a session");
        return NULL;
    }
    driver->remote.class = &driver_class;
    driver->inbox.descriptor = -1;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&driver->open_lock, NULL);
    pthread_cond_init(&driver->open_changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (start(driver, host_and_port, options) != TP_OK) { /* then there is no executor */
        release(driver);
        return NULL;
    }
    struct tp__executor *executor = driver->executor;
    const int error = tp__thread_start(&driver->thread, "tp-session", run, driver);
    if (error) {
        errno = error;
        tp__fail_errno(TP_E_SYSTEM, "the session's thread cannot be started");
        executor->remote = NULL; /* nothing is to be closed */
        tp__executor_stop(executor);
        tp__executor_release(executor);
        release(driver);
        return NULL;
    }
    if (wait_until_open(driver) == TP_OK)
        return executor;
    struct tp__error_record *why = tp__error_retain(tp__context_current()->error);
    tp__executor_stop(executor);
    tp__executor_release(executor);
    tp__error_set(why);
    tp__error_release(why);
    return NULL;
}

tp__remote_opener *tp__cluster_opener(void)
{
    return open_session;
}
