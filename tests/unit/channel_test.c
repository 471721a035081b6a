/* SPDX-License-Identifier: MIT */
/* Channels from one thread: what is possible without waiting. */
#include "base/alloc.h"
#include "check.h"
#include "closure/codec.h"
#include "runtime/channel.h"
#include "runtime/channels.h"

typedef struct {
    double numbers[12];
} large;

static void messages_arrive_in_order_through_every_size_of_queue(void)
{
    tp_channel *channel = tp_channel_open(0);
    int64_t next_in = 0;
    int64_t next_out = 0;
    for (int64_t level = 1; level <= 100000; level *= 3) {
        while (next_in - next_out < level)
            CHECK_OK(tp_send(channel, next_in++));
        CHECK_INT(tp_channel_size(channel), level);
        while (next_in - next_out > level / 7) {
            int64_t got;
            CHECK_OK(tp_recv(channel, &got));
            CHECK_INT(got, next_out);
            next_out++;
        }
    }
    tp_channel_release(channel);
}

static void a_queue_that_stays_short_gives_its_large_ring_back(void)
{
    tp_channel *channel = tp_channel_open(0);
    int64_t next_out = 0;
    int64_t next_in = 0;
    while (next_in < 100000)
        CHECK_OK(tp_send(channel, next_in++));
    int64_t got;
    for (; next_out < 99990; next_out++)
        CHECK_OK(tp_recv(channel, &got));
    CHECK_OK(tp_send(channel, next_in++));
    CHECK(channel->queue.in->mask < TP__RING_SLOTS_KEPT);
    for (; next_out < next_in; next_out++) {
        CHECK_OK(tp_recv(channel, &got));
        CHECK_INT(got, next_out);
    }
    CHECK(channel->queue.out == channel->queue.in);
    tp_channel_release(channel);
}

static void an_empty_queue_keeps_no_large_ring(void)
{
    tp_channel *channel = tp_channel_open(0);
    int64_t got;
    for (int64_t i = 0; i < 10000; i++)
        CHECK_OK(tp_send(channel, i));
    for (int64_t i = 0; i < 10000; i++)
        CHECK_OK(tp_recv(channel, &got));
    CHECK(channel->queue.in == NULL || channel->queue.in->mask < TP__RING_SLOTS_KEPT);
    CHECK_OK(tp_send(channel, (int64_t)1));
    CHECK_OK(tp_recv(channel, &got));
    tp_channel_release(channel);
}

static void a_bounded_channel_takes_exactly_its_capacity(void)
{
    const size_t capacities[] = {1, 2, 3, 7, 8, 9, 64, 100, 1000, 5000};
    for (size_t i = 0; i < sizeof capacities / sizeof capacities[0]; i++) {
        tp_channel *channel = tp_channel_open(capacities[i]);
        int64_t next_in = 0;
        int64_t next_out = 0;
        for (int round = 0; round < 5; round++) {
            while (tp_try_send(channel, next_in) == TP_OK)
                next_in++;
            CHECK_INT(tp_last_error()->status, TP_E_FULL);
            CHECK_INT(tp_channel_size(channel), capacities[i]);
            int64_t got;
            for (size_t n = 0; n < (capacities[i] + 1) / 2; n++) {
                CHECK_OK(tp_try_recv(channel, &got));
                CHECK_INT(got, next_out);
                next_out++;
            }
        }
        tp_channel_release(channel);
    }
}

static void an_empty_channel_says_so(void)
{
    tp_channel *channel = tp_channel_open(0);
    int64_t got = 7;
    CHECK_STATUS(tp_try_recv(channel, &got), TP_E_EMPTY);
    CHECK_INT(got, 0);
    CHECK_CONTAINS(tp_last_error()->message, "empty");
    tp_channel_release(channel);
}

static void a_time_limit_ends_a_wait(void)
{
    tp_channel *channel = tp_channel_open(1);
    int64_t got = 7;
    CHECK_STATUS(tp_recv_for(channel, &got, 1), TP_E_TIMEOUT);
    CHECK_INT(got, 0);
    CHECK_OK(tp_send(channel, (int64_t)1));
    CHECK_STATUS(tp_send_for(channel, (int64_t)2, 1), TP_E_TIMEOUT);
    CHECK_OK(tp_recv(channel, &got));
    CHECK_INT(got, 1);
    CHECK_STATUS(tp_try_recv(channel, &got), TP_E_EMPTY);
    tp_channel_release(channel);
}

