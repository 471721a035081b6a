/* SPDX-License-Identifier: MIT */
#include "runtime/remote.h"

#include "base/error.h"
#include "closure/codec.h"
#include "runtime/executor.h"

#include <stdio.h>

tp__remote_opener *tp__remote_open;

static atomic_int workers_elsewhere; /* executors that have children */

size_t tp__executor_size(const struct tp__executor *executor)
{
    return executor->remote ? executor->remote->class->size(executor->remote) : executor->worker_count;
}

void tp__executor_set_children(struct tp__executor *executor, struct tp__executor *children)
{
    const int change = (children != NULL) - (executor->children != NULL);
    executor->children = children;
    atomic_fetch_add_explicit(&workers_elsewhere, change, memory_order_relaxed);
}

bool tp__process_is_worker(void)
{
    return atomic_load_explicit(&workers_elsewhere, memory_order_relaxed) > 0;
}

void tp__executor_set_first_worker(struct tp__executor *executor, uint32_t first)
{
    for (size_t i = 0; i < executor->worker_count; i++)
        atomic_store_explicit(&executor->workers[i].number, (int)(first + i), memory_order_relaxed);
}

/* The error to reject the task with, NULL if its result is where it belongs now. */
static struct tp__error_record *decode(struct tp_promise *task, const uint8_t *value, size_t size)
{
    const tp_task_definition *definition = task->definition;
    const tp_status status =
        tp__value_decode(value, size, tp__tally_executor(task->tally)->channels, definition->result_kind,
                         definition->result_size, tp__promise_result(task));
    if (status == TP_OK)
        return NULL;
    char message[256];
    snprintf(message, sizeof message, "the result of task '%.90s' cannot be decoded: %.120s", definition->name,
             tp_last_error()->message);
    const struct tp__origin origin = {.task = definition->name, .node = "", .worker = -1};
    return tp__error_new(status, &origin, message);
}

void tp__remote_resolve(struct tp_promise *task, const uint8_t *value, size_t size, struct tp__error_record *error)
{
    /* Claimed like a task that is about to run: who cancels it in this moment sends a message to a loop that is not
     * there. */
    atomic_store_explicit(&task->loop_id, TP__NO_LOOP, memory_order_relaxed);
    if (!tp__promise_claim(task)) {
        tp__error_release(error);
        tp_promise_release(task);
        return;
    }
    task->fiber = NULL;
    tp__promise_resolve(task, error ? error : decode(task, value, size), NULL);
}
