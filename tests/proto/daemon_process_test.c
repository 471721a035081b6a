/* SPDX-License-Identifier: MIT */
#include "wire_support.h"

#include "daemon/limits.h"
#include "daemon/notify.h"
#include "daemon/signals.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- notices ---- */

static void scripts_get_the_ready_line(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct tp__problem problem;
    assert_true(tp__notify_ready(ends[1], "tcp://127.0.0.1:7077", &problem));
    char text[128] = "";
    assert_int_equal(read(ends[0], text, sizeof text - 1), 27);
    assert_string_equal(text, "ready tcp://127.0.0.1:7077\n");
    assert_int_equal(read(ends[0], text, sizeof text), 0); /* it was closed */
    (void)close(ends[0]);
    assert_int_equal(pipe(ends), 0);
    assert_true(tp__notify_ready(ends[1], NULL, &problem));
    assert_int_equal(read(ends[0], text, sizeof text), 6);
    assert_memory_equal(text, "ready\n", 6);
    (void)close(ends[0]);
    assert_true(tp__notify_ready(-1, "tcp://127.0.0.1:7077", &problem));
    const int none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_false(tp__notify_ready(none, "tcp://127.0.0.1:7077", &problem));
    assert_non_null(strstr(problem.text, "--ready-fd"));
    (void)close(none);
}

static void expect_notice(int descriptor, const char *expected)
{
    char text[256];
    const ssize_t size = recv(descriptor, text, sizeof text - 1, 0);
    assert_true(size >= 0);
    text[size] = '\0';
    assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
}

static void systemd_hears_how_it_is(void **state)
{
    (void)state;
    const int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/tmp/taskpool-notify-test-%d", (int)getpid());
    assert_int_equal(bind(descriptor, (const struct sockaddr *)&address, sizeof address), 0);
    (void)setenv("NOTIFY_SOCKET", address.sun_path, 1);
    struct tp__problem problem;
    assert_true(tp__notify_ready(-1, "tcp://127.0.0.1:7077", &problem));
    tp__notify_reloading();
    tp__notify_reloaded();
    tp__notify_status("%d nodes\nREADY=0", 3);
    tp__notify_stopping();
    (void)unsetenv("NOTIFY_SOCKET");
    expect_notice(descriptor, "READY=1\nSTATUS=Listening at tcp://127.0.0.1:7077");
    expect_notice(descriptor, "RELOADING=1\nMONOTONIC_USEC=");
    expect_notice(descriptor, "READY=1");
    expect_notice(descriptor, "STATUS=3 nodes READY=0");
    expect_notice(descriptor, "STOPPING=1");
    (void)close(descriptor);
    (void)unlink(address.sun_path);
    tp__notify_stopping(); /* nobody asked: nothing happens */
}

/* ---- signals ---- */

static int next_signal(int descriptor)
{
    struct pollfd item = {.fd = descriptor, .events = POLLIN};
    assert_int_equal(poll(&item, 1, 60000), 1);
    return tp__signals_next(descriptor);
}

static void signals_come_by_the_descriptor(void **state)
{
    (void)state;
    struct tp__problem problem;
    const int descriptor = tp__signals_open(&problem);
    assert_true(descriptor >= 0);
    assert_int_equal(tp__signals_next(descriptor), 0);
    static const int signals[] = {SIGHUP, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        assert_int_equal(kill(getpid(), signals[i]), 0);
        assert_int_equal(next_signal(descriptor), signals[i]);
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    (void)close(ends[0]);
    assert_int_equal(write(ends[1], "x", 1), -1); /* no SIGPIPE */
    (void)close(ends[1]);

    const pid_t child = fork();
    if (child == 0) {
        tp__signals_restore();
        (void)raise(SIGTERM);
        _exit(0);
    }
    assert_int_equal(next_signal(descriptor), SIGCHLD);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    (void)close(descriptor);
    tp__signals_restore();
}

/* ---- limits ---- */

static void open_files_are_raised_to_the_hard_limit(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    uint64_t allowed;
    struct tp__problem problem;
    assert_true(tp__limits_raise_descriptors(65, &allowed, &problem));
    assert_true(allowed == limit.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(limit.rlim_cur == limit.rlim_max);
    assert_false(tp__limits_raise_descriptors(UINT64_MAX, &allowed, &problem));
    assert_int_equal(problem.status, TP_E_LIMIT);
    assert_true(allowed == limit.rlim_max);
    assert_non_null(strstr(problem.text, "LimitNOFILE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_get_the_ready_line),
        cmocka_unit_test(systemd_hears_how_it_is),
        cmocka_unit_test(signals_come_by_the_descriptor),
        cmocka_unit_test(open_files_are_raised_to_the_hard_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
