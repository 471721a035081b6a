/* SPDX-License-Identifier: MIT */
/* Design notes: the life of an operation
 *
 *     OPEN       begun; it waits at its channels, or `done` has put it into the inbox and the entry is not yet read
 *     DROPPED    its task is gone while it was OPEN and could not be withdrawn: the entry is on its way, and ends it
 *     TAKEN      replied with a message: kept until the task has confirmed it, or is gone
 *
 * All other replies end it at once.
 */
#include "cluster/operations.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "cluster/driver.h"
#include "runtime/channel_home.h"
#include "runtime/channels.h"

#include <string.h>

enum { BUCKETS_FIRST = 64, CASES_LIMIT = 64, REPLY_HEAD_BYTES = 13 };

enum phase { OPEN, DROPPED, TAKEN, CHILD };

struct tp__operation {
    struct tp__operation *next; /* in its bucket */
    struct tp__session_operation key;
    enum phase phase;
    struct tp__home_operation *home;
    struct tp__inbox *inbox;
    struct tp__epochs epochs; /* of a CHILD */
    size_t case_count;
    struct {
        bool is_send;
        uint8_t kind;
        uint32_t size;
    } cases[]; /* as many as the home operation has */
};

/* ---- the table ---- */

static size_t hash_of(const struct tp__session_operation *key)
{
    const uint64_t mixed = (key->task * UINT64_C(0x9E3779B97F4A7C15)) ^
                           ((((uint64_t)key->dispatch << 32) | key->operation) * UINT64_C(0xC2B2AE3D27D4EB4F));
    return (size_t)(mixed ^ (mixed >> 29));
}

static bool is_same(const struct tp__session_operation *a, const struct tp__session_operation *b)
{
    return a->task == b->task && a->dispatch == b->dispatch && a->operation == b->operation;
}

static struct tp__operation **place_of(const struct tp__operations *operations, const struct tp__session_operation *key)
{
    struct tp__operation **link = &operations->buckets[hash_of(key) & (operations->bucket_count - 1)];
    while (*link && !is_same(&(*link)->key, key))
        link = &(*link)->next;
    return link;
}

static struct tp__operation *find(const struct tp__operations *operations, const struct tp__session_operation *key)
{
    return operations->bucket_count > 0 ? *place_of(operations, key) : NULL;
}

/* Doubles the table when it is crowded. Without memory it stays crowded; false only without any table. */
static bool make_room(struct tp__operations *operations)
{
    if (operations->count < operations->bucket_count)
        return true;
    const size_t count = operations->bucket_count > 0 ? 2 * operations->bucket_count : BUCKETS_FIRST;
    struct tp__operation **buckets = tp__alloc_zeroed(count, sizeof(struct tp__operation *));
    if (!buckets)
        return operations->bucket_count > 0;
    for (size_t i = 0; i < operations->bucket_count; i++) {
        struct tp__operation *operation = operations->buckets[i];
        while (operation) {
            struct tp__operation *next = operation->next;
            struct tp__operation **bucket = &buckets[hash_of(&operation->key) & (count - 1)];
            operation->next = *bucket;
            *bucket = operation;
            operation = next;
        }
    }
    tp__free(operations->buckets);
    operations->buckets = buckets;
    operations->bucket_count = count;
    return true;
}

/* A new one under that key; NULL without memory. */
static struct tp__operation *add(struct tp__operations *operations, const struct tp__session_operation *key,
                                 enum phase phase, size_t case_count)
{
    struct tp__operation *operation = NULL;
    if (make_room(operations))
        operation = tp__alloc_zeroed(1, sizeof *operation + case_count * sizeof operation->cases[0]);
    if (!operation)
        return NULL;
    operation->key = *key;
    operation->phase = phase;
    operation->inbox = operations->inbox;
    operation->case_count = case_count;
    struct tp__operation **link = place_of(operations, key);
    operation->next = *link;
    *link = operation;
    operations->count++;
    return operation;
}

static void end(struct tp__operations *operations, struct tp__operation *operation)
{
    *place_of(operations, &operation->key) = operation->next;
    operations->count--;
    if (operation->home)
        tp__home_end(operation->home);
    tp__free(operation);
}

void tp__operations_fini(struct tp__operations *operations)
{
    for (size_t i = 0; i < operations->bucket_count; i++) {
        struct tp__operation *operation = operations->buckets[i];
        while (operation) {
            struct tp__operation *next = operation->next;
            if (operation->home) {
                (void)tp__home_withdraw(operation->home);
                tp__home_end(operation->home);
            }
            tp__free(operation);
            operation = next;
        }
    }
    tp__free(operations->buckets);
}

