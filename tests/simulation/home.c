/* SPDX-License-Identifier: MIT */
/* Design notes. An operation is WAITING; then DONE, while its reply is on the way to the session; then TAKEN, if that
 * was a message that is not yet confirmed. One that is dropped while it is DONE is DROPPED until its reply comes by. */
#include "home.h"

#include "cluster.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

enum operation_state { OPERATION_WAITING, OPERATION_DONE, OPERATION_DROPPED, OPERATION_TAKEN };

struct operation {
    struct operation *next;
    struct home *home;
    struct tp__session_operation key;
    enum operation_state state;
    bool wait;
    size_t case_count;
    struct {
        bool send;
        uint8_t channel;
        struct note *note;
    } cases[2];
    tp_status status;
    uint32_t chosen;
    struct note *received;
};

static struct world *world_of(const struct home *home)
{
    return home->driver->station.host.world;
}

void home_init(struct home *home, struct driver *driver)
{
    struct random *random = &driver->station.host.world->random;
    *home = (struct home){.driver = driver};
    home->operations_tail = &home->operations;
    for (size_t i = 0; i < CHANNELS; i++)
        home->channels[i].capacity = random_chance(random, 300000) ? (size_t)random_between(random, 1, 4) : 0;
}

void home_fini(struct home *home)
{
    while (home->operations) {
        struct operation *operation = home->operations;
        home->operations = operation->next;
        free(operation);
    }
}

size_t home_operation_count(const struct home *home)
{
    size_t count = 0;
    for (const struct operation *operation = home->operations; operation; operation = operation->next)
        count++;
    return count;
}

static struct operation *find(const struct home *home, const struct tp__session_operation *key)
{
    struct operation *operation = home->operations;
    while (operation && (operation->key.task != key->task || operation->key.dispatch != key->dispatch ||
                         operation->key.operation != key->operation))
        operation = operation->next;
    return operation;
}

static void end(struct operation *operation)
{
    struct home *home = operation->home;
    struct operation **link = &home->operations;
    while (*link != operation)
        link = &(*link)->next;
    *link = operation->next;
    if (home->operations_tail == &operation->next)
        home->operations_tail = link;
    free(operation);
}

/* ---- messages ---- */

static void append(struct channel *channel, struct note *note)
{
    note->next = NULL;
    if (channel->tail)
        channel->tail->next = note;
    else
        channel->head = note;
    channel->tail = note;
    channel->count++;
}

static struct note *take_first(struct channel *channel)
{
    struct note *note = channel->head;
    channel->head = note->next;
    if (!channel->head)
        channel->tail = NULL;
    channel->count--;
    return note;
}

static void put_back(struct home *home, struct note *note)
{
    struct channel *channel = &home->channels[note->channel];
    world_trace(world_of(home), "message %u goes back to its channel", note->number);
    note->state = NOTE_QUEUED;
    note->returned = true;
    note->next = channel->head;
    channel->head = note;
    if (!channel->tail)
        channel->tail = note;
    channel->count++;
}

/* ---- replies ---- */

static void put_body(const struct operation *operation, struct tp__buffer *body)
{
    uint8_t bytes[13 + NOTE_BYTES];
    uint8_t *to = tp__put_u32(bytes, operation->status);
    to = tp__put_u32(to, operation->chosen);
    to = tp__put_u32(tp__put_u8(to, 7), NOTE_BYTES);
    if (operation->received) {
        note_put(world_of(operation->home)->ledger, operation->received, to);
        to += NOTE_BYTES;
    }
    if (!tp__buffer_append(body, bytes, (size_t)(to - bytes)))
        exit(2);
}

static void pump(struct home *home);

static void reply(struct operation *operation)
{
    struct home *home = operation->home;
    if (operation->state == OPERATION_DROPPED) {
        struct note *note = operation->received;
        end(operation);
        if (note) {
            put_back(home, note);
            pump(home);
        }
        return;
    }
    struct tp__buffer body = {0};
    put_body(operation, &body);
    const struct tp__session_operation key = operation->key;
    const bool took = operation->received != NULL;
    const bool sent = operation->status == TP_OK && !took;
    if (took)
        operation->state = OPERATION_TAKEN;
    else
        end(operation);
    tp__session_reply(home->driver->machine, &key, body.bytes, body.size, took, sent);
    tp__buffer_free(&body);
    host_touch(&home->driver->station.host, 0);
}

static void reply_later(struct world *world, void *object, uint64_t argument, bool live)
{
    (void)world;
    (void)argument;
    if (live)
        reply(object);
}

static void done(struct operation *operation, tp_status status, size_t chosen)
{
    struct world *world = world_of(operation->home);
    operation->state = OPERATION_DONE;
    operation->status = status;
    operation->chosen = (uint32_t)chosen;
    if (random_chance(&world->random, 500000))
        reply(operation);
    else
        world_after(world, random_between(&world->random, 0, 300), &operation->home->driver->station.host, reply_later,
                    operation, 0);
}

/* ---- performing ---- */

