/* SPDX-License-Identifier: MIT */
/* Channels that live elsewhere. Elsewhere is here: the remote does each operation on a hidden channel of that name. */
#include "check.h"
#include "unit/fake_remote.h"

#include "base/error.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "runtime/channels.h"
#include "runtime/clause.h"
#include "runtime/executor.h"

#include <sched.h>

static struct {
    struct tp__channels *channels; /* the hidden ones */
    int operations;
} elsewhere;

static tp_channel *hidden(const tp_channel *proxy)
{
    return tp__channels_get(elsewhere.channels, proxy->name);
}

/* What is sent, from its encoded form, in memory that is freed with free. */
static void *arrived_value(const struct tp__clause *clause)
{
    struct tp__encoded encoded;
    void *value = malloc(clause->size);
    if (tp__value_encode(clause->kind, clause->size, clause->data.content.bytes, &encoded) != TP_OK ||
        tp__value_decode(encoded.bytes, encoded.size, elsewhere.channels, clause->kind, clause->size, value) != TP_OK)
        abort();
    tp__encoded_free(&encoded);
    return value;
}

static tp_status operate(struct tp__remote *remote, struct tp__clause *clauses, size_t count, int64_t timeout_ms,
                         size_t *chosen)
{
    (void)remote;
    elsewhere.operations++;
    tp_select_case cases[8] = {0};
    for (size_t i = 0; i < count; i++)
        cases[i] = (tp_select_case){.channel = hidden(clauses[i].channel),
                                    .data = clauses[i].send ? arrived_value(&clauses[i]) : clauses[i].data.out,
                                    .size = clauses[i].size,
                                    .kind = (tp_kind)clauses[i].kind,
                                    .send = clauses[i].send};
    tp_status status;
    size_t done = 0;
    if (count > 1)
        status = tp_select(cases, count, timeout_ms, &done);
    else if (cases[0].send)
        status = tp__send(cases[0].channel, cases[0].data, cases[0].kind, cases[0].size, timeout_ms);
    else
        status = tp__recv(cases[0].channel, cases[0].data, cases[0].kind, cases[0].size, timeout_ms);
    if (status != TP_E_TIMEOUT && status != TP_E_CANCELLED)
        *chosen = done;
    for (size_t i = 0; i < count; i++)
        if (cases[i].send) {
            tp__value_drop(cases[i].kind, cases[i].size, cases[i].data);
            free(cases[i].data);
        }
    return status;
}

static tp_status close_channel(struct tp__remote *remote, tp_channel *channel)
{
    (void)remote;
    return tp_channel_close(hidden(channel));
}

static size_t channel_size(struct tp__remote *remote, const tp_channel *channel)
{
    (void)remote;
    return tp_channel_size(hidden(channel));
}

static tp_status open_channel(struct tp__remote *remote, tp_channel *channel, size_t capacity)
{
    (void)remote;
    return tp__channels_get_with(elsewhere.channels, channel->name, capacity) ? TP_OK : tp_last_error()->status;
}

static const struct tp__remote_class class = {
    .operate = operate, .close_channel = close_channel, .channel_size = channel_size, .open_channel = open_channel};

static struct tp__executor *start(void)
{
    const tp_pool_options options = {.stack_bytes = 0};
    elsewhere.operations = 0;
    elsewhere.channels = tp__channels_new(NULL);
    return fake_new(&options, &class)->executor;
}

static void stop(struct tp__executor *executor)
{
    tp__executor_stop(executor);
    tp__executor_release(executor);
    tp__channels_free(elsewhere.channels);
}

struct large {
    int64_t number;
    char rest[100];
};

static void messages_of_every_kind_go_there_and_back(void)
{
    struct tp__executor *executor = start();
    tp_channel *proxy = tp__channels_get(executor->channels, "c");
    CHECK_OK(tp_send(proxy, (int64_t)42));
    CHECK_OK(tp_send(proxy, 43));
    const struct large sent = {.number = 44, .rest = "rest"};
    CHECK_OK(tp_send(proxy, sent));
    CHECK_OK(tp_send(proxy, tp_str_lit("a text that is longer than a few bytes")));
    CHECK_INT(tp_channel_size(proxy), 4);
    CHECK_INT(tp_channel_size(hidden(proxy)), 4);
    int64_t number;
    CHECK_OK(tp_recv(proxy, &number));
    CHECK_INT(number, 42);
    CHECK_OK(tp_recv_for(proxy, &number, 1000000));
    CHECK_INT(number, 43);
    struct large large;
    CHECK_OK(tp_try_recv(proxy, &large));
    CHECK_STR(large.rest, "rest");
    number = 1;
    CHECK_STATUS(tp_recv(proxy, &number), TP_E_TYPE);
    CHECK_INT(number, 0);
    tp_str text;
    CHECK_OK(tp_recv(proxy, &text));
    CHECK_TP_STR(text, "a text that is longer than a few bytes");
    tp_str_release(text);
    CHECK_INT(elsewhere.operations, 9);
    stop(executor);
}

