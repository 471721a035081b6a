/* SPDX-License-Identifier: MIT */
/* Opening and closing a pool at "tcp://host:port". */
#include "cluster/driver.h"

#include "base/alloc.h"
#include "base/context.h"
#include "base/error.h"
#include "base/thread.h"
#include "cluster/init.h"
#include "wire/heap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

enum { OPEN_TIMEOUT_MS = 10000 };

static void release(struct tp__driver *driver)
{
    tp__operations_fini(&driver->operations);
    tp__session_free(driver->session);
    if (driver->zmq)
        zmq_ctx_term(driver->zmq);
    tp__gathering_free(driver->gathering);
    tp__driver_serve_fini(driver);
    tp__inbox_fini(&driver->inbox);
    tp__authorized_free(driver->authorized);
    tp__key_wipe(&driver->key);
    pthread_cond_destroy(&driver->open_changed);
    pthread_mutex_destroy(&driver->open_lock);
    tp__free(driver->chunk);
    tp__free(driver);
}

void tp__driver_stop(struct tp__driver *driver)
{
    atomic_store_explicit(&driver->is_closing, true, memory_order_release);
    tp__inbox_nudge(&driver->inbox);
}

static void close_session(struct tp__remote *remote)
{
    struct tp__driver *driver = tp__driver_of(remote);
    tp__driver_stop(driver);
    tp__driver_join(driver);
}

static void free_driver(struct tp__remote *remote)
{
    release(tp__driver_of(remote));
}

static size_t size_of_pool(struct tp__remote *remote)
{
    return atomic_load_explicit(&tp__driver_of(remote)->workers, memory_order_relaxed);
}

static const struct tp__remote_class driver_class = {.submit = tp__driver_submit,
                                                     .serve = tp__driver_serve,
                                                     .stopped = tp__driver_stopped,
                                                     .size = size_of_pool,
                                                     .close = close_session,
                                                     .free = free_driver};

static bool new_session(struct tp__driver *driver, const tp_pool_options *options)
{
    const struct tp__session_actions actions = tp__driver_actions(driver);
    struct tp__session_options session = {.key = &driver->key,
                                          .authorized = driver->authorized,
                                          .program = driver->image->root,
                                          .program_length = driver->image->length,
                                          .chunk_hashes = driver->image->chunk_hashes,
                                          .strict = options->placement == TP_ROUND_ROBIN_STRICT,
                                          .stack_kib = tp__kib_of(options->stack_bytes)};
    memcpy(session.machine, driver->image->machine, sizeof session.machine);
    memcpy(session.program_name, driver->image->name, sizeof session.program_name);
    driver->session = tp__session_new(&session, &actions, tp__now_ms());
    driver->operations.session = driver->session;
    driver->operations.inbox = &driver->inbox;
    return driver->session != NULL;
}

/* Until every node that is there has answered the offer; a cluster without nodes is open as well. */
static tp_status wait_until_open(struct tp__driver *driver)
{
    const struct timespec deadline = tp__driver_deadline(OPEN_TIMEOUT_MS);
    const struct tp__driver_news *now = &driver->news;
    pthread_mutex_lock(&driver->open_lock);
    int error = 0;
    while (now->state != TP__SESSION_FAILED && !now->is_answered && !now->is_hopeless && error == 0)
        error = pthread_cond_timedwait(&driver->open_changed, &driver->open_lock, &deadline);
    const struct tp__driver_news news = *now;
    pthread_mutex_unlock(&driver->open_lock);
    if (news.state == TP__SESSION_OPEN)
        return TP_OK;
    if (news.state == TP__SESSION_FAILED)
        return tp__fail(news.problem.status, "%s: %s", driver->endpoint, news.problem.text);
    struct tp__problem problem;
    tp__trouble_explain(news.trouble, driver->endpoint, &driver->key, TP__ROLE_DRIVER, &problem);
    return tp__fail(problem.status, "%s", problem.text);
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
    if (status == TP_OK)
        status = tp__driver_serve_init(driver);
    if (status != TP_OK)
        return status;
    driver->zmq = zmq_ctx_new();
    driver->gathering = driver->zmq ? tp__gathering_new(driver->zmq) : NULL;
    if (!driver->gathering || !new_session(driver, options))
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
    driver->inbox.descriptor = driver->service.descriptor = -1;
    pthread_mutex_init(&driver->open_lock, NULL);
    tp__driver_condition_init(&driver->open_changed);
    if (start(driver, host_and_port, options) != TP_OK) { /* then there is no executor */
        release(driver);
        return NULL;
    }
    struct tp__executor *executor = driver->executor;
    const int error = tp__thread_start(&driver->thread, "tp-session", tp__driver_run, driver);
    if (error) {
        errno = error;
        tp__fail_errno(TP_E_SYSTEM, "the session's thread cannot be started");
        executor->remote = NULL; /* nothing is to be closed */
        tp__executor_stop(executor);
        tp__executor_release(executor);
        release(driver);
        return NULL;
    }
    tp__driver_enlist(driver);
    if (wait_until_open(driver) == TP_OK) {
        tp__heap_expect_large();
        return executor;
    }
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
