/* SPDX-License-Identifier: MIT */
#include "cache.h"

#include "program_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { NAME_BYTES = 2 * sizeof(struct tp__hash) + 1, PART_NAME_BYTES = NAME_BYTES + 8 };

struct entry {
    struct entry *next; /* used longer ago */
    struct tp__hash root;
    uint64_t length;
    struct program_file file; /* descriptor -1: not hashed since the start */
    unsigned holds;
    struct timespec used;
};

struct fetch {
    struct fetch *next; /* older */
    struct tp__hash root;
    uint64_t length;
    int descriptor;
};

struct cache {
    int directory;
    uint64_t limit_bytes;
    uint64_t bytes;
    struct entry *entries; /* the one that was used last is the first */
    struct fetch *fetches;
};

static void name_of(const struct tp__hash *root, char name[NAME_BYTES])
{
    sodium_bin2hex(name, NAME_BYTES, root->bytes, sizeof root->bytes);
}

static void part_name_of(const struct tp__hash *root, char name[PART_NAME_BYTES])
{
    memcpy(name, ".part-", 6);
    name_of(root, name + 6);
}

static bool root_of_name(struct tp__hash *root, const char *name)
{
    size_t size;
    const char *end;
    return strlen(name) == NAME_BYTES - 1 &&
           sodium_hex2bin(root->bytes, sizeof root->bytes, name, NAME_BYTES - 1, NULL, &size, &end) == 0 &&
           size == sizeof root->bytes && *end == '\0';
}

static bool is_root(const struct tp__hash *a, const struct tp__hash *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

/* ---- entries ---- */

static struct entry **locate(struct cache *cache, const struct tp__hash *root)
{
    struct entry **at = &cache->entries;
    while (*at && !is_root(&(*at)->root, root))
        at = &(*at)->next;
    return at;
}

static void drop(struct cache *cache, struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    cache->bytes -= entry->length;
    program_file_close(&entry->file);
    free(entry);
}

static void remove_entry(struct cache *cache, struct entry **at)
{
    char name[NAME_BYTES];
    name_of(&(*at)->root, name);
    (void)unlinkat(cache->directory, name, 0);
    drop(cache, at);
}

/* False: what is left is held. */
static bool make_room(struct cache *cache, uint64_t length)
{
    while (cache->bytes > cache->limit_bytes || cache->limit_bytes - cache->bytes < length) {
        struct entry **last = NULL;
        for (struct entry **at = &cache->entries; *at; at = &(*at)->next)
            if ((*at)->holds == 0)
                last = at;
        if (!last)
            return false;
        remove_entry(cache, last);
    }
    return true;
}

static struct entry *add_entry(struct cache *cache, const struct tp__hash *root, uint64_t length)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        return NULL;
    entry->root = *root;
    entry->length = length;
    entry->file.descriptor = -1;
    entry->next = cache->entries;
    cache->entries = entry;
    cache->bytes += length;
    return entry;
}

/* To the front, and for the next start into the file's time. */
static void mark_used(struct cache *cache, struct entry **at)
{
    struct entry *entry = *at;
    *at = entry->next;
    entry->next = cache->entries;
    cache->entries = entry;
    (void)futimens(entry->file.descriptor, NULL);
    (void)fstat(entry->file.descriptor, &entry->file.as_hashed);
}

int cache_find(struct cache *cache, const struct tp__hash *root, uint64_t length, struct tp__problem *problem)
{
    problem->status = TP_OK;
    struct entry **at = locate(cache, root);
    struct entry *entry = *at;
    if (!entry || entry->length != length)
        return -1;
    if (entry->file.descriptor >= 0 && !program_file_is_unchanged(&entry->file))
        program_file_close(&entry->file);
    if (entry->file.descriptor < 0) {
        char name[NAME_BYTES];
        name_of(root, name);
        bool ok = program_file_open(&entry->file, cache->directory, name, O_NOFOLLOW, problem);
        if (ok && (entry->file.length != length || !is_root(&entry->file.root, root)))
            ok = tp__problem_set(problem, TP_E_SYSTEM, "the cached program %.16s... is damaged, and was removed", name);
        if (!ok) {
            remove_entry(cache, at);
            return -1;
        }
    }
    mark_used(cache, at);
    return entry->file.descriptor;
}

void cache_hold(struct cache *cache, const struct tp__hash *root)
{
    struct entry *entry = *locate(cache, root);
    if (entry)
        entry->holds++;
}

void cache_release(struct cache *cache, const struct tp__hash *root)
{
    struct entry *entry = *locate(cache, root);
    if (entry && entry->holds > 0)
        entry->holds--;
}

uint64_t cache_bytes(const struct cache *cache)
{
    return cache->bytes;
}

/* ---- fetching ---- */

