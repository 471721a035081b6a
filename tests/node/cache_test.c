/* SPDX-License-Identifier: MIT */
/* The cache of programs, and the directory of installed ones. */
#include "cache.h"
#include "installed.h"
#include "trust/program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { KIB = 1 << 10, MIB = 1 << 20 };

static char directory[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/taskpool-cache-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", directory);
    return system(command);
}

/* A program of that length whose bytes depend on the seed. */
struct program {
    uint8_t *bytes;
    uint64_t length;
    struct tp__hash root;
};

static struct program program_new(unsigned seed, uint64_t length)
{
    struct program program = {malloc(length), length, {{0}}};
    assert_non_null(program.bytes);
    for (uint64_t i = 0; i < length; i++)
        program.bytes[i] = (uint8_t)(i * 31 + seed * 7 + (i >> 8));
    const uint32_t count = tp__program_chunk_count(length);
    struct tp__hash *hashes = calloc(count, sizeof *hashes);
    assert_non_null(hashes);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t offset = (uint64_t)i * TP__CHUNK_BYTES;
        const uint64_t left = length - offset;
        hashes[i] = tp__program_chunk_hash(i, program.bytes + offset, left < TP__CHUNK_BYTES ? left : TP__CHUNK_BYTES);
    }
    program.root = tp__program_root(hashes, length);
    free(hashes);
    return program;
}

static struct cache *open_cache(uint64_t limit)
{
    struct tp__problem problem;
    char path[80];
    snprintf(path, sizeof path, "%s/a/programs", directory);
    struct cache *cache = cache_open(path, limit, &problem);
    if (!cache)
        fail_msg("%s", problem.text);
    return cache;
}

/* The last chunk first. */
static bool fetch(struct cache *cache, const struct program *program, struct tp__problem *problem)
{
    if (!cache_begin(cache, &program->root, program->length, problem))
        return false;
    for (uint32_t i = tp__program_chunk_count(program->length); i-- > 0;) {
        const uint64_t offset = (uint64_t)i * TP__CHUNK_BYTES, left = program->length - offset;
        if (!cache_chunk(cache, &program->root, i, program->bytes + offset,
                         left < TP__CHUNK_BYTES ? left : TP__CHUNK_BYTES, problem))
            return false;
    }
    return cache_complete(cache, &program->root, problem);
}

static void must_fetch(struct cache *cache, const struct program *program)
{
    struct tp__problem problem;
    if (!fetch(cache, program, &problem))
        fail_msg("%s", problem.text);
}

static bool has(struct cache *cache, const struct program *program)
{
    struct tp__problem problem;
    return cache_find(cache, &program->root, program->length, &problem) >= 0;
}

static size_t count_files(void)
{
    char path[80];
    snprintf(path, sizeof path, "%s/a/programs", directory);
    DIR *stream = opendir(path);
    size_t count = 0;
    const struct dirent *found;
    while ((found = readdir(stream)))
        count += strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0;
    closedir(stream);
    return count;
}

/* The one file of the cache. */
static void path_of_file(char path[400])
{
    char folder[80];
    snprintf(folder, sizeof folder, "%s/a/programs", directory);
    DIR *stream = opendir(folder);
    const struct dirent *found;
    while ((found = readdir(stream)) && found->d_name[0] == '.')
        ;
    assert_non_null(found);
    snprintf(path, 400, "%s/%s", folder, found->d_name);
    closedir(stream);
}

