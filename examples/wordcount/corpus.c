/* SPDX-License-Identifier: MIT */
#include "wordcount/corpus.h"

#include "support/support.h"
#include "wordcount/tally.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum {
    PACKED_LIMIT = 1 << 20, /* a compressed file of at most so many bytes travels as it is */
    WORD_LIMIT = 8 << 20,   /* a word is never cut, so it must fit into a task */
};

struct corpus {
    FTS *walk;
    size_t parcel_bytes;
    struct corpus_size read;
    uint64_t unreadable;

    /* The file that is being cut. */
    int file;      /* -1: none is open */
    gzFile zipped; /* of `file`, if it is compressed */
    char *name;    /* of that file */
    char *text;    /* what was read of it and is in no parcel yet */
    size_t text_used, text_size;
};

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static FTS *walk_open(char *const *paths)
{
    /* FTS_NOCHDIR: the walk pauses while others use the working directory. */
    return fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
}

struct corpus *corpus_open(char *const *paths, size_t parcel_bytes)
{
    struct corpus *corpus = calloc(1, sizeof *corpus);
    if (!corpus)
        return NULL;
    corpus->file = -1;
    corpus->parcel_bytes = parcel_bytes;
    corpus->text_size = parcel_bytes;
    corpus->text = malloc(parcel_bytes);
    corpus->walk = corpus->text ? walk_open(paths) : NULL;
    if (corpus->walk)
        return corpus;
    const int error = errno;
    free(corpus->text);
    free(corpus);
    errno = error;
    return NULL;
}

static void end_file(struct corpus *corpus)
{
    if (corpus->zipped)
        gzclose(corpus->zipped); /* closes the descriptor as well */
    else if (corpus->file >= 0)
        close(corpus->file);
    corpus->zipped = NULL;
    corpus->file = -1;
    free(corpus->name);
    corpus->name = NULL;
    corpus->text_used = 0;
}

void corpus_close(struct corpus *corpus)
{
    if (!corpus)
        return;
    end_file(corpus);
    fts_close(corpus->walk);
    free(corpus->text);
    free(corpus);
}

struct corpus_size corpus_read(const struct corpus *corpus)
{
    return corpus->read;
}

uint64_t corpus_unreadable(const struct corpus *corpus)
{
    return corpus->unreadable;
}

static void give_up(struct corpus *corpus, const char *name, const char *reason)
{
    complain("%s: %s", name, reason);
    corpus->unreadable++;
}

/* Reads into `to` until `size` bytes are there or the file ends. -1, with the reason, if it cannot be read. */
static ssize_t read_fully(struct corpus *corpus, char *to, size_t size, const char **reason)
{
    size_t got = 0;
    while (got < size) {
        const ssize_t n = corpus->zipped ? gzread(corpus->zipped, to + got, (unsigned)(size - got))
                                         : read(corpus->file, to + got, size - got);
        if (n == 0)
            break;
        if (n < 0 && !corpus->zipped && errno == EINTR)
            continue;
        if (n < 0) {
            int error;
            *reason = corpus->zipped ? gzerror(corpus->zipped, &error) : strerror(errno);
            return -1;
        }
        got += (size_t)n;
    }
    int error = Z_OK;
    if (got < size && corpus->zipped)
        *reason = gzerror(corpus->zipped, &error);
    return error == Z_OK ? (ssize_t)got : -1;
}

static bool append(struct corpus *corpus, tp_value parcel, tp_value item)
{
    if (tp_value_list_append(parcel, item) == TP_OK)
        return true;
    give_up(corpus, corpus->name, tp_last_error()->message);
    end_file(corpus);
    return false;
}

/* A small compressed file whole. Returns the bytes that it adds. */
static size_t append_packed(struct corpus *corpus, tp_value parcel, size_t size)
{
    tp_auto(tp_value) item = tp_value_map();
    const char *reason = "out of memory";
    char *packed = malloc(size + 1);
    /* The descriptor is read as it is: corpus->zipped is not set. */
    const ssize_t got = packed ? read_fully(corpus, packed, size, &reason) : -1;
    if (got < 0)
        give_up(corpus, corpus->name, reason);
    const bool made =
        got >= 0 && tp_value_map_set(item, "gzip", tp_value_bytes(tp_bytes_view(packed, (size_t)got))) == TP_OK &&
        tp_value_map_set(item, "name", tp_value_str(tp_str_view(corpus->name, strlen(corpus->name)))) == TP_OK;
    if (got >= 0 && !made)
        give_up(corpus, corpus->name, tp_last_error()->message);
    free(packed);
    if (made && append(corpus, parcel, item))
        corpus->read.bytes += size;
    end_file(corpus);
    return got > 0 ? (size_t)got : 0;
}

