#include "storage/producer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/reader.h"
#include "base/writer.h"
#include "record/control.h"
#include "record/record.h"

enum {
    SNAPSHOT_VERSION = 1,
    SNAPSHOT_CRC_POS = 2,
    SNAPSHOT_BODY_POS = 6,
    SNAPSHOT_ENTRY = 46,
    WINDOW_VERSION = 1,
    WINDOW_CRC_POS = 2,
    WINDOW_COUNT_POS = 10,
    WINDOW_ENTRIES_POS = 14,
    WINDOW_ENTRY = 32
};

void producer_init(struct producers *ps)
{
    map_u64_init(&ps->by_id, 0x9e3779b97f4a7c15u);
    vec_init(&ps->ended, sizeof(struct producer_ended), PRODUCER_ENDED_MAX);
    ps->first_txn_offset = -1;
}

void producer_clear(struct producers *ps)
{
    struct map_iter it = {0};
    struct producer *p;

    while ((p = map_u64_next(&ps->by_id, &it, NULL)) != NULL)
        mem_free(p);
    map_u64_clear(&ps->by_id);
    vec_clear(&ps->ended);
    ps->first_txn_offset = -1;
}

void producer_release(struct producers *ps)
{
    producer_clear(ps);
    map_u64_release(&ps->by_id);
    vec_release(&ps->ended);
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

static struct producer_ended *ended_at(const struct producers *ps, size_t i)
{
    return vec_at(&ps->ended, i);
}

/* When there are too many the last two become one: the older stays unstable for a while longer. */
static enum err note_ended(struct producers *ps, int64_t first_offset, int64_t last_offset)
{
    struct producer_ended ended = {first_offset, last_offset};

    if (ps->ended.count == PRODUCER_ENDED_MAX) {
        struct producer_ended *last = ended_at(ps, ps->ended.count - 1);

        last->last_offset = last_offset;
        if (first_offset < last->first_offset)
            last->first_offset = first_offset;
        return E_OK;
    }
    return vec_push(&ps->ended, &ended);
}

int64_t producer_first_unstable(struct producers *ps, int64_t high_watermark)
{
    int64_t first = ps->first_txn_offset;
    size_t kept = 0;

    for (size_t i = 0; i < ps->ended.count; i++) {
        struct producer_ended ended = *ended_at(ps, i);

        if (ended.last_offset < high_watermark)
            continue;
        *ended_at(ps, kept++) = ended;
        if (first < 0 || ended.first_offset < first)
            first = ended.first_offset;
    }
    ps->ended.count = kept;
    return first;
}

enum marker { MARKER_NONE, MARKER_COMMIT, MARKER_ABORT };

static enum err read_marker(struct slice batch, enum marker *marker_out,
                            int32_t *coordinator_epoch_out)
{
    struct record_control_key key;
    struct record_view view;
    struct record_iter it;
    enum err e;

    *marker_out = MARKER_NONE;
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
    *marker_out = key.type == RECORD_CONTROL_ABORT ? MARKER_ABORT : MARKER_COMMIT;
    return record_end_txn_decode(view.value, coordinator_epoch_out);
}

/* The transaction of `p` ends with the marker at `offset`. */
static enum err end_txn(struct producers *ps, struct producer *p, int64_t offset,
                        struct txn_aborted *ended_out)
{
    enum err e = note_ended(ps, p->txn_first_offset, offset);

    if (e != E_OK)
        return e;
    *ended_out = (struct txn_aborted){
        .producer_id = p->id, .first_offset = p->txn_first_offset, .last_offset = offset};
    p->txn_first_offset = -1;
    refresh_first_txn(ps);
    ended_out->last_stable_offset = ps->first_txn_offset >= 0 ? ps->first_txn_offset : offset + 1;
    return E_OK;
}

static enum err apply_control(struct producers *ps, const struct batch_header *h,
                              struct slice batch, bool *is_aborted_out,
                              struct txn_aborted *aborted_out)
{
    int32_t coordinator_epoch = -1;
    enum marker marker;
    struct producer *p;
    enum err e;

    if ((h->attributes & BATCH_CODEC_MASK) != 0)
        return E_CORRUPT;
    e = read_marker(batch, &marker, &coordinator_epoch);
    if (e != E_OK || marker == MARKER_NONE)
        return e;
    e = producer_get(ps, h->producer_id, &p);
    if (e == E_OK && p->txn_first_offset >= 0) {
        e = end_txn(ps, p, h->base_offset, aborted_out);
        *is_aborted_out = e == E_OK && marker == MARKER_ABORT;
    }
    if (e != E_OK)
        return e;
    set_epoch(p, h->producer_epoch);
    p->coordinator_epoch = coordinator_epoch;
    p->last_timestamp = h->max_timestamp;
    return E_OK;
}

enum err producer_apply(struct producers *ps, const struct batch_header *h, struct slice batch,
                        bool *is_aborted_out, struct txn_aborted *aborted_out)
{
    struct producer_batch noted = {.last_offset = batch_last_offset(h),
                                   .timestamp = h->max_timestamp,
                                   .last_sequence = -1,
                                   .offset_delta = h->last_offset_delta};
    struct producer *p;
    enum err e;

    *is_aborted_out = false;
    if (!batch_has_producer(h))
        return E_OK;
    if (batch_is_control(h))
        return apply_control(ps, h, batch, is_aborted_out, aborted_out);
    e = producer_get(ps, h->producer_id, &p);
    if (e != E_OK)
        return e;
    set_epoch(p, h->producer_epoch);
    p->last_timestamp = h->max_timestamp;
    if (h->base_sequence >= 0)
        noted.last_sequence = batch_last_sequence(h);
    window_push(p, &noted);
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

static int compare_ids(const void *a, const void *b)
{
    int64_t x = (*(const struct producer *const *)a)->id;
    int64_t y = (*(const struct producer *const *)b)->id;

    return (x > y) - (x < y);
}

/* All producers by id, so that the same state is always the same file. NULL: out of memory. */
static const struct producer **sorted(const struct producers *ps)
{
    const struct producer **all = mem_alloc((producer_count(ps) + 1) * sizeof(struct producer *));
    struct map_iter it = {0};
    const struct producer *p;
    size_t count = 0;

    if (all == NULL)
        return NULL;
    while ((p = map_u64_next(&ps->by_id, &it, NULL)) != NULL)
        all[count++] = p;
    qsort(all, count, sizeof(struct producer *), compare_ids);
    return all;
}

static void encode_producer(struct writer *w, const struct producer *p)
{
    struct producer_batch last = {.last_sequence = -1, .last_offset = -1};

    if (p->batch_count > 0)
        last = p->batches[p->batch_count - 1];
    writer_i64(w, p->id);
    writer_i16(w, p->epoch);
    writer_i32(w, last.last_sequence);
    writer_i64(w, last.last_offset);
    writer_i32(w, last.offset_delta);
    writer_i64(w, p->last_timestamp);
    writer_i32(w, p->coordinator_epoch);
    writer_i64(w, p->txn_first_offset);
}

/* The checksum of everything behind `pos` + 4, which begins the file at `start`. */
static void seal(struct writer *w, size_t start, size_t pos)
{
    if (writer_done(w) == E_OK)
        writer_i32_at(
            w, start + pos,
            (int32_t)crc32c_of(w->buf->at + start + pos + 4, w->buf->size - start - pos - 4));
}

enum err producer_encode(const struct producers *ps, struct buf *out)
{
    const struct producer **all = sorted(ps);
    size_t start = out->size;
    struct writer w = writer_init(out);

    if (all == NULL)
        return E_NOMEM;
    writer_i16(&w, SNAPSHOT_VERSION);
    writer_i32(&w, 0);
    writer_i32(&w, (int32_t)producer_count(ps));
    for (size_t i = 0; i < producer_count(ps); i++)
        encode_producer(&w, all[i]);
    seal(&w, start, SNAPSHOT_CRC_POS);
    mem_free(all);
    return writer_done(&w);
}

static int32_t encode_earlier(struct writer *w, const struct producer *p)
{
    for (int i = 0; i + 1 < p->batch_count; i++) {
        writer_i64(w, p->id);
        writer_i32(w, p->batches[i].last_sequence);
        writer_i64(w, p->batches[i].last_offset);
        writer_i32(w, p->batches[i].offset_delta);
        writer_i64(w, p->batches[i].timestamp);
    }
    return p->batch_count > 0 ? p->batch_count - 1 : 0;
}

enum err producer_encode_window(const struct producers *ps, struct slice snapshot, struct buf *out)
{
    const struct producer **all = sorted(ps);
    size_t start = out->size;
    struct writer w = writer_init(out);
    int32_t count = 0;

    if (all == NULL)
        return E_NOMEM;
    writer_i16(&w, WINDOW_VERSION);
    writer_i32(&w, 0);
    writer_bytes(&w, snapshot.at + SNAPSHOT_CRC_POS, 4);
    writer_i32(&w, 0);
    for (size_t i = 0; i < producer_count(ps); i++)
        count += encode_earlier(&w, all[i]);
    if (writer_done(&w) == E_OK)
        writer_i32_at(&w, start + WINDOW_COUNT_POS, count);
    seal(&w, start, WINDOW_CRC_POS);
    mem_free(all);
    if (count == 0 || writer_done(&w) != E_OK)
        out->size = start;
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
    p->batch_count = 0; /* of several entries with one id Kafka takes the last */
    if (last.last_offset >= 0)
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

/* An entry of a window: its batch comes before the last one of its producer. */
static enum err decode_earlier(struct producers *ps, struct reader *r)
{
    struct producer *p = map_u64_find(&ps->by_id, (uint64_t)reader_i64(r));
    struct producer_batch b, last;

    b.last_sequence = reader_i32(r);
    b.last_offset = reader_i64(r);
    b.offset_delta = reader_i32(r);
    b.timestamp = reader_i64(r);
    if (p == NULL || p->batch_count == 0 || p->batch_count == PRODUCER_BATCHES)
        return E_CORRUPT;
    last = p->batches[p->batch_count - 1];
    if (b.last_offset < 0 || b.offset_delta < 0 || b.last_offset >= last.last_offset ||
        (p->batch_count > 1 && b.last_offset <= p->batches[p->batch_count - 2].last_offset))
        return E_CORRUPT;
    p->batches[p->batch_count - 1] = b;
    p->batches[p->batch_count++] = last;
    return E_OK;
}

/* Back to one batch of each. */
static void drop_earlier(struct producers *ps)
{
    struct map_iter it = {0};
    struct producer *p;

    while ((p = map_u64_next(&ps->by_id, &it, NULL)) != NULL) {
        if (p->batch_count > 1)
            p->batches[0] = p->batches[p->batch_count - 1];
        p->batch_count = p->batch_count > 0;
    }
}

enum err producer_decode_window(struct producers *ps, struct slice snapshot, struct slice bytes)
{
    struct reader r = reader_init(bytes.at, bytes.size);
    int16_t version = reader_i16(&r);
    uint32_t crc = reader_u32(&r);
    uint32_t snapshot_crc = reader_u32(&r);
    int32_t count = reader_i32(&r);
    enum err e = E_OK;

    if (bytes.size < WINDOW_ENTRIES_POS || version != WINDOW_VERSION || count < 0 ||
        reader_left(&r) != (size_t)count * WINDOW_ENTRY ||
        crc != crc32c_of(bytes.at + WINDOW_CRC_POS + 4, bytes.size - WINDOW_CRC_POS - 4) ||
        snapshot.size < SNAPSHOT_BODY_POS ||
        snapshot_crc != bytes_u32(snapshot.at + SNAPSHOT_CRC_POS))
        return E_CORRUPT;
    for (int32_t i = 0; i < count && e == E_OK; i++)
        e = decode_earlier(ps, &r);
    if (e != E_OK)
        drop_earlier(ps);
    return e;
}
