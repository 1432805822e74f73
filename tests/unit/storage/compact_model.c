#include "compact_model.h"

#include <stdio.h>

#include "os/file.h"
#include "record/builder.h"
#include "record/control.h"
#include "record/record.h"
#include "unit.h"

enum { ID_FIRST = 100, BATCH_RECORDS_MAX = 8, SIZE_MAX_BYTES = 1 << 22 };

void compact_model_open(struct compact_model *m, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    rng_init(&m->rng, seed);
    rig_open(&m->r);
    m->has_producers = true;
    m->has_txns = rng_chance(&m->rng, 2, 3);
    m->delete_retention_ms = (int64_t)rng_below(&m->rng, 3) * 2000;
    m->r.options.is_compacted = true;
    m->r.options.is_deleted = false;
    m->r.options.segment_bytes = rng_between(&m->rng, 1500, 8000);
    m->r.options.index_interval_bytes = rng_between(&m->rng, 50, 1000);
    m->r.options.segment_ms = INT64_MAX / 2;
    m->r.options.preallocate = rng_chance(&m->rng, 1, 4);
    assert_int_equal(log_set_options(m->r.log, &m->r.options), E_OK);
    for (int i = 0; i < MODEL_PRODUCERS; i++)
        m->open_txn[i] = -1;
}

void compact_model_close(struct compact_model *m)
{
    rig_close(&m->r);
}

static struct slice key_slice(int key, char *text)
{
    return key < 0 ? (struct slice){0} : slice_of(text, (size_t)sprintf(text, "key-%d", key));
}

static void note_record(struct compact_model *m, const struct model_record *record)
{
    assert_true(m->end < MODEL_RECORDS_MAX);
    m->records[m->end++] = *record;
}

static void append_bytes(struct compact_model *m, struct buf *bytes)
{
    struct log_append a = {.bytes = bytes->at, .size = bytes->size, .wall_ms = m->r.wall_ms};
    struct log_appended appended;
    int64_t before = log_end_offset(m->r.log);

    assert_int_equal(log_append(m->r.log, &a, &appended), E_OK);
    assert_int_equal(appended.first_offset, before);
    assert_int_equal(appended.last_offset, m->end - 1);
    buf_release(bytes);
}

/* Producers 0 and 1 are idempotent, 2 and 3 transactional; -1: none. */
static struct batch_options options_of(struct compact_model *m, int producer, int count)
{
    struct batch_options o = batch_options_init(0);

    o.codec = (enum codec_id)rng_below(&m->rng, CODEC_COUNT);
    if (producer < 0)
        return o;
    o.producer_id = ID_FIRST + producer;
    o.producer_epoch = 0;
    o.base_sequence = m->sequence[producer];
    o.transactional = producer >= 2;
    m->sequence[producer] += count;
    if (o.transactional && m->open_txn[producer] < 0) {
        assert_true(m->txn_count < MODEL_TXNS_MAX);
        m->txns[m->txn_count] = (struct model_txn){.marker = -1};
        m->open_txn[producer] = m->txn_count++;
    }
    return o;
}

void compact_model_append(struct compact_model *m)
{
    int count = (int)rng_between(&m->rng, 1, BATCH_RECORDS_MAX);
    int producer = m->has_producers ? (int)rng_below(&m->rng, m->has_txns ? 5 : 3) - 1 : -1;
    struct batch_options o = options_of(m, producer, count);
    struct batch_builder b;
    struct buf bytes;

    buf_init(&bytes, SIZE_MAX_BYTES);
    batch_builder_init(&b, &o);
    for (int i = 0; i < count; i++) {
        struct model_record r = {.key = (int)rng_below(&m->rng, MODEL_KEYS + 1) - 1,
                                 .value = (int)rng_below(&m->rng, 1000),
                                 .txn = o.transactional ? m->open_txn[producer] : -1,
                                 .timestamp_ms = m->r.wall_ms + rng_between(&m->rng, -30, 30)};
        char key[32], value[400];
        struct record_draft draft = {.timestamp_ms = r.timestamp_ms, .key = key_slice(r.key, key)};

        if (rng_chance(&m->rng, 1, 4))
            r.value = -1;
        memset(value, 'x', sizeof(value));
        memcpy(value, &r.value, sizeof(r.value));
        if (r.value >= 0)
            draft.value = slice_of(value, sizeof(r.value) + (size_t)r.value % 300);
        assert_int_equal(batch_builder_add(&b, &draft), E_OK);
        note_record(m, &r);
    }
    assert_int_equal(batch_builder_finish(&b, &bytes), E_OK);
    batch_builder_release(&b);
    append_bytes(m, &bytes);
}

