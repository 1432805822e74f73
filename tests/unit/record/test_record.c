#include "record/record.h"

#include "record/builder.h"
#include "record/validate.h"

#include "hex.h"

enum { T = 1767225600 };
static const int64_t t0 = T * INT64_C(1000);

/*
 * The same four records by an independent implementation, kafka-python 2.0
 * (DefaultRecordBatchBuilder), plain and gzip; and two of
 * them in a transaction: the example of docs/format/record-batch.md.
 */
static const char python_plain[] =
    "0000000000000000000000f20000000002f64950100000000000030000019b76daa8000000019b76daabe8ff"
    "ffffffffffffffffffffffffff000000042600000010757365722d3132330a6576656e74001e000a02010004"
    "0468310278046832010c000604000100a80200d00f06066b6b6bf00176616c75652076616c75652076616c75"
    "652076616c75652076616c75652076616c75652076616c75652076616c75652076616c75652076616c756520"
    "76616c75652076616c75652076616c75652076616c75652076616c75652076616c75652076616c7565207661"
    "6c75652076616c75652076616c756520020a74726163651430313233343536373839";
static const char python_gzip[] =
    "0000000000000000000000950000000002b7dad6ef0001000000030000019b76daa8000000019b76daabe8ff"
    "ffffffffffffffffffffffffff000000041f8b0800454a036b02ff5363606010282d4e2dd2353432e64a2d4b"
    "cd2b619063e06262646061c93064aa60c93062e461606361606458c1c470819f8d2d3b3bfb036359624e69aa"
    "02fd4926ae92a2c4e4541103a06b4d4ccdcc2d2c01bda24771c1000000";
static const char python_transaction[] =
    "00000000000000000000005500000000028e7d1a5a0010000000010000019b76daa8000000019b76daa80500"
    "0000000000126700070000002a000000022600000010757365722d3132330a6576656e74001e000a02010004"
    "046831027804683201";

struct expected {
    int64_t timestamp_ms;
    const char *key;
    const char *value;
    int32_t header_count;
};

static const struct expected four[] = {
    {0, "user-123", "event", 0},
    {5, NULL, "", 2},
    {3, "", NULL, 0},
    {1000, "kkk",
     "value value value value value value value value value value "
     "value value value value value value value value value value ",
     1},
};

static bool same(struct slice s, const char *text)
{
    return text == NULL ? s.at == NULL : s.at != NULL && slice_equal_text(s, text);
}

static void expect_records(struct slice batch, size_t count, int64_t base_offset)
{
    struct record_iter it;
    struct record_view view;
    struct buf unpack;
    size_t i = 0;

    buf_init(&unpack, 100000);
    assert_int_equal(record_iter_init(&it, batch, &unpack), E_OK);
    while (record_iter_next(&it, &view)) {
        struct record_headers headers = record_headers_init(&view);
        struct record_header header;
        int32_t header_count = 0;

        assert_int_equal(view.offset, base_offset + (int64_t)i);
        assert_int_equal(view.timestamp_ms, t0 + four[i].timestamp_ms);
        assert_true(same(view.key, four[i].key));
        assert_true(same(view.value, four[i].value));
        while (record_headers_next(&headers, &header)) {
            if (i == 1) {
                assert_true(slice_equal_text(header.key, header_count == 0 ? "h1" : "h2"));
                assert_true(same(header.value, header_count == 0 ? "x" : NULL));
            } else {
                assert_true(slice_equal_text(header.key, "trace"));
                assert_true(slice_equal_text(header.value, "0123456789"));
            }
            header_count++;
        }
        assert_int_equal(header_count, four[i].header_count);
        i++;
    }
    assert_int_equal(record_iter_done(&it), E_OK);
    assert_int_equal(i, count);
    buf_release(&unpack);
}

