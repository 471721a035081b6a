/* SPDX-License-Identifier: MIT */
/* Whatever bytes come as records, the reader finds whole ones or says why not, and the assembly never holds more than
 * its limit. What was found is appended to the same bytes again. The first two bytes choose the assembly's limit. */
#include "wire/record.h"

#include <stdlib.h>

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void use(struct tp__assembly *assembly, struct tp__record record)
{
    tp_status status;
    const struct tp__record before = record;
    const bool complete = tp__assembly_add(assembly, &record, &status);
    check(!complete || status == TP_OK);
    check(status == TP_OK || status == TP_E_LIMIT);
    check(assembly->held_bytes <= assembly->limit_bytes || assembly->held_bytes == SIZE_MAX);
    if (!complete)
        return;
    check(!(before.flags & TP__RECORD_MORE) && record.size >= before.size);
    /* the last part is at the end of the whole */
    check(before.size == 0 || memcmp(record.body + record.size - before.size, before.body, before.size) == 0);
    struct tp__reader body = tp__reader_of(record.body, record.size);
    size_t size;
    while (body.ok && tp__reader_left(&body) > 0) {
        const char *text = tp__get_text(&body, &size);
        check(body.ok ? text && size <= record.size : !text && size == 0);
    }
    if (record.operation == 0xffffffff)
        tp__assembly_forget(assembly, record.task, record.dispatch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct tp__assembly assembly = {.limit_bytes = (size_t)data[0] << (10 + data[1] % 12)};
    struct tp__reader reader = tp__reader_of(data + 2, size - 2);
    struct tp__record record;
    for (;;) {
        const uint8_t *start = reader.at;
        const enum tp__record_next next = tp__record_read(&reader, &record);
        if (next != TP__RECORD_FOUND) {
            check(reader.at == start);
            break;
        }
        struct tp__buffer again = {NULL, 0, 0};
        check(tp__record_append(&again, &record));
        check(again.size == (size_t)(reader.at - start) && memcmp(again.bytes, start, again.size) == 0);
        tp__buffer_free(&again);
        use(&assembly, record);
    }
    tp__assembly_free(&assembly);
    check(assembly.held_bytes == 0 && !assembly.parts);
    return 0;
}
