/* SPDX-License-Identifier: MIT */
/* Drivers whose tasks and payloads are malformed, out of order or too many, and a node that asks for all of them: an
 * honest session beside them goes on, and memory stays where it was. */
#include "hostile_scene.h"

struct tasks_fields {
    Taskpool__Tasks tasks;
    uint8_t leaves[2 * (TP__LEAF_HEADER_LIMIT_BYTES + 8)];
    uint8_t signature[TP__SIGNATURE_BYTES];
};

static void fill_tasks(struct tasks_fields *fields, const struct end *driver)
{
    static const uint8_t payload[8];
    memset(fields, 0, sizeof *fields);
    uint8_t *to = fields->leaves;
    for (uint64_t i = 1; i <= 2; i++)
        to = tp__leaf_write(to, &(struct tp__leaf){.sequence = i, .dispatch = 1, .length = 8, .payload = payload});
    taskpool__tasks__init(&fields->tasks);
    fields->tasks.session = tp__field_of_id(&driver->life);
    fields->tasks.batch = 1;
    fields->tasks.count = fields->tasks.run = 2;
    fields->tasks.signature = tp__field(fields->signature, sizeof fields->signature);
    fields->tasks.leaves = tp__field(fields->leaves, (size_t)(to - fields->leaves));
}

static void malformed_tasks_end_the_link_of_their_driver_alone(void **state)
{
    (void)state;
    for (int fault = 0;; fault++) {
        struct scene scene = open_scene();
        struct tasks_fields fields;
        fill_tasks(&fields, scene.bad_driver);
        Taskpool__Tasks *tasks = &fields.tasks;
        bool done = false;
        switch (fault) {
        case 0:
            tasks->session.len = 15;
            break;
        case 1:
            tasks->session = tp__field_of_id(&scene.driver->life);
            break;
        case 2:
            tasks->count = tasks->run = 0;
            break;
        case 3:
            tasks->count = tasks->run = 3; /* more than there are */
            break;
        case 4:
            tasks->count = tasks->run = UINT32_MAX;
            break;
        case 5:
            tasks->first = 1;
            break;
        case 6:
            tasks->run = 1;
            break;
        case 7:
            tasks->signature.len = 63;
            break;
        case 8:
            tasks->proof = tp__field(fields.signature, 32);
            break;
        case 9:
            tasks->leaves.len -= 1;
            break;
        case 10:
            tasks->leaves.len = 0;
            break;
        case 11:
            tasks->incarnation = tp__field(fields.signature, 5);
            break;
        case 12: /* a leaf's length past the end */
            fields.leaves[2] = 0x7f;
            break;
        case 13: /* unknown flags */
            fields.leaves[0] = 0x80;
            break;
        case 14: /* dispatch 0 */
            fields.leaves[4] = 0;
            break;
        default:
            done = true;
        }
        if (!done) {
            end_send(scene.bad_driver, TP__LANE_BULK, TASKPOOL__FRAME__BODY_TASKS, tasks);
            const tp_status status = end_refusal(scene.bad_driver);
            if (status != TP_E_DECODE)
                fail_msg("fault %d: status %d", fault, (int)status);
            assert_int_equal(world_counts(scene.world).queued_tasks, 0);
        }
        close_scene(&scene);
        if (done)
            return;
    }
}

static void payloads_out_of_order_end_the_link_of_their_driver_alone(void **state)
{
    (void)state;
    enum { SIZE = 300000 };
    static uint8_t bytes[SIZE + 1];
    const struct {
        uint64_t sequence;
        uint32_t dispatch, offset;
        size_t size;
    } parts[] = {
        {2, 1, 0, 100000},      /* another task first */
        {1, 2, 0, 100000},      /* another dispatch */
        {1, 1, 100000, 100000}, /* a gap */
        {1, 1, 0, SIZE + 1},    /* too much */
        {1, 1, 0, 0},           /* nothing */
        {1, 1, 0, 100},         /* crumbs */
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct scene scene = open_scene();
        driver_tasks(scene.bad_driver, 2, &(struct batch_options){.payload_bytes = SIZE});
        Taskpool__Payload payload;
        taskpool__payload__init(&payload);
        payload.session = tp__field_of_id(&scene.bad_driver->life);
        payload.sequence = parts[i].sequence;
        payload.dispatch = parts[i].dispatch;
        payload.offset = parts[i].offset;
        payload.part = tp__field(bytes, parts[i].size);
        end_send(scene.bad_driver, TP__LANE_BULK, TASKPOOL__FRAME__BODY_PAYLOAD, &payload);
        assert_int_equal(end_refusal(scene.bad_driver), TP_E_DECODE);
        assert_int_equal(world_counts(scene.world).queued_bytes, 0);
        close_scene(&scene);
    }
}