static enum err add_four(struct batch_builder *b)
{
    const struct record_header h1[] = {{slice_of_text("h1"), slice_of_text("x")},
                                       {slice_of_text("h2"), slice_of(NULL, 0)}};
    const struct record_header h3[] = {{slice_of_text("trace"), slice_of_text("0123456789")}};
    enum err e = E_OK;

    for (size_t i = 0; i < 4 && e == E_OK; i++) {
        struct record_draft draft = {.timestamp_ms = t0 + four[i].timestamp_ms,
                                     .key = slice_of_text(four[i].key),
                                     .value = slice_of_text(four[i].value),
                                     .headers = i == 1 ? h1 : h3,
                                     .header_count = four[i].header_count};

        e = batch_builder_add(b, &draft);
    }
    return e;
}

static void expect_summary(struct slice batch)
{
    struct batch_rules rules = {.batch_size_max = batch.size, .transactional_allowed = true};
    struct batch_summary summary;
    struct buf unpack;

    buf_init(&unpack, 100000);
    assert_int_equal(batch_validate(batch, &rules, &unpack, &summary, NULL), E_OK);
    assert_true(summary.walked);
    assert_int_equal(summary.max_timestamp, t0 + 1000);
    assert_int_equal(summary.max_timestamp_delta, 3);
    assert_int_equal(summary.min_timestamp, t0);
    assert_int_equal(summary.records_size, 193);
    buf_release(&unpack);
}

static void reads_what_others_wrote(void **state)
{
    struct buf b;

    buf_init(&b, 1000);
    hex_append(&b, python_plain);
    expect_records(buf_slice(&b), 4, 0);
    expect_summary(buf_slice(&b));
    buf_clear(&b);
    hex_append(&b, python_gzip);
    expect_records(buf_slice(&b), 4, 0);
    expect_summary(buf_slice(&b));
    buf_clear(&b);
    hex_append(&b, python_transaction);
    assert_int_equal(batch_check_crc(buf_slice(&b)), E_OK);
    expect_records(buf_slice(&b), 2, 0);
    buf_release(&b);
}

static void writes_what_others_write(void **state)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder b;
    struct buf want, out;

    buf_init(&want, 1000);
    buf_init(&out, 1000);
    options.leader_epoch = 0; /* what kafka-python sends */
    batch_builder_init(&b, &options);
    assert_int_equal(add_four(&b), E_OK);
    assert_int_equal(batch_builder_size(&b), 254);
    assert_int_equal(batch_builder_finish(&b, &out), E_OK);
    hex_append(&want, python_plain);
    assert_true(slice_equal(buf_slice(&out), buf_slice(&want)));
    batch_builder_release(&b);

    options.transactional = true;
    options.producer_id = 4711;
    options.producer_epoch = 7;
    options.base_sequence = 42;
    batch_builder_init(&b, &options);
    buf_clear(&want);
    buf_clear(&out);
    for (size_t i = 0; i < 2; i++) {
        const struct record_header headers[] = {{slice_of_text("h1"), slice_of_text("x")},
                                                {slice_of_text("h2"), slice_of(NULL, 0)}};
        struct record_draft draft = {.timestamp_ms = t0 + four[i].timestamp_ms,
                                     .key = slice_of_text(four[i].key),
                                     .value = slice_of_text(four[i].value),
                                     .headers = headers,
                                     .header_count = four[i].header_count};

        assert_int_equal(batch_builder_add(&b, &draft), E_OK);
    }
    assert_int_equal(batch_builder_finish(&b, &out), E_OK);
    hex_append(&want, python_transaction);
    assert_true(slice_equal(buf_slice(&out), buf_slice(&want)));
    batch_builder_release(&b);
    buf_release(&want);
    buf_release(&out);
}

