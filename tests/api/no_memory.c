/* SPDX-License-Identifier: MIT */
/* Each request for memory is refused in turn, once alone and once with all that follow: every call succeeds or returns
 * a clean error, nothing hangs, nothing leaks (looked for after each run in a sanitizer build). */
#include "check.h"

#include "base/alloc.h"

#include <pthread.h>
#include <stdatomic.h>
#if CHECK_ASAN
#include <sanitizer/lsan_interface.h>
#endif

static atomic_llong requests;
static atomic_llong refuse_at;
static atomic_bool refuse_all_from_there;

static bool refuse(size_t size)
{
    (void)size;
    const long long request = atomic_fetch_add(&requests, 1) + 1;
    const long long at = atomic_load(&refuse_at);
    return atomic_load(&refuse_all_from_there) ? request >= at : request == at;
}

TP_TASK(square, int64_t, (int64_t, x))
{
    return x * x;
}

TP_TASK(greet, tp_str, (tp_str, name), (tp_bytes, raw))
{
    return tp_str_format("hello %.*s %zu", (int)name.length, name.data, raw.size);
}

TP_TASK(make_adder, tp_closure, (int64_t, base))
{
    return tp_bind(square, base);
}

static void nothing(void *argument)
{
    (void)argument;
}

TP_TASK(talk, int64_t, (tp_channel *, in), (tp_channel *, out), (tp_value, extra))
{
    int64_t m;
    int64_t v = 0;
    tp_try(tp_defer(nothing, NULL));
    tp_try(tp_recv(in, &m));
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    if (pool == NULL)
        tp_try(tp_last_error()->status);
    tp_try(tp_run(pool, square, &v, m));
    tp_try(tp_sleep_ms(0));
    const tp_str s = tp_str_format("%d", (int)v);
    if (s.data == NULL)
        tp_try(tp_last_error()->status);
    tp_try(tp_send(out, s));
    tp_try(tp_send(out, extra));
    return v;
}

TP_TASK(explode, int64_t)
{
    tp_raise("boom");
}

TP_LOCAL_TASK(green, int64_t, (int64_t, x))
{
    tp_try(tp_yield());
    return x;
}

/* The scenario runs on a thread of its own: what it finds is counted there and checked on main. */
static int wrong;

