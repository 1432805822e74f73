#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/*
 * Codec: the compressions of record batches and messages, under Kafka's ids.
 *
 * Pure functions without state; any thread. A decompression never writes past
 * the maximum of the buf it is given, and nothing is allocated by a size that
 * the input merely claims: a small bomb costs a small buffer and an error.
 */
enum codec_id {
    CODEC_NONE = 0,
    CODEC_GZIP = 1,
    CODEC_SNAPPY = 2,
    CODEC_LZ4 = 3,
    CODEC_ZSTD = 4,
};

enum { CODEC_COUNT = 5 };

/* The level that the library itself prefers. */
enum { CODEC_LEVEL_DEFAULT = 0 };

/* "none", "gzip", "snappy", "lz4", "zstd", as in compression.type; NULL if unknown. */
const char *codec_name(int id);

/* E_NOT_FOUND: no codec of that name */
NODISCARD enum err codec_parse(struct slice name, enum codec_id *id_out);

/* Levels that codec_compress takes; CODEC_LEVEL_DEFAULT is always one. */
bool codec_is_level(enum codec_id id, int level);

/*
 * Append the bytes that `in` stands for to `out`. The limit is out->max.
 * On an error out->size is what it was.
 *
 *   gzip    one or more members
 *   snappy  raw, or the Java stream ("\x82SNAPPY\0", then chunks)
 *   lz4     one or more frames
 *   zstd    one or more frames, with or without their content size
 *
 *   E_TOO_BIG      out would pass its maximum
 *   E_CORRUPT      not what this codec writes, or cut off
 *   E_UNSUPPORTED  unknown id
 *   E_NOMEM
 */
NODISCARD enum err codec_decompress(int id, struct slice in, struct buf *out);

/*
 * Append `in`, compressed as Kafka's Java clients do it, to `out`.
 * On an error out->size is what it was.
 *
 *   E_TOO_BIG      out might pass its maximum: some codecs want room for the worst case
 *   E_INVAL        no such level
 *   E_UNSUPPORTED  unknown id
 *   E_NOMEM
 */
NODISCARD enum err codec_compress(int id, int level, struct slice in, struct buf *out);
