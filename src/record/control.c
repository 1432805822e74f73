#include "record/control.h"

#include "base/bytes.h"
#include "record/builder.h"

void record_control_encode_key(enum record_control_type type,
                               uint8_t key_out[RECORD_CONTROL_KEY_SIZE])
{
    bytes_put_u16(key_out, 0);
    bytes_put_u16(key_out + 2, (uint16_t)type);
}

enum err record_control_decode_key(struct slice key, struct record_control_key *key_out)
{
    if (key.size < RECORD_CONTROL_KEY_SIZE || (int16_t)bytes_u16(key.at) < 0)
        return E_CORRUPT;
    key_out->version = (int16_t)bytes_u16(key.at);
    key_out->type = (int16_t)bytes_u16(key.at + 2);
    return E_OK;
}

void record_end_txn_encode(int32_t coordinator_epoch, uint8_t value_out[RECORD_END_TXN_VALUE_SIZE])
{
    bytes_put_u16(value_out, 0);
    bytes_put_u32(value_out + 2, (uint32_t)coordinator_epoch);
}

enum err record_end_txn_decode(struct slice value, int32_t *coordinator_epoch_out)
{
    if (value.size < RECORD_END_TXN_VALUE_SIZE || (int16_t)bytes_u16(value.at) < 0)
        return E_CORRUPT;
    *coordinator_epoch_out = (int32_t)bytes_u32(value.at + 2);
    return E_OK;
}

enum err batch_build_end_txn(const struct batch_end_txn *marker, struct buf *out)
{
    struct batch_options options = batch_options_init(marker->base_offset);
    uint8_t key[RECORD_CONTROL_KEY_SIZE];
    uint8_t value[RECORD_END_TXN_VALUE_SIZE];
    struct record_draft draft = {
        .timestamp_ms = marker->timestamp_ms,
        .key = slice_of(key, sizeof(key)),
        .value = slice_of(value, sizeof(value)),
    };
    struct batch_builder b;
    enum err e;

    record_control_encode_key(marker->commit ? RECORD_CONTROL_COMMIT : RECORD_CONTROL_ABORT, key);
    record_end_txn_encode(marker->coordinator_epoch, value);
    options.leader_epoch = marker->leader_epoch;
    options.producer_id = marker->producer_id;
    options.producer_epoch = marker->producer_epoch;
    options.transactional = true;
    options.control = true;
    batch_builder_init(&b, &options);
    e = batch_builder_add(&b, &draft);
    if (e == E_OK)
        e = batch_builder_finish(&b, out);
    batch_builder_release(&b);
    return e;
}
