/* SPDX-License-Identifier: MIT */
/* Design notes: whom a ROUTER believes
 *
 * libzmq hands a message on with the properties of its connection. "User-Id" is what the door-keeper answered; what the
 * peer itself claims in its handshake only fills properties that are not there yet. Without a door-keeper, libzmq lets
 * everybody in (encryption without authentication) and a peer's own "User-Id" would be the only one: hence
 * ZAP_ENFORCE_DOMAIN, which turns everybody away while there is no door-keeper. Debian's libzmq has it, though its
 * header counts it among the drafts; a libzmq without it is refused.
 *
 * A peer may choose its routing id. Only ids of the form that the ROUTER makes itself (a zero and 4 bytes) are taken
 * here: no peer can sit on a name, nor take that of another, as a ROUTER without handover ignores an id that is in use.
 *
 * Limits: MAXMSGSIZE bounds one message in libzmq, the link's window bounds the bulk under way. SEND_LIMIT bounds what
 * is kept for a peer that talks but never reads: when it is reached a frame is lost, and a lost frame breaks the link.
 * At RECEIVE_LIMIT libzmq stops reading from that peer.
 */
#include "link/socket.h"

#include "link/zap.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    ZAP_ENFORCE_DOMAIN = 93,
    CURVE_OVERHEAD_BYTES = 64, /* flags, nonce and authenticator of an encrypted message: 33 */
    SEND_LIMIT = 65536,        /* messages; links have at most 8,192 of bulk under way */
    RECEIVE_LIMIT = 1024,
    ROUTING_ID_BYTES = 5
};

struct tp__socket {
    void *zmq;
    bool is_router;
    bool is_empty; /* nothing was called on it since it was found empty */
};

static bool set_int(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value) == 0;
}

/* What both ends have in common. */
static bool set_limits(void *socket, const char *endpoint)
{
    const int64_t message_bytes = TP__FRAME_LIMIT_BYTES + CURVE_OVERHEAD_BYTES;
    bool good = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &message_bytes, sizeof message_bytes) == 0;
    good = good && set_int(socket, ZMQ_SNDHWM, SEND_LIMIT) && set_int(socket, ZMQ_RCVHWM, RECEIVE_LIMIT);
    good = good && set_int(socket, ZMQ_LINGER, 200);
    good = good && set_int(socket, ZMQ_HANDSHAKE_IVL, 5000);
    good = good && set_int(socket, ZMQ_TCP_KEEPALIVE, 1) && set_int(socket, ZMQ_TCP_KEEPALIVE_IDLE, 10);
    good = good && set_int(socket, ZMQ_TCP_KEEPALIVE_INTVL, 5) && set_int(socket, ZMQ_TCP_KEEPALIVE_CNT, 3);
    /* else names would resolve to their IPv6 address, where an IPv4 coordinator does not listen */
    return good && (!strchr(endpoint, '[') || set_int(socket, ZMQ_IPV6, 1));
}

static bool set_own_key(void *socket, const struct tp__key *own)
{
    uint8_t public_key[32], secret_key[32];
    bool good = tp__curve_of_key(own, public_key, secret_key);
    good = good && zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, public_key, sizeof public_key) == 0;
    good = good && zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, secret_key, sizeof secret_key) == 0;
    sodium_memzero(secret_key, sizeof secret_key);
    return good;
}

/* libzmq would take some of the others, and find out later or never. */
static bool is_endpoint(const char *endpoint, bool listens)
{
    static const char scheme[] = "tcp://";
    if (strncmp(endpoint, scheme, sizeof scheme - 1) != 0)
        return false;
    const char *host = endpoint + sizeof scheme - 1;
    const char *port = strrchr(host, ':');
    if (!port || port == host)
        return false;
    if (listens && strcmp(port + 1, "*") == 0)
        return true;
    const size_t digits = strspn(port + 1, "0123456789");
    if (digits == 0 || digits > 5 || port[1 + digits])
        return false;
    const long number = strtol(port + 1, NULL, 10);
    return number > 0 && number <= UINT16_MAX;
}