static void every_codec_round_trips(void **state)
{
    for (int id = 0; id < CODEC_COUNT; id++) {
        struct batch_options options = batch_options_init(100);
        struct batch_builder b;
        struct buf out;

        buf_init(&out, 4000);
        options.codec = (enum codec_id)id;
        options.producer_id = 1;
        options.producer_epoch = 0;
        options.base_sequence = INT32_MAX - 1;
        batch_builder_init(&b, &options);
        assert_int_equal(add_four(&b), E_OK);
        assert_int_equal(batch_builder_finish(&b, &out), E_OK);
        expect_records(buf_slice(&out), 4, 100);
        expect_summary(buf_slice(&out));
        /* the next batch follows on */
        assert_int_equal(b.options.base_offset, 104);
        assert_int_equal(b.options.base_sequence, 2);
        buf_clear(&out);
        assert_int_equal(add_four(&b), E_OK);
        assert_int_equal(batch_builder_finish(&b, &out), E_OK);
        expect_records(buf_slice(&out), 4, 104);
        batch_builder_release(&b);
        buf_release(&out);
    }
}

static void builder_refuses(void **state)
{
    const struct record_header null_key = {slice_of(NULL, 0), slice_of_text("x")};
    struct batch_options options = batch_options_init(0);
    struct record_draft draft = {.timestamp_ms = 1, .value = slice_of_text("12345678")};
    struct batch_builder b;
    struct buf out;

    buf_init(&out, 1000);
    options.size_max = 61 + 15 + 15 + 14; /* a third record does not fit */
    batch_builder_init(&b, &options);
    assert_int_equal(batch_builder_finish(&b, &out), E_INVAL); /* no record */
    assert_int_equal(batch_builder_add(&b, &draft), E_OK);
    assert_int_equal(batch_builder_size(&b), 61 + 15);
    draft.headers = &null_key;
    draft.header_count = 1;
    assert_int_equal(batch_builder_add(&b, &draft), E_INVAL);
    draft.header_count = 0;
    draft.timestamp_ms = INT64_MIN;
    assert_int_equal(batch_builder_add(&b, &draft), E_INVAL);
    draft.timestamp_ms = 2;
    draft.value.size = 1000;
    assert_int_equal(batch_builder_add(&b, &draft), E_TOO_BIG);
    draft.value.size = 8;
    assert_int_equal(batch_builder_add(&b, &draft), E_OK);
    assert_int_equal(batch_builder_add(&b, &draft), E_TOO_BIG);
    out.max = 61 + 29;
    assert_int_equal(batch_builder_finish(&b, &out), E_TOO_BIG);
    assert_int_equal(out.size, 0);
    out.max = 61 + 30; /* nothing was lost by trying */
    assert_int_equal(batch_builder_finish(&b, &out), E_OK);
    assert_int_equal(out.size, 61 + 30);
    batch_builder_release(&b);

    options.level = 3;
    batch_builder_init(&b, &options);
    assert_int_equal(batch_builder_add(&b, &draft), E_OK);
    out.max = 1000;
    assert_int_equal(batch_builder_finish(&b, &out), E_INVAL); /* none has no level */
    batch_builder_clear(&b);
    assert_int_equal(batch_builder_size(&b), 0);
    assert_int_equal(batch_builder_finish(&b, &out), E_INVAL);
    batch_builder_release(&b);
    batch_builder_release(NULL);
    buf_release(&out);
}

/* Timestamps far apart and offsets past 2^14: numbers of every length. */
static void long_numbers(void **state)
{
    static const int64_t times[] = {0, 63, 64, 8191, 8192, 1 << 20, 1LL << 40, -1, INT64_MAX - 1};
    struct batch_options options = batch_options_init(0);
    struct batch_builder b;
    struct record_iter it;
    struct record_view view;
    struct buf out;
    int32_t i = 0;

    buf_init(&out, 4 << 20);
    batch_builder_init(&b, &options);
    for (; i < 20000; i++) {
        struct record_draft draft = {.timestamp_ms = times[i % 9], .value = slice_of_text("v")};

        assert_int_equal(batch_builder_add(&b, &draft), E_OK);
    }
    assert_int_equal(batch_builder_finish(&b, &out), E_OK);
    assert_int_equal(record_iter_init(&it, buf_slice(&out), NULL), E_OK);
    for (i = 0; record_iter_next(&it, &view); i++) {
        assert_int_equal(view.offset, i);
        assert_int_equal(view.timestamp_ms, times[i % 9]);
    }
    assert_int_equal(i, 20000);
    assert_int_equal(record_iter_done(&it), E_OK);
    batch_builder_release(&b);
    buf_release(&out);
}

