/* SPDX-License-Identifier: MIT */
/* Design notes.
 *
 * The driver reads the corpus and keeps a window of tasks in flight, so that its memory does not grow with the
 * corpus. It takes their results in the order in which it submitted them. A parcel's counts are a run of level 0. Two
 * runs of one level are merged by a task into one of the next level, as a binary counter carries: so each word is
 * merged once a level, there are as many levels as the number of parcels has bits, and any two workers' results can
 * meet anywhere.
 *
 * A result has a limit (16 MiB). Two runs that might exceed MERGE_LIMIT together are not merged by a task: they stay as
 * they are, and the driver's last step, a merge of all runs that are left, reads them side by side. */
#include "wordcount/count.h"

#include "support/support.h"
#include "wordcount/tally.h"
#include "wordcount/unpack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 48, MERGE_LIMIT = 8 << 20, WINDOW_LIMIT = 256 };

/* ---- the tasks */

static void tally_leave(void *tally)
{
    tally_free(tally);
}

static void note_damage(tp_value damaged, tp_value item, const char *reason)
{
    tp_value name = tp_value_nil();
    tp_try(tp_value_map_get(item, "name", &name));
    const tp_str text = tp_str_format("%.*s: %s", (int)name.as.string.length, name.as.string.data, reason);
    tp_try(tp_value_list_append(damaged, tp_value_str(text)));
}

/* Counts a parcel. Returns {"run": bytes, "damaged": list of strings}. */
TP_TASK(count_words, tp_value, (tp_value, parcel))
{
    struct tally *tally = tally_new();
    tp_defer(tally_leave, tally);
    const tp_value damaged = tp_value_list();
    for (size_t i = 0; tally && i < tp_value_size(parcel); i++) {
        tp_value item, packed;
        tp_try(tp_value_list_get(parcel, i, &item));
        const char *damage = NULL;
        if (tp_value_is(item, TP_VALUE_STR)) {
            if (!tally_add(tally, item.as.string.data, item.as.string.length))
                tp_raise("out of memory");
        } else {
            tp_try(tp_value_map_get(item, "gzip", &packed));
            damage = unpack(tally, packed.as.bytes.data, packed.as.bytes.size);
        }
        if (damage)
            note_damage(damaged, item, damage);
        if (!tally_end_text(tally))
            tp_raise("out of memory");
    }
    size_t size = 0;
    uint8_t *run = tally ? tally_run(tally, &size) : NULL;
    if (!run)
        tp_raise("out of memory");
    tp_defer(free, run);
    const tp_value result = tp_value_map();
    tp_try(tp_value_map_set(result, "run", tp_value_bytes(tp_bytes_view(run, size))));
    tp_try(tp_value_map_set(result, "damaged", damaged));
    return result;
}

/* One run of two. */
TP_TASK(merge_runs, tp_bytes, (tp_bytes, a), (tp_bytes, b))
{
    uint8_t *out = malloc(a.size + b.size + 1);
    if (!out)
        tp_raise("out of memory");
    tp_defer(free, out);
    const size_t size = run_merge(a.data, a.size, b.data, b.size, out);
    if (size == SIZE_MAX)
        tp_raise("a damaged run");
    return tp_bytes_new(out, size);
}

/* ---- the driver */

/* A task in flight: it counts a parcel (level 0) or makes a run of a higher level. */
struct flight {
    tp_promise *promise;
    unsigned level;
    uint64_t bytes; /* of files, in the parcel */
};

struct plan {
    tp_pool *pool;
    struct counts *counts;
    struct progress *progress;
    struct flight flights[WINDOW_LIMIT]; /* a ring, oldest first */
    size_t first, in_flight, window;
    tp_bytes waiting[LEVELS]; /* at each level at most one run, which waits for another */
    bool is_waiting[LEVELS];
    uint64_t done_bytes, total_bytes;
};

static bool launch(struct plan *plan, tp_promise *promise, unsigned level, uint64_t bytes)
{
    if (!promise) {
        fail("cannot submit a task");
        return false;
    }
    plan->flights[(plan->first + plan->in_flight++) % WINDOW_LIMIT] = (struct flight){promise, level, bytes};
    return true;
}

/* Keeps the run for the last step. */
static bool keep(struct plan *plan, tp_bytes run)
{
    if (tp_value_list_append(plan->counts->runs, tp_value_bytes(run)) == TP_OK)
        return true;
    fail("cannot keep a run");
    return false;
}

/* A run of that level has come: it waits for another one, or is merged with the one that waits. */
static bool carry(struct plan *plan, tp_bytes run, unsigned level)
{
    if (!plan->is_waiting[level]) {
        plan->waiting[level] = tp_bytes_retain(run);
        plan->is_waiting[level] = true;
        return true;
    }
    plan->is_waiting[level] = false;
    tp_auto(tp_bytes) other = plan->waiting[level];
    if (other.size + run.size > MERGE_LIMIT || level + 1 == LEVELS)
        return keep(plan, other) && keep(plan, run);
    return launch(plan, tp_submit(plan->pool, merge_runs, .a = other, .b = run), level + 1, 0);
}