static void a_program_that_was_fetched_is_found_with_its_bytes(void **state)
{
    (void)state;
    struct cache *cache = open_cache(64 * MIB);
    struct program program = program_new(1, 2 * MIB + 5);
    struct tp__problem problem;
    assert_int_equal(cache_find(cache, &program.root, program.length, &problem), -1);
    assert_int_equal(problem.status, TP_OK);
    must_fetch(cache, &program);
    const int file = cache_find(cache, &program.root, program.length, &problem);
    assert_true(file >= 0);
    assert_int_equal(fcntl(file, F_GETFL) & O_ACCMODE, O_RDONLY);
    uint8_t *bytes = malloc(program.length);
    assert_int_equal(pread(file, bytes, program.length, 0), program.length);
    assert_memory_equal(bytes, program.bytes, program.length);
    free(bytes);
    assert_int_equal(cache_find(cache, &program.root, program.length - 1, &problem), -1);
    struct stat info;
    char path[80];
    snprintf(path, sizeof path, "%s/a/programs", directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(fstat(file, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0555);
    free(program.bytes);
    cache_close(cache);
}

static void what_is_not_what_was_offered_is_not_kept(void **state)
{
    (void)state;
    struct cache *cache = open_cache(64 * MIB);
    struct program program = program_new(1, 300 * KIB);
    program.bytes[1000] ^= 1;
    struct tp__problem problem;
    assert_false(fetch(cache, &program, &problem));
    assert_int_equal(problem.status, TP_E_UNTRUSTED);
    assert_int_equal(count_files(), 0);
    assert_int_equal(cache_bytes(cache), 0);
    free(program.bytes);
    cache_close(cache);
}

static void pieces_outside_of_the_program_are_refused(void **state)
{
    (void)state;
    struct cache *cache = open_cache(64 * MIB);
    struct program program = program_new(1, MIB + 10);
    struct tp__problem problem;
    assert_true(cache_begin(cache, &program.root, program.length, &problem));
    assert_false(cache_chunk(cache, &program.root, 1, program.bytes, 11, &problem));
    assert_false(cache_chunk(cache, &program.root, 2, program.bytes, 1, &problem));
    assert_false(cache_chunk(cache, &program.root, UINT32_MAX, program.bytes, MIB, &problem));
    const struct tp__hash other = {{1}};
    assert_false(cache_chunk(cache, &other, 0, program.bytes, 10, &problem));
    assert_false(cache_complete(cache, &other, &problem));
    assert_false(cache_begin(cache, &program.root, 0, &problem));
    free(program.bytes);
    cache_close(cache);
}

static void the_one_used_longest_ago_makes_room_unless_it_is_held(void **state)
{
    (void)state;
    struct cache *cache = open_cache(3 * MIB);
    struct program programs[5];
    for (unsigned i = 0; i < 5; i++)
        programs[i] = program_new(i, MIB - 100);
    for (int i = 0; i < 3; i++)
        must_fetch(cache, &programs[i]);
    cache_hold(cache, &programs[0].root);
    assert_true(has(cache, &programs[1])); /* so 2 is the oldest but 0, which is held */
    must_fetch(cache, &programs[3]);
    assert_true(has(cache, &programs[0]));
    assert_true(has(cache, &programs[1]));
    assert_false(has(cache, &programs[2]));
    cache_hold(cache, &programs[1].root);
    cache_hold(cache, &programs[3].root);
    struct tp__problem problem;
    assert_false(fetch(cache, &programs[4], &problem));
    assert_int_equal(problem.status, TP_E_LIMIT);
    assert_non_null(strstr(problem.text, "full of programs in use"));
    cache_release(cache, &programs[3].root);
    must_fetch(cache, &programs[4]);
    assert_false(has(cache, &programs[3]));
    const struct program huge = {.length = 3 * MIB + 1};
    assert_false(cache_begin(cache, &huge.root, huge.length, &problem));
    assert_int_equal(problem.status, TP_E_LIMIT);
    for (int i = 0; i < 5; i++)
        free(programs[i].bytes);
    cache_close(cache);
}

static void programs_survive_a_restart_and_unfinished_ones_do_not(void **state)
{
    (void)state;
    struct cache *cache = open_cache(64 * MIB);
    struct program whole = program_new(1, MIB + 1), part = program_new(2, MIB + 1);
    must_fetch(cache, &whole);
    cache_close(cache);
    char path[200];
    snprintf(path, sizeof path, "%s/a/programs/.part-12345", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    cache = open_cache(64 * MIB);
    assert_int_equal(count_files(), 1);
    assert_true(has(cache, &whole));
    assert_false(has(cache, &part));
    assert_int_equal(cache_bytes(cache), whole.length);
    cache_close(cache);
    cache = open_cache(MIB); /* less than before */
    assert_int_equal(cache_bytes(cache), 0);
    assert_int_equal(count_files(), 0);
    cache_close(cache);
    free(whole.bytes);
    free(part.bytes);
}

static void a_restart_keeps_the_order_of_use(void **state)
{
    (void)state;
    struct cache *cache = open_cache(3 * MIB);
    struct program programs[3];
    for (unsigned i = 0; i < 3; i++) {
        programs[i] = program_new(i, MIB);
        must_fetch(cache, &programs[i]);
    }
    assert_true(has(cache, &programs[0]));
    cache_close(cache);
    cache = open_cache(2 * MIB);
    assert_true(has(cache, &programs[0]));
    assert_false(has(cache, &programs[1]));
    assert_true(has(cache, &programs[2]));
    cache_close(cache);
    for (int i = 0; i < 3; i++)
        free(programs[i].bytes);
}

static void a_damaged_file_is_noticed_and_removed(void **state)
{
    (void)state;
    struct program program = program_new(1, MIB + 1);
    for (int running = 0; running < 2; running++) {
        struct cache *cache = open_cache(64 * MIB);
        must_fetch(cache, &program);
        if (!running)
            cache_close(cache);
        char path[400];
        path_of_file(path);
        assert_int_equal(chmod(path, 0755), 0);
        const int file = open(path, O_WRONLY);
        assert_int_equal(pwrite(file, "x", 1, 500), 1);
        assert_int_equal(futimens(file, (const struct timespec[2]){{1, 0}, {1, 0}}), 0);
        close(file);
        if (!running)
            cache = open_cache(64 * MIB);
        struct tp__problem problem;
        assert_int_equal(cache_find(cache, &program.root, program.length, &problem), -1);
        assert_int_equal(problem.status, TP_E_SYSTEM);
        assert_non_null(strstr(problem.text, "damaged"));
        assert_int_equal(count_files(), 0);
        must_fetch(cache, &program);
        assert_true(has(cache, &program));
        cache_close(cache);
        assert_int_equal(unlink(path), 0);
    }
    free(program.bytes);
}

static void a_cache_has_one_agent_and_no_other_writers(void **state)
{
    (void)state;
    struct cache *cache = open_cache(64 * MIB);
    char path[80];
    snprintf(path, sizeof path, "%s/a/programs", directory);
    struct tp__problem problem;
    assert_null(cache_open(path, MIB, &problem));
    assert_int_equal(problem.status, TP_E_BUSY);
    cache_close(cache);
    assert_int_equal(chmod(path, 0777), 0);
    assert_null(cache_open(path, MIB, &problem));
    assert_int_equal(problem.status, TP_E_UNTRUSTED);
}

static void fetches_that_nobody_ends_are_given_up(void **state)
{
    (void)state;
    struct cache *cache = open_cache(64 * MIB);
    struct tp__problem problem;
    for (int i = 0; i < 2 * CACHE_FETCHES_LIMIT; i++) {
        const struct tp__hash root = {{(uint8_t)i}};
        assert_true(cache_begin(cache, &root, 1000, &problem));
        assert_true(cache_begin(cache, &root, 1000, &problem));
    }
    assert_int_equal(count_files(), CACHE_FETCHES_LIMIT);
    assert_int_equal(cache_bytes(cache), CACHE_FETCHES_LIMIT * 1000);
    cache_close(cache);
}

static void a_full_disk_is_a_problem_that_says_so(void **state)
{
    (void)state;
    if (mount("taskpool-test", directory, "tmpfs", 0, "size=1m,mode=0700") != 0) {
        print_message("skipped: a small file system cannot be mounted: %s\n", strerror(errno));
        skip();
    }
    struct cache *cache = open_cache(64 * MIB);
    struct program small = program_new(1, 100 * KIB), large = program_new(2, 2 * MIB);
    struct tp__problem problem;
    const bool fetched = fetch(cache, &large, &problem);
    const size_t left = count_files();
    const bool small_fits = fetch(cache, &small, &(struct tp__problem){.status = TP_OK});
    cache_close(cache);
    umount2(directory, MNT_DETACH);
    free(small.bytes);
    free(large.bytes);
    assert_false(fetched);
    assert_int_equal(problem.status, TP_E_SYSTEM);
    assert_non_null(strstr(problem.text, "No space left on device"));
    assert_int_equal(left, 0);
    assert_true(small_fits);
}

/* ---- installed programs ---- */

static void install(const char *name, const struct program *program, mode_t mode)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    (void)unlink(path);
    FILE *file = fopen(path, "w");
    assert_int_equal(fwrite(program->bytes, 1, program->length, file), program->length);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void only_installed_executables_are_found(void **state)
{
    (void)state;
    struct program first = program_new(1, MIB), second = program_new(2, 100), third = program_new(3, 100);
    install("first", &first, 0755);
    install("data", &second, 0644);
    struct tp__problem problem;
    struct installed *installed = installed_open(directory, &problem);
    assert_non_null(installed);
    assert_int_equal(installed_count(installed), 1);
    assert_true(installed_find(installed, &first.root, first.length, &problem) >= 0);
    assert_int_equal(installed_find(installed, &second.root, second.length, &problem), -1);
    install("second", &second, 0755);
    assert_true(installed_find(installed, &second.root, second.length, &problem) >= 0);
    install("second", &third, 0755);
    assert_true(installed_rescan(installed, &problem));
    assert_int_equal(installed_find(installed, &second.root, second.length, &problem), -1);
    assert_true(installed_find(installed, &third.root, third.length, &problem) >= 0);
    installed_close(installed);
    assert_int_equal(chmod(directory, 0777), 0);
    assert_null(installed_open(directory, &problem));
    free(first.bytes);
    free(second.bytes);
    free(third.bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_program_that_was_fetched_is_found_with_its_bytes),
        TEST(what_is_not_what_was_offered_is_not_kept),
        TEST(pieces_outside_of_the_program_are_refused),
        TEST(the_one_used_longest_ago_makes_room_unless_it_is_held),
        TEST(programs_survive_a_restart_and_unfinished_ones_do_not),
        TEST(a_restart_keeps_the_order_of_use),
        TEST(a_damaged_file_is_noticed_and_removed),
        TEST(a_cache_has_one_agent_and_no_other_writers),
        TEST(fetches_that_nobody_ends_are_given_up),
        TEST(a_full_disk_is_a_problem_that_says_so),
        TEST(only_installed_executables_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
