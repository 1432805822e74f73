#include "codec/codec_priv.h"

#include <lz4frame.h>

/*
 * The LZ4 frame format. The library's own memory is bounded by the largest
 * block that a frame may announce, 4 MiB.
 */
enum { ROOM_FACTOR = 4, ROOM_MIN = 4096 };

static enum err decompress_frames(LZ4F_dctx *ctx, struct slice in, struct buf *out)
{
    size_t wanted = in.size * ROOM_FACTOR < ROOM_MIN ? ROOM_MIN : in.size * ROOM_FACTOR;
    size_t pos = 0;
    size_t hint = 1; /* 0: a frame has just ended */

    while (hint != 0 || pos < in.size) {
        struct codec_room room;
        size_t in_size = in.size - pos;
        size_t out_size;
        enum err e = codec_room_open(&room, out, wanted);

        if (e != E_OK)
            return e;
        out_size = room.size;
        hint = LZ4F_decompress(ctx, room.at, &out_size, in.at + pos, &in_size, NULL);
        if (LZ4F_isError(hint))
            return E_CORRUPT;
        pos += in_size;
        e = codec_room_close(&room, out, out_size);
        if (e != E_OK)
            return e;
        if (hint != 0 && in_size == 0 && out_size == 0)
            return E_CORRUPT; /* cut off */
    }
    return E_OK;
}

enum err codec_lz4_decompress(struct slice in, struct buf *out)
{
    LZ4F_dctx *ctx;
    enum err e;

    if (in.size == 0)
        return E_CORRUPT;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&ctx, LZ4F_VERSION)))
        return E_NOMEM;
    e = decompress_frames(ctx, in, out);
    LZ4F_freeDecompressionContext(ctx);
    return e;
}

enum err codec_lz4_compress(int level, struct slice in, struct buf *out)
{
    LZ4F_preferences_t prefs = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = level,
    };
    size_t bound = LZ4F_compressFrameBound(in.size, &prefs);
    size_t size;
    enum err e = buf_reserve(out, bound);

    if (e != E_OK)
        return e;
    size = LZ4F_compressFrame(out->at + out->size, bound, in.at, in.size, &prefs);
    if (LZ4F_isError(size))
        return E_NOMEM; /* the bound leaves it no other reason */
    out->size += size;
    return E_OK;
}