static void report_damage(struct plan *plan, tp_value damaged)
{
    for (size_t i = 0; i < tp_value_size(damaged); i++) {
        tp_value text;
        tp_str message;
        if (tp_value_list_get(damaged, i, &text) != TP_OK || tp_value_to_str(text, &message) != TP_OK)
            continue;
        progress_clear(plan->progress);
        complain("%.*s", (int)message.length, message.data);
        plan->counts->damaged++;
    }
}

/* Takes the result of the oldest task in flight. */
static bool land(struct plan *plan)
{
    const struct flight flight = plan->flights[plan->first];
    plan->first = (plan->first + 1) % WINDOW_LIMIT;
    plan->in_flight--;
    tp_auto(tp_promise) promise = flight.promise;
    if (flight.level > 0) {
        tp_auto(tp_bytes) run = {0};
        if (tp_await(promise, &run) == TP_OK)
            return carry(plan, run, flight.level);
    } else {
        tp_auto(tp_value) result = {0};
        tp_value item = {0};
        tp_bytes run = {0};
        if (tp_await(promise, &result) == TP_OK && tp_value_map_get(result, "damaged", &item) == TP_OK) {
            report_damage(plan, item);
            plan->done_bytes += flight.bytes;
            progress_update(plan->progress, plan->done_bytes, plan->total_bytes);
            if (tp_value_map_get(result, "run", &item) == TP_OK && tp_value_to_bytes(item, &run) == TP_OK)
                return carry(plan, run, 0);
        }
    }
    progress_clear(plan->progress);
    fail("a task failed");
    return false;
}

static bool run_plan(struct plan *plan, struct corpus *corpus)
{
    tp_value parcel;
    uint64_t bytes;
    while (corpus_next(corpus, &parcel, &bytes)) {
        /* Landing may launch a merge; one that lands launches at most one. So the window is never exceeded. */
        while (plan->in_flight >= plan->window)
            if (!land(plan)) {
                tp_value_release(parcel);
                return false;
            }
        tp_promise *promise = tp_submit(plan->pool, count_words, parcel);
        tp_value_release(parcel);
        if (!launch(plan, promise, 0, bytes))
            return false;
    }
    while (plan->in_flight > 0)
        if (!land(plan))
            return false;
    for (unsigned level = 0; level < LEVELS; level++)
        if (plan->is_waiting[level] && !keep(plan, plan->waiting[level]))
            return false;
    return true;
}

/* Merges the runs that are left, a handful, into `counts->words`. */
static bool merge_all(struct counts *counts)
{
    const size_t run_count = tp_value_size(counts->runs);
    struct run_reader *readers = calloc(run_count + 1, sizeof *readers);
    size_t open = 0, limit = 0;
    for (size_t i = 0; readers && i < run_count; i++) {
        tp_value item;
        (void)tp_value_list_get(counts->runs, i, &item);
        run_open(&readers[open], item.as.bytes.data, item.as.bytes.size);
        if (run_next(&readers[open]))
            open++;
        else if (readers[open].damaged)
            limit = SIZE_MAX;
    }
    bool enough = readers != NULL && limit == 0;
    while (enough && open > 0) {
        if (counts->word_count == limit) {
            limit = limit ? 2 * limit : 1024;
            struct word *words = realloc(counts->words, limit * sizeof *words);
            if (!(enough = words != NULL))
                break;
            counts->words = words;
        }
        size_t least = 0;
        for (size_t i = 1; i < open; i++)
            if (word_compare(&readers[i].word, &readers[least].word) < 0)
                least = i;
        struct word word = readers[least].word;
        word.count = 0;
        for (size_t i = open; i-- > 0;) {
            if (word_compare(&readers[i].word, &word) != 0)
                continue;
            word.count += readers[i].word.count;
            if (!run_next(&readers[i])) {
                enough = enough && !readers[i].damaged;
                readers[i] = readers[--open];
            }
        }
        counts->words[counts->word_count++] = word;
        counts->sum += word.count;
    }
    free(readers);
    if (!enough)
        complain("cannot merge %zu runs", run_count);
    return enough;
}

bool count_corpus(tp_pool *pool, struct corpus *corpus, uint64_t total_bytes, struct progress *progress,
                  struct counts *counts)
{
    *counts = (struct counts){.runs = tp_value_list()};
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan) {
        complain("out of memory");
        return false;
    }
    const size_t workers = tp_pool_size(pool);
    plan->pool = pool;
    plan->counts = counts;
    plan->progress = progress;
    plan->total_bytes = total_bytes;
    plan->window = 4 * workers + 4 < WINDOW_LIMIT / 2 ? 4 * workers + 4 : WINDOW_LIMIT / 2;
    const bool planned = run_plan(plan, corpus);
    for (; plan->in_flight > 0; plan->in_flight--) {
        tp_promise_release(plan->flights[plan->first].promise);
        plan->first = (plan->first + 1) % WINDOW_LIMIT;
    }
    for (unsigned level = 0; level < LEVELS; level++)
        if (plan->is_waiting[level])
            tp_bytes_release(plan->waiting[level]);
    free(plan);
    return planned && merge_all(counts);
}

void counts_free(struct counts *counts)
{
    free(counts->words);
    tp_value_release(counts->runs);
    *counts = (struct counts){0};
}
