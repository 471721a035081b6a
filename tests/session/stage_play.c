/* SPDX-License-Identifier: MIT */
/* What tests play on the stage: nodes and their words, tasks, and what became of them. */
#include "session/stage.h"

#include <sodium.h>

/* ---- nodes ---- */

struct stage_node *stage_node_make(struct stage *stage, const char *name, uint32_t workers)
{
    assert_true(stage->node_count < STAGE_NODES);
    struct stage_node *node = &stage->nodes[stage->node_count++];
    node->stage = stage;
    node->life = tp__id_new();
    node->workers = workers;
    (void)snprintf(node->name, sizeof node->name, "%s", name);
    return node;
}

struct stage_node *stage_node(struct stage *stage, const char *name, uint32_t workers)
{
    struct stage_node *node = stage_node_make(stage, name, workers);
    stage_accept_anew(node);
    stage_run(stage);
    assert_true(node->used);
    return node;
}

void stage_accept_anew(struct stage_node *node)
{
    uint8_t secret[32];
    struct tp__accept accept = {
        .offer = node->stage->offer_hash, .node = node->key.public_key, .incarnation = tp__id_new()};
    crypto_kx_keypair(accept.exchange_key, secret);
    node->accept_size = tp__accept_sign(&accept, &node->key, node->accept);
    node->incarnation = accept.incarnation;
    node->used = node->forgotten = false;
    const struct tp__hash hash = tp__hash_of(node->accept, node->accept_size);
    struct tp__stream_keys keys;
    assert_true(tp__stream_keys_of_node(&keys, accept.exchange_key, secret, node->stage->offer.exchange_key, &hash));
    tp__stream_free(node->stream);
    node->stream = tp__stream_new(&keys, &node->stage->session_id, &accept.incarnation);
    assert_non_null(node->stream);
    stage_accept(node);
}

void stage_accept(struct stage_node *node)
{
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    accept.session = tp__field_of_id(&node->stage->session_id);
    accept.signed_accept = tp__field(node->accept, node->accept_size);
    accept.incarnation = tp__field_of_id(&node->incarnation);
    accept.node_life = tp__field_of_id(&node->life);
    accept.node_name = node->name;
    accept.workers = node->workers;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_ACCEPT;
    frame.accept = &accept;
    stage_send(node->stage, &frame);
    stage_run(node->stage);
}

void stage_refuse(struct stage_node *node, tp_status status, const char *reason)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "%s", reason);
    Taskpool__Accept accept;
    taskpool__accept__init(&accept);
    accept.session = tp__field_of_id(&node->stage->session_id);
    accept.node_life = tp__field_of_id(&node->life);
    accept.node_name = node->name;
    accept.status = status;
    accept.reason = text;
    Taskpool__Frame frame;
    taskpool__frame__init(&frame);
    frame.body_case = TASKPOOL__FRAME__BODY_ACCEPT;
    frame.accept = &accept;
    stage_send(node->stage, &frame);
    stage_run(node->stage);
}

struct stage_node *stage_node_open(struct stage *stage, const char *name)
{
    struct stage_node *node = stage_node(stage, name, 1);
    stage_record(node, TP__RECORD_OPEN);
    return node;
}

/* ---- tasks ---- */

uint64_t stage_submit_with(struct stage *stage, uintptr_t tag, uint32_t flags, int worker)
{
    const struct tp__session_task task = {.tag = (void *)tag,
                                          .task = flags & TP__LEAF_AT_MOST_ONCE ? 1 : 0,
                                          .flags = flags,
                                          .worker = worker,
                                          .payload = (const uint8_t *)&tag,
                                          .length = sizeof tag};
    tp_status status;
    const uint64_t sequence = tp__session_submit(stage->session, &task, &status);
    assert_int_equal(status, TP_OK);
    assert_int_not_equal(sequence, 0);
    return sequence;
}

uint64_t stage_submit(struct stage *stage, uintptr_t tag)
{
    return stage_submit_with(stage, tag, 0, -1);
}

struct stage_leaf *stage_leaf(struct stage *stage)
{
    assert_true(stage->leaf_read < stage->leaf_count);
    return &stage->leaves[stage->leaf_read++];
}

struct stage_leaf stage_place_next(struct stage *stage, struct stage_node *node)
{
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_place(stage, &leaf, node);
    return leaf;
}

void stage_no_leaf(struct stage *stage)
{
    assert_int_equal(stage->leaf_read, stage->leaf_count);
}

struct stage_leaf stage_start(struct stage *stage, struct stage_node *node, uintptr_t tag, uint32_t flags)
{
    stage_submit_with(stage, tag, flags, -1);
    stage_run(stage);
    const struct stage_leaf leaf = *stage_leaf(stage);
    stage_place(stage, &leaf, node);
    return leaf;
}

void stage_append(struct stage_node *node, enum tp__record_type type, uint64_t task, uint32_t dispatch,
                  uint32_t operation, const void *body, size_t size)
{
    const struct tp__record record = {.type = (uint8_t)type,
                                      .task = task,
                                      .dispatch = dispatch,
                                      .operation = operation,
                                      .body = body,
                                      .size = (uint32_t)size};
    assert_true(tp__stream_append(node->stream, &record));
}

void stage_say(struct stage_node *node, enum tp__record_type type, const struct tp__leaf *leaf, uint32_t operation,
               const void *body, size_t size)
{
    stage_append(node, type, leaf->sequence, leaf->dispatch, operation, body, size);
    stage_pump(node);
    stage_run(node->stage);
}

