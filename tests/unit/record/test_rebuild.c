#include "record/rebuild.h"

#include "record/builder.h"
#include "record/record.h"
#include "unit.h"

enum { RECORDS = 9, FIRST_MS = 1000000 };

struct fixture {
    struct buf batch;
    struct buf unpack;
    struct buf scratch;
    struct buf out;
    struct batch_header header;
    struct vec kept;
};

/* Nine records, key "k<n>", every third one a tombstone, with headers and rising times. */
static void setup(struct fixture *f, enum codec_id codec)
{
    static const struct record_header header = {.key = {(const uint8_t *)"h", 1}};
    struct batch_options options = batch_options_init(500);
    struct batch_builder b;

    *f = (struct fixture){0};
    buf_init(&f->batch, 1 << 20);
    buf_init(&f->unpack, 1 << 20);
    buf_init(&f->scratch, 1 << 20);
    buf_init(&f->out, 1 << 20);
    vec_init(&f->kept, sizeof(struct batch_kept), 1000);
    options.codec = codec;
    options.leader_epoch = 7;
    options.producer_id = 42;
    options.producer_epoch = 3;
    options.base_sequence = 10;
    options.transactional = true;
    batch_builder_init(&b, &options);
    for (int i = 0; i < RECORDS; i++) {
        uint8_t key[2] = {'k', (uint8_t)('0' + i)};
        struct record_draft draft = {.timestamp_ms = FIRST_MS + i * 100,
                                     .key = slice_of(key, 2),
                                     .headers = &header,
                                     .header_count = i % 2};

        if (i % 3 != 0)
            draft.value = slice_of_text("value value value value");
        assert_int_equal(batch_builder_add(&b, &draft), E_OK);
    }
    assert_int_equal(batch_builder_finish(&b, &f->batch), E_OK);
    batch_builder_release(&b);
    assert_int_equal(batch_peek(buf_slice(&f->batch), &f->header), E_OK);
}

static void teardown(struct fixture *f)
{
    buf_release(&f->batch);
    buf_release(&f->unpack);
    buf_release(&f->scratch);
    buf_release(&f->out);
    vec_release(&f->kept);
}

/* Keep the records whose bit is set. */
static void keep(struct fixture *f, unsigned mask)
{
    struct record_iter it;
    struct record_view view;
    const uint8_t *at;

    vec_clear(&f->kept);
    assert_int_equal(record_iter_init(&it, buf_slice(&f->batch), &f->unpack), E_OK);
    for (at = it.at; record_iter_next(&it, &view); at = it.at) {
        struct batch_kept kept = {.bytes = slice_of(at, (size_t)(it.at - at)),
                                  .timestamp_ms = view.timestamp_ms};

        if ((mask >> (view.offset - 500) & 1) != 0)
            assert_int_equal(vec_push(&f->kept, &kept), E_OK);
    }
    assert_int_equal(record_iter_done(&it), E_OK);
}

/* What was built has just these records, at their offsets and times. */
static void check(struct fixture *f, unsigned mask, int codec, int64_t horizon_ms)
{
    struct batch_header h;
    struct record_iter it;
    struct record_view view;
    int last = -1;

    assert_int_equal(batch_peek(buf_slice(&f->out), &h), E_OK);
    assert_int_equal(batch_total_size(&h), f->out.size);
    assert_int_equal(batch_check_crc(buf_slice(&f->out)), E_OK);
    assert_int_equal(batch_codec(&h), codec);
    assert_int_equal(h.base_offset, 500);
    assert_int_equal(h.last_offset_delta, RECORDS - 1);
    assert_int_equal(h.leader_epoch, 7);
    assert_int_equal(h.producer_id, 42);
    assert_int_equal(h.producer_epoch, 3);
    assert_int_equal(h.base_sequence, 10);
    assert_true(batch_is_transactional(&h));
    assert_int_equal((h.attributes & BATCH_DELETE_HORIZON) != 0, horizon_ms >= 0);
    if (horizon_ms >= 0)
        assert_int_equal(h.base_timestamp, horizon_ms);
    assert_int_equal(record_iter_init(&it, buf_slice(&f->out), &f->unpack), E_OK);
    for (int i = 0; i < RECORDS; i++) {
        if ((mask >> i & 1) == 0)
            continue;
        assert_true(record_iter_next(&it, &view));
        assert_int_equal(view.offset, 500 + i);
        assert_int_equal(view.timestamp_ms, FIRST_MS + i * 100);
        assert_int_equal(view.key.at[1], '0' + i);
        assert_int_equal(view.value.at == NULL, i % 3 == 0);
        assert_int_equal(view.header_count, i % 2);
        last = i;
    }
    assert_false(record_iter_next(&it, &view));
    assert_int_equal(record_iter_done(&it), E_OK);
    assert_int_equal(h.max_timestamp, FIRST_MS + (last < 0 ? RECORDS - 1 : last) * 100);
}

