/* SPDX-License-Identifier: MIT */
/** @file
 * The driver's shell: one thread that runs the session's state machine over a ZeroMQ socket, and what other threads
 * give it; a thread that waits for its only task takes its place meanwhile. The remote of a pool at "tcp://host:port".
 *
 *     driver.c          opens and closes the pool
 *     driver_exit.c     what a program leaves open when it ends
 *     driver_keys.c     whose key it uses, and whom it believes
 *     driver_submit.c   what other threads submit and cancel
 *     driver_serve.c    a thread that calls tp_run
 *     driver_thread.c   the session's thread
 *     driver_wire.c     its socket
 *     driver_actions.c  what the session wants
 */
#ifndef TP_CLUSTER_DRIVER_H
#define TP_CLUSTER_DRIVER_H

#include "cluster/image.h"
#include "cluster/inbox.h"
#include "cluster/operations.h"
#include "cluster/session.h"
#include "link/gathering.h"
#include "link/watch.h"
#include "runtime/executor.h"
#include "runtime/remote.h"
#include "runtime/wait_list.h"
#include "trust/identity.h"
#include "trust/keys.h"

#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>

struct tp__driver {
    struct tp__remote remote;
    struct tp__executor *executor;

    /* Who it is: never changed after the open. */
    char endpoint[300];
    struct tp__key key;
    const struct tp__image *image;

    struct tp__inbox inbox;
    atomic_size_t large_bytes; /* of payloads that entries in the inbox point to */
    pthread_t thread;
    atomic_size_t workers;
    atomic_bool is_closing;
    bool is_joined; /* as the process ends: driver_exit.c */
    bool has_leaver;
    pthread_t leaver; /* who ends the process; set before `is_closing` */
    struct tp__driver *next_open;

    /* Who has the turn has all of the following: the session's thread, or who serves. */
    pthread_mutex_t turn;
    struct {
        struct tp_promise *task; /* what the one who serves waits for; NULL: nobody serves */
        pthread_t thread;
        int descriptor;         /* an eventfd: wakes him */
        sigset_t signals;       /* that he had blocked when he came; he blocks all */
        int signal_descriptor;  /* a signalfd of the others: tells that one waits for him */
        uint32_t socket_number; /* of the socket that he sleeps on */
        int64_t changed_ms;     /* when he began, or the last one left */
        bool is_watched;        /* the session's thread looks by itself, in a while */
        pthread_cond_t has_ended;
    } service;

    /* Whom it believes, as the file said when it was read last. */
    struct tp__public_key coordinator;
    struct tp__authorized *authorized;
    char authorized_path[TP__PATH_BYTES];
    struct tp__driver_list {
        dev_t device;
        ino_t inode;
        off_t size;
        struct timespec modified;
    } list, list_seen; /* the file that was read, and that of the last look */
    int64_t look_ms;   /* when to look at it again */

    struct tp__session *session;
    void *zmq;
    struct tp__gathering *gathering;
    struct tp__socket *socket; /* NULL while there is none */
    uint32_t socket_number;    /* how often it was made */
    struct tp__watch *watch;
    int socket_descriptor, watch_descriptor; /* -1: none */
    bool watch_has_news;
    int64_t connected_ms;     /* when the socket was made */
    int64_t reconnect_ms;     /* when it is to be made anew; INT64_MAX: it is not */
    enum tp__trouble trouble; /* why there was no connection, last; NONE again when there is a link */
    int64_t trouble_ms;       /* since when it is that one */
    struct {
        int64_t since_ms; /* the link of an open session is gone; 0: it is there */
        bool is_said;
    } away;
    uint8_t *chunk; /* the last one that was read */
    struct tp__operations operations;

    /* The one who opens the pool waits for this. */
    pthread_mutex_t open_lock;
    pthread_cond_t open_changed;
    struct tp__driver_news {
        enum tp__session_state state;
        bool is_answered; /* every node that was there has accepted or refused */
        bool is_hopeless; /* the trouble lasts */
        enum tp__trouble trouble;
        struct tp__problem problem;
    } news;

    /* Those who submit more than there is room for. */
    atomic_bool is_crowded; /* who submits waits */
    tp__spinlock submitters_lock;
    bool is_full; /* ... for tasks to end; changed by the thread under the lock */
    struct tp__wait_list submitters;
};

/** What other threads put into the inbox. */
enum tp__driver_entry_type { TP__ENTRY_SUBMIT = 1, TP__ENTRY_CANCEL, TP__ENTRY_OPERATION_DONE };

struct tp__driver_entry {
    uint32_t type;
    uint32_t task; /* SUBMIT: index in the program's table; then flags, worker, ... and `length` bytes of payload */
    uint32_t flags;
    int32_t worker;
    uint32_t stack_kib;
    uint32_t max_attempts;
    uint64_t length;
    void *object;     /* the promise, or the operation */
    uint8_t *payload; /* of a SUBMIT, if it is large: it does not follow the entry */
};

