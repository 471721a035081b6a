/* SPDX-License-Identifier: MIT */
/* The job of the container tests: tasks of some milliseconds, one in eight with children, and a check of every result.
 *
 *     container.job [--tasks N] [--ms MS] [--until-closed] [--hungry MIB] [--scratch MIB]
 *
 * With --until-closed it goes on until its standard input ends, so that a test can do whatever it likes meanwhile, for
 * however long. One in 64 tasks needs MIB of memory with --hungry, and writes MIB to its temporary directory with
 * --scratch; for these, failing with a message that says so is right, too. Prints "done N" now and then, and a summary
 * at the end; exits with 1 if any result was wrong. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <taskpool/taskpool.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 256, PAYLOAD_BYTES = 2048, CHILDREN = 3, FAMILY_EACH = 8, GREEDY_EACH = 64, SHOWN_EACH = 25 };

static uint64_t digest_of(uint64_t index, const uint8_t *bytes, size_t size)
{
    uint64_t hash = 14695981039346656037U ^ index;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 1099511628211U;
    return hash;
}

static void fill_payload(uint64_t index, uint8_t *bytes)
{
    uint64_t state = index * 2862933555777941757U + 3037000493U;
    for (size_t i = 0; i < PAYLOAD_BYTES; i++) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        bytes[i] = (uint8_t)(state >> 56);
    }
}

/* Holds its worker, as real work does, without needing a processor of the machine that runs the tests. */
static void work(int64_t ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        ;
}

TP_TASK(digest, uint64_t, (uint64_t, index), (tp_bytes, payload), (int64_t, ms))
{
    work(ms);
    return digest_of(index, payload.data, payload.size);
}

TP_TASK(family, uint64_t, (uint64_t, index), (tp_bytes, payload), (int64_t, ms))
{
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_promise *children[CHILDREN] = {NULL};
    uint64_t sum = 0;
    for (size_t i = 0; i < CHILDREN; i++)
        children[i] = tp_submit(pool, digest, index + i, payload, ms);
    for (size_t i = 0; i < CHILDREN; i++) {
        uint64_t value;
        const tp_status status = tp_await(children[i], &value);
        tp_promise_release(children[i]);
        tp_try(status);
        sum += value;
    }
    return sum;
}

TP_TASK(hungry, uint64_t, (uint64_t, index), (int64_t, mib))
{
    const size_t size = (size_t)mib << 20;
    uint8_t *memory = malloc(size);
    if (!memory)
        tp_raise("not enough memory for %lld MiB", (long long)mib);
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = (uint8_t)(index + i);
    const uint64_t sum = digest_of(index, memory + size - 4096, 1);
    work(200);
    free(memory);
    return sum;
}

TP_TASK(scratch, uint64_t, (uint64_t, index), (int64_t, mib))
{
    char name[] = "scratch-XXXXXX"; /* a worker process starts in its temporary directory */
    const int file = mkstemp(name);
    if (file < 0)
        tp_raise("cannot make a file: %s", strerror(errno));
    static const uint8_t block[1 << 20];
    int error = 0;
    for (int64_t i = 0; i < mib && !error; i++)
        if (write(file, block, sizeof block) != (ssize_t)sizeof block)
            error = errno ? errno : ENOSPC;
    close(file);
    unlink(name);
    if (error)
        tp_raise("cannot write %lld MiB: %s", (long long)mib, strerror(error));
    return index;
}

/* ---- the driver ---- */

struct job {
    tp_pool *pool;
    uint64_t tasks;
    int64_t ms, hungry_mib, scratch_mib;
    bool until_closed;
    uint64_t submitted, finished, wrong, refused;
    tp_promise *window[WINDOW];
};

static bool is_greedy(const struct job *job, uint64_t index)
{
    return (job->hungry_mib || job->scratch_mib) && index % GREEDY_EACH == 5;
}

