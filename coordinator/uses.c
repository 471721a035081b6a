/* SPDX-License-Identifier: MIT */
#include "uses.h"

#include "placement.h"
#include "sessions.h"

#include <stdlib.h>

struct use *use_find(const struct session *session, const struct node *node)
{
    return node->slot < session->use_capacity ? session->uses[node->slot] : NULL;
}

struct use *use_find_incarnation(const struct session *session, const struct tp__id *incarnation)
{
    return map_find(&session->incarnations, incarnation);
}

static bool reserve(struct session *session, uint32_t slot)
{
    if (slot < session->use_capacity)
        return true;
    uint32_t capacity = session->use_capacity > 0 ? session->use_capacity : 16;
    while (capacity <= slot)
        capacity *= 2;
    struct use **uses = realloc(session->uses, capacity * sizeof(struct use *));
    if (!uses)
        return false;
    memset(uses + session->use_capacity, 0, (capacity - session->use_capacity) * sizeof(struct use *));
    session->uses = uses;
    session->use_capacity = capacity;
    return true;
}

struct use *use_make(struct coordinator *coordinator, struct session *session, struct node *node)
{
    struct use *use = reserve(session, node->slot) ? calloc(1, sizeof *use) : NULL;
    if (!use)
        return NULL;
    use->session = session;
    use->node = node;
    use->next = node->uses;
    if (use->next)
        use->next->previous = use;
    node->uses = use;
    session->uses[node->slot] = use;
    coordinator->use_count++;
    return use;
}

void use_free(struct coordinator *coordinator, struct use *use)
{
    use_end(coordinator, use, NULL);
    use->session->uses[use->node->slot] = NULL;
    if (use->previous)
        use->previous->next = use->next;
    else
        use->node->uses = use->next;
    if (use->next)
        use->next->previous = use->previous;
    coordinator->use_count--;
    free(use);
}

bool use_accept(struct use *use, const struct tp__id *incarnation)
{
    if (!map_add(&use->session->incarnations, incarnation, use))
        return false;
    use->incarnation = *incarnation;
    use->sent = use->limited = 0;
    return true;
}

void use_limit(struct use *use, const Taskpool__Room *room)
{
    const int64_t most = INT64_C(1) << 60; /* sums of it do not overflow */
    use->limited = use->node->credits;
    use->room = room->total > most ? most : room->total < -most ? -most : room->total;
}

bool use_begin(struct use *use)
{
    if (!set_add(&use->session->nodes, use->node->slot))
        return false;
    if (!set_add(&use->node->users, use->session->slot)) {
        set_remove(&use->session->nodes, use->node->slot);
        return false;
    }
    use->used = true;
    return true;
}

void use_end(struct coordinator *coordinator, struct use *use, const char *reason)
{
    if (tp__id_is_none(&use->incarnation))
        return;
    struct session *session = use->session;
    placement_give_back(coordinator, use);
    set_remove(&use->node->users, session->slot);
    set_remove(&session->nodes, use->node->slot);
    if (reason)
        session_send_node_state(coordinator, session, &use->incarnation, TASKPOOL__NODE_CONDITION__NODE_LOST, reason);
    map_remove(&session->incarnations, &use->incarnation);
    use->incarnation = (struct tp__id){{0}};
    use->used = false;
}