static void integers_and_floats_widen(void)
{
    tp_channel *channel = tp_channel_open(0);
    CHECK_OK(tp_send(channel, (int8_t)-3));
    CHECK_OK(tp_send(channel, (uint32_t)0xFFFFFFFFU));
    CHECK_OK(tp_send(channel, 1.5F));
    int64_t wide;
    double number;
    CHECK_OK(tp_recv(channel, &wide));
    CHECK_INT(wide, -3);
    CHECK_OK(tp_recv(channel, &wide));
    CHECK_INT(wide, 0xFFFFFFFFLL);
    CHECK_OK(tp_recv(channel, &number));
    CHECK(number == 1.5);
    tp_channel_release(channel);
}

static void a_message_of_another_type_stays(void)
{
    tp_channel *channel = tp_channel_open(0);
    CHECK_OK(tp_send(channel, (int64_t)42));
    int32_t narrow = 9;
    double number = 9;
    large much;
    CHECK_STATUS(tp_recv(channel, &narrow), TP_E_TYPE);
    CHECK_INT(narrow, 0);
    CHECK_CONTAINS(tp_last_error()->message, "signed integer of 8 bytes");
    CHECK_CONTAINS(tp_last_error()->message, "of 4 bytes");
    CHECK_STATUS(tp_recv(channel, &number), TP_E_TYPE);
    CHECK_STATUS(tp_recv(channel, &much), TP_E_TYPE);
    CHECK_INT(tp_channel_size(channel), 1);
    int64_t got;
    CHECK_OK(tp_recv(channel, &got));
    CHECK_INT(got, 42);
    tp_channel_release(channel);
}

static void large_messages_are_copied(void)
{
    tp_channel *channel = tp_channel_open(0);
    large sent = {.numbers = {1, 2, 3, [11] = 12}};
    large got;
    CHECK_OK(tp_send(channel, sent));
    sent.numbers[0] = 99;
    CHECK_OK(tp_send(channel, sent));
    CHECK_OK(tp_recv(channel, &got));
    CHECK(got.numbers[0] == 1 && got.numbers[11] == 12);
    CHECK_OK(tp_send(channel, sent)); /* two are left over */
    tp_channel_release(channel);
}

static void strings_and_values_are_copied_and_leftovers_dropped(void)
{
    tp_channel *channel = tp_channel_open(0);
    tp_str string = tp_str_new("a string that is not a literal");
    CHECK_OK(tp_send(channel, string));
    CHECK_OK(tp_send(channel, string));
    tp_str_release(string);
    tp_value list = tp_value_list();
    CHECK_OK(tp_value_list_append(list, tp_value_int(5)));
    CHECK_OK(tp_send(channel, list));
    CHECK_OK(tp_send(channel, list));
    tp_value_release(list);

    tp_str got;
    CHECK_OK(tp_recv(channel, &got));
    CHECK_TP_STR(got, "a string that is not a literal");
    tp_str_release(got);
    tp_value value;
    CHECK_STATUS(tp_recv(channel, &value), TP_E_TYPE);
    CHECK_OK(tp_recv(channel, &got));
    tp_str_release(got);
    CHECK_OK(tp_recv(channel, &value));
    tp_value item;
    CHECK_OK(tp_value_list_get(value, 0, &item));
    CHECK(tp_value_equal(item, tp_value_int(5)));
    tp_value_release(value);
    tp_channel_release(channel); /* the second list is dropped */
}

static void after_a_close_what_was_sent_can_be_received(void)
{
    tp_channel *channel = tp_channel_open(0);
    CHECK_OK(tp_send(channel, (int64_t)1));
    CHECK_OK(tp_send(channel, (int64_t)2));
    CHECK_OK(tp_channel_close(channel));
    CHECK_OK(tp_channel_close(channel));
    CHECK_STATUS(tp_send(channel, (int64_t)3), TP_E_CLOSED);
    int64_t got;
    CHECK_OK(tp_recv(channel, &got));
    CHECK_OK(tp_recv(channel, &got));
    CHECK_INT(got, 2);
    CHECK_STATUS(tp_recv(channel, &got), TP_E_CLOSED);
    CHECK_STATUS(tp_try_recv(channel, &got), TP_E_CLOSED);
    CHECK_INT(got, 0);
    tp_channel_release(channel);
}

