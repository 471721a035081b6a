/* SPDX-License-Identifier: MIT */
#include "cluster/worker.h"
#include "cluster/worker_output.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/program.h"
#include "cluster/init.h"
#include "runtime/channels.h"
#include "runtime/pool.h"
#include "wire/heap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct tp__worker_process tp__worker_process;

void tp__worker_die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("taskpool: worker process: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(70);
}

/* ---- what the agent says ---- */

static void take_record(const struct tp__record *record)
{
    struct tp__reader reader = tp__reader_of(record->body, record->size);
    switch (record->type) {
    case TP__RECORD_OPEN:
        tp__executor_set_first_worker(tp__worker_process.executor, tp__get_u32(&reader));
        break;
    case TP__RECORD_TASK:
        tp__worker_task(record);
        break;
    case TP__RECORD_CANCEL:
        tp__worker_cancel(record->task, record->dispatch);
        break;
    case TP__RECORD_REPLY:
        tp__uplink_reply(record->operation, record->body, record->size);
        break;
    case TP__RECORD_CHILD_RESULT:
        tp__uplink_child_result(record->operation, record->body, record->size);
        break;
    case TP__RECORD_CHILD_FAILURE:
        tp__uplink_child_failure(record->operation, record->body, record->size);
        break;
    case TP__RECORD_GIVE_BACK:
        tp__worker_give_back(tp__get_u32(&reader));
        break;
    case TP__RECORD_STOP:
        tp__worker_exchange_stop();
        break;
    default:
        tp__worker_die("the agent sent a record of the unknown type %u", record->type);
    }
}

/* ---- the beginning ---- */

static void map_memory(int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0 || status.st_size < (off_t)sizeof(struct tp__worker_memory))
        tp__worker_die("descriptor %d is not the memory of a worker process", descriptor);
    struct tp__worker_memory *memory =
        mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED)
        tp__worker_die("mmap: %s", strerror(errno));
    if (memory->magic != TP__WORKER_MEMORY_MAGIC || memory->version != TP__WORKER_MEMORY_VERSION ||
        memory->threads == 0 || memory->threads > TP__WORKER_THREADS_LIMIT ||
        tp__worker_memory_size(memory->threads) != (size_t)status.st_size)
        tp__worker_die("this program speaks another version of the protocol than the node: build it against the node's "
                       "version of libtaskpool");
    tp__worker_process.memory = memory;
}

static void publish_threads(struct tp__executor *executor, struct tp__worker_memory *memory)
{
    struct tp__foreign_slot *slots = tp__alloc_zeroed(memory->threads, sizeof *slots);
    if (!slots)
        tp__worker_die("out of memory");
    for (uint32_t i = 0; i < memory->threads; i++)
        slots[i] = (struct tp__foreign_slot){.task = &memory->slots[i].current_task,
                                             .dispatch = &memory->slots[i].current_dispatch,
                                             .index = &memory->slots[i].task_index};
    tp__foreign_publish(executor, slots);
    tp__free(slots);
}

static void start_pool(void)
{
    struct tp__worker_process *process = &tp__worker_process;
    const tp_pool_options options = {.stack_bytes = 0};
    process->children = tp__executor_start_remote(tp__uplink_remote(), &options, true);
    char where[24];
    snprintf(where, sizeof where, "local:%u", process->memory->threads);
    process->pool = process->children ? tp_pool_open_with(where, options) : NULL;
    if (!process->pool)
        tp__worker_die("%s", tp_last_error()->message);
    process->executor = process->pool->executor;
    tp__channels_free(process->executor->channels);
    process->executor->channels = process->children->channels;
    tp__executor_set_children(process->executor, process->children);
    tp__executor_set_first_worker(process->executor, process->memory->first_worker);
    publish_threads(process->executor, process->memory);
    tp__worker_exchange_share(process->executor);
}

static void send_ready(void)
{
    struct tp__buffer body = {.bytes = NULL};
    const uint32_t count = tp__program_task_count();
    uint8_t head[8];
    tp__put_u32(tp__put_u32(head, TP__PROTOCOL_VERSION), count);
    bool fits = tp__buffer_append(&body, head, sizeof head);
    for (uint32_t i = 0; i < count && fits; i++) {
        const tp_task_definition *task = tp__program_task(i);
        const char *name = task ? task->name : "";
        fits = tp__put_text(&body, name, strlen(name));
    }
    if (!fits)
        tp__worker_die("out of memory");
    tp__worker_send(TP__RECORD_READY, 0, 0, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

void tp__worker_main(const char *value)
{
    int socket;
    int memory;
    char rest;
    if (sscanf(value, "%d,%d%c", &socket, &memory, &rest) != 2)
        tp__worker_die("$" TP__WORKER_VARIABLE " is \"%.40s\" instead of two descriptors", value);
    tp__heap_keep_freed();
    (void)fcntl(socket, F_SETFD, FD_CLOEXEC);
    (void)fcntl(memory, F_SETFD, FD_CLOEXEC);
    (void)prctl(PR_SET_DUMPABLE, 0); /* no other session's process may look at this one, even with the same user */
    map_memory(memory);
    close(memory);
    (void)unsetenv(TP__WORKER_VARIABLE);
    tp__worker_watch_output();
    tp__worker_watch_crashes(tp__worker_process.memory);
    tp__worker_exchange_open(socket, take_record);
    start_pool();
    send_ready();
    tp__worker_exchange_run();
    _exit(0); /* nothing is left to be done for anyone: no destructors, and no threads are waited for */
}
