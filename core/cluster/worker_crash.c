/* SPDX-License-Identifier: MIT */
/* What a worker process writes down when it dies, for the agent to read: only stores and system calls here.
 *
 * The runtime's own handler (runtime/overflow.c) is installed after these and hands faults on to them. */
#include "base/thread.h"
#include "cluster/worker.h"
#include "runtime/loop.h"
#include "runtime/stack.h"

#include <execinfo.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

enum { HANDLER_FRAMES = 8 };

static struct tp__worker_memory *watched;
static pid_t watched_process; /* its forked children have the memory, too */

/* True for the first thread of the process that dies. */
static bool begin_record(struct tp__worker_crash *crash)
{
    uint32_t none = TP__CRASH_NONE;
    return getpid() == watched_process &&
           atomic_compare_exchange_strong_explicit(&crash->state, &none, TP__CRASH_BEING_WRITTEN, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

static uint32_t slot_of_thread(void)
{
    const struct tp__loop *loop = tp__loop_of_thread;
    return loop && loop->worker && loop->worker->executor == tp__worker_process.executor
               ? (uint32_t)loop->worker->index + 1
               : 0;
}

/* Where the signal found the thread. */
static uintptr_t interrupted_at(const void *machine)
{
    const ucontext_t *context = machine;
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    return (uintptr_t)context->uc_mcontext.pc;
#endif
}

/* The calls from `innermost` outwards; the handler's own are left out. 0: all. */
static void write_frames(struct tp__worker_crash *crash, uintptr_t innermost)
{
    void *frames[TP__WORKER_FRAMES_LIMIT + HANDLER_FRAMES];
    const int count = backtrace(frames, TP__WORKER_FRAMES_LIMIT + HANDLER_FRAMES);
    int first = 0;
    while (first < count && (uintptr_t)frames[first] != innermost)
        first++;
    if (first == count)
        first = 0;
    uint32_t written = 0;
    for (int i = first; i < count && written < TP__WORKER_FRAMES_LIMIT; i++)
        crash->frames[written++] = (uint64_t)(uintptr_t)frames[i];
    crash->frame_count = written;
}

/* Ends the process by the signal, as if nobody had caught it. */
static void die_of(int signal_number)
{
    signal(signal_number, SIG_DFL);
    raise(signal_number); /* comes when the handler returns */
}

/* What a task sends to its own thread, by raise, is its end. What comes for the process may come on any thread. */
static void on_request(int signal_number, siginfo_t *info, void *machine)
{
    struct tp__worker_crash *crash = &watched->crash;
    if (info->si_code == SI_TKILL && info->si_pid == getpid() && begin_record(crash)) {
        crash->signal = signal_number;
        crash->thread = slot_of_thread();
        write_frames(crash, interrupted_at(machine));
        atomic_store_explicit(&crash->state, TP__CRASH_COMPLETE, memory_order_release);
    }
    die_of(signal_number);
}

static void on_crash(int signal_number, siginfo_t *info, void *machine)
{
    struct tp__worker_crash *crash = &watched->crash;
    if (begin_record(crash)) {
        const struct tp__loop *loop = tp__loop_of_thread;
        const bool is_fault = signal_number == SIGSEGV || signal_number == SIGBUS;
        crash->signal = signal_number;
        crash->fault_address = is_fault ? (uint64_t)(uintptr_t)info->si_addr : 0;
        crash->thread = slot_of_thread();
        if (is_fault && loop && loop->current &&
            tp__stack_was_left(loop->current, info->si_addr, tp__stack_pointer_of(machine)))
            crash->overflow_kib = (uint32_t)(loop->current->stack_bytes >> 10);
        else
            write_frames(crash, interrupted_at(machine));
        atomic_store_explicit(&crash->state, TP__CRASH_COMPLETE, memory_order_release);
    }
    /* A fault happens again when this returns, and ends the process. What was sent does not. */
    const bool is_sent = info->si_code <= 0;
    if (is_sent ||
        !(signal_number == SIGSEGV || signal_number == SIGBUS || signal_number == SIGFPE || signal_number == SIGILL))
        die_of(signal_number);
    else
        signal(signal_number, SIG_DFL);
}

/* A task called exit. */
static void on_exit_called(int status, void *argument)
{
    (void)argument;
    struct tp__worker_crash *crash = &watched->crash;
    if (!begin_record(crash))
        return;
    crash->exit_called = 1;
    crash->exit_status = status;
    crash->thread = slot_of_thread();
    write_frames(crash, 0);
    atomic_store_explicit(&crash->state, TP__CRASH_COMPLETE, memory_order_release);
    _exit(status); /* no destructors while other tasks run */
}

/* The first module is the program. */
static int store_load_base(struct dl_phdr_info *module, size_t size, void *data)
{
    (void)size, (void)data;
    atomic_store_explicit(&watched->load_base, module->dlpi_addr, memory_order_relaxed);
    return 1;
}

static void catch (const int *signals, size_t count, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < count; i++)
        (void)sigaction(signals[i], &action, NULL);
}

void tp__worker_watch_crashes(struct tp__worker_memory *memory)
{
    watched = memory;
    watched_process = getpid();
    (void)dl_iterate_phdr(store_load_base, NULL);
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGXCPU, SIGXFSZ};
    static const int requests[] = {SIGTERM, SIGINT,    SIGHUP,  SIGQUIT, SIGUSR1, SIGUSR2,
                                   SIGALRM, SIGVTALRM, SIGPROF, SIGPWR,  SIGIO,   SIGSTKFLT};
    catch (crashes, sizeof crashes / sizeof crashes[0], on_crash);
    catch (requests, sizeof requests / sizeof requests[0], on_request);
    tp__thread_receive(requests, sizeof requests / sizeof requests[0]);
    (void)on_exit(on_exit_called, NULL);
}