/* ---- replies ---- */

/* The body of a reply. False without memory. */
static bool compose(struct tp__buffer *body, tp_status status, const struct tp__home_outcome *outcome, const void *more,
                    size_t more_size)
{
    uint8_t head[REPLY_HEAD_BYTES];
    uint8_t *to = tp__put_u32(head, (uint32_t)status);
    to = tp__put_u32(to, outcome ? (uint32_t)outcome->chosen : 0);
    to = tp__put_u8(to, outcome ? outcome->found_kind : 0);
    tp__put_u32(to, outcome ? outcome->found_size : 0);
    return tp__buffer_append(body, head, sizeof head) && tp__buffer_append(body, more, more_size);
}

static void reply(struct tp__operations *operations, const struct tp__session_operation *key, tp_status status,
                  const struct tp__home_outcome *outcome, const void *more, size_t more_size, bool sent)
{
    struct tp__buffer body = {.bytes = NULL};
    uint8_t head[REPLY_HEAD_BYTES] = {0};
    tp__put_u32(head, TP_E_NOMEM);
    if (compose(&body, status, outcome, more, more_size))
        tp__session_reply(operations->session, key, body.bytes, body.size, false, sent);
    else
        tp__session_reply(operations->session, key, head, sizeof head, false, sent);
    tp__buffer_free(&body);
}

static void reply_status(struct tp__operations *operations, const struct tp__session_operation *key, tp_status status)
{
    reply(operations, key, status, NULL, NULL, 0, false);
}

/* Gives a received message to its task. What cannot be given stays in its channel for somebody else. */
static void give(struct tp__operations *operations, struct tp__operation *operation,
                 const struct tp__home_outcome *outcome)
{
    struct tp__encoded value = {.bytes = NULL};
    struct tp__buffer body = {.bytes = NULL};
    tp_status status = tp__value_encode(operation->cases[outcome->chosen].kind, operation->cases[outcome->chosen].size,
                                        outcome->value, &value);
    if (status == TP_OK && !compose(&body, TP_OK, outcome, value.bytes, value.size))
        status = TP_E_NOMEM;
    tp__encoded_free(&value);
    if (status == TP_OK) {
        operation->phase = TAKEN;
        tp__session_reply(operations->session, &operation->key, body.bytes, body.size, true, false);
    } else {
        (void)tp__home_put_back(operation->home);
        reply_status(operations, &operation->key, status);
        end(operations, operation);
    }
    tp__buffer_free(&body);
}

void tp__operations_done(struct tp__operations *operations, struct tp__operation *operation)
{
    const struct tp__home_outcome *outcome = tp__home_outcome(operation->home);
    const bool received = outcome->status == TP_OK && !operation->cases[outcome->chosen].is_send;
    if (operation->phase == DROPPED) {
        if (received)
            (void)tp__home_put_back(operation->home);
        end(operations, operation);
        return;
    }
    if (!received) {
        reply(operations, &operation->key, outcome->status, outcome, NULL, 0, outcome->status == TP_OK);
        end(operations, operation);
        return;
    }
    give(operations, operation, outcome);
}

/* From any thread. */
static void put_into_inbox(struct tp__home_operation *home, void *argument)
{
    struct tp__operation *operation = argument;
    (void)home;
    const struct tp__driver_entry entry = {.type = TP__ENTRY_OPERATION_DONE, .object = operation};
    while (!tp__inbox_put(operation->inbox, &entry, sizeof entry, NULL, 0, true, NULL))
        continue; /* a few bytes: without them a task would wait for ever */
}

/* ---- reading what a node sent ---- */

static bool read_kind(struct tp__reader *reader, tp_kind *kind, uint32_t *size)
{
    *kind = tp__get_u8(reader);
    *size = tp__get_u32(reader);
    if (!reader->ok || *size > TP__PAYLOAD_LIMIT_BYTES)
        return false;
    switch (*kind) {
    case TP_KIND_BOOL:
        return *size == sizeof(bool);
    case TP_KIND_INT:
    case TP_KIND_UINT:
        return *size == 1 || *size == 2 || *size == 4 || *size == 8;
    case TP_KIND_FLOAT:
        return *size == sizeof(float) || *size == sizeof(double);
    case TP_KIND_PLAIN:
        return true;
    case TP_KIND_STR:
        return *size == sizeof(tp_str);
    case TP_KIND_BYTES:
        return *size == sizeof(tp_bytes);
    case TP_KIND_VALUE:
        return *size == sizeof(tp_value);
    case TP_KIND_CLOSURE:
        return *size == sizeof(tp_closure);
    case TP_KIND_CHANNEL:
        return *size == sizeof(tp_channel *);
    default:
        return false;
    }
}

