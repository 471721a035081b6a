/* SPDX-License-Identifier: MIT */
/* Design notes: RFC 27 (ZAP 1.0) over a REP socket
 *
 * request: version "1.0", request id, domain, address, routing id, mechanism, credentials (CURVE: one part, the key)
 * reply:   version, request id, status "200" "400" "500", text, user id, metadata
 *
 * libzmq asks from inside this process, but parts of what it asks come from peers, so every part is checked. Each
 * request is answered, also one that cannot be read: REP goes on only then, and the peer would hang in its handshake.
 *
 * The list may be replaced while the thread looks at it: `lock` is held as long as a key is looked up.
 */
#include "link/socket.h"
#include "link/zap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zmq.h>

enum { ID_LIMIT_BYTES = 64, ADDRESS_LIMIT_BYTES = 64, CURVE_TEXT_BYTES = 41, PARTS_BEFORE_KEY = 6 };

struct tp__door {
    void *socket;
    int stop; /* eventfd */
    pthread_t thread;
    pthread_mutex_t lock;
    const struct tp__authorized *authorized;
    tp__door_refused_fn *refused;
    void *argument;
};

struct question {
    size_t id_size;
    uint8_t id[ID_LIMIT_BYTES];
    char address[ADDRESS_LIMIT_BYTES];
    uint8_t curve[32];
    bool readable;
};

static bool part_is(zmq_msg_t *part, const char *text)
{
    return zmq_msg_size(part) == strlen(text) && memcmp(zmq_msg_data(part), text, strlen(text)) == 0;
}

/* An address is a host's in text. What else it might be is not passed on to logs. */
static void copy_address(char *address, zmq_msg_t *part)
{
    const char *bytes = zmq_msg_data(part);
    size_t length = zmq_msg_size(part);
    if (length >= ADDRESS_LIMIT_BYTES)
        length = ADDRESS_LIMIT_BYTES - 1;
    for (size_t i = 0; i < length; i++)
        address[i] = (char)(bytes[i] > ' ' && bytes[i] < 0x7f ? bytes[i] : '?');
    address[length] = '\0';
}

/* One part of the request: false if it is not what it must be. */
static bool read_part(struct question *question, unsigned number, zmq_msg_t *part)
{
    const size_t size = zmq_msg_size(part);
    switch (number) {
    case 0:
        return part_is(part, "1.0");
    case 1:
        if (size > ID_LIMIT_BYTES)
            return false;
        question->id_size = size;
        if (size > 0)
            memcpy(question->id, zmq_msg_data(part), size);
        return true;
    case 2:
        return part_is(part, TP__ZAP_DOMAIN);
    case 3:
        copy_address(question->address, part);
        return true;
    case 4: /* the routing id: means nothing */
        return true;
    case 5:
        return part_is(part, "CURVE");
    case PARTS_BEFORE_KEY:
        if (size != sizeof question->curve)
            return false;
        memcpy(question->curve, zmq_msg_data(part), size);
        return true;
    default:
        return false;
    }
}

/* Reads a whole request. False if there is none. */
static bool receive(void *socket, struct question *question)
{
    *question = (struct question){.readable = true};
    bool more = true;
    for (unsigned number = 0; more; number++) {
        zmq_msg_t part;
        (void)zmq_msg_init(&part);
        if (zmq_msg_recv(&part, socket, ZMQ_DONTWAIT) < 0) {
            (void)zmq_msg_close(&part);
            return false;
        }
        more = zmq_msg_more(&part);
        if (!read_part(question, number, &part) || (number == PARTS_BEFORE_KEY) == more)
            question->readable = false;
        (void)zmq_msg_close(&part);
    }
    return true;
}

static void answer(void *socket, const struct question *question, const char *status, const char *text,
                   const char *user)
{
    (void)zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
    (void)zmq_send(socket, question->id, question->id_size, ZMQ_SNDMORE);
    (void)zmq_send(socket, status, strlen(status), ZMQ_SNDMORE);
    (void)zmq_send(socket, text, strlen(text), ZMQ_SNDMORE);
    (void)zmq_send(socket, user, strlen(user), ZMQ_SNDMORE);
    (void)zmq_send(socket, "", 0, 0);
}

