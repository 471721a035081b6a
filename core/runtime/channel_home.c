/* SPDX-License-Identifier: MIT */
/* Design notes.
 *
 * An operation is a select without a fiber: its clauses wait like any others, and whoever decides calls `woken` in
 * place of making a fiber ready. Who decides is settled by `fired`, as in a select.
 *
 * A waker may decide while tp__home_begin still enlists the later clauses. So two parties end the operation, the one
 * who decides and the one who sets it up, and whichever comes last completes it: withdraws the other clauses (after
 * which no other thread can come across the operation), and calls `done` as the last thing, for then it may be freed at
 * once.
 */
#include "runtime/channel_home.h"

#include "base/alloc.h"
#include "base/error.h"
#include "closure/payload.h"
#include "runtime/clause.h"

struct entry {
    struct tp__clause clause;
    bool holds;                                               /* the value is the operation's */
    alignas(8) unsigned char loose[TP__MESSAGE_INLINE_BYTES]; /* the value, if it is small */
};

struct tp__home_operation {
    struct tp__select select;
    atomic_int parties; /* who must come by before it is complete */
    bool enlisted;      /* the clauses may be in lists */
    void (*done)(struct tp__home_operation *operation, void *argument);
    void *argument;
    struct tp__home_outcome outcome;
    size_t count;
    struct entry entries[];
};

static union tp__content content_of(const struct entry *entry)
{
    if (!tp__message_is_boxed(entry->clause.size))
        return (union tp__content){.bytes = entry->loose};
    return entry->clause.send ? entry->clause.data.content : (union tp__content){.block = entry->clause.block};
}

/* ---- the end ---- */

static void complete(struct tp__home_operation *operation)
{
    struct tp__clause *chosen = operation->select.chosen;
    struct entry *entry = (struct entry *)(void *)chosen; /* its first member */
    for (size_t i = 0; operation->enlisted && i < operation->count; i++)
        if (&operation->entries[i].clause != chosen)
            tp__clause_withdraw(&operation->entries[i].clause);
    if (chosen->kept)
        tp__channel_unref(chosen->channel);
    operation->outcome = (struct tp__home_outcome){.status = (tp_status)chosen->status,
                                                   .chosen = (size_t)(entry - operation->entries),
                                                   .found_kind = chosen->found_kind,
                                                   .found_size = chosen->found_size};
    if (chosen->status == TP_OK) {
        entry->holds = !chosen->send;
        if (entry->holds)
            operation->outcome.value = content_of(entry).bytes;
    }
    operation->done(operation, operation->argument);
}

static void come_by(struct tp__home_operation *operation)
{
    /* acq_rel: whoever is last sees what the other stored */
    if (atomic_fetch_sub_explicit(&operation->parties, 1, memory_order_acq_rel) == 1)
        complete(operation);
}

static void woken(struct tp__wait *wait)
{
    come_by((struct tp__home_operation *)(void *)wait); /* its first member's first member */
}

static bool fire(struct tp__home_operation *operation)
{
    return !atomic_exchange_explicit(&operation->select.fired, true, memory_order_acq_rel);
}

/* The operation is fired by its maker. */
static void complete_at_once(struct tp__home_operation *operation, struct tp__clause *chosen, tp_status status)
{
    operation->select.chosen = chosen;
    chosen->status = (uint8_t)status;
    complete(operation);
}

/* ---- the beginning ---- */

/* Takes the value over. On failure it is still the case's. */
static tp_status fill(struct entry *entry, const struct tp__home_case *wanted, struct tp__select *select)
{
    *entry = (struct entry){.clause = {.channel = wanted->channel,
                                       .wait = &select->wait,
                                       .select = select,
                                       .size = wanted->size,
                                       .kind = (uint8_t)wanted->kind,
                                       .found_size = wanted->size,
                                       .found_kind = (uint8_t)wanted->kind,
                                       .send = wanted->send}};
    struct tp__clause *clause = &entry->clause;
    if (!wanted->send) {
        clause->data.out = entry->loose; /* a larger message comes in its block */
        return TP_OK;
    }
    if (wanted->size > TP__MESSAGE_LIMIT_BYTES)
        return tp__fail(TP_E_LIMIT, "a message of %u bytes is larger than the limit of %d", wanted->size,
                        (int)TP__MESSAGE_LIMIT_BYTES);
    clause->data.content.block = entry->loose;
    if (tp__message_is_boxed(wanted->size)) {
        clause->data.content.block = tp__alloc(wanted->size);
        if (!clause->data.content.block)
            return tp__fail_nomem("a message");
    }
    memcpy(clause->data.content.block, wanted->value, wanted->size);
    entry->holds = true;
    return TP_OK;
}

/* Without memory for what is at `from` and behind it. */
static struct tp__home_operation *give_up(struct tp__home_operation *operation, const struct tp__home_case *cases,
                                          size_t from, size_t count)
{
    for (size_t i = from; i < count; i++)
        if (cases[i].send)
            tp__value_drop(cases[i].kind, cases[i].size, (void *)(uintptr_t)cases[i].value);
    if (operation) {
        operation->count = from;
        tp__home_end(operation);
    }
    return NULL;
}

