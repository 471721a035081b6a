/* SPDX-License-Identifier: MIT */
/* Trees of tasks of any size: what parked tasks wait for gets to the coordinator, and a recursion has an end. */
#include "session/stage.h"

static struct stage_node *node_a(struct stage *stage)
{
    struct stage_node *node = stage_node(stage, "a", 1);
    stage_record(node, TP__RECORD_OPEN);
    return node;
}

/* The coordinator of the stage gives 1 MiB. */
static void fill_the_queue(struct stage *stage, int worker)
{
    static uint8_t payload[60000];
    const struct tp__session_task task = {.tag = stage, .worker = worker, .payload = payload, .length = sizeof payload};
    tp_status status;
    for (int i = 0; i < 40; i++)
        assert_int_not_equal(tp__session_submit(stage->session, &task, &status), 0);
    stage_run(stage);
    assert_int_not_equal(tp__session_count(stage->session).waiting, 0);
    stage->leaf_read = stage->leaf_count;
}

static void large_child(struct stage_node *node, const struct stage_leaf *parent, uint32_t operation)
{
    static uint8_t body[28 + 60000] = {2};
    stage_say(node, TP__RECORD_CHILD, &parent->leaf, operation, body, sizeof body);
}

/* Nobody may take the others before it has run: what is parked waits for it. */
static void a_deeper_task_is_sent_though_the_queue_is_full(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = node_a(stage);
    const struct stage_leaf root = stage_start(stage, node, 1, 0);
    stage_child(node, &root.leaf, 1, 0, 0);
    struct stage_leaf deepest = *stage_leaf(stage);
    stage_place(stage, &deepest, node);
    fill_the_queue(stage, -1);
    for (uint32_t i = 2; i < 7; i++) { /* there is more room for children, but an end of it */
        large_child(node, &root, i);
        assert_int_equal(stage_leaf(stage)->leaf.depth, 1);
    }
    large_child(node, &root, 7);
    stage_child(node, &root.leaf, 8, 0, 0);
    stage_no_leaf(stage);
    for (uint32_t depth = 2; depth < 100; depth++) { /* a chain: each waits for the next */
        stage_child(node, &deepest.leaf, 1, 0, 0);
        deepest = *stage_leaf(stage);
        assert_int_equal(deepest.leaf.depth, depth);
        stage_no_leaf(stage);
        stage_place(stage, &deepest, node);
    }
    stage_free(stage);
}

/* They stay there, one of each depth, and there is room for the next all the same. */
static void many_depths_get_there_though_none_is_placed(void **state)
{
    (void)state;
    enum { DEPTHS = 50 };
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = node_a(stage);
    struct stage_leaf chain[DEPTHS];
    chain[0] = stage_start(stage, node, 1, 0);
    for (size_t i = 1; i < DEPTHS; i++) {
        stage_child(node, &chain[i - 1].leaf, 1, 0, 0);
        chain[i] = *stage_leaf(stage);
        stage_place(stage, &chain[i], node);
    }
    fill_the_queue(stage, -1);
    for (uint32_t i = 2; i < 8; i++)
        large_child(node, &chain[0], i);
    stage->leaf_read = stage->leaf_count;
    for (size_t i = 1; i < DEPTHS; i++) {
        for (uint32_t j = 2; j < 300; j++)
            stage_append(node, TP__RECORD_CHILD, chain[i].leaf.sequence, 1, j, (const uint8_t[28]){2}, 28);
        stage_child(node, &chain[i].leaf, 300, 0, 0);
        assert_int_equal(stage_leaf(stage)->leaf.depth, i + 1);
        stage->leaf_read = stage->leaf_count;
    }
    stage_free(stage);
}

static void pinned_ones_too_are_sent_deepest_first(void **state)
{
    (void)state;
    struct stage *stage = stage_new(NULL);
    struct stage_node *node = node_a(stage);
    const struct stage_leaf parent = stage_start(stage, node, 1, 0);
    fill_the_queue(stage, 0);
    uint8_t body[28] = {2};
    body[20] = 1; /* worker 0 */
    stage_say(node, TP__RECORD_CHILD, &parent.leaf, 1, body, sizeof body);
    const struct stage_leaf child = *stage_leaf(stage);
    assert_int_equal(child.leaf.depth, 1);
    assert_int_equal(child.leaf.worker, 1);
    stage_no_leaf(stage);
    stage_free(stage);
}

static void nest_three_deep(struct tp__session_options *options)
{
    options->limit_depth = 3;
}

static void tasks_that_are_nested_without_an_end_fail(void **state)
{
    (void)state;
    struct stage *stage = stage_new(nest_three_deep);
    struct stage_node *node = node_a(stage);
    struct stage_leaf task = stage_start(stage, node, 1, 0);
    for (uint32_t depth = 1; depth <= 3; depth++) {
        stage_child(node, &task.leaf, 1, 0, 0);
        task = *stage_leaf(stage);
        assert_int_equal(task.leaf.depth, depth);
        stage_place(stage, &task, node);
    }
    stage_child(node, &task.leaf, 1, 0, 0);
    stage_no_leaf(stage);
    const struct stage_record *record = stage_record(node, TP__RECORD_CHILD_FAILURE);
    struct tp__reader reader = tp__reader_of(record->bytes, record->record.size);
    assert_int_equal(tp__get_u32(&reader), TP_E_LIMIT);
    stage_result(node, &task.leaf, "caught");
    assert_int_equal(stage_record(node, TP__RECORD_CHILD_RESULT)->record.dispatch, 1);
    stage_free(stage);
}

static void a_task_may_submit_its_successor_for_ever(void **state)
{
    (void)state;
    struct stage *stage = stage_new(nest_three_deep);
    struct stage_node *node = node_a(stage);
    struct stage_leaf task = stage_start(stage, node, 1, 0);
    for (uint32_t i = 1; i <= 20; i++) {
        stage_child(node, &task.leaf, 1, 0, 0);
        const struct stage_leaf next = *stage_leaf(stage);
        assert_int_equal(next.leaf.depth, i < 3 ? i : 3);
        stage_place(stage, &next, node);
        stage_result(node, &task.leaf, "done");
        task = next;
    }
    stage_no_record(node);
    stage_free(stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deeper_task_is_sent_though_the_queue_is_full),
        cmocka_unit_test(many_depths_get_there_though_none_is_placed),
        cmocka_unit_test(pinned_ones_too_are_sent_deepest_first),
        cmocka_unit_test(tasks_that_are_nested_without_an_end_fail),
        cmocka_unit_test(a_task_may_submit_its_successor_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