static void what_cannot_be_done_now_is_said(void)
{
    struct tp__executor *executor = start();
    tp_channel *proxy = tp__channels_get_with(executor->channels, "c", 1);
    int64_t number = 1;
    CHECK_STATUS(tp_try_recv(proxy, &number), TP_E_EMPTY);
    CHECK_INT(number, 0);
    CHECK_OK(tp_try_send(proxy, tp_str_lit("a text that is longer than a few bytes")));
    CHECK_STATUS(tp_try_send(proxy, tp_str_lit("a text that is longer than a few bytes")), TP_E_FULL);
    CHECK_STATUS(tp_send_for(proxy, ((struct large){.number = 1}), 1), TP_E_TIMEOUT);
    size_t chosen = 7;
    struct large large = {.number = 1};
    tp_select_case one[] = {tp_case_send(proxy, large)};
    CHECK_STATUS(tp_select(one, 1, 0, &chosen), TP_E_TIMEOUT);
    CHECK_INT(chosen, 0);
    stop(executor);
}

static void the_capacity_counts_where_the_channel_is(void)
{
    struct tp__executor *executor = start();
    tp_channel *proxy = tp__channels_get_with(executor->channels, "c", 3);
    CHECK(proxy != NULL);
    CHECK(tp__channels_get_with(executor->channels, "c", 3) == proxy);
    CHECK(tp__channels_get(executor->channels, "c") == proxy);
    CHECK(tp__channels_get_with(executor->channels, "c", 4) == NULL);
    CHECK_STATUS(tp_last_error()->status, TP_E_ARGUMENT);
    stop(executor);
}

static void a_close_goes_there(void)
{
    struct tp__executor *executor = start();
    tp_channel *proxy = tp__channels_get(executor->channels, "c");
    CHECK_OK(tp_send(proxy, (int64_t)1));
    CHECK_OK(tp_channel_close(proxy));
    CHECK_STATUS(tp_send(proxy, (int64_t)2), TP_E_CLOSED);
    int64_t number;
    CHECK_OK(tp_recv(proxy, &number));
    CHECK_STATUS(tp_recv(proxy, &number), TP_E_CLOSED);
    stop(executor);
}

static void a_select_among_proxies_chooses_there(void)
{
    struct tp__executor *executor = start();
    tp_channel *numbers = tp__channels_get(executor->channels, "numbers");
    tp_channel *texts = tp__channels_get_with(executor->channels, "texts", 1);
    CHECK_OK(tp_send(texts, tp_str_lit("the channel is full with this")));
    int64_t number = 1;
    size_t chosen = 7;
    tp_select_case cases[] = {tp_case_recv(numbers, &number),
                              tp_case_send(texts, tp_str_lit("a text that is longer than a few bytes"))};
    CHECK_STATUS(tp_select(cases, 2, 0, &chosen), TP_E_TIMEOUT);
    CHECK_INT(chosen, 0);
    CHECK_STATUS(tp_select(cases, 2, 1, &chosen), TP_E_TIMEOUT);
    CHECK_OK(tp_send(numbers, (int64_t)5));
    CHECK_OK(tp_select(cases, 2, TP_FOREVER, &chosen));
    CHECK_INT(chosen, 0);
    CHECK_STATUS(cases[0].status, TP_OK);
    CHECK_INT(number, 5);
    tp_str text;
    CHECK_OK(tp_recv(texts, &text));
    tp_str_release(text);
    CHECK_OK(tp_select(cases, 2, TP_FOREVER, &chosen));
    CHECK_INT(chosen, 1);
    CHECK_INT(tp_channel_size(texts), 1);
    CHECK_OK(tp_channel_close(numbers));
    CHECK_STATUS(tp_select(cases, 2, TP_FOREVER, &chosen), TP_E_CLOSED);
    CHECK_INT(chosen, 0);
    CHECK_STATUS(cases[0].status, TP_E_CLOSED);
    CHECK_INT(number, 0);
    stop(executor);
}