static tp_channel *read_channel(const struct tp__operations *operations, struct tp__reader *reader)
{
    const uint8_t length = tp__get_u8(reader);
    const char *name = (const char *)tp__get_bytes(reader, length);
    return name ? tp__channels_resolve(operations->channels, name, length) : NULL;
}

/* A value to send: its memory is the home operation's from its begin on, and until then the caller's. */
static tp_status read_value(const struct tp__operations *operations, struct tp__reader *reader, size_t encoded,
                            struct tp__home_case *one)
{
    const uint8_t *bytes = tp__get_bytes(reader, encoded);
    if (!bytes)
        return TP_E_DECODE;
    if (one->kind == TP_KIND_PLAIN && encoded != (size_t)one->size + 1)
        return TP_E_DECODE; /* before memory of that size is taken */
    void *value = tp__alloc(one->size > 0 ? one->size : 1);
    if (!value)
        return TP_E_NOMEM;
    const tp_status status = tp__value_decode(bytes, encoded, operations->channels, one->kind, one->size, value);
    if (status == TP_OK)
        one->value = value;
    else
        tp__free(value);
    return status;
}

static tp_status read_case(struct tp__operations *operations, struct tp__reader *reader, bool is_select, bool send,
                           struct tp__home_case *one)
{
    one->send = send;
    one->channel = read_channel(operations, reader);
    if (!one->channel)
        return TP_E_DECODE;
    if (!read_kind(reader, &one->kind, &one->size))
        return TP_E_DECODE;
    if (!send)
        return TP_OK;
    const size_t encoded = is_select ? tp__get_u32(reader) : tp__reader_left(reader);
    return reader->ok ? read_value(operations, reader, encoded, one) : TP_E_DECODE;
}

static void give_up(struct tp__home_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (cases[i].value) {
            tp__value_drop(cases[i].kind, cases[i].size, (void *)(uintptr_t)cases[i].value);
            tp__free((void *)(uintptr_t)cases[i].value);
        }
        tp__channel_unref(cases[i].channel);
    }
}

/* The values themselves are the operation's now; the memory in which they were decoded is not. */
static void let_go(struct tp__home_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        tp__free((void *)(uintptr_t)cases[i].value);
        tp__channel_unref(cases[i].channel);
    }
}

static tp_status begin_cases(struct tp__operations *operations, const struct tp__session_operation *key,
                             struct tp__reader *reader, enum tp__channel_action action)
{
    struct tp__home_case cases[CASES_LIMIT];
    memset(cases, 0, sizeof cases);
    const bool is_select = action == TP__CHANNEL_SELECT;
    const bool waits_first = is_select && tp__get_u8(reader) != 0;
    size_t count = is_select ? tp__get_u8(reader) : 1;
    bool wait = waits_first;
    if (!reader->ok || count == 0 || count > CASES_LIMIT)
        return TP_E_DECODE;
    tp_status status = TP_OK;
    if (is_select) {
        for (size_t i = 0; i < count && status == TP_OK; i++) {
            const bool send = tp__get_u8(reader) != 0;
            status = read_case(operations, reader, true, send, &cases[i]);
        }
    } else {
        cases[0].channel = read_channel(operations, reader);
        wait = tp__get_u8(reader) != 0;
        cases[0].send = action == TP__CHANNEL_SEND;
        if (!cases[0].channel || !read_kind(reader, &cases[0].kind, &cases[0].size))
            status = TP_E_DECODE;
        else if (cases[0].send)
            status = read_value(operations, reader, tp__reader_left(reader), &cases[0]);
    }
    if (status == TP_OK && tp__reader_left(reader) > 0)
        status = TP_E_DECODE;
    struct tp__operation *operation = status == TP_OK ? add(operations, key, OPEN, count) : NULL;
    if (!operation) {
        give_up(cases, count);
        return status == TP_OK ? TP_E_NOMEM : status;
    }
    for (size_t i = 0; i < count; i++) {
        operation->cases[i].is_send = cases[i].send;
        operation->cases[i].kind = (uint8_t)cases[i].kind;
        operation->cases[i].size = cases[i].size;
    }
    operation->home = tp__home_begin(cases, count, wait, put_into_inbox, operation);
    let_go(cases, count);
    if (operation->home)
        return TP_OK;
    end(operations, operation);
    return TP_E_NOMEM;
}

