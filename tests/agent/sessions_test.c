/* SPDX-License-Identifier: MIT */
/* Offers, accepts, ends. */
#include "agent_world.h"

static void an_offer_starts_a_process_and_is_accepted_when_it_is_ready(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    driver_offer(driver);
    struct world_process *process = world_process(world, 0);
    assert_int_equal(driver->accepts, 0);
    assert_memory_equal(&process->options.session, &driver->offer.session, 16);
    assert_int_equal(process->options.threads, 2);
    assert_string_equal(process->options.program_name, "demo");
    process_ready(world, process);
    assert_int_equal(driver->accepts, 1);
    assert_int_equal(world_counts(world).sessions, 1);
    world_free(world);
}

static void a_key_that_is_not_authorized_is_refused_and_takes_no_memory(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    world_authorize(world, NULL, 0);
    driver_offer(driver);
    assert_int_equal(driver->refusals, 1);
    assert_int_equal(driver->status, TP_E_UNTRUSTED);
    assert_non_null(strstr(driver->reason, "authorized_keys"));
    assert_int_equal(world_counts(world).sessions, 0);
    assert_int_equal(world->process_count, 0);
    assert_int_equal(world_counts(world).refused, 1);
    world_free(world);
}

static void another_protocol_another_machine_and_a_huge_program_are_refused(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *protocol = driver_new(world);
    struct world_driver *machine = driver_new(world);
    struct world_driver *huge = driver_new(world);
    protocol->offer.protocol = 2;
    driver_offer(protocol);
    assert_int_equal(protocol->status, TP_E_UNSUPPORTED);
    (void)snprintf(machine->offer.machine, sizeof machine->offer.machine, "aarch64");
    driver_offer(machine);
    assert_int_equal(machine->status, TP_E_UNSUPPORTED);
    assert_non_null(strstr(machine->reason, "aarch64"));
    huge->offer.program_length = WORLD_PROGRAM_LIMIT_BYTES + 1;
    driver_offer(huge);
    assert_int_equal(huge->status, TP_E_LIMIT);
    assert_int_equal(world->process_count, 0);
    world_free(world);
}

static void a_key_has_sixteen_sessions_at_most(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    for (int i = 0; i < 16; i++) {
        driver->offer.session = tp__id_new();
        driver_offer(driver);
    }
    assert_int_equal(driver->refusals, 0);
    driver->offer.session = tp__id_new();
    driver_offer(driver);
    assert_int_equal(driver->refusals, 1);
    assert_int_equal(driver->status, TP_E_LIMIT);
    assert_int_equal(world_counts(world).sessions, 16);
    world_free(world);
}

static void a_program_that_does_not_start_is_refused_with_its_last_words(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    driver_offer(driver);
    const struct agent_crash crash = {.exit_status = 127,
                                      .text = "called exit(127)",
                                      .backtrace = "",
                                      .last_output = "error while loading shared libraries: libgsl.so.27"};
    process_end(world, world_process(world, 0), &crash);
    assert_int_equal(driver->refusals, 1);
    assert_int_equal(driver->status, TP_E_UNSUPPORTED);
    assert_non_null(strstr(driver->reason, "exit(127)"));
    assert_non_null(strstr(driver->reason, "libgsl.so.27"));
    driver_offer(driver); /* the same answer, without another try */
    assert_int_equal(driver->refusals, 2);
    assert_int_equal(world->process_count, 1);
    world_free(world);
}

static void a_process_that_cannot_be_started_refuses_the_session(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    world->processes_fail = true;
    driver_offer(driver);
    assert_int_equal(driver->refusals, 1);
    assert_string_equal(driver->reason, "no more processes");
    world_free(world);
}

static void a_repeated_offer_gets_the_same_accept(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    (void)driver_begin(driver);
    const struct tp__id incarnation = driver->incarnation;
    driver_offer(driver);
    assert_int_equal(driver->accepts, 2);
    assert_memory_equal(&driver->incarnation, &incarnation, sizeof incarnation);
    assert_int_equal(world->process_count, 1);
    world_free(world);
}

static void send_forget(struct world_driver *driver, const struct tp__id *incarnation)
{
    Taskpool__Forget forget;
    taskpool__forget__init(&forget);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    forget.session = tp__field_of_id(&driver->offer.session);
    forget.incarnation = tp__field_of_id(incarnation);
    frame.body_case = TASKPOOL__FRAME__BODY_FORGET;
    frame.forget = &forget;
    world_send(driver->world, &frame);
    world_run(driver->world);
}

static void forget_drops_everything_and_accepts_anew(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    driver_submit_plain(driver, 1);
    const struct tp__id before = driver->incarnation;
    const struct tp__id other = tp__id_new();
    send_forget(driver, &other);
    assert_false(process->killed);
    send_forget(driver, &before);
    assert_true(process->killed);
    assert_int_equal(world_counts(world).tasks, 0);
    process_ready(world, world_process(world, 1));
    assert_int_equal(driver->accepts, 2);
    assert_memory_not_equal(&driver->incarnation, &before, sizeof before);
    process_end(world, process, &(struct agent_crash){.text = "was killed by SIGKILL"});
    driver_open(driver, 0);
    driver_submit_plain(driver, 2);
    assert_int_equal(process_told(world_process(world, 1), TP__RECORD_TASK, 2, NULL), 1);
    assert_int_equal(driver_heard(driver, TP__RECORD_CRASHED, 0, NULL), 0);
    world_free(world);
}

