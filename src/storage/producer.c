#include "storage/producer.h"

#include <assert.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "record/control.h"
#include "record/record.h"

enum { SNAPSHOT_VERSION = 1, SNAPSHOT_CRC_POS = 2, SNAPSHOT_BODY_POS = 6, SNAPSHOT_ENTRY = 46 };

void producer_init(struct producers *ps)
{
    map_u64_init(&ps->by_id, 0x9e3779b97f4a7c15u);
    ps->first_txn_offset = -1;
}

void producer_clear(struct producers *ps)
{
    struct map_iter it = {0};
    struct producer *p;

    while ((p = map_u64_next(&ps->by_id, &it, NULL)) != NULL)
        mem_free(p);
    map_u64_clear(&ps->by_id);
    ps->first_txn_offset = -1;
}

void producer_release(struct producers *ps)
{
    producer_clear(ps);
    map_u64_release(&ps->by_id);
}

const struct producer *producer_find(const struct producers *ps, int64_t id)
{
    return map_u64_find(&ps->by_id, (uint64_t)id);
}

static bool is_next_sequence(int32_t last, int32_t next)
{
    return last < 0 ? next == 0 : next == batch_sequence_add(last, 1);
}

/* The batch among the last five that is just this one (KIP-98: same first and last sequence). */
static const struct producer_batch *find_duplicate(const struct producer *p,
                                                   const struct batch_header *h)
{
    if (p == NULL || p->epoch != h->producer_epoch)
        return NULL;
    for (int i = 0; i < p->batch_count; i++) {
        const struct producer_batch *b = &p->batches[i];

        if (b->last_sequence == batch_last_sequence(h) && b->offset_delta == h->last_offset_delta)
            return b;
    }
    return NULL;
}

static enum err check_control(const struct producer *p, const struct batch_header *h)
{
    return p != NULL && h->producer_epoch < p->epoch ? E_FENCED : E_OK;
}

/* Where the producer stands after the batches before this one: in staged[] or in the state. */
static int stage_find(const struct producer_check *check, int64_t id)
{
    for (int i = 0; i < check->staged_count; i++) {
        if (check->staged[i].id == id)
            return i;
    }
    return -1;
}

static enum err check_sequence(const struct producer *p, const struct producer_check *check,
                               int stage, const struct batch_header *h)
{
    int16_t epoch = stage >= 0 ? check->staged[stage].epoch : p != NULL ? p->epoch : -1;
    int32_t last = -1;

    if (stage >= 0)
        last = check->staged[stage].last_sequence;
    else if (p != NULL && p->batch_count > 0)
        last = p->batches[p->batch_count - 1].last_sequence;
    if (h->producer_epoch < epoch)
        return E_FENCED;
    if (h->base_sequence < 0 || epoch < 0) /* a coordinator; or nothing is known */
        return E_OK;
    if (h->producer_epoch > epoch)
        return h->base_sequence == 0 ? E_OK : E_OUT_OF_ORDER;
    return is_next_sequence(last, h->base_sequence) ? E_OK : E_OUT_OF_ORDER;
}

enum err producer_check_batch(const struct producers *ps, struct producer_check *check,
                              const struct batch_header *h)
{
    const struct producer *p = producer_find(ps, h->producer_id);
    const struct producer_batch *duplicate;
    int stage = stage_find(check, h->producer_id);
    enum err e;

    if (batch_is_control(h))
        return check_control(p, h);
    duplicate = stage < 0 && h->base_sequence >= 0 ? find_duplicate(p, h) : NULL;
    if (duplicate != NULL) {
        if (check->duplicate_count++ == 0)
            check->first_duplicate = *duplicate;
        check->last_duplicate = *duplicate;
        return check->fresh_count > 0 ? E_OUT_OF_ORDER : E_OK;
    }
    if (check->duplicate_count > 0)
        return E_OUT_OF_ORDER;
    e = check_sequence(p, check, stage, h);
    if (e != E_OK)
        return e;
    if (stage < 0) {
        if (check->staged_count == PRODUCER_STAGED_MAX)
            return E_TOO_BIG;
        stage = check->staged_count++;
        check->staged[stage].id = h->producer_id;
        check->staged[stage].last_sequence = -1;
    }
    check->fresh_count++;
    check->staged[stage].epoch = h->producer_epoch;
    if (h->base_sequence >= 0)
        check->staged[stage].last_sequence = batch_last_sequence(h);
    return E_OK;
}

