/* SPDX-License-Identifier: MIT */
/* Whatever bytes arrive, the decoder refuses them or gives what encodes to the same bytes again. The first byte chooses
 * between a closure, a value of one kind, and a good closure in which the rest of the input changes bytes. */
#include "base/alloc.h"
#include "closure/channel_ref.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "closure/program.h"

#include <stdlib.h>
#include <string.h>
#include <taskpool/task.h>

struct point {
    int32_t x, y;
    double weight;
};

TP_TASK(nothing, void)
{
}
TP_TASK(scalars, int64_t, (int8_t, a), (uint16_t, b), (bool, c), (double, d), (long long, e))
{
    return a + b + c + (int64_t)d + e;
}
TP_TASK(plain, double, (struct point, p))
{
    return p.x * p.weight;
}
TP_TASK(texts, size_t, (tp_str, s), (tp_bytes, b), (tp_channel *, ch))
{
    (void)ch;
    return s.length + b.size;
}
TP_TASK(nested, tp_value, (tp_value, v), (tp_closure, c))
{
    (void)c;
    return v;
}

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* The runtime's channels, as far as closures know them: every name is good, and all references must come back. */
struct tp_channel {
    char name[256];
    int references;
};

tp_channel *tp__channel_retain(tp_channel *channel)
{
    channel->references++;
    return channel;
}

void tp__channel_unref(tp_channel *channel)
{
    if (channel && --channel->references == 0)
        free(channel);
}

tp_channel *tp__channels_resolve(struct tp__channels *channels, const char *name, size_t length)
{
    (void)channels;
    tp_channel *channel = calloc(1, sizeof *channel);
    check(channel && length > 0 && length < sizeof channel->name);
    memcpy(channel->name, name, length);
    return tp__channel_retain(channel);
}

const char *tp_channel_name(const tp_channel *channel)
{
    return channel->name;
}

static void use(tp_value value)
{
    const tp_str text = tp_value_text(value);
    check(text.data != NULL);
    tp_str_release(text);
    const tp_value copy = tp_value_copy(value);
    check(copy.type == value.type);
    (void)tp_value_equal(copy, value);
    tp_value_release(copy);
}

static void decode_closure(const uint8_t *bytes, size_t size)
{
    const tp_task_definition *task;
    void *captures;
    if (tp__closure_decode(bytes, size, NULL, &task, &captures) != TP_OK) {
        check(!task && !captures);
        return;
    }
    struct tp__encoded again;
    check(tp__closure_encode(task, captures, &again) == TP_OK);
    check(again.size == size && memcmp(again.bytes, bytes, size) == 0);
    tp__encoded_free(&again);
    if (captures) {
        void *copy = malloc(task->captures_size);
        check(copy && tp__captures_copy(task, copy, captures) == TP_OK);
        tp__captures_drop(task, captures);
        if (task == &nested__is_a_TP_TASK)
            use(((struct nested__args *)copy)->v);
        tp__captures_drop(task, copy);
        free(copy);
    }
    tp__free(captures);
}

static void decode_value(tp_kind kind, size_t value_size, const uint8_t *bytes, size_t size)
{
    union {
        int64_t integer;
        struct point point;
        tp_str string;
        tp_bytes bytes;
        tp_value value;
        tp_closure closure;
        tp_channel *channel;
    } value;
    if (tp__value_decode(bytes, size, NULL, kind, value_size, &value) != TP_OK)
        return;
    struct tp__encoded again;
    check(tp__value_encode(kind, value_size, &value, &again) == TP_OK);
    check(again.size == size && memcmp(again.bytes, bytes, size) == 0);
    tp__encoded_free(&again);
    if (kind == TP_KIND_VALUE)
        use(value.value);
    tp__value_drop(kind, value_size, &value);
}

/* One of everything. */
static struct tp__encoded make_sample(void)
{
    struct tp__encoded sample = {NULL, 0};
    tp_channel *channel = tp__channels_resolve(NULL, "sync", 4);
    const tp_closure inner = tp_bind(texts, tp_str_lit("text"), tp_bytes_view("\x00\xff", 2), channel);
    const tp_closure numbers = tp_bind(scalars, .b = 2, .c = true, .d = 0.5, .e = -1);
    const tp_value list = tp_value_list();
    const tp_value map = tp_value_map();
    const tp_value named = tp_value_channel(channel);
    bool good = tp_value_list_append(list, tp_value_int(-1)) == TP_OK;
    good = good && tp_value_list_append(list, tp_value_bool(true)) == TP_OK;
    good = good && tp_value_list_append(list, tp_value_closure(numbers)) == TP_OK;
    good = good && tp_value_list_append(list, named) == TP_OK;
    good = good && tp_value_map_set(map, "list", list) == TP_OK;
    good = good && tp_value_map_set(map, "bytes", tp_value_bytes(tp_bytes_view("abc", 3))) == TP_OK;
    const struct nested__args args = {.v = map, .c = inner};
    check(good && tp__closure_encode(&nested__is_a_TP_TASK, &args, &sample) == TP_OK);
    tp_value_release(named);
    tp_value_release(map);
    tp_value_release(list);
    tp_closure_release(numbers);
    tp_closure_release(inner);
    tp__channel_unref(channel);
    return sample;
}

/* Each two bytes of the input: a place in the sample and what to put there. */
static void decode_changed(const uint8_t *changes, size_t size)
{
    struct tp__encoded sample = make_sample();
    for (size_t i = 0; i + 1 < size; i += 2)
        sample.bytes[changes[i] % sample.size] = changes[i + 1];
    decode_closure(sample.bytes, sample.size);
    tp__encoded_free(&sample);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        tp_kind kind;
        size_t size;
    } kinds[] = {
        {TP_KIND_VOID, 0},
        {TP_KIND_BOOL, sizeof(bool)},
        {TP_KIND_INT, 4},
        {TP_KIND_UINT, 8},
        {TP_KIND_FLOAT, 8},
        {TP_KIND_PLAIN, sizeof(struct point)},
        {TP_KIND_STR, sizeof(tp_str)},
        {TP_KIND_BYTES, sizeof(tp_bytes)},
        {TP_KIND_VALUE, sizeof(tp_value)},
        {TP_KIND_CLOSURE, sizeof(tp_closure)},
        {TP_KIND_CHANNEL, sizeof(tp_channel *)},
    };
    enum { KINDS = sizeof kinds / sizeof kinds[0] };
    if (size == 0)
        return 0;
    const unsigned choice = data[0] % (KINDS + 4);
    if (choice < KINDS)
        decode_value(kinds[choice].kind, kinds[choice].size, data + 1, size - 1);
    else if (choice < KINDS + 2)
        decode_closure(data + 1, size - 1);
    else
        decode_changed(data + 1, size - 1);
    return 0;
}
