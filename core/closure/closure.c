/* SPDX-License-Identifier: MIT */
#include "closure/closure.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/codec.h"
#include "closure/payload.h"
#include "closure/tree.h"

#include <string.h>

const tp_task_definition *tp__closure_task(tp_closure closure)
{
    return closure.closure ? closure.closure->task : NULL;
}

const void *tp__closure_captures(tp_closure closure)
{
    return closure.closure ? closure.closure->captures : NULL;
}

bool tp__closure_takes_argument(tp_closure closure)
{
    return closure.closure && closure.closure->takes_argument;
}

struct tp__closure *tp__closure_new(const tp_task_definition *task, bool takes_argument)
{
    struct tp__closure *closure = tp__alloc_zeroed(1, sizeof *closure + task->captures_size);
    if (closure) {
        tp__block_init(&closure->block, TP__BLOCK_CLOSURE);
        closure->task = task;
        closure->takes_argument = takes_argument;
    }
    return closure;
}

static unsigned depth_of(tp_kind kind, const void *value)
{
    if (kind == TP_KIND_VALUE)
        return tp__tree_depth(*(const tp_value *)value);
    return kind == TP_KIND_CLOSURE ? tp__closure_block(((const tp_closure *)value)->closure)->depth : 0;
}

bool tp__closure_seal(struct tp__closure *closure)
{
    const tp_task_definition *task = closure->task;
    unsigned deepest = 0;
    for (size_t i = closure->takes_argument; i < task->parameter_count; i++) {
        const tp_parameter *parameter = &task->parameters[i];
        const unsigned depth = depth_of(parameter->kind, closure->captures + parameter->offset);
        deepest = depth > deepest ? depth : deepest;
    }
    if (deepest >= TP_VALUE_DEPTH_LIMIT)
        return false;
    closure->block.depth = (uint8_t)(deepest + 1);
    closure->encoded_size = 1 + tp__encoded_captures_size(task, closure->captures, closure->takes_argument);
    return true;
}

void tp__closure_fini(struct tp__closure *closure)
{
    tp__captures_drop(closure->task, closure->captures);
}

tp_closure tp__bind(const tp_task_definition *task, const void *captures, int given)
{
    const tp_closure none = {NULL};
    if (!task || (task->captures_size > 0 && !captures) || given < 0 || given > task->parameter_count ||
        given < task->parameter_count - 1) {
        tp__fail(TP_E_ARGUMENT, "tp_bind: takes a task and all of its captures, or all but the first");
        return none;
    }
    if (task->local) {
        tp__fail(TP_E_ARGUMENT, "tp_bind: '%s' is a TP_LOCAL_TASK, which only tp_async can run", task->name);
        return none;
    }
    const bool takes_argument = given < task->parameter_count;
    struct tp__closure *closure = tp__closure_new(task, takes_argument);
    if (!closure) {
        tp__fail_nomem("a closure");
        return none;
    }
    const tp_status status = takes_argument ? tp__captures_copy_rest(task, closure->captures, captures)
                                            : tp__captures_copy(task, closure->captures, captures);
    if (status != TP_OK) {
        tp__free(closure);
        return none;
    }
    if (!tp__closure_seal(closure)) {
        tp__block_release(&closure->block);
        tp__fail(TP_E_LIMIT, "tp_bind: the captures of '%s' nest %d deep, which leaves no level for the closure",
                 task->name, TP_VALUE_DEPTH_LIMIT);
        return none;
    }
    return tp__owned_give_block(&closure->block) == TP_OK ? (tp_closure){closure} : none;
}

tp_closure tp_closure_retain(tp_closure closure)
{
    if (!closure.closure)
        return closure;
    tp__block_retain(&closure.closure->block);
    return tp__owned_give_block(&closure.closure->block) == TP_OK ? closure : (tp_closure){NULL};
}

void tp_closure_release(tp_closure closure)
{
    if (closure.closure)
        tp__owned_take_back_block(&closure.closure->block);
}

