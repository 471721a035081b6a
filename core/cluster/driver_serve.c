/* SPDX-License-Identifier: MIT */
/* Design notes: the thread that calls tp_run serves the session
 *
 * A thread that submits one task and does nothing but wait for it would wake the session's thread to send the task, and
 * be woken by it when the result has come: two of the sixteen threads that a small task passes one after the other. So
 * it does the session's work itself meanwhile, if the session has no other task: it holds the turn (driver.h) as the
 * session's thread does for its rounds, and sleeps on the socket.
 *
 * The session's thread sleeps on the inbox all the time, so that what other threads want is done as ever; but not on
 * the socket while somebody serves, nor for LINGER_MS after that, as the next tp_run may follow, unless there are tasks
 * for which something may come. When that time has passed without a tp_run it comes back by itself. Who has served for
 * longer wakes it, as it then sleeps without that time limit; and so does who leaves tasks behind that others have
 * submitted meanwhile.
 */
#include "cluster/driver.h"

#include "base/error.h"
#include "link/socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LINGER_MS = 10 };

tp_status tp__driver_serve_init(struct tp__driver *driver)
{
    pthread_mutex_init(&driver->turn, NULL);
    pthread_cond_init(&driver->service.has_ended, NULL);
    driver->service.changed_ms = INT64_MIN / 2;
    driver->service.descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return driver->service.descriptor >= 0 ? TP_OK : tp__fail_errno(TP_E_SYSTEM, "an event descriptor");
}

void tp__driver_serve_fini(struct tp__driver *driver)
{
    if (driver->service.descriptor >= 0)
        close(driver->service.descriptor);
    pthread_cond_destroy(&driver->service.has_ended);
    pthread_mutex_destroy(&driver->turn);
}

/* ---- the session's thread: it has the turn ---- */

bool tp__driver_is_served(const struct tp__driver *driver, int64_t now_ms, int64_t *look_ms)
{
    const bool lingers = now_ms - driver->service.changed_ms < LINGER_MS;
    *look_ms = lingers ? now_ms + LINGER_MS : INT64_MAX;
    return driver->service.task || (lingers && tp__session_is_idle(driver->session));
}

static bool is_over(const struct tp__driver *driver)
{
    return tp_promise_ready(driver->service.task) || atomic_load_explicit(&driver->is_closing, memory_order_acquire);
}

void tp__driver_tell_server(struct tp__driver *driver)
{
    const uint64_t one = 1;
    if (driver->service.task && is_over(driver))
        (void)!write(driver->service.descriptor, &one, sizeof one);
}

void tp__driver_end_service(struct tp__driver *driver)
{
    while (driver->service.task) {
        tp__driver_tell_server(driver);
        pthread_cond_wait(&driver->service.has_ended, &driver->turn);
    }
}

/* ---- who serves ---- */

static bool begin(struct tp__driver *driver, struct tp_promise *task)
{
    pthread_mutex_lock(&driver->turn);
    if (!driver->service.task && tp__session_is_idle(driver->session) &&
        !atomic_load_explicit(&driver->is_closing, memory_order_acquire)) {
        driver->service.task = task;
        driver->service.changed_ms = tp__now_ms();
        return true;
    }
    pthread_mutex_unlock(&driver->turn);
    return false;
}

/* The turn is given back for the time. */
static void sleep_until(struct tp__driver *driver, int64_t wanted_ms)
{
    struct pollfd items[3] = {{.fd = driver->service.descriptor, .events = POLLIN},
                              {.fd = driver->socket_descriptor, .events = POLLIN},
                              {.fd = driver->watch_descriptor, .events = POLLIN}};
    if (driver->socket && tp__socket_has_message(driver->socket))
        return;
    pthread_mutex_unlock(&driver->turn);
    const int64_t left = wanted_ms - tp__now_ms();
    (void)poll(items, 3, left < 0 ? 0 : (int)(left < 1000 ? left : 1000));
    uint64_t count;
    if (items[0].revents != 0)
        (void)!read(driver->service.descriptor, &count, sizeof count);
    pthread_mutex_lock(&driver->turn);
    driver->watch_has_news = driver->watch_has_news || items[2].revents != 0;
}

static void end(struct tp__driver *driver)
{
    const int64_t now_ms = tp__now_ms();
    const bool is_needed = now_ms - driver->service.changed_ms >= LINGER_MS || !tp__session_is_idle(driver->session);
    driver->service.task = NULL;
    driver->service.changed_ms = is_needed ? INT64_MIN / 2 : now_ms;
    pthread_cond_broadcast(&driver->service.has_ended);
    pthread_mutex_unlock(&driver->turn);
    if (is_needed)
        tp__inbox_nudge(&driver->inbox);
}

void tp__driver_serve(struct tp__remote *remote, struct tp_promise *task)
{
    struct tp__driver *driver = tp__driver_of(remote);
    if (!begin(driver, task)) {
        tp__inbox_nudge(&driver->inbox); /* the task is in there */
        return;
    }
    struct tp__error_record *last = tp__error_take(); /* what the session meets is no error of this thread */
    for (;;) {
        const int64_t next_ms = tp__driver_round(driver);
        if (is_over(driver))
            break;
        sleep_until(driver, next_ms);
    }
    end(driver);
    tp__error_put_back(last);
}
