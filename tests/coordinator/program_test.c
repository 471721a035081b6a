/* SPDX-License-Identifier: MIT */
/* The program taskpool-coordinator, with real sockets: starting, signals, what it says when it cannot start. */
#include "link/link.h"
#include "link/socket.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct place {
    char folder[64];
    char key_path[96], authorized_path[96], config_path[96];
    struct tp__key coordinator, node, driver;
};

static void write_list(const struct place *place, bool with_node)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s.new", place->authorized_path);
    (void)unlink(path);
    assert_true(tp__authorized_add(path, TP__ROLE_DRIVER, &place->driver.public_key, "d", NULL));
    if (with_node)
        assert_true(tp__authorized_add(path, TP__ROLE_NODE, &place->node.public_key, "n", NULL));
    assert_int_equal(rename(path, place->authorized_path), 0);
}

static struct place make_place(void)
{
    struct place place;
    (void)snprintf(place.folder, sizeof place.folder, "/tmp/taskpool-coordinator-XXXXXX");
    assert_non_null(mkdtemp(place.folder));
    (void)snprintf(place.key_path, sizeof place.key_path, "%s/key", place.folder);
    (void)snprintf(place.authorized_path, sizeof place.authorized_path, "%s/authorized_keys", place.folder);
    (void)snprintf(place.config_path, sizeof place.config_path, "%s/conf", place.folder);
    tp__key_generate(&place.coordinator, "coordinator");
    tp__key_generate(&place.node, "node");
    tp__key_generate(&place.driver, "driver");
    assert_true(tp__key_write(&place.coordinator, place.key_path, NULL));
    write_list(&place, true);
    FILE *config = fopen(place.config_path, "w");
    assert_non_null(config);
    (void)fprintf(config, "name = head\nkey = %s\nauthorized-keys = %s\n", place.key_path, place.authorized_path);
    (void)fclose(config);
    return place;
}

static void remove_place(const struct place *place)
{
    (void)unlink(place->key_path);
    (void)unlink(place->authorized_path);
    (void)unlink(place->config_path);
    assert_int_equal(rmdir(place->folder), 0);
}

/* ---- the process ---- */

struct process {
    pid_t pid;
    FILE *log; /* its standard error */
    char endpoint[128];
};

static struct process start(const struct place *place, const char *listen)
{
    int log[2];
    int ready[2];
    assert_int_equal(pipe(log), 0);
    assert_int_equal(pipe(ready), 0);
    struct process process = {.pid = fork()};
    assert_true(process.pid >= 0);
    if (process.pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* also when a check fails */
        (void)dup2(log[1], STDERR_FILENO);
        (void)close(log[0]);
        (void)close(ready[0]);
        char ready_fd[16];
        (void)snprintf(ready_fd, sizeof ready_fd, "%d", ready[1]);
        execl(COORDINATOR_PATH, "taskpool-coordinator", "--config", place->config_path, "--listen", listen,
              "--ready-fd", ready_fd, (char *)NULL);
        _exit(127);
    }
    (void)close(log[1]);
    (void)close(ready[1]);
    process.log = fdopen(log[0], "r");
    assert_non_null(process.log);
    FILE *file = fdopen(ready[0], "r");
    assert_non_null(file);
    if (fscanf(file, "ready %127s", process.endpoint) != 1)
        process.endpoint[0] = '\0';
    (void)fclose(file);
    return process;
}

/* Reads its log up to a line that has the text. */
static void expect_line(const struct process *process, const char *text)
{
    char line[2048];
    while (fgets(line, sizeof line, process->log))
        if (strstr(line, text))
            return;
    fail_msg("the log has no \"%s\"", text);
}