void compact_model_end_txn(struct compact_model *m)
{
    int producer = (int)rng_between(&m->rng, 2, 3);
    struct batch_end_txn marker = {.timestamp_ms = m->r.wall_ms,
                                   .producer_id = ID_FIRST + producer,
                                   .commit = rng_chance(&m->rng, 1, 2)};
    struct model_txn *txn;
    struct buf bytes;

    if (m->open_txn[producer] < 0)
        return;
    txn = &m->txns[m->open_txn[producer]];
    txn->marker = m->end;
    txn->is_aborted = !marker.commit;
    buf_init(&bytes, SIZE_MAX_BYTES);
    assert_int_equal(batch_build_end_txn(&marker, &bytes), E_OK);
    note_record(
        m, &(struct model_record){.kind = MODEL_MARKER, .key = -1, .txn = m->open_txn[producer]});
    m->open_txn[producer] = -1;
    append_bytes(m, &bytes);
}

void compact_model_cut(struct compact_model *m, int64_t offset)
{
    for (int i = 0; i < MODEL_PRODUCERS; i++)
        m->open_txn[i] = -1;
    m->end = offset;
    for (int i = 0; i < m->txn_count; i++) {
        if (m->txns[i].marker >= offset)
            m->txns[i].marker = -1;
    }
}

static bool is_aborted(const struct compact_model *m, const struct model_record *r)
{
    return r->txn >= 0 && m->txns[r->txn].marker >= 0 && m->txns[r->txn].is_aborted;
}

/* Is there a later record of the same key below the compacted end? */
static bool is_superseded(const struct compact_model *m, int64_t offset)
{
    for (int64_t i = offset + 1; i < m->clean_offset; i++) {
        const struct model_record *r = &m->records[i];

        if (r->kind == MODEL_DATA && r->key == m->records[offset].key && !is_aborted(m, r))
            return true;
    }
    return false;
}

void compact_model_compacted(struct compact_model *m, const struct log_compact_result *result)
{
    assert_true(result->clean_offset >= m->clean_offset);
    m->clean_offset = result->clean_offset;
    for (int64_t i = 0; i < m->clean_offset; i++) {
        struct model_record *r = &m->records[i];

        if (r->kind == MODEL_DATA && r->value < 0 && r->gone_from_ms == 0)
            r->gone_from_ms = m->r.wall_ms + m->delete_retention_ms;
    }
}

/* 1: must be there, 0: must not, -1: either. */
static int fate(const struct compact_model *m, int64_t offset)
{
    const struct model_record *r = &m->records[offset];

    if (r->kind == MODEL_MARKER)
        return offset >= m->clean_offset ? 1 : -1; /* check_markers looks at the others */
    if (offset >= m->clean_offset)
        return is_aborted(m, r) ? -1 : 1;
    if (is_aborted(m, r) || r->key < 0 || is_superseded(m, offset))
        return 0;
    if (r->value >= 0 || m->r.wall_ms < r->gone_from_ms)
        return 1;
    return -1; /* a tombstone whose time has come goes with the next compaction */
}

