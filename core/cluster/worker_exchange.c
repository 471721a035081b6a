/* SPDX-License-Identifier: MIT */
/* Design notes: who watches the socket
 *
 * A thread that has to be woken costs as much as running dozens of small tasks. So a worker thread that runs out of
 * tasks sends what it has to say itself, watches the socket while it sleeps, and runs what it reads. One at a time
 * watches; while none does, the first thread has to.
 *
 * A worker that was woken may be busy for long. A timer is set anew then, and whenever a worker leaves something to be
 * sent later, unless it is set already: when it fires, the first thread sends what waits, and takes over the watch from
 * a worker that has not attended to the socket since the timer fired before. An idle worker takes it back. So what
 * comes in or goes out waits for two periods at most, and nothing ticks while nothing runs.
 */
#include "cluster/worker_exchange.h"

#include "base/error.h"
#include "cluster/inbox.h"
#include "cluster/worker.h"
#include "link/gathering.h"
#include "runtime/executor.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum {
    READ_BYTES = 256 << 10,
    READS_AT_ONCE = 4,
    ASSEMBLY_LIMIT_BYTES = 256 << 20,
    TIMER_NS = 1000 * 1000, /* the wake of a thread is about 0.5 % of it */
};

enum watcher { FIRST_THREAD = 0 }; /* i + 1: worker i, which sleeps; -(i + 1): worker i, which has been woken */

static struct {
    struct tp__exchange exchange;
    tp__worker_take_fn *take;
    struct tp__inbox outbox;
    int epoll; /* of the first thread: the socket, the outbox's descriptor, the timer */
    int timer;
    atomic_int watcher;
    atomic_bool timer_is_set;
    atomic_bool is_stopping;
    atomic_uint attended; /* by workers */
    unsigned attended_before;
    int processor; /* where the agent is, and the worker that watches is kept; -1: it is not */
    struct tp__processors processors;

    pthread_mutex_t arm_lock;
    uint32_t armed;         /* events of the socket that wake the first thread */
    atomic_bool is_blocked; /* the socket takes no more at the moment */

    pthread_mutex_t lock; /* for all that follows: one thread at a time reads and writes */
    struct tp__buffer input;
    struct tp__assembly assembly;
    struct tp__reader output; /* taken out of the outbox, not written yet */
    struct tp__reader taken;  /* the same, whole */
} self = {.arm_lock = PTHREAD_MUTEX_INITIALIZER,
          .lock = PTHREAD_MUTEX_INITIALIZER,
          .assembly.limit_bytes = ASSEMBLY_LIMIT_BYTES};

/* After `watcher` or `is_blocked` has changed: what wakes the first thread. */
static void arm(void)
{
    pthread_mutex_lock(&self.arm_lock);
    const uint32_t events = (atomic_load(&self.watcher) == FIRST_THREAD ? EPOLLIN | EPOLLRDHUP : 0U) |
                            (atomic_load(&self.is_blocked) ? EPOLLOUT : 0U);
    struct epoll_event event = {.events = events, .data.fd = self.exchange.descriptor};
    if (events != self.armed)
        (void)epoll_ctl(self.epoll, EPOLL_CTL_MOD, self.exchange.descriptor, &event);
    self.armed = events;
    pthread_mutex_unlock(&self.arm_lock);
}

/* ---- reading and writing, with the lock held ---- */

_Noreturn static void end_process(void)
{
    _exit(0); /* nothing is left to be done for anyone: no destructors, and no threads are waited for */
}

static void take_input(void)
{
    struct tp__reader reader = tp__reader_of(self.input.bytes, self.input.size);
    struct tp__record record;
    enum tp__record_next next;
    while ((next = tp__record_read(&reader, &record)) == TP__RECORD_FOUND) {
        tp_status status = TP_OK;
        if (tp__assembly_add(&self.assembly, &record, &status))
            self.take(&record);
        else if (status != TP_OK)
            tp__worker_die("a record from the agent: %s", tp_status_text(status));
    }
    if (next == TP__RECORD_MALFORMED)
        tp__worker_die("the agent sent a malformed record");
    tp__buffer_consume(&self.input, self.input.size - tp__reader_left(&reader));
}

