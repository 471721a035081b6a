/* SPDX-License-Identifier: MIT */
/* A worker process whose agent does not read for a while. */
#include "unit/fake_agent.h"

#include <sched.h>
#include <sys/ioctl.h>
#include <time.h>

enum { LARGE_BYTES = 4 << 20, SMALL_TASKS = 3 }; /* more than a socket takes */

static uint8_t large[LARGE_BYTES];

TP_TASK(give_bytes, tp_bytes, (size_t, count))
{
    return tp_bytes_new(large, count);
}

static void send_give_bytes(uint64_t sequence, size_t count)
{
    fake_agent_send_task(&give_bytes__is_a_TP_TASK, &count, sequence);
}

static int bytes_to_read(void)
{
    int count = 0;
    CHECK_OR_EXIT(ioctl(fake_agent.socket, FIONREAD, &count) == 0);
    return count;
}

/* Of the process's first thread, so far. */
static uint64_t processor_ns(void)
{
    char path[64];
    uint64_t ns = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", (int)fake_agent.process, (int)fake_agent.process);
    FILE *file = fopen(path, "r");
    CHECK_OR_EXIT(file && fscanf(file, "%" SCNu64, &ns) == 1);
    fclose(file);
    return ns;
}

/* True once it has not run between two looks. */
static bool comes_to_rest(void)
{
    const struct timespec between = {.tv_nsec = 100 * 1000 * 1000};
    const time_t end = time(NULL) + 20;
    uint64_t before;
    do {
        before = processor_ns();
        nanosleep(&between, NULL);
        if (processor_ns() == before)
            return true;
    } while (time(NULL) < end);
    return false;
}

static bool may_have_started(uint64_t task)
{
    return atomic_load(&fake_agent.memory->started[tp__worker_started_index(task)]) > 0;
}

/* What waits for a socket that takes no more keeps nobody busy, and all arrives in order when it does. Until then
 * nobody may believe that the tasks have not started: with the process their results would go, and they would start
 * again. */
static void an_agent_that_does_not_read_is_waited_for_asleep(void)
{
    fake_agent_start(INT64_MAX);
    send_give_bytes(1, LARGE_BYTES);
    while (bytes_to_read() == 0)
        sched_yield();
    for (uint64_t i = 0; i < SMALL_TASKS; i++)
        send_give_bytes(2 + i, 1);
    /* The last has started: all others have said what they had to. */
    while (atomic_load(&fake_agent.memory->slots[0].started_count) < 1 + SMALL_TASKS)
        sched_yield();
    CHECK(comes_to_rest());
    for (uint64_t task = 2; task <= 1 + SMALL_TASKS; task++)
        CHECK(may_have_started(task));
    size_t got = 0;
    for (uint64_t task = 1; task <= 1 + SMALL_TASKS;) {
        const struct tp__record record = fake_agent_receive();
        CHECK_INT(record.type, TP__RECORD_RESULT);
        CHECK_INT(record.task, task);
        got += record.size;
        if (!(record.flags & TP__RECORD_MORE))
            task++;
    }
    CHECK(got > LARGE_BYTES + SMALL_TASKS);
    for (uint64_t task = 1; task <= 1 + SMALL_TASKS; task++)
        while (may_have_started(task)) /* its result is here */
            sched_yield();
    fake_agent_end();
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {CHECK_TEST(an_agent_that_does_not_read_is_waited_for_asleep)};
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
