#include "record/validate.h"

#include "codec/codec.h"
#include "record/builder.h"

#include "hex.h"

/* Three records: times 1000, 3000, 3000; the second has a key. */
static void build(const struct batch_options *options, struct buf *out)
{
    struct batch_builder b;

    batch_builder_init(&b, options);
    for (int i = 0; i < 3; i++) {
        struct record_draft draft = {.timestamp_ms = i == 0 ? 1000 : 3000,
                                     .key = slice_of_text(i == 1 ? "key" : NULL),
                                     .value = slice_of_text("value")};

        assert_int_equal(batch_builder_add(&b, &draft), E_OK);
    }
    assert_int_equal(batch_builder_finish(&b, out), E_OK);
    batch_builder_release(&b);
}

static void seal(struct buf *b)
{
    uint32_t crc = __builtin_bswap32(batch_compute_crc(buf_slice(b)));

    memcpy(b->at + BATCH_POS_CRC, &crc, sizeof(crc));
}

static struct batch_rules plain_rules(void)
{
    return (struct batch_rules){.batch_size_max = 1000};
}

/* Build with `options`, let `change` spoil it (CRC made right again), and validate. */
static enum err try(const struct batch_options *options, void (*change)(struct buf *b),
                    const struct batch_rules *rules, struct batch_fault *fault)
{
    struct batch_summary summary;
    struct buf b, unpack;
    enum err e;

    *fault = (struct batch_fault){.record = -7, .text = NULL};
    buf_init(&b, 2000);
    buf_init(&unpack, 100);
    build(options, &b);
    if (change != NULL) {
        change(&b);
        seal(&b);
    }
    e = batch_validate(buf_slice(&b), rules, &unpack, &summary, fault);
    assert_true((e == E_OK) == (fault->text == NULL));
    buf_release(&b);
    buf_release(&unpack);
    return e;
}

static enum err try_change(void (*change)(struct buf *b))
{
    struct batch_options options = batch_options_init(0);
    struct batch_rules rules = plain_rules();
    struct batch_fault fault;

    return try(&options, change, &rules, &fault);
}

static void summary_of_records(void **state)
{
    struct batch_rules rules = plain_rules();
    struct batch_summary s;
    struct buf b, unpack;

    buf_init(&unpack, 100);
    for (int id = 0; id < CODEC_COUNT; id++) {
        struct batch_options options = batch_options_init(0);

        options.codec = (enum codec_id)id;
        buf_init(&b, 2000);
        build(&options, &b);
        assert_int_equal(batch_validate(buf_slice(&b), &rules, &unpack, &s, NULL), E_OK);
        assert_true(s.walked);
        assert_int_equal(s.header.record_count, 3);
        assert_int_equal(batch_codec(&s.header), id);
        assert_int_equal(s.max_timestamp, 3000);
        assert_int_equal(s.max_timestamp_delta, 1);
        assert_int_equal(s.min_timestamp, 1000);
        assert_int_equal(s.records_size, 3 * 12 + 2 + 3);

        /* without the walk, a compressed batch is taken at its header's word */
        assert_int_equal(batch_validate(buf_slice(&b), &rules, NULL, &s, NULL), E_OK);
        assert_int_equal(s.walked, id == CODEC_NONE);
        assert_int_equal(s.max_timestamp, 3000);
        assert_int_equal(s.max_timestamp_delta, id == CODEC_NONE ? 1 : 2);
        buf_release(&b);
    }
    buf_release(&unpack);
}

static void frames(void **state)
{
    struct batch_options options = batch_options_init(0);
    struct batch_rules rules = plain_rules();
    struct batch_fault fault;
    struct batch_summary s;
    struct buf b;

    buf_init(&b, 2000);
    build(&options, &b);
    for (size_t size = 0; size < b.size; size++) {
        uint8_t *cut = malloc(size == 0 ? 1 : size);

        memcpy(cut, b.at, size);
        assert_int_equal(batch_validate(slice_of(cut, size), &rules, NULL, &s, &fault),
                         E_TRUNCATED);
        free(cut);
    }
    rules.batch_size_max = b.size - 1;
    assert_int_equal(batch_validate(buf_slice(&b), &rules, NULL, &s, &fault), E_TOO_BIG);
    rules.batch_size_max = b.size;
    assert_int_equal(batch_validate(buf_slice(&b), &rules, NULL, &s, &fault), E_OK);
    b.at[70] ^= 1;
    assert_int_equal(batch_validate(buf_slice(&b), &rules, NULL, &s, &fault), E_CORRUPT);
    assert_int_equal(fault.record, -1);
    assert_int_equal(buf_append(&b, "x", 1), E_OK);
    assert_int_equal(batch_validate(buf_slice(&b), &rules, NULL, &s, &fault), E_INVAL);
    b.at[BATCH_POS_MAGIC] = 1;
    assert_int_equal(batch_validate(buf_slice(&b), &rules, NULL, &s, &fault), E_UNSUPPORTED);
    b.at[BATCH_POS_MAGIC] = 9;
    assert_int_equal(batch_validate(buf_slice(&b), &rules, NULL, &s, &fault), E_CORRUPT);
    buf_release(&b);
}

