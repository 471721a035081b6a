/* SPDX-License-Identifier: MIT */
/* Design notes: the thread that calls tp_run serves the session
 *
 * A thread that submits one task and does nothing but wait for it would wake the session's thread to send the task, and
 * be woken by it when the result has come: two of the sixteen threads that a small task passes one after the other. So
 * it does the session's work itself meanwhile, if the session has no other task and its thread does nothing: it takes
 * the turn (driver.h) for its rounds, as the session's thread does for its own, and sleeps on the socket.
 *
 * The session's thread sleeps on the inbox all the time, so that what other threads want is done as ever; but not on
 * the socket while somebody serves, nor for LINGER_MS after that, as the next tp_run may follow, unless there are tasks
 * for which something may come. It looks again by itself after LINGER_MS; once it has seen that somebody serves for
 * longer, it sleeps without that time limit. Who leaves wakes it unless it is about to look by itself and nothing is to
 * be done at once: what the session does when its time has come may come as late as that.
 *
 * His signals wait while he does a round, as a handler may end the process, and the round would never be; and while he
 * sleeps, as he does that where the I/O thread is (link/gathering.h), and what a handler starts would stay there. A
 * signalfd wakes him for them. They do not wait for whoever reads the program's output.
 *
 * ZeroMQ's descriptor tells of news once, to whoever sleeps on it, and whoever does a round may take the news. So the
 * session's thread wakes who serves when its own round has left messages in the socket, or has replaced the socket, or
 * when what is waited for is there; in the last case it waits until he has had his turn.
 */
#include "cluster/driver.h"

#include "base/error.h"
#include "base/thread.h"

#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    LINGER_MS = 10,
    LEAVE_MS = 10 /* so long the session's thread waits at a time for who serves to take the turn */
};

static sigset_t all_but(const sigset_t *signals)
{
    sigset_t others;
    sigfillset(&others);
    for (int number = 1; number < NSIG; number++)
        if (sigismember(signals, number) == 1)
            (void)sigdelset(&others, number);
    return others;
}

tp_status tp__driver_serve_init(struct tp__driver *driver)
{
    pthread_mutex_init(&driver->turn, NULL);
    tp__driver_condition_init(&driver->service.has_ended);
    driver->service.changed_ms = INT64_MIN / 2;
    driver->service.descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    sigemptyset(&driver->service.signals);
    const sigset_t others = all_but(&driver->service.signals);
    driver->service.signal_descriptor = signalfd(-1, &others, SFD_CLOEXEC | SFD_NONBLOCK);
    return driver->service.descriptor >= 0 && driver->service.signal_descriptor >= 0
               ? TP_OK
               : tp__fail_errno(TP_E_SYSTEM, "an event descriptor");
}

void tp__driver_serve_fini(struct tp__driver *driver)
{
    if (driver->service.descriptor >= 0)
        close(driver->service.descriptor);
    if (driver->service.signal_descriptor >= 0)
        close(driver->service.signal_descriptor);
    pthread_cond_destroy(&driver->service.has_ended);
    pthread_mutex_destroy(&driver->turn);
}

/* ---- the session's thread: it has the turn ---- */

static bool is_over(const struct tp__driver *driver)
{
    return tp_promise_ready(driver->service.task) || atomic_load_explicit(&driver->is_closing, memory_order_acquire);
}

static void wake_server(struct tp__driver *driver)
{
    const uint64_t one = 1;
    (void)!write(driver->service.descriptor, &one, sizeof one);
}

/* Gives the turn away for a moment. */
static void let_leave(struct tp__driver *driver)
{
    const struct timespec end = tp__driver_deadline(LEAVE_MS);
    wake_server(driver);
    (void)pthread_cond_timedwait(&driver->service.has_ended, &driver->turn, &end);
}

bool tp__driver_is_served(struct tp__driver *driver, int64_t *look_ms)
{
    const int64_t now_ms = tp__now_ms();
    const bool is_recent = now_ms - driver->service.changed_ms < LINGER_MS;
    const bool is_served = driver->service.task || (is_recent && tp__session_unresolved(driver->session) == 0);
    driver->service.is_watched = is_served && is_recent;
    *look_ms = driver->service.is_watched ? now_ms + LINGER_MS : INT64_MAX;
    if (!driver->service.task)
        return is_served && !tp__driver_has_message(driver);
    if (driver->service.socket_number != driver->socket_number || tp__driver_has_message(driver))
        wake_server(driver);
    return is_served;
}

