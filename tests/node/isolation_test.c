/* SPDX-License-Identifier: MIT */
/* What a worker process cannot do. Other users need root: without, this says that it is skipped (77). */
#include "symbolizer.h"
#include "users.h"
#include "workers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int number_in(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (at)
        return atoi(at + strlen(key));
    fail_msg("\"%s\" is not in \"%s\"", key, text);
    return -1;
}

/* Starts one that reports, and waits for the report. */
static const char *report_of(struct workers *workers, uint32_t worker)
{
    workers_start(workers, worker, "report");
    workers_send(workers, worker, "g");
    WORKERS_UNTIL(workers, workers->seen[worker].received_size > 0 && strstr(workers->seen[worker].output, "CapAmb"));
    return workers->seen[worker].output;
}

static bool is_dead(int pidfd)
{
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    return poll(&wait, 1, 20000) == 1;
}

static int watch_process(int pid)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    assert_true(pidfd >= 0);
    return pidfd;
}

static void every_process_is_a_user_of_its_own_without_rights(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    int users[2];
    for (uint32_t worker = 1; worker <= 2; worker++) {
        const char *report = report_of(workers, worker);
        users[worker - 1] = number_in(report, " euid=");
        assert_int_equal(number_in(report, "uid="), users[worker - 1]);
        assert_int_equal(number_in(report, "gid="), users[worker - 1]);
        assert_int_equal(number_in(report, "groups="), 0);
        assert_int_equal(number_in(report, "no_new_privs="), 1);
        assert_int_equal(number_in(report, "sid_is_own="), 1);
        assert_int_equal(number_in(report, "core="), 0);
        assert_int_equal(number_in(report, "score="), 1000);
        assert_non_null(strstr(report, "CapEff:\t0000000000000000"));
        assert_non_null(strstr(report, "CapPrm:\t0000000000000000"));
        assert_non_null(strstr(report, "CapAmb:\t0000000000000000"));
    }
    assert_in_range(users[0], test_first_user(), test_first_user() + TEST_USERS - 1);
    assert_in_range(users[1], test_first_user(), test_first_user() + TEST_USERS - 1);
    assert_int_not_equal(users[0], users[1]);
    assert_int_equal(workers->warnings, 0);
    workers_close(workers);
}

static int score_of(int pid, const char *change)
{
    char path[64], line[16] = "";
    snprintf(path, sizeof path, "/proc/%d/oom_score_adj", pid);
    FILE *file = fopen(path, change ? "w" : "r");
    assert_non_null(file);
    if (change)
        fputs(change, file);
    else
        assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(fclose(file), 0);
    return atoi(line);
}

static void a_process_stays_the_first_that_is_ended_when_memory_runs_out(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    const int pid = number_in(report_of(workers, 1), "pid=");
    (void)score_of(pid, "900"); /* as it could itself */
    assert_int_equal(score_of(pid, NULL), 900);
    processes_check_memory(workers->processes);
    assert_int_equal(score_of(pid, NULL), 1000);
    workers_close(workers);
}

static void a_process_reaches_no_key_no_other_process_and_not_the_agent(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    assert_int_equal(chmod(workers->directory, 0755), 0);
    char path[128], line[256];
    snprintf(path, sizeof path, "%s/key", workers->directory);
    const int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    close(file);
    const int others[] = {number_in(report_of(workers, 1), "pid="), getpid()};
    for (size_t i = 0; i < 2; i++) {
        workers_start(workers, 2, "burglar");
        snprintf(line, sizeof line, "%s %d", path, others[i]);
        workers_send(workers, 2, line);
        WORKERS_UNTIL(workers, workers->seen[2].received_size > 0 && strstr(workers->seen[2].output, "root="));
        assert_string_equal(workers->seen[2].output, "1:0/0:file=0 ptrace=0 kill=0 memory=0 root=0\n");
        process_kill(workers->processes, 2);
        WORKERS_UNTIL(workers, workers->seen[2].ended);
    }
    workers_close(workers);
}

static void nothing_of_a_process_outlives_it(void **state)
{
    (void)state;
    struct workers *workers = workers_open(NULL);
    workers_start(workers, 1, "parent");
    WORKERS_UNTIL(workers, workers->seen[1].received_size > 0 && strstr(workers->seen[1].output, "child="));
    const int child = watch_process(number_in(workers->seen[1].output, "child="));
    process_kill(workers->processes, 1);
    WORKERS_UNTIL(workers, processes_count(workers->processes) == 0);
    assert_true(workers->seen[1].ended);
    assert_true(is_dead(child));
    close(child);
    workers_close(workers);
}

static void allow_one_user(struct processes_options *options)
{
    options->uid_count = 1;
}

