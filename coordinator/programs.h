/* SPDX-License-Identifier: MIT */
/** @file
 * Programs on their way from drivers to nodes. A chunk is fetched from a driver once, checked, and kept while nodes ask
 * for the program; at most 32 nodes get it at a time.
 */
#ifndef COORDINATOR_PROGRAMS_H
#define COORDINATOR_PROGRAMS_H

#include "state.h"

enum {
    FETCHES_AT_A_TIME = 32, /* nodes that get one program */
    CHUNKS_LIMIT = TP__PROGRAM_LIMIT_BYTES / TP__CHUNK_BYTES
};

struct chunk {
    uint8_t *bytes;  /* NULL: not here */
    uint32_t wanted; /* by so many fetches */
    bool asked;      /* of the driver */
};

struct program {
    struct program *next;
    struct tp__hash root;
    struct session *sources; /* sessions that offer it */
    struct session *asked;   /* the one that was asked last, and may still answer */
    int64_t asked_ms;        /* or answered */
    bool list_asked;
    uint32_t chunks_asked;

    uint8_t *list; /* hashes of the chunks; NULL: not here. It leads to the root, and all below follows from both */
    uint64_t length;
    uint32_t chunk_count;
    struct chunk *chunks;

    struct fetch *fetches, **fetches_tail; /* the first 32 get it, the others wait */
    uint32_t fetch_count;
};

/** A node that gets a program: fetches.c */
struct fetch {
    struct fetch *next;         /* of the program */
    struct fetch *next_of_node; /* of the node */
    struct program *program;
    struct node *node;
    int64_t moved_ms; /* when it asked or was sent something last */
    bool wants_list;
    uint32_t wanted_count;
    uint64_t wanted[CHUNKS_LIMIT / 64];
};

void programs_need_received(struct peer *peer, const Taskpool__Need *need);
void programs_chunk_received(struct peer *peer, const Taskpool__Chunk *message);

/** A session offers a program. False without memory. */
bool programs_add_source(struct coordinator *coordinator, struct session *session, const struct tp__offer *offer)
    __attribute__((warn_unused_result));
/** Its link has ended; is new; it has ended. */
void programs_source_left(struct coordinator *coordinator, struct session *session);
void programs_source_back(struct coordinator *coordinator, struct session *session);
void programs_source_gone(struct coordinator *coordinator, struct session *session);

/** A node can be sent more; it has answered the session's offer, and needs nothing more for it; its link has ended. */
void programs_node_ready(struct coordinator *coordinator, struct node *node);
void programs_node_answered(struct coordinator *coordinator, struct node *node, const struct session *session);
void programs_node_left(struct coordinator *coordinator, struct node *node);

/** Asks another driver if one does not answer; forgets nodes that ask for nothing more. Returns when it is due. */
int64_t programs_tick(struct coordinator *coordinator);
void programs_free(struct coordinator *coordinator);

#endif