void tp__driver_let_server_leave(struct tp__driver *driver)
{
    if (driver->service.task && is_over(driver))
        let_leave(driver);
}

void tp__driver_end_service(struct tp__driver *driver)
{
    /* The thread that ends the process, out of a signal's handler perhaps, will not go on. */
    while (driver->service.task && !(driver->has_leaver && pthread_equal(driver->leaver, driver->service.thread)))
        let_leave(driver);
}

/* ---- who serves ---- */

static void watch_signals(struct tp__driver *driver, const sigset_t *signals)
{
    if (memcmp(&driver->service.signals, signals, sizeof *signals) == 0)
        return;
    const sigset_t others = all_but(signals);
    driver->service.signals = *signals;
    (void)signalfd(driver->service.signal_descriptor, &others, 0); /* fails for no descriptor that is one */
}

bool tp__driver_serves(const struct tp__driver *driver)
{
    return driver->service.task && pthread_equal(driver->service.thread, pthread_self());
}

void tp__driver_handle_signals(struct tp__driver *driver)
{
    sigset_t blocked;
    (void)pthread_sigmask(SIG_SETMASK, &driver->service.signals, &blocked);
    (void)pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

void tp__driver_begin_output(struct tp__driver *driver, sigset_t *before)
{
    const bool serves = tp__driver_serves(driver);
    (void)pthread_sigmask(SIG_SETMASK, serves ? &driver->service.signals : NULL, before);
}

void tp__driver_end_output(const sigset_t *before)
{
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* He does not wait for the turn: who has it is at work. */
static bool begin(struct tp__driver *driver, struct tp_promise *task, const sigset_t *signals)
{
    if (pthread_mutex_trylock(&driver->turn) != 0)
        return false;
    if (!driver->service.task && tp__session_unresolved(driver->session) == 0 &&
        !atomic_load_explicit(&driver->is_closing, memory_order_acquire)) {
        driver->service.task = task;
        driver->service.thread = pthread_self();
        driver->service.changed_ms = tp__now_ms();
        watch_signals(driver, signals);
        return true;
    }
    pthread_mutex_unlock(&driver->turn);
    return false;
}

static void sleep_until(struct tp__driver *driver, int64_t wanted_ms)
{
    if (tp__driver_has_message(driver)) {
        pthread_mutex_unlock(&driver->turn); /* as in a sleep: it may never come to one */
        tp__driver_handle_signals(driver);
        pthread_mutex_lock(&driver->turn);
        return;
    }
    driver->service.socket_number = driver->socket_number;
    uint64_t count;
    if (tp__driver_sleep(driver, driver->service.descriptor, false, wanted_ms))
        (void)!read(driver->service.descriptor, &count, sizeof count);
}

static void end(struct tp__driver *driver, int64_t next_ms)
{
    const int64_t now_ms = tp__now_ms();
    const bool is_needed = !driver->service.is_watched || tp__session_unresolved(driver->session) > 0 ||
                           next_ms <= now_ms || tp__driver_has_message(driver);
    driver->service.task = NULL;
    driver->service.changed_ms = now_ms;
    pthread_cond_signal(&driver->service.has_ended);
    if (is_needed)
        tp__inbox_nudge(&driver->inbox);
    pthread_mutex_unlock(&driver->turn);
}

static void serve(struct tp__driver *driver)
{
    /* What the session meets is no error of this thread, and it cannot do without its turns. */
    struct tp__error_record *last = tp__error_take();
    int cancelling;
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelling);
    int64_t next_ms = tp__driver_round(driver);
    while (!is_over(driver)) {
        sleep_until(driver, next_ms);
        next_ms = tp__driver_round(driver);
    }
    end(driver, next_ms);
    (void)pthread_setcancelstate(cancelling, NULL);
    tp__error_put_back(last);
}

void tp__driver_serve(struct tp__remote *remote, struct tp_promise *task)
{
    struct tp__driver *driver = tp__driver_of(remote);
    sigset_t signals;
    sigemptyset(&signals); /* or what the kernel does not write could not be compared */
    tp__thread_block_signals(&signals);
    if (begin(driver, task, &signals))
        serve(driver);
    else
        tp__inbox_nudge(&driver->inbox); /* the task is in there */
    (void)pthread_sigmask(SIG_SETMASK, &signals, NULL);
}
