/* SPDX-License-Identifier: MIT */
#include "trust_support.h"

#include "trust/batch.h"
#include "trust/program.h"
#include "trust/tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct tp__problem problem;
static uint8_t contents[2 * TP__CHUNK_BYTES + 7];

static int file_of(size_t size)
{
    const int descriptor = memfd_create("program", MFD_CLOEXEC);
    assert_true(descriptor >= 0);
    random_bytes(contents, size);
    assert_int_equal(write(descriptor, contents, size), size);
    return descriptor;
}

static struct tp__hash chunk_by_definition(uint32_t index, const uint8_t *bytes, size_t size)
{
    uint8_t *input = malloc(20 + size);
    assert_non_null(input);
    memcpy(input, "taskpool/1 chunk", 16);
    memcpy(input + 16, &index, 4);
    memcpy(input + 20, bytes, size);
    const struct tp__hash hash = tp__hash_of(input, 20 + size);
    free(input);
    return hash;
}

static struct tp__hash root_by_definition(const struct tp__hash *hashes, uint64_t length)
{
    uint8_t bytes[18 + 8 + 32] = "taskpool/1 program";
    for (int i = 0; i < 8; i++)
        bytes[18 + i] = (uint8_t)(length >> 8 * i);
    const struct tp__hash tree = tp__tree_root(hashes, tp__program_chunk_count(length));
    memcpy(bytes + 26, tree.bytes, sizeof tree.bytes);
    return tp__hash_of(bytes, sizeof bytes);
}

static void a_file_is_measured_by_definition(void **state)
{
    (void)state;
    const size_t sizes[] = {1, TP__CHUNK_BYTES - 1, TP__CHUNK_BYTES, TP__CHUNK_BYTES + 1, sizeof contents};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const int descriptor = file_of(sizes[i]); /* its offset is at the end: that of the descriptor does not matter */
        uint64_t length;
        struct tp__hash root;
        struct tp__hash *hashes;
        assert_true(tp__program_measure(descriptor, &length, &root, &hashes, &problem));
        assert_int_equal(length, sizes[i]);
        const uint32_t count = tp__program_chunk_count(length);
        assert_int_equal(count, (sizes[i] + TP__CHUNK_BYTES - 1) / TP__CHUNK_BYTES);
        for (uint32_t chunk = 0; chunk < count; chunk++) {
            const size_t at = (size_t)chunk * TP__CHUNK_BYTES;
            const size_t size = sizes[i] - at < TP__CHUNK_BYTES ? sizes[i] - at : TP__CHUNK_BYTES;
            const struct tp__hash expected = chunk_by_definition(chunk, contents + at, size);
            const struct tp__hash alone = tp__program_chunk_hash(chunk, contents + at, size);
            assert_memory_equal(&hashes[chunk], &expected, 32);
            assert_memory_equal(&alone, &expected, 32);
        }
        const struct tp__hash expected = root_by_definition(hashes, length);
        const struct tp__hash alone = tp__program_root(hashes, length);
        assert_memory_equal(&root, &expected, 32);
        assert_memory_equal(&alone, &expected, 32);
        free(hashes);
        close(descriptor);
    }
}

static void chunks_are_counted(void **state)
{
    (void)state;
    assert_int_equal(tp__program_chunk_count(0), 0);
    assert_int_equal(tp__program_chunk_count(1), 1);
    assert_int_equal(tp__program_chunk_count(TP__CHUNK_BYTES), 1);
    assert_int_equal(tp__program_chunk_count(TP__CHUNK_BYTES + 1), 2);
    assert_int_equal(tp__program_chunk_count(TP__PROGRAM_LIMIT_BYTES), 1024);
    assert_int_equal(tp__program_chunk_count((uint64_t)TP__PROGRAM_LIMIT_BYTES + 1), 0);
    assert_int_equal(tp__program_chunk_count(UINT64_MAX), 0);
}

static void refuse(int descriptor, tp_status status)
{
    uint64_t length;
    struct tp__hash root;
    struct tp__hash *hashes;
    assert_false(tp__program_measure(descriptor, &length, &root, &hashes, &problem));
    assert_int_equal(problem.status, status);
    assert_int_equal(length, 0);
    assert_null(hashes);
}

static void what_is_no_program_is_refused(void **state)
{
    (void)state;
    refuse(-1, TP_E_SYSTEM);
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    refuse(pipe_ends[0], TP_E_ARGUMENT);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    int descriptor = file_of(0);
    refuse(descriptor, TP_E_ARGUMENT);
    assert_int_equal(ftruncate(descriptor, (off_t)TP__PROGRAM_LIMIT_BYTES + 1), 0);
    refuse(descriptor, TP_E_LIMIT);
    close(descriptor);
    descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC);
    refuse(descriptor, TP_E_ARGUMENT);
    close(descriptor);
    char path[] = "/tmp/trust_program_XXXXXX";
    descriptor = mkstemp(path);
    assert_int_equal(write(descriptor, "x", 1), 1);
    close(descriptor);
    descriptor = open(path, O_WRONLY | O_CLOEXEC); /* not open for reading */
    unlink(path);
    refuse(descriptor, TP_E_SYSTEM);
    close(descriptor);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_measured_by_definition),
        cmocka_unit_test(chunks_are_counted),
        cmocka_unit_test(what_is_no_program_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
