/* SPDX-License-Identifier: MIT */
/* Who follows whom to which processor, and that everybody may go everywhere again. With one processor there is nothing
 * to see: 77. */
#include "link_support.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { LARGE_BYTES = 256 << 10 };

static cpu_set_t all;
static int first, second; /* two of those processors */

/* A house that follows its peer. */
struct pair {
    struct house house;
    void *zmq; /* the peer's */
    struct tp__gathering *leader;
    struct tp__socket *peer;
};

static bool is_only(const cpu_set_t *set, int processor)
{
    return CPU_COUNT(set) == 1 && CPU_ISSET((size_t)processor, set);
}

static cpu_set_t own_processors(void)
{
    cpu_set_t set;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

/* How many threads of this process that processor keeps. */
static int kept_on(int processor)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/task");
    assert_non_null(directory);
    const struct dirent *entry;
    while ((entry = readdir(directory))) {
        cpu_set_t set;
        const pid_t thread = (pid_t)atoi(entry->d_name);
        count += thread > 0 && sched_getaffinity(thread, sizeof set, &set) == 0 && is_only(&set, processor);
    }
    (void)closedir(directory);
    return count;
}

static void open_pair(struct pair *pair)
{
    open_house(&pair->house, true);
    pair->zmq = zmq_ctx_new();
    assert_non_null(pair->zmq);
    pair->leader = tp__gathering_new(pair->zmq);
    assert_non_null(pair->leader);
    struct tp__problem problem;
    pair->peer =
        tp__socket_connect(pair->zmq, pair->house.endpoint, &peers[NODE], &pair->house.key.public_key, &problem);
    assert_non_null(pair->peer);
}

static void close_pair(struct pair *pair)
{
    tp__socket_close(pair->peer);
    assert_int_equal(zmq_ctx_term(pair->zmq), 0);
    tp__gathering_free(pair->leader);
    tp__gathering_scatter(pair->house.gathering);
    close_house(&pair->house);
}

/* A thread that may run everywhere, wherever this one is. */
static void start(pthread_t *thread, void *(*run)(void *argument), void *argument)
{
    pthread_attr_t attributes;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setaffinity_np(&attributes, sizeof all, &all), 0);
    assert_int_equal(pthread_create(thread, &attributes, run, argument), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
}

struct way {
    struct tp__gathering *leader;
    int processor;
};

static void *go(void *argument)
{
    const struct way *way = argument;
    struct tp__processors before;
    assert_true(tp__processors_narrow(&before, way->processor));
    assert_int_equal(sched_getcpu(), way->processor);
    while (tp__gathering_processor(way->leader) != way->processor)
        tp__gathering_come(way->leader); /* it stays for a while where it is */
    tp__processors_restore(&before, way->processor);
    return NULL;
}

/* The peer's thread, for the time: the house's may be kept elsewhere. */
static void lead_to(const struct pair *pair, int processor)
{
    struct way way = {pair->leader, processor};
    pthread_t thread;
    start(&thread, go, &way);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* One message, and that its receiver follows it. */
static void follow(const struct pair *pair, const uint8_t *bytes, size_t size, bool is_alone)
{
    assert_true(tp__socket_send(pair->peer, NULL, bytes, size));
    zmq_pollitem_t item = {.socket = tp__socket_zmq(pair->house.router), .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, PATIENCE_MS), 1);
    struct tp__peer from;
    struct tp__public_key sender;
    zmq_msg_t message;
    assert_int_equal(tp__socket_receive(pair->house.router, &from, &sender, &message), 1);
    tp__gathering_follow(pair->house.gathering, &message, is_alone);
    (void)zmq_msg_close(&message);
}

static int follow_small(const struct pair *pair, bool is_alone)
{
    follow(pair, (const uint8_t *)"x", 1, is_alone);
    return tp__gathering_processor(pair->house.gathering);
}

/* Small messages, with time in between: next to no load. */
static void follow_to(const struct pair *pair, int processor)
{
    const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    for (int left = PATIENCE_MS / 5; left > 0 && follow_small(pair, true) != processor; left--)
        (void)nanosleep(&pause, NULL);
    assert_int_equal(tp__gathering_processor(pair->house.gathering), processor);
    const cpu_set_t own = own_processors();
    assert_true(is_only(&own, processor));
    assert_int_equal(kept_on(processor), 3); /* this one, and an I/O thread on either side */
    const struct tp__processors *before = tp__gathering_before(pair->house.gathering);
    assert_true(before && CPU_EQUAL(&before->set, &all));
    assert_null(tp__gathering_before(pair->leader)); /* its thread does not follow */
}