/* True if it is done. */
static bool attempt(struct operation *operation)
{
    struct home *home = operation->home;
    for (size_t i = 0; i < operation->case_count; i++) {
        struct channel *channel = &home->channels[operation->cases[i].channel];
        if (operation->cases[i].send && channel->closed) {
            done(operation, TP_E_CLOSED, i);
            return true;
        }
        if (operation->cases[i].send && (channel->capacity == 0 || channel->count < channel->capacity)) {
            note_accepted(world_of(home)->ledger, operation->cases[i].note);
            append(channel, operation->cases[i].note);
            done(operation, TP_OK, i);
            return true;
        }
        if (!operation->cases[i].send && channel->head) {
            operation->received = take_first(channel);
            operation->received->state = NOTE_HELD;
            done(operation, TP_OK, i);
            return true;
        }
        if (!operation->cases[i].send && channel->closed) {
            done(operation, TP_E_CLOSED, i);
            return true;
        }
    }
    if (operation->wait)
        return false;
    done(operation, operation->cases[0].send ? TP_E_FULL : TP_E_EMPTY, 0);
    return true;
}

/* Whatever has become possible. From the start after each: a reply may have ended others. */
static void pump(struct home *home)
{
    struct operation *operation = home->operations;
    while (operation) {
        if (operation->state == OPERATION_WAITING && attempt(operation))
            operation = home->operations;
        else
            operation = operation->next;
    }
}

/* ---- the session's actions ---- */

static bool read_case(struct home *home, struct operation *operation, struct tp__reader *reader, bool send,
                      bool counted, size_t at, bool *wait)
{
    const uint8_t *name = tp__get_bytes(reader, 3);
    if (!name || name[0] != 2 || name[1] != 'c' || name[2] < '0' || name[2] >= '0' + CHANNELS)
        return false;
    if (wait)
        *wait = tp__get_u8(reader) != 0;
    (void)tp__get_bytes(reader, 5);
    operation->cases[at].send = send;
    operation->cases[at].channel = (uint8_t)(name[2] - '0');
    if (!send)
        return reader->ok;
    const size_t size = counted ? tp__get_u32(reader) : tp__reader_left(reader);
    const uint8_t *note = tp__get_bytes(reader, size);
    if (!reader->ok || size != NOTE_BYTES)
        return false;
    operation->cases[at].note = note_read(world_of(home)->ledger, note, size);
    return true;
}

static bool read_body(struct home *home, struct operation *operation, const uint8_t *body, size_t size)
{
    struct tp__reader reader = tp__reader_of(body, size);
    const uint8_t action = tp__get_u8(&reader);
    operation->case_count = 1;
    if (action == TP__CHANNEL_SEND || action == TP__CHANNEL_RECEIVE)
        return read_case(home, operation, &reader, action == TP__CHANNEL_SEND, false, 0, &operation->wait);
    if (action != TP__CHANNEL_SELECT)
        return false;
    operation->wait = tp__get_u8(&reader) != 0;
    operation->case_count = tp__get_u8(&reader);
    if (operation->case_count != 2)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const bool send = tp__get_u8(&reader) != 0;
        if (!read_case(home, operation, &reader, send, true, i, NULL))
            return false;
    }
    return true;
}

void home_operation(struct home *home, const struct tp__session_operation *key, const uint8_t *body, size_t size)
{
    world_check(world_of(home), !find(home, key), "an operation is asked for twice");
    struct operation *operation = world_alloc(sizeof *operation);
    operation->home = home;
    operation->key = *key;
    *home->operations_tail = operation;
    home->operations_tail = &operation->next;
    if (!read_body(home, operation, body, size)) {
        operation->case_count = 0;
        done(operation, TP_E_DECODE, 0);
        return;
    }
    if (attempt(operation))
        pump(home);
}

void home_withdraw(struct home *home, const struct tp__session_operation *key)
{
    struct operation *operation = find(home, key);
    if (operation && operation->state == OPERATION_WAITING)
        done(operation, TP_E_TIMEOUT, 0);
}

void home_confirmed(struct home *home, const struct tp__session_operation *key)
{
    struct world *world = world_of(home);
    struct operation *operation = find(home, key);
    world_check(world, operation && operation->state == OPERATION_TAKEN,
                "a message is confirmed that nobody has received");
    struct note *note = operation->received;
    struct work *work = driver_work(home->driver, key->task);
    world_trace(world, "message %u is confirmed by %llu.%u", note->number, (unsigned long long)key->task,
                key->dispatch);
    world_check(world, note->state == NOTE_HELD && work, "message %u is taken twice", note->number);
    note->state = NOTE_GONE;
    note->taker = work;
    note->taker_dispatch = key->dispatch;
    end(operation);
}

bool home_dropped(struct home *home, const struct tp__session_operation *key)
{
    struct operation *operation = find(home, key);
    if (!operation)
        return false;
    if (operation->state == OPERATION_DONE) {
        operation->state = OPERATION_DROPPED;
        return operation->status == TP_OK && !operation->received;
    }
    struct note *note = operation->state == OPERATION_TAKEN ? operation->received : NULL;
    end(operation);
    if (note) {
        put_back(home, note);
        pump(home);
    }
    return false;
}

/* ---- the driver's own program ---- */

void home_send(struct home *home, uint8_t channel)
{
    struct channel *to = &home->channels[channel];
    if (to->closed || (to->capacity > 0 && to->count >= to->capacity))
        return;
    struct note *note = note_new(world_of(home)->ledger, NULL, 0, channel, 0, home->order[channel]++);
    note->driver = home->driver;
    note_accepted(world_of(home)->ledger, note);
    append(to, note);
    pump(home);
}

void home_take(struct home *home, uint8_t channel)
{
    struct channel *from = &home->channels[channel];
    if (!from->head)
        return;
    struct note *note = take_first(from);
    note->state = NOTE_GONE;
    pump(home);
}

void home_close(struct home *home, uint8_t channel)
{
    home->channels[channel].closed = true;
    pump(home);
}