static bool submit(struct job *job)
{
    const uint64_t index = job->submitted;
    uint8_t bytes[PAYLOAD_BYTES];
    fill_payload(index, bytes);
    const tp_bytes payload = tp_bytes_view(bytes, sizeof bytes);
    tp_promise *promise;
    if (is_greedy(job, index))
        promise = job->hungry_mib ? tp_submit(job->pool, hungry, index, job->hungry_mib)
                                  : tp_submit(job->pool, scratch, index, job->scratch_mib);
    else if (index % FAMILY_EACH == 0)
        promise = tp_submit(job->pool, family, index, payload, job->ms);
    else
        promise = tp_submit(job->pool, digest, index, payload, job->ms);
    if (!promise) {
        printf("task %llu: not submitted: %s\n", (unsigned long long)index, tp_last_error()->message);
        return false;
    }
    job->window[index % WINDOW] = promise;
    job->submitted++;
    return true;
}

static uint64_t expected(const struct job *job, uint64_t index)
{
    uint8_t bytes[PAYLOAD_BYTES];
    uint64_t sum = 0;
    if (is_greedy(job, index) && job->scratch_mib)
        return index;
    if (is_greedy(job, index)) {
        const uint8_t last = (uint8_t)(index + ((uint64_t)job->hungry_mib << 20) - 4096);
        return digest_of(index, &last, 1);
    }
    fill_payload(index, bytes);
    for (size_t i = 0; i < (index % FAMILY_EACH == 0 ? CHILDREN : 1); i++)
        sum += digest_of(index + i, bytes, sizeof bytes);
    return sum;
}

/* Did it fail for the reason that it was made for? */
static bool is_refusal(const struct job *job, const char *message)
{
    return job->hungry_mib ? strstr(message, "memory") != NULL : strstr(message, "cannot write") != NULL;
}

static void finish(struct job *job)
{
    const uint64_t index = job->finished++;
    tp_promise *promise = job->window[index % WINDOW];
    uint64_t value;
    const tp_status status = tp_await(promise, &value);
    const tp_error *error = tp_promise_error(promise);
    if (status != TP_OK && is_greedy(job, index) && is_refusal(job, error->message)) {
        if (job->refused++ == 0)
            printf("refused: %s: %s\n", tp_status_name(status), error->message);
    } else if (status != TP_OK) {
        job->wrong++;
        printf("task %llu (%s on %s): %s: %s\n", (unsigned long long)index, error->task, error->node,
               tp_status_name(status), error->message);
    } else if (value != expected(job, index)) {
        job->wrong++;
        printf("task %llu: %llx is wrong\n", (unsigned long long)index, (unsigned long long)value);
    }
    tp_promise_release(promise);
    if (job->finished % SHOWN_EACH == 0)
        printf("done %llu\n", (unsigned long long)job->finished);
}

static bool is_input_closed(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char bytes[64];
    return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, bytes, sizeof bytes) <= 0;
}

static void run(struct job *job)
{
    bool is_last = false;
    while (job->finished < job->submitted || !is_last) {
        is_last = is_last || (job->submitted >= job->tasks && (!job->until_closed || is_input_closed()));
        while (!is_last && job->submitted - job->finished < WINDOW &&
               (job->until_closed || job->submitted < job->tasks))
            if (!submit(job)) {
                job->wrong++;
                is_last = true;
            }
        if (job->finished < job->submitted)
            finish(job);
    }
}

static bool read_options(int argc, char **argv, struct job *job)
{
    static const struct option options[] = {
        {"tasks", required_argument, NULL, 't'},  {"ms", required_argument, NULL, 'm'},
        {"hungry", required_argument, NULL, 'h'}, {"scratch", required_argument, NULL, 's'},
        {"until-closed", no_argument, NULL, 'u'}, {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        const long long number = optarg ? strtoll(optarg, NULL, 10) : 0;
        switch (option) {
        case 't':
            job->tasks = (uint64_t)number;
            break;
        case 'm':
            job->ms = number;
            break;
        case 'h':
            job->hungry_mib = number;
            break;
        case 's':
            job->scratch_mib = number;
            break;
        case 'u':
            job->until_closed = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct job job = {.tasks = 1000, .ms = 5};
    if (!read_options(argc, argv, &job))
        return 2;
    tp_with (tp_pool, pool, tp_pool_open(NULL)) {
        job.pool = pool;
        run(&job);
    } else {
        printf("cannot open the pool: %s\n", tp_last_error()->message);
        return 1;
    }
    printf("ended: %llu tasks, %llu wrong, %llu refused\n", (unsigned long long)job.finished,
           (unsigned long long)job.wrong, (unsigned long long)job.refused);
    return job.wrong ? 1 : 0;
}
