#include "wire/metadata_record.h"

#include <assert.h>
#include <stddef.h>

enum { FRAME_VERSION = 1 };

enum err wire_metadata_frame_decode(struct reader *r, struct wire_metadata_frame *frame_out)
{
    uint32_t frame_version = reader_uvarint(r);
    uint32_t key = reader_uvarint(r);
    uint32_t version = reader_uvarint(r);

    if (r->err != E_OK)
        return r->err;
    if (frame_version != FRAME_VERSION || key > INT16_MAX || version > INT16_MAX)
        return E_UNSUPPORTED;
    *frame_out = (struct wire_metadata_frame){.key = (int16_t)key, .version = (int16_t)version};
    return E_OK;
}

void wire_metadata_frame_encode(struct writer *w, struct wire_metadata_frame frame)
{
    assert(frame.key >= 0 && frame.version >= 0);
    writer_uvarint(w, FRAME_VERSION);
    writer_uvarint(w, (uint32_t)frame.key);
    writer_uvarint(w, (uint32_t)frame.version);
}

const char *wire_metadata_key_name(int16_t key)
{
    switch (key) {
#define X(NAME, name, key, min, max) \
    case key:                        \
        return name;
        WIRE_METADATA_RECORD_MAP(X)
#undef X
    default:
        return NULL;
    }
}
