#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/slice.h"

/*
 * Batch: Kafka's record batch, magic 2 (KIP-98): the header of 61 bytes, what
 * may be patched in place, and the walk over batches that lie end to end.
 *
 * Pure functions over borrowed bytes; any thread.
 * Format: docs/format/record-batch.md
 * See also record/validate.h (what a broker checks), record/record.h (the
 * records inside), record/builder.h (making one), record/control.h (markers).
 *
 * The CRC covers the bytes from the attributes on. Base offset, length, leader
 * epoch and magic are outside: who reads them from a disk checks them by other
 * means, and a broker may set them without touching the CRC.
 */
enum {
    BATCH_POS_BASE_OFFSET = 0,
    BATCH_POS_SIZE = 8,
    BATCH_POS_LEADER_EPOCH = 12,
    BATCH_POS_MAGIC = 16,
    BATCH_POS_CRC = 17,
    BATCH_POS_ATTRIBUTES = 21,
    BATCH_POS_LAST_OFFSET_DELTA = 23,
    BATCH_POS_BASE_TIMESTAMP = 27,
    BATCH_POS_MAX_TIMESTAMP = 35,
    BATCH_POS_PRODUCER_ID = 43,
    BATCH_POS_PRODUCER_EPOCH = 51,
    BATCH_POS_BASE_SEQUENCE = 53,
    BATCH_POS_RECORD_COUNT = 57,
    BATCH_HEADER_SIZE = 61,

    BATCH_PREFIX_SIZE = 12, /* base offset and length: what the length does not count */
    BATCH_LENGTH_MIN = BATCH_HEADER_SIZE - BATCH_PREFIX_SIZE,
    BATCH_MAGIC = 2,
};

/* Attribute bits. */
enum {
    BATCH_CODEC_MASK = 0x07,
    BATCH_LOG_APPEND_TIME = 0x08, /* all timestamps are max_timestamp */
    BATCH_TRANSACTIONAL = 0x10,
    BATCH_CONTROL = 0x20,
    BATCH_DELETE_HORIZON = 0x40, /* base_timestamp is when tombstones may go (KIP-534) */
};

/* What fields hold when there is nothing to say. */
enum { BATCH_NO_PRODUCER_ID = -1, BATCH_NO_PRODUCER_EPOCH = -1, BATCH_NO_SEQUENCE = -1 };
enum { BATCH_NO_TIMESTAMP = -1, BATCH_NO_LEADER_EPOCH = -1 };

struct batch_header {
    int64_t base_offset;
    int32_t size; /* the length field: bytes after itself */
    int32_t leader_epoch;
    int8_t magic;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta; /* survives compaction */
    int64_t base_timestamp;
    int64_t max_timestamp;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t record_count; /* 0 when compaction kept the batch for its producer only */
};

/* Bytes of the whole batch. */
static inline size_t batch_total_size(const struct batch_header *h)
{
    return BATCH_PREFIX_SIZE + (size_t)h->size;
}

static inline int64_t batch_last_offset(const struct batch_header *h)
{
    return h->base_offset + h->last_offset_delta;
}

/* The first offset after the batch. */
static inline int64_t batch_next_offset(const struct batch_header *h)
{
    return h->base_offset + h->last_offset_delta + 1;
}

/* The codec's id, as in codec/codec.h; 5 to 7 are nobody's. */
static inline int batch_codec(const struct batch_header *h)
{
    return h->attributes & BATCH_CODEC_MASK;
}

static inline bool batch_is_log_append_time(const struct batch_header *h)
{
    return (h->attributes & BATCH_LOG_APPEND_TIME) != 0;
}

static inline bool batch_is_transactional(const struct batch_header *h)
{
    return (h->attributes & BATCH_TRANSACTIONAL) != 0;
}

static inline bool batch_is_control(const struct batch_header *h)
{
    return (h->attributes & BATCH_CONTROL) != 0;
}

static inline bool batch_has_producer(const struct batch_header *h)
{
    return h->producer_id > BATCH_NO_PRODUCER_ID;
}

/* Sequence numbers go from 0 to 2^31-1 and start again; `sequence` >= 0, `delta` >= 0. */
static inline int32_t batch_sequence_add(int32_t sequence, int32_t delta)
{
    return (int32_t)(((uint32_t)sequence + (uint32_t)delta) & INT32_MAX);
}

/* The sequence of the last record, BATCH_NO_SEQUENCE if there is none. */
static inline int32_t batch_last_sequence(const struct batch_header *h)
{
    return h->base_sequence < 0 ? BATCH_NO_SEQUENCE
                                : batch_sequence_add(h->base_sequence, h->last_offset_delta);
}

/*
 * Read the header at the start of `bytes`, of which BATCH_HEADER_SIZE suffice.
 * The records need not be there: compare batch_total_size() with what is.
 *
 *   E_TRUNCATED    fewer bytes than a header
 *   E_CORRUPT      length below 49, count or delta negative, offsets overflow, unknown magic
 *   E_UNSUPPORTED  magic 0 or 1: written by a Kafka client or broker older than 0.11
 */
NODISCARD enum err batch_decode_header(struct slice bytes, struct batch_header *header_out);

/*
 * The same, and the whole batch must be there; more may follow it.
 *
 *   E_TRUNCATED    fewer bytes than the batch claims
 *   others         as batch_decode_header
 */
NODISCARD enum err batch_peek(struct slice bytes, struct batch_header *header_out);

/* Write a header of BATCH_HEADER_SIZE bytes, all fields as they are in `h`. */
void batch_encode_header(const struct batch_header *h, uint8_t *out);

/*
 * Check the CRC of exactly one batch.
 *
 *   E_TRUNCATED  shorter than a header
 *   E_CORRUPT    the length field disagrees with the size, or the CRC is wrong
 */
NODISCARD enum err batch_check_crc(struct slice batch);

/* The CRC that the batch should carry; batch.size >= BATCH_HEADER_SIZE. */
uint32_t batch_compute_crc(struct slice batch);

/* Set what the leader decides. The CRC stays valid. `at` is the start of a checked batch. */
void batch_patch_offset_epoch(uint8_t *at, int64_t base_offset, int32_t leader_epoch);

/*
 * Make `now_ms` the time of every record (message.timestamp.type=LogAppendTime)
 * and write the new CRC. `batch` is a checked, whole batch.
 */
void batch_patch_log_append_time(uint8_t *batch, int64_t now_ms);

/* Correct the maximum timestamp, and then the CRC; nothing to do when it is right. */
void batch_patch_max_timestamp(uint8_t *batch, int64_t max_timestamp_ms);

/*
 * Walk batches end to end:
 *
 *     struct batch_iter it = batch_iter_init(bytes);
 *     while (batch_iter_next(&it, &view))
 *         ...
 *     e = batch_iter_done(&it);
 *
 * CRCs are not checked. Views live as long as the bytes.
 */
struct batch_view {
    struct batch_header header;
    struct slice bytes; /* the whole batch */
    size_t pos;         /* where it starts in the bytes walked */
};

struct batch_iter {
    struct slice bytes;
    size_t pos;
    enum err err;
};

struct batch_iter batch_iter_init(struct slice bytes);
bool batch_iter_next(struct batch_iter *it, struct batch_view *view_out);

/*
 * Why the walk ended: E_OK at the end of the bytes, else an error of batch_peek.
 * E_TRUNCATED is normal at the end of a fetch; it->pos is where the rest starts.
 */
NODISCARD enum err batch_iter_done(const struct batch_iter *it);