/* driver_keys.c */

/** Reads key and authorized_keys of the user, and chooses the coordinator's key. Errors are stored. */
tp_status tp__driver_read_keys(struct tp__driver *driver, const char *host_and_port);
/** Reads authorized_keys again if it is another file than before. */
void tp__driver_look_at_keys(struct tp__driver *driver);

/* driver.c */

/** Tells the thread to say Bye and to end. */
void tp__driver_stop(struct tp__driver *driver);

/* driver_exit.c */

/** Its thread runs. */
void tp__driver_enlist(struct tp__driver *driver);
/** Waits until its thread, which was told to, has ended, and nobody looks at it any more. */
void tp__driver_join(struct tp__driver *driver);

/* driver_submit.c */

bool tp__driver_submit(struct tp__remote *remote, struct tp_promise *task, const tp_task_options *options, int worker);
void tp__driver_stopped(struct tp__remote *remote, struct tp_promise *task);
/** Makes those wait who submit more than the session has room for; wakes them when it has. */
void tp__driver_let_submit(struct tp__driver *driver);

/* driver_serve.c */

tp_status tp__driver_serve_init(struct tp__driver *driver);
void tp__driver_serve_fini(struct tp__driver *driver);
/** As tp__remote_class.serve. */
void tp__driver_serve(struct tp__remote *remote, struct tp_promise *task);
/** With the turn, before the session's thread sleeps: true if the socket is somebody else's for the time. Stores when
 *  to look again without being told. */
bool tp__driver_is_served(struct tp__driver *driver, int64_t *look_ms);
/** With the turn: gives it to who serves if he has nothing more to wait for. */
void tp__driver_let_server_leave(struct tp__driver *driver);
/** With the turn, when the driver is closing: until nobody serves. */
void tp__driver_end_service(struct tp__driver *driver);
/** With the turn: is it the calling thread that serves? */
bool tp__driver_serves(const struct tp__driver *driver);
/** Lets the signals through that wait for the one who serves, who calls it. */
void tp__driver_handle_signals(struct tp__driver *driver);
/** With the turn, around what may wait for whoever reads it: signals come through meanwhile. */
void tp__driver_begin_output(struct tp__driver *driver, sigset_t *before);
void tp__driver_end_output(const sigset_t *before);

/* driver_thread.c */

/** The session's thread, until `is_closing`. */
void *tp__driver_run(void *argument);
/** With the turn: does what there is to do. Returns when something is to be done next. */
int64_t tp__driver_round(struct tp__driver *driver);
/** With the turn, which is given back for the time: sleeps until something comes on the descriptor, on the socket
 *  (`is_served`: that is another's) or the watch on it, or it is `wanted_ms`. True if the descriptor has told. */
bool tp__driver_sleep(struct tp__driver *driver, int descriptor, bool is_served, int64_t wanted_ms);

/* driver_wire.c */

void tp__driver_transmit(void *context, const uint8_t *bytes, size_t size);
void tp__driver_transmit_block(void *context, void *block, const uint8_t *bytes, size_t size);
/** Replaces the socket. */
void tp__driver_reconnect(void *context);
void tp__driver_disconnect(struct tp__driver *driver);
/** Gives the session what has come. */
void tp__driver_receive(struct tp__driver *driver);
/** To be asked before each sleep: ZeroMQ's descriptor tells of news once, and any call on the socket may take it. */
bool tp__driver_has_message(const struct tp__driver *driver);
/** A connection that has gone is made anew: at once, but one that went as soon as it was there (a coordinator that
 *  turns this key away) only after a while. */
void tp__driver_mend(struct tp__driver *driver);

/* driver_away.c */

/** Tells the user when tasks wait for a coordinator that is away, and when it is back. Returns when to look again. */
int64_t tp__driver_note_away(struct tp__driver *driver);

/* driver_actions.c */

struct tp__session_actions tp__driver_actions(struct tp__driver *driver);
/** With the turn: a line on standard error, after "taskpool: ". */
void tp__driver_say(struct tp__driver *driver, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline struct tp__driver *tp__driver_of(struct tp__remote *remote)
{
    return (struct tp__driver *)(void *)remote;
}

static inline uint32_t tp__kib_of(size_t bytes)
{
    return (uint32_t)((bytes + 1023) / 1024);
}

static inline int64_t tp__now_ms(void)
{
    return tp__now_ns() / 1000000;
}

/** For a condition of tp__driver_condition_init. */
static inline struct timespec tp__driver_deadline(int64_t ms)
{
    const int64_t ns = tp__now_ns() + ms * 1000000;
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/** A condition whose deadlines are of CLOCK_MONOTONIC. */
static inline void tp__driver_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

#endif
