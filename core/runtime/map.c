/* SPDX-License-Identifier: MIT */
#include "base/alloc.h"
#include "base/context.h"
#include "closure/payload.h"
#include "runtime/pool.h"

#include <string.h>

enum { PROGRESS_STEPS = 100 };

/* One call of tp_map. */
struct map {
    tp_pool *pool;
    const tp_task_definition *task;
    const tp_map_options *options;
    const unsigned char *in;
    unsigned char *out;
    size_t count;
    tp_promise **promises; /* those submitted and not yet awaited; NULL after */
    unsigned char *captures;
    size_t awaited; /* the first so many have their status */
};

static tp_status submit_all(struct map *map, size_t *submitted)
{
    const tp_task_definition *task = map->task;
    const tp_parameter *element = &task->parameters[0];
    const size_t workers = tp__executor_size(map->pool->executor); /* frozen: in a cluster nodes come and go */
    const bool strict = map->pool->executor->strict;
    const tp_task_options *options = map->options ? &map->options->task : NULL;
    *submitted = 0;
    if (strict && workers == 0)
        return tp__fail(TP_E_NODE_LOST, "tp_map: strict placement needs workers, and no node is there now");
    for (*submitted = 0; *submitted < map->count; ++*submitted) {
        const size_t i = *submitted;
        memcpy(map->captures + element->offset, map->in + i * element->size, element->size);
        struct tp_promise *promise = tp__pool_make_task(map->pool, task, map->captures);
        if (promise)
            promise = tp__pool_submit(map->pool, promise, options, strict ? (int)(i % workers) : -1);
        if (!promise)
            return tp_last_error()->status;
        map->promises[i] = promise;
    }
    return TP_OK;
}

static void report(const struct map *map, size_t resolved)
{
    const size_t step = map->count / PROGRESS_STEPS + 1;
    if (map->options && map->options->progress && (resolved == map->count || resolved % step == 0))
        map->options->progress(resolved, map->count, map->options->progress_argument);
}

/* Awaits all in order. `*first` is the index of the first element that failed, `count` if none did. Returns an error of
 * the waiting itself. */
static tp_status await_all(struct map *map, size_t *first)
{
    const tp_task_definition *task = map->task;
    *first = map->count;
    for (size_t i = 0; i < map->count; i++) {
        void *out = map->out ? map->out + i * task->result_size : NULL;
        const tp_status status = tp__await(map->promises[i], out, task->result_kind, task->result_size, TP_FOREVER);
        if (!tp_promise_ready(map->promises[i]))
            return status;
        if (map->options && map->options->statuses)
            map->options->statuses[i] = status;
        if (status != TP_OK && *first == map->count) {
            *first = i;
        } else {
            tp_promise_release(map->promises[i]);
            map->promises[i] = NULL;
        }
        map->awaited = i + 1;
        report(map, i + 1);
    }
    return TP_OK;
}

static void cancel_rest(struct map *map, size_t submitted)
{
    for (size_t i = 0; i < submitted; i++) {
        if (map->promises[i]) {
            (void)tp_cancel(map->promises[i]); /* what cannot be cancelled for want of memory runs to its end */
            tp_promise_release(map->promises[i]);
        }
    }
}

/* The map failed as a whole: so did each element that has no status of its own yet. */
static void fill_statuses(const struct map *map, tp_status status)
{
    for (size_t i = 0; i < map->count && map->options && map->options->statuses; i++)
        if (i >= map->awaited)
            map->options->statuses[i] = status;
}

static void clear_results(const struct map *map)
{
    if (map->out)
        memset(map->out, 0, map->count * map->task->result_size);
}

static tp_status run(struct map *map)
{
    size_t submitted;
    tp_status status = submit_all(map, &submitted);
    clear_results(map); /* now that all elements are copied: they may lie there */
    size_t first = map->count;
    if (status == TP_OK)
        status = await_all(map, &first);
    if (status != TP_OK) {
        struct tp__error_record *error = tp__error_retain(tp__context_current()->error);
        cancel_rest(map, submitted);
        fill_statuses(map, status);
        if (error)
            tp__error_set(error);
        tp__error_release(error);
        return status;
    }
    if (first < map->count) { /* its error becomes the last error, whatever failed after it */
        status = tp__await(map->promises[first], NULL, TP_KIND_VOID, 0, TP_FOREVER);
        tp_promise_release(map->promises[first]);
    }
    return status;
}

/* Nothing of it was submitted. */
static void fail(struct map *map, tp_status status)
{
    clear_results(map);
    fill_statuses(map, status);
}

tp_status tp__map(tp_pool *pool, const tp_task_definition *task, const void *captures, const void *in, void *out,
                  size_t count, const tp_map_options *options)
{
    const tp_status usable = tp__pool_check("tp_map", pool);
    if (usable != TP_OK)
        return usable;
    if (count == 0)
        return TP_OK;
    if (!in)
        return tp__fail(TP_E_ARGUMENT, "tp_map: there are %zu elements, and no array of them", count);
    if (count > SIZE_MAX / sizeof(tp_promise *))
        return tp__fail(TP_E_ARGUMENT, "tp_map: %zu elements cannot be", count);
    struct map map = {.pool = pool, .task = task, .options = options, .in = in, .out = out, .count = count};
    map.promises = tp__alloc_zeroed(count, sizeof(tp_promise *));
    map.captures = tp__alloc(task->captures_size);
    tp_status status;
    if (map.promises && map.captures) {
        /* Copied once, so that a task an element takes references and no more memory. */
        status = tp__captures_copy_rest(task, map.captures, captures);
        if (status == TP_OK) {
            status = run(&map);
            memset(map.captures + task->parameters[0].offset, 0,
                   task->parameters[0].size); /* the last one: `in` has it */
            tp__captures_drop(task, map.captures);
        } else {
            fail(&map, status);
        }
    } else {
        status = tp__fail_nomem("the tasks of a map");
        fail(&map, status);
    }
    tp__free(map.promises);
    tp__free(map.captures);
    return status;
}
