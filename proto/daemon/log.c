/* SPDX-License-Identifier: MIT */
#include "daemon/log.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = TP__PAIRS_BYTES + 256, LIMITED_EVENTS = 32, WINDOW_MS = 1000 };

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static const int priorities[] = {7, 6, 4, 3}; /* of sd-daemon(3) */
static const char *const format_names[] = {"text", "json"};

static struct {
    enum tp__log_format format;
    enum tp__log_level least;
    bool journal;
} settings = {TP__LOG_TEXT, TP__LOG_INFO, false};

static bool parse_name(const char *const *names, size_t count, const char *text, int *found)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], text) == 0) {
            *found = (int)i;
            return true;
        }
    return false;
}

bool tp__log_level_parse(enum tp__log_level *level, const char *text)
{
    int found = TP__LOG_INFO;
    const bool good = parse_name(level_names, sizeof level_names / sizeof level_names[0], text, &found);
    *level = (enum tp__log_level)found;
    return good;
}

bool tp__log_format_parse(enum tp__log_format *format, const char *text)
{
    int found = TP__LOG_TEXT;
    const bool good = parse_name(format_names, sizeof format_names / sizeof format_names[0], text, &found);
    *format = (enum tp__log_format)found;
    return good;
}

/* The variable is inherited: it counts only if it names what standard error is (systemd.exec(5)). */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    unsigned long long device, inode;
    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &status) == 0 &&
           status.st_dev == device && status.st_ino == inode;
}

void tp__log_start(enum tp__log_format format, enum tp__log_level least)
{
    settings.format = format;
    settings.least = least;
    settings.journal = is_journal();
}

static void format_time(char text[32])
{
    struct timespec now;
    struct tm parts;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &parts);
    const size_t length = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &parts);
    (void)snprintf(text + length, 32 - length, ".%03ldZ", now.tv_nsec / 1000000);
}

/* What others have written into pairs may still hold what confuses a terminal or ends the line. */
static void copy_clean(char *to, size_t size, const char *from)
{
    size_t length = 0;
    for (size_t left = strlen(from); left > 0 && length + 5 < size;) {
        const size_t character = tp__utf8_length(from, left);
        if (character > 0)
            memcpy(to + length, from, character);
        else
            to[length] = '?';
        const size_t read = character > 0 ? character : 1;
        length += read;
        from += read;
        left -= read;
    }
    to[length] = '\0';
}