/* True if there may be more. */
static bool read_some(void)
{
    if (!tp__buffer_reserve(&self.input, READ_BYTES))
        tp__worker_die("out of memory for what the agent sends");
    const ssize_t got = recv(self.exchange.descriptor, self.input.bytes + self.input.size, READ_BYTES, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        end_process(); /* the agent has closed the socket, or died */
    if (got < 0)
        return false;
    self.input.size += (size_t)got;
    take_input();
    return got == READ_BYTES;
}

static void block(bool is_blocked)
{
    if (atomic_exchange(&self.is_blocked, is_blocked) != is_blocked)
        arm();
}

/* All that was taken is written. Only now those tasks are over whose ends are in it: if the process dies before, nobody
 * may think that they had not started. */
static void note_ends(void)
{
    struct tp__record record;
    while (tp__record_read(&self.taken, &record) == TP__RECORD_FOUND)
        if ((record.type == TP__RECORD_RESULT || record.type == TP__RECORD_FAILURE) &&
            !(record.flags & TP__RECORD_MORE))
            tp__worker_task_ended(tp__worker_process.memory, record.task);
}

/* Writes as much as the socket takes: the first thread goes on when it takes more. */
static void write_all(void)
{
    for (;;) {
        if (tp__reader_left(&self.output) == 0) {
            note_ends();
            self.output = self.taken = tp__inbox_take(&self.outbox);
        }
        if (tp__reader_left(&self.output) == 0)
            break;
        const ssize_t sent =
            send(self.exchange.descriptor, self.output.at, tp__reader_left(&self.output), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            self.output.at += sent;
        } else if (errno == EAGAIN) {
            block(true);
            return;
        } else if (errno != EINTR) {
            end_process();
        }
    }
    block(false);
}

static void attend(void)
{
    pthread_mutex_lock(&self.lock);
    write_all();
    for (int i = 0; i < READS_AT_ONCE && read_some(); i++) {
    }
    write_all(); /* what was refused, or given back */
    pthread_mutex_unlock(&self.lock);
}

/* ---- the workers' part ---- */

/* 0: never. */
static void start_timer(long ns)
{
    const struct itimerspec in_a_while = {.it_value.tv_nsec = ns};
    (void)timerfd_settime(self.timer, 0, &in_a_while, NULL);
}

static void set_timer(void)
{
    /* seq_cst: pairs with on_timer, which takes this back before it looks for what is to be sent */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&self.timer_is_set, memory_order_relaxed) || atomic_exchange(&self.timer_is_set, true))
        return;
    start_timer(TIMER_NS);
}

/* By a worker that is about to watch, and has attended: the first thread need not wake. */
static void stop_timer(void)
{
    if (!atomic_load_explicit(&self.timer_is_set, memory_order_relaxed))
        return;
    start_timer(0);
    atomic_store_explicit(&self.timer_is_set, false, memory_order_relaxed);
    /* seq_cst: pairs with set_timer, by a worker that is busy */
    atomic_thread_fence(memory_order_seq_cst);
    if (!tp__inbox_is_empty(&self.outbox))
        set_timer();
}

static void attend_as_worker(struct tp__exchange *exchange)
{
    (void)exchange;
    atomic_fetch_add_explicit(&self.attended, 1, memory_order_relaxed);
    attend();
}

static bool begin_watch(struct tp__exchange *exchange, int worker)
{
    (void)exchange;
    int watcher = atomic_load(&self.watcher);
    do {
        if (watcher > 0)
            return false; /* another one that sleeps */
    } while (!atomic_compare_exchange_weak(&self.watcher, &watcher, worker + 1));
    if (watcher == FIRST_THREAD)
        arm();
    const int processor = atomic_load_explicit(&tp__worker_process.memory->processor, memory_order_relaxed);
    self.processor = tp__processors_narrow(&self.processors, processor) ? processor : -1;
    if (self.processor >= 0)
        stop_timer(); /* it would wake a thread on another processor */
    return true;
}

