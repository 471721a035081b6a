/* SPDX-License-Identifier: MIT */
/* Whatever bytes arrive, the decoder refuses them or gives captures that encode again to one stable form. The first byte
 * chooses between a closure and a value of one kind. */
#include "base/alloc.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "closure/program.h"

#include <stdlib.h>
#include <string.h>
#include <taskpool/taskpool.h>

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
TP_TASK(texts, size_t, (tp_str, s), (tp_bytes, b))
{
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

static void closure_is_stable(const uint8_t *bytes, size_t size)
{
    const tp_task_definition *task = NULL;
    void *captures = NULL;
    if (tp__closure_decode(bytes, size, NULL, &task, &captures) != TP_OK) {
        check(captures == NULL);
        return;
    }
    struct tp__encoded first = {NULL, 0};
    check(tp__closure_encode(task, captures, &first) == TP_OK);
    tp__captures_drop(task, captures);
    tp__free(captures);

    struct tp__encoded second = {NULL, 0};
    check(tp__closure_decode(first.bytes, first.size, NULL, &task, &captures) == TP_OK);
    check(tp__closure_encode(task, captures, &second) == TP_OK);
    check(first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
    tp__captures_drop(task, captures);
    tp__free(captures);
    tp__encoded_free(&first);
    tp__encoded_free(&second);
}

static void value_is_stable(tp_kind kind, size_t value_size, const uint8_t *bytes, size_t size)
{
    union {
        int64_t integer;
        double number;
        struct point point;
        tp_str string;
        tp_bytes bytes;
        tp_value value;
        tp_closure closure;
    } value = {0};
    if (tp__value_decode(bytes, size, NULL, kind, value_size, &value) != TP_OK)
        return;
    struct tp__encoded encoded = {NULL, 0};
    check(tp__value_encode(kind, value_size, &value, &encoded) == TP_OK);
    tp__encoded_free(&encoded);
    tp__value_drop(kind, value_size, &value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct {
        tp_kind kind;
        size_t size;
    } kinds[] = {
        {TP_KIND_BOOL, sizeof(bool)},         {TP_KIND_INT, 4},
        {TP_KIND_UINT, 8},                    {TP_KIND_FLOAT, 8},
        {TP_KIND_PLAIN, sizeof(struct point)}, {TP_KIND_STR, sizeof(tp_str)},
        {TP_KIND_BYTES, sizeof(tp_bytes)},    {TP_KIND_VALUE, sizeof(tp_value)},
        {TP_KIND_CLOSURE, sizeof(tp_closure)},
    };
    if (size == 0)
        return 0;
    const size_t choice = data[0] % (2 * (sizeof(kinds) / sizeof(kinds[0])));
    if (choice < sizeof(kinds) / sizeof(kinds[0]))
        value_is_stable(kinds[choice].kind, kinds[choice].size, data + 1, size - 1);
    else
        closure_is_stable(data + 1, size - 1);
    return 0;
}