static struct fetch **locate_fetch(struct cache *cache, const struct tp__hash *root)
{
    struct fetch **at = &cache->fetches;
    while (*at && !is_root(&(*at)->root, root))
        at = &(*at)->next;
    return at;
}

static void end_fetch(struct cache *cache, struct fetch **at, bool remove_file)
{
    struct fetch *fetch = *at;
    *at = fetch->next;
    cache->bytes -= fetch->length;
    if (fetch->descriptor >= 0)
        close(fetch->descriptor);
    if (remove_file) {
        char name[PART_NAME_BYTES];
        part_name_of(&fetch->root, name);
        (void)unlinkat(cache->directory, name, 0);
    }
    free(fetch);
}

static void limit_fetches(struct cache *cache)
{
    unsigned count = 0;
    for (struct fetch **at = &cache->fetches; *at;) {
        if (++count >= CACHE_FETCHES_LIMIT)
            end_fetch(cache, at, true);
        else
            at = &(*at)->next;
    }
}

/* Takes the space at once: a full disk is found out before the program has travelled. */
static bool take_space(int descriptor, uint64_t length)
{
    if (fallocate(descriptor, 0, 0, (off_t)length) == 0)
        return true;
    return errno == EOPNOTSUPP && ftruncate(descriptor, (off_t)length) == 0;
}

bool cache_begin(struct cache *cache, const struct tp__hash *root, uint64_t length, struct tp__problem *problem)
{
    if (length == 0 || length > TP__PROGRAM_LIMIT_BYTES || length > cache->limit_bytes)
        return tp__problem_set(problem, TP_E_LIMIT,
                               "a program of %" PRIu64 " bytes does not fit into the node's cache of %" PRIu64, length,
                               cache->limit_bytes);
    struct fetch **same = locate_fetch(cache, root);
    if (*same)
        end_fetch(cache, same, true);
    struct entry **entry = locate(cache, root);
    if (*entry && (*entry)->holds == 0)
        remove_entry(cache, entry);
    limit_fetches(cache);
    if (!make_room(cache, length))
        return tp__problem_set(problem, TP_E_LIMIT,
                               "no room for a program of %" PRIu64 " bytes: the node's cache of %" PRIu64
                               " is full of programs in use",
                               length, cache->limit_bytes);
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch)
        return tp__problem_set(problem, TP_E_NOMEM, "out of memory");
    char name[PART_NAME_BYTES];
    part_name_of(root, name);
    *fetch = (struct fetch){
        .next = cache->fetches,
        .root = *root,
        .length = length,
        .descriptor = openat(cache->directory, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600),
    };
    cache->fetches = fetch;
    cache->bytes += length;
    if (fetch->descriptor >= 0 && take_space(fetch->descriptor, length))
        return true;
    tp__problem_errno(problem, TP_E_SYSTEM, "the node cannot keep a program of %" PRIu64 " bytes in its cache", length);
    end_fetch(cache, &cache->fetches, true);
    return false;
}

bool cache_chunk(struct cache *cache, const struct tp__hash *root, uint32_t index, const uint8_t *bytes, size_t size,
                 struct tp__problem *problem)
{
    struct fetch **at = locate_fetch(cache, root);
    struct fetch *fetch = *at;
    if (!fetch)
        return tp__problem_set(problem, TP_E_ARGUMENT, "a piece of a program that is not being fetched");
    uint64_t offset = (uint64_t)index * TP__CHUNK_BYTES;
    if (size > TP__CHUNK_BYTES || offset > fetch->length || fetch->length - offset < size)
        return tp__problem_set(problem, TP_E_ARGUMENT, "piece %" PRIu32 " lies outside of its program", index);
    while (size > 0) {
        const ssize_t written = pwrite(fetch->descriptor, bytes, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            tp__problem_errno(problem, TP_E_SYSTEM, "the node cannot write the program to its cache");
            end_fetch(cache, at, true);
            return false;
        }
        bytes += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return true;
}

/* Under its final name. Not written through, which can take longer than a node may be silent: if the power fails now,
 * what is left of it is hashed before it is used, and fetched again. */
static bool settle(struct cache *cache, const struct fetch *fetch)
{
    char part[PART_NAME_BYTES], name[NAME_BYTES];
    part_name_of(&fetch->root, part);
    name_of(&fetch->root, name);
    return fchmod(fetch->descriptor, 0555) == 0 && renameat(cache->directory, part, cache->directory, name) == 0;
}

bool cache_complete(struct cache *cache, const struct tp__hash *root, struct tp__problem *problem)
{
    struct fetch **at = locate_fetch(cache, root);
    if (!*at)
        return tp__problem_set(problem, TP_E_ARGUMENT, "the end of a program that was not being fetched");
    const uint64_t length = (*at)->length;
    if (!settle(cache, *at)) {
        tp__problem_errno(problem, TP_E_SYSTEM, "the node cannot keep the program in its cache");
        end_fetch(cache, at, true);
        return false;
    }
    end_fetch(cache, at, false);
    struct entry **held = locate(cache, root); /* of another length: two offers cannot both be right */
    if (*held)
        drop(cache, held);
    if (!add_entry(cache, root, length)) {
        char name[NAME_BYTES];
        name_of(root, name);
        (void)unlinkat(cache->directory, name, 0);
        return tp__problem_set(problem, TP_E_NOMEM, "out of memory");
    }
    if (cache_find(cache, root, length, problem) >= 0)
        return true;
    return tp__problem_set(problem, TP_E_UNTRUSTED, "the program that came is not the one that was offered");
}

/* ---- open ---- */

static bool make_directories(const char *path, struct tp__problem *problem)
{
    char part[PATH_MAX];
    const size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return tp__problem_set(problem, TP_E_ARGUMENT, "the path of the cache is too long");
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, i == length ? 0700 : 0755) != 0 && errno != EEXIST)
            return tp__problem_errno(problem, TP_E_SYSTEM, "cannot make the directory %s", part);
    }
    return true;
}

