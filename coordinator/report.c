/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES = 1024 };

static void say(const struct coordinator *coordinator, enum coordinator_level level, const char *event,
                const char *text)
{
    coordinator->actions.log(coordinator->actions.context, level, event, text);
}

void report(const struct coordinator *coordinator, enum coordinator_level level, const char *event, const char *format,
            ...)
{
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    say(coordinator, level, event, line);
}

/* The length of the UTF-8 character at `text`; 0 if it is none. */
static size_t character_length(const unsigned char *text)
{
    const size_t length = text[0] < 0x80 ? 1 : text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) /* also the 0 at the end */
            return 0;
    const bool is_overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    const bool is_surrogate = text[0] == 0xed && text[1] >= 0xa0;
    const bool is_too_large = text[0] > 0xf4 || (text[0] == 0xf4 && text[1] >= 0x90);
    const bool is_control = text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
    return is_overlong || is_surrogate || is_too_large || is_control ? 0 : length;
}

static void copy_clean(char *to, size_t size, const char *from, const char *unwanted)
{
    const unsigned char *text = (const unsigned char *)from;
    size_t used = 0;
    while (*text) {
        const size_t length = character_length(text);
        const size_t step = length > 0 ? length : 1;
        if (used + step >= size)
            break;
        if (length == 0 || (length == 1 && strchr(unwanted, *text)))
            to[used] = '_';
        else
            memcpy(to + used, text, length);
        used += step;
        text += step;
    }
    to[used] = '\0';
}

void report_clean(char *to, size_t size, const char *text)
{
    copy_clean(to, size, text, "\"\\");
}

void report_clean_name(char *to, size_t size, const char *text)
{
    copy_clean(to, size, text, "\"\\ =");
}

const char *report_status(tp_status status)
{
    switch (status) {
#define NAME_CASE(name, number, text) \
    case number:                      \
        return #name;
        TP_STATUS_TABLE(NAME_CASE)
#undef NAME_CASE
    }
    return "unknown";
}

struct peer_text report_peer(const struct peer *peer)
{
    struct peer_text name;
    char brief[9];
    if (peer->node) {
        (void)snprintf(name.text, sizeof name.text, "node=%s", peer->node->name);
    } else if (peer->session) {
        (void)snprintf(name.text, sizeof name.text, "driver=%s", peer->session->name);
    } else {
        tp__public_key_brief(&peer->key, brief);
        (void)snprintf(name.text, sizeof name.text, "key=%s", brief);
    }
    return name;
}

__attribute__((format(printf, 4, 0))) static void refused(const struct peer *peer, enum coordinator_level level,
                                                          const char *frame, const char *format, va_list arguments)
{
    char reason[LINE_BYTES / 2];
    char line[LINE_BYTES];
    (void)vsnprintf(reason, sizeof reason, format, arguments);
    (void)snprintf(line, sizeof line, "%s frame=%s reason=\"%s\"", report_peer(peer).text, frame, reason);
    peer->coordinator->refused_frames++;
    say(peer->coordinator, level, "refused", line);
}

void report_refused(const struct peer *peer, const char *frame, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    refused(peer, COORDINATOR_WARNING, frame, format, arguments);
    va_end(arguments);
}

void report_late(const struct peer *peer, const char *frame, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    refused(peer, COORDINATOR_DEBUG, frame, format, arguments);
    va_end(arguments);
}
