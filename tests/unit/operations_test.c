/* SPDX-License-Identifier: MIT */
/* The driver's side of channel operations, when there is no memory for a reply. */
#include "check.h"

#include "cluster/driver.h"
#include "runtime/pool.h"

#include <string.h>

/* ---- linked in place of the real ones (--wrap) ---- */

static bool is_out_of_memory;

void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size)
{
    return is_out_of_memory ? NULL : __real_realloc(block, size);
}

static struct {
    unsigned count;
    tp_status status;
    bool took;
    size_t size;
} replies;

void __wrap_tp__session_reply(struct tp__session *session, const struct tp__session_operation *operation,
                              const uint8_t *body, size_t size, bool took, bool sent);
void __wrap_tp__session_reply(struct tp__session *session, const struct tp__session_operation *operation,
                              const uint8_t *body, size_t size, bool took, bool sent)
{
    (void)session, (void)operation, (void)sent;
    struct tp__reader reader = tp__reader_of(body, size);
    replies.count++;
    replies.status = (tp_status)tp__get_u32(&reader);
    replies.took = took;
    replies.size = size;
}

/* ---- the stage ---- */

static const struct tp__session_operation key = {.task = 7, .dispatch = 1, .operation = 3};

struct stage {
    tp_pool *pool;
    tp_channel *channel;
    struct tp__inbox inbox;
    struct tp__operations operations;
};

static void open_stage(struct stage *stage)
{
    *stage = (struct stage){.pool = tp_pool_open("local:1")};
    CHECK_OR_EXIT(stage->pool);
    stage->channel = tp_pool_channel(stage->pool, "c");
    CHECK_OR_EXIT(stage->channel && tp__inbox_init(&stage->inbox) == TP_OK);
    stage->operations = (struct tp__operations){.channels = stage->pool->executor->channels, .inbox = &stage->inbox};
    memset(&replies, 0, sizeof replies);
}

static void close_stage(struct stage *stage)
{
    tp__operations_fini(&stage->operations);
    tp__inbox_fini(&stage->inbox);
    CHECK_OK(tp_pool_close(stage->pool));
}

static void begin_receive(struct stage *stage)
{
    uint8_t body[16];
    uint8_t *end = tp__put_u8(body, TP__CHANNEL_RECEIVE);
    end = tp__put_u8(end, 1);
    end = tp__put_u8(end, 'c');
    end = tp__put_u8(end, 1); /* wait */
    end = tp__put_u8(end, TP_KIND_INT);
    end = tp__put_u32(end, sizeof(int64_t));
    tp__operations_begin(&stage->operations, &key, body, (size_t)(end - body));
}

/* What the session's thread does with the inbox. */
static void take_inbox(struct stage *stage)
{
    struct tp__reader reader = tp__inbox_take(&stage->inbox);
    struct tp__driver_entry entry;
    CHECK_OR_EXIT(tp__reader_left(&reader) == sizeof entry);
    memcpy(&entry, tp__get_bytes(&reader, sizeof entry), sizeof entry);
    CHECK_INT(entry.type, TP__ENTRY_OPERATION_DONE);
    tp__operations_done(&stage->operations, entry.object);
}

static void a_message_is_taken_until_it_is_confirmed(void)
{
    struct stage stage;
    open_stage(&stage);
    CHECK_OK(tp_send(stage.channel, (int64_t)42));
    begin_receive(&stage);
    take_inbox(&stage);
    CHECK_INT(replies.count, 1);
    CHECK_STATUS(replies.status, TP_OK);
    CHECK(replies.took);
    CHECK_INT(stage.operations.count, 1);
    tp__operations_confirm(&stage.operations, &key);
    CHECK_INT(stage.operations.count, 0);
    CHECK_INT(tp_channel_size(stage.channel), 0);
    close_stage(&stage);
}

static void without_memory_for_the_reply_the_message_stays_in_its_channel(void)
{
    struct stage stage;
    open_stage(&stage);
    CHECK_OK(tp_send(stage.channel, (int64_t)42));
    begin_receive(&stage);
    is_out_of_memory = true;
    take_inbox(&stage);
    is_out_of_memory = false;
    CHECK_INT(replies.count, 1);
    CHECK_STATUS(replies.status, TP_E_NOMEM);
    CHECK(!replies.took);
    CHECK_INT(stage.operations.count, 0);
    int64_t value = 0;
    CHECK_OK(tp_try_recv(stage.channel, &value));
    CHECK_INT(value, 42);
    close_stage(&stage);
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {
        CHECK_TEST(a_message_is_taken_until_it_is_confirmed),
        CHECK_TEST(without_memory_for_the_reply_the_message_stays_in_its_channel),
    };
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
