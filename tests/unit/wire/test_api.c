#include "wire/api.h"

#include "base/buf.h"
#include "unit.h"
#include "wire/error.h"
#include "wire/fetch.h"
#include "wire/header.h"
#include "wire/metadata_record.h"
#include "wire/produce.h"

static void table_is_sorted_and_found(void **state)
{
    size_t count;
    const struct wire_api *apis = wire_apis(&count);

    assert_true(count >= 12);
    for (size_t i = 0; i < count; i++) {
        assert_true(i == 0 || apis[i - 1].key < apis[i].key);
        assert_ptr_equal(wire_api_find(apis[i].key), &apis[i]);
        assert_true(apis[i].version_min <= apis[i].version_max);
        assert_true(apis[i].listeners != 0);
    }
    assert_null(wire_api_find(-1));
    assert_null(wire_api_find(7));
    assert_null(wire_api_find(INT16_MAX));
}

static void what_is_advertised_and_served(void **state)
{
    const struct wire_api *produce = wire_api_find(WIRE_API_PRODUCE);
    const struct wire_api *init = wire_api_find(WIRE_API_INIT_PRODUCER_ID);

    assert_int_equal(produce->advertised_min, 0);
    assert_int_equal(produce->advertised_max, 13);
    assert_false(wire_api_serves(produce, 2));
    assert_true(wire_api_serves(produce, 3));
    assert_true(wire_api_serves(produce, 13));
    assert_false(wire_api_serves(produce, 14));
    assert_int_equal(init->advertised_max, 5);
    assert_true(wire_api_serves(init, 5));
    assert_false(wire_api_serves(init, 6));
    assert_string_equal(wire_api_find(WIRE_API_FETCH)->name, "Fetch");
    assert_true(wire_api_is_flexible(produce, 9));
    assert_false(wire_api_is_flexible(produce, 8));
}

static void request_headers(void **state)
{
    const uint8_t v1[] = {0, 0, 0, 8, 0, 0, 0, 5, 0, 2, 'm', 'e'};
    const uint8_t v2[] = {0, 0, 0, 9, 0, 0, 0, 6, 0xff, 0xff, 1, 3, 1, 'x'};
    const uint8_t unknown[] = {0x7f, 0xff, 0, 0, 0, 0, 0, 1};
    const uint8_t future[] = {0, 18, 0, 99, 0, 0, 0, 1, 0, 0, 0, 0xee};
    struct wire_request_header h;
    struct reader r = reader_init(v1, sizeof(v1));

    assert_int_equal(wire_request_header_decode(&r, &h), E_OK);
    assert_int_equal(reader_done(&r), E_OK);
    assert_int_equal(h.api_version, 8);
    assert_int_equal(h.correlation_id, 5);
    assert_true(slice_equal_text(h.client_id, "me"));
    r = reader_init(v2, sizeof(v2));
    assert_int_equal(wire_request_header_decode(&r, &h), E_OK);
    assert_int_equal(reader_done(&r), E_OK);
    assert_null(h.client_id.at);
    r = reader_init(unknown, sizeof(unknown));
    assert_int_equal(wire_request_header_decode(&r, &h), E_UNSUPPORTED);
    r = reader_init(future, sizeof(future));
    assert_int_equal(wire_request_header_decode(&r, &h), E_OK);
    assert_int_equal(reader_left(&r), 1);
}

static void headers_round_trip(void **state)
{
    size_t count;
    const struct wire_api *apis = wire_apis(&count);

    for (size_t i = 0; i < count; i++) {
        for (int16_t version = apis[i].version_min; version <= apis[i].version_max; version++) {
            const struct wire_request_header in = {apis[i].key, version, 77, slice_of("id", 2)};
            struct wire_request_header h;
            int32_t correlation_id;
            struct buf b;
            struct writer w = writer_init(&b);
            struct reader r;

            buf_init(&b, 1024);
            wire_request_header_encode(&w, &in);
            assert_int_equal(writer_done(&w), E_OK);
            r = reader_init(b.at, b.size);
            assert_int_equal(wire_request_header_decode(&r, &h), E_OK);
            assert_int_equal(reader_done(&r), E_OK);
            assert_int_equal(h.correlation_id, 77);
            buf_clear(&b);
            wire_response_header_encode(&w, apis[i].key, version, 78);
            assert_int_equal(writer_done(&w), E_OK);
            assert_int_equal(b.size, apis[i].key != WIRE_API_API_VERSIONS &&
                                             wire_api_is_flexible(&apis[i], version)
                                         ? 5
                                         : 4);
            r = reader_init(b.at, b.size);
            assert_int_equal(wire_response_header_decode(&r, apis[i].key, version, &correlation_id),
                             E_OK);
            assert_int_equal(correlation_id, 78);
            buf_release(&b);
        }
    }
}

