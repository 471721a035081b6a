/* SPDX-License-Identifier: MIT */
/* Trees of tasks on nodes that hold a handful of tasks: they end, and each gives its value. */
#include "check.h"
#include "test_pool.h"

static tp_pool *pool;

/* Has that many children, each of which has as many, down to level 0. Returns how many tasks they are. */
TP_TASK(tree, int64_t, (int, levels), (int, children))
{
    enum { MOST = 64 };
    tp_promise *promises[MOST];
    if (levels == 0)
        return 1;
    tp_auto(tp_pool) own = tp_pool_open(NULL);
    for (int i = 0; i < children; i++)
        promises[i] = tp_submit(own, tree, levels - 1, children);
    int64_t sum = 1;
    for (int i = 0; i < children; i++) {
        int64_t value = 0;
        if (tp_await(promises[i], &value) == TP_OK)
            sum += value;
        tp_promise_release(promises[i]);
    }
    return sum;
}

static int64_t size_of_tree(int levels, int children)
{
    return levels == 0 ? 1 : 1 + children * size_of_tree(levels - 1, children);
}

static void run_tree(int levels, int children)
{
    int64_t value = 0;
    CHECK_OK(tp_run(pool, tree, &value, levels, children));
    CHECK_INT(value, size_of_tree(levels, children));
    CHECK_INT(tp_pool_pending(pool), 0);
}

static void a_tree_with_many_levels_ends(void)
{
    run_tree(CHECK_SCALE(10, 6), 2);
}

static void a_tree_with_many_branches_ends(void)
{
    run_tree(2, CHECK_SCALE(40, 10));
}

/* The program's tasks would fill all nodes, and each waits for more. */
static void many_roots_that_wait_for_their_children_end(void)
{
    enum { MOST = 2000 };
    const size_t roots = CHECK_SCALE(MOST, 100);
    static int levels[MOST];
    static int64_t sizes[MOST];
    for (size_t i = 0; i < roots; i++)
        levels[i] = 1 + (int)(i % 3);
    CHECK_OK(tp_map(pool, tree, levels, sizes, roots, .children = 1));
    for (size_t i = 0; i < roots; i++)
        CHECK_INT(sizes[i], size_of_tree(levels[i], 1));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    static const struct check_test tests[] = {
        CHECK_TEST(a_tree_with_many_levels_ends),
        CHECK_TEST(a_tree_with_many_branches_ends),
        CHECK_TEST(many_roots_that_wait_for_their_children_end),
    };
    pool = test_pool_open(2);
    CHECK_RUN(tests, argc, argv);
    CHECK_OK(tp_pool_close(pool));
    return check_result();
}