static void a_select_keeps_to_one_place(void)
{
    struct tp__executor *executor = start();
    tp_channel *proxy = tp__channels_get(executor->channels, "c");
    tp_channel *local = tp_channel_open(0);
    int64_t number;
    size_t chosen;
    tp_select_case mixed[] = {tp_case_recv(proxy, &number), tp_case_recv(local, &number)};
    CHECK_STATUS(tp_select(mixed, 2, TP_FOREVER, &chosen), TP_E_UNSUPPORTED);
    CHECK_CONTAINS(tp_last_error()->message, "select among channels of one place");
    tp_select_case the_other_way[] = {tp_case_recv(local, &number), tp_case_recv(proxy, &number)};
    CHECK_STATUS(tp_select(the_other_way, 2, TP_FOREVER, &chosen), TP_E_UNSUPPORTED);
    const tp_pool_options options = {.stack_bytes = 0};
    struct tp__executor *second = fake_new(&options, &class)->executor;
    tp_select_case two[] = {tp_case_recv(proxy, &number),
                            tp_case_recv(tp__channels_get(second->channels, "c"), &number)};
    CHECK_STATUS(tp_select(two, 2, TP_FOREVER, &chosen), TP_E_UNSUPPORTED);
    CHECK_INT(elsewhere.operations, 0);
    tp__executor_stop(second);
    tp__executor_release(second);
    tp_channel_release(local);
    stop(executor);
}

TP_TASK(send_through, int64_t, (tp_channel *, channel))
{
    return tp_send(channel, (int64_t)8);
}

static void a_captured_channel_becomes_the_proxy_of_that_name(void)
{
    struct tp__executor *executor = start();
    tp_pool *driver = tp_pool_open("local:1");
    struct {
        tp_channel *channel;
    } captures = {tp_pool_channel(driver, "c")};
    struct tp__encoded encoded;
    CHECK_OK(tp__closure_encode(&send_through__is_a_TP_TASK, &captures, &encoded));
    const tp_task_definition *task;
    void *decoded;
    CHECK_OK(tp__closure_decode(encoded.bytes, encoded.size, executor->channels, &task, &decoded));
    tp_channel *proxy = *(tp_channel **)decoded;
    CHECK(proxy == tp__channels_get(executor->channels, "c"));
    CHECK(proxy->elsewhere);
    int64_t status = 1;
    task->call(decoded, &status);
    CHECK_INT(status, TP_OK);
    CHECK_INT(tp_channel_size(hidden(proxy)), 1);
    tp__captures_drop(task, decoded);
    free(decoded);
    tp__encoded_free(&encoded);
    CHECK_OK(tp_pool_close(driver));
    stop(executor);
}

static void a_proxy_whose_pool_is_closed_is_closed(void)
{
    struct tp__executor *executor = start();
    tp_channel *proxy = tp__channel_retain(tp__channels_get(executor->channels, "c"));
    stop(executor);
    const int operations = elsewhere.operations;
    int64_t number = 1;
    size_t chosen = 7;
    CHECK_STATUS(tp_send(proxy, tp_str_lit("a text that is longer than a few bytes")), TP_E_CLOSED);
    CHECK_STATUS(tp_recv(proxy, &number), TP_E_CLOSED);
    CHECK_INT(number, 0);
    tp_select_case cases[] = {tp_case_recv(proxy, &number), tp_case_send(proxy, (int64_t)1)};
    CHECK_STATUS(tp_select(cases, 2, TP_FOREVER, &chosen), TP_E_CLOSED);
    CHECK_INT(chosen, 0);
    CHECK_INT(tp_channel_size(proxy), 0);
    CHECK_OK(tp_channel_close(proxy));
    CHECK_INT(elsewhere.operations, operations);
    tp__channel_unref(proxy);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(messages_of_every_kind_go_there_and_back),
        CHECK_TEST(what_cannot_be_done_now_is_said),
        CHECK_TEST(the_capacity_counts_where_the_channel_is),
        CHECK_TEST(a_close_goes_there),
        CHECK_TEST(a_select_among_proxies_chooses_there),
        CHECK_TEST(a_select_keeps_to_one_place),
        CHECK_TEST(a_captured_channel_becomes_the_proxy_of_that_name),
        CHECK_TEST(a_proxy_whose_pool_is_closed_is_closed),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
