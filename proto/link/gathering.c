/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * Who follows whom: the driver's I/O thread goes to the thread that submits, the coordinator to where the driver's
 * message comes from, the node to where the coordinator's comes from. The kernel remembers for each TCP socket on which
 * processor its last packet came in; on the loopback interface that is the sender's. libzmq tells the descriptor.
 *
 * One processor does not do when more than half of it is used, or much is received: then threads of the same process
 * could work at the same time. It is looked at now and then, and who was scattered stays so for a while, as going to
 * and fro costs more than either.
 *
 * A thread that has chosen processors keeps to them when its control group gets more (since Linux 6.2). So who had all
 * is given all that there are or will be, not those that there were.
 *
 * libzmq does not tell which threads are its own. Their names do: the prefix is a number of ours.
 */
#include "link/gathering.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>
#include <zmq.h>

enum {
    THREADS_LIMIT = 16,  /* of libzmq's; more are left alone */
    FIRST_PREFIX = 1000, /* four digits: room for the rest of the name */
    PREFIXES = 9000,
    WINDOW_MS = 10,
    WINDOW_BYTES = 128 << 10,
    REST_MS = 50, /* after it was scattered */
    NAME_BYTES = 16
};

struct tp__gathering {
    char name[NAME_BYTES]; /* with which those of its I/O threads begin; "": unknown */
    pid_t threads[THREADS_LIMIT];
    size_t thread_count;
    int processor;                /* -1: none */
    bool has_follower;            /* the thread that uses it is gathered too */
    struct tp__processors before; /* where they could run */
    int64_t moved_ms, rest_ms;    /* when it came to where it is; until when it stays scattered */
    struct {
        int64_t begin_ms, used_us; /* by the process, until the beginning */
        size_t bytes;              /* received since then */
    } window;
};

static int64_t clock_us(clockid_t clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t now_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000;
}

/* ---- a thread ---- */

static bool is_choice(const struct tp__processors *processors, int processor)
{
    return processor >= 0 && processor < CPU_SETSIZE && CPU_ISSET((size_t)processor, &processors->set) &&
           CPU_COUNT(&processors->set) > 1;
}

static struct tp__processors only(int processor)
{
    struct tp__processors one;
    CPU_ZERO(&one.set);
    CPU_SET((size_t)processor, &one.set);
    return one;
}

static bool let_run(pid_t thread, const struct tp__processors *processors)
{
    return sched_setaffinity(thread, sizeof processors->set, &processors->set) == 0;
}

static bool may_run(pid_t thread, struct tp__processors *processors)
{
    return sched_getaffinity(thread, sizeof processors->set, &processors->set) == 0;
}

static bool are_equal(const struct tp__processors *a, const struct tp__processors *b)
{
    return CPU_EQUAL(&a->set, &b->set);
}

/* Not if somebody else has sent it elsewhere. */
static void let_run_again(pid_t thread, const struct tp__processors *before, int processor)
{
    const struct tp__processors one = only(processor);
    struct tp__processors now, all;
    if (!may_run(thread, &now) || !are_equal(&now, &one))
        return;
    memset(&all, 0xff, sizeof all);
    if (!let_run(thread, &all) || !may_run(thread, &now) || !are_equal(&now, before))
        (void)let_run(thread, before);
}

bool tp__processors_narrow(struct tp__processors *before, int processor)
{
    if (processor < 0 || !may_run(0, before) || !is_choice(before, processor))
        return false;
    const struct tp__processors one = only(processor);
    return let_run(0, &one);
}

void tp__processors_restore(const struct tp__processors *before, int processor)
{
    let_run_again(0, before, processor);
}

/* ---- those of a context ---- */

struct tp__gathering *tp__gathering_new(void *zmq_context)
{
    static atomic_int count;
    struct tp__gathering *gathering = calloc(1, sizeof *gathering);
    if (!gathering)
        return NULL;
    gathering->processor = -1;
    /* relaxed: only the number must be its own */
    const int prefix = FIRST_PREFIX + atomic_fetch_add_explicit(&count, 1, memory_order_relaxed) % PREFIXES;
    if (zmq_ctx_set(zmq_context, ZMQ_THREAD_NAME_PREFIX, prefix) == 0)
        (void)snprintf(gathering->name, sizeof gathering->name, "%d/ZMQbg/IO/", prefix);
    return gathering;
}

void tp__gathering_free(struct tp__gathering *gathering)
{
    free(gathering);
}