static enum err producer_get(struct producers *ps, int64_t id, struct producer **producer_out)
{
    struct producer *p = map_u64_find(&ps->by_id, (uint64_t)id);
    enum err e;

    if (p != NULL) {
        *producer_out = p;
        return E_OK;
    }
    if (ps->by_id.count >= PRODUCER_COUNT_MAX)
        return E_TOO_BIG;
    p = mem_alloc_zero(sizeof(*p));
    if (p == NULL)
        return E_NOMEM;
    p->id = id;
    p->epoch = -1;
    p->coordinator_epoch = -1;
    p->last_timestamp = -1;
    p->txn_first_offset = -1;
    e = map_u64_put(&ps->by_id, (uint64_t)id, p);
    if (e != E_OK) {
        mem_free(p);
        return e;
    }
    *producer_out = p;
    return E_OK;
}

static void set_epoch(struct producer *p, int16_t epoch)
{
    if (p->epoch == epoch)
        return;
    p->epoch = epoch;
    p->batch_count = 0;
}

static void window_push(struct producer *p, const struct producer_batch *batch)
{
    if (p->batch_count == PRODUCER_BATCHES) {
        memmove(p->batches, p->batches + 1, sizeof(p->batches) - sizeof(p->batches[0]));
        p->batch_count--;
    }
    p->batches[p->batch_count++] = *batch;
}

/* The smallest first offset of all open transactions, anew: one of them has ended. */
static void refresh_first_txn(struct producers *ps)
{
    struct map_iter it = {0};
    const struct producer *p;

    ps->first_txn_offset = -1;
    while ((p = map_u64_next(&ps->by_id, &it, NULL)) != NULL) {
        if (p->txn_first_offset >= 0 &&
            (ps->first_txn_offset < 0 || p->txn_first_offset < ps->first_txn_offset))
            ps->first_txn_offset = p->txn_first_offset;
    }
}

static enum err read_end_txn(struct slice batch, bool *is_end_out, int32_t *coordinator_epoch_out)
{
    struct record_control_key key;
    struct record_view view;
    struct record_iter it;
    enum err e;

    *is_end_out = false;
    e = record_iter_init(&it, batch, NULL);
    if (e != E_OK)
        return e;
    if (!record_iter_next(&it, &view)) /* the whole transaction was compacted away */
        return record_iter_done(&it);
    e = record_control_decode_key(view.key, &key);
    if (e != E_OK)
        return e;
    if (key.type != RECORD_CONTROL_ABORT && key.type != RECORD_CONTROL_COMMIT)
        return E_OK;
    *is_end_out = true;
    return record_end_txn_decode(view.value, coordinator_epoch_out);
}

static enum err apply_control(struct producers *ps, const struct batch_header *h,
                              struct slice batch)
{
    int32_t coordinator_epoch = -1;
    struct producer *p;
    bool is_end;
    enum err e;

    if ((h->attributes & BATCH_CODEC_MASK) != 0)
        return E_CORRUPT;
    e = read_end_txn(batch, &is_end, &coordinator_epoch);
    if (e != E_OK || !is_end)
        return e;
    e = producer_get(ps, h->producer_id, &p);
    if (e != E_OK)
        return e;
    set_epoch(p, h->producer_epoch);
    p->coordinator_epoch = coordinator_epoch;
    p->last_timestamp = h->max_timestamp;
    if (p->txn_first_offset >= 0) {
        p->txn_first_offset = -1;
        refresh_first_txn(ps);
    }
    return E_OK;
}

enum err producer_apply(struct producers *ps, const struct batch_header *h, struct slice batch)
{
    struct producer *p;
    enum err e;

    if (!batch_has_producer(h))
        return E_OK;
    if (batch_is_control(h))
        return apply_control(ps, h, batch);
    e = producer_get(ps, h->producer_id, &p);
    if (e != E_OK)
        return e;
    set_epoch(p, h->producer_epoch);
    p->last_timestamp = h->max_timestamp;
    if (h->base_sequence >= 0) {
        struct producer_batch noted = {.last_offset = batch_last_offset(h),
                                       .timestamp = h->max_timestamp,
                                       .last_sequence = batch_last_sequence(h),
                                       .offset_delta = h->last_offset_delta};

        window_push(p, &noted);
    }
    if (batch_is_transactional(h) && p->txn_first_offset < 0) {
        p->txn_first_offset = h->base_offset;
        if (ps->first_txn_offset < 0 || h->base_offset < ps->first_txn_offset)
            ps->first_txn_offset = h->base_offset;
    }
    return E_OK;
}

