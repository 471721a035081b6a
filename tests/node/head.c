/* SPDX-License-Identifier: MIT */
#include "head.h"

#include "test_users.h"

#include "trust/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { ARGUMENTS_LIMIT = 32 };

int64_t head_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void must(bool ok, const struct tp__problem *problem)
{
    if (!ok)
        fail_msg("%s", problem->text);
}

/* ---- the coordinator's end of the link ---- */

static void transmit(void *context, const uint8_t *bytes, size_t size)
{
    struct head *head = context;
    if (head->router)
        (void)tp__socket_send(head->router, &head->peer, bytes, size);
}

static void send_frame(struct head *head, enum tp__lane lane, Taskpool__Frame *frame)
{
    assert_true(tp__link_send(head->link, lane, frame));
}

static void send_chunk(struct head *head, Taskpool__Chunk *chunk)
{
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    frame.body_case = TASKPOOL__FRAME__BODY_CHUNK;
    frame.chunk = chunk;
    chunk->root = tp__field(&head->root, sizeof head->root);
    send_frame(head, TP__LANE_PROGRAM, &frame);
}

static void serve(struct head *head, const Taskpool__Need *need)
{
    assert_int_equal(need->root.len, sizeof head->root);
    assert_memory_equal(need->root.data, &head->root, sizeof head->root);
    if (need->list) {
        Taskpool__Chunk chunk = TASKPOOL__CHUNK__INIT;
        chunk.list = true;
        chunk.data = tp__field(head->hashes, tp__program_chunk_count(head->length) * sizeof *head->hashes);
        send_chunk(head, &chunk);
    }
    static uint8_t bytes[TP__CHUNK_BYTES];
    for (size_t i = 0; i < need->n_chunks; i++) {
        Taskpool__Chunk chunk = TASKPOOL__CHUNK__INIT;
        const ssize_t got = pread(head->program, bytes, sizeof bytes, (off_t)need->chunks[i] * TP__CHUNK_BYTES);
        assert_true(got > 0);
        chunk.index = need->chunks[i];
        chunk.data = tp__field(bytes, (size_t)got);
        send_chunk(head, &chunk);
        head->chunks_sent++;
    }
}

static void note_accept(struct head *head, const Taskpool__Accept *accept)
{
    head->accepts++;
    head->status = accept->status;
    snprintf(head->reason, sizeof head->reason, "%s", accept->reason ? accept->reason : "");
    head->signed_accept_size = accept->signed_accept.len;
    if (head->signed_accept_size > 0 && head->signed_accept_size <= sizeof head->signed_accept)
        memcpy(head->signed_accept, accept->signed_accept.data, head->signed_accept_size);
}

static void received(void *context, const Taskpool__Frame *frame)
{
    struct head *head = context;
    if (frame->body_case == TASKPOOL__FRAME__BODY_HELLO) {
        head->hellos++;
        if (frame->hello->life.len == sizeof head->last_life)
            memcpy(head->last_life, frame->hello->life.data, sizeof head->last_life);
        static const uint8_t life[16] = {1};
        Taskpool__Welcome welcome;
        Taskpool__Frame answer = TASKPOOL__FRAME__INIT;
        taskpool__welcome__init(&welcome);
        welcome.life = tp__field(life, sizeof life);
        welcome.name = head->own_key.name;
        answer.body_case = TASKPOOL__FRAME__BODY_WELCOME;
        answer.welcome = &welcome;
        send_frame(head, TP__LANE_CONTROL, &answer);
    } else if (frame->body_case == TASKPOOL__FRAME__BODY_NEED) {
        serve(head, frame->need);
    } else if (frame->body_case == TASKPOOL__FRAME__BODY_ACCEPT) {
        note_accept(head, frame->accept);
    } else if (frame->body_case == TASKPOOL__FRAME__BODY_BYE) {
        head->said_bye = true;
    }
}

static void broken(void *context, const char *reason)
{
    (void)context;
    print_message("the link broke: %s\n", reason);
}

static void take(struct head *head, const struct tp__peer *peer, const uint8_t *bytes, size_t size)
{
    /* A new connection is a new link. */
    if (!head->link || peer->size != head->peer.size || memcmp(peer->id, head->peer.id, peer->size) != 0) {
        const struct tp__link_events events = {
            .transmit = transmit, .received = received, .broken = broken, .context = head};
        tp__link_free(head->link);
        head->peer = *peer;
        head->link = tp__link_new(&events, head_now());
        assert_non_null(head->link);
    }
    tp__link_receive(head->link, bytes, size, head_now());
}

