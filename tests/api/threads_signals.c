/* SPDX-License-Identifier: MIT */
/* What the system sees: thread names, signals left to the application, tasks named in a debugger's backtrace, errno. */
#include "check.h"
#include "child.h"
#include "test_pool.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

static atomic_int interrupts;
static atomic_int handler_thread;

static void on_interrupt(int signal)
{
    (void)signal;
    atomic_store(&handler_thread, gettid());
    atomic_fetch_add(&interrupts, 1);
}

TP_TASK(thread_id, int)
{
    return gettid();
}

/* The number of ordinary signals (1 to 31) that the thread does not block. */
TP_TASK(unblocked_signals, int)
{
    sigset_t blocked;
    if (pthread_sigmask(SIG_SETMASK, NULL, &blocked) != 0)
        return -1;
    int count = 0;
    for (int signal = 1; signal < 32; signal++)
        switch (signal) {
        case SIGKILL:
        case SIGSTOP: /* cannot be blocked */
        case SIGSEGV:
        case SIGBUS:
        case SIGFPE:
        case SIGILL:
        case SIGTRAP:
        case SIGABRT:
        case SIGSYS: /* come from the thread itself */
            break;
        default:
            count += !sigismember(&blocked, signal);
        }
    return count;
}

TP_TASK(wait_for_interrupt, int)
{
    while (atomic_load(&interrupts) == 0)
        tp_try(tp_yield());
    return atomic_load(&interrupts);
}

static void signals_are_left_to_the_application(void)
{
    struct sigaction before = {0};
    struct sigaction now = {0};
    struct sigaction mine = {.sa_handler = on_interrupt};
    sigemptyset(&mine.sa_mask);
    CHECK_OR_EXIT(sigaction(SIGINT, &mine, &before) == 0);

    tp_auto(tp_pool) pool = tp_pool_open("local:2");
    CHECK_OR_EXIT(pool != NULL);
    CHECK(sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == on_interrupt);
    CHECK(sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGCHLD, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    CHECK(sigaction(SIGPIPE, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
    for (int worker = 0; worker < 2; worker++) {
        int unblocked = -1;
        CHECK_OK(tp_run_with(pool, tp_task_options(.pinned = true, .worker = worker), unblocked_signals, &unblocked));
        CHECK_INT(unblocked, 0);
    }
    sigset_t blocked;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 && !sigismember(&blocked, SIGINT));

    tp_promise *p = tp_submit(pool, wait_for_interrupt);
    CHECK(kill(getpid(), SIGINT) == 0);
    int seen = 0;
    CHECK_OK(tp_await(p, &seen));
    CHECK_INT(seen, 1);
    CHECK_INT(atomic_load(&handler_thread), getpid()); /* on the thread of main: workers block it */
    tp_promise_release(p);

    /* an interrupted wait goes on */
    CHECK_STATUS(tp_run(pool, thread_id, NULL), TP_OK);
    CHECK(sigaction(SIGINT, &before, NULL) == 0);
}

static int named_threads(const char *part)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (tasks == NULL)
        return -1;
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        char path[300];
        char name[32] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        if (file == NULL)
            continue;
        if (fgets(name, sizeof name, file) != NULL)
            count += strstr(name, part) != NULL;
        fclose(file);
    }
    closedir(tasks);
    return count;
}

TP_TASK(thread_name_has_number, bool)
{
    char name[32] = "";
    char number[16];
    if (pthread_getname_np(pthread_self(), name, sizeof name) != 0)
        return false;
    snprintf(number, sizeof number, "%d", tp_worker_index());
    return strstr(name, "tp") != NULL && strstr(name, number) != NULL;
}

static void threads_have_names(void)
{
    char own[32] = "";
    char after[32] = "";
    pthread_getname_np(pthread_self(), own, sizeof own);
    const int before = named_threads("tp");
    tp_auto(tp_pool) pool = tp_pool_open("local:3");
    CHECK_OR_EXIT(pool != NULL);
    for (int worker = 0; worker < 3; worker++) {
        bool named = false;
        CHECK_OK(tp_run_with(pool, tp_task_options(.pinned = true, .worker = worker), thread_name_has_number, &named));
        CHECK(named);
    }
    CHECK(named_threads("tp") >= before + 3);
    pthread_getname_np(pthread_self(), after, sizeof after);
    CHECK_STR(after, own); /* main keeps its own */
}

static atomic_int errno_lost;

TP_TASK(keep_errno, int, (int, mine), (int, rounds))
{
    for (int i = 0; i < rounds; i++) {
        errno = mine;
        tp_try(i % 3 == 0 ? tp_sleep_ms(0) : tp_yield());
        if (errno != mine)
            atomic_fetch_add(&errno_lost, 1);
    }
    return 0;
}

static void errno_survives_a_switch(void)
{
    tp_auto(tp_pool) pool = tp_pool_open("local:1");
    CHECK_OR_EXIT(pool != NULL);
    for (int i = 1; i <= 20; i++)
        tp_promise_release(tp_submit(pool, keep_errno, i, 50));
    errno = 77;
    CHECK_OK(tp_drain(pool));
    CHECK_INT(errno, 77);
    CHECK_INT(atomic_load(&errno_lost), 0);
}

/* Ends in abort inside a task, which gdb shows. */
__attribute__((noinline)) static void function_that_aborts(void)
{
    abort();
}

TP_TASK(task_shown_by_debuggers, int64_t, (int64_t, x))
{
    function_that_aborts();
    return x;
}

static void child_aborts_in_a_task(void)
{
    tp_pool *pool = tp_pool_open("local:2");
    tp_run(pool, task_shown_by_debuggers, NULL, 1);
}

static void a_debugger_shows_the_task(void)
{
    if (system("gdb --version > /dev/null 2>&1") != 0) {
        printf("skipped: no gdb\n");
        return;
    }
    char command[512];
    char self[256] = "";
    if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0)
        return;
    snprintf(command, sizeof command,
             "timeout 40 env DEBUGINFOD_URLS= gdb -batch -nx -ex run -ex bt --args '%s' --child aborts_in_a_task 2>&1",
             self);
    FILE *output = popen(command, "r");
    CHECK_OR_EXIT(output != NULL);
    char *text = calloc(1, 1 << 16);
    CHECK_OR_EXIT(text != NULL);
    const size_t length = fread(text, 1, (1 << 16) - 1, output);
    pclose(output);
    if (strstr(text, "SIGABRT") == NULL && strstr(text, "ptrace") != NULL)
        printf("skipped: gdb may not trace here\n");
    else {
        CHECK(length > 0);
        if (!CHECK(strstr(text, "in function_that_aborts") != NULL))
            fprintf(stderr, "%s\n", text);
        CHECK(strstr(text, "task_shown_by_debuggers") != NULL);
    }
    free(text);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHILD_MAIN(argc, argv, {"aborts_in_a_task", child_aborts_in_a_task});
    const struct check_test tests[] = {
        CHECK_TEST(signals_are_left_to_the_application),
        CHECK_TEST(threads_have_names),
        CHECK_TEST(errno_survives_a_switch),
        CHECK_TEST(a_debugger_shows_the_task),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