static tp_status check_call(const struct tp__closure *closure, const void *argument, tp_kind kind, size_t size,
                            const void *out, tp_kind out_kind, size_t out_size)
{
    if (!closure)
        return tp__fail(TP_E_ARGUMENT, "tp_call: this is no closure (a tp_bind that failed?)");
    const tp_task_definition *task = closure->task;
    if (closure->takes_argument && !argument)
        return tp__fail(TP_E_ARGUMENT, "tp_call: the closure of '%s' takes an argument, its parameter '%s'", task->name,
                        task->parameters[0].name);
    if (!closure->takes_argument && argument)
        return tp__fail(TP_E_ARGUMENT, "tp_call: the closure of '%s' takes no argument", task->name);
    if (argument && !tp__value_converts(task->parameters[0].kind, task->parameters[0].size, kind, size))
        return tp__fail(TP_E_TYPE, "tp_call: the argument does not fit parameter '%s' of '%s', which is %s",
                        task->parameters[0].name, task->name, task->parameters[0].type_name);
    if (out && (task->result_kind != out_kind || task->result_size != out_size))
        return tp__fail(TP_E_TYPE, "tp_call: the result of '%s' has another type than the variable for it", task->name);
    return TP_OK;
}

/* Memory of the current scope: also freed if the task raises an error. NULL with the error stored. */
static void *scope_memory(size_t size)
{
    char *memory;
    struct tp__block *block = tp__block_new_data(size, &memory);
    if (!block) {
        tp__fail_nomem("the captures of a closure's call");
        return NULL;
    }
    return tp__owned_give_block(block) == TP_OK ? memory : NULL;
}

/* The captures with the argument in its place, for this call only. */
static tp_status with_argument(const struct tp__closure *closure, const void *argument, tp_kind kind, size_t size,
                               const void **captures)
{
    const tp_task_definition *task = closure->task;
    const tp_parameter *first = &task->parameters[0];
    char *own = scope_memory(task->captures_size);
    if (!own)
        return TP_E_NOMEM;
    memcpy(own, closure->captures, task->captures_size);
    void *field = own + first->offset;
    if (first->kind != kind || first->size != size) {
        tp__value_convert(first->kind, first->size, field, kind, size, argument);
    } else {
        tp_status status = tp__value_copy(kind, size, field, argument);
        if (status == TP_OK)
            status = tp__value_give(kind, size, field);
        if (status != TP_OK)
            return status;
    }
    *captures = own;
    return TP_OK;
}

/* Runs the task in a scope that is open: what it makes is freed with the scope, its result is copied out. */
static tp_status run(const struct tp__closure *closure, const void *argument, tp_kind kind, size_t size, void *result)
{
    const tp_task_definition *task = closure->task;
    const void *captures = closure->captures;
    if (argument) {
        const tp_status status = with_argument(closure, argument, kind, size, &captures);
        if (status != TP_OK)
            return status;
    }
    task->call(captures, result);
    return tp__value_copy(task->result_kind, task->result_size, result, result);
}

tp_status tp__call(tp_closure closure, const void *argument, tp_kind kind, size_t size, void *out, tp_kind out_kind,
                   size_t out_size)
{
    if (out)
        memset(out, 0, out_size);
    tp_status status = check_call(closure.closure, argument, kind, size, out, out_kind, out_size);
    if (status != TP_OK)
        return status;
    status = tp__owned_scope_open();
    if (status != TP_OK)
        return status;
    const tp_task_definition *task = closure.closure->task;
    void *result = out || task->result_size == 0 ? out : scope_memory(task->result_size);
    status = result || task->result_size == 0 ? run(closure.closure, argument, kind, size, result) : TP_E_NOMEM;
    if (status == TP_OK && !out)
        tp__value_drop(task->result_kind, task->result_size, result);
    tp__owned_scope_close();
    if (status == TP_OK && out)
        status = tp__value_give(out_kind, out_size, out);
    if (status != TP_OK && out)
        memset(out, 0, out_size);
    return status;
}
