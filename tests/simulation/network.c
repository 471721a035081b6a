/* SPDX-License-Identifier: MIT */
#include "network.h"

#include "cluster.h"
#include "head.h"
#include "liar.h"
#include "plan.h"

#include <stdlib.h>
#include <string.h>

enum { RETRY_US = 50000, RATE_BYTES_US = 200 };

struct network *network_new(struct world *world)
{
    struct network *network = world_alloc(sizeof *network);
    network->world = world;
    network->loss = world->plan->loss;
    return network;
}

static void clear_waiting(struct connection *connection)
{
    while (connection->waiting) {
        struct message *message = connection->waiting;
        connection->waiting = message->next;
        free(message);
    }
    connection->waiting_tail = &connection->waiting;
}

void network_free(struct network *network)
{
    while (network->connections) {
        struct connection *connection = network->connections;
        network->connections = connection->next;
        clear_waiting(connection);
        liar_free(connection->liar);
        free(connection);
    }
    free(network->routes);
    free(network);
}

/* ---- messages under way ---- */

static void arrive(struct world *world, void *object, uint64_t argument, bool live)
{
    struct message *message = object;
    struct connection *connection = message->connection;
    (void)argument;
    if (live && message->way == WAY_UP) {
        /* also after its socket was closed: it is on its way */
        struct head *head = connection->head;
        if (head && message->epoch == connection->epoch)
            head_receive(head, connection, message->bytes, message->size);
    } else if (live && connection->station && message->epoch == connection->epoch) {
        connection->station->receive(connection->station, message->bytes, message->size);
    }
    (void)world;
    free(message);
}

static int64_t delay_of(struct network *network, size_t size)
{
    struct random *random = &network->world->random;
    const int64_t latency_us = network->world->plan->latency_us;
    int64_t delay_us = latency_us + random_between(random, 0, latency_us);
    if (random_chance(random, 2000))
        delay_us += random_between(random, 0, 200000); /* a retransmission, a scheduler */
    return delay_us + (int64_t)(size / RATE_BYTES_US);
}

static struct message *new_message(struct connection *connection, enum way way, const uint8_t *bytes, size_t size)
{
    struct message *message = world_alloc(sizeof *message + size);
    message->connection = connection;
    message->epoch = connection->epoch;
    message->way = way;
    message->size = size;
    memcpy(message->bytes, bytes, size);
    return message;
}

void network_carry(struct network *network, struct connection *connection, enum way way, const uint8_t *bytes,
                   size_t size)
{
    struct world *world = network->world;
    if (random_chance(&world->random, network->loss)) {
        network->lost++;
        world_trace(world, "a frame %s %s %u is lost", way == WAY_UP ? "from" : "to", connection->station->host.kind,
                    connection->station->host.number);
        return;
    }
    int64_t at_us = world->now_us + delay_of(network, size);
    if (connection->station && at_us < connection->station->cut_us)
        at_us = connection->station->cut_us;
    if (at_us < connection->arrives_us[way])
        at_us = connection->arrives_us[way];
    connection->arrives_us[way] = at_us;
    struct host *to = way == WAY_UP ? &connection->head->host : &connection->station->host;
    world_at(world, at_us, to, arrive, new_message(connection, way, bytes, size), 0);
}

/* ---- connecting ---- */

static void unroute(struct network *network, struct connection *connection)
{
    if (connection->head)
        network->routes[connection->route] = NULL;
    connection->head = NULL;
}

static void try_connect(struct world *world, void *object, uint64_t epoch, bool live)
{
    struct connection *connection = object;
    struct network *network = world->network;
    if (!live || !connection->station || connection->head || connection->epoch != epoch)
        return;
    struct head *head = cluster_pick_head(world->cluster);
    if (!head || world->now_us < connection->station->cut_us) {
        world_after(world, RETRY_US + random_between(&world->random, 0, RETRY_US), NULL, try_connect, connection,
                    epoch);
        return;
    }
    network->routes =
        world_grow(network->routes, &network->route_capacity, network->route_count + 1, sizeof(struct connection *));
    connection->head = head;
    connection->route = (uint32_t)network->route_count++;
    network->routes[connection->route] = connection;
    liar_free(connection->liar);
    connection->liar = head->lies ? liar_new(world, connection) : NULL;
    struct message *message = connection->waiting;
    connection->waiting = NULL;
    connection->waiting_tail = &connection->waiting;
    while (message) {
        struct message *next = message->next;
        network_send_up(network, connection->station, message->bytes, message->size);
        free(message);
        message = next;
    }
}

