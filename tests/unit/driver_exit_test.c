/* SPDX-License-Identifier: MIT */
/* A program that ends while another of its threads closes a pool. */
#include "check.h"

#include "cluster/driver.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>

#if CHECK_TSAN
/* It does not know pthread_clockjoin_np. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "report_thread_leaks=0";
}
#endif

static struct tp__driver *slow, *quick;
static atomic_bool is_closed;

static void until_it_is_closing(struct tp__driver *driver)
{
    while (!atomic_load(&driver->is_closing))
        sched_yield();
}

/* Its thread lasts until the other pool is closed, but not for ever. */
static void *run_slowly(void *driver)
{
    until_it_is_closing(driver);
    const int64_t end_ms = tp__now_ms() + 500;
    while (!is_closed && tp__now_ms() < end_ms)
        sched_yield();
    return NULL;
}

static void *run_quickly(void *driver)
{
    until_it_is_closing(driver);
    return NULL;
}

static struct tp__driver *begin(void *(*run)(void *driver))
{
    struct tp__driver *driver = mmap(NULL, sizeof *driver, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK_OR_EXIT(driver != MAP_FAILED && tp__inbox_init(&driver->inbox) == TP_OK);
    CHECK_OR_EXIT(pthread_create(&driver->thread, NULL, run, driver) == 0);
    tp__driver_enlist(driver);
    return driver;
}

/* What tp_pool_close does, when the process is about to end. */
static void *close_the_quick_one(void *nothing)
{
    until_it_is_closing(quick);
    tp__driver_join(quick);
    munmap(quick, sizeof *quick);
    is_closed = true;
    return nothing;
}

static void end_while_a_pool_is_closed(void)
{
    quick = begin(run_quickly);
    slow = begin(run_slowly); /* is waited for first */
    pthread_t closer;
    CHECK_OR_EXIT(pthread_create(&closer, NULL, close_the_quick_one, NULL) == 0 && pthread_detach(closer) == 0);
    exit(0);
}

static void a_pool_is_not_freed_under_the_end_of_the_process(void)
{
    const pid_t child = fork();
    CHECK_OR_EXIT(child >= 0);
    if (child == 0)
        end_while_a_pool_is_closed();
    int status = -1;
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {CHECK_TEST(a_pool_is_not_freed_under_the_end_of_the_process)};
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
