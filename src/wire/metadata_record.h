#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/reader.h"
#include "base/writer.h"
#include "wire/api_list.h"

/*
 * The frame of a metadata record's value: uvarint frame version (always 1),
 * uvarint key, uvarint version, then the message (wire/topic_record.h, ...).
 *
 *     01 02 00  ...   a TopicRecord (key 2) of version 0
 */
enum wire_metadata_key {
#define X(NAME, name, key, min, max) WIRE_METADATA_##NAME = key,
    WIRE_METADATA_RECORD_MAP(X)
#undef X
};

struct wire_metadata_frame {
    int16_t key; /* enum wire_metadata_key, or one that this build has no codec for */
    int16_t version;
};

/*
 * Read the frame; the message follows in `r`.
 *
 *   E_UNSUPPORTED  another frame version, or a key or version past 32767
 *   E_TRUNCATED, E_INVAL
 */
NODISCARD enum err wire_metadata_frame_decode(struct reader *r,
                                              struct wire_metadata_frame *frame_out);

void wire_metadata_frame_encode(struct writer *w, struct wire_metadata_frame frame);

/* "TopicRecord"; NULL when there is no codec for `key`. */
const char *wire_metadata_key_name(int16_t key);