static void connect_soon(struct world *world, struct connection *connection)
{
    world_after(world, world->plan->latency_us + random_between(&world->random, 0, 2 * world->plan->latency_us), NULL,
                try_connect, connection, connection->epoch);
}

static void say_connected(struct world *world, void *object, uint64_t epoch, bool live)
{
    struct connection *connection = object;
    (void)world;
    (void)epoch;
    if (live && connection->station)
        connection->station->connected(connection->station);
}

void network_close(struct network *network, struct station *station)
{
    struct connection *connection = station->connection;
    if (!connection)
        return;
    station->connection = NULL;
    connection->station = NULL;
    clear_waiting(connection);
    if (connection->head && random_chance(&network->world->random, 500000))
        connection->epoch++; /* what was under way goes as well */
    if (connection->head)
        network->routes[connection->route] = NULL;
}

void network_open(struct network *network, struct station *station)
{
    struct world *world = network->world;
    network_close(network, station);
    struct connection *connection = world_alloc(sizeof *connection);
    connection->next = network->connections;
    network->connections = connection;
    connection->station = station;
    connection->key = station->key.public_key;
    connection->waiting_tail = &connection->waiting;
    station->connection = connection;
    connect_soon(world, connection);
    world_after(world, random_between(&world->random, 0, 200), &station->host, say_connected, connection, 0);
}

/* ---- sending ---- */

void network_send_up(struct network *network, struct station *station, const uint8_t *bytes, size_t size)
{
    struct connection *connection = station->connection;
    if (!connection)
        return;
    if (!connection->head) { /* ZeroMQ keeps it for the connection */
        struct message *message = new_message(connection, WAY_UP, bytes, size);
        *connection->waiting_tail = message;
        connection->waiting_tail = &message->next;
    } else if (connection->liar) {
        liar_pass(connection->liar, WAY_UP, bytes, size);
    } else {
        network_carry(network, connection, WAY_UP, bytes, size);
    }
}

void network_send_down(struct network *network, struct head *head, const struct tp__peer *to, const uint8_t *bytes,
                       size_t size)
{
    uint32_t route;
    memcpy(&route, to->id + 1, sizeof route);
    struct connection *connection = route < network->route_count ? network->routes[route] : NULL;
    if (!connection || connection->head != head)
        return; /* it is gone, and the ROUTER says so */
    if (connection->liar)
        liar_pass(connection->liar, WAY_DOWN, bytes, size);
    else
        network_carry(network, connection, WAY_DOWN, bytes, size);
}

/* ---- breaking ---- */

static void told(struct world *world, void *object, uint64_t epoch, bool live)
{
    struct connection *connection = object;
    if (live && connection->station && connection->epoch == epoch)
        network_open(world->network, connection->station);
}

void network_break(struct network *network, struct connection *connection, bool is_told)
{
    struct world *world = network->world;
    if (!connection || !connection->station || !connection->head)
        return;
    network->breaks++;
    world_trace(world, "the connection of %s %u breaks%s", connection->station->host.kind,
                connection->station->host.number, is_told ? "" : ", in silence");
    unroute(network, connection);
    connection->epoch++;
    connect_soon(world, connection);
    if (is_told)
        world_after(world, random_between(&world->random, 0, 2000), &connection->station->host, told, connection,
                    connection->epoch);
}

void network_break_head(struct network *network, struct head *head)
{
    for (struct connection *connection = network->connections; connection; connection = connection->next)
        if (connection->head == head && connection->station)
            network_break(network, connection, random_chance(&network->world->random, 500000));
        else if (connection->head == head)
            connection->head = NULL;
}
