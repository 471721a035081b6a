/* SPDX-License-Identifier: MIT */
/*
 * Design notes. A select first looks whether one of its operations can be done. If none can, it enlists a clause at
 * each channel and parks once. From the first enlisted clause on, whoever sets `fired` decides: a waker at one of the
 * channels, the deadline or a cancellation (`withdraw`), or the select itself when it finds a later operation possible.
 * A waker that comes second finds `fired` set and takes the clause out of its way. Before the select returns, every
 * clause is out of its list: the clauses lie in its frame.
 */
#include "runtime/clause.h"

#include "base/alloc.h"
#include "base/error.h"
#include "runtime/proxy.h"

enum { CASES_IN_FRAME = 4, CASES_LIMIT = 64 };

struct entry {
    struct tp__clause clause;
    const char *name;                                         /* of the channel, for messages after the wait */
    alignas(8) unsigned char loose[TP__MESSAGE_INLINE_BYTES]; /* what a send case sends, if it is small */
};

static bool withdraw_select(struct tp__wait *wait)
{
    struct tp__select *select = (struct tp__select *)(void *)((char *)wait - offsetof(struct tp__select, wait));
    return !atomic_exchange_explicit(&select->fired, true, memory_order_acq_rel); /* as in channel.c's clause_wins */
}

static bool fire(struct tp__select *select)
{
    return withdraw_select(&select->wait);
}

/* A start that differs from call to call. Steps of the golden ratio: selects that take turns on one OS thread do not
 * each meet the same start again and again. */
static size_t next_start(size_t count)
{
    static _Thread_local uint32_t state;
    state += 0x9E3779B9U;
    return (size_t)(((uint64_t)state * count) >> 32);
}

static tp_status check(const tp_select_case *cases, size_t count, const size_t *chosen)
{
    if (!cases || count == 0 || !chosen)
        return tp__fail(TP_E_ARGUMENT, count == 0 ? "tp_select: there is no case" : "tp_select: an argument is NULL");
    if (count > CASES_LIMIT)
        return tp__fail(TP_E_ARGUMENT, "tp_select: %zu cases are more than the limit of %d", count, (int)CASES_LIMIT);
    for (size_t i = 0; i < count; i++) {
        if (!cases[i].channel || !cases[i].data)
            return tp__fail(TP_E_ARGUMENT, "tp_select: the %s of case %zu is NULL",
                            cases[i].channel ? "pointer to the message" : "channel", i);
        if (cases[i].size > TP__MESSAGE_LIMIT_BYTES)
            return tp__fail(TP_E_LIMIT, "tp_select: the message of case %zu has %zu bytes; the limit is %d", i,
                            cases[i].size, (int)TP__MESSAGE_LIMIT_BYTES);
        if (tp__unlikely(cases[i].channel->elsewhere != cases[0].channel->elsewhere))
            return tp__fail(TP_E_UNSUPPORTED,
                            "tp_select: the channels of case 0 and case %zu are in different places, one here and one "
                            "elsewhere in the cluster; select among channels of one place",
                            i);
    }
    return TP_OK;
}

static void unpack(struct entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct tp__clause *clause = &entries[i].clause;
        if (clause->send)
            tp__message_drop(clause->kind, clause->size, clause->data.content);
    }
}

/* Makes the clauses; what is to be sent is packed. */
static tp_status pack(struct entry *entries, const tp_select_case *cases, size_t count, struct tp__select *select)
{
    for (size_t i = 0; i < count; i++) {
        entries[i].clause = (struct tp__clause){.channel = cases[i].channel,
                                                .wait = &select->wait,
                                                .select = select,
                                                .size = (uint32_t)cases[i].size,
                                                .kind = (uint8_t)cases[i].kind,
                                                .send = cases[i].send};
        entries[i].name = tp__channel_lasting_name(cases[i].channel);
        struct tp__clause *clause = &entries[i].clause;
        if (!cases[i].send) {
            clause->data.out = cases[i].data;
            continue;
        }
        const tp_status status = tp__message_pack(entries[i].name, cases[i].kind, cases[i].size, cases[i].data,
                                                  entries[i].loose, &clause->data.content);
        if (status != TP_OK) {
            unpack(entries, i);
            return status;
        }
    }
    return TP_OK;
}

/* Does the first operation that is possible. NULL if none is; also when memory ran out, with the status in `failed`. */
static struct tp__clause *try_all(struct entry *entries, size_t count, size_t start, bool may_wait, tp_status *failed)
{
    for (size_t i = 0; i < count; i++) {
        struct tp__clause *clause = &entries[(start + i) % count].clause;
        if (tp__clause_lock(clause, may_wait)) {
            tp__clause_perform(clause);
            return clause;
        }
        if (clause->status == TP_E_NOMEM) {
            *failed = tp__fail_nomem("a channel's queue of messages");
            return NULL;
        }
        tp__clause_unlock(clause);
    }
    return NULL;
}