/* A batch of given record bytes; its header says what the arguments say. */
static enum err walk(const char *hex, int32_t count, int32_t last_delta, uint16_t attributes,
                     struct record_view *last_out)
{
    struct batch_header h = {.base_offset = 10,
                             .magic = 2,
                             .attributes = (int16_t)attributes,
                             .base_timestamp = 1000,
                             .max_timestamp = 7777,
                             .last_offset_delta = last_delta,
                             .record_count = count,
                             .producer_id = -1};
    struct record_iter it;
    uint8_t *exact;
    struct buf b;
    enum err e;

    buf_init(&b, 1000);
    assert_int_equal(buf_append(&b, "0123456789012345678901234567890123456789012345678901234567890",
                                BATCH_HEADER_SIZE),
                     E_OK);
    hex_append(&b, hex);
    h.size = (int32_t)b.size - BATCH_PREFIX_SIZE;
    batch_encode_header(&h, b.at);
    exact = malloc(b.size); /* no spare byte, so that a sanitizer sees an overread */
    memcpy(exact, b.at, b.size);
    e = record_iter_init(&it, slice_of(exact, b.size), NULL);
    if (e == E_OK) {
        while (record_iter_next(&it, last_out))
            continue;
        e = record_iter_done(&it);
    }
    free(exact);
    buf_release(&b);
    return e;
}

static void malformed_records(void **state)
{
    struct record_view v;

    /* length attributes time offset key value headers */
    assert_int_equal(walk("0e 00 00 00 01 02 61 00", 1, 0, 0, &v), E_OK);
    assert_int_equal(walk("0e 00 00 00 01 02 61 00", 2, 1, 0, &v), E_CORRUPT); /* one is missing */
    assert_int_equal(walk("0e 00 00 00 01 02 61 00 00", 1, 0, 0, &v), E_CORRUPT); /* left over */
    assert_int_equal(walk("", 0, 0, 0, &v), E_OK); /* kept for its producer */
    assert_int_equal(walk("0e", 1, 0, 0, &v), E_CORRUPT);
    assert_int_equal(walk("00", 1, 0, 0, &v), E_CORRUPT);                      /* no attributes */
    assert_int_equal(walk("01", 1, 0, 0, &v), E_CORRUPT);                      /* negative length */
    assert_int_equal(walk("10 00 00 00 01 02 61 00", 1, 0, 0, &v), E_CORRUPT); /* too long */
    assert_int_equal(walk("0c 00 00 00 01 02 61 00", 1, 0, 0, &v), E_CORRUPT); /* too short */
    assert_int_equal(walk("0e 00 00 00 03 02 61 00", 1, 0, 0, &v), E_CORRUPT); /* key of -2 */
    assert_int_equal(walk("0e 00 00 00 01 03 61 00", 1, 0, 0, &v), E_CORRUPT); /* value of -2 */
    assert_int_equal(walk("0e 00 00 00 08 02 61 00", 1, 0, 0, &v), E_CORRUPT); /* key past end */
    assert_int_equal(walk("0e 00 00 00 01 06 61 00", 1, 0, 0, &v), E_CORRUPT); /* value past end */
    assert_int_equal(walk("0e 00 00 00 01 02 61 01", 1, 0, 0, &v), E_CORRUPT); /* -1 headers */
    assert_int_equal(walk("0e 00 00 00 01 02 61 02", 1, 0, 0, &v), E_CORRUPT); /* none there */
    assert_int_equal(walk("12 00 00 00 01 02 61 02 00 01", 1, 0, 0, &v), E_OK);
    assert_int_equal(walk("12 00 00 00 01 02 61 02 01 01", 1, 0, 0, &v), E_CORRUPT); /* null key */
    assert_int_equal(walk("12 00 00 00 01 02 61 02 00 03", 1, 0, 0, &v), E_CORRUPT);
    assert_int_equal(walk("12 00 00 00 01 02 61 04 00 01", 1, 0, 0, &v), E_CORRUPT);
    assert_int_equal(walk("14 00 00 00 01 02 61 02 00 01 00", 1, 0, 0, &v), E_CORRUPT);
    /* varints of five bytes and of more bits than the number has */
    assert_int_equal(walk("8e80808000 00 00 00 01 02 61 00", 1, 0, 0, &v), E_OK);
    assert_int_equal(walk("8e80808010 00 00 00 01 02 61 00", 1, 0, 0, &v), E_CORRUPT);
    assert_int_equal(walk("8e8080808000 00 00 00 01 02 61 00", 1, 0, 0, &v), E_CORRUPT);
    assert_int_equal(walk("808080", 1, 0, 0, &v), E_CORRUPT);
}

