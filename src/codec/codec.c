#include "codec/codec.h"

#include "codec/codec_priv.h"

static enum err none_decompress(struct slice in, struct buf *out)
{
    return buf_append(out, in.at, in.size);
}

static enum err none_compress(int level, struct slice in, struct buf *out)
{
    return buf_append(out, in.at, in.size);
}

/* Level ranges are those of compression.<codec>.level; the default is always fine. */
static const struct codec {
    const char *name;
    int level_min;
    int level_max;
    enum err (*decompress)(struct slice in, struct buf *out);
    enum err (*compress)(int level, struct slice in, struct buf *out);
} codecs[CODEC_COUNT] = {
    [CODEC_NONE] = {"none", 0, 0, none_decompress, none_compress},
    [CODEC_GZIP] = {"gzip", 1, 9, codec_gzip_decompress, codec_gzip_compress},
    [CODEC_SNAPPY] = {"snappy", 0, 0, codec_snappy_decompress, codec_snappy_compress},
    [CODEC_LZ4] = {"lz4", 1, 17, codec_lz4_decompress, codec_lz4_compress},
    [CODEC_ZSTD] = {"zstd", -131072, 22, codec_zstd_decompress, codec_zstd_compress},
};

const char *codec_name(int id)
{
    return id < 0 || id >= CODEC_COUNT ? NULL : codecs[id].name;
}

enum err codec_parse(struct slice name, enum codec_id *id_out)
{
    for (int id = 0; id < CODEC_COUNT; id++) {
        if (slice_equal_text(name, codecs[id].name)) {
            *id_out = (enum codec_id)id;
            return E_OK;
        }
    }
    return E_NOT_FOUND;
}

bool codec_is_level(enum codec_id id, int level)
{
    return level == CODEC_LEVEL_DEFAULT ||
           (level >= codecs[id].level_min && level <= codecs[id].level_max);
}

enum err codec_decompress(int id, struct slice in, struct buf *out)
{
    size_t size = out->size;
    enum err e;

    if (id < 0 || id >= CODEC_COUNT)
        return E_UNSUPPORTED;
    if (in.size > CODEC_INPUT_SIZE_MAX)
        return E_TOO_BIG;
    e = codecs[id].decompress(in, out);
    if (e != E_OK)
        out->size = size;
    return e;
}

enum err codec_compress(int id, int level, struct slice in, struct buf *out)
{
    size_t size = out->size;
    enum err e;

    if (id < 0 || id >= CODEC_COUNT)
        return E_UNSUPPORTED;
    if (!codec_is_level((enum codec_id)id, level))
        return E_INVAL;
    if (in.size > CODEC_INPUT_SIZE_MAX)
        return E_TOO_BIG;
    e = codecs[id].compress(level, in, out);
    if (e != E_OK)
        out->size = size;
    return e;
}

enum err codec_room_open(struct codec_room *room, struct buf *out, size_t size_wanted)
{
    size_t left = out->max - out->size;
    enum err e;

    if (left == 0) {
        room->at = &room->spare;
        room->size = 1;
        return E_OK;
    }
    if (out->capacity == out->size) {
        e = buf_reserve(out, size_wanted < left ? size_wanted : left);
        if (e != E_OK)
            return e;
    }
    room->at = out->at + out->size;
    room->size = out->capacity - out->size;
    if (room->size > CODEC_INPUT_SIZE_MAX)
        room->size = CODEC_INPUT_SIZE_MAX;
    return E_OK;
}

enum err codec_room_close(struct codec_room *room, struct buf *out, size_t size)
{
    if (size == 0)
        return E_OK;
    if (room->at == &room->spare)
        return E_TOO_BIG;
    out->size += size;
    return E_OK;
}