static void check_record(const struct compact_model *m, const struct batch_header *h,
                         const struct record_view *view)
{
    const struct model_record *r = &m->records[view->offset];
    char key[32];
    int value = -1;

    assert_int_equal(batch_is_control(h), r->kind == MODEL_MARKER);
    if (r->kind == MODEL_MARKER)
        return;
    assert_true(slice_equal(view->key, key_slice(r->key, key)));
    assert_int_equal(view->timestamp_ms, r->timestamp_ms);
    if (view->value.at != NULL)
        memcpy(&value, view->value.at, sizeof(value));
    assert_int_equal(value, r->value);
    assert_int_equal(view->value.size, value < 0 ? 0 : sizeof(value) + (size_t)value % 300);
    assert_int_equal(batch_is_transactional(h), r->txn >= 0);
}

struct seen {
    bool is_there[MODEL_RECORDS_MAX];
    int64_t batch_last[MODEL_RECORDS_MAX]; /* by number of the batch */
    int64_t batch_base[MODEL_RECORDS_MAX];
    struct seen_batch {
        int64_t producer_id; /* of a transactional one; -1 */
        int marker;          /* enum record_control_type; -1 */
        int64_t some_record; /* offset; -1: it is empty */
    } batches[MODEL_RECORDS_MAX];
    int batch_count;
    struct log_aborted_txn aborted[MODEL_TXNS_MAX];
    int aborted_count;
};

static void see_batch(const struct compact_model *m, struct seen *seen,
                      const struct batch_view *batch, struct buf *unpack)
{
    struct seen_batch *b = &seen->batches[seen->batch_count];
    struct record_control_key key;
    struct record_view view;
    struct record_iter it;

    *b = (struct seen_batch){
        .producer_id = batch_is_transactional(&batch->header) ? batch->header.producer_id : -1,
        .marker = -1,
        .some_record = -1};
    assert_int_equal(batch_check_crc(batch->bytes), E_OK);
    if (seen->batch_count > 0)
        assert_true(batch->header.base_offset > seen->batch_last[seen->batch_count - 1]);
    seen->batch_base[seen->batch_count] = batch->header.base_offset;
    seen->batch_last[seen->batch_count++] = batch_last_offset(&batch->header);
    assert_int_equal(record_iter_init(&it, batch->bytes, unpack), E_OK);
    while (record_iter_next(&it, &view)) {
        check_record(m, &batch->header, &view);
        seen->is_there[view.offset] = true;
        b->some_record = view.offset;
        if (batch_is_control(&batch->header)) {
            assert_int_equal(record_control_decode_key(view.key, &key), E_OK);
            b->marker = key.type;
        }
    }
    assert_int_equal(record_iter_done(&it), E_OK);
}

static void read_all(struct compact_model *m, struct seen *seen)
{
    int64_t offset = log_start_offset(m->r.log), base;
    struct buf bytes, unpack;

    buf_init(&bytes, SIZE_MAX_BYTES);
    buf_init(&unpack, SIZE_MAX_BYTES);
    while (offset < log_end_offset(m->r.log)) {
        struct batch_iter it;
        struct batch_view batch;
        bool is_first = true;

        assert_int_equal(rig_read(&m->r, offset, 3000, &bytes, &base), E_OK);
        if (bytes.size == 0) /* nothing is left up to the end */
            break;
        it = batch_iter_init(buf_slice(&bytes));
        while (batch_iter_next(&it, &batch)) {
            if (is_first)
                assert_int_equal(batch.header.base_offset, base);
            is_first = false;
            assert_true(batch_last_offset(&batch.header) >= offset);
            see_batch(m, seen, &batch, &unpack);
            offset = batch_next_offset(&batch.header);
        }
        assert_false(is_first);
    }
    buf_release(&bytes);
    buf_release(&unpack);
}

/* Of a transaction with records the marker is there, too. */
static void check_markers(const struct compact_model *m, const struct seen *seen)
{
    for (int64_t i = 0; i < m->end; i++) {
        const struct model_record *r = &m->records[i];

        if (r->kind == MODEL_DATA && r->txn >= 0 && seen->is_there[i] &&
            m->txns[r->txn].marker >= 0 && !seen->is_there[m->txns[r->txn].marker])
            fail_msg("record %d is there, the marker at %d is not", (int)i,
                     (int)m->txns[r->txn].marker);
    }
}