/* The next cut of the open file, which ends with it. Returns the bytes that it adds. */
static size_t append_cut(struct corpus *corpus, tp_value parcel, size_t room)
{
    size_t wanted = room;
    for (;;) {
        if (wanted > corpus->text_size) {
            char *text = realloc(corpus->text, wanted);
            if (!text) {
                give_up(corpus, corpus->name, "out of memory");
                end_file(corpus);
                return 0;
            }
            corpus->text = text;
            corpus->text_size = wanted;
        }
        size_t got = corpus->text_used;
        if (wanted > got) {
            const char *reason = "";
            const ssize_t more = read_fully(corpus, corpus->text + got, wanted - got, &reason);
            if (more < 0) {
                give_up(corpus, corpus->name, reason);
                end_file(corpus);
                return 0;
            }
            got += (size_t)more;
        }
        const bool ended = got < wanted;
        size_t cut = got;
        while (!ended && cut > 0 && is_letter((unsigned char)corpus->text[cut - 1]))
            cut--;
        corpus->text_used = got;
        if (ended || cut > 0) {
            const bool appended = append(corpus, parcel, tp_value_str(tp_str_view(corpus->text, cut)));
            if (!appended)
                return 0;
            corpus->read.bytes += corpus->zipped ? 0 : cut;
            memmove(corpus->text, corpus->text + cut, got - cut);
            corpus->text_used = got - cut;
            if (ended)
                end_file(corpus);
            return cut;
        }
        if (wanted >= WORD_LIMIT) {
            give_up(corpus, corpus->name, "a word of more than 8 MiB");
            end_file(corpus);
            return 0;
        }
        wanted *= 2;
    }
}

/* Opens the next file of the walk. False at the end. `*packed`: its size, if it is a small compressed one, else 0. */
static bool begin_file(struct corpus *corpus, size_t *packed)
{
    *packed = 0;
    errno = 0;
    for (FTSENT *entry; (entry = fts_read(corpus->walk)) != NULL; errno = 0) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS)
            give_up(corpus, entry->fts_path, strerror(entry->fts_errno));
        if (entry->fts_info != FTS_F || !S_ISREG(entry->fts_statp->st_mode))
            continue;
        corpus->file = open(entry->fts_path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        corpus->name = strdup(entry->fts_path);
        if (corpus->file < 0 || !corpus->name) {
            give_up(corpus, entry->fts_path, strerror(errno));
            end_file(corpus);
            continue;
        }
        corpus->read.files++;
        const bool zipped = entry->fts_namelen > 3 && strcmp(entry->fts_name + entry->fts_namelen - 3, ".gz") == 0;
        if (zipped && entry->fts_statp->st_size > 0 && entry->fts_statp->st_size <= PACKED_LIMIT) {
            *packed = (size_t)entry->fts_statp->st_size;
        } else if (zipped) {
            corpus->read.bytes += (uint64_t)entry->fts_statp->st_size;
            corpus->zipped = gzdopen(corpus->file, "r");
            if (!corpus->zipped) {
                give_up(corpus, entry->fts_path, "out of memory");
                end_file(corpus);
                continue;
            }
        }
        return true;
    }
    if (errno)
        give_up(corpus, "the walk", strerror(errno));
    return false;
}

bool corpus_next(struct corpus *corpus, tp_value *parcel, uint64_t *bytes)
{
    const uint64_t before = corpus->read.bytes;
    *parcel = tp_value_list();
    size_t used = 0;
    while (used < corpus->parcel_bytes) {
        size_t packed = 0;
        if (corpus->file < 0 && !begin_file(corpus, &packed))
            break;
        used += packed > 0 ? append_packed(corpus, *parcel, packed)
                           : append_cut(corpus, *parcel, corpus->parcel_bytes - used);
    }
    *bytes = corpus->read.bytes - before;
    if (tp_value_size(*parcel) > 0 || used > 0)
        return true;
    tp_value_release(*parcel);
    *parcel = tp_value_nil();
    return false;
}

struct corpus_size corpus_measure(char *const *paths)
{
    struct corpus_size size = {0};
    FTS *walk = walk_open(paths);
    for (FTSENT *entry; walk && (entry = fts_read(walk)) != NULL;) {
        if (entry->fts_info == FTS_F && S_ISREG(entry->fts_statp->st_mode)) {
            size.files++;
            size.bytes += (uint64_t)entry->fts_statp->st_size;
        }
    }
    if (walk)
        fts_close(walk);
    return size;
}
