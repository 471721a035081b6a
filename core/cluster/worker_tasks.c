/* SPDX-License-Identifier: MIT */
/* The tasks that are here. Design notes: an entry is in the table from the task's arrival until `ended`, which is
 * called on the thread that ran it, or here for one that never ran. Its fate says what is reported then. */
#include "base/alloc.h"
#include "base/error.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "closure/program.h"
#include "cluster/worker.h"
#include "cluster/worker_output.h"
#include "runtime/pool.h"
#include "runtime/raise.h"

#include <stdio.h>
#include <string.h>
#include <taskpool/green.h>

enum { BUCKETS_FIRST = 1024, GIVE_BACK_LIMIT = 4096 };

pthread_mutex_t tp__worker_lock = PTHREAD_MUTEX_INITIALIZER;

static struct {
    struct tp__work **buckets;
    size_t bucket_count; /* a power of 2 */
    size_t count;
    struct tp__work *newest;
} table;

static size_t bucket_of(uint64_t task, size_t bucket_count)
{
    return (size_t)(task * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (bucket_count - 1);
}

struct tp__work *tp__worker_find(uint64_t task, uint32_t dispatch)
{
    if (table.bucket_count == 0)
        return NULL;
    struct tp__work *work = table.buckets[bucket_of(task, table.bucket_count)];
    while (work && (work->foreign.identity.sequence != task || work->foreign.identity.dispatch != dispatch))
        work = work->next;
    return work;
}

size_t tp__worker_task_count(void)
{
    pthread_mutex_lock(&tp__worker_lock);
    const size_t count = table.count;
    pthread_mutex_unlock(&tp__worker_lock);
    return count;
}

/* Lock held. False only without any table. */
static bool make_room(void)
{
    if (table.count < table.bucket_count)
        return true;
    const size_t count = table.bucket_count > 0 ? 2 * table.bucket_count : BUCKETS_FIRST;
    struct tp__work **buckets = tp__alloc_zeroed(count, sizeof(struct tp__work *));
    if (!buckets)
        return table.bucket_count > 0;
    for (size_t i = 0; i < table.bucket_count; i++) {
        struct tp__work *work = table.buckets[i];
        while (work) {
            struct tp__work *next = work->next;
            struct tp__work **bucket = &buckets[bucket_of(work->foreign.identity.sequence, count)];
            work->next = *bucket;
            *bucket = work;
            work = next;
        }
    }
    tp__free(table.buckets);
    table.buckets = buckets;
    table.bucket_count = count;
    return true;
}

static bool enter(struct tp__work *work)
{
    pthread_mutex_lock(&tp__worker_lock);
    const bool has_room = make_room();
    if (has_room) {
        struct tp__work **bucket = &table.buckets[bucket_of(work->foreign.identity.sequence, table.bucket_count)];
        work->next = *bucket;
        *bucket = work;
        work->older = table.newest;
        if (table.newest)
            table.newest->newer = work;
        table.newest = work;
        table.count++;
    }
    pthread_mutex_unlock(&tp__worker_lock);
    return has_room;
}

/* Takes it out, with its children. */
static struct tp__child *leave(struct tp__work *work)
{
    pthread_mutex_lock(&tp__worker_lock);
    struct tp__work **link = &table.buckets[bucket_of(work->foreign.identity.sequence, table.bucket_count)];
    while (*link != work)
        link = &(*link)->next;
    *link = work->next;
    if (work->newer)
        work->newer->older = work->older;
    else
        table.newest = work->older;
    if (work->older)
        work->older->newer = work->newer;
    table.count--;
    struct tp__child *children = work->children;
    tp__uplink_take_out(children);
    const bool is_last = table.count == 0;
    pthread_mutex_unlock(&tp__worker_lock);
    /* relaxed: the first thread has seen it before it takes the lock to count the tasks, or looks again */
    if (is_last)
        tp__worker_exchange_no_task_left();
    return children;
}

/* ---- reports ---- */

static bool put_error(struct tp__buffer *body, const tp_error *error, const char *task)
{
    uint8_t head[8];
    tp__put_u32(tp__put_u32(head, (uint32_t)error->status), (uint32_t)(error->worker + 1));
    const char *name = error->task[0] ? error->task : task;
    const bool is_from_here = !error->task[0] || strcmp(error->node, "local") == 0;
    return tp__buffer_append(body, head, sizeof head) && tp__put_text(body, error->message, strlen(error->message)) &&
           tp__put_text(body, name, strlen(name)) && tp__put_text(body, error->backtrace, strlen(error->backtrace)) &&
           (is_from_here || tp__put_text(body, error->node, strlen(error->node)));
}

static void report_failure(const struct tp__work *work, const tp_error *error, const char *task)
{
    const struct tp__foreign_identity *identity = &work->foreign.identity;
    struct tp__buffer body = {.bytes = NULL};
    if (!put_error(&body, error, task))
        tp__worker_die("out of memory for the error of task '%s'", task);
    tp__worker_send(TP__RECORD_FAILURE, identity->sequence, identity->dispatch, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

static void report_result(const struct tp__work *work, struct tp_promise *promise)
{
    const tp_task_definition *task = promise->definition;
    const struct tp__foreign_identity *identity = &work->foreign.identity;
    struct tp__encoded value;
    if (tp__value_encode(task->result_kind, task->result_size, tp__promise_result(promise), &value) != TP_OK) {
        struct tp__error_record *error = tp__result_error(task);
        report_failure(work, tp__error_view(error), task->name);
        tp__error_release(error);
        return;
    }
    tp__worker_send(TP__RECORD_RESULT, identity->sequence, identity->dispatch, 0, value.bytes, value.size);
    tp__encoded_free(&value);
}

static void report_returned(uint64_t task, uint32_t dispatch, enum tp__returned why, const char *reason)
{
    struct tp__buffer body = {.bytes = NULL};
    const uint8_t byte = (uint8_t)why;
    if (!tp__buffer_append(&body, &byte, 1) || !tp__put_text(&body, reason, strlen(reason)))
        tp__worker_die("out of memory");
    tp__worker_send(TP__RECORD_RETURNED, task, dispatch, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

/* What may not start goes back, like what is recalled. */
static bool started(struct tp__foreign_task *task, int worker)
{
    struct tp__worker_memory *memory = tp__worker_process.memory;
    if (tp__worker_may_start(memory)) {
        tp__worker_task_started(memory, &memory->slots[worker], task->identity.sequence);
        return true;
    }
    pthread_mutex_lock(&tp__worker_lock);
    ((struct tp__work *)(void *)task)->fate = TP__FATE_RETURNED;
    pthread_mutex_unlock(&tp__worker_lock);
    return false;
}

static void ended(struct tp__foreign_task *task, struct tp_promise *promise, const struct tp__error_record *error)
{
    struct tp__work *work = (struct tp__work *)(void *)task;
    const struct tp__foreign_identity identity = task->identity;
    struct tp__child *children = leave(work); /* from here on its fate stays as it is */
    if (work->fate != TP__FATE_RETURNED) {
        tp__worker_end_output(identity);
        if (work->fate == TP__FATE_CANCELLED) /* else when its result has been written: worker_exchange.c */
            tp__worker_task_ended(tp__worker_process.memory, identity.sequence);
    }
    if (work->fate == TP__FATE_RETURNED)
        report_returned(identity.sequence, identity.dispatch, TP__RETURNED_RECALLED, "");
    else if (work->fate == TP__FATE_REPORT && error)
        report_failure(work, tp__error_view(error), promise->definition->name);
    else if (work->fate == TP__FATE_REPORT)
        report_result(work, promise);
    tp__uplink_orphan(children);
    tp__uplink_orphan_operations(identity.sequence, identity.dispatch);
    tp_promise_release(work->promise);
    tp__free(work);
}

/* ---- arrival ---- */

static void refuse(const struct tp__record *record)
{
    report_returned(record->task, record->dispatch, TP__RETURNED_UNREADABLE, tp_last_error()->message);
}

static struct tp_promise *decode(const uint8_t *bytes, size_t size)
{
    const tp_task_definition *definition;
    void *captures;
    struct tp__channels *channels = tp__worker_process.executor->channels;
    if (tp__closure_decode(bytes, size, channels, &definition, &captures) != TP_OK)
        return NULL;
    struct tp_promise *promise = tp__promise_new(definition);
    if (!promise) {
        tp__captures_drop(definition, captures);
        tp__free(captures);
        return NULL;
    }
    if (captures)
        memcpy(promise->payload, captures, definition->captures_size);
    tp__free(captures);
    return promise;
}

void tp__worker_task(const struct tp__record *record)
{
    struct tp__reader reader = tp__reader_of(record->body, record->size);
    (void)tp__get_u32(&reader); /* flags */
    (void)tp__get_u32(&reader); /* depth */
    const uint32_t worker = tp__get_u32(&reader);
    const uint32_t stack_kib = tp__get_u32(&reader);
    if (!reader.ok)
        tp__worker_die("a task record of %u bytes is too short", record->size);
    struct tp_promise *promise = decode(reader.at, tp__reader_left(&reader));
    if (!promise) {
        refuse(record);
        return;
    }
    struct tp__work *work = tp__alloc_zeroed(1, sizeof *work);
    if (!work)
        tp__worker_die("out of memory for a task");
    work->foreign = (struct tp__foreign_task){
        .identity = {.sequence = record->task, .dispatch = record->dispatch}, .started = started, .ended = ended};
    (void)tp__program_index(promise->definition, &work->foreign.identity.index);
    work->promise = promise;
    const tp_task_options options = {.stack_bytes = (size_t)stack_kib << 10};
    if (!tp__foreign_attach(promise, &work->foreign) || !enter(work))
        tp__worker_die("out of memory for a task");
    const int bound = worker > 0 && worker <= tp__worker_process.executor->worker_count ? (int)worker - 1 : -1;
    /* Kept by one more reference: a failed submit discards the task, which is reported by who made it. */
    if (!tp__pool_submit(tp__worker_process.pool, promise, stack_kib > 0 ? &options : NULL, bound))
        tp__worker_die("task '%s' cannot be queued: %s", promise->definition->name, tp_last_error()->message);
}

/* ---- ends before the start ---- */

/* Claims a task that has not started: true if it is the caller's to end. Its entry in a queue stays behind. */
static bool claim(struct tp_promise *promise)
{
    atomic_fetch_add_explicit(&promise->references, 1, memory_order_relaxed);
    if (tp__promise_claim(promise)) {
        /* No loop runs it: who cancels it now sends nobody a message. */
        atomic_store_explicit(&promise->loop_id, TP__NO_LOOP, memory_order_release);
        return true;
    }
    atomic_fetch_sub_explicit(&promise->references, 1, memory_order_relaxed);
    return false;
}

/* Ends one that was claimed: calls `ended`. */
static void resolve(struct tp_promise *promise, tp_status status)
{
    if (!promise->definition->plain)
        tp__captures_drop(promise->definition, promise->payload);
    (void)tp__promise_resolve(promise, tp__error_new(status, NULL, "it did not start"), NULL);
}

void tp__worker_cancel(uint64_t task, uint32_t dispatch)
{
    pthread_mutex_lock(&tp__worker_lock);
    struct tp__work *work = tp__worker_find(task, dispatch);
    struct tp_promise *promise = work ? tp_promise_retain(work->promise) : NULL;
    bool is_unstarted = false;
    if (work && work->fate == TP__FATE_REPORT) {
        is_unstarted = claim(promise);
        work->fate = is_unstarted ? TP__FATE_RETURNED : TP__FATE_CANCELLED;
    }
    pthread_mutex_unlock(&tp__worker_lock);
    if (!promise)
        return;
    if (is_unstarted)
        resolve(promise, TP_E_CANCELLED);
    else
        (void)tp_cancel(promise);
    tp_promise_release(promise);
}

void tp__worker_give_back(uint32_t count)
{
    struct tp_promise *claimed[GIVE_BACK_LIMIT];
    size_t found = 0;
    pthread_mutex_lock(&tp__worker_lock);
    for (struct tp__work *work = table.newest; work && found < count && found < GIVE_BACK_LIMIT; work = work->older) {
        if (work->fate == TP__FATE_REPORT && claim(work->promise)) {
            work->fate = TP__FATE_RETURNED;
            claimed[found++] = tp_promise_retain(work->promise);
        }
    }
    pthread_mutex_unlock(&tp__worker_lock);
    for (size_t i = 0; i < found; i++) {
        resolve(claimed[i], TP_E_CANCELLED);
        tp_promise_release(claimed[i]);
    }
}