static int wait_for(struct process *process)
{
    int status;
    assert_int_equal(waitpid(process->pid, &status, 0), process->pid);
    (void)fclose(process->log);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* ---- a node ---- */

struct node_end {
    struct tp__socket *socket;
    struct tp__link *link;
    Taskpool__Frame__BodyCase kind; /* of the last frame */
    uint32_t status;                /* of a Refusal */
};

static void on_transmit(void *context, const uint8_t *bytes, size_t size)
{
    const struct node_end *end = context;
    (void)tp__socket_send(end->socket, NULL, bytes, size);
}

static void on_received(void *context, const Taskpool__Frame *frame)
{
    struct node_end *end = context;
    end->kind = frame->body_case;
    if (frame->body_case == TASKPOOL__FRAME__BODY_REFUSAL)
        end->status = frame->refusal->status;
}

static void on_broken(void *context, const char *reason)
{
    struct node_end *end = context;
    print_message("link broken: %s\n", reason);
    end->kind = TASKPOOL__FRAME__BODY_RESET;
}

static void expect_frame(struct node_end *end, Taskpool__Frame__BodyCase kind)
{
    const int64_t end_ms = now_ms() + PATIENCE_MS;
    while (end->kind != kind) {
        if (now_ms() >= end_ms || end->kind == TASKPOOL__FRAME__BODY_RESET)
            fail_msg("frame %d did not come", (int)kind);
        zmq_pollitem_t item = {.socket = tp__socket_zmq(end->socket), .events = ZMQ_POLLIN};
        (void)zmq_poll(&item, 1, 100);
        zmq_msg_t message;
        int found;
        while ((found = tp__socket_receive(end->socket, NULL, NULL, &message)) != 0) {
            if (found > 0)
                tp__link_receive(end->link, zmq_msg_data(&message), zmq_msg_size(&message), now_ms());
            (void)zmq_msg_close(&message);
        }
        (void)zmq_msg_close(&message);
        (void)tp__link_tick(end->link, now_ms());
    }
    end->kind = TASKPOOL__FRAME__BODY__NOT_SET;
}

static void connect_node(struct node_end *end, void *zmq, const struct place *place, const char *endpoint)
{
    struct tp__problem problem;
    *end = (struct node_end){
        .socket = tp__socket_connect(zmq, endpoint, &place->node, &place->coordinator.public_key, &problem)};
    if (!end->socket)
        fail_msg("%s", problem.text);
    const struct tp__link_events events = {
        .transmit = on_transmit, .received = on_received, .broken = on_broken, .context = end};
    end->link = tp__link_new(&events, now_ms());
    assert_non_null(end->link);
    const struct tp__id life = tp__id_new();
    Taskpool__Hello hello;
    taskpool__hello__init(&hello);
    hello.protocol = TP__PROTOCOL_VERSION;
    hello.role = TASKPOOL__ROLE__ROLE_NODE;
    hello.life = tp__field_of_id(&life);
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_HELLO;
    frame.hello = &hello;
    assert_true(tp__link_send(end->link, TP__LANE_CONTROL, &frame));
}

static void close_node(struct node_end *end)
{
    tp__link_free(end->link);
    tp__socket_close(end->socket);
}

/* ---- the tests ---- */

static void it_welcomes_and_ends_on_sigterm_with_a_bye(void **state)
{
    (void)state;
    const struct place place = make_place();
    struct process process = start(&place, "tcp://127.0.0.1:*");
    assert_true(process.endpoint[0]);
    void *zmq = zmq_ctx_new();
    struct node_end node;
    connect_node(&node, zmq, &place, process.endpoint);
    expect_frame(&node, TASKPOOL__FRAME__BODY_WELCOME);
    assert_int_equal(kill(process.pid, SIGTERM), 0);
    expect_frame(&node, TASKPOOL__FRAME__BODY_BYE);
    expect_line(&process, "stopped");
    assert_int_equal(wait_for(&process), 0);
    close_node(&node);
    (void)zmq_ctx_term(zmq);
    remove_place(&place);
}

static void sighup_reads_the_keys_anew(void **state)
{
    (void)state;
    const struct place place = make_place();
    struct process process = start(&place, "tcp://127.0.0.1:*");
    assert_true(process.endpoint[0]);
    void *zmq = zmq_ctx_new();
    struct node_end node;
    connect_node(&node, zmq, &place, process.endpoint);
    expect_frame(&node, TASKPOOL__FRAME__BODY_WELCOME);
    /* a list that cannot be read changes nothing */
    FILE *list = fopen(place.authorized_path, "w");
    assert_non_null(list);
    (void)fputs("what is this\n", list);
    (void)fclose(list);
    assert_int_equal(kill(process.pid, SIGHUP), 0);
    expect_line(&process, "not-reloaded");
    struct node_end other;
    connect_node(&other, zmq, &place, process.endpoint);
    expect_frame(&other, TASKPOOL__FRAME__BODY_WELCOME);
    close_node(&other);
    /* a list without the key ends its link */
    write_list(&place, false);
    assert_int_equal(kill(process.pid, SIGHUP), 0);
    expect_frame(&node, TASKPOOL__FRAME__BODY_REFUSAL);
    assert_int_equal(node.status, TP_E_UNTRUSTED);
    connect_node(&other, zmq, &place, process.endpoint);
    expect_line(&process, "turned-away");
    close_node(&other);
    close_node(&node);
    assert_int_equal(kill(process.pid, SIGINT), 0);
    assert_int_equal(wait_for(&process), 0);
    (void)zmq_ctx_term(zmq);
    remove_place(&place);
}

static void it_says_why_it_cannot_start(void **state)
{
    (void)state;
    const struct place place = make_place();
    struct process first = start(&place, "tcp://127.0.0.1:*");
    assert_true(first.endpoint[0]);
    struct process process = start(&place, first.endpoint);
    expect_line(&process, "--listen");
    assert_int_equal(wait_for(&process), 1);
    assert_int_equal(kill(first.pid, SIGTERM), 0);
    assert_int_equal(wait_for(&first), 0);
    process = start(&place, "nonsense");
    expect_line(&process, "tcp://HOST:PORT");
    assert_int_equal(wait_for(&process), 1);
    (void)unlink(place.key_path);
    process = start(&place, "tcp://127.0.0.1:*");
    expect_line(&process, "taskpool keygen");
    assert_int_equal(wait_for(&process), 1);
    assert_true(tp__key_write(&place.coordinator, place.key_path, NULL));
    (void)unlink(place.authorized_path);
    process = start(&place, "tcp://127.0.0.1:*");
    expect_line(&process, "taskpool authorize");
    assert_int_equal(wait_for(&process), 1);
    write_list(&place, true);
    remove_place(&place);
}

int main(void)
{
    if (!tp__trust_start())
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_welcomes_and_ends_on_sigterm_with_a_bye),
        cmocka_unit_test(sighup_reads_the_keys_anew),
        cmocka_unit_test(it_says_why_it_cannot_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