static bool is_listed(struct tp__door *door, const uint8_t curve[32], struct tp__public_key *key)
{
    static const enum tp__role roles[] = {TP__ROLE_DRIVER, TP__ROLE_NODE, TP__ROLE_ADMIN};
    bool found = false;
    (void)pthread_mutex_lock(&door->lock);
    for (size_t i = 0; i < sizeof roles / sizeof roles[0] && !found; i++)
        found = tp__authorized_find_curve(door->authorized, roles[i], curve, key) != NULL;
    (void)pthread_mutex_unlock(&door->lock);
    return found;
}

static void decide(struct tp__door *door, const struct question *question)
{
    if (!question->readable) {
        answer(door->socket, question, "500", "unreadable request", "");
        door->refused(question->address, "", door->argument);
        return;
    }
    struct tp__public_key key;
    if (is_listed(door, question->curve, &key)) {
        char user[45];
        tp__public_key_text(&key, user);
        answer(door->socket, question, "200", "OK", user);
        return;
    }
    char curve_text[CURVE_TEXT_BYTES];
    (void)zmq_z85_encode(curve_text, question->curve, sizeof question->curve);
    answer(door->socket, question, "400", "unknown key", "");
    door->refused(question->address, curve_text, door->argument);
}

static void *keep(void *argument)
{
    struct tp__door *door = argument;
    zmq_pollitem_t items[] = {{.socket = door->socket, .events = ZMQ_POLLIN}, {.fd = door->stop, .events = ZMQ_POLLIN}};
    for (;;) {
        if (zmq_poll(items, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return NULL; /* the context is being ended */
        }
        if (items[1].revents)
            return NULL;
        struct question question;
        while (receive(door->socket, &question))
            decide(door, &question);
    }
}

/* The thread takes no signals: they are the program's. */
static int start(struct tp__door *door)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&door->thread, NULL, keep, door);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

static struct tp__door *refuse(struct tp__door *door, struct tp__problem *problem, const char *what, int error)
{
    tp__problem_set(problem, TP_E_SYSTEM, "the door-keeper cannot start: %s: %s", what, zmq_strerror(error));
    if (door->socket)
        (void)zmq_close(door->socket);
    if (door->stop >= 0)
        (void)close(door->stop);
    (void)pthread_mutex_destroy(&door->lock);
    free(door);
    return NULL;
}

struct tp__door *tp__door_open(void *zmq_context, const struct tp__authorized *authorized, tp__door_refused_fn *refused,
                               void *argument, struct tp__problem *problem)
{
    struct tp__door *door = calloc(1, sizeof *door);
    if (!door) {
        tp__problem_set(problem, TP_E_NOMEM, "no memory for the door-keeper");
        return NULL;
    }
    (void)pthread_mutex_init(&door->lock, NULL);
    door->authorized = authorized;
    door->refused = refused;
    door->argument = argument;
    door->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (door->stop < 0)
        return refuse(door, problem, "eventfd", errno);
    door->socket = zmq_socket(zmq_context, ZMQ_REP);
    const int linger = 0;
    if (!door->socket || zmq_setsockopt(door->socket, ZMQ_LINGER, &linger, sizeof linger) != 0)
        return refuse(door, problem, "socket", errno);
    if (zmq_bind(door->socket, TP__ZAP_ENDPOINT) != 0)
        return refuse(door, problem, "bind", errno);
    const int error = start(door);
    return error == 0 ? door : refuse(door, problem, "thread", error);
}

void tp__door_authorize(struct tp__door *door, const struct tp__authorized *authorized)
{
    (void)pthread_mutex_lock(&door->lock);
    door->authorized = authorized;
    (void)pthread_mutex_unlock(&door->lock);
}

void tp__door_close(struct tp__door *door)
{
    if (!door)
        return;
    const uint64_t one = 1;
    (void)!write(door->stop, &one, sizeof one);
    (void)pthread_join(door->thread, NULL);
    (void)zmq_close(door->socket);
    (void)close(door->stop);
    (void)pthread_mutex_destroy(&door->lock);
    free(door);
}