static void offsets_and_times(void **state)
{
    struct record_view v = {0};

    /* compaction leaves gaps, and a last offset that has no record */
    assert_int_equal(walk("0e 00 02 04 01 02 61 00 0e 00 0a 0c 01 02 61 00", 2, 9, 0, &v), E_OK);
    assert_int_equal(v.offset, 16);
    assert_int_equal(v.timestamp_ms, 1005);
    assert_int_equal(walk("0e 00 02 04 01 02 61 00 0e 00 0a 04 01 02 61 00", 2, 9, 0, &v),
                     E_CORRUPT);                                               /* the same twice */
    assert_int_equal(walk("0e 00 02 04 01 02 61 00", 1, 1, 0, &v), E_CORRUPT); /* past the last */
    assert_int_equal(walk("0e 00 02 01 01 02 61 00", 1, 1, 0, &v), E_CORRUPT); /* negative */
    assert_int_equal(walk("0e 00 02 00 01 02 61 00", 1, 0, BATCH_LOG_APPEND_TIME, &v), E_OK);
    assert_int_equal(v.timestamp_ms, 7777);
    /* base 1000 and INT64_MAX more */
    assert_int_equal(walk("20 00 feffffffffffffffff01 00 01 02 61 00", 1, 0, 0, &v), E_CORRUPT);
    assert_int_equal(walk("0e 00 02 00 01 02 61 00", 1, 0, 7, &v), E_UNSUPPORTED); /* codec */
}

static void iteration_is_limited(void **state)
{
    struct record_iter it;
    struct buf b, unpack;

    buf_init(&b, 1000);
    buf_init(&unpack, 192); /* 193 are needed */
    hex_append(&b, python_gzip);
    assert_int_equal(record_iter_init(&it, buf_slice(&b), &unpack), E_TOO_BIG);
    b.at[100] ^= 1;
    assert_int_equal(record_iter_init(&it, buf_slice(&b), &unpack), E_CORRUPT);
    assert_int_equal(record_iter_init(&it, slice_of(b.at, b.size - 1), &unpack), E_TRUNCATED);
    b.at[BATCH_POS_MAGIC] = 1;
    assert_int_equal(record_iter_init(&it, buf_slice(&b), &unpack), E_UNSUPPORTED);
    buf_release(&b);
    buf_release(&unpack);
}

TESTS(test_record, cmocka_unit_test(reads_what_others_wrote),
      cmocka_unit_test(writes_what_others_write), cmocka_unit_test(every_codec_round_trips),
      cmocka_unit_test(builder_refuses), cmocka_unit_test(long_numbers),
      cmocka_unit_test(malformed_records), cmocka_unit_test(offsets_and_times),
      cmocka_unit_test(iteration_is_limited));
