/* SPDX-License-Identifier: MIT */
/* Accepts, offers and a driver's words about incarnations, wrong or about what is somebody else's: they have no effect,
 * and an honest session beside them goes on. */
#include "hostile_scene.h"

/* That of the honest node in the honest session. */
static struct use *use_of_first(const struct world *world)
{
    return world->coordinator->sessions[0]->uses[0];
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_that_make_no_sense_have_no_effect),
        cmocka_unit_test(a_node_that_answers_without_end_is_not_relayed_without_end),
        cmocka_unit_test(a_session_is_accepted_only_once_it_is_offered),
        cmocka_unit_test(a_driver_uses_and_forgets_only_what_is_its_own),
        cmocka_unit_test(offers_are_checked),
        cmocka_unit_test(a_session_does_not_change_its_offer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