void producer_expire(struct producers *ps, int64_t wall_ms, int64_t expiration_ms)
{
    struct map_iter it = {0};
    struct producer *p;
    uint64_t id;

    while ((p = map_u64_next(&ps->by_id, &it, &id)) != NULL) {
        if (p->txn_first_offset < 0 && wall_ms - p->last_timestamp >= expiration_ms) {
            map_u64_remove(&ps->by_id, id);
            mem_free(p);
        }
    }
}

static void encode_entry(struct writer *w, const struct producer *p,
                         const struct producer_batch *batch)
{
    writer_i64(w, p->id);
    writer_i16(w, p->epoch);
    writer_i32(w, batch->last_sequence);
    writer_i64(w, batch->last_offset);
    writer_i32(w, batch->offset_delta);
    writer_i64(w, batch->timestamp);
    writer_i32(w, p->coordinator_epoch);
    writer_i64(w, p->txn_first_offset);
}

/*
 * Kafka writes one entry per producer, its last batch. With that alone a restart would forget the
 * window: a client that sends five batches again would be refused the first. So there is an entry
 * per batch, oldest first; Kafka keeps the last one it reads of an id.
 */
enum err producer_encode(const struct producers *ps, struct buf *out)
{
    size_t start = out->size;
    struct writer w = writer_init(out);
    struct map_iter it = {0};
    const struct producer *p;
    int32_t count = 0;

    writer_i16(&w, SNAPSHOT_VERSION);
    writer_i32(&w, 0);
    writer_i32(&w, 0);
    while ((p = map_u64_next(&ps->by_id, &it, NULL)) != NULL) {
        struct producer_batch last = {.last_sequence = -1, .last_offset = -1};

        for (int i = 0; i + 1 < p->batch_count; i++, count++)
            encode_entry(&w, p, &p->batches[i]);
        if (p->batch_count > 0)
            last = p->batches[p->batch_count - 1];
        last.timestamp = p->last_timestamp;
        encode_entry(&w, p, &last);
        count++;
    }
    if (writer_done(&w) == E_OK) {
        const uint8_t *body = out->at + start + SNAPSHOT_BODY_POS;

        writer_i32_at(&w, start + SNAPSHOT_BODY_POS, count);
        writer_i32_at(&w, start + SNAPSHOT_CRC_POS,
                      (int32_t)crc32c_of(body, out->size - start - SNAPSHOT_BODY_POS));
    }
    return writer_done(&w);
}

static enum err decode_entry(struct producers *ps, struct reader *r)
{
    int64_t id = reader_i64(r);
    struct producer_batch last;
    struct producer *p;
    enum err e = producer_get(ps, id, &p);

    if (e != E_OK)
        return e;
    set_epoch(p, reader_i16(r));
    last.last_sequence = reader_i32(r);
    last.last_offset = reader_i64(r);
    last.offset_delta = reader_i32(r);
    last.timestamp = reader_i64(r);
    p->last_timestamp = last.timestamp;
    p->coordinator_epoch = reader_i32(r);
    p->txn_first_offset = reader_i64(r);
    if (last.last_offset >= 0 && last.last_sequence >= 0)
        window_push(p, &last);
    return E_OK;
}

enum err producer_decode(struct producers *ps, struct slice bytes)
{
    struct reader r = reader_init(bytes.at, bytes.size);
    int16_t version = reader_i16(&r);
    uint32_t crc = reader_u32(&r);
    enum err e = E_OK;
    int32_t count;

    if (bytes.size < SNAPSHOT_BODY_POS + 4)
        return E_CORRUPT;
    if (version != SNAPSHOT_VERSION)
        return E_UNSUPPORTED;
    if (crc != crc32c_of(bytes.at + SNAPSHOT_BODY_POS, bytes.size - SNAPSHOT_BODY_POS))
        return E_CORRUPT;
    count = reader_i32(&r);
    if (count < 0 || reader_left(&r) != (size_t)count * SNAPSHOT_ENTRY)
        return E_CORRUPT;
    producer_clear(ps);
    for (int32_t i = 0; i < count && e == E_OK; i++)
        e = decode_entry(ps, &r);
    if (e != E_OK)
        producer_clear(ps);
    refresh_first_txn(ps);
    return e;
}
