/* SPDX-License-Identifier: MIT */
/* leave HOW: ends with a task that is parked on the cluster and a pool that is open: by "exit", by "return" from main,
 * in a child that is "forked" while the parent waits for a line, in the "handler" of a signal that interrupts tp_run,
 * or after a thread that runs tp_run was "cancelled". "flood": runs a task that prints for ever. */
#include "check.h"
#include "cluster/marks.h"
#include "test_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* A forked child of a process with threads must not look for leaks: the search may wait for ever for threads that it
 * does not have. */
static bool is_child;
#if CHECK_ASAN
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return is_child;
}
#endif

TP_TASK(park, int64_t, (tp_channel *, begun))
{
    tp_try(tp_send(begun, (int64_t)1));
    tp_try(tp_sleep_ms(600000));
    return 0;
}

TP_TASK(receive, int64_t, (tp_channel *, begun), (tp_channel *, from))
{
    int64_t message;
    tp_try(tp_send(begun, (int64_t)1));
    tp_try(tp_recv(from, &message));
    return message;
}

TP_TASK(flood, int64_t)
{
    while (tp_sleep_ms(0) == TP_OK) /* until it is cancelled */
        puts("a line that nobody may read");
    return 0;
}

TP_TASK(add, int64_t, (int64_t, a), (int64_t, b))
{
    return a + b;
}

static tp_pool *pool; /* left open, and found by whoever looks for leaks */
static tp_promise *promise;
static tp_channel *begun, *again;

enum { LOOKS = 2000 };

/* ---- while tp_run waits ---- */

static void exit_here(int signal_number)
{
    (void)signal_number;
    exit(check_result());
}

/* The main thread does not wait for a lock, nor has one, but for what may come. */
static bool main_sleeps(void)
{
    char path[64], line[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)getpid());
    FILE *file = fopen(path, "re");
    if (!file || !fgets(line, sizeof line, file))
        line[0] = '\0';
    if (file)
        fclose(file);
    const long number = strtol(line, NULL, 10);
    bool sleeps = line[0] != '\0' && number == SYS_ppoll;
#ifdef SYS_poll
    sleeps |= line[0] != '\0' && number == SYS_poll;
#endif
    return sleeps;
}

/* The session's thread may have been at work when main called tp_run: then main does not serve, and calls it again. */
static void *interrupt_main(void *main_thread)
{
    int64_t one;
    bool sleeps = false;
    while (!sleeps) {
        if (tp_recv(begun, &one) != TP_OK)
            abort();
        for (int i = 0; i < LOOKS && !(sleeps = main_sleeps()); i++)
            sched_yield();
        if (!sleeps && tp_send(again, one) != TP_OK)
            abort();
    }
    printf("parked\n");
    fflush(stdout);
    (void)pthread_kill(*(pthread_t *)main_thread, SIGUSR1);
    return NULL;
}

static void be_interrupted(void)
{
    pthread_t self = pthread_self();
    pthread_t thread;
    signal(SIGUSR1, exit_here);
    CHECK_INT(pthread_create(&thread, NULL, interrupt_main, &self), 0);
    for (;;)
        (void)tp_run(pool, receive, NULL, begun, again);
}

static void *run_park(void *nothing)
{
    (void)tp_run(pool, park, NULL, begun);
    return nothing;
}

static void cancel_a_thread(void)
{
    pthread_t thread;
    int64_t value;
    CHECK_INT(pthread_create(&thread, NULL, run_park, NULL), 0);
    CHECK_OK(tp_recv(begun, &value));
    printf("parked\n");
    CHECK_INT(pthread_cancel(thread), 0);
    for (int64_t i = 0; i < 100; i++) {
        tp_promise *sum = tp_submit(pool, add, i, 1);
        CHECK_OK(tp_await(sum, &value));
        CHECK_INT(value, i + 1);
        tp_promise_release(sum);
    }
    fflush(stdout);
    exit(check_result());
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const char *how = argc > 1 ? argv[1] : "";
    int64_t one;
    pool = test_pool_open(1);
    begun = tp_pool_channel(pool, "begun");
    again = tp_pool_channel(pool, "again");
    if (strcmp(how, "handler") == 0)
        be_interrupted();
    if (strcmp(how, "cancelled") == 0)
        cancel_a_thread();
    if (strcmp(how, "flood") == 0)
        (void)tp_run(pool, flood, NULL);
    promise = tp_submit(pool, park, begun);
    CHECK_OK(tp_recv(begun, &one));
    printf("parked\n");
    fflush(stdout);
    if (strcmp(how, "forked") == 0) {
        const pid_t child = fork();
        is_child = child == 0;
        if (is_child)
            exit(0);
        CHECK_INT(waitpid(child, NULL, 0), child);
        printf("forked\n");
        fflush(stdout);
        char line[16];
        CHECK_OR_EXIT(fgets(line, sizeof line, stdin));
        CHECK(!tp_promise_ready(promise));
    }
    if (strcmp(how, "return") == 0)
        return check_result();
    exit(check_result());
}
