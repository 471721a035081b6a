/* SPDX-License-Identifier: MIT */
/* A worker process starts tasks until the time that its agent has written into their memory, and returns the others. */
#include "check.h"

#include "closure/codec.h"
#include "wire/record.h"
#include "wire/worker_memory.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

TP_TASK(next_of, int64_t, (int64_t, x))
{
    return x + 1;
}

/* The agent's end. */
static struct {
    pid_t process;
    int socket;
    struct tp__worker_memory *memory;
    struct tp__buffer in;
} agent;

static void start(void)
{
    int sockets[2];
    const size_t size = tp__worker_memory_size(1);
    const int memory = memfd_create("worker", 0);
    CHECK_OR_EXIT(memory >= 0 && ftruncate(memory, (off_t)size) == 0);
    CHECK_OR_EXIT(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    agent.memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    CHECK_OR_EXIT(agent.memory != MAP_FAILED);
    agent.memory->magic = TP__WORKER_MEMORY_MAGIC;
    agent.memory->version = TP__WORKER_MEMORY_VERSION;
    agent.memory->size = size;
    agent.memory->threads = 1;
    char variable[64];
    snprintf(variable, sizeof variable, "%d,%d", sockets[1], memory);
    agent.process = fork();
    CHECK_OR_EXIT(agent.process >= 0);
    if (agent.process == 0) {
        close(sockets[0]);
        setenv(TP__WORKER_VARIABLE, variable, 1);
        execl("/proc/self/exe", "worker", (char *)NULL);
        _exit(1);
    }
    agent.socket = sockets[0];
    close(sockets[1]);
    close(memory);
}

static void send_task(uint64_t sequence, int64_t x)
{
    struct tp__encoded closure;
    CHECK_OR_EXIT(tp__closure_encode(&next_of__is_a_TP_TASK, &x, &closure) == TP_OK);
    uint8_t body[128] = {0}; /* no flags, depth 0, any worker, the usual stack */
    CHECK_OR_EXIT(closure.size <= sizeof body - 16);
    memcpy(body + 16, closure.bytes, closure.size);
    struct tp__buffer out = {NULL, 0, 0};
    CHECK_OR_EXIT(tp__record_append(&out, &(struct tp__record){.type = TP__RECORD_TASK,
                                                               .task = sequence,
                                                               .dispatch = 1,
                                                               .body = body,
                                                               .size = (uint32_t)(16 + closure.size)}));
    CHECK_OR_EXIT(send(agent.socket, out.bytes, out.size, 0) == (ssize_t)out.size);
    tp__buffer_free(&out);
    tp__encoded_free(&closure);
}

/* Waits for the next record; its body is valid until the next call. */
static struct tp__record receive(void)
{
    static size_t used;
    tp__buffer_consume(&agent.in, used);
    for (;;) {
        struct tp__reader reader = tp__reader_of(agent.in.bytes, agent.in.size);
        struct tp__record record;
        if (tp__record_read(&reader, &record) == TP__RECORD_FOUND) {
            used = agent.in.size - tp__reader_left(&reader);
            return record;
        }
        uint8_t bytes[4096];
        const ssize_t got = recv(agent.socket, bytes, sizeof bytes, 0);
        CHECK_OR_EXIT(got > 0 && tp__buffer_append(&agent.in, bytes, (size_t)got));
    }
}

static void nothing_starts_past_the_time_that_the_agent_gave(void)
{
    start();
    CHECK_INT(receive().type, TP__RECORD_READY);
    send_task(1, 5); /* the agent has given none yet */
    struct tp__record record = receive();
    CHECK_INT(record.type, TP__RECORD_RETURNED);
    CHECK_INT(record.task, 1);
    CHECK_INT(record.body[0], TP__RETURNED_RECALLED);
    atomic_store(&agent.memory->fresh_until_ms, INT64_MAX);
    send_task(2, 6);
    record = receive();
    CHECK_INT(record.type, TP__RECORD_RESULT);
    CHECK_INT(record.task, 2);
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    atomic_store(&agent.memory->fresh_until_ms, (int64_t)now.tv_sec * 1000 - 1);
    send_task(3, 7);
    record = receive();
    CHECK_INT(record.type, TP__RECORD_RETURNED);
    CHECK_INT(record.task, 3);
    CHECK_INT(atomic_load(&agent.memory->slots[0].started_count), 1);
    CHECK_INT(atomic_load(&agent.memory->started[tp__worker_started_index(3)]), 0);
    close(agent.socket);
    int status;
    CHECK_INT(waitpid(agent.process, &status, 0), agent.process);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tp__buffer_free(&agent.in);
    munmap(agent.memory, tp__worker_memory_size(1));
}

int main(int argc, char **argv)
{
    tp_init(argc, argv);
    const struct check_test tests[] = {CHECK_TEST(nothing_starts_past_the_time_that_the_agent_gave)};
    CHECK_RUN(tests, argc, argv);
    return check_result();
}
