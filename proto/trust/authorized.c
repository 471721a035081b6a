/* SPDX-License-Identifier: MIT */
/* The keys in the order of their lines, and two hash tables of their numbers: by Ed25519 key and by CURVE key. Keys are
 * as good as random, and who chooses them is who writes the file, so some of their bytes are the hash. All memory is
 * taken by the number of lines, before the first is read. */
#include "trust/authorized.h"

#include "trust/keyfile.h"

#include <stdlib.h>
#include <string.h>

enum { ROLES = TP__ROLE_COORDINATOR };

struct entry {
    struct tp__public_key key;
    uint8_t curve[32];
    enum tp__role role;
    uint32_t line;
    const char *name;
};

struct tp__authorized {
    char *text; /* the file's; what is a name in it ends with a 0 */
    struct entry *entries;
    uint32_t count;
    uint32_t *by_key;   /* number of the entry + 1; 0: free */
    uint32_t *by_curve; /* the same */
    uint32_t mask;      /* of both: at least as many slots are free as taken */
    uint32_t *by_role;  /* numbers of entries: drivers, then nodes ... */
    uint32_t role_start[ROLES + 2];
};

void tp__authorized_free(struct tp__authorized *authorized)
{
    if (!authorized)
        return;
    free(authorized->text);
    free(authorized->entries);
    free(authorized->by_key);
    free(authorized->by_curve);
    free(authorized->by_role);
    free(authorized);
}

/* ---- the tables ---- */

static uint32_t slot_of(const uint8_t bytes[32], enum tp__role role, uint32_t mask)
{
    uint64_t hash;
    memcpy(&hash, bytes, sizeof hash);
    hash = (hash + (uint64_t)role) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32) & mask;
}

/* The slot in which the key is, or in which it would be. */
static uint32_t *find_key(const struct tp__authorized *authorized, enum tp__role role, const uint8_t key[32])
{
    for (uint32_t slot = slot_of(key, role, authorized->mask);; slot = (slot + 1) & authorized->mask) {
        uint32_t *place = &authorized->by_key[slot];
        const struct entry *entry = *place ? &authorized->entries[*place - 1] : NULL;
        if (!entry || (entry->role == role && memcmp(entry->key.bytes, key, 32) == 0))
            return place;
    }
}

static uint32_t *find_curve(const struct tp__authorized *authorized, enum tp__role role, const uint8_t curve[32])
{
    for (uint32_t slot = slot_of(curve, role, authorized->mask);; slot = (slot + 1) & authorized->mask) {
        uint32_t *place = &authorized->by_curve[slot];
        const struct entry *entry = *place ? &authorized->entries[*place - 1] : NULL;
        if (!entry || (entry->role == role && memcmp(entry->curve, curve, 32) == 0))
            return place;
    }
}

static void sort_by_role(struct tp__authorized *authorized)
{
    uint32_t number = 0;
    for (unsigned role = 1; role <= ROLES; role++) {
        authorized->role_start[role] = number;
        for (uint32_t i = 0; i < authorized->count; i++) {
            if ((unsigned)authorized->entries[i].role == role)
                authorized->by_role[number++] = i;
        }
    }
    authorized->role_start[ROLES + 1] = number;
}

/* ---- reading ---- */

static uint32_t count_lines(const char *text, size_t size)
{
    uint32_t lines = 0;
    for (const char *at = text, *end = text + size; at < end; lines++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        at = line_end ? line_end + 1 : end;
    }
    return lines;
}

static struct tp__authorized *new_for(const char *text, size_t size, uint32_t lines)
{
    uint32_t slots = 2;
    while (slots < 2 * lines + 1)
        slots *= 2;
    struct tp__authorized *authorized = calloc(1, sizeof *authorized);
    if (!authorized)
        return NULL;
    authorized->text = malloc(size + 1);
    authorized->entries = calloc(lines + 1, sizeof *authorized->entries);
    authorized->by_key = calloc(slots, sizeof *authorized->by_key);
    authorized->by_curve = calloc(slots, sizeof *authorized->by_curve);
    authorized->by_role = calloc(lines + 1, sizeof *authorized->by_role);
    authorized->mask = slots - 1;
    if (!authorized->text || !authorized->entries || !authorized->by_key || !authorized->by_curve ||
        !authorized->by_role) {
        tp__authorized_free(authorized);
        return NULL;
    }
    if (size > 0)
        memcpy(authorized->text, text, size);
    authorized->text[size] = 0;
    return authorized;
}