static void rebuild(struct fixture *f, enum codec_id codec, int64_t horizon_ms)
{
    struct batch_rebuild r = {
        .codec = codec, .level = CODEC_LEVEL_DEFAULT, .horizon_ms = horizon_ms, .kept = &f->kept};

    buf_clear(&f->out);
    assert_int_equal(batch_rebuild(&f->header, &r, &f->scratch, &f->out), E_OK);
}

static void keeps_what_it_is_told_in_every_codec(void **state)
{
    static const unsigned masks[] = {0x1ff, 0x001, 0x100, 0x0aa, 0x155};

    (void)state;
    for (int from = 0; from < CODEC_COUNT; from++) {
        for (int to = 0; to < CODEC_COUNT; to++) {
            struct fixture f;

            setup(&f, (enum codec_id)from);
            for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
                keep(&f, masks[i]);
                rebuild(&f, (enum codec_id)to, -1);
                check(&f, masks[i], to, -1);
                keep(&f, masks[i]); /* the check unpacked over it */
                rebuild(&f, (enum codec_id)to, FIRST_MS + 86400000);
                check(&f, masks[i], to, FIRST_MS + 86400000);
            }
            teardown(&f);
        }
    }
}

/* A horizon that stands there is not lost when records go. */
static void a_horizon_stays(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, CODEC_LZ4);
    keep(&f, 0x1ff);
    rebuild(&f, CODEC_LZ4, 777);
    buf_clear(&f.batch);
    assert_int_equal(buf_append(&f.batch, f.out.at, f.out.size), E_OK);
    assert_int_equal(batch_peek(buf_slice(&f.batch), &f.header), E_OK);
    keep(&f, 0x00f);
    rebuild(&f, CODEC_NONE, -1);
    check(&f, 0x00f, CODEC_NONE, 777);
    teardown(&f);
}

static void nothing_kept_is_an_empty_batch(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, CODEC_ZSTD);
    keep(&f, 0);
    rebuild(&f, CODEC_ZSTD, 777);
    check(&f, 0, CODEC_NONE, -1);
    assert_int_equal(f.out.size, BATCH_HEADER_SIZE);
    teardown(&f);
}

static void what_is_no_record_is_refused(void **state)
{
    static const uint8_t bad[] = {0x20, 0, 0};
    struct batch_kept kept = {.bytes = slice_of(bad, sizeof(bad))};
    struct fixture f;

    (void)state;
    setup(&f, CODEC_NONE);
    assert_int_equal(vec_push(&f.kept, &kept), E_OK);
    assert_int_equal(batch_rebuild(&f.header,
                                   &(struct batch_rebuild){.horizon_ms = 1, .kept = &f.kept},
                                   &f.scratch, &f.out),
                     E_CORRUPT);
    assert_int_equal(f.out.size, 0);
    teardown(&f);
}

TESTS(test_rebuild, cmocka_unit_test(keeps_what_it_is_told_in_every_codec),
      cmocka_unit_test(a_horizon_stays), cmocka_unit_test(nothing_kept_is_an_empty_batch),
      cmocka_unit_test(what_is_no_record_is_refused));