static enum err take_aborted(void *ctx, const struct log_aborted_txn *aborted)
{
    struct seen *seen = ctx;

    seen->aborted[seen->aborted_count++] = *aborted;
    return E_OK;
}

/* As a consumer with read_committed: it drops just what was aborted. */
static void check_committed(struct compact_model *m, struct seen *seen)
{
    bool is_dropping[MODEL_PRODUCERS] = {false};

    assert_int_equal(log_aborted(m->r.log, log_start_offset(m->r.log), m->end, take_aborted, seen),
                     E_OK);
    for (int i = 0; i < seen->batch_count; i++) {
        const struct seen_batch *b = &seen->batches[i];
        const struct model_record *r = &m->records[b->some_record < 0 ? 0 : b->some_record];

        for (int k = 0; k < seen->aborted_count; k++) { /* they come by marker: no order here */
            if (seen->aborted[k].first_offset <= seen->batch_last[i] &&
                seen->aborted[k].first_offset > (i == 0 ? -1 : seen->batch_last[i - 1]))
                is_dropping[seen->aborted[k].producer_id - ID_FIRST] = true;
        }
        if (b->marker == RECORD_CONTROL_ABORT)
            is_dropping[b->producer_id - ID_FIRST] = false;
        if (b->producer_id < 0 || b->some_record < 0 || b->marker >= 0 ||
            m->txns[r->txn].marker < 0)
            continue;
        assert_int_equal(is_dropping[b->producer_id - ID_FIRST], is_aborted(m, r));
    }
}

static void check_reads(struct compact_model *m, const struct seen *seen)
{
    struct log_range range;

    for (int i = 0; i < 30; i++) {
        int64_t offset = rng_between(&m->rng, log_start_offset(m->r.log), m->end - 1);
        int k = 0;

        while (k < seen->batch_count && seen->batch_last[k] < offset)
            k++;
        assert_int_equal(log_read(m->r.log, offset, INT64_MAX, 1, &range), E_OK);
        assert_int_equal(range.size > 0, k < seen->batch_count);
        if (range.size > 0)
            assert_int_equal(range.base_offset, seen->batch_base[k]);
        log_range_release(&range);
    }
}

static void check_times(struct compact_model *m, const struct seen *seen)
{
    for (int i = 0; i < 10; i++) {
        int64_t pick = rng_between(&m->rng, log_start_offset(m->r.log), m->end - 1);
        int64_t wanted = m->records[pick].timestamp_ms, offset, timestamp, expected = -1;

        if (m->records[pick].kind == MODEL_MARKER)
            continue;
        for (int64_t k = log_start_offset(m->r.log); k < m->end && expected < 0; k++) {
            if (seen->is_there[k] && m->records[k].kind == MODEL_DATA &&
                m->records[k].timestamp_ms >= wanted)
                expected = k;
        }
        assert_int_equal(log_find_timestamp(m->r.log, wanted, INT64_MAX, &offset, &timestamp),
                         E_OK);
        if (offset >= 0 && m->records[offset].kind == MODEL_MARKER)
            continue; /* a marker has a time, too, and may come first */
        assert_int_equal(offset, expected);
    }
}

void compact_model_check(struct compact_model *m)
{
    static struct seen seen;

    memset(&seen, 0, sizeof(seen));
    assert_int_equal(log_end_offset(m->r.log), m->end);
    read_all(m, &seen);
    for (int64_t i = log_start_offset(m->r.log); i < m->end; i++) {
        int want = fate(m, i);

        if (want >= 0 && seen.is_there[i] != (want == 1))
            fail_msg("record %d (key %d, value %d, txn %d%s) is %sthere; compacted up to %d",
                     (int)i, m->records[i].key, m->records[i].value, m->records[i].txn,
                     is_aborted(m, &m->records[i]) ? ", aborted" : "",
                     seen.is_there[i] ? "" : "not ", (int)m->clean_offset);
    }
    check_markers(m, &seen);
    check_committed(m, &seen);
    if (m->end > log_start_offset(m->r.log)) {
        check_reads(m, &seen);
        check_times(m, &seen);
    }
}