static void unknown_codec(struct buf *b)
{
    b->at[BATCH_POS_ATTRIBUTES + 1] |= 7;
}

static void wrong_codec(struct buf *b)
{
    b->at[BATCH_POS_ATTRIBUTES + 1] |= CODEC_ZSTD;
}

static void no_records(struct buf *b)
{
    b->at[BATCH_POS_RECORD_COUNT + 3] = 0;
}

static void one_too_many(struct buf *b)
{
    b->at[BATCH_POS_RECORD_COUNT + 3]++;
    b->at[BATCH_POS_LAST_OFFSET_DELTA + 3]++;
}

static void one_too_few(struct buf *b)
{
    b->at[BATCH_POS_RECORD_COUNT + 3]--;
    b->at[BATCH_POS_LAST_OFFSET_DELTA + 3]--;
}

static void counts_disagree(struct buf *b)
{
    b->at[BATCH_POS_LAST_OFFSET_DELTA + 3]++;
}

static void wrong_offset_delta(struct buf *b)
{
    b->at[BATCH_HEADER_SIZE + 3] = 2;
}

static void wrong_record_size(struct buf *b)
{
    b->at[BATCH_HEADER_SIZE] += 2;
}

static void far_time(struct buf *b)
{
    memset(b->at + BATCH_POS_BASE_TIMESTAMP, 0xff, 8);
    b->at[BATCH_POS_BASE_TIMESTAMP] = 0x7f;
}

static void other_max_timestamp(struct buf *b)
{
    b->at[BATCH_POS_MAX_TIMESTAMP + 7]++;
}

static void delete_horizon(struct buf *b)
{
    b->at[BATCH_POS_ATTRIBUTES + 1] |= BATCH_DELETE_HORIZON;
}

static void log_append_time(struct buf *b)
{
    b->at[BATCH_POS_ATTRIBUTES + 1] |= BATCH_LOG_APPEND_TIME;
}

static void negative_producer(struct buf *b)
{
    b->at[BATCH_POS_PRODUCER_ID + 7] = 0xfe;
}

static void content(void **state)
{
    assert_int_equal(try_change(NULL), E_OK);
    assert_int_equal(try_change(other_max_timestamp), E_OK);
    assert_int_equal(try_change(unknown_codec), E_UNSUPPORTED);
    assert_int_equal(try_change(wrong_codec), E_INVAL);
    assert_int_equal(try_change(no_records), E_INVAL);
    assert_int_equal(try_change(one_too_many), E_INVAL);
    assert_int_equal(try_change(one_too_few), E_INVAL);
    assert_int_equal(try_change(counts_disagree), E_INVAL);
    assert_int_equal(try_change(wrong_offset_delta), E_INVAL);
    assert_int_equal(try_change(wrong_record_size), E_INVAL);
    assert_int_equal(try_change(far_time), E_INVAL);
    assert_int_equal(try_change(delete_horizon), E_INVAL);
    assert_int_equal(try_change(log_append_time), E_INVAL);
    assert_int_equal(try_change(negative_producer), E_INVAL);
}

static void rules_and_producers(void **state)
{
    struct batch_options options = batch_options_init(0);
    struct batch_rules rules = plain_rules();
    struct batch_fault fault;

    options.transactional = true; /* with no producer */
    assert_int_equal(try(&options, NULL, &rules, &fault), E_INVAL);
    rules.transactional_allowed = true;
    assert_int_equal(try(&options, NULL, &rules, &fault), E_INVAL);
    options.producer_id = 5; /* with no epoch */
    assert_int_equal(try(&options, NULL, &rules, &fault), E_INVAL);
    options.producer_epoch = 0; /* with no sequence */
    assert_int_equal(try(&options, NULL, &rules, &fault), E_INVAL);
    options.base_sequence = 0;
    assert_int_equal(try(&options, NULL, &rules, &fault), E_OK);
    options.control = true;
    assert_int_equal(try(&options, NULL, &rules, &fault), E_INVAL);
    rules.control_allowed = true;
    assert_int_equal(try(&options, NULL, &rules, &fault), E_OK);
    assert_int_equal(try(&options, delete_horizon, &rules, &fault), E_OK);
    rules.log_append_time_allowed = true;
    assert_int_equal(try(&options, log_append_time, &rules, &fault), E_OK);
}

