/* SPDX-License-Identifier: MIT */
/* Peers that lie, forge, flood and break rules. Whatever they do, an honest session beside them goes on, and memory
 * stays where it was. */
#include "world.h"

/* An honest pair that must not notice anything. */
struct scene {
    struct world *world;
    struct end *driver, *node;
    struct end *bad_driver, *bad_node;
    struct tp__id bad_incarnation;
    uint64_t credit;
};

static struct scene open_scene(void)
{
    struct scene scene = {.world =
                              world_open(&(struct coordinator_options){.name = "head", .queue_limit_bytes = 4 << 20})};
    scene.driver = world_driver(scene.world, 0, 1);
    scene.node = world_node(scene.world, 0, 11, 4);
    world_join(scene.node, scene.driver);
    scene.bad_driver = world_driver(scene.world, 1, 2);
    scene.bad_node = world_node(scene.world, 1, 12, 4);
    scene.bad_incarnation = world_join(scene.bad_node, scene.bad_driver);
    return scene;
}

static void close_scene(struct scene *scene)
{
    world_run(scene->world);
    assert_false(scene->driver->broken[0]);
    assert_false(scene->node->broken[0]);
    node_credit(scene->node, scene->credit += 10, 0, 0);
    driver_tasks(scene->driver, 10, NULL);
    assert_int_equal(node_take_tasks(scene->node, scene->driver), 10);
    assert_int_equal(end_drop(scene->driver, TASKPOOL__FRAME__BODY_REFUSAL), 0);
    world_close(scene->world);
}

/* That of the honest node in the honest session. */
static struct use *use_of_first(const struct world *world)
{
    return world->coordinator->sessions[0]->uses[0];
}

/* ---- tasks ---- */

