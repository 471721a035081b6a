/* SPDX-License-Identifier: MIT */
/* Frames of another key, with a gap, without a link or not their sender's to send, and Hellos that make no sense: they
 * cost at most the link that they came over. */
#include "hostile_scene.h"

static void a_frame_from_another_key_does_not_count(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    const struct tp__key *own = scene.bad_node->key;
    scene.bad_node->key = &scene.world->nodes[2]; /* the same connection, as another principal */
    node_credit(scene.bad_node, 100, 0, 0);
    assert_int_equal(world_counts(scene.world).refused_frames, 1);
    driver_tasks(scene.bad_driver, 5, NULL);
    assert_int_equal(world_counts(scene.world).queued_tasks, 5);
    scene.bad_node->key = own;
    close_scene(&scene);
}

static void frames_without_a_link_are_answered_by_a_reset_and_make_nothing(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    const uint64_t memory = world_counts(scene.world).memory_bytes;
    for (int kind = 0; kind < 4; kind++) {
        struct end *end = world_connect(scene.world, &scene.world->nodes[2]);
        Taskpool__Credit credit;
        taskpool__credit__init(&credit);
        Taskpool__Hello hello;
        taskpool__hello__init(&hello);
        Taskpool__Frame frame;
        taskpool__frame__init(&frame);
        frame.number = kind == 0 ? 1 : 2;
        frame.body_case = kind == 1 ? TASKPOOL__FRAME__BODY_HELLO : TASKPOOL__FRAME__BODY_CREDIT;
        if (kind == 1)
            frame.hello = &hello; /* a Hello that is not the first */
        else
            frame.credit = &credit;
        if (kind == 3)
            end_send_raw(end, (const uint8_t *)"\x01\x02\x03", 3);
        else
            end_send_frame_raw(end, &frame);
        world_run(scene.world);
        assert_true(end->broken[0]);
    }
    assert_int_equal(world_counts(scene.world).links, 4);
    assert_int_equal(world_counts(scene.world).memory_bytes, memory);
    close_scene(&scene);
}

static void a_reset_is_not_answered(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    struct end *end = world_connect(scene.world, &scene.world->nodes[2]);
    Taskpool__Reset reset;
    taskpool__reset__init(&reset);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_RESET;
    frame.reset = &reset;
    end_send_frame_raw(end, &frame);
    world_run(scene.world);
    assert_false(end->broken[0]);
    close_scene(&scene);
}

static void a_gap_breaks_the_link_and_no_other(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    Taskpool__Credit credit;
    taskpool__credit__init(&credit);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.number = 1000;
    frame.body_case = TASKPOOL__FRAME__BODY_CREDIT;
    frame.credit = &credit;
    end_send_frame_raw(scene.bad_node, &frame);
    world_run(scene.world);
    assert_true(scene.bad_node->broken[0]);
    assert_int_equal(world_counts(scene.world).links, 3);
    close_scene(&scene);
}

static void hellos_that_make_no_sense_are_refused_by_name(void **state)
{
    (void)state;
    const struct {
        uint32_t protocol;
        Taskpool__Role role;
        size_t life;
        tp_status status;
    } hellos[] = {
        {2, TASKPOOL__ROLE__ROLE_NODE, 16, TP_E_UNSUPPORTED},  {0, TASKPOOL__ROLE__ROLE_NODE, 16, TP_E_UNSUPPORTED},
        {1, TASKPOOL__ROLE__ROLE_UNKNOWN, 16, TP_E_UNTRUSTED}, {1, (Taskpool__Role)77, 16, TP_E_UNTRUSTED},
        {1, TASKPOOL__ROLE__ROLE_NODE, 0, TP_E_ARGUMENT},      {1, TASKPOOL__ROLE__ROLE_NODE, 15, TP_E_ARGUMENT},
        {1, TASKPOOL__ROLE__ROLE_NODE, 17, TP_E_ARGUMENT},
    };
    struct scene scene = open_scene();
    for (size_t i = 0; i < sizeof hellos / sizeof hellos[0]; i++) {
        struct end *end = world_connect(scene.world, &scene.world->nodes[2]);
        uint8_t life[17] = {1};
        Taskpool__Hello hello;
        taskpool__hello__init(&hello);
        hello.protocol = hellos[i].protocol;
        hello.role = hellos[i].role;
        hello.life = tp__field(life, hellos[i].life);
        end_send(end, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_HELLO, &hello);
        assert_int_equal(end_refusal(end), hellos[i].status);
    }
    static const uint8_t none[16];
    struct end *end = world_connect(scene.world, &scene.world->nodes[2]);
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = 1;
    hello.role = TASKPOOL__ROLE__ROLE_NODE;
    hello.life = tp__field(none, sizeof none);
    end_send(end, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_HELLO, &hello);
    assert_int_equal(end_refusal(end), TP_E_ARGUMENT);
    assert_int_equal(world_counts(scene.world).links, 4);
    close_scene(&scene);
}

