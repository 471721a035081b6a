/* SPDX-License-Identifier: MIT */
/* A worker process starts tasks until the time that its agent has written into their memory, and returns the others. */
#include "unit/fake_agent.h"

TP_TASK(next_of, int64_t, (int64_t, x))
{
    return x + 1;
}

static void send_next_of(uint64_t sequence, int64_t x)
{
    fake_agent_send_task(&next_of__is_a_TP_TASK, &x, sequence);
}

static void nothing_starts_past_the_time_that_the_agent_gave(void)
{
    fake_agent_start(0);
    send_next_of(1, 5); /* the agent has given none yet */
    struct tp__record record = fake_agent_receive();
    CHECK_INT(record.type, TP__RECORD_RETURNED);
    CHECK_INT(record.task, 1);
    CHECK_INT(record.body[0], TP__RETURNED_RECALLED);
    atomic_store(&fake_agent.memory->fresh_until_ms, INT64_MAX);
    send_next_of(2, 6);
    record = fake_agent_receive();
    CHECK_INT(record.type, TP__RECORD_RESULT);
    CHECK_INT(record.task, 2);
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    atomic_store(&fake_agent.memory->fresh_until_ms, (int64_t)now.tv_sec * 1000 - 1);
    send_next_of(3, 7);
    record = fake_agent_receive();
    CHECK_INT(record.type, TP__RECORD_RETURNED);
    CHECK_INT(record.task, 3);
    CHECK_INT(atomic_load(&fake_agent.memory->slots[0].started_count), 1);
    CHECK_INT(atomic_load(&fake_agent.memory->started[tp__worker_started_index(3)]), 0);
    fake_agent_end();
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {CHECK_TEST(nothing_starts_past_the_time_that_the_agent_gave)};
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
