/* SPDX-License-Identifier: MIT */
/* When a node says that no coordinator answers. */
#include "silence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct silence silence;
static int64_t next_ms;

static bool is_due(enum tp__trouble trouble, int64_t now_ms)
{
    return silence_is_due(&silence, trouble, now_ms, &next_ms);
}

static void it_is_said_once_after_three_seconds(void **state)
{
    (void)state;
    silence_begin(&silence, 1000);
    assert_false(is_due(TP__TROUBLE_NONE, 1000));
    assert_int_equal(next_ms, 4000);
    assert_false(is_due(TP__TROUBLE_NOBODY, 3999));
    assert_true(is_due(TP__TROUBLE_NOBODY, 4000));
    assert_false(is_due(TP__TROUBLE_NOBODY, 100000));
    assert_false(is_due(TP__TROUBLE_NONE, 100000));
    assert_int_equal(next_ms, INT64_MAX);
}

static void what_somebody_must_mend_is_said_at_once(void **state)
{
    (void)state;
    silence_begin(&silence, 1000);
    assert_true(is_due(TP__TROUBLE_UNKNOWN, 1001));
    assert_false(is_due(TP__TROUBLE_UNKNOWN, 9000));
}

static void another_reason_is_said_as_well_but_not_over_and_over(void **state)
{
    (void)state;
    silence_begin(&silence, 0);
    assert_true(is_due(TP__TROUBLE_NOBODY, 3000));
    assert_false(is_due(TP__TROUBLE_UNKNOWN, 3500));
    assert_int_equal(next_ms, 8000);
    assert_true(is_due(TP__TROUBLE_UNKNOWN, 8000));
    assert_false(is_due(TP__TROUBLE_NOBODY, 12999));
    assert_true(is_due(TP__TROUBLE_NOBODY, 13000));
}

static void a_welcome_ends_it(void **state)
{
    (void)state;
    silence_begin(&silence, 0);
    silence_end(&silence);
    assert_false(is_due(TP__TROUBLE_UNKNOWN, 50000));
    assert_int_equal(next_ms, INT64_MAX);
    silence_begin(&silence, 60000);
    assert_true(is_due(TP__TROUBLE_UNKNOWN, 60000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_said_once_after_three_seconds),
        cmocka_unit_test(what_somebody_must_mend_is_said_at_once),
        cmocka_unit_test(another_reason_is_said_as_well_but_not_over_and_over),
        cmocka_unit_test(a_welcome_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