static void names_from_peers_are_made_fit_to_print(void **state)
{
    (void)state;
    static const char name[] = "a b\"c\nd\xff\xc3\xa9="
                               "01234567890123456789012345678901234567890123456789012345678901234567890123456789";
    struct scene scene = open_scene();
    struct end *node = world_connect(scene.world, &scene.world->nodes[2]);
    const struct tp__id id = world_id(13);
    end_hello(node, TASKPOOL__ROLE__ROLE_NODE, &id, name, UINT32_MAX);
    end_drop(node, TASKPOOL__FRAME__BODY_WELCOME);
    node_accept(node, scene.bad_driver, 999);
    Taskpool__Frame *frame = end_take(scene.bad_driver, TASKPOOL__FRAME__BODY_ACCEPT);
    assert_non_null(frame);
    assert_int_equal(strlen(frame->accept->node_name), TP__NAME_LIMIT);
    assert_memory_equal(frame->accept->node_name, "a_b_c_d_\xc3\xa9_0123", 15);
    tp__frame_free(frame);
    close_scene(&scene);
}

static void nobody_sends_what_is_not_his_to_send(void **state)
{
    (void)state;
    static const Taskpool__Frame__BodyCase of_coordinator[] = {
        TASKPOOL__FRAME__BODY_WELCOME,     TASKPOOL__FRAME__BODY_REFUSAL, TASKPOOL__FRAME__BODY_NODE_STATE,
        TASKPOOL__FRAME__BODY_SESSION_END, TASKPOOL__FRAME__BODY_PLACED,  TASKPOOL__FRAME__BODY_RECALL,
    };
    static const Taskpool__Frame__BodyCase of_driver[] = {
        TASKPOOL__FRAME__BODY_OFFER,  TASKPOOL__FRAME__BODY_USE,     TASKPOOL__FRAME__BODY_FORGET,
        TASKPOOL__FRAME__BODY_TASKS,  TASKPOOL__FRAME__BODY_PAYLOAD, TASKPOOL__FRAME__BODY_CHUNK,
        TASKPOOL__FRAME__BODY_ANSWER, TASKPOOL__FRAME__BODY_QUERY,
    };
    static const Taskpool__Frame__BodyCase of_node[] = {TASKPOOL__FRAME__BODY_ACCEPT, TASKPOOL__FRAME__BODY_CREDIT,
                                                        TASKPOOL__FRAME__BODY_NEED};
    struct scene scene = open_scene();
    struct end *tool = world_tool(scene.world, 0);
    uint64_t refused = 0;
    union {
        ProtobufCMessage base;
        uint8_t bytes[512];
    } empty;
    const struct {
        struct end *end;
        const Taskpool__Frame__BodyCase *kinds;
        size_t count;
    } tries[] = {
        {scene.bad_node, of_coordinator, 6},
        {scene.bad_driver, of_coordinator, 6},
        {tool, of_coordinator, 6},
        {scene.bad_node, of_driver, 8},
        {tool, of_driver, 7},
        {scene.bad_driver, of_node, 3},
        {tool, of_node, 3},
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++)
        for (size_t j = 0; j < tries[i].count; j++) {
            const ProtobufCFieldDescriptor *field =
                protobuf_c_message_descriptor_get_field(&taskpool__frame__descriptor, tries[i].kinds[j]);
            protobuf_c_message_init(field->descriptor, &empty);
            end_send(tries[i].end, TP__LANE_CONTROL, tries[i].kinds[j], &empty);
            world_run(scene.world);
            assert_int_equal(world_counts(scene.world).refused_frames, ++refused);
        }
    close_scene(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_from_another_key_does_not_count),
        cmocka_unit_test(frames_without_a_link_are_answered_by_a_reset_and_make_nothing),
        cmocka_unit_test(a_reset_is_not_answered),
        cmocka_unit_test(a_gap_breaks_the_link_and_no_other),
        cmocka_unit_test(hellos_that_make_no_sense_are_refused_by_name),
        cmocka_unit_test(names_from_peers_are_made_fit_to_print),
        cmocka_unit_test(nobody_sends_what_is_not_his_to_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