static void keys_are_required(void **state)
{
    struct batch_options options = batch_options_init(0);
    struct batch_rules rules = plain_rules();
    struct batch_fault fault;

    rules.key_required = true;
    for (int id = 0; id < CODEC_COUNT; id++) {
        options.codec = (enum codec_id)id;
        assert_int_equal(try(&options, NULL, &rules, &fault), E_INVAL);
        assert_int_equal(fault.record, 0);
    }
}

static void log_append_time_is_everyones(void **state)
{
    struct batch_options options = batch_options_init(0);
    struct batch_rules rules = {.batch_size_max = 1000, .log_append_time_allowed = true};
    struct batch_summary s;
    struct buf b;

    buf_init(&b, 2000);
    build(&options, &b);
    batch_patch_log_append_time(b.at, 9000);
    assert_int_equal(batch_validate(buf_slice(&b), &rules, NULL, &s, NULL), E_OK);
    assert_int_equal(s.max_timestamp, 9000);
    assert_int_equal(s.min_timestamp, 9000);
    assert_int_equal(s.max_timestamp_delta, 0);
    buf_release(&b);
}

static void bombs_are_refused(void **state)
{
    static const uint8_t zeros[1 << 20];
    struct batch_rules rules = {.batch_size_max = 1 << 20};
    struct batch_fault fault;
    struct batch_summary s;
    struct buf unpack;

    buf_init(&unpack, 64 * 1024);
    for (int id = CODEC_GZIP; id < CODEC_COUNT; id++) {
        struct batch_options options = batch_options_init(0);
        struct record_draft draft = {.value = slice_of(zeros, sizeof(zeros))};
        struct batch_builder b;
        struct buf out;

        buf_init(&out, 4 << 20);
        options.codec = (enum codec_id)id;
        batch_builder_init(&b, &options);
        assert_int_equal(batch_builder_add(&b, &draft), E_OK);
        assert_int_equal(batch_builder_finish(&b, &out), E_OK);
        assert_true(out.size < 64 * 1024);
        assert_int_equal(batch_validate(buf_slice(&out), &rules, &unpack, &s, &fault), E_TOO_BIG);
        assert_true(unpack.capacity <= 64 * 1024);
        batch_builder_release(&b);
        buf_release(&out);
    }
    buf_release(&unpack);
}

/* Every bit of a batch, CRC made right: any answer is fine that leaves no trace of a crash. */
static void every_flipped_bit_is_survived(void **state)
{
    struct batch_rules rules = plain_rules();
    struct batch_summary s;
    struct buf unpack;

    buf_init(&unpack, 4096);
    for (int id = 0; id < CODEC_COUNT; id++) {
        struct batch_options options = batch_options_init(0);
        struct buf b;
        uint8_t *exact;

        buf_init(&b, 2000);
        options.codec = (enum codec_id)id;
        build(&options, &b);
        exact = malloc(b.size);
        for (size_t bit = 0; bit < b.size * 8; bit++) {
            enum err e;

            b.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memcpy(exact, b.at, b.size);
            e = batch_validate(slice_of(exact, b.size), &rules, &unpack, &s, NULL);
            /* outside of the CRC: base offset, leader epoch */
            assert_int_equal(e == E_OK, bit != 7 && bit < 128 && (bit < 64 || bit >= 96));
            seal(&b);
            memcpy(exact, b.at, b.size);
            if (batch_validate(slice_of(exact, b.size), &rules, &unpack, &s, NULL) == E_OK)
                assert_int_equal(s.header.record_count, 3);
            b.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            seal(&b);
        }
        free(exact);
        buf_release(&b);
    }
    buf_release(&unpack);
}

TESTS(test_validate, cmocka_unit_test(summary_of_records), cmocka_unit_test(frames),
      cmocka_unit_test(content), cmocka_unit_test(rules_and_producers),
      cmocka_unit_test(keys_are_required), cmocka_unit_test(log_append_time_is_everyones),
      cmocka_unit_test(bombs_are_refused), cmocka_unit_test(every_flipped_bit_is_survived));
