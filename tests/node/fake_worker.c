/* SPDX-License-Identifier: MIT */
/*
 * A worker process without libtaskpool, for tests of the node: its name says what it does. It speaks records on the
 * descriptors that it was given, writes the shared memory, and ends in every way there is.
 */
#include "wire/output_mark.h"
#include "wire/record.h"
#include "wire/worker_memory.h"

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int link_socket;
static struct tp__worker_memory *memory;

static void fail(const char *what)
{
    fprintf(stderr, "fake worker: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static int store_base(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    atomic_store(&memory->load_base, info->dlpi_addr);
    return 1;
}

static void attach(void)
{
    const char *text = getenv(TP__WORKER_VARIABLE);
    int descriptor = -1;
    if (!text || sscanf(text, "%d,%d", &link_socket, &descriptor) != 2)
        fail("no " TP__WORKER_VARIABLE);
    struct stat info;
    if (fstat(descriptor, &info) != 0)
        fail("memory");
    memory = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (memory == MAP_FAILED || memory->magic != TP__WORKER_MEMORY_MAGIC ||
        memory->version != TP__WORKER_MEMORY_VERSION || memory->size != (uint64_t)info.st_size)
        fail("memory");
    dl_iterate_phdr(store_base, NULL);
}

static void send_all(const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        const ssize_t sent = write(link_socket, at, size);
        if (sent <= 0)
            fail("write");
        at += sent;
        size -= (size_t)sent;
    }
}

static void send_text(const char *text)
{
    send_all(text, strlen(text));
}

static void wait_for_end(void)
{
    char bytes[4096];
    while (read(link_socket, bytes, sizeof bytes) > 0)
        ;
}

static void run_task(uint32_t slot, uint64_t task, uint32_t dispatch)
{
    tp__worker_task_started(memory, &memory->slots[slot], task);
    tp__worker_slot_switch(&memory->slots[slot], task, dispatch, 0);
}

/* ---- crashes ---- */

static void record_crash(int number, uint64_t address, uint32_t overflow_kib)
{
    void *frames[TP__WORKER_FRAMES_LIMIT];
    struct tp__worker_crash *crash = &memory->crash;
    atomic_store(&crash->state, TP__CRASH_BEING_WRITTEN);
    crash->signal = number;
    crash->fault_address = address;
    crash->thread = 2;
    crash->overflow_kib = overflow_kib;
    crash->frame_count = (uint32_t)backtrace(frames, TP__WORKER_FRAMES_LIMIT);
    for (uint32_t i = 0; i < crash->frame_count; i++)
        crash->frames[i] = (uint64_t)(uintptr_t)frames[i];
    atomic_store(&crash->state, TP__CRASH_COMPLETE);
}

static void on_signal(int number, siginfo_t *info, void *machine)
{
    (void)machine;
    record_crash(number, (uint64_t)(uintptr_t)info->si_addr, strcmp(program_invocation_name, "overflow") ? 0 : 64);
    signal(number, SIG_DFL);
}

static void install_handler(void)
{
    void *frame;
    (void)backtrace(&frame, 1);
    const struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    (void)sigaction(SIGSEGV, &action, NULL);
    (void)sigaction(SIGABRT, &action, NULL);
}

/* The backtrace must name this static function. */
__attribute__((noinline)) static void crash_in_here(void)
{
    volatile int *volatile nowhere = (volatile int *)(uintptr_t)16;
    *nowhere = 1;
}

static void start_two_tasks(void)
{
    run_task(0, 6, 1);
    run_task(1, 7, 2);
    send_text("r");
}

static void be_segv(void)
{
    install_handler();
    start_two_tasks();
    for (int i = 1; i <= 50; i++)
        fprintf(stderr, "line %d\n", i);
    crash_in_here();
}

static void be_unrecorded(void)
{
    start_two_tasks();
    crash_in_here();
}

static void be_abort(void)
{
    install_handler();
    start_two_tasks();
    abort();
}

static void be_exit(void)
{
    start_two_tasks();
    struct tp__worker_crash *crash = &memory->crash;
    crash->exit_called = 1;
    crash->exit_status = 3;
    crash->thread = 1;
    atomic_store(&crash->state, TP__CRASH_COMPLETE);
    exit(3);
}

static void be_quick_exit(void)
{
    start_two_tasks();
    _exit(4);
}

/* What is in the shared memory is the process's word: none of this may hurt the agent. */
static void be_liar(void)
{
    memset((char *)memory, 0xff, memory->size);
    atomic_store(&memory->crash.state, TP__CRASH_COMPLETE);
    for (int i = 0; i < 64; i++)
        memory->crash.frames[i] = (uint64_t)i << 57 | 0x1234;
    if (ftruncate(4, 0) == 0)
        send_text("the memory was cut");
    raise(SIGSEGV);
}

static void be_eater(void)
{
    start_two_tasks();
    for (;;) {
        char *more = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (more == MAP_FAILED)
            break;
        memset(more, 1, 1 << 20);
    }
    pause();
}

/* ---- talking ---- */

static void be_ready(void)
{
    /* as wire/record.h has it: its size is 8, and all else 0 */
    uint8_t record[TP__RECORD_HEADER_LEAST_BYTES + 8] = {TP__RECORD_READY, 0, 8};
    (void)tp__put_u32(tp__put_u32(record + TP__RECORD_HEADER_LEAST_BYTES, TP__PROTOCOL_VERSION), 0);
    send_all(record, sizeof record);
    wait_for_end();
}

