/* SPDX-License-Identifier: MIT */
/* taskpool-demo-job: what `taskpool demo` runs, one program for the driver and for every worker. Reads as a first look
 * at the library; all that happens is checked, and the exit code says whether it was as it should be. */
#include <stdio.h>
#include <string.h>
#include <taskpool/taskpool.h>
#include <time.h>
#include <unistd.h>

enum { ELEMENTS = 12, ROUNDS = 3, NEIGHBOURS = 8, FIB_OF = 12 };

typedef struct square_result {
    int64_t square;
    int64_t process;
} square_result;

TP_TASK(square, square_result, (int64_t, x))
{
    return (square_result){.square = x * x, .process = getpid()};
}

TP_TASK(open_file, int64_t, (int, number))
{
    tp_raise("there is no file number %d", number);
}

/* What a task prints appears where the program runs, with node and task in front. */
TP_TASK(ping, int64_t, (tp_channel *, there), (tp_channel *, back))
{
    for (int64_t i = 1; i <= ROUNDS; i++) {
        int64_t answer;
        printf("ping %d\n", (int)i);
        tp_try(tp_send(there, i));
        tp_try(tp_recv(back, &answer));
        if (answer != -i)
            tp_raise("%d came back", (int)answer);
    }
    return getpid();
}

TP_TASK(pong, int64_t, (tp_channel *, there), (tp_channel *, back))
{
    for (int i = 1; i <= ROUNDS; i++) {
        int64_t number;
        tp_try(tp_recv(there, &number));
        printf("pong %d\n", (int)number);
        tp_try(tp_send(back, -number));
    }
    return getpid();
}

TP_TASK(crash, int64_t, (uintptr_t, address))
{
    return *(volatile int *)address; /* nothing is there */
}

TP_TASK(work, int64_t, (int64_t, x))
{
    tp_sleep_ms(100);
    return x + 1;
}

/* Each call is a task, which parks its green thread while the two that it made run, wherever there is room. */
TP_TASK(fib, int64_t, (int, n))
{
    if (n < 2)
        return n;
    tp_auto(tp_pool) pool = tp_pool_open(NULL);
    tp_auto(tp_promise) a = tp_submit(pool, fib, n - 1);
    tp_auto(tp_promise) b = tp_submit(pool, fib, n - 2);
    int64_t x;
    int64_t y;
    tp_try(tp_await(a, &x));
    tp_try(tp_await(b, &y));
    return x + y;
}

/* ---- what is shown of it ---- */

static int failures;

static void expect(bool is_so, const char *what)
{
    if (is_so)
        return;
    failures++;
    printf("  NOT AS EXPECTED: %s: %s\n", what, tp_last_error()->message);
}

static void print_error(const tp_error *error)
{
    printf("  %s: %s\n  in task %s, on %s\n", tp_status_name(error->status), error->message, error->task, error->node);
}

static void print_backtrace(const char *line, int lines)
{
    while (lines-- > 0 && *line) {
        const size_t length = strcspn(line, "\n");
        printf("    at %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static void show_map(tp_pool *pool)
{
    int64_t in[ELEMENTS];
    square_result out[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        in[i] = i + 1;
    printf("\nA map: the squares of 1 to %d\n  ", ELEMENTS);
    expect(tp_map(pool, square, in, out, ELEMENTS) == TP_OK, "the map ends well");
    int processes = 0;
    for (int i = 0; i < ELEMENTS; i++) {
        bool is_new = true;
        for (int before = 0; before < i; before++)
            is_new = is_new && out[before].process != out[i].process;
        processes += is_new;
        printf("%d ", (int)out[i].square);
        expect(out[i].square == in[i] * in[i], "a square is right");
        expect(out[i].process != getpid(), "it was computed elsewhere");
    }
    printf("\n  in order, computed by %d worker processes\n", processes);
}

static void show_error(tp_pool *pool)
{
    int64_t unused;
    printf("\nA task that raises an error\n");
    expect(tp_run(pool, open_file, &unused, 7) == TP_E_TASK, "the error comes out of tp_run");
    print_error(tp_last_error());
    expect(strcmp(tp_last_error()->message, "there is no file number 7") == 0, "it is the message of the task");
}

static void show_channel(tp_pool *pool)
{
    printf("\nTwo tasks on different nodes talk over named channels\n");
    tp_channel *there = tp_pool_channel(pool, "there");
    tp_channel *back = tp_pool_channel(pool, "back");
    const int last = (int)tp_pool_size(pool) - 1;
    tp_auto(tp_promise) a = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = 0), ping, there, back);
    tp_auto(tp_promise) b = tp_submit_with(pool, tp_task_options(.pinned = true, .worker = last), pong, there, back);
    int64_t one = 0;
    int64_t other = 0;
    expect(tp_await(a, &one) == TP_OK, "the first ends well");
    expect(tp_await(b, &other) == TP_OK, "the second ends well");
    expect(one != other, "they are in different processes");
    printf("  %d messages there and back\n", ROUNDS);
}

static void show_crash(tp_pool *pool)
{
    tp_promise *neighbours[NEIGHBOURS];
    printf("\nA task that reads where nothing is, beside %d others\n", NEIGHBOURS);
    for (int i = 0; i < NEIGHBOURS; i++)
        neighbours[i] = tp_submit(pool, work, i);
    int64_t unused;
    const tp_status status = tp_run(pool, crash, &unused, 16);
    expect(status != TP_OK, "it fails");
    print_error(tp_last_error());
    print_backtrace(tp_last_error()->backtrace, 3);
    expect(strstr(tp_last_error()->message, "SIGSEGV") != NULL, "the error names the signal");
    expect(strcmp(tp_last_error()->task, "crash") == 0, "the error names the task");
    int well = 0;
    for (int i = 0; i < NEIGHBOURS; i++) {
        int64_t value = 0;
        well += tp_await(neighbours[i], &value) == TP_OK && value == i + 1;
        tp_promise_release(neighbours[i]);
    }
    expect(well == NEIGHBOURS, "the others end well");
    printf("  %d of the %d others ended well; nodes and program live on\n", well, NEIGHBOURS);
}

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void show_children(tp_pool *pool)
{
    int64_t result = 0;
    const double start = seconds();
    printf("\nTasks that submit tasks: fib(%d), each call a task\n", FIB_OF);
    expect(tp_run(pool, fib, &result, FIB_OF) == TP_OK, "it ends well");
    expect(result == 144, "it is 144");
    printf("  fib(%d) = %d, by 465 tasks in %.2f s\n", FIB_OF, (int)result, seconds() - start);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    tp_with (tp_pool, pool, tp_pool_open(NULL)) {
        setvbuf(stdout, NULL, _IOLBF, 0);
        printf("\nThis program has sent itself there; the pool has %zu workers.\n", tp_pool_size(pool));
        show_map(pool);
        show_error(pool);
        show_channel(pool);
        show_crash(pool);
        show_children(pool);
        expect(tp_drain(pool) == TP_OK && tp_pool_pending(pool) == 0, "nothing is left to do");
    } else {
        fprintf(stderr, "taskpool-demo-job: %s\n", tp_last_error()->message);
        return 1;
    }
    return failures > 0;
}
