/* SPDX-License-Identifier: MIT */
/* Design notes
 *
 * The ends of a stream keep at most two of its frames under way, or a few kilobytes of small ones. A peer that ignores
 * this must not fill the link of the other end, which carries others' frames as well: what waits there of one stream is
 * bounded, and who sends more loses its own link.
 *
 * How much waits is known only for the link as a whole: of all bulk that had to wait, so many bytes have gone, in
 * order. So a flow has two ages of bytes with the place where each ends: when the old ones have gone the new ones
 * become the old, and what is counted is never less than what waits, and at most that window more while the ends keep
 * their promise.
 */
#include "relay.h"

#include "peers.h"
#include "placement.h"
#include "report.h"
#include "sessions.h"
#include "trust/stream.h"
#include "uses.h"

enum { FLOW_LIMIT_BYTES = 4 << 20 };

static bool has_room(struct flow *flow, const struct peer *to)
{
    if (flow->link != to->number)
        *flow = (struct flow){.link = to->number};
    const uint64_t gone = peer_bulk_gone(to);
    if (gone >= flow->new_end) {
        flow->old_bytes = flow->new_bytes = 0;
    } else if (gone >= flow->old_end) {
        flow->old_bytes = flow->new_bytes;
        flow->old_end = flow->new_end;
        flow->new_bytes = 0;
    }
    return flow->old_bytes + flow->new_bytes < FLOW_LIMIT_BYTES;
}

static void relay(struct peer *from, struct peer *to, struct flow *flow, const Taskpool__StreamFrame *stream)
{
    if (!to || to->ended)
        return; /* both ends will reconcile */
    if (!has_room(flow, to)) {
        report_refused(from, "stream", "more of it is under way than an end may send unacknowledged");
        peer_reset(from, "it floods a stream");
        return;
    }
    Taskpool__StreamFrame relayed = *stream;
    relayed.n_placed = 0;
    relayed.base.n_unknown_fields = 0; /* what would make it longer than any frame */
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_STREAM;
    frame.stream = &relayed;
    struct placement_news news;
    if (to->session && tp__link_is_open(to->link)) {
        relayed.n_placed = placement_take_news(to->session, &news);
        relayed.placed = news.list;
    } else if (to->session) {
        placement_tell(to->coordinator, to->session); /* by itself: the frame may wait, and others pass it */
    }
    const uint64_t before = to->bulk_bytes;
    if (peer_send(to, TP__LANE_BULK, &frame) && to->bulk_bytes > before) {
        flow->new_bytes += (uint32_t)(to->bulk_bytes - before);
        flow->new_end = to->bulk_bytes;
    }
}

/* The use whose stream the frame is of. NULL: it was refused. */
static struct use *find(struct peer *peer, const Taskpool__StreamFrame *stream)
{
    struct tp__id id;
    struct tp__id incarnation;
    if (stream->sealed.len > TP__STREAM_SEALED_LIMIT_BYTES) {
        report_refused(peer, "stream", "it is longer than any frame of a stream");
        return NULL;
    }
    if (!tp__id_read(&id, stream->session.data, stream->session.len) ||
        !tp__id_read(&incarnation, stream->incarnation.data, stream->incarnation.len)) {
        report_refused(peer, "stream", "its session or incarnation is not 16 bytes");
        return NULL;
    }
    if (peer->session && !tp__id_equal(&id, &peer->session->id)) {
        report_refused(peer, "stream", "it is of another session");
        return NULL;
    }
    struct session *session = peer->session ? peer->session : map_find(&peer->coordinator->sessions_by_id, &id);
    struct use *use = session ? use_find_incarnation(session, &incarnation) : NULL;
    if (use && peer->node && use->node != peer->node) {
        report_refused(peer, "stream", "it is of another node's incarnation");
        return NULL;
    }
    if (!use)
        report_late(peer, "stream", "no session on a node has that incarnation");
    return use;
}

void relay_stream_received(struct peer *peer, const Taskpool__StreamFrame *stream)
{
    struct use *use = find(peer, stream);
    if (!use)
        return;
    if (peer->session)
        relay(peer, use->node->peer, &use->to_node, stream);
    else
        relay(peer, use->session->peer, &use->to_driver, stream);
}
