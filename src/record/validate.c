#include "record/validate.h"

#include <assert.h>

#include "codec/codec.h"
#include "record/parse_priv.h"

static enum err refuse(struct batch_fault *fault, enum err e, int32_t record, const char *text)
{
    fault->record = record;
    fault->text = text;
    return e;
}

static enum err check_frame(struct slice batch, const struct batch_rules *rules,
                            struct batch_header *h, struct batch_fault *fault)
{
    enum err e = batch_peek(batch, h);

    if (e == E_UNSUPPORTED)
        return refuse(fault, e, -1, "message format v0 and v1 are not supported");
    if (e != E_OK)
        return refuse(fault, e, -1, "not a record batch");
    if (batch_total_size(h) != batch.size)
        return refuse(fault, E_INVAL, -1, "more than one record batch");
    if (batch.size > rules->batch_size_max)
        return refuse(fault, E_TOO_BIG, -1, "the record batch is too large");
    if (batch_check_crc(batch) != E_OK)
        return refuse(fault, E_CORRUPT, -1, "the CRC of the record batch is wrong");
    return E_OK;
}

static const char *attributes_fault(const struct batch_header *h, const struct batch_rules *rules)
{
    if (batch_is_control(h) && !rules->control_allowed)
        return "clients may not write control batches";
    if (batch_is_transactional(h) && !rules->transactional_allowed)
        return "a transactional batch outside of a transaction";
    if (batch_is_log_append_time(h) && !rules->log_append_time_allowed)
        return "producers may not set the timestamp type to LogAppendTime";
    if ((h->attributes & BATCH_DELETE_HORIZON) != 0 && !rules->control_allowed)
        return "producers may not set a delete horizon";
    return NULL;
}

static const char *producer_fault(const struct batch_header *h)
{
    if (h->producer_id < BATCH_NO_PRODUCER_ID)
        return "negative producer id";
    if (!batch_has_producer(h))
        return batch_is_transactional(h) ? "a transactional batch without a producer id" : NULL;
    if (h->producer_epoch < 0)
        return "a producer id without a producer epoch";
    /* Markers are written in a producer's name, but not by it, and have no sequence. */
    if (h->base_sequence < 0 && !batch_is_control(h))
        return "a producer id without a sequence number";
    return NULL;
}

static enum err check_header(const struct batch_header *h, const struct batch_rules *rules,
                             struct batch_fault *fault)
{
    const char *text = NULL;

    if (batch_codec(h) >= CODEC_COUNT)
        return refuse(fault, E_UNSUPPORTED, -1, "unknown compression type");
    if (h->record_count == 0)
        text = "a batch without records";
    else if (h->record_count - 1 != h->last_offset_delta)
        text = "the record count disagrees with the last offset delta";
    if (text == NULL)
        text = attributes_fault(h, rules);
    if (text == NULL)
        text = producer_fault(h);
    return text == NULL ? E_OK : refuse(fault, E_INVAL, -1, text);
}

/* Read every record once. */
static enum err walk(struct slice records, const struct batch_rules *rules, struct batch_summary *s,
                     struct batch_fault *fault)
{
    const uint8_t *at = records.at;
    const uint8_t *end = records.size == 0 ? at : at + records.size;
    bool key_required = rules->key_required;
    int64_t delta_max = INT64_MIN;
    int64_t delta_min = INT64_MAX;
    int32_t max_at = 0;
    int64_t last;

    for (int32_t i = 0; i < s->header.record_count; i++) {
        struct record_fields f;

        at = parse_record(at, end, &f);
        if (__builtin_expect(at == NULL, 0))
            return refuse(fault, E_INVAL, i, "malformed record");
        if (__builtin_expect(f.offset_delta != i || (key_required && f.key.at == NULL), 0))
            return refuse(fault, E_INVAL, i,
                          f.offset_delta != i ? "offset deltas must count from 0"
                                              : "a compacted topic takes no record without a key");
        if (f.timestamp_delta > delta_max) {
            delta_max = f.timestamp_delta;
            max_at = i;
        }
        if (f.timestamp_delta < delta_min)
            delta_min = f.timestamp_delta;
    }
    if (at != end)
        return refuse(fault, E_INVAL, -1, "bytes are left over after the last record");
    if (__builtin_add_overflow(s->header.base_timestamp, delta_max, &last) ||
        __builtin_add_overflow(s->header.base_timestamp, delta_min, &s->min_timestamp))
        return refuse(fault, E_INVAL, max_at, "timestamp out of range");
    s->walked = true;
    s->max_timestamp = last;
    s->max_timestamp_delta = max_at;
    s->records_size = records.size;
    return E_OK;
}

static enum err check_records(struct slice records, const struct batch_rules *rules,
                              struct buf *unpack, struct batch_summary *s,
                              struct batch_fault *fault)
{
    enum err e;

    if (batch_codec(&s->header) == CODEC_NONE)
        return walk(records, rules, s, fault);
    if (unpack == NULL)
        return E_OK;
    buf_clear(unpack);
    e = codec_decompress(batch_codec(&s->header), records, unpack);
    if (e == E_CORRUPT) /* the CRC was right, so it was sent like this */
        return refuse(fault, E_INVAL, -1, "the records do not decompress");
    if (e != E_OK)
        return refuse(fault, e, -1,
                      e == E_TOO_BIG ? "the decompressed records are too large" : err_text(e));
    return walk(buf_slice(unpack), rules, s, fault);
}

enum err batch_validate(struct slice batch, const struct batch_rules *rules, struct buf *unpack,
                        struct batch_summary *summary_out, struct batch_fault *fault_out)
{
    struct batch_summary s = {.walked = false};
    struct batch_fault fault = {.record = -1, .text = NULL};
    enum err e;

    assert(unpack != NULL || !rules->key_required);
    e = check_frame(batch, rules, &s.header, &fault);
    if (e == E_OK)
        e = check_header(&s.header, rules, &fault);
    if (e == E_OK) {
        s.max_timestamp = s.header.max_timestamp;
        s.max_timestamp_delta = s.header.last_offset_delta;
        s.min_timestamp = s.header.base_timestamp;
        s.records_size = batch.size - BATCH_HEADER_SIZE;
        e = check_records(slice_of(batch.at + BATCH_HEADER_SIZE, s.records_size), rules, unpack, &s,
                          &fault);
    }
    if (e == E_OK && batch_is_log_append_time(&s.header)) {
        s.max_timestamp = s.header.max_timestamp; /* for every record, so the first has it */
        s.min_timestamp = s.header.max_timestamp;
        s.max_timestamp_delta = 0;
    }
    if (e == E_OK)
        *summary_out = s;
    else if (fault_out != NULL)
        *fault_out = fault;
    return e;
}
