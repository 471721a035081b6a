/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include "base/alloc.h"
#include "base/context.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_LIMIT = 4096 };

struct tp__error_record {
    alignas(16) tp_error view;
    atomic_uint references;
    bool is_static; /* never freed */
    char text[];    /* message, task, node, backtrace, one after the other */
};

static struct tp__error_record out_of_memory = {
    .view = {.status = TP_E_NOMEM, .worker = -1, .message = "out of memory", .task = "", .node = "", .backtrace = ""},
    .is_static = true,
};

static const tp_error no_error = {
    .status = TP_OK, .worker = -1, .message = "", .task = "", .node = "", .backtrace = ""};

struct tp__error_record *tp__error_new(tp_status status, const struct tp__origin *origin, const char *message)
{
    static const struct tp__origin nowhere = {.worker = -1};
    if (!origin)
        origin = &nowhere;
    const char *parts[] = {message, origin->task, origin->node, origin->backtrace};
    enum { PARTS = sizeof parts / sizeof parts[0] };
    size_t sizes[PARTS];
    size_t total = 0;
    for (size_t i = 0; i < PARTS; i++) {
        sizes[i] = (parts[i] ? strlen(parts[i]) : 0) + 1;
        total += sizes[i];
    }
    struct tp__error_record *record = tp__alloc_aligned(alignof(struct tp__error_record), sizeof *record + total);
    if (!record)
        return &out_of_memory;
    char *copies[PARTS];
    char *end = record->text;
    for (size_t i = 0; i < PARTS; i++) {
        copies[i] = memcpy(end, parts[i] ? parts[i] : "", sizes[i]);
        end += sizes[i];
    }
    record->view = (tp_error){.status = status,
                              .worker = origin->worker,
                              .message = copies[0],
                              .task = copies[1],
                              .node = copies[2],
                              .backtrace = copies[3]};
    record->is_static = false;
    atomic_init(&record->references, 1);
    return record;
}

struct tp__error_record *tp__error_newv(tp_status status, const struct tp__origin *origin, const char *format,
                                        va_list arguments)
{
    /* Most messages are short: those that are not go through the heap, so that a small stack holds this frame. */
    char brief[256];
    va_list again;
    va_copy(again, arguments);
    const int length = vsnprintf(brief, sizeof brief, format, arguments);
    struct tp__error_record *record = NULL;
    if (length < 0) {
        record = tp__error_new(status, origin, format);
    } else if ((size_t)length < sizeof brief) {
        record = tp__error_new(status, origin, brief);
    } else {
        char *full = tp__alloc(MESSAGE_LIMIT);
        if (full)
            vsnprintf(full, MESSAGE_LIMIT, format, again);
        record = tp__error_new(status, origin, full ? full : brief);
        tp__free(full);
    }
    va_end(again);
    return record;
}

struct tp__error_record *tp__error_retain(struct tp__error_record *record)
{
    if (record && !record->is_static)
        atomic_fetch_add_explicit(&record->references, 1, memory_order_relaxed);
    return record;
}

void tp__error_release(struct tp__error_record *record)
{
    /* acq_rel: the last one to let go sees all uses before it frees. */
    if (record && !record->is_static && atomic_fetch_sub_explicit(&record->references, 1, memory_order_acq_rel) == 1)
        tp__free(record);
}

const tp_error *tp__error_view(const struct tp__error_record *record)
{
    return record ? &record->view : &no_error;
}

/* Takes over the caller's reference. */
static tp_status store(struct tp__error_record *record)
{
    struct tp__context *context = tp__context_current();
    struct tp__error_record *before = context->error;
    context->error = record;
    tp__error_release(before);
    return record->view.status;
}

tp_status tp__error_set(struct tp__error_record *record)
{
    return store(tp__error_retain(record));
}

struct tp__error_record *tp__error_take(void)
{
    struct tp__context *context = tp__context_current();
    struct tp__error_record *record = context->error;
    context->error = NULL;
    return record;
}

void tp__error_put_back(struct tp__error_record *record)
{
    tp__error_release(tp__error_take());
    tp__context_current()->error = record;
}

tp_status tp__fail(tp_status status, const char *format, ...)
{
    const int saved = errno;
    va_list arguments;
    va_start(arguments, format);
    store(tp__error_newv(status, NULL, format, arguments));
    va_end(arguments);
    errno = saved;
    return status;
}

tp_status tp__fail_errno(tp_status status, const char *format, ...)
{
    const int saved = errno;
    char what[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    char reason[128];
    tp__fail(status, "%s: %s", what, strerror_r(saved, reason, sizeof reason));
    errno = saved;
    return status;
}

tp_status tp__fail_nomem(const char *what)
{
    (void)what; /* allocating a message for it is what just failed */
    store(&out_of_memory);
    return TP_E_NOMEM;
}

const tp_error *tp_last_error(void)
{
    return tp__error_view(tp__context_current()->error);
}