static void a_payload_without_a_task_is_refused(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    Taskpool__Payload payload;
    taskpool__payload__init(&payload);
    payload.session = tp__field_of_id(&scene.bad_driver->life);
    payload.part = tp__field("x", 1);
    end_send(scene.bad_driver, TP__LANE_BULK, TASKPOOL__FRAME__BODY_PAYLOAD, &payload);
    assert_int_equal(end_refusal(scene.bad_driver), TP_E_DECODE);
    close_scene(&scene);
}

static void promised_payloads_take_no_memory(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    const uint64_t before = world_counts(scene.world).memory_bytes;
    for (int i = 0; i < 20; i++) /* 80 GiB */
        driver_tasks(scene.bad_driver, TP__BATCH_LIMIT, &(struct batch_options){.payload_bytes = 16 << 20});
    const struct coordinator_counts counts = world_counts(scene.world);
    assert_int_equal(counts.queued_tasks, 20 * TP__BATCH_LIMIT);
    assert_true(counts.memory_bytes - before < counts.queued_tasks * 250);
    close_scene(&scene);
}

static void a_driver_past_its_queue_limit_is_refused(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    const uint64_t before = world_counts(scene.world).memory_bytes;
    for (int i = 0; i < 2000 && !scene.bad_driver->broken[0]; i++) {
        driver_tasks(scene.bad_driver, 50, &(struct batch_options){.payload_bytes = 2000});
        assert_true(world_counts(scene.world).queued_bytes <= (4 << 20) + TP__FRAME_LIMIT_BYTES);
        if (end_drop(scene.bad_driver, TASKPOOL__FRAME__BODY_REFUSAL) > 0)
            break;
        assert_in_range(i, 0, 100);
    }
    assert_non_null(strstr(scene.world->last_refused, "TP_E_LIMIT"));
    assert_int_equal(world_counts(scene.world).queued_tasks, 0);
    assert_in_range(world_counts(scene.world).memory_bytes, 1, before + 4096);
    close_scene(&scene);
}

/* Each in a batch of its own, with nothing in it. */
static void tasks_that_are_as_small_as_can_be_count_for_what_they_take(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    uint64_t most = 0;
    for (int i = 0; i < 1000000 && end_drop(scene.bad_driver, TASKPOOL__FRAME__BODY_REFUSAL) == 0; i++) {
        driver_tasks(scene.bad_driver, 1, &(struct batch_options){.payload_bytes = 1});
        const uint64_t memory = world_counts(scene.world).memory_bytes;
        most = memory > most ? memory : most;
    }
    assert_non_null(strstr(scene.world->last_refused, "TP_E_LIMIT"));
    assert_in_range(most, 4 << 20, 3 * ((4 << 20) + TP__FRAME_LIMIT_BYTES));
    close_scene(&scene);
}

static void a_node_takes_no_more_than_4096_tasks_ahead_whatever_it_says(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    for (int i = 0; i < 40; i++)
        driver_tasks(scene.bad_driver, 256, NULL);
    node_credit(scene.bad_node, UINT64_MAX, UINT32_MAX, UINT32_MAX);
    assert_int_equal(node_take_tasks(scene.bad_node, scene.bad_driver), CREDIT_LIMIT);
    node_credit(scene.bad_node, UINT64_MAX, 0, 0);
    assert_int_equal(node_take_tasks(scene.bad_node, scene.bad_driver), CREDIT_LIMIT);
    node_credit(scene.bad_node, 0, 0, 0);
    assert_int_equal(node_take_tasks(scene.bad_node, scene.bad_driver), 0);
    world_pass(scene.world, 2000); /* rates, recalls with such numbers */
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_tasks_end_the_link_of_their_driver_alone),
        cmocka_unit_test(payloads_out_of_order_end_the_link_of_their_driver_alone),
        cmocka_unit_test(a_payload_without_a_task_is_refused),
        cmocka_unit_test(promised_payloads_take_no_memory),
        cmocka_unit_test(a_driver_past_its_queue_limit_is_refused),
        cmocka_unit_test(tasks_that_are_as_small_as_can_be_count_for_what_they_take),
        cmocka_unit_test(a_node_takes_no_more_than_4096_tasks_ahead_whatever_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