static void be_echo(void)
{
    char bytes[4096];
    ssize_t got;
    while ((got = read(link_socket, bytes, sizeof bytes)) > 0)
        send_all(bytes, (size_t)got);
}

static void be_deaf(void)
{
    char directory[4096];
    send_text("r");
    printf("pid=%d\ncwd=%s\n", getpid(), getcwd(directory, sizeof directory));
    fflush(stdout);
    for (;;)
        pause();
}

static void be_closer(void)
{
    close(link_socket);
    pause();
}

static void be_last_words(void)
{
    char bytes[100000];
    memset(bytes, 'w', sizeof bytes);
    send_all(bytes, sizeof bytes);
    printf("unfinished");
    fflush(stdout);
    _exit(0);
}

static void be_writer(void)
{
    run_task(1, 9, 3);
    printf("one\ntwo\nthr");
    fflush(stdout);
    send_text("1");
    char byte;
    (void)!read(link_socket, &byte, 1);
    printf("ee\n");
    fflush(stdout);
    run_task(0, 10, 1);
    fprintf(stderr, "whose?\n");
    send_text("2");
    wait_for_end();
}

static void write_mark(uint64_t task, uint32_t dispatch)
{
    uint8_t mark[TP__OUTPUT_MARK_BYTES];
    tp__output_mark_write(mark, &(struct tp__output_mark){task, dispatch});
    fwrite(mark, 1, sizeof mark, stdout);
}

/* Of tasks 5 and 6, while 9 runs. The last message is sent behind the last line. */
static void be_marker(void)
{
    run_task(1, 9, 3);
    write_mark(5, 1);
    printf("a\n");
    write_mark(5, 1);
    printf("b\n");
    write_mark(6, 2);
    printf("c");
    write_mark(5, 1);
    printf("d\n");
    printf("\x1e no mark \x1f\n");
    fflush(stdout);
    atomic_fetch_add(&memory->writes, 1);
    send_text("1");
    wait_for_end();
}

/* ---- what it is, and what it can reach ---- */

static void be_report(void)
{
    char go;
    (void)!read(link_socket, &go, 1);
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    printf("uid=%d euid=%d gid=%d groups=%d sid_is_own=%d\n", getuid(), geteuid(), getgid(), getgroups(0, NULL),
           getsid(0) == getpid());
    printf("pid=%d core=%d no_new_privs=%d\n", getpid(), (int)core.rlim_max, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
    int open_descriptors = 0;
    for (int i = 0; i < 4096; i++)
        open_descriptors += fcntl(i, F_GETFD) >= 0;
    printf("descriptors=%d\n", open_descriptors);
    for (char **variable = environ; *variable; variable++)
        printf("env %s\n", *variable);
    char directory[4096], line[256];
    printf("cwd=%s\n", getcwd(directory, sizeof directory));
    FILE *score = fopen("/proc/self/oom_score_adj", "r");
    printf("score=%s", score && fgets(line, sizeof line, score) ? line : "?\n");
    if (score)
        fclose(score);
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, "CapEff", 6) == 0 || strncmp(line, "CapPrm", 6) == 0 || strncmp(line, "CapAmb", 6) == 0)
            printf("%s", line);
    if (status)
        fclose(status);
    int left = open("leftover", O_CREAT | O_WRONLY, 0600);
    close(left);
    fflush(stdout);
    send_text("r");
    wait_for_end();
}

/* Tries what is sent: "FILE PID" of a secret file and another process. */
static void be_burglar(void)
{
    char line[512], path[256], memory_path[64];
    const ssize_t got = read(link_socket, line, sizeof line - 1);
    int pid;
    line[got > 0 ? got : 0] = '\0';
    if (sscanf(line, "%255s %d", path, &pid) != 2)
        fail("line");
    snprintf(memory_path, sizeof memory_path, "/proc/%d/mem", pid);
    printf("file=%d ptrace=%d kill=%d memory=%d root=%d\n", open(path, O_RDONLY) >= 0,
           ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0, kill(pid, 0) == 0, open(memory_path, O_RDONLY) >= 0,
           setuid(0) == 0);
    fflush(stdout);
    send_text("r");
    wait_for_end();
}

/* Leaves a child in another session, which holds on to everything. */
static void be_parent(void)
{
    int ends[2];
    char byte = 0;
    if (pipe(ends) != 0)
        fail("pipe");
    const pid_t child = fork();
    if (child == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        (void)!write(ends[1], &byte, 1);
        for (;;)
            pause();
    }
    (void)!read(ends[0], &byte, 1); /* it is in its own session */
    printf("child=%d\n", child);
    fflush(stdout);
    send_text("r");
    wait_for_end();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*be)(void);
    } behaviours[] = {
        {"segv", be_segv},
        {"overflow", be_segv},
        {"unrecorded", be_unrecorded},
        {"abort", be_abort},
        {"exit", be_exit},
        {"_exit", be_quick_exit},
        {"liar", be_liar},
        {"eater", be_eater},
        {"ready", be_ready},
        {"echo", be_echo},
        {"deaf", be_deaf},
        {"closer", be_closer},
        {"last words", be_last_words},
        {"writer", be_writer},
        {"marker", be_marker},
        {"report", be_report},
        {"burglar", be_burglar},
        {"parent", be_parent},
    };
    if (argc != 1)
        fail("arguments");
    attach();
    for (size_t i = 0; i < sizeof behaviours / sizeof behaviours[0]; i++)
        if (strcmp(argv[0], behaviours[i].name) == 0)
            behaviours[i].be();
    return 0;
}
