/* SPDX-License-Identifier: MIT */
#include "crash.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

struct tp__worker_crash crash_record(const struct tp__worker_memory *memory)
{
    struct tp__worker_crash record;
    if (atomic_load_explicit(&memory->crash.state, memory_order_acquire) != TP__CRASH_COMPLETE)
        return (struct tp__worker_crash){.signal = 0};
    memcpy(&record, &memory->crash, sizeof record);
    if (record.frame_count > TP__WORKER_FRAMES_LIMIT)
        record.frame_count = TP__WORKER_FRAMES_LIMIT;
    return record;
}

static bool has_address(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS;
}

void crash_describe(const struct crash_end *end, const struct tp__worker_crash *record, char text[256])
{
    const bool recorded = atomic_load_explicit(&record->state, memory_order_relaxed) == TP__CRASH_COMPLETE;
    char name[32];
    const char *brief = sigabbrev_np(end->signal);
    if (brief)
        (void)snprintf(name, sizeof name, "SIG%s", brief);
    else
        (void)snprintf(name, sizeof name, "signal %d", end->signal);

    if (end->killed_because && end->signal == SIGKILL)
        (void)snprintf(text, 256, "%s", end->killed_because);
    else if (recorded && record->overflow_kib && end->signal)
        (void)snprintf(text, 256, "overflowed its %" PRIu32 " KiB stack", record->overflow_kib);
    else if (recorded && end->signal && record->signal == end->signal && has_address(end->signal))
        (void)snprintf(text, 256, "was killed by %s at address 0x%" PRIx64, name, record->fault_address);
    else if (end->signal == SIGKILL)
        (void)snprintf(text, 256, "was killed by SIGKILL, perhaps by the kernel for want of memory");
    else if (end->signal == SIGXCPU)
        (void)snprintf(text, 256, "used more than its processor time");
    else if (end->signal)
        (void)snprintf(text, 256, "was killed by %s", name);
    else if (recorded && record->exit_called)
        (void)snprintf(text, 256, "called exit(%d)", record->exit_status);
    else
        (void)snprintf(text, 256, "ended with status %d", end->exit_status);
}

/* False: no task runs there. */
static bool suspect_of(const struct tp__worker_memory *memory, uint32_t thread, struct agent_suspect *suspect)
{
    const struct tp__worker_slot *slot = &memory->slots[thread];
    suspect->task = atomic_load_explicit(&slot->current_task, memory_order_acquire);
    suspect->dispatch = atomic_load_explicit(&slot->current_dispatch, memory_order_relaxed);
    suspect->thread = thread;
    return suspect->task != 0;
}

size_t crash_suspects(const struct tp__worker_memory *memory, uint32_t threads, const struct tp__worker_crash *record,
                      struct agent_suspect *suspects)
{
    /* Of a thread that ran no task when it crashed the cause may be any of the others'. */
    if (record->thread >= 1 && record->thread <= threads && suspect_of(memory, record->thread - 1, suspects))
        return 1;
    size_t count = 0;
    for (uint32_t i = 0; i < threads; i++)
        if (suspect_of(memory, i, &suspects[count]))
            count++;
    return count;
}

bool crash_has_started(const struct tp__worker_memory *memory, uint64_t task)
{
    const _Atomic uint16_t *counter = &memory->started[tp__worker_started_index(task)];
    return atomic_load_explicit(counter, memory_order_relaxed) != 0;
}