/* tp_pool_channel_with: made with that capacity if it is not there yet. */
static tp_status open_channel(struct tp__operations *operations, struct tp__reader *reader)
{
    char name[TP__CHANNEL_NAME_LIMIT + 1] = "";
    const uint8_t length = tp__get_u8(reader);
    const uint8_t *bytes = tp__get_bytes(reader, length);
    const bool is_wanted = tp__get_u8(reader) != 0;
    const uint64_t capacity = tp__get_u64(reader);
    if (!reader->ok || memchr(bytes, '\0', length))
        return TP_E_DECODE;
    memcpy(name, bytes, length);
    const tp_channel *channel = is_wanted ? tp__channels_get_with(operations->channels, name, (size_t)capacity)
                                          : tp__channels_get(operations->channels, name);
    return channel ? TP_OK : tp_last_error()->status;
}

static void begin_simple(struct tp__operations *operations, const struct tp__session_operation *key,
                         struct tp__reader *reader, enum tp__channel_action action)
{
    if (action == TP__CHANNEL_OPEN) {
        reply_status(operations, key, open_channel(operations, reader));
        return;
    }
    tp_channel *channel = read_channel(operations, reader);
    if (!channel) {
        reply_status(operations, key, TP_E_DECODE);
    } else if (action == TP__CHANNEL_CLOSE) {
        reply_status(operations, key, tp_channel_close(channel));
    } else {
        const uint64_t size = tp_channel_size(channel);
        reply(operations, key, TP_OK, NULL, &size, sizeof size, false);
    }
    tp__channel_unref(channel);
}

void tp__operations_begin(struct tp__operations *operations, const struct tp__session_operation *key,
                          const uint8_t *body, size_t size)
{
    struct tp__reader reader = tp__reader_of(body, size);
    const enum tp__channel_action action = tp__get_u8(&reader);
    tp_status status = TP_E_DECODE;
    if (find(operations, key)) {
        return; /* a node that lies: the first one of that number will be answered */
    }
    switch (action) {
    case TP__CHANNEL_SEND:
    case TP__CHANNEL_RECEIVE:
    case TP__CHANNEL_SELECT:
        status = begin_cases(operations, key, &reader, action);
        break;
    case TP__CHANNEL_CLOSE:
    case TP__CHANNEL_SIZE:
    case TP__CHANNEL_OPEN:
        begin_simple(operations, key, &reader, action);
        return;
    }
    if (status != TP_OK)
        reply_status(operations, key, status);
}

/* ---- the ends of operations ---- */

void tp__operations_withdraw(struct tp__operations *operations, const struct tp__session_operation *key)
{
    struct tp__operation *operation = find(operations, key);
    if (!operation || operation->phase != OPEN || !tp__home_withdraw(operation->home))
        return; /* its reply is on the way */
    reply_status(operations, key, TP_E_TIMEOUT);
    end(operations, operation);
}

void tp__operations_confirm(struct tp__operations *operations, const struct tp__session_operation *key)
{
    struct tp__operation *operation = find(operations, key);
    if (operation && operation->phase == TAKEN)
        end(operations, operation);
}

/* The outcome of one that cannot be withdrawn is not known yet: another thread may be about to say it. */
static bool may_have_sent(const struct tp__operation *operation)
{
    for (size_t i = 0; i < operation->case_count; i++)
        if (operation->cases[i].is_send)
            return true;
    return false;
}

bool tp__operations_drop(struct tp__operations *operations, const struct tp__session_operation *key)
{
    struct tp__operation *operation = find(operations, key);
    if (!operation)
        return false;
    if (operation->phase == OPEN && !tp__home_withdraw(operation->home)) {
        operation->phase = DROPPED;
        return may_have_sent(operation);
    }
    if (operation->phase == TAKEN)
        (void)tp__home_put_back(operation->home);
    end(operations, operation);
    return false;
}

/* ---- children ---- */

static struct tp__session_operation key_of_child(uint64_t sequence)
{
    return (struct tp__session_operation){.task = sequence}; /* dispatch 0: never one of a running task */
}

void tp__operations_child_began(struct tp__operations *operations, struct tp__tally *tally, uint64_t sequence)
{
    const struct tp__session_operation key = key_of_child(sequence);
    struct tp__operation *child = add(operations, &key, CHILD, 0);
    if (child) /* without memory it is not counted, and a drain does not wait for it */
        child->epochs = tp__tally_submitted(tally);
}

void tp__operations_child_ended(struct tp__operations *operations, struct tp__tally *tally, uint64_t sequence)
{
    const struct tp__session_operation key = key_of_child(sequence);
    struct tp__operation *child = find(operations, &key);
    if (!child)
        return;
    const struct tp__epochs epochs = child->epochs;
    end(operations, child);
    tp__tally_resolving(tally);
    tp__tally_completed(tally, epochs, true);
}