static struct tp__socket *open_socket(void *zmq_context, int type, const char *endpoint, const struct tp__key *own,
                                      struct tp__problem *problem)
{
    if (!is_endpoint(endpoint, type == ZMQ_ROUTER)) {
        tp__problem_set(problem, TP_E_ADDRESS, "\"%s\" is not an endpoint: write tcp://HOST:PORT", endpoint);
        return NULL;
    }
    struct tp__socket *socket = calloc(1, sizeof *socket);
    if (!socket) {
        tp__problem_set(problem, TP_E_NOMEM, "no memory for a socket");
        return NULL;
    }
    socket->is_router = type == ZMQ_ROUTER;
    socket->zmq = zmq_socket(zmq_context, type);
    if (!socket->zmq)
        tp__problem_set(problem, TP_E_SYSTEM, "no socket for %s: %s", endpoint, zmq_strerror(errno));
    else if (!set_limits(socket->zmq, endpoint) || !set_own_key(socket->zmq, own))
        tp__problem_set(problem, TP_E_UNSUPPORTED, "libzmq refuses an option that %s needs: %s", endpoint,
                        zmq_strerror(errno));
    else
        return socket;
    tp__socket_close(socket);
    return NULL;
}

static struct tp__socket *refuse(struct tp__socket *socket, struct tp__problem *problem, const char *what,
                                 const char *endpoint)
{
    const int number = errno;
    const tp_status status = number == EINVAL || number == EPROTONOSUPPORT ? TP_E_ADDRESS : TP_E_SYSTEM;
    tp__problem_set(problem, status, "cannot %s %s: %s", what, endpoint, zmq_strerror(number));
    tp__socket_close(socket);
    return NULL;
}

struct tp__socket *tp__socket_connect(void *zmq_context, const char *endpoint, const struct tp__key *own,
                                      const struct tp__public_key *coordinator, struct tp__problem *problem)
{
    uint8_t server_key[32];
    if (!tp__curve_of_public(coordinator, server_key)) {
        tp__problem_set(problem, TP_E_ARGUMENT, "the key of the coordinator at %s is not a key", endpoint);
        return NULL;
    }
    struct tp__socket *socket = open_socket(zmq_context, ZMQ_DEALER, endpoint, own, problem);
    if (!socket)
        return NULL;
    bool good = zmq_setsockopt(socket->zmq, ZMQ_CURVE_SERVERKEY, server_key, sizeof server_key) == 0;
    good = good && set_int(socket->zmq, ZMQ_RECONNECT_IVL, 100) && set_int(socket->zmq, ZMQ_RECONNECT_IVL_MAX, 1000);
    good = good && set_int(socket->zmq, ZMQ_CONNECT_TIMEOUT, 3000);
    if (!good || zmq_connect(socket->zmq, endpoint) != 0)
        return refuse(socket, problem, "connect to", endpoint);
    return socket;
}

struct tp__socket *tp__socket_bind(void *zmq_context, const char *endpoint, const struct tp__key *own,
                                   struct tp__problem *problem)
{
    struct tp__socket *socket = open_socket(zmq_context, ZMQ_ROUTER, endpoint, own, problem);
    if (!socket)
        return NULL;
    static const char domain[] = TP__ZAP_DOMAIN;
    bool good = set_int(socket->zmq, ZMQ_CURVE_SERVER, 1);
    good = good && zmq_setsockopt(socket->zmq, ZMQ_ZAP_DOMAIN, domain, sizeof domain - 1) == 0;
    good = good && set_int(socket->zmq, ZAP_ENFORCE_DOMAIN, 1);
    good = good && set_int(socket->zmq, ZMQ_ROUTER_MANDATORY, 1);
    good = good && set_int(socket->zmq, ZMQ_BACKLOG, 1024);
    if (!good || zmq_bind(socket->zmq, endpoint) != 0)
        return refuse(socket, problem, "listen at", endpoint);
    return socket;
}

bool tp__socket_endpoint(struct tp__socket *socket, char *text, size_t size)
{
    return zmq_getsockopt(socket->zmq, ZMQ_LAST_ENDPOINT, text, &size) == 0;
}

void tp__socket_close(struct tp__socket *socket)
{
    if (!socket)
        return;
    if (socket->zmq)
        (void)zmq_close(socket->zmq);
    free(socket);
}