__attribute__((format(printf, 1, 2))) static void found(const char *format, ...)
{
    wrong++;
    fprintf(stderr, "request %lld refused: ", atomic_load(&refuse_at));
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

/* Nothing but memory may be missing, and the last error says so. */
static bool clean(tp_status status, const char *call)
{
    if (status == TP_OK)
        return true;
    if (status != TP_E_NOMEM || tp_last_error()->status != TP_E_NOMEM)
        found("%s gives %s: %s", call, tp_status_name(status), tp_last_error()->message);
    return false;
}

static bool clean_pointer(const void *pointer, const char *call)
{
    const tp_status status = tp_last_error()->status;
    return pointer != NULL || clean(status == TP_OK ? TP_E_SYSTEM : status, call);
}

static void expect(int64_t got, int64_t wanted, const char *what)
{
    if (got != wanted)
        found("%s is %jd instead of %jd", what, (intmax_t)got, (intmax_t)wanted);
}

static void expect_text(tp_str got, const char *wanted)
{
    if (got.length != strlen(wanted) || memcmp(got.data, wanted, got.length) != 0)
        found("\"%.*s\" instead of \"%s\"", (int)got.length, got.data ? got.data : "", wanted);
}

#define CLEAN(call) clean((call), #call)
#define CLEAN_POINTER(variable, call) clean_pointer((variable) = (call), #call)

static void use_channels(tp_pool *pool)
{
    tp_channel *in;
    tp_channel *out;
    tp_promise *p = NULL;
    if (!CLEAN_POINTER(in, tp_pool_channel(pool, "in")) || !CLEAN_POINTER(out, tp_pool_channel_with(pool, "out", 8)))
        return;
    tp_value list = tp_value_list();
    if (list.type != TP_VALUE_FAILED) {
        CLEAN(tp_value_list_append(list, tp_value_str(tp_str_lit("an element"))));
        CLEAN_POINTER(p, tp_submit(pool, talk, in, out, list));
    }
    tp_value_release(list);
    if (!CLEAN(tp_send(in, (int64_t)7))) {
        tp_channel_close(in); /* or the task would wait for ever */
    } else if (p != NULL) {
        int64_t v = -1;
        if (CLEAN(tp_await(p, &v)))
            expect(v, 49, "v");
        else
            expect(v, 0, "v");
    }
    tp_channel_close(in);
    if (p != NULL)
        (void)tp_await(p, NULL);
    tp_channel_close(out);
    tp_str s;
    tp_status status = tp_recv(out, &s);
    if (status != TP_E_CLOSED && status != TP_E_TYPE)
        CLEAN(status);
    if (status == TP_OK)
        expect_text(s, "49");
    tp_str_release(s);
    tp_value v;
    status = tp_recv(out, &v);
    if (status != TP_E_CLOSED && status != TP_E_TYPE)
        CLEAN(status);
    tp_value_release(v);
    tp_promise_release(p);
}

static void use_closures(tp_pool *pool)
{
    tp_closure c = tp_bind(greet, tp_str_lit("closure"), tp_bytes_view("123", 3));
    tp_str s = {0};
    if (c.closure == NULL)
        CLEAN(tp_last_error()->status);
    else if (CLEAN(tp_run_closure(pool, c, &s)))
        expect_text(s, "hello closure 3");
    tp_str_release(s);
    tp_closure_release(c);
    tp_closure made = {NULL};
    if (CLEAN(tp_run(pool, make_adder, &made, 9))) {
        int64_t v = 0;
        if (made.closure != NULL && CLEAN(tp_run_closure(pool, made, &v)))
            expect(v, 81, "v");
    }
    tp_closure_release(made);
}

static void use_pool(tp_pool *pool)
{
    int64_t in[20];
    int64_t out[20];
    tp_status each[20];
    for (int i = 0; i < 20; i++)
        in[i] = i;
    CLEAN(tp_map_with(pool, tp_map_options(.statuses = each), square, in, out, 20));
    for (int i = 0; i < 20; i++)
        expect(out[i], each[i] == TP_OK ? i * i : 0, "out[i]");
    tp_promise *p[4] = {NULL};
    for (int i = 0; i < 4; i++)
        CLEAN_POINTER(p[i], tp_submit_with(pool, tp_task_options(.timeout_ms = 100000), square, i));
    if (p[0] && p[1] && p[2] && p[3]) {
        size_t index;
        CLEAN(tp_wait_any(p, 4, TP_FOREVER, &index));
        CLEAN(tp_wait_all(p, 4, TP_FOREVER));
    }
    for (int i = 0; i < 4; i++)
        tp_promise_release(p[i]);
    const tp_status exploded = tp_run(pool, explode, NULL);
    if (exploded != TP_E_TASK)
        CLEAN(exploded);
    use_channels(pool);
    use_closures(pool);
    tp_promise *g;
    if (CLEAN_POINTER(g, tp_async(green, 4))) {
        int64_t v = 0;
        if (CLEAN(tp_await(g, &v)))
            expect(v, 4, "v");
    }
    tp_promise_release(g);
    CLEAN(tp_drain(pool));
}

TP_TASK(park, int64_t, (tp_channel *, quiet))
{
    int64_t v;
    tp_try(tp_recv(quiet, &v));
    return v;
}

TP_TASK(wait_for_readable, tp_status, (int, fd))
{
    return tp_wait_fd(fd, TP_FD_READ, 1);
}

static int pipe_fds[2]; /* nobody writes to it */

/* What may be refused, and besides that ends in one certain way. */
static void ends(tp_status status, tp_status wanted, const char *call)
{
    if (status != wanted && (status == TP_OK || clean(status, call)))
        found("%s gives %s instead of %s", call, tp_status_name(status), tp_status_name(wanted));
}

static void stop_tasks(tp_pool *pool)
{
    tp_channel *quiet;
    if (!CLEAN_POINTER(quiet, tp_pool_channel(pool, "quiet")))
        return;
    tp_promise *p[3] = {NULL};
    for (int i = 0; i < 3; i++)
        if (!CLEAN_POINTER(p[i], i == 2 ? tp_submit_with(pool, tp_task_options(.timeout_ms = 1), park, quiet)
                                        : tp_submit(pool, park, quiet)))
            p[i] = NULL;
    if (p[0] && p[1]) {
        size_t index;
        const tp_status any = tp_wait_any(p, 2, 1, &index);
        if (any != TP_OK || !tp_promise_ready(p[index])) /* a task may have been rejected for want of a stack */
            ends(any, TP_E_TIMEOUT, "tp_wait_any");
        ends(tp_wait_all(p, 2, 1), TP_E_TIMEOUT, "tp_wait_all");
    }
    const bool cancelled = p[0] && CLEAN(tp_cancel(p[0]));
    if (cancelled)
        ends(tp_await(p[0], NULL), TP_E_CANCELLED, "tp_await of a cancelled task");
    tp_status status = TP_E_TIMEOUT;
    if (CLEAN(tp_run(pool, wait_for_readable, &status, pipe_fds[0])) && status != TP_E_TIMEOUT && status != TP_E_NOMEM)
        found("tp_wait_fd in a task gives %s", tp_status_name(status));
    ends(tp_wait_fd(pipe_fds[0], TP_FD_READ, 1), TP_E_TIMEOUT, "tp_wait_fd");

    if (atomic_load(&refuse_all_from_there))
        tp__alloc_set_refuse(NULL); /* without any memory for ever a time limit has no effect */
    if (p[2])
        ends(tp_await(p[2], NULL), TP_E_TIMEOUT, "tp_await of a task with a time limit");
    tp_channel_close(quiet);
    if (p[1])
        ends(tp_await(p[1], NULL), TP_E_CLOSED, "tp_await of a parked task");
    for (int i = 0; i < 3; i++)
        tp_promise_release(p[i]);
}

static void make_values(void)
{
    tp_value map = tp_value_map();
    tp_str text = {0};
    if (map.type != TP_VALUE_FAILED) {
        tp_value list = tp_value_list();
        if (list.type != TP_VALUE_FAILED) {
            for (int64_t i = 0; i < 20; i++)
                CLEAN(tp_value_list_append(list, tp_value_int(i)));
            CLEAN(tp_value_map_set(map, "list", list));
        }
        tp_value_release(list);
        CLEAN(tp_value_map_set(map, "string", tp_value_str(tp_str_lit("literal"))));
        tp_value copy = tp_value_copy(map);
        if (copy.type != TP_VALUE_FAILED && !tp_value_equal(copy, map))
            found("a copy differs");
        tp_value_release(copy);
        text = tp_value_text(map);
    }
    tp_str_release(text);
    tp_value_release(map);
}

static void locks_and_channels(void)
{
    make_values();
    tp_mutex *mutex = tp_mutex_new();
    tp_cond *cond = tp_cond_new();
    tp_semaphore *semaphore = tp_semaphore_new(1);
    if (mutex != NULL && cond != NULL && CLEAN(tp_mutex_lock(mutex))) {
        ends(tp_cond_wait(cond, mutex, 1), TP_E_TIMEOUT, "tp_cond_wait");
        CLEAN(tp_mutex_unlock(mutex));
    }
    if (semaphore != NULL && CLEAN(tp_semaphore_acquire(semaphore, TP_FOREVER)))
        ends(tp_semaphore_acquire(semaphore, 1), TP_E_TIMEOUT, "tp_semaphore_acquire");
    tp_channel *channel = tp_channel_open(2);
    if (channel != NULL) {
        int64_t v = 0;
        if (CLEAN(tp_send(channel, (int64_t)6)) && CLEAN(tp_recv(channel, &v)))
            expect(v, 6, "v");
        tp_select_case one[1] = {tp_case_send(channel, (int64_t)3)};
        size_t chosen;
        CLEAN(tp_select(one, 1, TP_FOREVER, &chosen));
    }
    tp_channel_release(channel);
    tp_semaphore_release(semaphore);
    tp_cond_release(cond);
    tp_mutex_release(mutex);
}

/* A thread of its own, so that what the library keeps for a thread is asked for each time as well. */
static void *scenario(void *argument)
{
    (void)argument;
    tp_async_pool *async_pool;
    if (CLEAN_POINTER(async_pool, tp_async_pool_open("local:2"))) {
        tp_pool *pool = tp_async_pool_pool(async_pool);
        use_pool(pool);
        locks_and_channels();
        stop_tasks(pool);
        while (!CLEAN(tp_async_pool_close(async_pool)))
            tp__alloc_set_refuse(NULL); /* a failed close leaves the pool open */
    }
    return NULL;
}

static bool run_refusing(long long at, bool all_from_there)
{
    atomic_store(&requests, 0);
    atomic_store(&refuse_at, at);
    atomic_store(&refuse_all_from_there, all_from_there);
    wrong = 0;
    pthread_t thread;
    CHECK_OR_EXIT(pthread_create(&thread, NULL, scenario, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK_INT(wrong, 0);
#if CHECK_ASAN
    if (!CHECK_INT(__lsan_do_recoverable_leak_check(), 0))
        fprintf(stderr, "request %lld refused%s: a leak\n", at, all_from_there ? ", with all that follow" : "");
#endif
    return atomic_load(&requests) >= at;
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    CHECK_OR_EXIT(pipe(pipe_fds) == 0);
    int64_t v = 0;
    long long at = argc > 1 ? atoll(argv[1]) : 1;
    for (int all = 0; all < 2; all++) {
        long long n = at;
        do {
            tp__alloc_set_refuse(refuse);
        } while (run_refusing(n++, all) && check_failures < 20);
        tp__alloc_set_refuse(NULL);
        printf("%lld requests refused%s\n", n - at - 1, all ? ", each with all that follow" : "");
    }
    tp_with (tp_pool, pool, tp_pool_open("local:2")) {
        CHECK_OK(tp_run(pool, square, &v, 12)); /* and nothing is broken afterwards */
        CHECK_INT(v, 144);
    }
    return check_result();
}