/* The next word of a line that ends with a 0, itself ended with a 0; "" if there is none. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t");
    *line = word + strcspn(word, " \t");
    if (**line)
        *(*line)++ = 0;
    return word;
}

static bool read_line(struct tp__authorized *authorized, char *text, uint32_t line, const char *origin,
                      struct tp__problem *problem)
{
    char *rest = text;
    const char *role = next_word(&rest);
    if (!*role || *role == '#')
        return true;
    const char *key = next_word(&rest);
    const char *name = next_word(&rest);
    struct entry entry = {.line = line, .name = name};
    if (!tp__role_parse(&entry.role, role))
        return tp__problem_set(problem, TP_E_DECODE,
                               "%s, line %u: begins with no role (driver, node, admin, coordinator)", origin, line);
    if (!tp__public_key_parse(&entry.key, key) || !tp__curve_of_public(&entry.key, entry.curve))
        return tp__problem_set(problem, TP_E_DECODE, "%s, line %u: the second word is no public key", origin, line);
    if (!tp__keyfile_name_is_good(name, strlen(name)))
        return tp__problem_set(problem, TP_E_DECODE, "%s, line %u: needs a name of at most %d bytes behind the key",
                               origin, line, TP__NAME_LIMIT);
    if (*next_word(&rest))
        return tp__problem_set(problem, TP_E_DECODE, "%s, line %u: has more than role, key and name", origin, line);

    uint32_t *place = find_key(authorized, entry.role, entry.key.bytes);
    if (*place) {
        const struct entry *other = &authorized->entries[*place - 1];
        if (strcmp(other->name, name) == 0)
            return true;
        return tp__problem_set(problem, TP_E_DECODE, "%s, line %u: the key has another name in line %u", origin, line,
                               other->line);
    }
    /* A key and its negative have one CURVE key: who connects with it must be one of them. */
    uint32_t *curve_place = find_curve(authorized, entry.role, entry.curve);
    if (*curve_place)
        return tp__problem_set(problem, TP_E_DECODE, "%s, line %u: the key cannot be told from that of line %u", origin,
                               line, authorized->entries[*curve_place - 1].line);
    authorized->entries[authorized->count++] = entry;
    *place = *curve_place = authorized->count;
    return true;
}

static bool read_lines(struct tp__authorized *authorized, size_t size, const char *origin, struct tp__problem *problem)
{
    uint32_t number = 0;
    for (char *at = authorized->text, *end = at + size; at < end;) {
        char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end ? line_end : end;
        *line_end = 0;
        number++;
        if (!read_line(authorized, at, number, origin, problem))
            return false;
        at = line_end + 1;
    }
    return true;
}

struct tp__authorized *tp__authorized_parse(const char *text, size_t size, const char *origin,
                                            struct tp__problem *problem)
{
    const uint32_t lines = count_lines(text, size);
    if (size > TP__AUTHORIZED_LIMIT_BYTES || lines > TP__AUTHORIZED_LIMIT_LINES) {
        tp__problem_set(problem, TP_E_LIMIT, "%s has more than %d lines or %d bytes", origin,
                        TP__AUTHORIZED_LIMIT_LINES, TP__AUTHORIZED_LIMIT_BYTES);
        return NULL;
    }
    if (size > 0 && memchr(text, 0, size)) {
        tp__problem_set(problem, TP_E_DECODE, "%s is no text: it holds a zero byte", origin);
        return NULL;
    }
    struct tp__authorized *authorized = new_for(text, size, lines);
    if (!authorized) {
        tp__problem_set(problem, TP_E_NOMEM, "no memory for the keys of %s", origin);
        return NULL;
    }
    if (!read_lines(authorized, size, origin, problem)) {
        tp__authorized_free(authorized);
        return NULL;
    }
    sort_by_role(authorized);
    return authorized;
}

/* ---- looking up ---- */

const char *tp__authorized_find(const struct tp__authorized *authorized, enum tp__role role,
                                const struct tp__public_key *key)
{
    const uint32_t number = *find_key(authorized, role, key->bytes);
    return number ? authorized->entries[number - 1].name : NULL;
}

const char *tp__authorized_find_curve(const struct tp__authorized *authorized, enum tp__role role,
                                      const uint8_t curve[32], struct tp__public_key *key)
{
    const uint32_t number = *find_curve(authorized, role, curve);
    *key = number ? authorized->entries[number - 1].key : (struct tp__public_key){0};
    return number ? authorized->entries[number - 1].name : NULL;
}

static bool is_role(enum tp__role role)
{
    return (unsigned)role >= 1 && (unsigned)role <= ROLES;
}

size_t tp__authorized_count(const struct tp__authorized *authorized, enum tp__role role)
{
    return is_role(role) ? authorized->role_start[role + 1] - authorized->role_start[role] : 0;
}

const struct tp__public_key *tp__authorized_at(const struct tp__authorized *authorized, enum tp__role role,
                                               size_t index, const char **name)
{
    if (index >= tp__authorized_count(authorized, role)) {
        *name = NULL;
        return NULL;
    }
    const struct entry *entry = &authorized->entries[authorized->by_role[authorized->role_start[role] + index]];
    *name = entry->name;
    return &entry->key;
}
