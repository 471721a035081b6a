/* SPDX-License-Identifier: MIT */
/* A ring of the last batches, each at its number modulo the size of the ring. It is made in pages, so that a session of
 * a few batches does not pay for thousands. */
#include "trust/batch.h"

#include <stdlib.h>

enum { PAGE_BATCHES = 64, PAGES = TP__WINDOW_BATCHES / PAGE_BATCHES };
_Static_assert(TP__WINDOW_BATCHES % PAGE_BATCHES == 0, "pages of equal size");

struct entry {
    uint64_t batch; /* 0: none, as they are numbered from 1 */
    struct tp__hash root;
    uint64_t taken[TP__BATCH_LIMIT / 64];
};

struct tp__window {
    uint64_t newest;
    struct entry *pages[PAGES];
};

struct tp__window *tp__window_new(void)
{
    return calloc(1, sizeof(struct tp__window));
}

void tp__window_free(struct tp__window *window)
{
    if (!window)
        return;
    for (int i = 0; i < PAGES; i++)
        free(window->pages[i]);
    free(window);
}

enum tp__window_answer tp__window_take(struct tp__window *window, uint64_t batch, const struct tp__hash *root,
                                       uint32_t index)
{
    if (batch == 0 || index >= TP__BATCH_LIMIT)
        return TP__WINDOW_OTHER_ROOT; /* no batch has such a number, or such a leaf */
    if (batch < window->newest && window->newest - batch >= TP__WINDOW_BATCHES)
        return TP__WINDOW_STALE;

    const uint64_t place = batch % TP__WINDOW_BATCHES;
    struct entry **page = &window->pages[place / PAGE_BATCHES];
    if (!*page) {
        *page = calloc(PAGE_BATCHES, sizeof **page);
        if (!*page)
            return TP__WINDOW_NOMEM;
    }
    struct entry *entry = &(*page)[place % PAGE_BATCHES];
    if (entry->batch != batch)
        *entry = (struct entry){.batch = batch, .root = *root};
    else if (memcmp(entry->root.bytes, root->bytes, sizeof root->bytes) != 0)
        return TP__WINDOW_OTHER_ROOT;

    uint64_t *word = &entry->taken[index / 64];
    const uint64_t bit = UINT64_C(1) << (index % 64);
    if (*word & bit)
        return TP__WINDOW_SEEN;
    *word |= bit;
    if (batch > window->newest)
        window->newest = batch;
    return TP__WINDOW_NEW;
}
