/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/error.h"
#include "closure/block.h"
#include "closure/tree.h"

#include <stdio.h>
#include <string.h>

static const tp_str failed_str = {NULL, 0, TP__OWNER_FAILED};
static const tp_bytes failed_bytes = {NULL, 0, TP__OWNER_FAILED};

/* Makes `*owner` a reference of the caller's: a copy where the memory is borrowed. */
static tp_status take(struct tp__block **owner, const void **data, size_t size, const char *function)
{
    const tp_status status = tp__owner_copy(owner, data, size);
    if (status == TP_E_NOMEM)
        return tp__fail_nomem(function);
    if (status != TP_OK)
        return tp__fail(status, "%s: NULL, or the call that made it failed", function);
    return tp__owner_is_block(*owner) ? tp__owned_give_block(*owner) : TP_OK;
}

static tp_str own_str(tp_str string, const char *function)
{
    const void *data = string.data;
    if (take(&string.owner, &data, string.length, function) != TP_OK)
        return failed_str;
    string.data = data;
    return string;
}

tp_str tp_str_new(const char *text)
{
    if (text)
        return own_str(tp_str_view(text, strlen(text)), "tp_str_new");
    tp__fail(TP_E_ARGUMENT, "tp_str_new: the text is NULL");
    return failed_str;
}

tp_str tp_str_new_n(const char *data, size_t length)
{
    return own_str(tp_str_view(data, length), "tp_str_new_n");
}

tp_str tp_str_format_v(const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    const int length = format ? vsnprintf(NULL, 0, format, again) : -1;
    va_end(again);
    tp_str string = failed_str;
    char *data;
    if (length < 0) {
        tp__fail(TP_E_ARGUMENT, "tp_str_format: %s", format ? "printf refuses the format" : "the format is NULL");
    } else if (length == 0) {
        string = tp_str_lit("");
    } else {
        struct tp__block *block = tp__block_new_data((size_t)length, &data);
        if (!block) {
            tp__fail_nomem("tp_str_format");
        } else {
            vsnprintf(data, (size_t)length + 1, format, arguments);
            if (tp__owned_give_block(block) == TP_OK)
                string = (tp_str){data, (size_t)length, block};
        }
    }
    return string;
}

tp_str tp_str_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const tp_str string = tp_str_format_v(format, arguments);
    va_end(arguments);
    return string;
}

tp_str tp_str_retain(tp_str string)
{
    return own_str(string, "tp_str_retain");
}

void tp_str_release(tp_str string)
{
    if (tp__owner_is_block(string.owner))
        tp__owned_take_back_block(string.owner);
}

static int compare(const void *a, size_t a_size, const void *b, size_t b_size)
{
    const size_t common = a_size < b_size ? a_size : b_size;
    const int order = common > 0 ? memcmp(a, b, common) : 0;
    return order != 0 ? order : (a_size > b_size) - (a_size < b_size);
}

bool tp_str_equal(tp_str a, tp_str b)
{
    return a.length == b.length && compare(a.data, a.length, b.data, b.length) == 0;
}

int tp_str_compare(tp_str a, tp_str b)
{
    return compare(a.data, a.length, b.data, b.length);
}

static tp_bytes own_bytes(tp_bytes bytes, const char *function)
{
    const void *data = bytes.data;
    if (take(&bytes.owner, &data, bytes.size, function) != TP_OK)
        return failed_bytes;
    bytes.data = data;
    return bytes;
}

tp_bytes tp_bytes_new(const void *data, size_t size)
{
    return own_bytes(tp_bytes_view(data, size), "tp_bytes_new");
}

tp_bytes tp_bytes_retain(tp_bytes bytes)
{
    return own_bytes(bytes, "tp_bytes_retain");
}

void tp_bytes_release(tp_bytes bytes)
{
    if (tp__owner_is_block(bytes.owner))
        tp__owned_take_back_block(bytes.owner);
}

bool tp_bytes_equal(tp_bytes a, tp_bytes b)
{
    return a.size == b.size && compare(a.data, a.size, b.data, b.size) == 0;
}
