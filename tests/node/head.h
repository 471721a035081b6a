/* SPDX-License-Identifier: MIT */
/** @file
 * A coordinator and a driver in one, as small as a test of the program taskpool-node needs; and that program.
 */
#ifndef TESTS_NODE_HEAD_H
#define TESTS_NODE_HEAD_H

#include "link/link.h"
#include "link/socket.h"
#include "trust/offer.h"

#include <stdio.h>
#include <sys/types.h>

struct head {
    char directory[64]; /* keys, lists, cache: removed by head_close */
    struct tp__key node_key, driver_key, own_key;
    struct tp__authorized *authorized;
    void *zmq;
    struct tp__door *door;
    struct tp__socket *router;
    char endpoint[64];

    struct tp__link *link;
    struct tp__peer peer;
    int hellos;
    uint8_t last_life[16];
    bool said_bye;

    /* the program that it ships */
    int program;
    uint64_t length;
    struct tp__hash root;
    struct tp__hash *hashes;
    int chunks_sent;

    /* the last answer to an offer */
    int accepts;
    uint32_t status;
    char reason[512];
    uint8_t signed_accept[TP__ACCEPT_LIMIT_BYTES];
    size_t signed_accept_size;
    uint8_t signed_offer[TP__OFFER_LIMIT_BYTES];
    size_t signed_offer_size;

    pid_t node; /* -1: does not run */
    int pidfd;
    FILE *ready;
};

struct head *head_open(void);
void head_close(struct head *head);

/** Stops and starts to listen, at the same place. */
void head_go_away(struct head *head);
void head_come_back(struct head *head);

/** Writes the node's authorized_keys: this coordinator, and the driver if `driver`. */
void head_authorize(const struct head *head, bool driver);

/** Starts the program, with these arguments and those that say where keys and coordinator are. NULL at the end. */
void head_start_node(struct head *head, const char *const *arguments);
/** Waits for its end; returns its exit status, 128 + the number of the signal. */
int head_wait_node(struct head *head);
/** Runs it to its end and returns its exit status; what it wrote to standard error is in `text`. */
int head_run_node(const struct head *head, const char *const *arguments, char *text, size_t size);

/** Offers the program under that name, as a new session. */
void head_offer(struct head *head, const char *name);

/** Handles what comes until it holds; fails the test after 30 s. */
#define HEAD_UNTIL(head, condition)        \
    do {                                   \
        const int64_t start_ = head_now(); \
        while (!(condition))               \
            head_step(head, start_);       \
    } while (0)
void head_step(struct head *head, int64_t start_ms);
int64_t head_now(void);
/** Has the node said that it is ready? */
bool head_is_ready(struct head *head);

#endif
