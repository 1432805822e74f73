#include "codec/codec_priv.h"

#include <stdbool.h>
#include <string.h>

#include <snappy-c.h>

/*
 * Snappy, in two framings. Raw is one block. Java's stream, which Kafka's own
 * clients write, is
 *
 *     "\x82SNAPPY\0" | version: i32 = 1 | compatible: i32 = 1 | chunk ...
 *     chunk = size: i32 | one raw block of that size
 *
 * A raw block starts with its uncompressed size as a varint; 0x82 'S' would be
 * an uncompressed size of 10,626 followed by an impossible first copy, so the
 * two cannot be mistaken for each other.
 */
enum { STREAM_HEADER_SIZE = 16, STREAM_MAGIC_SIZE = 8, CHUNK_SIZE = 32 * 1024 };

/* One copy of three bytes yields at most 64 bytes: what a block claims beyond this is a lie. */
enum { EXPANSION_MAX = 22 };

static const uint8_t stream_header[STREAM_HEADER_SIZE] = {
    0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1,
};

static uint32_t load_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static enum err block_decompress(struct slice in, struct buf *out)
{
    const char *bytes = (const char *)in.at;
    size_t size;
    enum err e;

    if (in.size == 0 || snappy_uncompressed_length(bytes, in.size, &size) != SNAPPY_OK)
        return E_CORRUPT;
    if (size > out->max - out->size)
        return E_TOO_BIG;
    if (size / EXPANSION_MAX > in.size)
        return E_CORRUPT;
    e = buf_reserve(out, size);
    if (e != E_OK)
        return e;
    if (snappy_uncompress(bytes, in.size, (char *)codec_end(out), &size) != SNAPPY_OK)
        return E_CORRUPT;
    out->size += size;
    return E_OK;
}

enum err codec_snappy_decompress(struct slice in, struct buf *out)
{
    size_t pos = STREAM_HEADER_SIZE;

    if (in.size < STREAM_MAGIC_SIZE || memcmp(in.at, stream_header, STREAM_MAGIC_SIZE) != 0)
        return block_decompress(in, out);
    if (in.size < STREAM_HEADER_SIZE)
        return E_CORRUPT;
    while (pos < in.size) {
        uint32_t size;
        enum err e;

        if (in.size - pos < sizeof(size))
            return E_CORRUPT;
        size = load_u32(in.at + pos);
        pos += sizeof(size);
        if (size > in.size - pos)
            return E_CORRUPT;
        e = block_decompress(slice_of(in.at + pos, size), out);
        if (e != E_OK)
            return e;
        pos += size;
    }
    return E_OK;
}

static enum err chunk_compress(struct slice in, struct buf *out)
{
    size_t size = snappy_max_compressed_length(in.size);
    uint8_t *at;
    enum err e = buf_reserve(out, sizeof(uint32_t) + size);

    if (e != E_OK)
        return e;
    at = out->at + out->size;
    if (snappy_compress((const char *)in.at, in.size, (char *)at + 4, &size) != SNAPPY_OK)
        return E_TOO_BIG;
    at[0] = (uint8_t)(size >> 24);
    at[1] = (uint8_t)(size >> 16);
    at[2] = (uint8_t)(size >> 8);
    at[3] = (uint8_t)size;
    out->size += sizeof(uint32_t) + size;
    return E_OK;
}

enum err codec_snappy_compress(int level, struct slice in, struct buf *out)
{
    enum err e = buf_append(out, stream_header, sizeof(stream_header));

    for (size_t pos = 0; e == E_OK && pos < in.size; pos += CHUNK_SIZE) {
        size_t left = in.size - pos;

        e = chunk_compress(slice_of(in.at + pos, left < CHUNK_SIZE ? left : CHUNK_SIZE), out);
    }
    return e;
}