static void open_gathered(struct pair *pair, int processor)
{
    open_pair(pair);
    lead_to(pair, processor);
    follow_to(pair, processor);
}

static void assert_scattered(const struct pair *pair)
{
    assert_int_equal(tp__gathering_processor(pair->house.gathering), -1);
    assert_null(tp__gathering_before(pair->house.gathering));
    const cpu_set_t own = own_processors();
    assert_true(CPU_EQUAL(&own, &all));
    assert_int_equal(kept_on(tp__gathering_processor(pair->leader)), 1);
}

static void who_receives_follows_who_sends(void **state)
{
    (void)state;
    struct pair pair;
    open_pair(&pair);
    const int ways[] = {first, second, first};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        lead_to(&pair, ways[i]);
        follow_to(&pair, ways[i]);
    }
    tp__gathering_scatter(pair.house.gathering);
    assert_scattered(&pair);
    tp__gathering_scatter(pair.leader);
    assert_int_equal(kept_on(first), 0);
    close_pair(&pair);
}

static void more_than_one_task_scatters_for_a_while(void **state)
{
    (void)state;
    struct pair pair;
    open_gathered(&pair, second);
    assert_int_equal(follow_small(&pair, false), -1);
    assert_scattered(&pair);
    follow_to(&pair, second);
    close_pair(&pair);
}

/* By an administrator, say. */
static void who_was_sent_elsewhere_meanwhile_stays_there(void **state)
{
    (void)state;
    struct pair pair;
    open_gathered(&pair, second);
    cpu_set_t other;
    CPU_ZERO(&other);
    CPU_SET((size_t)first, &other);
    assert_int_equal(sched_setaffinity(0, sizeof other, &other), 0);
    tp__gathering_scatter(pair.house.gathering);
    const cpu_set_t own = own_processors();
    assert_true(is_only(&own, first));
    assert_int_equal(kept_on(second), 1); /* its I/O thread is free */
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    close_pair(&pair);
}

static void much_that_is_received_scatters(void **state)
{
    (void)state;
    static uint8_t large[LARGE_BYTES];
    struct pair pair;
    open_gathered(&pair, first);
    follow(&pair, large, sizeof large, true);
    assert_scattered(&pair);
    close_pair(&pair);
}

static atomic_bool is_over;

static void *compute(void *nothing)
{
    while (!atomic_load_explicit(&is_over, memory_order_relaxed))
        ;
    return nothing;
}

/* By so many threads that they have half a processor, whatever else the machine does. */
static void much_that_is_computed_scatters(void **state)
{
    (void)state;
    struct pair pair;
    open_gathered(&pair, second);
    pthread_t threads[8];
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        start(&threads[i], compute, NULL);
    const time_t end = time(NULL) + PATIENCE_MS / 1000;
    while (follow_small(&pair, true) >= 0 && time(NULL) < end)
        ;
    atomic_store(&is_over, true);
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_scattered(&pair);
    close_pair(&pair);
}

static void a_thread_goes_only_where_it_may(void **state)
{
    (void)state;
    struct tp__processors before, within;
    assert_false(tp__processors_narrow(&before, -1));
    assert_false(tp__processors_narrow(&before, CPU_SETSIZE));
    assert_true(tp__processors_narrow(&before, first));
    assert_false(tp__processors_narrow(&within, second)); /* not allowed now */
    assert_false(tp__processors_narrow(&within, first));  /* nothing changes */
    tp__processors_restore(&before, second); /* as if it had been sent to that one, and then to the first */
    cpu_set_t own = own_processors();
    assert_true(is_only(&own, first));
    tp__processors_restore(&before, first);
    own = own_processors();
    assert_true(CPU_EQUAL(&own, &all));
    tp__gathering_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_receives_follows_who_sends),
        cmocka_unit_test(more_than_one_task_scatters_for_a_while),
        cmocka_unit_test(who_was_sent_elsewhere_meanwhile_stays_there),
        cmocka_unit_test(much_that_is_received_scatters),
        cmocka_unit_test(much_that_is_computed_scatters),
        cmocka_unit_test(a_thread_goes_only_where_it_may),
    };
    all = own_processors();
    if (CPU_COUNT(&all) < 2)
        return 77;
    while (!CPU_ISSET((size_t)first, &all))
        first++;
    second = first + 1;
    while (!CPU_ISSET((size_t)second, &all))
        second++;
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