static void nonsense_is_refused(void)
{
    int64_t got = 3;
    CHECK_STATUS(tp_send((tp_channel *)NULL, got), TP_E_ARGUMENT);
    CHECK_STATUS(tp_recv((tp_channel *)NULL, &got), TP_E_ARGUMENT);
    CHECK_INT(got, 0);
    CHECK_STATUS(tp_channel_close(NULL), TP_E_ARGUMENT);
    tp_channel_release(NULL);
    CHECK_INT(tp_channel_size(NULL), 0);
    CHECK_STR(tp_channel_name(NULL), "");
    CHECK(tp_channel_open((size_t)1 << 40) == NULL);
    CHECK_INT(tp_last_error()->status, TP_E_LIMIT);
    tp_channel *channel = tp_channel_open((size_t)1 << 31); /* nothing of that size is allocated */
    CHECK(channel != NULL);
    CHECK_STATUS(tp__send(channel, NULL, TP_KIND_INT, 8, 0), TP_E_ARGUMENT);
    CHECK_STATUS(tp__recv(channel, NULL, TP_KIND_INT, 8, 0), TP_E_ARGUMENT);
    CHECK_STATUS(tp__send(channel, &got, TP_KIND_PLAIN, (size_t)1 << 30, 0), TP_E_LIMIT);
    CHECK_OK(tp_send(channel, got));
    tp_channel *unnamed = channel;
    CHECK_STATUS(tp_send(channel, unnamed), TP_E_ARGUMENT);
    tp_channel_release(channel);
}

static void a_name_is_one_channel(void)
{
    struct tp__channels *channels = tp__channels_new(NULL);
    tp_channel *first = tp__channels_get(channels, "sync");
    CHECK(first != NULL && first == tp__channels_get(channels, "sync"));
    CHECK_STR(tp_channel_name(first), "sync");
    CHECK(first != tp__channels_get(channels, "other"));
    tp_channel *bounded = tp__channels_get_with(channels, "bounded", 3);
    CHECK(bounded != NULL && bounded == tp__channels_get_with(channels, "bounded", 3));
    CHECK(bounded == tp__channels_get(channels, "bounded"));
    CHECK(tp__channels_get_with(channels, "bounded", 4) == NULL);
    CHECK_INT(tp_last_error()->status, TP_E_ARGUMENT);
    CHECK(tp__channels_get(channels, "") == NULL);
    CHECK(tp__channels_get(channels, NULL) == NULL);
    char name[257] = {0};
    memset(name, 'x', 255);
    CHECK(tp__channels_get(channels, name) != NULL);
    memset(name, 'x', 256);
    CHECK(tp__channels_get(channels, name) == NULL);
    CHECK(tp__channels_resolve(NULL, "sync", 4) == NULL);
    CHECK_INT(tp_last_error()->status, TP_E_DECODE);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "channel %d", i);
        tp_channel *channel = tp__channels_get(channels, name);
        CHECK(channel == tp__channels_get(channels, name));
    }
    CHECK(first == tp__channels_get(channels, "sync"));
    tp__channels_free(channels);
    tp__channels_free(NULL);
}

static void a_named_channel_cannot_be_released_and_stays_closed(void)
{
    struct tp__channels *channels = tp__channels_new(NULL);
    tp_channel *channel = tp__channels_get(channels, "sync");
    tp_channel_release(channel);
    CHECK_OK(tp_send(channel, (int64_t)1));
    CHECK_OK(tp_channel_close(channel));
    CHECK(tp__channels_get(channels, "sync") == channel);
    CHECK_STATUS(tp_send(channel, (int64_t)1), TP_E_CLOSED);
    CHECK_CONTAINS(tp_last_error()->message, "\"sync\"");
    tp__channels_free(channels);
}

static void who_holds_a_named_channel_finds_it_closed_after_its_pool(void)
{
    struct tp__channels *channels = tp__channels_new(NULL);
    tp_channel *held = tp__channels_resolve(channels, "held", 4);
    tp_channel *other = tp__channels_get(channels, "other");
    CHECK_OK(tp_send(held, held)); /* a message may even hold the channel that it lies in */
    CHECK_OK(tp_send(held, other));
    CHECK_OK(tp_send(other, held));
    tp__channels_free(channels);
    CHECK_STATUS(tp_send(held, (int64_t)1), TP_E_CLOSED);
    int64_t got;
    CHECK_STATUS(tp_recv(held, &got), TP_E_CLOSED);
    tp__channel_unref(held);
}