static bool open_directory(struct cache *cache, const char *path, struct tp__problem *problem)
{
    struct stat info;
    cache->directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cache->directory < 0 || fstat(cache->directory, &info) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot open the cache %s", path);
    if (info.st_uid != geteuid() || (info.st_mode & 022) != 0)
        return tp__problem_set(problem, TP_E_UNTRUSTED,
                               "the cache %s must belong to the node's user, and nobody else may write there", path);
    if (fchmod(cache->directory, 0700) != 0)
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot close the cache %s to others", path);
    if (flock(cache->directory, LOCK_EX | LOCK_NB) != 0)
        return tp__problem_errno(problem, TP_E_BUSY, "the cache %s is another node's; give each its own", path);
    return true;
}

static int compare_used(const void *a, const void *b)
{
    const struct timespec *x = &(*(struct entry *const *)a)->used, *y = &(*(struct entry *const *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec > y->tv_sec ? -1 : 1;
    return x->tv_nsec == y->tv_nsec ? 0 : x->tv_nsec > y->tv_nsec ? -1 : 1;
}

static bool sort_entries(struct cache *cache, size_t count)
{
    struct entry **sorted = calloc(count + 1, sizeof(struct entry *));
    if (!sorted)
        return false;
    size_t i = 0;
    for (struct entry *entry = cache->entries; entry; entry = entry->next)
        sorted[i++] = entry;
    qsort(sorted, count, sizeof(struct entry *), compare_used);
    cache->entries = sorted[0];
    for (i = 0; i < count; i++)
        sorted[i]->next = sorted[i + 1];
    free(sorted);
    return true;
}

static bool scan(struct cache *cache, struct tp__problem *problem)
{
    const int copy = fcntl(cache->directory, F_DUPFD_CLOEXEC, 0);
    DIR *stream = copy >= 0 ? fdopendir(copy) : NULL;
    if (!stream) {
        if (copy >= 0)
            close(copy);
        return tp__problem_errno(problem, TP_E_SYSTEM, "cannot read the cache");
    }
    size_t count = 0;
    bool ok = true;
    const struct dirent *found;
    while (ok && (found = readdir(stream))) {
        struct tp__hash root;
        struct stat info;
        if (strncmp(found->d_name, ".part-", 6) == 0) {
            (void)unlinkat(cache->directory, found->d_name, 0);
        } else if (root_of_name(&root, found->d_name) &&
                   fstatat(cache->directory, found->d_name, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(info.st_mode)) {
            struct entry *entry = add_entry(cache, &root, (uint64_t)info.st_size);
            ok = entry != NULL;
            if (ok) {
                entry->used = info.st_mtim;
                count++;
            }
        }
    }
    closedir(stream);
    if (!ok || !sort_entries(cache, count))
        return tp__problem_set(problem, TP_E_NOMEM, "out of memory");
    (void)make_room(cache, 0); /* nothing is held: what is too much goes */
    return true;
}

struct cache *cache_open(const char *directory, uint64_t limit_bytes, struct tp__problem *problem)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache) {
        tp__problem_set(problem, TP_E_NOMEM, "out of memory");
        return NULL;
    }
    *cache = (struct cache){.directory = -1, .limit_bytes = limit_bytes};
    if (make_directories(directory, problem) && open_directory(cache, directory, problem) && scan(cache, problem))
        return cache;
    cache_close(cache);
    return NULL;
}

void cache_close(struct cache *cache)
{
    if (!cache)
        return;
    while (cache->fetches)
        end_fetch(cache, &cache->fetches, true);
    while (cache->entries)
        drop(cache, &cache->entries);
    if (cache->directory >= 0)
        close(cache->directory);
    free(cache);
}
