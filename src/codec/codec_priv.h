#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * One pair per library. `in` has at most CODEC_INPUT_SIZE_MAX bytes, so that
 * its size fits every library's own type. The dispatcher in codec.c restores
 * out->size after an error; these may leave anything behind it.
 */
enum { CODEC_INPUT_SIZE_MAX = INT32_MAX };

NODISCARD enum err codec_gzip_decompress(struct slice in, struct buf *out);
NODISCARD enum err codec_gzip_compress(int level, struct slice in, struct buf *out);
NODISCARD enum err codec_snappy_decompress(struct slice in, struct buf *out);
NODISCARD enum err codec_snappy_compress(int level, struct slice in, struct buf *out);
NODISCARD enum err codec_lz4_decompress(struct slice in, struct buf *out);
NODISCARD enum err codec_lz4_compress(int level, struct slice in, struct buf *out);
NODISCARD enum err codec_zstd_decompress(struct slice in, struct buf *out);
NODISCARD enum err codec_zstd_compress(int level, struct slice in, struct buf *out);

/*
 * Room for the next piece of a decompression of unknown size: the free end of
 * `out`, or one spare byte once `out` is at its maximum, because a stream may
 * still have an end mark to read that produces nothing. Whatever lands in the
 * spare byte is over the limit.
 */
struct codec_room {
    uint8_t *at;
    size_t size;
    uint8_t spare;
};

NODISCARD enum err codec_room_open(struct codec_room *room, struct buf *out, size_t size_wanted);

/* `size` bytes were written at room->at. E_TOO_BIG: there was no room for them. */
NODISCARD enum err codec_room_close(struct codec_room *room, struct buf *out, size_t size);

/* Where the next byte of `out` goes; NULL while nothing is allocated. */
static inline uint8_t *codec_end(const struct buf *out)
{
    return out->at == NULL ? NULL : out->at + out->size;
}

/* A library that reads only, but forgot const. */
static inline uint8_t *codec_unconst(const uint8_t *at)
{
    return (uint8_t *)(uintptr_t)at;
}