struct tasks_fields {
    Taskpool__Tasks tasks;
    uint8_t leaves[2 * (TP__LEAF_HEADER_BYTES + 8)];
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
    fields->tasks.leaves = tp__field(fields->leaves, sizeof fields->leaves);
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
            fields.leaves[44] = 0xff;
            fields.leaves[45] = 0xff;
            break;
        case 13: /* unknown flags */
            fields.leaves[27] = 0x80;
            break;
        case 14: /* dispatch 0 */
            memset(fields.leaves + 16, 0, 4);
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

/* ---- accepts and the driver's word ---- */

static void accepts_that_make_no_sense_have_no_effect(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    const struct tp__id nobody = world_id(987);
    const struct tp__id incarnation = world_id(654);
    uint8_t signed_accept[TP__ACCEPT_LIMIT_BYTES + 1] = {1};
    for (int fault = 0; fault < 6; fault++) {
        Taskpool__Accept accept;
        taskpool__accept__init(&accept);
        accept.session = tp__field_of_id(&scene.driver->life);
        accept.signed_accept = tp__field(signed_accept, 100);
        accept.incarnation = tp__field_of_id(&incarnation);
        struct use *use = use_of_first(scene.world);
        switch (fault) {
        case 0:
            accept.session = tp__field_of_id(&nobody);
            break;
        case 1:
            accept.session.len = 3;
            break;
        case 2:
            accept.signed_accept.len = sizeof signed_accept;
            break;
        case 3:
            accept.incarnation.len = 0;
            break;
        case 4: {
            static const struct tp__id none;
            accept.incarnation = tp__field_of_id(&none);
            break;
        }
        default: /* the incarnation of another node in that session */
            accept.incarnation = tp__field_of_id(&use->incarnation);
        }
        const uint64_t refused = world_counts(scene.world).refused_frames;
        end_send(scene.bad_node, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_ACCEPT, &accept);
        world_run(scene.world);
        assert_int_equal(world_counts(scene.world).refused_frames, refused + 1);
        assert_int_equal(end_drop(scene.driver, TASKPOOL__FRAME__BODY_ACCEPT), 0);
        assert_int_equal(end_drop(scene.driver, TASKPOOL__FRAME__BODY_NODE_STATE), 0);
    }
    close_scene(&scene);
}

static void a_node_that_answers_without_end_is_not_relayed_without_end(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    for (uint64_t i = 0; i < 1000; i++)
        node_accept(scene.bad_node, scene.driver, 5000 + i);
    assert_in_range(end_drop(scene.driver, TASKPOOL__FRAME__BODY_ACCEPT), 1, 64);
    close_scene(&scene);
}

static void a_session_is_accepted_only_once_it_is_offered(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    struct end *silent = world_connect(scene.world, &scene.world->drivers[2]);
    const struct tp__id id = world_id(3);
    end_hello(silent, TASKPOOL__ROLE__ROLE_DRIVER, &id, "silent", 0);
    node_accept(scene.bad_node, silent, 777);
    assert_int_equal(end_drop(silent, TASKPOOL__FRAME__BODY_ACCEPT), 0);
    assert_int_equal(world_counts(scene.world).refused_frames, 1);
    close_scene(&scene);
}

static void a_driver_uses_and_forgets_only_what_is_its_own(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    const struct tp__id good = use_of_first(scene.world)->incarnation;
    driver_use(scene.bad_driver, &good);
    driver_use(scene.bad_driver, &(struct tp__id){{0}});
    Taskpool__Forget forget;
    taskpool__forget__init(&forget);
    forget.session = tp__field_of_id(&scene.driver->life);
    forget.incarnation = tp__field_of_id(&good);
    end_send(scene.bad_driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_FORGET, &forget);
    forget.session = tp__field_of_id(&scene.bad_driver->life);
    end_send(scene.bad_driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_FORGET, &forget);
    forget.incarnation.len = 7;
    end_send(scene.bad_driver, TP__LANE_CONTROL, TASKPOOL__FRAME__BODY_FORGET, &forget);
    world_run(scene.world);
    assert_int_equal(world_counts(scene.world).refused_frames, 5);
    assert_int_equal(end_drop(scene.node, TASKPOOL__FRAME__BODY_FORGET), 0);
    node_credit(scene.node, 1000, 0, 0);
    scene.credit = 1000;
    driver_tasks(scene.bad_driver, 5, NULL);
    assert_int_equal(end_drop(scene.node, TASKPOOL__FRAME__BODY_TASKS), 0);
    driver_tasks(scene.bad_driver, 5, &(struct batch_options){.incarnation = &good});
    assert_int_equal(end_drop(scene.node, TASKPOOL__FRAME__BODY_TASKS), 0);
    close_scene(&scene);
}

static void offers_are_checked(void **state)
{
    (void)state;
    for (int fault = 0; fault < 6; fault++) {
        struct scene scene = open_scene();
        struct end *driver = world_connect(scene.world, &scene.world->drivers[1]);
        const struct tp__id id = world_id(3);
        end_hello(driver, TASKPOOL__ROLE__ROLE_DRIVER, &id, "other", 0);
        struct tp__offer offer = {.driver = driver->key->public_key,
                                  .session = id,
                                  .program_length = 1000,
                                  .protocol = TP__PROTOCOL_VERSION,
                                  .machine = "x86_64",
                                  .program_name = "program"};
        const struct tp__key *signer = driver->key;
        if (fault == 1)
            offer.session = scene.driver->life;
        if (fault == 2) {
            signer = &scene.world->drivers[2];
            offer.driver = signer->public_key;
        }
        if (fault == 3)
            offer.program_length = 0;
        if (fault == 4)
            offer.program_length = UINT64_MAX;
        driver->offer_size = tp__offer_sign(&offer, signer, driver->offer);
        if (fault == 0)
            driver->offer[driver->offer_size - 1] ^= 1;
        if (fault == 5)
            driver->offer_size = 0;
        end_drop(scene.node, TASKPOOL__FRAME__BODY_OFFER);
        driver_offer(driver);
        assert_int_equal(end_refusal(driver), TP_E_UNTRUSTED);
        assert_int_equal(end_drop(scene.node, TASKPOOL__FRAME__BODY_OFFER), 0);
        close_scene(&scene);
    }
}

static void a_session_does_not_change_its_offer(void **state)
{
    (void)state;
    struct scene scene = open_scene();
    driver_offer(scene.bad_driver); /* a second time */
    world_run(scene.world);
    assert_int_equal(world_counts(scene.world).refused_frames, 1);
    struct end *again = world_connect(scene.world, &scene.world->drivers[1]);
    end_hello(again, TASKPOOL__ROLE__ROLE_DRIVER, &scene.bad_driver->life, "again", 0);
    const struct tp__offer offer = {.driver = again->key->public_key,
                                    .session = again->life,
                                    .program_length = 1000,
                                    .protocol = TP__PROTOCOL_VERSION,
                                    .machine = "x86_64",
                                    .program_name = "another"};
    again->offer_size = tp__offer_sign(&offer, again->key, again->offer);
    driver_offer(again);
    assert_int_equal(end_refusal(again), TP_E_ARGUMENT);
    close_scene(&scene);
}

/* ---- credit ---- */

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

/* ---- links ---- */

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
        cmocka_unit_test(malformed_tasks_end_the_link_of_their_driver_alone),
        cmocka_unit_test(payloads_out_of_order_end_the_link_of_their_driver_alone),
        cmocka_unit_test(a_payload_without_a_task_is_refused),
        cmocka_unit_test(promised_payloads_take_no_memory),
        cmocka_unit_test(a_driver_past_its_queue_limit_is_refused),
        cmocka_unit_test(accepts_that_make_no_sense_have_no_effect),
        cmocka_unit_test(a_node_that_answers_without_end_is_not_relayed_without_end),
        cmocka_unit_test(a_session_is_accepted_only_once_it_is_offered),
        cmocka_unit_test(a_driver_uses_and_forgets_only_what_is_its_own),
        cmocka_unit_test(offers_are_checked),
        cmocka_unit_test(a_session_does_not_change_its_offer),
        cmocka_unit_test(a_node_takes_no_more_than_4096_tasks_ahead_whatever_it_says),
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
