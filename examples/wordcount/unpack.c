/* SPDX-License-Identifier: MIT */
#include "wordcount/unpack.h"

#include <stdlib.h>
#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

enum {
    PIECE = 1 << 16,
    GZIP_WINDOW = 16 + MAX_WBITS, /* zlib's way to say: with the header of gzip, and no other */
    GZIP_FIRST = 0x1f,            /* the first byte of that header */
};

/* One call of inflate, and what it unpacked into the tally. */
static int unpack_piece(struct tally *tally, z_stream *stream, unsigned char *piece)
{
    stream->next_out = piece;
    stream->avail_out = PIECE;
    const int result = inflate(stream, Z_NO_FLUSH);
    if (!tally_add(tally, piece, PIECE - stream->avail_out))
        return Z_MEM_ERROR;
    /* A file may be several packed ones in a row. */
    if (result == Z_STREAM_END && stream->avail_in > 0 && *stream->next_in == GZIP_FIRST)
        return inflateReset(stream);
    return result;
}

const char *unpack(struct tally *tally, const void *packed, size_t size)
{
    z_stream stream = {.next_in = packed, .avail_in = (uInt)size};
    unsigned char *piece = malloc(PIECE);
    int result = piece ? inflateInit2(&stream, GZIP_WINDOW) : Z_MEM_ERROR;
    if (result == Z_OK) {
        do {
            result = unpack_piece(tally, &stream, piece);
        } while (result == Z_OK);
        inflateEnd(&stream);
    }
    free(piece);
    switch (result) {
    case Z_STREAM_END:
        return NULL;
    case Z_BUF_ERROR:
        return "it ends too early";
    case Z_MEM_ERROR:
        return "out of memory";
    default:
        return stream.msg ? stream.msg : "not what gzip writes";
    }
}