static size_t format_text(char *line, size_t size, const char *time, enum tp__log_level level, const char *event,
                          const char *pairs)
{
    const int length = snprintf(line, size, "%s%s%s %s%s%s", time, *time ? " " : "", level_names[level], event,
                                *pairs ? " " : "", pairs);
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

static json_t *json_of(const struct tp__pair *pair)
{
    const char *value = pair->value;
    if (!pair->quoted) {
        char *end;
        const long long number = strtoll(value, &end, 10);
        if (end != value && !*end && (value[0] == '-' || (value[0] >= '0' && value[0] <= '9')))
            return json_integer(number);
        if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
            return json_boolean(value[0] == 't');
    }
    return json_stringn(value, pair->length);
}

/* NULL without memory. */
static char *format_json(const char *time, enum tp__log_level level, const char *event, const char *pairs)
{
    json_t *object = json_object();
    if (*time)
        (void)json_object_set_new(object, "time", json_string(time));
    (void)json_object_set_new(object, "level", json_string(level_names[level]));
    (void)json_object_set_new(object, "event", json_string(event));
    struct tp__pair pair;
    while (tp__pairs_next(&pairs, &pair)) {
        char key[64] = "text"; /* what is no pair */
        if (pair.key_length > 0)
            (void)snprintf(key, sizeof key, "%.*s", (int)pair.key_length, pair.key);
        if (!json_object_get(object, key))
            (void)json_object_set_new(object, key, json_of(&pair));
    }
    char *text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

static void write_line(const char *line, size_t length)
{
    /* a log that cannot be written has nowhere to say so */
    (void)!write(STDERR_FILENO, line, length);
}

void tp__log(enum tp__log_level level, const char *event, const char *pairs)
{
    if (level < settings.least)
        return;
    char clean[TP__PAIRS_BYTES];
    copy_clean(clean, sizeof clean, pairs ? pairs : "");
    char time[32] = "";
    if (!settings.journal)
        format_time(time);
    char line[LINE_BYTES];
    size_t prefix = 0;
    if (settings.journal)
        prefix = (size_t)snprintf(line, sizeof line, "<%d>", priorities[level]);
    if (settings.format == TP__LOG_JSON) {
        char *json = format_json(time, level, event, clean);
        if (json) {
            char *whole = NULL;
            const int length = asprintf(&whole, "%.*s%s\n", (int)prefix, line, json);
            free(json);
            if (length >= 0) {
                write_line(whole, (size_t)length);
                free(whole);
                return;
            }
        }
        /* without memory it is said as text: better than not at all */
    }
    size_t length = prefix + format_text(line + prefix, sizeof line - prefix - 1, time, level, event, clean);
    line[length++] = '\n';
    write_line(line, length);
}

/* ---- limited events ---- */

struct limited {
    char event[48];
    enum tp__log_level level;
    int64_t since_ms; /* when it was last written */
    uint64_t count;   /* since then */
};

static struct {
    pthread_mutex_t lock;
    size_t used;
    struct limited events[LIMITED_EVENTS];
    struct limited other; /* counted only */
} limited = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct limited *find(const char *event)
{
    for (size_t i = 0; i < limited.used; i++)
        if (strcmp(limited.events[i].event, event) == 0)
            return &limited.events[i];
    return NULL;
}

/* True if it is to be written now. */
static bool count_event(enum tp__log_level level, const char *event, int64_t now_ms)
{
    struct limited *entry = find(event);
    if (entry && (entry->count > 0 || now_ms - entry->since_ms < WINDOW_MS)) {
        entry->count++;
        return false;
    }
    if (!entry && limited.used < LIMITED_EVENTS) {
        entry = &limited.events[limited.used++];
        *entry = (struct limited){.level = level};
        (void)snprintf(entry->event, sizeof entry->event, "%s", event);
    } else if (!entry) {
        if (limited.other.count++ == 0)
            limited.other.since_ms = now_ms;
        return false;
    }
    entry->since_ms = now_ms;
    return true;
}

void tp__log_limited(enum tp__log_level level, const char *event, const char *pairs, int64_t now_ms)
{
    (void)pthread_mutex_lock(&limited.lock);
    const bool now = count_event(level, event, now_ms);
    (void)pthread_mutex_unlock(&limited.lock);
    if (now)
        tp__log(level, event, pairs);
}

static void log_count(struct limited *entry, const char *event, enum tp__log_level level, int64_t now_ms)
{
    struct tp__pairs pairs = {0};
    tp__pairs_add_number(&pairs, "repeated", (int64_t)entry->count);
    tp__log(level, event, pairs.text);
    entry->count = 0;
    entry->since_ms = now_ms;
}

int64_t tp__log_flush(int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    (void)pthread_mutex_lock(&limited.lock);
    for (size_t i = 0; i < limited.used;) {
        struct limited *entry = &limited.events[i];
        if (now_ms - entry->since_ms >= WINDOW_MS) {
            if (entry->count == 0) { /* quiet again: the next one is a first */
                *entry = limited.events[--limited.used];
                continue;
            }
            log_count(entry, entry->event, entry->level, now_ms);
        }
        if (entry->since_ms + WINDOW_MS < next_ms)
            next_ms = entry->since_ms + WINDOW_MS;
        i++;
    }
    if (limited.other.count > 0 && now_ms - limited.other.since_ms >= WINDOW_MS)
        log_count(&limited.other, "other", TP__LOG_WARNING, now_ms);
    if (limited.other.count > 0 && limited.other.since_ms + WINDOW_MS < next_ms)
        next_ms = limited.other.since_ms + WINDOW_MS;
    (void)pthread_mutex_unlock(&limited.lock);
    return next_ms;
}