static struct tp__home_operation *make(const struct tp__home_case *cases, size_t count)
{
    struct tp__home_operation *operation = tp__alloc_aligned(_Alignof(struct tp__home_operation),
                                                             sizeof *operation + count * sizeof operation->entries[0]);
    if (!operation) {
        tp__fail_nomem("a channel's operation");
        return give_up(NULL, cases, 0, count);
    }
    *operation = (struct tp__home_operation){.select.wait.woken = woken, .count = count};
    atomic_init(&operation->parties, 2);
    for (size_t i = 0; i < count; i++) {
        if (fill(&operation->entries[i], &cases[i], &operation->select) != TP_OK)
            return give_up(operation, cases, i, count);
        tp__channel_retain(cases[i].channel);
    }
    return operation;
}

/* Does the first of the operations that is possible, beginning at `start`. False if none is. */
static bool try_all(struct tp__home_operation *operation, size_t start, bool wait)
{
    for (size_t i = 0; i < operation->count; i++) {
        struct tp__clause *clause = &operation->entries[(start + i) % operation->count].clause;
        if (tp__clause_lock(clause, wait)) {
            (void)fire(operation);
            tp__clause_perform(clause);
            complete_at_once(operation, clause, (tp_status)clause->status);
            return true;
        }
        if (clause->status == TP_E_NOMEM) {
            (void)fire(operation);
            complete_at_once(operation, clause, TP_E_NOMEM);
            return true;
        }
        tp__clause_unlock(clause);
    }
    return false;
}

/* Enlists the clauses, until one fires. From the first on the operation may end at any time; it is there until this
 * comes by, too. */
static void enlist_all(struct tp__home_operation *operation, size_t start)
{
    operation->enlisted = true;
    for (size_t i = 0; i < operation->count; i++) {
        struct tp__clause *clause = &operation->entries[(start + i) % operation->count].clause;
        if (tp__clause_lock(clause, true)) {
            if (fire(operation)) {
                tp__clause_perform(clause);
                complete_at_once(operation, clause, (tp_status)clause->status);
                return;
            }
            tp__clause_unlock(clause);
            break;
        }
        if (clause->status == TP_E_NOMEM) {
            if (fire(operation)) {
                complete_at_once(operation, clause, TP_E_NOMEM);
                return;
            }
            break;
        }
        tp__clause_enlist(clause);
    }
    come_by(operation);
}

struct tp__home_operation *tp__home_begin(const struct tp__home_case *cases, size_t count, bool wait,
                                          void (*done)(struct tp__home_operation *operation, void *argument),
                                          void *argument)
{
    static _Thread_local size_t next_start; /* differs from call to call */
    if (count == 0) {
        tp__fail(TP_E_ARGUMENT, "an operation on no channel");
        return NULL;
    }
    struct tp__home_operation *operation = make(cases, count);
    if (!operation)
        return NULL;
    operation->done = done;
    operation->argument = argument;
    const size_t start = next_start++ % count;
    if (try_all(operation, start, wait))
        return operation;
    if (wait) {
        enlist_all(operation, start);
    } else {
        (void)fire(operation);
        complete_at_once(operation, &operation->entries[0].clause, cases[0].send ? TP_E_FULL : TP_E_EMPTY);
    }
    return operation;
}

/* ---- afterwards ---- */

const struct tp__home_outcome *tp__home_outcome(const struct tp__home_operation *operation)
{
    return &operation->outcome;
}

bool tp__home_withdraw(struct tp__home_operation *operation)
{
    if (!fire(operation))
        return false;
    for (size_t i = 0; i < operation->count; i++)
        tp__clause_withdraw(&operation->entries[i].clause);
    return true;
}

tp_status tp__home_put_back(struct tp__home_operation *operation)
{
    struct entry *entry = &operation->entries[operation->outcome.chosen];
    const struct tp__clause *clause = &entry->clause;
    if (clause->send || !entry->holds)
        return tp__fail(TP_E_ARGUMENT, "the operation has no message that could be put back");
    /* As the type that it had: a wider integer begins with the narrower one's bytes. */
    union tp__content content = content_of(entry);
    float narrow;
    if (clause->kind == TP_KIND_FLOAT && clause->found_size != clause->size) {
        double wide;
        memcpy(&wide, entry->loose, sizeof wide);
        narrow = (float)wide;
        content.bytes = &narrow;
    }
    const tp_status status = tp__channel_put_back(clause->channel, clause->found_kind, clause->found_size, content);
    if (status != TP_OK)
        return tp__fail_nomem("a channel's queue of messages");
    entry->holds = false;
    operation->outcome.value = NULL;
    return TP_OK;
}

void tp__home_end(struct tp__home_operation *operation)
{
    for (size_t i = 0; i < operation->count; i++) {
        struct entry *entry = &operation->entries[i];
        if (entry->holds)
            tp__message_drop(entry->clause.kind, entry->clause.size, content_of(entry));
        tp__channel_unref(entry->clause.channel);
    }
    tp__free(operation);
}
