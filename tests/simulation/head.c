/* SPDX-License-Identifier: MIT */
#include "head.h"

#include "cluster.h"
#include "plan.h"

#include <string.h>

enum { TICK_US = 2000 };

static struct head *head_of(void *context)
{
    return context;
}

static void transmit(void *context, const struct tp__peer *peer, const uint8_t *bytes, size_t size)
{
    struct head *head = head_of(context);
    network_send_down(head->host.world->network, head, peer, bytes, size);
}

static void log_line(void *context, enum coordinator_level level, const char *event, const char *text)
{
    const struct head *head = context;
    if (level != COORDINATOR_DEBUG)
        world_trace(head->host.world, "coordinator %u: %s %s", head->host.number, event, text);
}

static int64_t tick(struct host *host)
{
    struct head *head = (struct head *)(void *)host;
    return coordinator_tick(head->machine, world_ms(host->world));
}

void head_init(struct head *head, struct world *world, uint32_t number)
{
    *head = (struct head){0};
    host_init(&head->host, world, "coordinator", number, tick);
}

void head_start(struct head *head)
{
    struct world *world = head->host.world;
    if (head->machine)
        return;
    struct coordinator_options options = {.queue_limit_bytes = world->plan->queue_limit_bytes, .sessions_per_key = 0};
    (void)snprintf(options.name, sizeof options.name, "head%u", head->host.number);
    const struct coordinator_actions actions = {.transmit = transmit, .log = log_line, .context = head};
    world_trace(world, "coordinator %u starts%s", head->host.number, head->lies ? ", and lies" : "");
    host_start(&head->host);
    head->machine = coordinator_new(&options, world->cluster->everybody, &actions, world_ms(world));
    world_check(world, head->machine, "coordinator_new failed");
    host_touch(&head->host, TICK_US);
}

void head_crash(struct head *head)
{
    if (!head->machine)
        return;
    world_trace(head->host.world, "coordinator %u dies", head->host.number);
    coordinator_free(head->machine);
    head->machine = NULL;
    host_crash(&head->host);
    network_break_head(head->host.world->network, head);
}

void head_receive(struct head *head, const struct connection *connection, const uint8_t *bytes, size_t size)
{
    struct tp__peer peer = {.size = 5};
    memcpy(peer.id + 1, &connection->route, sizeof connection->route);
    coordinator_receive(head->machine, &peer, &connection->key, bytes, size, world_ms(head->host.world));
    host_touch(&head->host, TICK_US);
}

void head_fini(struct head *head)
{
    coordinator_free(head->machine);
    head->machine = NULL;
    host_free(&head->host);
}
