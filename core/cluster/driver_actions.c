/* SPDX-License-Identifier: MIT */
/* What the session wants of the world, all by who has its turn: promises are resolved, channels used, output printed,
 * chunks of the program read. */
#include "base/alloc.h"
#include "base/error.h"
#include "closure/program.h"
#include "cluster/driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void on_result(void *context, void *tag, const uint8_t *value, size_t size)
{
    (void)context;
    *tp__remote_place(tag) = NULL;
    tp__remote_resolve(tag, value, size, NULL);
}

static void on_failure(void *context, void *tag, const struct tp__session_error *error)
{
    (void)context;
    const struct tp__origin origin = {
        .task = error->task, .node = error->node, .worker = error->worker, .backtrace = error->backtrace};
    *tp__remote_place(tag) = NULL;
    tp__remote_resolve(tag, NULL, 0, tp__error_new(error->status, &origin, error->message));
}

static void on_workers(void *context, size_t count)
{
    struct tp__driver *driver = context;
    atomic_store_explicit(&driver->workers, count, memory_order_relaxed);
}

static const uint8_t *read_chunk(void *context, uint32_t index, size_t *size)
{
    struct tp__driver *driver = context;
    if (!driver->chunk)
        driver->chunk = tp__alloc(TP__CHUNK_BYTES);
    *size = driver->chunk ? tp__image_read(driver->image, index, driver->chunk) : 0;
    return *size > 0 ? driver->chunk : NULL;
}

static const char *task_name(void *context, uint32_t index)
{
    (void)context;
    const tp_task_definition *task = tp__program_task(index);
    return task ? task->name : "";
}

/* What tasks print appears here, each line marked with where it comes from. */
static void on_output(void *context, const char *node, const char *task, int descriptor, uint32_t dropped_bytes,
                      const uint8_t *bytes, size_t size)
{
    FILE *to = descriptor == STDOUT_FILENO ? stdout : stderr;
    const char *gap = task[0] ? " " : "";
    sigset_t signals;
    tp__driver_begin_output(context, &signals);
    flockfile(to);
    if (dropped_bytes > 0)
        fprintf(to, "[%s%s%s] (%u bytes of output were dropped here)\n", node, gap, task, dropped_bytes);
    while (size > 0) {
        const uint8_t *end = memchr(bytes, '\n', size);
        const size_t length = end ? (size_t)(end - bytes) : size;
        fprintf(to, "[%s%s%s] ", node, gap, task);
        (void)fwrite(bytes, 1, length, to);
        (void)fputc('\n', to);
        const size_t taken = end ? length + 1 : length;
        bytes += taken;
        size -= taken;
    }
    (void)fflush(to);
    funlockfile(to);
    tp__driver_end_output(&signals);
}

void tp__driver_say(struct tp__driver *driver, const char *format, ...)
{
    sigset_t signals;
    va_list arguments;
    va_start(arguments, format);
    tp__driver_begin_output(driver, &signals);
    flockfile(stderr);
    fputs("taskpool: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    tp__driver_end_output(&signals);
    va_end(arguments);
}

static void child_began(void *context, uint64_t sequence)
{
    struct tp__driver *driver = context;
    tp__operations_child_began(&driver->operations, driver->executor->tally, sequence);
}

static void child_ended(void *context, uint64_t sequence)
{
    struct tp__driver *driver = context;
    tp__operations_child_ended(&driver->operations, driver->executor->tally, sequence);
}

static void on_operation(void *context, const struct tp__session_operation *operation, const uint8_t *body, size_t size)
{
    struct tp__driver *driver = context;
    tp__operations_begin(&driver->operations, operation, body, size);
}

static void on_withdraw(void *context, const struct tp__session_operation *operation)
{
    struct tp__driver *driver = context;
    tp__operations_withdraw(&driver->operations, operation);
}

static void on_confirmed(void *context, const struct tp__session_operation *operation)
{
    struct tp__driver *driver = context;
    tp__operations_confirm(&driver->operations, operation);
}

static bool on_dropped(void *context, const struct tp__session_operation *operation)
{
    struct tp__driver *driver = context;
    return tp__operations_drop(&driver->operations, operation);
}

struct tp__session_actions tp__driver_actions(struct tp__driver *driver)
{
    return (struct tp__session_actions){.transmit = tp__driver_transmit,
                                        .transmit_block = tp__driver_transmit_block,
                                        .reconnect = tp__driver_reconnect,
                                        .result = on_result,
                                        .failure = on_failure,
                                        .child_began = child_began,
                                        .child_ended = child_ended,
                                        .operation = on_operation,
                                        .withdraw = on_withdraw,
                                        .confirmed = on_confirmed,
                                        .dropped = on_dropped,
                                        .output = on_output,
                                        .chunk = read_chunk,
                                        .task_name = task_name,
                                        .workers = on_workers,
                                        .context = driver};
}
