/* SPDX-License-Identifier: MIT */
/** @file
 * Which task goes where, and telling drivers about it.
 */
#ifndef COORDINATOR_PLACEMENT_H
#define COORDINATOR_PLACEMENT_H

#include "state.h"

/** Something about a node has changed that lets it take tasks or keeps it from it: credit, its link, silence. */
void placement_node_changed(struct coordinator *coordinator, struct node *node);
/** A session has new tasks for any node, or may use one node more. */
void placement_session_changed(struct coordinator *coordinator, struct session *session);
/** Its driver has fallen silent: nothing of it is placed any more. It was heard again. */
void placement_session_silent(struct coordinator *coordinator, struct session *session);
void placement_session_heard(struct coordinator *coordinator, struct session *session);
/** A session has new tasks for one node alone. */
void placement_pinned_changed(struct coordinator *coordinator, struct use *use);

/** Takes all that is queued for an incarnation alone, and tells the driver that it is placed there. */
void placement_give_back(struct coordinator *coordinator, struct use *use);
/** The same for one batch that is in no queue, and was not counted yet or not any more. */
void placement_note(struct coordinator *coordinator, struct session *session, uint64_t batch, uint32_t first,
                    uint32_t run, const struct tp__id *incarnation);
/** A run that has gone is not counted any more. */
void placement_uncount(struct coordinator *coordinator, struct session *session, uint64_t tasks, uint64_t bytes);

enum { PLACEMENT_NEWS = 16 }; /**< runs that are told in one frame */
struct placement_news {
    Taskpool__Run runs[PLACEMENT_NEWS];
    Taskpool__Run *list[PLACEMENT_NEWS];
};
/** What a driver has not been told yet of what was placed, for a frame that is sent to it at once. Returns how many. */
size_t placement_take_news(struct session *session, struct placement_news *news);
/** Tells it in a frame of its own; all drivers. Whatever else is sent to a driver comes after it. */
void placement_tell(struct coordinator *coordinator, struct session *session);
void placement_tell_all(struct coordinator *coordinator);
/** The session is about to be freed. */
void placement_forget(struct coordinator *coordinator, struct session *session);

#endif
