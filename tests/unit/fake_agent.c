/* SPDX-License-Identifier: MIT */
#include "unit/fake_agent.h"

#include "closure/codec.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

struct fake_agent fake_agent;

void fake_agent_start(int64_t fresh_until_ms)
{
    int sockets[2];
    const size_t size = tp__worker_memory_size(1);
    const int memory = memfd_create("worker", 0);
    CHECK_OR_EXIT(memory >= 0 && ftruncate(memory, (off_t)size) == 0);
    CHECK_OR_EXIT(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0);
    fake_agent = (struct fake_agent){.memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0)};
    CHECK_OR_EXIT(fake_agent.memory != MAP_FAILED);
    fake_agent.memory->magic = TP__WORKER_MEMORY_MAGIC;
    fake_agent.memory->version = TP__WORKER_MEMORY_VERSION;
    fake_agent.memory->size = size;
    fake_agent.memory->threads = 1;
    atomic_store(&fake_agent.memory->fresh_until_ms, fresh_until_ms);
    char variable[64];
    snprintf(variable, sizeof variable, "%d,%d", sockets[1], memory);
    fake_agent.process = fork();
    CHECK_OR_EXIT(fake_agent.process >= 0);
    if (fake_agent.process == 0) {
        close(sockets[0]);
        setenv(TP__WORKER_VARIABLE, variable, 1);
        execl("/proc/self/exe", "worker", (char *)NULL);
        _exit(1);
    }
    fake_agent.socket = sockets[0];
    close(sockets[1]);
    close(memory);
    CHECK_INT(fake_agent_receive().type, TP__RECORD_READY);
}

void fake_agent_end(void)
{
    int status;
    close(fake_agent.socket);
    CHECK_INT(waitpid(fake_agent.process, &status, 0), fake_agent.process);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    tp__buffer_free(&fake_agent.in);
    munmap(fake_agent.memory, tp__worker_memory_size(1));
}

void fake_agent_send_task(const tp_task_definition *task, const void *captures, uint64_t sequence)
{
    struct tp__encoded closure;
    CHECK_OR_EXIT(tp__closure_encode(task, captures, &closure) == TP_OK);
    uint8_t body[128] = {0}; /* no flags, depth 0, any worker, the usual stack */
    CHECK_OR_EXIT(closure.size <= sizeof body - 16);
    memcpy(body + 16, closure.bytes, closure.size);
    struct tp__buffer out = {NULL, 0, 0};
    CHECK_OR_EXIT(tp__record_append(&out, &(struct tp__record){.type = TP__RECORD_TASK,
                                                               .task = sequence,
                                                               .dispatch = 1,
                                                               .body = body,
                                                               .size = (uint32_t)(16 + closure.size)}));
    CHECK_OR_EXIT(send(fake_agent.socket, out.bytes, out.size, 0) == (ssize_t)out.size);
    tp__buffer_free(&out);
    tp__encoded_free(&closure);
}

struct tp__record fake_agent_receive(void)
{
    tp__buffer_consume(&fake_agent.in, fake_agent.used);
    fake_agent.used = 0;
    for (;;) {
        struct tp__reader reader = tp__reader_of(fake_agent.in.bytes, fake_agent.in.size);
        struct tp__record record;
        if (tp__record_read(&reader, &record) == TP__RECORD_FOUND) {
            fake_agent.used = fake_agent.in.size - tp__reader_left(&reader);
            return record;
        }
        static uint8_t bytes[1 << 16];
        const ssize_t got = recv(fake_agent.socket, bytes, sizeof bytes, 0);
        CHECK_OR_EXIT(got > 0 && tp__buffer_append(&fake_agent.in, bytes, (size_t)got));
    }
}
