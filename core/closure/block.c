/* SPDX-License-Identifier: MIT */
#include "closure/block.h"

#include "base/alloc.h"
#include "closure/closure.h"
#include "closure/tree.h"

struct tp__block *tp__block_new_data(size_t size, char **data)
{
    struct tp__block *block = size < SIZE_MAX - sizeof *block ? tp__alloc(sizeof *block + size + 1) : NULL;
    if (!block)
        return NULL;
    tp__block_init(block, TP__BLOCK_DATA);
    *data = (char *)(block + 1);
    (*data)[size] = '\0';
    return block;
}

void tp__block_release(struct tp__block *block)
{
    /* acq_rel: the last one to let go sees all uses before it frees */
    if (atomic_fetch_sub_explicit(&block->references, 1, memory_order_acq_rel) != 1)
        return;
    switch ((enum tp__block_type)block->type) {
    case TP__BLOCK_DATA:
        break;
    case TP__BLOCK_LIST:
        tp__list_fini(tp__block_list(block));
        break;
    case TP__BLOCK_MAP:
        tp__map_fini(tp__block_map(block));
        break;
    case TP__BLOCK_CLOSURE:
        tp__closure_fini(tp__block_closure(block));
        break;
    }
    tp__free(block);
}
