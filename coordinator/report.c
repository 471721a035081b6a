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

static void copy_clean(char *to, size_t size, const char *text, bool is_name)
{
    size_t length = 0;
    for (; *text && length + 1 < size; text++) {
        const unsigned char byte = (unsigned char)*text;
        const bool is_odd = byte < 0x20 || byte == 0x7f || byte == '"' || (is_name && (byte == ' ' || byte == '='));
        to[length++] = is_odd ? '_' : *text;
    }
    if (*text) /* a character that did not fit goes as a whole */
        while (length > 0 && ((unsigned char)*text & 0xc0) == 0x80)
            text--, length--;
    to[length] = '\0';
}

void report_clean(char *to, size_t size, const char *text)
{
    copy_clean(to, size, text, false);
}

void report_clean_name(char *to, size_t size, const char *text)
{
    copy_clean(to, size, text, true);
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

static void refused(const struct peer *peer, enum coordinator_level level, const char *frame, const char *format,
                    va_list arguments)
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
