/* SPDX-License-Identifier: MIT */
/* The small containers, against simple ones. A seed as argument repeats a run. */
#include "map.h"
#include "set.h"
#include "trust/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

static uint64_t random_state;

/* splitmix64 */
static uint64_t next_random(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void a_map_finds_what_is_in_it_and_nothing_else(void **state)
{
    (void)state;
    enum { KEYS = 300 };
    struct map map = {0};
    int values[KEYS];
    bool in[KEYS] = {false};
    size_t count = 0;
    for (int i = 0; i < 100000; i++) {
        const uint32_t at = (uint32_t)(next_random() % KEYS);
        struct tp__id key = {{0}};
        memcpy(key.bytes, &at, sizeof at);
        assert_ptr_equal(map_find(&map, &key), in[at] ? &values[at] : NULL);
        if (in[at]) {
            map_remove(&map, &key);
            count--;
        } else {
            assert_true(map_add(&map, &key, &values[at]));
            count++;
        }
        in[at] = !in[at];
        map_remove(&map, &(struct tp__id){{0xff, 1}}); /* is never there */
        assert_int_equal(map.count, count);
    }
    map_free(&map);
}

static void sets_find_the_next_number_that_they_share(void **state)
{
    (void)state;
    enum { NUMBERS = 9000 }; /* more than two words of summary */
    struct set sets[2] = {{0}, {0}};
    static bool in[2][NUMBERS];
    for (int round = 0; round < 60; round++) {
        const uint32_t dense = round % 3 == 0 ? 3 : 200;
        for (int i = 0; i < 2000; i++) {
            const int which = (int)(next_random() % 2);
            const uint32_t member = (uint32_t)(next_random() % NUMBERS);
            const bool add = next_random() % dense == 0;
            if (add)
                assert_true(set_add(&sets[which], member));
            else
                set_remove(&sets[which], member);
            in[which][member] = add;
        }
        for (int i = 0; i < 100; i++) {
            const uint32_t from = (uint32_t)(next_random() % (NUMBERS + 100));
            uint32_t expected = SET_NONE;
            for (uint32_t j = 0; j < NUMBERS && expected == SET_NONE; j++) {
                const uint32_t at = (from % NUMBERS + j) % NUMBERS;
                const uint32_t number = from >= NUMBERS ? j : at;
                if (in[0][number] && in[1][number])
                    expected = number;
            }
            uint64_t steps = 0;
            assert_int_equal(set_next_common(&sets[0], &sets[1], from, &steps), expected);
        }
        uint32_t members = 0;
        uint32_t last = SET_NONE;
        for (uint32_t j = 0; j < NUMBERS; j++) {
            assert_int_equal(set_has(&sets[0], j), in[0][j]);
            members += in[0][j];
            last = in[0][j] ? j : last;
        }
        assert_int_equal(sets[0].members, members);
        assert_int_equal(set_last(&sets[0]), last);
    }
    set_free(&sets[0]);
    set_free(&sets[1]);
}

int main(int argc, char **argv)
{
    if (!tp__trust_start())
        return 1;
    random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : randombytes_random();
    print_message("seed %llu\n", (unsigned long long)random_state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_finds_what_is_in_it_and_nothing_else),
        cmocka_unit_test(sets_find_the_next_number_that_they_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