void head_step(struct head *head, int64_t start_ms)
{
    if (head_now() - start_ms > 30000)
        fail_msg("waited for 30 s");
    zmq_pollitem_t items[] = {{.socket = head->router ? tp__socket_zmq(head->router) : NULL, .events = ZMQ_POLLIN}};
    (void)zmq_poll(items, head->router ? 1 : 0, 20);
    for (int got = 1; head->router && got != 0;) {
        struct tp__peer peer;
        struct tp__public_key sender;
        zmq_msg_t message;
        got = tp__socket_receive(head->router, &peer, &sender, &message);
        if (got > 0) {
            assert_memory_equal(&sender, &head->node_key.public_key, sizeof sender);
            take(head, &peer, zmq_msg_data(&message), zmq_msg_size(&message));
        }
        zmq_msg_close(&message);
    }
    if (head->link)
        (void)tp__link_tick(head->link, head_now());
}

/* ---- open and close ---- */

static void write_authorized(const char *path, const char *const *roles, const struct tp__key *const *keys,
                             size_t count)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        char text[45];
        tp__public_key_text(&keys[i]->public_key, text);
        fprintf(file, "%s %s %s\n", roles[i], text, keys[i]->name);
    }
    fclose(file);
}

void head_authorize(const struct head *head, bool driver)
{
    char path[128];
    snprintf(path, sizeof path, "%s/authorized_keys", head->directory);
    write_authorized(path, (const char *const[]){"coordinator", "driver"},
                     (const struct tp__key *const[]){&head->own_key, &head->driver_key}, driver ? 2 : 1);
}

static void on_refused(const char *address, const char *key, void *argument)
{
    (void)argument;
    print_message("refused: %s %s\n", address, key);
}

void head_come_back(struct head *head)
{
    struct tp__problem problem;
    const char *where = *head->endpoint ? head->endpoint : "tcp://127.0.0.1:*";
    const int64_t start = head_now();
    do
        head->router = tp__socket_bind(head->zmq, where, &head->own_key, &problem);
    while (!head->router && head_now() - start < 10000);
    must(head->router != NULL, &problem);
    assert_true(tp__socket_endpoint(head->router, head->endpoint, sizeof head->endpoint));
}

void head_go_away(struct head *head)
{
    tp__link_free(head->link);
    head->link = NULL;
    tp__socket_close(head->router);
    head->router = NULL;
}

struct head *head_open(void)
{
    struct head *head = calloc(1, sizeof *head);
    struct tp__problem problem;
    char path[128];
    assert_non_null(head);
    assert_true(tp__trust_start());
    snprintf(head->directory, sizeof head->directory, "/tmp/taskpool-head-XXXXXX");
    assert_non_null(mkdtemp(head->directory));
    tp__key_generate(&head->node_key, "node");
    tp__key_generate(&head->driver_key, "driver");
    tp__key_generate(&head->own_key, "head");
    snprintf(path, sizeof path, "%s/key", head->directory);
    must(tp__key_write(&head->node_key, path, &problem), &problem);
    head_authorize(head, true);
    snprintf(path, sizeof path, "%s/coordinators_list", head->directory);
    write_authorized(path, (const char *const[]){"node"}, (const struct tp__key *const[]){&head->node_key}, 1);
    head->authorized = tp__authorized_read(path, &problem);
    must(head->authorized != NULL, &problem);

    head->program = open(FAKE_WORKER, O_RDONLY | O_CLOEXEC);
    assert_true(head->program >= 0);
    must(tp__program_measure(head->program, &head->length, &head->root, &head->hashes, &problem), &problem);

    head->zmq = zmq_ctx_new();
    head->door = tp__door_open(head->zmq, head->authorized, on_refused, NULL, &problem);
    must(head->door != NULL, &problem);
    head_come_back(head);
    head->node = -1;
    head->pidfd = -1;
    return head;
}

void head_close(struct head *head)
{
    if (head->node > 0) {
        kill(head->node, SIGKILL);
        (void)head_wait_node(head);
    }
    if (head->router)
        head_go_away(head);
    tp__door_close(head->door);
    zmq_ctx_term(head->zmq);
    tp__authorized_free(head->authorized);
    free(head->hashes);
    close(head->program);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", head->directory);
    assert_int_equal(system(command), 0);
    free(head);
}