static void records_become_cuts(void **state)
{
    struct wire_fetch_response_partition_data partition;
    struct wire_fetch_response_fetchable_topic_response topic;
    struct wire_fetch_response m;
    struct writer_cut cuts[1];
    struct buf b;
    struct writer w = writer_init(&b);

    buf_init(&b, 1024);
    writer_accept_cuts(&w, cuts, 1);
    wire_fetch_response_init(&m);
    wire_fetch_response_fetchable_topic_response_init(&topic);
    wire_fetch_response_partition_data_init(&partition);
    partition.records = (struct wire_records){.size = 1000, .cut = true, .cut_ref = 9};
    partition.current_leader.leader_id = 3; /* a tag, inserted after the cut was noted */
    topic.partitions = &partition;
    topic.partitions_count = 1;
    m.responses = &topic;
    m.responses_count = 1;
    wire_fetch_response_encode(&w, 12, &m);
    assert_int_equal(writer_done(&w), E_OK);
    assert_int_equal(w.cut_count, 1);
    assert_int_equal(cuts[0].size, 1000);
    assert_int_equal(cuts[0].ref, 9);
    assert_int_equal(b.at[cuts[0].pos - 2], 0xe9); /* varint 1001 ends where the records start */
    assert_int_equal(b.at[cuts[0].pos - 1], 0x07);
    assert_int_equal(b.at[cuts[0].pos], 1); /* tags of the partition: one */
    buf_release(&b);
}

static void defaults(void **state)
{
    struct wire_fetch_response_partition_data partition;
    struct wire_produce_response_partition_produce_response produced;

    wire_fetch_response_partition_data_init(&partition);
    assert_int_equal(partition.preferred_read_replica, -1);
    assert_int_equal(partition.last_stable_offset, -1);
    assert_int_equal(partition.current_leader.leader_epoch, -1);
    assert_int_equal(partition.records.size, 0);
    wire_produce_response_partition_produce_response_init(&produced);
    assert_int_equal(produced.log_append_time_ms, -1);
    assert_null(produced.error_message.at);
}

static void metadata_frames(void **state)
{
    struct wire_metadata_frame frame = {.key = 300, .version = 2};
    const uint8_t other[] = {2, 2, 0};
    const uint8_t huge[] = {1, 0xff, 0xff, 0x7f, 0};
    struct buf b;
    struct writer w = writer_init(&b);
    struct reader r;

    buf_init(&b, 64);
    wire_metadata_frame_encode(&w, frame);
    assert_int_equal(writer_done(&w), E_OK);
    assert_int_equal(b.size, 4);
    r = reader_init(b.at, b.size);
    frame = (struct wire_metadata_frame){0};
    assert_int_equal(wire_metadata_frame_decode(&r, &frame), E_OK);
    assert_int_equal(frame.key, 300);
    assert_int_equal(frame.version, 2);
    r = reader_init(other, sizeof(other));
    assert_int_equal(wire_metadata_frame_decode(&r, &frame), E_UNSUPPORTED);
    r = reader_init(huge, sizeof(huge));
    assert_int_equal(wire_metadata_frame_decode(&r, &frame), E_UNSUPPORTED);
    r = reader_init(huge, 1);
    assert_int_equal(wire_metadata_frame_decode(&r, &frame), E_TRUNCATED);
    assert_string_equal(wire_metadata_key_name(WIRE_METADATA_TOPIC_RECORD), "TopicRecord");
    assert_null(wire_metadata_key_name(999));
    buf_release(&b);
}

static void errors(void **state)
{
    assert_int_equal(wire_error_of(E_OK), 0);
    assert_int_equal(wire_error_of(E_NO_SPACE), WIRE_ERROR_KAFKA_STORAGE_ERROR);
#define X(code, text) assert_true(code == E_OK || wire_error_of(code) != WIRE_ERROR_NONE);
    ERR_MAP(X)
#undef X
    assert_string_equal(wire_error_name(56), "KAFKA_STORAGE_ERROR");
    assert_string_equal(wire_error_name(-1), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(wire_error_name(0), "NONE");
    assert_string_equal(wire_error_name(9999), "UNKNOWN");
    assert_true(strlen(wire_error_text(9999)) > 0);
    assert_int_equal(WIRE_ERROR_UNSUPPORTED_VERSION, 35);
    assert_int_equal(WIRE_ERROR_SHARE_SESSION_LIMIT_REACHED, 133);
}

TESTS(test_api, cmocka_unit_test(table_is_sorted_and_found),
      cmocka_unit_test(what_is_advertised_and_served), cmocka_unit_test(request_headers),
      cmocka_unit_test(headers_round_trip), cmocka_unit_test(records_become_cuts),
      cmocka_unit_test(defaults), cmocka_unit_test(metadata_frames), cmocka_unit_test(errors));
