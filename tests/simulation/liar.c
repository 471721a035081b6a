/* SPDX-License-Identifier: MIT */
#include "liar.h"
#include <stdlib.h>
struct liar { struct world *world; struct connection *connection; };
struct liar *liar_new(struct world *world, struct connection *connection)
{
    struct liar *liar = world_alloc(sizeof *liar);
    liar->world = world; liar->connection = connection;
    return liar;
}
void liar_free(struct liar *liar) { free(liar); }
void liar_pass(struct liar *liar, enum way way, const uint8_t *bytes, size_t size)
{
    network_carry(liar->world->network, liar->connection, way, bytes, size);
}
