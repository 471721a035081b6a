/* SPDX-License-Identifier: MIT */
/* Whatever a worker process sends, in whatever pieces, it harms itself alone. The session has a few tasks in that
 * process, one that waits, and one in another process. Bytes of the input: a length, then so many bytes to receive;
 * 0: time passes. */
#include "agent_fixture.h"

static struct tp__leaf leaf_of(uint64_t sequence)
{
    return (struct tp__leaf){.sequence = sequence, .dispatch = 1, .length = 2, .payload = (const uint8_t *)"hi"};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fixture fixture;
    fixture_begin(&fixture);
    for (uint64_t task = 1; task <= 6; task++) {
        struct tp__leaf leaf = leaf_of(task);
        if (task == 5)
            leaf.flags = TP__LEAF_AT_MOST_ONCE;
        leaf.cell = task == 6;
        fixture_submit(&fixture, &leaf, 0);
    }
    must(fixture.process_count == 2);
    fixture_ready(&fixture, 1);
    const uint32_t neighbour = fixture.processes[1].id;
    while (size > 0) {
        size_t piece = *data++;
        size--;
        if (piece > size)
            piece = size;
        if (piece > 0)
            fixture_hear(&fixture, 0, data, piece);
        else
            fixture_tick(&fixture, 10);
        fixture_check(&fixture);
        data += piece;
        size -= piece;
    }
    const size_t place = place_of(&fixture, neighbour);
    must(place < fixture.process_count && !fixture.processes[place].killed);
    must(agent_count(fixture.agent).tasks >= 2); /* those that are not its own */
    fixture_end_process(&fixture, 0, &(struct agent_crash){.text = "was killed by SIGKILL"});
    fixture_check(&fixture);
    fixture_end(&fixture);
    return 0;
}
