#include "codec/codec_priv.h"

#include <zstd.h>
#include <zstd_errors.h>

/*
 * RFC 8878. Decompression is in one piece into `out`, with a larger `out` if it
 * did not fit: then the output is its own window. The streaming interface would
 * allocate the window that the frame announces, up to 128 MiB for a few bytes.
 */
enum { ROOM_FACTOR = 8, ROOM_MIN = 16 * 1024, ROOM_GROWTH = 4 };

/* How much room to try first: what the first frame says, if its size makes that credible. */
static size_t first_room(struct slice in)
{
    size_t credible = in.size * ROOM_FACTOR < ROOM_MIN ? ROOM_MIN : in.size * ROOM_FACTOR;
    unsigned long long claimed = ZSTD_getFrameContentSize(in.at, in.size);

    /* Unknown and error are the two largest values. */
    return claimed < credible ? (size_t)claimed : credible;
}

static enum err decompress_whole(ZSTD_DCtx *ctx, struct slice in, struct buf *out)
{
    size_t left = out->max - out->size;
    size_t room = first_room(in);

    for (;;) {
        size_t size;
        enum err e;

        room = room < left ? room : left;
        e = buf_reserve(out, room);
        if (e != E_OK)
            return e;
        if (room < out->capacity - out->size)
            room = out->capacity - out->size;
        size = ZSTD_decompressDCtx(ctx, codec_end(out), room, in.at, in.size);
        if (!ZSTD_isError(size)) {
            out->size += size;
            return E_OK;
        }
        if (ZSTD_getErrorCode(size) != ZSTD_error_dstSize_tooSmall)
            return ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation ? E_NOMEM : E_CORRUPT;
        if (room == left)
            return E_TOO_BIG;
        room = (room < ROOM_MIN ? ROOM_MIN : room) * ROOM_GROWTH;
    }
}

enum err codec_zstd_decompress(struct slice in, struct buf *out)
{
    ZSTD_DCtx *ctx;
    enum err e;

    if (in.size == 0)
        return E_CORRUPT;
    ctx = ZSTD_createDCtx();
    if (ctx == NULL)
        return E_NOMEM;
    e = decompress_whole(ctx, in, out);
    ZSTD_freeDCtx(ctx);
    return e;
}

enum err codec_zstd_compress(int level, struct slice in, struct buf *out)
{
    size_t bound = ZSTD_compressBound(in.size);
    size_t size;
    enum err e = buf_reserve(out, bound);

    if (e != E_OK)
        return e;
    size = ZSTD_compress(out->at + out->size, bound, in.at, in.size,
                         level == 0 ? ZSTD_CLEVEL_DEFAULT : level);
    if (ZSTD_isError(size))
        return E_NOMEM; /* the bound leaves it no other reason */
    out->size += size;
    return E_OK;
}