void *tp__socket_zmq(const struct tp__socket *socket)
{
    return socket->zmq;
}

/* ---- news ---- */

int tp__socket_descriptor(const struct tp__socket *socket)
{
    int descriptor = -1;
    size_t size = sizeof descriptor;
    return zmq_getsockopt(socket->zmq, ZMQ_FD, &descriptor, &size) == 0 ? descriptor : -1;
}

void tp__socket_told(struct tp__socket *socket)
{
    socket->is_empty = false;
}

bool tp__socket_is_empty(const struct tp__socket *socket)
{
    return socket->is_empty;
}

bool tp__socket_has_message(struct tp__socket *socket)
{
    if (socket->is_empty)
        return false;
    int events = 0;
    size_t size = sizeof events;
    int status;
    while ((status = zmq_getsockopt(socket->zmq, ZMQ_EVENTS, &events, &size)) != 0 && errno == EINTR)
        ;
    return status == 0 && (events & ZMQ_POLLIN) != 0;
}

/* ---- messages ---- */

/* A signal may interrupt libzmq when it has taken its descriptor's news and not told of them yet: it is asked again. */
static int receive_part(void *socket, zmq_msg_t *message)
{
    int got;
    while ((got = zmq_msg_recv(message, socket, ZMQ_DONTWAIT)) < 0 && errno == EINTR)
        ;
    return got;
}

/* Reads the parts behind one that was not the last. */
static void skip_parts(void *socket, zmq_msg_t *message)
{
    while (zmq_msg_more(message))
        if (receive_part(socket, message) < 0)
            return;
}

static int drop(void *socket, zmq_msg_t *message)
{
    skip_parts(socket, message);
    (void)zmq_msg_close(message);
    (void)zmq_msg_init(message);
    return -1;
}

int tp__socket_receive(struct tp__socket *socket, struct tp__peer *peer, struct tp__public_key *sender,
                       void *zmq_message)
{
    zmq_msg_t *message = zmq_message;
    (void)zmq_msg_init(message);
    socket->is_empty = receive_part(socket->zmq, message) < 0;
    if (socket->is_empty)
        return 0;
    if (socket->is_router) {
        const uint8_t *id = zmq_msg_data(message);
        if (zmq_msg_size(message) != ROUTING_ID_BYTES || id[0] != 0 || !zmq_msg_more(message))
            return drop(socket->zmq, message);
        *peer = (struct tp__peer){.size = ROUTING_ID_BYTES};
        memcpy(peer->id, id, ROUTING_ID_BYTES);
        if (receive_part(socket->zmq, message) < 0)
            return drop(socket->zmq, message);
        const char *user = zmq_msg_gets(message, "User-Id");
        if (!user || !tp__public_key_parse(sender, user))
            return drop(socket->zmq, message);
    }
    if (zmq_msg_more(message) || zmq_msg_size(message) > TP__FRAME_LIMIT_BYTES)
        return drop(socket->zmq, message);
    return 1;
}

static bool send_address(const struct tp__socket *socket, const struct tp__peer *peer)
{
    return !socket->is_router || zmq_send(socket->zmq, peer->id, peer->size, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0;
}

bool tp__socket_send(struct tp__socket *socket, const struct tp__peer *peer, const uint8_t *bytes, size_t size)
{
    socket->is_empty = false;
    return send_address(socket, peer) && zmq_send(socket->zmq, bytes, size, ZMQ_DONTWAIT) >= 0;
}

/* Called by a thread of libzmq when it has sent it all. */
static void free_block(void *bytes, void *block)
{
    (void)bytes;
    free(block);
}

bool tp__socket_send_block(struct tp__socket *socket, const struct tp__peer *peer, void *block, const uint8_t *bytes,
                           size_t size)
{
    socket->is_empty = false;
    zmq_msg_t message;
    if (zmq_msg_init_data(&message, (void *)(uintptr_t)bytes, size, free_block, block) != 0) {
        free(block);
        return false;
    }
    if (send_address(socket, peer) && zmq_msg_send(&message, socket->zmq, ZMQ_DONTWAIT) >= 0)
        return true;
    (void)zmq_msg_close(&message);
    return false;
}
