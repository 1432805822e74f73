#include "codec/codec_priv.h"

#include <isa-l/igzip_lib.h>
#include <zlib.h>

#include "base/mem.h"

/*
 * RFC 1952. ISA-L inflates several times faster than zlib; zlib deflates with
 * all nine levels, where ISA-L has only fast ones.
 */
enum { ROOM_FACTOR = 4, ROOM_MIN = 4096, GZIP_WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8 };

static void start_member(struct inflate_state *s)
{
    isal_inflate_reset(s);
    s->crc_flag = ISAL_GZIP; /* header and trailer with its CRC and size */
}

/* Inflate until all input is used at the end of a member. */
static enum err inflate_members(struct inflate_state *s, size_t room_wanted, struct buf *out)
{
    for (;;) {
        struct codec_room room;
        size_t size;
        enum err e = codec_room_open(&room, out, room_wanted);

        if (e != E_OK)
            return e;
        s->next_out = room.at;
        s->avail_out = (uint32_t)room.size;
        if (isal_inflate(s) < 0)
            return E_CORRUPT;
        size = room.size - s->avail_out;
        e = codec_room_close(&room, out, size);
        if (e != E_OK)
            return e;
        if (s->block_state == ISAL_BLOCK_FINISH) {
            if (s->avail_in == 0)
                return E_OK;
            start_member(s);
        } else if (s->avail_in == 0 && size == 0) {
            return E_CORRUPT; /* cut off */
        }
    }
}

enum err codec_gzip_decompress(struct slice in, struct buf *out)
{
    struct inflate_state *s = mem_alloc(sizeof(*s));
    size_t wanted = in.size * ROOM_FACTOR;
    enum err e;

    if (s == NULL)
        return E_NOMEM;
    isal_inflate_init(s);
    start_member(s);
    s->next_in = codec_unconst(in.at);
    s->avail_in = (uint32_t)in.size;
    e = inflate_members(s, wanted < ROOM_MIN ? ROOM_MIN : wanted, out);
    mem_free(s);
    return e;
}

enum err codec_gzip_compress(int level, struct slice in, struct buf *out)
{
    z_stream z = {.next_in = codec_unconst(in.at), .avail_in = (uInt)in.size};
    int zlib_level = level == 0 ? Z_DEFAULT_COMPRESSION : level;
    size_t bound;
    enum err e;

    if (deflateInit2(&z, zlib_level, Z_DEFLATED, GZIP_WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return E_NOMEM;
    bound = deflateBound(&z, in.size);
    if (bound > out->max - out->size)
        bound = out->max - out->size; /* it may well need less */
    e = buf_reserve(out, bound);
    if (e == E_OK) {
        z.next_out = out->at + out->size;
        z.avail_out = (uInt)bound;
        if (bound == 0 || deflate(&z, Z_FINISH) != Z_STREAM_END)
            e = E_TOO_BIG;
        else
            out->size += bound - z.avail_out;
    }
    deflateEnd(&z);
    return e;
}