static bool is_named(const char *thread, const char *beginning)
{
    char path[sizeof "/proc/self/task//comm" + 20], name[NAME_BYTES + 1] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", thread);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    const bool is_read = fgets(name, sizeof name, file) != NULL;
    (void)fclose(file);
    return is_read && strncmp(name, beginning, strlen(beginning)) == 0;
}

/* They take their names after they have begun. */
static void find_threads(struct tp__gathering *gathering)
{
    DIR *directory = opendir("/proc/self/task");
    const struct dirent *entry;
    while (directory && gathering->thread_count < THREADS_LIMIT && (entry = readdir(directory)))
        if (entry->d_name[0] != '.' && is_named(entry->d_name, gathering->name))
            gathering->threads[gathering->thread_count++] = (pid_t)strtol(entry->d_name, NULL, 10);
    if (directory)
        (void)closedir(directory);
}

void tp__gathering_scatter(struct tp__gathering *gathering)
{
    if (gathering->processor < 0)
        return;
    for (size_t i = 0; i < gathering->thread_count; i++)
        let_run_again(gathering->threads[i], &gathering->before, gathering->processor);
    if (gathering->has_follower)
        let_run_again(0, &gathering->before, gathering->processor);
    gathering->processor = -1;
    gathering->has_follower = false;
}

static void move(struct tp__gathering *gathering, int processor, bool is_follower)
{
    if (gathering->thread_count == 0 && gathering->name[0])
        find_threads(gathering);
    if (gathering->thread_count == 0)
        return;
    /* from where they could be again, as somebody may have sent them elsewhere meanwhile */
    tp__gathering_scatter(gathering);
    if (!may_run(gathering->threads[0], &gathering->before) || !is_choice(&gathering->before, processor))
        return;
    gathering->has_follower = is_follower;
    gathering->processor = processor;
    const struct tp__processors one = only(processor);
    for (size_t i = 0; i < gathering->thread_count; i++)
        (void)let_run(gathering->threads[i], &one);
    if (is_follower)
        (void)let_run(0, &one);
}

/* Not to and fro all the time. */
static bool may_move(struct tp__gathering *gathering, int processor, int64_t now)
{
    if (processor < 0 || processor == gathering->processor || now - gathering->moved_ms < WINDOW_MS)
        return false;
    gathering->moved_ms = now;
    return true;
}

void tp__gathering_come(struct tp__gathering *gathering)
{
    const int processor = sched_getcpu();
    if (processor != gathering->processor && may_move(gathering, processor, now_ms()))
        move(gathering, processor, false);
}

/* Of the connection by which the message came. */
static int processor_of(void *zmq_message)
{
    const char *descriptor = zmq_msg_gets(zmq_message, "__fd"); /* as ZMQ_SRCFD does */
    int processor = -1;
    socklen_t size = sizeof processor;
    if (!descriptor ||
        getsockopt((int)strtol(descriptor, NULL, 10), SOL_SOCKET, SO_INCOMING_CPU, &processor, &size) != 0)
        return -1;
    return processor;
}

/* Would one processor not do? */
static bool is_busy(struct tp__gathering *gathering, size_t bytes, int64_t now)
{
    gathering->window.bytes += bytes;
    bool is_busy = gathering->window.bytes > WINDOW_BYTES;
    const int64_t passed_ms = now - gathering->window.begin_ms;
    if (passed_ms < WINDOW_MS)
        return is_busy;
    const int64_t used_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    is_busy = is_busy || used_us - gathering->window.used_us > passed_ms * 1000 / 2;
    gathering->window.begin_ms = now;
    gathering->window.used_us = used_us;
    gathering->window.bytes = 0;
    return is_busy;
}

void tp__gathering_follow(struct tp__gathering *gathering, void *zmq_message, bool is_alone)
{
    const int64_t now = now_ms();
    if (is_busy(gathering, zmq_msg_size(zmq_message), now) || !is_alone) {
        tp__gathering_scatter(gathering);
        gathering->rest_ms = now + REST_MS;
    } else if (now >= gathering->rest_ms && now - gathering->moved_ms >= WINDOW_MS) {
        const int processor = processor_of(zmq_message);
        if (may_move(gathering, processor, now))
            move(gathering, processor, true);
    }
}

int tp__gathering_processor(const struct tp__gathering *gathering)
{
    return gathering->processor;
}

const struct tp__processors *tp__gathering_before(const struct tp__gathering *gathering)
{
    return gathering->processor >= 0 && gathering->has_follower ? &gathering->before : NULL;
}