static void the_end_of_a_session_kills_its_processes_alone(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *a = driver_new(world);
    struct world_driver *b = driver_new(world);
    struct world_process *of_a = driver_begin(a);
    struct world_process *of_b = driver_begin(b);
    Taskpool__SessionEnd end;
    taskpool__session_end__init(&end);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    end.session = tp__field_of_id(&a->offer.session);
    frame.body_case = TASKPOOL__FRAME__BODY_SESSION_END;
    frame.session_end = &end;
    world_send(world, &frame);
    world_run(world);
    assert_true(of_a->killed);
    assert_false(of_b->killed);
    assert_int_equal(world_counts(world).sessions, 1);
    assert_int_equal(world_counts(world).workers, 2); /* the one is not gone yet */
    process_end(world, of_a, &(struct agent_crash){.text = "was killed by SIGKILL"});
    assert_int_equal(world_counts(world).workers, 1);
    world_free(world);
}

static void a_removed_key_ends_its_sessions(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *a = driver_new(world);
    struct world_driver *b = driver_new(world);
    struct world_process *of_a = driver_begin(a);
    struct world_process *of_b = driver_begin(b);
    world_authorize(world, &b, 1);
    world_run(world);
    assert_true(of_a->killed);
    assert_int_equal(a->refusals, 1);
    assert_int_equal(a->status, TP_E_UNTRUSTED);
    assert_false(of_b->killed);
    assert_int_equal(world_counts(world).sessions, 1);
    world_free(world);
}

static void a_forged_offer_and_one_with_another_session_s_name_are_refused(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    Taskpool__Offer offer;
    taskpool__offer__init(&offer);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    driver->signed_offer_size = tp__offer_sign(&driver->offer, &driver->key, driver->signed_offer);
    frame.body_case = TASKPOOL__FRAME__BODY_OFFER;
    frame.offer = &offer;
    const struct tp__id other = tp__id_new();
    offer.signed_offer = tp__field(driver->signed_offer, driver->signed_offer_size);
    offer.session = tp__field_of_id(&other);
    world_send(world, &frame);
    offer.session = tp__field_of_id(&driver->offer.session);
    for (size_t at = 0; at < driver->signed_offer_size; at++) {
        driver->signed_offer[at] ^= 1;
        world_send(world, &frame);
        driver->signed_offer[at] ^= 1;
        world_run(world);
    }
    assert_int_equal(world_counts(world).sessions, 0);
    assert_int_equal(world_counts(world).refused, driver->signed_offer_size + 1);
    assert_int_equal(driver->refusals, driver->signed_offer_size);
    assert_int_equal(world->process_count, 0);
    world_free(world);
}

static void a_key_that_is_not_listed_costs_no_verification(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    world_authorize(world, NULL, 0);
    driver->signed_offer_size = tp__offer_sign(&driver->offer, &driver->key, driver->signed_offer);
    driver->signed_offer[driver->signed_offer_size - 1] ^= 1;
    Taskpool__Offer offer;
    taskpool__offer__init(&offer);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    offer.signed_offer = tp__field(driver->signed_offer, driver->signed_offer_size);
    offer.session = tp__field_of_id(&driver->offer.session);
    frame.body_case = TASKPOOL__FRAME__BODY_OFFER;
    frame.offer = &offer;
    world_send(world, &frame);
    world_run(world);
    assert_int_equal(driver->refusals, 1); /* for the key: nobody looked at the signature */
    assert_non_null(strstr(driver->reason, "it is not in its authorized_keys"));
    world_free(world);
}

static void another_driver_cannot_take_a_session_over(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *a = driver_new(world);
    struct world_driver *b = driver_new(world);
    struct world_process *process = driver_begin(a);
    b->offer.session = a->offer.session;
    driver_offer(b);
    assert_false(process->killed);
    assert_int_equal(world_counts(world).sessions, 1);
    assert_int_equal(world_counts(world).refused, 1);
    world_free(world);
}

static void a_session_of_whose_driver_nothing_is_heard_over_one_link_ends(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    world_pass(world, 80000);
    world_cut(world); /* perhaps another coordinator, which has never heard of it */
    world_pass(world, 89000);
    assert_int_equal(world_counts(world).sessions, 1);
    driver_say(driver, TP__RECORD_TICK, 0, 0, 0, NULL, 0);
    world_pass(world, 89000);
    assert_int_equal(world_counts(world).sessions, 1);
    world_pass(world, 2000);
    assert_int_equal(world_counts(world).sessions, 0);
    assert_true(process->killed);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offer_starts_a_process_and_is_accepted_when_it_is_ready),
        cmocka_unit_test(a_key_that_is_not_authorized_is_refused_and_takes_no_memory),
        cmocka_unit_test(another_protocol_another_machine_and_a_huge_program_are_refused),
        cmocka_unit_test(a_key_has_sixteen_sessions_at_most),
        cmocka_unit_test(a_program_that_does_not_start_is_refused_with_its_last_words),
        cmocka_unit_test(a_process_that_cannot_be_started_refuses_the_session),
        cmocka_unit_test(a_repeated_offer_gets_the_same_accept),
        cmocka_unit_test(forget_drops_everything_and_accepts_anew),
        cmocka_unit_test(the_end_of_a_session_kills_its_processes_alone),
        cmocka_unit_test(a_removed_key_ends_its_sessions),
        cmocka_unit_test(a_forged_offer_and_one_with_another_session_s_name_are_refused),
        cmocka_unit_test(a_key_that_is_not_listed_costs_no_verification),
        cmocka_unit_test(another_driver_cannot_take_a_session_over),
        cmocka_unit_test(a_session_of_whose_driver_nothing_is_heard_over_one_link_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
