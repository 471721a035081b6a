/* SPDX-License-Identifier: MIT */
#include "runtime/slab.h"

#include "base/alloc.h"
#include "base/cpu.h"
#include "base/sanitized.h"
#include "base/spinlock.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

enum {
    CLASSES = 5, /* 64, 128, 256, 512, 1,024 bytes; larger blocks come from the heap */
    HEAP_CLASS = CLASSES,
    SMALLEST_SHIFT = 6,
    BATCH = 64, /* blocks that change hands at once */
    FIRST_CHUNK_BYTES = 64 << 10,
    LARGEST_CHUNK_BYTES = 2 << 20, /* a huge page */
};

/* Lies in the free block itself. */
struct block {
    struct block *next;       /* in a list of free blocks */
    struct block *next_batch; /* in the depot: the first block of a batch links to the next batch */
};

/* Of one OS thread, one size. `loaded` is in use; `spare` is empty or a full batch, so that a thread that takes and
 * gives at the border of a batch does not go to the depot each time. */
struct magazine {
    struct block *loaded;
    struct block *spare;
    unsigned loaded_count;
};

struct depot {
    _Alignas(TP__CACHE_PAIR) tp__spinlock lock;
    struct block *batches;
    char *chunk; /* what is left of the newest chunk */
    size_t chunk_left;
    size_t next_chunk_bytes;
};

static struct depot depots[CLASSES];
static _Thread_local struct magazine magazines[CLASSES];
static _Thread_local bool thread_registered;
static pthread_key_t thread_end_key;
static pthread_once_t thread_end_once = PTHREAD_ONCE_INIT;

#ifdef TP__ADDRESS_SANITIZER
#define EVERY_BLOCK_FROM_HEAP 1 /* so that the sanitizer sees each use after free and each leak */
#else
#define EVERY_BLOCK_FROM_HEAP 0
#endif

static void lock_depots(void)
{
    for (int i = 0; i < CLASSES; i++)
        tp__spinlock_lock(&depots[i].lock);
}

static void unlock_depots(void)
{
    for (int i = 0; i < CLASSES; i++)
        tp__spinlock_unlock(&depots[i].lock);
}

/* A forked child must not find a lock held by a thread that it does not have. */
__attribute__((constructor)) static void watch_forks_of_depots(void)
{
    (void)pthread_atfork(lock_depots, unlock_depots, unlock_depots);
}

static void depot_put(struct depot *depot, struct block *batch)
{
    tp__spinlock_lock(&depot->lock);
    batch->next_batch = depot->batches;
    depot->batches = batch;
    tp__spinlock_unlock(&depot->lock);
}

/* Called when an OS thread ends. A batch that is not full is as good as another. */
static void thread_end(void *thread_magazines)
{
    struct magazine *of_thread = thread_magazines;
    for (int i = 0; i < CLASSES; i++) {
        if (of_thread[i].loaded)
            depot_put(&depots[i], of_thread[i].loaded);
        if (of_thread[i].spare)
            depot_put(&depots[i], of_thread[i].spare);
        of_thread[i] = (struct magazine){0};
    }
}

static void make_thread_end_key(void)
{
    (void)pthread_key_create(&thread_end_key, thread_end); /* without a key a thread's last blocks stay unused */
}

static void register_thread(void)
{
    thread_registered = true;
    pthread_once(&thread_end_once, make_thread_end_key);
    (void)pthread_setspecific(thread_end_key, magazines);
}

/* Under the depot's lock. Chunks grow, so that a small pool stays small and a large one has huge pages. */
static bool refill_chunk(struct depot *depot)
{
    if (depot->next_chunk_bytes == 0)
        depot->next_chunk_bytes = FIRST_CHUNK_BYTES;
    const size_t size = depot->next_chunk_bytes;
    char *chunk;
    if (size < LARGEST_CHUNK_BYTES) {
        chunk = tp__alloc_aligned(TP__CACHE_LINE, size);
    } else {
        chunk = tp__alloc_aligned(LARGEST_CHUNK_BYTES, size);
        if (chunk)
            (void)madvise(chunk, size, MADV_HUGEPAGE); /* fewer page faults; a refusal changes nothing else */
    }
    if (!chunk)
        return false;
    depot->chunk = chunk;
    depot->chunk_left = size;
    if (size < LARGEST_CHUNK_BYTES)
        depot->next_chunk_bytes = size * 2;
    return true;
}

static struct block *depot_get(struct depot *depot, size_t block_size, unsigned *count)
{
    struct block *batch = NULL;
    *count = 0;
    tp__spinlock_lock(&depot->lock);
    if (depot->batches) {
        batch = depot->batches;
        depot->batches = batch->next_batch;
        *count = BATCH; /* at most: the list's end decides, the count only says when the magazine is full */
    } else if (depot->chunk_left >= block_size || refill_chunk(depot)) {
        struct block **link = &batch;
        while (*count < BATCH && depot->chunk_left >= block_size) {
            struct block *block = (struct block *)(void *)depot->chunk;
            depot->chunk += block_size;
            depot->chunk_left -= block_size;
            *link = block;
            link = &block->next;
            ++*count;
        }
        *link = NULL;
    }
    tp__spinlock_unlock(&depot->lock);
    return batch;
}

static __attribute__((noinline)) void *alloc_slow(unsigned class)
{
    struct magazine *magazine = &magazines[class];
    if (!thread_registered)
        register_thread();
    if (magazine->spare) {
        magazine->loaded = magazine->spare;
        magazine->loaded_count = BATCH;
        magazine->spare = NULL;
    } else {
        magazine->loaded = depot_get(&depots[class], (size_t)1 << (SMALLEST_SHIFT + class), &magazine->loaded_count);
    }
    struct block *block = magazine->loaded;
    if (block) {
        magazine->loaded = block->next;
        magazine->loaded_count--;
    }
    return block;
}

void *tp__slab_alloc(size_t size, uint8_t *size_class)
{
    if (EVERY_BLOCK_FROM_HEAP || size > (size_t)1 << (SMALLEST_SHIFT + CLASSES - 1)) {
        *size_class = HEAP_CLASS;
        return tp__alloc_aligned(TP__CACHE_LINE, size);
    }
    const unsigned class = size <= 64 ? 0 : (unsigned)(64 - SMALLEST_SHIFT - __builtin_clzl(size - 1));
    *size_class = (uint8_t) class;
    struct magazine *magazine = &magazines[class];
    struct block *block = magazine->loaded;
    if (tp__unlikely(!block))
        return alloc_slow(class);
    magazine->loaded = block->next;
    magazine->loaded_count--;
    return block;
}

static __attribute__((noinline)) void make_room(unsigned class)
{
    struct magazine *magazine = &magazines[class];
    if (!thread_registered)
        register_thread();
    if (magazine->spare)
        depot_put(&depots[class], magazine->spare);
    magazine->spare = magazine->loaded;
    magazine->loaded = NULL;
    magazine->loaded_count = 0;
}

void tp__slab_free(void *block, uint8_t size_class)
{
    if (size_class == HEAP_CLASS) {
        tp__free(block);
        return;
    }
    struct magazine *magazine = &magazines[size_class];
    if (tp__unlikely(magazine->loaded_count >= BATCH))
        make_room(size_class);
    struct block *freed = block;
    freed->next = magazine->loaded;
    magazine->loaded = freed;
    magazine->loaded_count++;
}
