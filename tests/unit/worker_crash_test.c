/* SPDX-License-Identifier: MIT */
/* What a worker process writes down of its end, and of nobody else's. */
#include "unit/fake_agent.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum how { EXITED, ABORTED, FAULTED };

static volatile uintptr_t nowhere = 16;

TP_TASK(end_a_child, int, (int, how))
{
    const struct rlimit no_core = {.rlim_cur = 0};
    const pid_t child = fork();
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &no_core);
        if (how == EXITED)
            exit(3);
        if (how == ABORTED)
            abort();
        _exit(*(volatile int *)nowhere);
    }
    int status = -1;
    (void)waitpid(child, &status, 0);
    return status;
}

/* As the agent gets it: a version, then the value. */
static int status_of(const struct tp__record *record)
{
    int status = -1;
    CHECK_INT(record->type, TP__RECORD_RESULT);
    if (CHECK_INT(record->size, 1 + sizeof status))
        memcpy(&status, record->body + 1, sizeof status);
    return status;
}

static int run(uint64_t sequence, enum how how)
{
    const int captured = (int)how;
    fake_agent_send_task(&end_a_child__is_a_TP_TASK, &captured, sequence);
    const struct tp__record record = fake_agent_receive();
    return status_of(&record);
}

static void the_end_of_a_forked_child_is_not_the_process_s(void)
{
    fake_agent_start(INT64_MAX);
    int status = run(1, EXITED);
    CHECK(CHECK_ASAN || (WIFEXITED(status) && WEXITSTATUS(status) == 3)); /* leaks are looked for at the exit */
    CHECK_INT(atomic_load(&fake_agent.memory->crash.state), TP__CRASH_NONE);
    status = run(2, ABORTED);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK_INT(atomic_load(&fake_agent.memory->crash.state), TP__CRASH_NONE);
    status = run(3, FAULTED);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    CHECK_INT(atomic_load(&fake_agent.memory->crash.state), TP__CRASH_NONE);
    fake_agent_end();
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {CHECK_TEST(the_end_of_a_forked_child_is_not_the_process_s)};
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