static void a_user_is_given_again_only_when_nothing_of_it_is_left(void **state)
{
    (void)state;
    struct workers *workers = workers_open(allow_one_user);
    const int user = number_in(report_of(workers, 1), "uid=");
    struct tp__problem problem;
    const struct agent_worker_options options = {.threads = 1, .program_name = "ready"};
    assert_false(process_start(workers->processes, 2, &options, workers->program, &problem));
    assert_int_equal(problem.status, TP_E_LIMIT);
    process_kill(workers->processes, 1);
    WORKERS_UNTIL(workers, processes_count(workers->processes) == 0);
    assert_int_equal(number_in(report_of(workers, 2), "uid="), user);
    workers_close(workers);
}

static void two_agents_do_not_share_a_user(void **state)
{
    (void)state;
    struct tp__problem problem;
    const uid_t base = test_first_user();
    struct users *one = users_open(base, 2, &problem);
    struct users *two = users_open(base + 1, 2, &problem);
    assert_non_null(one);
    assert_non_null(two);
    uid_t user;
    assert_true(users_take(one, &user, &problem));
    assert_true(users_take(one, &user, &problem));
    assert_int_equal(user, base + 1);
    assert_true(users_take(two, &user, &problem));
    assert_int_equal(user, base + 2);
    assert_false(users_take(two, &user, &problem));
    assert_int_equal(problem.status, TP_E_LIMIT);
    users_give_back(one, base + 1);
    assert_true(users_take(two, &user, &problem));
    assert_int_equal(user, base + 1);
    assert_false(users_take(one, &user, &problem));
    users_close(one);
    users_close(two);
}

/* An agent with one worker. It writes the worker's number and the directories that it will leave behind. */
__attribute__((noreturn)) static void be_agent(void)
{
    struct workers *workers = workers_open(NULL);
    workers_start(workers, 1, "deaf"); /* it does not see its socket end */
    const char *report = workers->seen[1].output;
    WORKERS_UNTIL(workers, strstr(report, "cwd="));
    const char *left = strstr(report, "cwd=");
    assert_non_null(left);
    printf("%d %s %.*s\n", number_in(report, "pid="), workers->directory, (int)strcspn(left + 4, "\n"), left + 4);
    fflush(stdout);
    for (;;)
        pause();
}

static void a_process_dies_with_its_agent(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const pid_t agent = fork();
    if (agent == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "isolation_test", "--agent", NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *output = fdopen(ends[0], "r");
    int pid;
    char left[2][200], command[512];
    assert_int_equal(fscanf(output, "%d %199s %199s", &pid, left[0], left[1]), 3);
    fclose(output);
    const int worker = watch_process(pid);
    assert_int_equal(kill(agent, SIGKILL), 0);
    assert_true(is_dead(worker));
    close(worker);
    assert_int_equal(waitpid(agent, NULL, 0), agent);
    snprintf(command, sizeof command, "rm -r %s %s", left[0], left[1]);
    assert_int_equal(system(command), 0);
}

/* Without the right to change users the agent does not start. */
static void without_rights_processes_are_refused(void **state)
{
    (void)state;
    const pid_t child = fork();
    if (child == 0) {
        struct tp__problem problem;
        if (setgid(65534) != 0 || setuid(65534) != 0)
            _exit(2);
        const bool refused = !users_possible(USERS_BASE, USERS_COUNT, &problem) && problem.status == TP_E_UNSUPPORTED &&
                             strstr(problem.text, "--same-user");
        _exit(refused ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void root_is_no_user_for_tasks(void **state)
{
    (void)state;
    struct tp__problem problem;
    assert_false(users_possible(0, 10, &problem));
    assert_false(users_possible(UINT32_MAX - 5, 10, &problem));
}

int main(int argc, char **argv)
{
    symbolizer_run_if_asked(argc, argv);
    struct tp__problem problem;
    if (!users_possible(USERS_BASE, USERS_COUNT, &problem)) {
        printf("skipped: %s\n", problem.text);
        return 77;
    }
    if (argc == 2 && strcmp(argv[1], "--agent") == 0)
        be_agent();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_process_is_a_user_of_its_own_without_rights),
        cmocka_unit_test(a_process_stays_the_first_that_is_ended_when_memory_runs_out),
        cmocka_unit_test(a_process_reaches_no_key_no_other_process_and_not_the_agent),
        cmocka_unit_test(nothing_of_a_process_outlives_it),
        cmocka_unit_test(a_user_is_given_again_only_when_nothing_of_it_is_left),
        cmocka_unit_test(two_agents_do_not_share_a_user),
        cmocka_unit_test(a_process_dies_with_its_agent),
        cmocka_unit_test(without_rights_processes_are_refused),
        cmocka_unit_test(root_is_no_user_for_tasks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