/* Refuses every request from the one with this number on (0: none). Checks run on this thread alone. */
static int refuse_from;
static int requests;

static bool refuse(size_t size)
{
    (void)size;
    return refuse_from > 0 && ++requests >= refuse_from;
}

static void without_memory_nothing_is_lost_or_sent(void)
{
    const large much = {.numbers = {1}};
    tp__alloc_set_refuse(refuse);
    for (int from = 1; from < 40; from++) {
        requests = 0;
        refuse_from = 0;
        tp_channel *channel = tp_channel_open(0);
        tp_channel *bounded = tp_channel_open(100);
        refuse_from = from;
        int64_t sent = 0;
        int64_t sent_bounded = 0;
        bool sent_much = false;
        for (int i = 0; i < 3000; i++) {
            tp_status status = tp_send(channel, sent);
            CHECK(status == TP_OK || status == TP_E_NOMEM);
            sent += status == TP_OK;
            status = tp_try_send(bounded, sent_bounded);
            CHECK(status == TP_OK || status == TP_E_NOMEM || status == TP_E_FULL);
            sent_bounded += status == TP_OK;
        }
        sent_much = tp_send(channel, much) == TP_OK;
        CHECK_INT(tp_channel_size(channel), sent + sent_much);
        CHECK_INT(tp_channel_size(bounded), sent_bounded);
        int64_t got;
        for (int64_t i = 0; i < sent; i++) {
            CHECK_OK(tp_recv(channel, &got));
            CHECK_INT(got, i);
        }
        for (int64_t i = 0; i < sent_bounded; i++) {
            CHECK_OK(tp_recv(bounded, &got));
            CHECK_INT(got, i);
        }
        tp_channel *none = tp_channel_open(0);
        CHECK(none == NULL || requests < from);
        tp_channel_release(none);
        tp_channel_release(channel);
        tp_channel_release(bounded);

        requests = 0;
        struct tp__channels *channels = tp__channels_new(NULL);
        if (channels) {
            for (int i = 0; i < 40; i++) {
                char name[20];
                snprintf(name, sizeof name, "%d", i);
                tp_channel *named = tp__channels_get(channels, name);
                CHECK(named == NULL || tp__channels_get(channels, name) == named);
            }
        }
        tp__channels_free(channels);
        refuse_from = 0;
    }
    tp__alloc_set_refuse(NULL);
}

static void what_is_too_large_to_send_names_its_channel(void)
{
    struct tp__channels *channels = tp__channels_new(NULL);
    tp_channel *channel = tp__channels_get(channels, "results");
    char *bytes = calloc(1, TP__ENCODED_LIMIT_BYTES);
    CHECK_OR_EXIT(channel && bytes);
    CHECK_STATUS(tp_send(channel, tp_bytes_view(bytes, TP__ENCODED_LIMIT_BYTES)), TP_E_LIMIT);
    CHECK_CONTAINS(tp_last_error()->message, "channel 'results': a value takes ");
    free(bytes);
    tp__channels_free(channels);
}

int main(int argc, char **argv)
{
    const struct check_test tests[] = {
        CHECK_TEST(messages_arrive_in_order_through_every_size_of_queue),
        CHECK_TEST(a_queue_that_stays_short_gives_its_large_ring_back),
        CHECK_TEST(an_empty_queue_keeps_no_large_ring),
        CHECK_TEST(a_bounded_channel_takes_exactly_its_capacity),
        CHECK_TEST(an_empty_channel_says_so),
        CHECK_TEST(a_time_limit_ends_a_wait),
        CHECK_TEST(integers_and_floats_widen),
        CHECK_TEST(a_message_of_another_type_stays),
        CHECK_TEST(large_messages_are_copied),
        CHECK_TEST(strings_and_values_are_copied_and_leftovers_dropped),
        CHECK_TEST(after_a_close_what_was_sent_can_be_received),
        CHECK_TEST(nonsense_is_refused),
        CHECK_TEST(a_name_is_one_channel),
        CHECK_TEST(a_named_channel_cannot_be_released_and_stays_closed),
        CHECK_TEST(who_holds_a_named_channel_finds_it_closed_after_its_pool),
        CHECK_TEST(without_memory_nothing_is_lost_or_sent),
        CHECK_TEST(what_is_too_large_to_send_names_its_channel),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
