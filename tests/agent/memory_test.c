/* SPDX-License-Identifier: MIT */
/* The agent runs out of memory, at each of its allocations in turn: nothing breaks, nothing leaks, and when there is
 * memory again it goes on, with the same session or a new acceptance of it. */
#include "agent_world.h"

static size_t allowed; /* allocations of the agent; SIZE_MAX: all */
static bool once;      /* only that one fails */
static bool failed;

static bool may_allocate(void)
{
    if (!world_is_in_agent || allowed == SIZE_MAX)
        return true;
    if (allowed > 0) {
        allowed--;
        return true;
    }
    failed = true;
    if (once)
        allowed = SIZE_MAX;
    return false;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return may_allocate() ? __real_malloc(size) : NULL;
}
void *__wrap_calloc(size_t count, size_t size)
{
    return may_allocate() ? __real_calloc(count, size) : NULL;
}
void *__wrap_realloc(void *memory, size_t size)
{
    return may_allocate() ? __real_realloc(memory, size) : NULL;
}

enum { LARGE_BYTES = 100000 };
static uint8_t payload[LARGE_BYTES];

static void ready_all(struct world *world)
{
    for (size_t i = 0; i < world->process_count; i++)
        if (!world->processes[i].killed && !world->processes[i].ended && world->processes[i].told.size == 0)
            process_ready(world, &world->processes[i]);
}

static void say(struct world_driver *driver, enum tp__record_type type, uint64_t task, const void *body, size_t size)
{
    if (driver->stream)
        driver_say(driver, type, task, 1, 0, body, size);
}

/* A bit of everything. */
static void live(struct world *world, struct world_driver *driver)
{
    const uint32_t first_worker = 0;
    const uint64_t nonce = 5;
    driver_offer(driver);
    ready_all(world);
    say(driver, TP__RECORD_OPEN, 0, &first_worker, sizeof first_worker);
    struct tp__leaf leaves[5] = {plain_leaf(1), plain_leaf(2), plain_leaf(3), plain_leaf(4), plain_leaf(5)};
    leaves[1].flags = TP__LEAF_AT_MOST_ONCE;
    leaves[2].cell = 3;
    leaves[3].flags = TP__LEAF_LARGE;
    leaves[3].length = LARGE_BYTES;
    leaves[3].payload = NULL;
    leaves[3].payload_hash = tp__hash_of(payload, LARGE_BYTES);
    (void)driver_submit(driver, leaves, 5);
    driver_send_payload(driver, &leaves[3], 0, payload, LARGE_BYTES / 2);
    driver_send_payload(driver, &leaves[3], LARGE_BYTES / 2, payload, LARGE_BYTES - LARGE_BYTES / 2);
    say(driver, TP__RECORD_GRANT, 2, NULL, 0);
    say(driver, TP__RECORD_RECONCILE, 0, &nonce, sizeof nonce);
    ready_all(world);
    struct world_process *process = &world->processes[0];
    if (world->process_count > 0 && !process->killed) {
        process_say(world, process, TP__RECORD_OPERATION, 1, 1, payload, 5000);
        say(driver, TP__RECORD_REPLY, 1, payload, 9000);
        process_say(world, process, TP__RECORD_OUTPUT, 1, 1, "\1\0\0\0\0hi", 7);
        process_say(world, process, TP__RECORD_RESULT, 1, 1, "value", 5);
    }
    if (world->process_count > 0)
        process_end(world, process, &(struct agent_crash){.text = "was killed by SIGSEGV"});
}

/* All is well again: whatever process was killed is gone, a lost link is made anew, and a task runs. */
static void recover(struct world *world, struct world_driver *driver)
{
    for (size_t i = 0; i < world->process_count; i++)
        if (world->processes[i].killed && !world->processes[i].ended)
            process_end(world, &world->processes[i], &(struct agent_crash){.text = "was killed by SIGKILL"});
    if (tp__link_is_broken(world->link))
        world_cut(world);
    world_pass(world, 5000);
    const unsigned refusals = driver->refusals;
    driver_offer(driver);
    if (driver->refusals > refusals) { /* that is an answer as well; it may be asked to look again */
        Taskpool__Forget forget;
        Taskpool__Frame frame;
        taskpool__forget__init(&forget);
        taskpool__frame__init(&frame);
        forget.session = tp__field_of_id(&driver->offer.session);
        frame.body_case = TASKPOOL__FRAME__BODY_FORGET;
        frame.forget = &forget;
        world_send(world, &frame);
        world_run(world);
    }
    ready_all(world);
    assert_non_null(driver->stream);
    driver_open(driver, 0); /* a second one ends the session, a first one opens it */
    ready_all(world);
    assert_int_equal(world_counts(world).sessions, 1);
}

static void fail_at_each(bool only_one)
{
    size_t count = 0;
    once = only_one;
    do {
        struct world *world = world_new();
        struct world_driver *driver = driver_new(world);
        failed = false;
        allowed = count++;
        live(world, driver);
        allowed = SIZE_MAX;
        recover(world, driver);
        world_free(world);
    } while (failed && count < 5000);
    assert_in_range(count, 50, 4999);
    once = false;
}

static void any_single_allocation_may_fail(void **state)
{
    (void)state;
    fail_at_each(true);
}

static void memory_may_end_at_any_allocation(void **state)
{
    (void)state;
    fail_at_each(false);
}

static void a_result_without_memory_begins_the_session_anew(void **state)
{
    (void)state;
    allowed = SIZE_MAX;
    struct world *world = world_new();
    struct world_driver *driver = driver_new(world);
    struct world_process *process = driver_begin(driver);
    const struct tp__id before = driver->incarnation;
    driver_submit_plain(driver, 1);
    uint8_t *value = calloc(1, 400000);
    assert_non_null(value);
    allowed = 0;
    process_say(world, process, TP__RECORD_RESULT, 1, 1, value, 400000); /* would be lost in silence */
    allowed = SIZE_MAX;
    free(value);
    world_pass(world, 5000); /* the link is made anew as well: its refusal could not be sent */
    driver_offer(driver);
    ready_all(world);
    world_pass(world, 1000);
    assert_true(process->killed);
    assert_memory_not_equal(&driver->incarnation, &before, sizeof before); /* so the driver sends the task again */
    world_free(world);
}

int main(void)
{
    allowed = SIZE_MAX;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_single_allocation_may_fail),
        cmocka_unit_test(memory_may_end_at_any_allocation),
        cmocka_unit_test(a_result_without_memory_begins_the_session_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