/* Enlists the clauses until one fires. Returns the one that the select did itself, NULL if it has to park. `enlisted`
 * is the number of those to be withdrawn afterwards. */
static struct tp__clause *enlist_all(struct tp__select *select, struct entry *entries, size_t count, size_t start,
                                     size_t *enlisted, tp_status *failed)
{
    for (*enlisted = 0; *enlisted < count; ++*enlisted) {
        struct tp__clause *clause = &entries[(start + *enlisted) % count].clause;
        if (tp__clause_lock(clause, true)) {
            if (fire(select)) {
                tp__clause_perform(clause);
                return clause;
            }
            tp__clause_unlock(clause);
            return NULL;
        }
        if (clause->status == TP_E_NOMEM) {
            if (fire(select))
                *failed = tp__fail_nomem("a channel's queue of messages");
            return NULL;
        }
        tp__clause_enlist(clause);
    }
    return NULL;
}

/* Waits until one of the clauses has been done, and returns it. NULL with the status in `failed`. */
static struct tp__clause *wait_for_one(struct tp__select *select, struct entry *entries, size_t count, size_t start,
                                       int64_t timeout_ms, tp_status *failed)
{
    *failed = tp__wait_init(&select->wait, withdraw_select);
    if (*failed != TP_OK)
        return NULL;
    for (size_t i = 0; i < count; i++)
        tp__channel_retain(entries[i].clause.channel); /* all are looked at again, whatever happened to them */
    size_t enlisted;
    struct tp__clause *done = enlist_all(select, entries, count, start, &enlisted, failed);
    if (!done && *failed == TP_OK) {
        *failed = tp__wait_park(&select->wait, tp__deadline_ns(timeout_ms), TP__WAIT_CANCELLABLE);
        if (*failed == TP_OK)
            done = select->chosen;
    }
    for (size_t i = 0; i < enlisted; i++) {
        struct tp__clause *clause = &entries[(start + i) % count].clause;
        if (clause != done)
            tp__clause_withdraw(clause);
    }
    for (size_t i = 0; i < count; i++)
        tp__channel_unref(entries[i].clause.channel);
    return done;
}

/* `*chosen` is `count` if none was. */
static tp_status choose_elsewhere(const struct entry *entries, size_t count, int64_t timeout_ms, size_t *chosen)
{
    *chosen = count;
    struct tp__clause *clauses = tp__alloc(count * sizeof *clauses);
    if (!clauses)
        return tp__fail_nomem("the cases of tp_select");
    for (size_t i = 0; i < count; i++)
        clauses[i] = entries[i].clause;
    const tp_status status = tp__proxy_select(clauses, count, timeout_ms, chosen);
    tp__free(clauses);
    return status;
}

static tp_status choose(struct entry *entries, tp_select_case *cases, size_t count, int64_t timeout_ms, size_t *chosen)
{
    struct tp__select select = {.chosen = NULL};
    tp_status status = pack(entries, cases, count, &select);
    if (status != TP_OK)
        return status;
    if (tp__unlikely(cases[0].channel->elsewhere)) {
        status = choose_elsewhere(entries, count, timeout_ms, chosen);
        if (*chosen < count)
            cases[*chosen].status = status;
        else
            *chosen = 0;
        unpack(entries, count); /* what was sent has been encoded */
        return status;
    }
    const size_t start = next_start(count);
    struct tp__clause *done = try_all(entries, count, start, timeout_ms != 0, &status);
    if (!done && status == TP_OK && timeout_ms == 0)
        status = tp__fail(TP_E_TIMEOUT, "tp_select: none of the %zu operations is possible now", count);
    else if (!done && status == TP_OK)
        done = wait_for_one(&select, entries, count, start, timeout_ms, &status);
    if (done) {
        struct entry *entry = (struct entry *)(void *)done; /* its first member */
        if (done->send && done->status == TP_OK)
            *done = (struct tp__clause){.send = true}; /* the message is the channel's: nothing to drop */
        status = tp__clause_finish(done, entry->name, "tp_select");
        *chosen = (size_t)(entry - entries);
        cases[*chosen].status = status;
    }
    unpack(entries, count);
    return status;
}

tp_status tp_select(tp_select_case *cases, size_t count, int64_t timeout_ms, size_t *chosen)
{
    const tp_status status = check(cases, count, chosen);
    if (status != TP_OK)
        return status;
    if (count <= CASES_IN_FRAME) {
        struct entry entries[CASES_IN_FRAME];
        return choose(entries, cases, count, timeout_ms, chosen);
    }
    struct entry *entries = tp__alloc(count * sizeof *entries);
    if (!entries)
        return tp__fail_nomem("the cases of tp_select");
    const tp_status result = choose(entries, cases, count, timeout_ms, chosen);
    tp__free(entries);
    return result;
}
