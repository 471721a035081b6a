/* SPDX-License-Identifier: MIT */
/* The random numbers of sweep are those of Philox 4x32-10. */
#include "sweep/philox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
/* cmocka needs the headers above. */
#include <cmocka.h>

/* The known answers of Random123, file kat_vectors. */
static const struct {
    struct philox counter;
    uint64_t key;
    struct philox answer;
} KNOWN[] = {
    {{{0, 0, 0, 0}}, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
    {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
     UINT64_MAX,
     {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
    {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
     UINT64_C(0x299f31d0a4093822),
     {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
};

static void answers_are_those_of_the_authors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++) {
        const struct philox got = philox(KNOWN[i].key, KNOWN[i].counter);
        assert_memory_equal(&got, &KNOWN[i].answer, sizeof got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_those_of_the_authors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