static void end_watch(struct tp__exchange *exchange, int worker)
{
    (void)exchange;
    if (self.processor >= 0)
        tp__processors_restore(&self.processors, self.processor); /* before it runs tasks */
    atomic_store(&self.watcher, -(worker + 1));
    /* From the beginning: a worker that wakes and sleeps again all the time attends to all itself. */
    atomic_store(&self.timer_is_set, true);
    start_timer(TIMER_NS);
}

void tp__worker_send(enum tp__record_type type, uint64_t task, uint32_t dispatch, uint32_t operation, const void *body,
                     size_t size)
{
    const struct tp__record record = {.type = (uint8_t)type,
                                      .task = task,
                                      .dispatch = dispatch,
                                      .operation = operation,
                                      .body = body,
                                      .size = (uint32_t)size};
    const struct tp__loop *loop = tp__loop_of_thread;
    const bool is_sent_later = loop && loop->worker && loop->worker->executor == tp__worker_process.executor;
    if (!tp__inbox_put_record(&self.outbox, &record, !is_sent_later))
        tp__worker_die("out of memory for a record of %zu bytes", size);
    if (is_sent_later)
        set_timer();
}

/* ---- the first thread's part ---- */

static void take_over(void)
{
    int watcher = atomic_load(&self.watcher);
    if (watcher >= 0)
        return; /* it is this thread's, or a worker sleeps, and watches */
    const unsigned attended = atomic_load_explicit(&self.attended, memory_order_relaxed);
    if (attended != self.attended_before) {
        self.attended_before = attended;
        set_timer();
    } else if (atomic_compare_exchange_strong(&self.watcher, &watcher, FIRST_THREAD)) {
        arm();
    }
}

static void on_timer(void)
{
    uint64_t times;
    (void)!read(self.timer, &times, sizeof times);
    atomic_store(&self.timer_is_set, false);
    take_over();
}

static bool is_over(void)
{
    if (!atomic_load_explicit(&self.is_stopping, memory_order_relaxed) || tp__worker_task_count() > 0)
        return false;
    attend(); /* what the last one said */
    return !atomic_load(&self.is_blocked);
}

static void sleep_until_event(void)
{
    struct epoll_event events[3];
    const int count = epoll_wait(self.epoll, events, 3, -1);
    tp__inbox_awake(&self.outbox);
    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == self.timer)
            on_timer(); /* all else is attended to anyway */
    }
}

void tp__worker_exchange_run(void)
{
    while (!is_over()) {
        attend();
        if (tp__inbox_announce_sleep(&self.outbox, &self.is_blocked))
            sleep_until_event();
    }
}

void tp__worker_exchange_stop(void)
{
    atomic_store_explicit(&self.is_stopping, true, memory_order_relaxed);
    tp__inbox_nudge(&self.outbox);
}

void tp__worker_exchange_no_task_left(void)
{
    if (atomic_load_explicit(&self.is_stopping, memory_order_relaxed))
        tp__inbox_nudge(&self.outbox);
}

/* ---- the beginning ---- */

static bool watch(int descriptor, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = descriptor};
    return epoll_ctl(self.epoll, EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void tp__worker_exchange_open(int socket, tp__worker_take_fn *take)
{
    self.exchange = (struct tp__exchange){
        .descriptor = socket, .attend = attend_as_worker, .begin_watch = begin_watch, .end_watch = end_watch};
    self.take = take;
    self.output = self.taken = tp__reader_of("", 0);
    self.armed = EPOLLIN | EPOLLRDHUP;
    if (tp__inbox_init(&self.outbox) != TP_OK)
        tp__worker_die("%s", tp_last_error()->message);
    self.epoll = epoll_create1(EPOLL_CLOEXEC);
    self.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self.epoll < 0 || self.timer < 0 || !watch(socket, self.armed) || !watch(self.outbox.descriptor, EPOLLIN) ||
        !watch(self.timer, EPOLLIN))
        tp__worker_die("what it waits with cannot be had: %s", strerror(errno));
}

void tp__worker_exchange_share(struct tp__executor *executor)
{
    tp__executor_set_exchange(executor, &self.exchange);
}
