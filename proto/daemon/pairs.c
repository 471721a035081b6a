/* SPDX-License-Identifier: MIT */
#include "daemon/pairs.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t tp__utf8_length(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    if (size == 0 || at[0] < 0x20 || at[0] == 0x7f)
        return 0;
    if (at[0] < 0x80)
        return 1;
    const size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || size < length)
        return 0;
    uint32_t code = at[0] & (0x7fU >> length);
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
    return code >= least[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? length : 0;
}

static bool needs_quotes(const char *value)
{
    if (!*value || strpbrk(value, " \"\\="))
        return true;
    for (const char *at = value; *at; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            return true;
    return value[strspn(value, "-0123456789")] == '\0' || strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
}

/* One character of a quoted value: how many bytes of it were read. */
static size_t quote_character(const char *at, size_t left, char out[8])
{
    switch (*at) {
    case '"':
    case '\\':
        (void)snprintf(out, 8, "\\%c", *at);
        return 1;
    case '\n':
        (void)snprintf(out, 8, "\\n");
        return 1;
    case '\t':
        (void)snprintf(out, 8, "\\t");
        return 1;
    default:
        break;
    }
    const size_t length = tp__utf8_length(at, left);
    if (length > 0) {
        memcpy(out, at, length);
        out[length] = '\0';
        return length;
    }
    if ((unsigned char)*at < 0x80)
        (void)snprintf(out, 8, "\\u%04x", (unsigned)*at);
    else
        (void)snprintf(out, 8, "?");
    return 1;
}

static bool put(struct tp__pairs *pairs, const char *text)
{
    const size_t length = strlen(text);
    if (length >= sizeof pairs->text - pairs->length)
        return false;
    memcpy(pairs->text + pairs->length, text, length + 1);
    pairs->length += length;
    return true;
}

static bool put_value(struct tp__pairs *pairs, const char *value)
{
    const bool quotes = needs_quotes(value);
    bool fits = !quotes || put(pairs, "\"");
    for (size_t left = strlen(value); fits && left > 0;) {
        char character[8];
        const size_t read = quote_character(value, left, character);
        value += read;
        left -= read;
        fits = put(pairs, character);
    }
    return fits && (!quotes || put(pairs, "\""));
}

static void add(struct tp__pairs *pairs, const char *key, const char *value, bool as_it_is)
{
    const size_t before = pairs->length;
    bool fits = (before == 0 || put(pairs, " ")) && put(pairs, key) && put(pairs, "=");
    fits = fits && (as_it_is ? put(pairs, value) : put_value(pairs, value));
    if (!fits) {
        pairs->length = before;
        pairs->text[before] = '\0';
        pairs->cut = true;
    }
}

void tp__pairs_add(struct tp__pairs *pairs, const char *key, const char *value)
{
    if (value)
        add(pairs, key, value, false);
}

void tp__pairs_add_number(struct tp__pairs *pairs, const char *key, int64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRId64, value);
    add(pairs, key, text, true);
}

void tp__pairs_add_format(struct tp__pairs *pairs, const char *key, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add(pairs, key, text, false);
}

/* ---- reading ---- */

static size_t key_length(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
}

static void keep(struct tp__pair *pair, char byte)
{
    if (pair->length + 1 < sizeof pair->value)
        pair->value[pair->length++] = byte;
}

/* What stands behind a backslash: returns the place behind it. */
static const char *read_escape(const char *at, struct tp__pair *pair)
{
    unsigned code = 0;
    int read = 0;
    if (*at == 'u' && sscanf(at, "u00%2x%n", &code, &read) == 1 && read == 5) {
        keep(pair, (char)code);
        return at + read;
    }
    keep(pair, (char)(*at == 'n' ? '\n' : *at == 't' ? '\t' : *at));
    return at + 1;
}

bool tp__pairs_next(const char **at, struct tp__pair *pair)
{
    const char *text = *at + strspn(*at, " ");
    pair->key = text;
    pair->key_length = 0;
    pair->length = 0;
    pair->value[0] = '\0';
    pair->quoted = false;
    *at = text;
    if (!*text)
        return false;
    const size_t length = key_length(text);
    if (length > 0 && text[length] == '=') {
        pair->key_length = length;
        text += length + 1;
        pair->quoted = *text == '"';
    }
    if (pair->quoted) {
        for (text++; *text && *text != '"';)
            if (*text == '\\' && text[1])
                text = read_escape(text + 1, pair);
            else
                keep(pair, *text++);
        if (*text)
            text++;
    } else
        while (*text && *text != ' ')
            keep(pair, *text++);
    pair->value[pair->length] = '\0';
    *at = text;
    return true;
}