/* ---- the node ---- */

static pid_t start(const struct head *head, const char *const *arguments, int ready, int error)
{
    char key[128], list[128], cache[128], number[16];
    snprintf(key, sizeof key, "--key=%s/key", head->directory);
    snprintf(list, sizeof list, "--authorized-keys=%s/authorized_keys", head->directory);
    snprintf(cache, sizeof cache, "--cache=%s/cache", head->directory);
    snprintf(number, sizeof number, "--ready-fd=3");
    char first_user[40], users[40];
    snprintf(first_user, sizeof first_user, "--worker-uid-base=%u", (unsigned)test_first_user());
    snprintf(users, sizeof users, "--worker-uid-count=%d", (int)TEST_USERS);
    const char *all[ARGUMENTS_LIMIT] = {
        "taskpool-node", key, list, cache, first_user, users, "--environment=ASAN_OPTIONS"};
    size_t count = 7;
    if (geteuid() != 0)
        all[count++] = "--same-user";
    if (ready >= 0)
        all[count++] = number;
    for (size_t i = 0; arguments && arguments[i] && count < ARGUMENTS_LIMIT - 1; i++)
        all[count++] = arguments[i];
    const pid_t pid = fork();
    if (pid == 0) {
        if (error >= 0)
            dup2(error, STDERR_FILENO);
        if (ready >= 0 && ready != 3)
            dup2(ready, 3);
        else if (ready == 3)
            fcntl(3, F_SETFD, 0);
        execv(NODE_PROGRAM, (char **)(uintptr_t)all);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

void head_start_node(struct head *head, const char *const *arguments)
{
    int ends[2];
    char endpoint[96];
    snprintf(endpoint, sizeof endpoint, "--coordinator=%s", head->endpoint);
    const char *all[ARGUMENTS_LIMIT] = {endpoint};
    for (size_t i = 0; arguments && arguments[i] && i < ARGUMENTS_LIMIT - 2; i++)
        all[i + 1] = arguments[i];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    head->node = start(head, all, ends[1], -1);
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    head->ready = fdopen(ends[0], "r");
    head->pidfd = (int)syscall(SYS_pidfd_open, head->node, 0);
    assert_true(head->pidfd >= 0);
}

bool head_is_ready(struct head *head)
{
    char line[64];
    return fgets(line, sizeof line, head->ready) != NULL && strncmp(line, "ready", 5) == 0;
}

int head_wait_node(struct head *head)
{
    struct pollfd end = {.fd = head->pidfd, .events = POLLIN};
    HEAD_UNTIL(head, poll(&end, 1, 0) == 1);
    int status;
    assert_int_equal(waitpid(head->node, &status, 0), head->node);
    head->node = -1;
    close(head->pidfd);
    fclose(head->ready);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int head_run_node(const struct head *head, const char *const *arguments, char *text, size_t size)
{
    int ends[2], status;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = start(head, arguments, -1, ends[1]);
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while (length < size - 1 && (got = read(ends[0], text + length, size - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void head_offer(struct head *head, const char *name)
{
    struct utsname machine;
    assert_int_equal(uname(&machine), 0);
    struct tp__offer content = {.driver = head->driver_key.public_key,
                                .session = tp__id_new(),
                                .program = head->root,
                                .program_length = head->length,
                                .protocol = TP__PROTOCOL_VERSION};
    uint8_t secret[64];
    crypto_sign_keypair(content.signing_key, secret);
    crypto_kx_keypair(content.exchange_key, secret);
    snprintf(content.machine, sizeof content.machine, "%.15s", machine.machine);
    snprintf(content.program_name, sizeof content.program_name, "%s", name);
    head->signed_offer_size = tp__offer_sign(&content, &head->driver_key, head->signed_offer);
    Taskpool__Offer offer = TASKPOOL__OFFER__INIT;
    Taskpool__Frame frame = TASKPOOL__FRAME__INIT;
    offer.signed_offer = tp__field(head->signed_offer, head->signed_offer_size);
    offer.session = tp__field_of_id(&content.session);
    frame.body_case = TASKPOOL__FRAME__BODY_OFFER;
    frame.offer = &offer;
    head->accepts = 0;
    send_frame(head, TP__LANE_CONTROL, &frame);
}