void stage_result(struct stage_node *node, const struct tp__leaf *leaf, const char *value)
{
    stage_say(node, TP__RECORD_RESULT, leaf, 0, value, strlen(value));
}

static void put_error(struct tp__buffer *body, tp_status status, const char *message)
{
    uint8_t head[8];
    tp__put_u32(tp__put_u32(head, status), 8);
    assert_true(tp__buffer_append(body, head, sizeof head) && tp__put_text(body, message, strlen(message)) &&
                tp__put_text(body, "", 0) && tp__put_text(body, "frame 1", 7));
}

void stage_failure(struct stage_node *node, const struct tp__leaf *leaf, tp_status status, const char *message)
{
    struct tp__buffer body = {NULL, 0, 0};
    put_error(&body, status, message);
    stage_say(node, TP__RECORD_FAILURE, leaf, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

void stage_append_crash(struct stage_node *node, const struct tp__leaf *leaf, enum tp__crash_role role, bool alone)
{
    struct tp__buffer body = {NULL, 0, 0};
    const uint8_t head[] = {(uint8_t)role, alone};
    assert_true(tp__buffer_append(&body, head, sizeof head));
    put_error(&body, TP_E_TASK, "task 'fib' was killed by SIGSEGV at address 0x0 on node x");
    stage_append(node, TP__RECORD_CRASHED, leaf->sequence, leaf->dispatch, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

void stage_crash(struct stage_node *node, const struct tp__leaf *leaf, enum tp__crash_role role, bool alone)
{
    stage_append_crash(node, leaf, role, alone);
    stage_pump(node);
    stage_run(node->stage);
}

void stage_returned(struct stage_node *node, const struct tp__leaf *leaf, enum tp__returned why, const char *reason)
{
    struct tp__buffer body = {NULL, 0, 0};
    const uint8_t head = (uint8_t)why;
    assert_true(tp__buffer_append(&body, &head, 1) && tp__put_text(&body, reason, strlen(reason)));
    stage_say(node, TP__RECORD_RETURNED, leaf, 0, body.bytes, body.size);
    tp__buffer_free(&body);
}

void stage_child(struct stage_node *node, const struct tp__leaf *parent, uint32_t operation, uint64_t timeout_ms,
                 uint32_t flags)
{
    uint8_t body[64];
    uint8_t *to = tp__put_u32(body, 2); /* walk */
    to = tp__put_u64(to, timeout_ms);
    to = tp__put_u32(to, 0);
    to = tp__put_u32(to, flags);
    to = tp__put_u32(to, 0);
    to = tp__put_u32(to, 0);
    to = tp__put_bytes(to, "captures", 8);
    stage_say(node, TP__RECORD_CHILD, parent, operation, body, (size_t)(to - body));
}

void stage_held(struct stage_node *node, uint64_t nonce, const struct tp__leaf *leaves, size_t count,
                enum tp__held held)
{
    uint8_t body[8 + 13 * 32];
    assert_true(count <= 32);
    uint8_t *to = tp__put_u64(body, nonce);
    for (size_t i = 0; i < count; i++) {
        to = tp__put_u64(to, leaves[i].sequence);
        to = tp__put_u32(to, leaves[i].dispatch);
        to = tp__put_u8(to, (uint8_t)held);
    }
    const struct tp__leaf none = {.sequence = 0};
    stage_say(node, TP__RECORD_HELD, &none, 0, body, (size_t)(to - body));
}

/* ---- what was said and done ---- */

struct stage_record *stage_record(struct stage_node *node, enum tp__record_type type)
{
    assert_true(node->record_read < node->record_count);
    struct stage_record *record = &node->records[node->record_read++];
    assert_int_equal(record->record.type, type);
    return record;
}

void stage_no_record(struct stage_node *node)
{
    assert_int_equal(node->record_read, node->record_count);
}

uint64_t stage_asked(struct stage_node *node)
{
    const struct stage_record *record = stage_record(node, TP__RECORD_RECONCILE);
    struct tp__reader reader = tp__reader_of(record->bytes, record->record.size);
    return tp__get_u64(&reader);
}

struct stage_event *stage_event(struct stage *stage, enum stage_kind kind)
{
    while (stage->event_read < stage->event_count) {
        struct stage_event *event = &stage->events[stage->event_read++];
        if (event->kind == kind)
            return event;
    }
    fail_msg("no event of kind %d", (int)kind);
    return NULL;
}

void stage_no_event(struct stage *stage, enum stage_kind kind)
{
    for (size_t i = stage->event_read; i < stage->event_count; i++)
        assert_int_not_equal(stage->events[i].kind, kind);
}

void stage_expect_result(struct stage *stage, uintptr_t tag, const char *value)
{
    const struct stage_event *event = stage_event(stage, STAGE_RESULT);
    assert_int_equal(event->tag, tag);
    assert_int_equal(event->size, strlen(value));
    assert_memory_equal(event->bytes, value, event->size);
}

struct stage_event *stage_expect_failure(struct stage *stage, uintptr_t tag, tp_status status, const char *part)
{
    struct stage_event *event = stage_event(stage, STAGE_FAILURE);
    stage_contains(event->message, part);
    assert_int_equal(event->tag, tag);
    assert_int_equal(event->status, status);
    return event;
}

void stage_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}
