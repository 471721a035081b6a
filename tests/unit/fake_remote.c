/* SPDX-License-Identifier: MIT */
#include "unit/fake_remote.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/block.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "runtime/executor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake *fake_opened;
size_t fake_freed;

static struct fake *fake_of(struct tp__remote *remote)
{
    return (struct fake *)(void *)remote;
}

static bool submit(struct tp__remote *remote, struct tp_promise *promise, const tp_task_options *options, int worker)
{
    struct fake *fake = fake_of(remote);
    struct tp__encoded encoded;
    if (tp__closure_encode(promise->definition, promise->payload, &encoded) != TP_OK)
        return false;
    struct fake_task *task = calloc(1, sizeof *task);
    *task = (struct fake_task){
        .promise = promise, .bytes = encoded.bytes, .size = encoded.size, .options = *options, .worker = worker};
    pthread_mutex_lock(&fake->lock);
    if (fake->refuses) {
        pthread_mutex_unlock(&fake->lock);
        fake_task_free(task);
        tp__fail(TP_E_FULL, "the fake is full");
        return false;
    }
    fake->parked++;
    pthread_cond_broadcast(&fake->changed);
    while (fake->limit > 0 && fake->queued >= fake->limit)
        pthread_cond_wait(&fake->changed, &fake->lock);
    fake->parked--;
    *fake->last = task;
    fake->last = &task->next;
    fake->queued++;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    return true;
}

static struct fake_task *take_out(struct fake *fake, struct fake_task **link)
{
    struct fake_task *task = *link;
    *link = task->next;
    if (!task->next)
        fake->last = link;
    fake->queued--;
    pthread_cond_broadcast(&fake->changed);
    return task;
}

static void stopped(struct tp__remote *remote, struct tp_promise *promise)
{
    struct fake *fake = fake_of(remote);
    struct fake_task *found = NULL;
    pthread_mutex_lock(&fake->lock);
    fake->stopped++;
    for (struct fake_task **link = &fake->first; *link && !found; link = &(*link)->next)
        if ((*link)->promise == promise) {
            found = take_out(fake, link);
            break;
        }
    pthread_mutex_unlock(&fake->lock);
    if (!found)
        return; /* whoever took it finds out when it resolves the task */
    tp_promise_release(promise);
    fake_task_free(found);
}

static size_t size(struct tp__remote *remote)
{
    struct fake *fake = fake_of(remote);
    pthread_mutex_lock(&fake->lock);
    const size_t workers = fake->workers;
    pthread_mutex_unlock(&fake->lock);
    return workers;
}

static void close_fake(struct tp__remote *remote)
{
    struct fake *fake = fake_of(remote);
    pthread_mutex_lock(&fake->lock);
    fake->closed++;
    fake->is_ending = true;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    if (fake->has_thread)
        pthread_join(fake->thread, NULL);
}

static void free_fake(struct tp__remote *remote)
{
    struct fake *fake = fake_of(remote);
    if (fake->closed != 1 || fake->first)
        abort();
    pthread_mutex_destroy(&fake->lock);
    pthread_cond_destroy(&fake->changed);
    free((void *)(uintptr_t)fake->remote.class);
    free(fake);
    fake_freed++;
}

struct fake *fake_new(const tp_pool_options *options, const struct tp__remote_class *channels)
{
    struct fake *fake = calloc(1, sizeof *fake);
    struct tp__remote_class *class = calloc(1, sizeof *class);
    if (channels)
        *class = *channels;
    class->submit = submit;
    class->stopped = stopped;
    class->size = size;
    class->close = close_fake;
    class->free = free_fake;
    fake->remote.class = class;
    fake->options = *options;
    fake->last = &fake->first;
    fake->workers = 2;
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    fake->executor = tp__executor_start_remote(&fake->remote, options, channels && channels->operate);
    fake_opened = fake;
    return fake;
}

static struct tp__executor *open_fake(const char *host_and_port, const tp_pool_options *options)
{
    if (strncmp(host_and_port, "nobody:", 7) == 0) {
        tp__fail(TP_E_SYSTEM, "nobody is there");
        return NULL;
    }
    struct fake *fake = fake_new(options, NULL);
    snprintf(fake->address, sizeof fake->address, "%s", host_and_port);
    return fake->executor;
}

tp_pool *fake_pool_open(tp_pool_options options)
{
    tp__remote_open = open_fake;
    return tp_pool_open_with("tcp://fake:1", options);
}

void fake_set_workers(struct fake *fake, size_t workers)
{
    pthread_mutex_lock(&fake->lock);
    fake->workers = workers;
    pthread_mutex_unlock(&fake->lock);
}

struct fake_task *fake_take(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_task *task = fake->first ? take_out(fake, &fake->first) : NULL;
    pthread_mutex_unlock(&fake->lock);
    return task;
}

void fake_task_free(struct fake_task *task)
{
    tp__free(task->bytes);
    free(task);
}

void fake_run(struct fake *fake, struct fake_task *task)
{
    const tp_task_definition *definition;
    void *captures;
    if (tp__closure_decode(task->bytes, task->size, fake->executor->channels, &definition, &captures) != TP_OK)
        abort();
    _Alignas(16) unsigned char result[64] = {0};
    if (tp__owned_scope_open() != TP_OK) /* what it makes is freed with the scope, as with a task */
        abort();
    definition->call(captures, result);
    struct tp__encoded encoded;
    if (tp__value_encode(definition->result_kind, definition->result_size, result, &encoded) != TP_OK)
        abort();
    tp__owned_scope_close();
    if (captures)
        tp__captures_drop(definition, captures);
    tp__free(captures);
    tp__remote_resolve(task->promise, encoded.bytes, encoded.size, NULL);
    tp__encoded_free(&encoded);
    fake_task_free(task);
}

bool fake_step(struct fake *fake)
{
    struct fake_task *task = fake_take(fake);
    if (task)
        fake_run(fake, task);
    return task != NULL;
}

static void *run_always(void *argument)
{
    struct fake *fake = argument;
    pthread_mutex_lock(&fake->lock);
    while (!fake->is_ending) {
        if (!fake->first) {
            pthread_cond_wait(&fake->changed, &fake->lock);
            continue;
        }
        struct fake_task *task = take_out(fake, &fake->first);
        pthread_mutex_unlock(&fake->lock);
        fake_run(fake, task);
        pthread_mutex_lock(&fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
    return NULL;
}

void fake_run_always(struct fake *fake)
{
    fake->has_thread = pthread_create(&fake->thread, NULL, run_always, fake) == 0;
}

size_t fake_count_queued(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    const size_t count = fake->queued;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

size_t fake_count_stopped(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    const size_t count = fake->stopped;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

void fake_until_parked(struct fake *fake, size_t count)
{
    pthread_mutex_lock(&fake->lock);
    while (fake->parked != count)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}
