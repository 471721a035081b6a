/* SPDX-License-Identifier: MIT */
#include "trust/program.h"

#include "trust/batch.h"
#include "trust/tree.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_TEXT "taskpool/1 chunk"
#define PROGRAM_TEXT "taskpool/1 program"

uint32_t tp__program_chunk_count(uint64_t length)
{
    if (length > TP__PROGRAM_LIMIT_BYTES)
        return 0; /* there is no such program */
    return (uint32_t)((length + TP__CHUNK_BYTES - 1) / TP__CHUNK_BYTES);
}

struct tp__hash tp__program_chunk_hash(uint32_t index, const void *bytes, size_t size)
{
    uint8_t head[sizeof CHUNK_TEXT - 1 + sizeof index];
    tp__put_u32(tp__put_bytes(head, CHUNK_TEXT, sizeof CHUNK_TEXT - 1), index);
    crypto_generichash_state state;
    struct tp__hash hash;
    crypto_generichash_init(&state, NULL, 0, sizeof hash.bytes);
    crypto_generichash_update(&state, head, sizeof head);
    crypto_generichash_update(&state, bytes, size);
    crypto_generichash_final(&state, hash.bytes, sizeof hash.bytes);
    return hash;
}

struct tp__hash tp__program_root(const struct tp__hash *hashes, uint64_t length)
{
    const struct tp__hash tree = tp__tree_root(hashes, tp__program_chunk_count(length));
    uint8_t bytes[sizeof PROGRAM_TEXT - 1 + sizeof length + sizeof tree];
    uint8_t *end = tp__put_bytes(bytes, PROGRAM_TEXT, sizeof PROGRAM_TEXT - 1);
    end = tp__put_u64(end, length);
    end = tp__put_bytes(end, tree.bytes, sizeof tree.bytes);
    return tp__hash_of(bytes, (size_t)(end - bytes));
}

/* All `size` bytes at `offset`; 0 as errno: the file is shorter than that. */
static bool read_at(int descriptor, uint8_t *bytes, size_t size, uint64_t offset)
{
    for (size_t done = 0; done < size;) {
        const ssize_t got = pread(descriptor, bytes + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got < 0 ? errno : 0;
            return false;
        }
        done += (size_t)got;
    }
    return true;
}

static bool hash_chunks(int descriptor, uint64_t length, uint8_t *chunk, struct tp__hash *hashes,
                        struct tp__problem *problem)
{
    uint32_t index = 0;
    for (uint64_t at = 0; at < length; at += TP__CHUNK_BYTES) {
        const size_t size = length - at < TP__CHUNK_BYTES ? (size_t)(length - at) : TP__CHUNK_BYTES;
        if (!read_at(descriptor, chunk, size, at))
            return errno ? tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the program")
                         : tp__problem_set(problem, TP_E_SYSTEM, "the program became shorter while it was read");
        hashes[index] = tp__program_chunk_hash(index, chunk, size);
        index++;
    }
    return true;
}

bool tp__program_measure(int descriptor, uint64_t *length, struct tp__hash *root, struct tp__hash **hashes,
                         struct tp__problem *problem)
{
    *length = 0;
    *root = (struct tp__hash){0};
    *hashes = NULL;
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot look at the program");
    if (!S_ISREG(status.st_mode) || status.st_size == 0)
        return tp__problem_set(problem, TP_E_ARGUMENT, "the program is not a file, or empty");
    const uint64_t size = (uint64_t)status.st_size;
    if (size > TP__PROGRAM_LIMIT_BYTES)
        return tp__problem_set(problem, TP_E_LIMIT, "the program has %llu bytes; at most %d can be shipped: strip it",
                               (unsigned long long)size, TP__PROGRAM_LIMIT_BYTES);

    const uint32_t count = tp__program_chunk_count(size);
    struct tp__hash *all = malloc(count * sizeof *all);
    uint8_t *chunk = malloc(TP__CHUNK_BYTES);
    bool done = false;
    if (!all || !chunk)
        tp__problem_set(problem, TP_E_NOMEM, "no memory to hash the program");
    else
        done = hash_chunks(descriptor, size, chunk, all, problem);
    free(chunk);
    if (!done) {
        free(all);
        return false;
    }
    *length = size;
    *root = tp__program_root(all, size);
    *hashes = all;
    return true;
}
