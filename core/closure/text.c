/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/error.h"
#include "closure/channel_ref.h"
#include "closure/closure.h"
#include "closure/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 128, BYTES_SHOWN = 32 };

struct text {
    char *data;
    size_t length;
    size_t capacity;
    bool failed; /* out of memory: nothing is added any more */
};

static void add(struct text *text, const char *data, size_t length)
{
    if (text->failed || length == 0)
        return;
    if (length > text->capacity - text->length) {
        size_t capacity = text->capacity ? text->capacity : FIRST_CAPACITY;
        while (length > capacity - text->length)
            capacity *= 2;
        char *grown = tp__realloc(text->data, capacity);
        if (!grown) {
            text->failed = true;
            return;
        }
        text->data = grown;
        text->capacity = capacity;
    }
    memcpy(text->data + text->length, data, length);
    text->length += length;
}

static void add_text(struct text *text, const char *data)
{
    add(text, data, strlen(data));
}

static void add_string(struct text *text, tp_str string)
{
    static const char short_names[] = "\b\t\n\v\f\r";
    static const char letters[] = "btnvfr";
    add_text(text, "\"");
    size_t plain = 0; /* from here to i nothing needs an escape */
    for (size_t i = 0; i < string.length; i++) {
        const unsigned char byte = (unsigned char)string.data[i];
        if (byte >= ' ' && byte != '"' && byte != '\\' && byte != 0x7f)
            continue;
        add(text, string.data + plain, i - plain);
        plain = i + 1;
        char escape[8];
        const char *found = byte ? strchr(short_names, byte) : NULL;
        if (byte == '"' || byte == '\\')
            snprintf(escape, sizeof escape, "\\%c", byte);
        else if (found)
            snprintf(escape, sizeof escape, "\\%c", letters[found - short_names]);
        else
            snprintf(escape, sizeof escape, "\\u%04x", byte);
        add_text(text, escape);
    }
    add(text, string.data + plain, string.length - plain);
    add_text(text, "\"");
}

static void add_bytes(struct text *text, tp_bytes bytes)
{
    char piece[40];
    snprintf(piece, sizeof piece, "<%zu bytes:%s", bytes.size, bytes.size > 0 ? " " : "");
    add_text(text, piece);
    for (size_t i = 0; i < bytes.size && i < BYTES_SHOWN; i++) {
        snprintf(piece, sizeof piece, "%02x", bytes.data[i]);
        add_text(text, piece);
    }
    add_text(text, bytes.size > BYTES_SHOWN ? "...>" : ">");
}

/* The shortest digits that read back as the same number. */
static void add_float(struct text *text, double number)
{
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, number);
        if (strtod(digits, NULL) == number)
            break;
    }
    add_text(text, digits);
    if (!strpbrk(digits, ".eEni")) /* n and i: nan and inf */
        add_text(text, ".0");
}

static void add_int(struct text *text, int64_t integer)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, integer);
    add_text(text, digits);
}

static void add_value(struct text *text, tp_value value);

static void add_list(struct text *text, const struct tp__list *list)
{
    add_text(text, "[");
    for (size_t i = 0; i < list->count; i++) {
        add_text(text, i > 0 ? ", " : "");
        add_value(text, list->items[i]);
    }
    add_text(text, "]");
}

static void add_map(struct text *text, const struct tp__map *map)
{
    add_text(text, "{");
    for (size_t i = 0; i < map->count; i++) {
        add_text(text, i > 0 ? ", " : "");
        add_string(text, map->entries[i]->key);
        add_text(text, ": ");
        add_value(text, map->entries[i]->value);
    }
    add_text(text, "}");
}

static void add_named(struct text *text, const char *what, const char *name)
{
    add_text(text, "<");
    add_text(text, what);
    add_text(text, " ");
    add_text(text, name);
    add_text(text, ">");
}

static void add_value(struct text *text, tp_value value)
{
    switch (value.type) {
    case TP_VALUE_NIL:
        add_text(text, "nil");
        break;
    case TP_VALUE_BOOL:
        add_text(text, value.as.boolean ? "true" : "false");
        break;
    case TP_VALUE_INT:
        add_int(text, value.as.integer);
        break;
    case TP_VALUE_FLOAT:
        add_float(text, value.as.number);
        break;
    case TP_VALUE_STR:
        add_string(text, value.as.string);
        break;
    case TP_VALUE_BYTES:
        add_bytes(text, value.as.bytes);
        break;
    case TP_VALUE_LIST:
        add_list(text, tp__block_list(value.as.block));
        break;
    case TP_VALUE_MAP:
        add_map(text, tp__block_map(value.as.block));
        break;
    case TP_VALUE_CLOSURE:
        add_named(text, "closure", value.as.closure->task->name);
        break;
    case TP_VALUE_CHANNEL:
        add_named(text, "channel", tp_channel_name(value.as.channel));
        break;
    case TP_VALUE_FAILED:
    default:
        add_text(text, "<failed>");
        break;
    }
}

tp_str tp_value_text(tp_value value)
{
    struct text text = {.data = NULL};
    add_value(&text, value);
    if (text.failed) {
        tp__free(text.data);
        tp__fail_nomem("tp_value_text");
        return (tp_str){NULL, 0, TP__OWNER_FAILED};
    }
    const tp_str string = tp_str_new_n(text.data, text.length);
    tp__free(text.data);
    return string;
}
