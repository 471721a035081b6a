/* SPDX-License-Identifier: MIT */
/* Every allocation of proto/trust fails once: the call says so, nothing is leaked, nothing that was there has changed.
 * The linker leads malloc and its like through this file. */
#include "trust_support.h"

#include "trust/authorized.h"
#include "trust/batch.h"
#include "trust/program.h"
#include "trust/stream.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static long until_refused; /* 0: none is refused */
static bool was_refused;

static bool is_refused(void)
{
    if (until_refused == 0 || --until_refused > 0)
        return false;
    was_refused = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return is_refused() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size)
{
    return is_refused() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *memory, size_t size)
{
    return is_refused() ? NULL : __real_realloc(memory, size);
}

/* Calls until no allocation was refused any more; `attempt` says whether it succeeded, which it must then only. */
static void refuse_each_allocation(bool (*attempt)(void))
{
    for (long n = 1;; n++) {
        assert_true(n < 1000);
        until_refused = n;
        was_refused = false;
        const bool succeeded = attempt();
        until_refused = 0;
        assert_int_equal(succeeded, !was_refused);
        if (!was_refused)
            break;
    }
}

static struct tp__problem problem;
static char keys_text[128];

static bool read_authorized(void)
{
    problem = (struct tp__problem){0};
    struct tp__authorized *authorized = tp__authorized_parse(keys_text, strlen(keys_text), "keys", &problem);
    assert_int_equal(authorized ? TP_OK : TP_E_NOMEM, problem.status);
    tp__authorized_free(authorized);
    return authorized != NULL;
}

static void authorized_keys_without_memory_are_an_error(void **state)
{
    (void)state;
    struct tp__key key;
    char text[45];
    tp__key_generate(&key, "x");
    tp__public_key_text(&key.public_key, text);
    snprintf(keys_text, sizeof keys_text, "node %s rack\n", text);
    refuse_each_allocation(read_authorized);
}

static int program;

static bool measure(void)
{
    uint64_t length;
    struct tp__hash root;
    struct tp__hash *hashes;
    problem = (struct tp__problem){0};
    const bool measured = tp__program_measure(program, &length, &root, &hashes, &problem);
    assert_int_equal(measured ? TP_OK : TP_E_NOMEM, problem.status);
    assert_int_equal(measured, hashes != NULL);
    free(hashes);
    return measured;
}

static void a_program_without_memory_is_an_error(void **state)
{
    (void)state;
    program = memfd_create("program", MFD_CLOEXEC);
    assert_int_equal(write(program, "text", 4), 4);
    refuse_each_allocation(measure);
    close(program);
}

static bool take_from_window(void)
{
    struct tp__window *window = tp__window_new();
    if (!window)
        return false;
    const struct tp__hash root = {{1}};
    bool all = true;
    for (uint64_t batch = 1; batch < 300; batch += 40) {
        enum tp__window_answer answer = tp__window_take(window, batch, &root, 3);
        if (answer == TP__WINDOW_NOMEM) {
            all = false;
            answer = tp__window_take(window, batch, &root, 3); /* it was not marked */
        }
        assert_int_equal(answer, TP__WINDOW_NEW);
    }
    tp__window_free(window);
    return all;
}

static void a_leaf_that_finds_no_memory_is_not_taken(void **state)
{
    (void)state;
    refuse_each_allocation(take_from_window);
}

static uint8_t body[3 * TP__PART_BYTES];
static struct tp__stream_keys keys[2];

struct pair {
    struct tp__stream *a;
    struct tp__stream *b;
    uint32_t taken;
    bool failed;
};

static void append(struct pair *pair, uint32_t number, uint32_t size)
{
    const struct tp__record record = {.type = 1, .task = 1, .operation = number, .body = body, .size = size};
    const size_t before = tp__stream_unacknowledged(pair->a);
    if (tp__stream_append(pair->a, &record))
        return;
    pair->failed = true;
    assert_int_equal(tp__stream_unacknowledged(pair->a), before);
    struct tp__sealed sealed;
    if (before == 0) /* nor is there a frame without a record */
        assert_false(tp__stream_next(pair->a, &sealed));
    assert_true(tp__stream_append(pair->a, &record));
}

static void append_raw(struct pair *pair, const struct tp__buffer *raw)
{
    const size_t before = tp__stream_unacknowledged(pair->a);
    if (tp__stream_append_raw(pair->a, raw->bytes, raw->size))
        return;
    pair->failed = true;
    assert_int_equal(tp__stream_unacknowledged(pair->a), before);
    assert_true(tp__stream_append_raw(pair->a, raw->bytes, raw->size));
}

static void deliver(struct pair *pair)
{
    struct tp__sealed sealed;
    struct tp__reader records;
    while (tp__stream_next(pair->a, &sealed)) {
        enum tp__stream_verdict verdict =
            tp__stream_receive(pair->b, sealed.position, false, sealed.bytes, sealed.size, &records);
        if (verdict == TP__STREAM_GAP) { /* lost for want of memory */
            pair->failed = true;
            verdict = tp__stream_receive(pair->b, sealed.position, false, sealed.bytes, sealed.size, &records);
        }
        assert_int_equal(verdict, TP__STREAM_FRESH);
        struct tp__record record;
        while (tp__record_read(&records, &record) == TP__RECORD_FOUND) {
            assert_int_equal(record.operation, pair->taken);
            pair->taken += !(record.flags & TP__RECORD_MORE);
        }
        assert_true(tp__stream_next(pair->b, &sealed) && sealed.acknowledgement);
        verdict = tp__stream_receive(pair->a, sealed.position, true, sealed.bytes, sealed.size, &records);
        if (verdict == TP__STREAM_GAP) {
            pair->failed = true;
            verdict = tp__stream_receive(pair->a, sealed.position, true, sealed.bytes, sealed.size, &records);
        }
        assert_int_equal(verdict, TP__STREAM_NOTHING);
    }
}

static struct tp__buffer raw;

static bool use_streams(void)
{
    const struct tp__id name = {{1}};
    struct pair pair = {.a = tp__stream_new(&keys[0], &name, &name), .b = tp__stream_new(&keys[1], &name, &name)};
    if (pair.a && pair.b) {
        append(&pair, 0, 1000);
        append(&pair, 1, 10);
        deliver(&pair);
        append(&pair, 2, sizeof body);
        append(&pair, 3, 1000);
        append_raw(&pair, &raw);
        deliver(&pair);
        assert_int_equal(pair.taken, 10);
        assert_int_equal(tp__stream_unacknowledged(pair.a), 0);
    } else {
        pair.failed = true;
    }
    tp__stream_free(pair.a);
    tp__stream_free(pair.b);
    return !pair.failed;
}

static void a_stream_without_memory_stays_as_it_was(void **state)
{
    (void)state;
    random_bytes(&keys[0], sizeof keys[0]);
    memcpy(keys[1].send, keys[0].receive, 32);
    memcpy(keys[1].receive, keys[0].send, 32);
    for (uint32_t number = 4; number < 10; number++) {
        const struct tp__record record = {.type = 1, .task = 1, .operation = number, .body = body, .size = 400000};
        assert_true(tp__record_append(&raw, &record));
    }
    refuse_each_allocation(use_streams);
    tp__buffer_free(&raw);
}

int main(int argc, char **argv)
{
    start(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authorized_keys_without_memory_are_an_error),
        cmocka_unit_test(a_program_without_memory_is_an_error),
        cmocka_unit_test(a_leaf_that_finds_no_memory_is_not_taken),
        cmocka_unit_test(a_stream_without_memory_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
