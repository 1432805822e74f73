#include "messages.h"

#include "base/buf.h"
#include "unit.h"
#include "wire/api_versions.h"
#include "wire/fetch.h"
#include "wire/metadata.h"
#include "wire/partition_record.h"
#include "wire/produce.h"
#include "wire/register_broker_record.h"

/* Bytes that other implementations made: bodies without their headers. */
struct vector {
    const char *name;
    int16_t version;
    const char *hex;
};

/* clang-format off */
static const struct vector vectors[] = {
    /* kafka-python 2.0.2 */
    {"ApiVersionsRequest", 0, ""},
    {"ApiVersionsResponse", 0, "002300000001001200000004"},
    {"ApiVersionsResponse", 1, "00000000000200000000000d00010004001200000007"},
    {"MetadataRequest", 0, "000000020001610007746f7069632d62"},
    {"MetadataRequest", 1, "ffffffff"},
    {"MetadataRequest", 5, "0000000100017400"},
    {"MetadataResponse", 0,
     "000000010000000100096c6f63616c686f7374000023840000000100000001740000000100000000"
     "0000000000010000000200000001000000020000000100000001"},
    {"MetadataResponse", 5,
     "00000003000000020000000100096c6f63616c686f737400002384ffff0000000200016800002385"
     "00047261636b0007636c757374657200000002000000020000000174000000000100000000000000"
     "0000010000000200000001000000020000000100000001000000010000000200030004676f6e6501"
     "00000000"},
    {"ProduceRequest", 3,
     "ffffffff00007530000000010001740000000200000000000000077265636f726473000000010000"
     "00046d6f7265"},
    {"ProduceRequest", 7, "0002747800010000000100000001000174000000010000000500000000"},
    {"ProduceResponse", 3,
     "0000000100017400000001000000000000000000000000002affffffffffffffff00000000"},
    {"FetchRequest", 4,
     "ffffffff000001f40000000103200000010000000100017400000001000000000000000000000064"
     "00100000"},
    {"FetchRequest", 11,
     "ffffffff000001f40000000103200000000000000700000002000000010001740000000100000000"
     "000000040000000000000064ffffffffffffffff0010000000000000000172"},
    {"FetchResponse", 4,
     "00000000000000010001740000000100000000000000000000000000c800000000000000c7ffffff"
     "ff0000000762617463686573"},
    {"FetchResponse", 11,
     "00000000000000000007000000010001740000000100000000000100000000000000c80000000000"
     "0000c700000000000000050000000100000000000003e80000000000000096ffffffff00000000"},
    {"ListOffsetsRequest", 1, "ffffffff000000010001740000000100000000fffffffffffffffe"},
    {"FindCoordinatorRequest", 0, "000167"},
    {"FindCoordinatorRequest", 1, "0002747801"},
    {"CreateTopicsRequest", 3,
     "000000020001740000000300010000000000000001000c726574656e74696f6e2e6d730004313030"
     "30000175ffffffffffff000000010000000000000002000000010000000200000001000178ffff00"
     "00753001"},
    {"CreateTopicsResponse", 3, "000000000000000100017400240006657869737473"},
    {"DeleteTopicsRequest", 3, "00000002000174000175000003e8"},
    {"DeleteTopicsResponse", 3, "00000001000000010001740003"},
    {"CreatePartitionsRequest", 1,
     "0000000200017400000006000000020000000100000001000000010000000200017500000002ffff"
     "ffff0000000500"},
    {"DescribeConfigsRequest", 2,
     "000000020200017400000001000c726574656e74696f6e2e6d7304000131ffffffff01"},
    {"DescribeConfigsResponse", 2,
     "0000000000000001000000000200017400000001000c726574656e74696f6e2e6d73000131000100"
     "0000000100106c6f672e726574656e74696f6e2e6d7300013205"},
    /* Apache Kafka 4.2.0, the generated classes of kafka-clients and kafka-metadata */
    {"ApiVersionsRequest", 3, "056b63617404312e3700"},
    {"ApiVersionsResponse", 4,
     "00000200000000000d0000000000030014020e6b726166742e76657273696f6e0000000100010800"
     "0000000000000c021702116d657461646174612e76657273696f6e001d001d00"},
    {"ProduceRequest", 9, "00ffff000075300202740200000002087265636f726473000000"},
    {"ProduceRequest", 13,
     "037478000100000001020102030405060708090a0b0c0d0e0f100200000002087265636f72647300"
     "0000"},
    {"ProduceResponse", 10,
     "02027402000000020006ffffffffffffffffffffffffffffffffffffffffffffffff020000000104"
     "62616400066d6f766564010009000000030000000900000000000001000d02000000030268000023"
     "840000"},
    {"FetchRequest", 12,
     "ffffffff000001f4000000017fffffff0000000000ffffffff020274020000000100000004000000"
     "0000000064ffffffffffffffffffffffff001000000000010100"},
    {"FetchRequest", 18,
     "000001f4000000017fffffff0000000000ffffffff020102030405060708090a0b0c0d0e0f100200"
     "000001000000040000000000000064ffffffffffffffffffffffff00100000020010010203040506"
     "0708090a0b0c0d0e0f100108000000000000004d00020102030405060708090a0b0c0d0e0f100200"
     "000003000102000303636c010d00000002000000000000000500"},
    {"FetchResponse", 16,
     "00000000000000000007020102030405060708090a0b0c0d0e0f1002000000010000000000000000"
     "00c800000000000000c700000000000000000200000000000003e8000000000000007800ffffffff"
     "086261746368657301000d000000030000000000000096000000"},
    {"MetadataRequest", 12, "00010000"},
    {"MetadataRequest", 13, "020102030405060708090a0b0c0d0e0f100000000000"},
    {"MetadataResponse", 12,
     "0000000002000000010a6c6f63616c686f737400002384000003636c000000010200000274010203"
     "0405060708090a0b0c0d0e0f10000200000000000000000001000000020200000001020000000101"
     "00800000000000"},
    {"InitProducerIdRequest", 4, "010000ea60ffffffffffffffffffff00"},
    {"InitProducerIdResponse", 4, "0000000000000000000000000fa0000000"},
    {"FindCoordinatorRequest", 4, "00030267026800"},
    {"DescribeClusterResponse", 2, "000000000000000103636c00000001018000000000"},
    {"TopicRecord", 0, "02740102030405060708090a0b0c0d0e0f1000"},
    {"PartitionRecord", 2,
     "000000000102030405060708090a0b0c0d0e0f100300000001000000020200000001010100000001"
     "0000000000000000030102030405060708090a0b0c0d0e0f100102030405060708090a0b0c0d0e0f"
     "100101050200000002"},
    {"FeatureLevelRecord", 0, "116d657461646174612e76657273696f6e001d00"},
    {"RegisterBrokerRecord", 3,
     "00000001000102030405060708090a0b0c0d0e0f100000000000000003020a504c41494e54455854"
     "0268bfc400000001010100010011020102030405060708090a0b0c0d0e0f10"},
    {"ConfigRecord", 0, "0202740d726574656e74696f6e2e6d73023100"},
    {"LeaderChangeMessage", 0, "00000000000102000000010002000000010000"},
    {"EndTxnMarker", 0, "00000005"},
};
/* clang-format on */

enum { BYTES_MAX = 1024, MEMORY_MAX = 1 << 20 };

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

static struct slice unhex(const char *hex, uint8_t bytes[BYTES_MAX])
{
    size_t size = strlen(hex) / 2;

    assert_true(size <= BYTES_MAX);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return slice_of(bytes, size);
}

static const struct message *message_get(const char *name)
{
    for (size_t i = 0; i < message_count; i++) {
        if (strcmp(messages[i].name, name) == 0)
            return &messages[i];
    }
    fail_msg("no message %s", name);
    return NULL;
}

static void others_bytes_are_read_and_made(void **state)
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        const struct message *m = message_get(vectors[i].name);
        uint8_t bytes[BYTES_MAX];
        struct slice in = unhex(vectors[i].hex, bytes);
        struct reader r = reader_init(in.at, in.size);
        void *value = calloc(1, m->size);
        struct arena a;
        struct buf b;
        struct writer w = writer_init(&b);

        arena_init(&a, MEMORY_MAX);
        buf_init(&b, MEMORY_MAX);
        if (m->decode(&r, vectors[i].version, &a, value) != E_OK || reader_done(&r) != E_OK)
            fail_msg("%s v%d is not understood", m->name, vectors[i].version);
        m->encode(&w, vectors[i].version, value);
        assert_int_equal(writer_done(&w), E_OK);
        if (!slice_equal(buf_slice(&b), in))
            fail_msg("%s v%d comes out different", m->name, vectors[i].version);
        arena_release(&a);
        buf_release(&b);
        free(value);
    }
}

static struct reader vector_find(const char *name, int16_t version, uint8_t bytes[BYTES_MAX])
{
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        if (strcmp(vectors[i].name, name) == 0 && vectors[i].version == version) {
            struct slice s = unhex(vectors[i].hex, bytes);

            return reader_init(s.at, s.size);
        }
    }
    fail_msg("no vector %s v%d", name, version);
    return reader_init(NULL, 0);
}

static void fields_of_produce(void **state)
{
    uint8_t bytes[BYTES_MAX];
    struct wire_produce_request m;
    struct wire_produce_response answer;
    struct arena a;
    struct reader r = vector_find("ProduceRequest", 3, bytes);

    arena_init(&a, MEMORY_MAX);
    assert_int_equal(wire_produce_request_decode(&r, 3, &a, &m), E_OK);
    assert_null(m.transactional_id.at);
    assert_int_equal(m.acks, -1);
    assert_int_equal(m.timeout_ms, 30000);
    assert_int_equal(m.topic_data_count, 1);
    assert_true(slice_equal_text(m.topic_data[0].name, "t"));
    assert_int_equal(m.topic_data[0].partition_data_count, 2);
    assert_int_equal(m.topic_data[0].partition_data[1].index, 1);
    assert_int_equal(m.topic_data[0].partition_data[1].records.size, 4);
    assert_memory_equal(m.topic_data[0].partition_data[1].records.at, "more", 4);
    r = vector_find("ProduceRequest", 13, bytes);
    assert_int_equal(wire_produce_request_decode(&r, 13, &a, &m), E_OK);
    assert_true(slice_equal_text(m.transactional_id, "tx"));
    assert_int_equal(m.topic_data[0].topic_id.bytes[15], 16);
    assert_int_equal(m.topic_data[0].partition_data[0].index, 2);
    r = vector_find("ProduceResponse", 10, bytes);
    assert_int_equal(wire_produce_response_decode(&r, 10, &a, &answer), E_OK);
    assert_int_equal(answer.responses[0].partition_responses[0].error_code, 6);
    assert_int_equal(answer.responses[0].partition_responses[0].current_leader.leader_epoch, 9);
    assert_true(
        slice_equal_text(answer.responses[0].partition_responses[0].error_message, "moved"));
    assert_int_equal(answer.node_endpoints_count, 1);
    assert_int_equal(answer.node_endpoints[0].port, 9092);
    arena_release(&a);
}

static void fields_of_fetch(void **state)
{
    uint8_t bytes[BYTES_MAX];
    struct wire_fetch_request m;
    struct wire_fetch_response answer;
    struct wire_fetch_response_partition_data *p;
    struct arena a;
    struct reader r = vector_find("FetchRequest", 4, bytes);

    arena_init(&a, MEMORY_MAX);
    assert_int_equal(wire_fetch_request_decode(&r, 4, &a, &m), E_OK);
    assert_int_equal(m.max_wait_ms, 500);
    assert_int_equal(m.isolation_level, 1);
    assert_int_equal(m.session_epoch, -1); /* the default of a field that v4 has not */
    assert_int_equal(m.topics[0].partitions[0].fetch_offset, 100);
    assert_int_equal(m.topics[0].partitions[0].current_leader_epoch, -1);
    r = vector_find("FetchRequest", 18, bytes);
    assert_int_equal(wire_fetch_request_decode(&r, 18, &a, &m), E_OK);
    assert_true(slice_equal_text(m.cluster_id, "cl"));
    assert_int_equal(m.replica_id, -1);
    assert_int_equal(m.replica_state.replica_id, 2);
    assert_int_equal(m.replica_state.replica_epoch, 5);
    assert_int_equal(m.max_bytes, 0x7fffffff);
    assert_int_equal(m.topics[0].partitions[0].high_watermark, 77);
    assert_int_equal(m.topics[0].partitions[0].replica_directory_id.bytes[0], 1);
    assert_int_equal(m.forgotten_topics_data[0].partitions[0], 3);
    r = vector_find("FetchResponse", 16, bytes);
    assert_int_equal(wire_fetch_response_decode(&r, 16, &a, &answer), E_OK);
    p = &answer.responses[0].partitions[0];
    assert_int_equal(p->last_stable_offset, 199);
    assert_int_equal(p->diverging_epoch.end_offset, 150);
    assert_int_equal(p->current_leader.leader_id, -1);
    assert_int_equal(p->aborted_transactions[0].first_offset, 120);
    assert_int_equal(p->records.size, 7);
    assert_int_equal(p->preferred_read_replica, -1);
    r = vector_find("FetchResponse", 4, bytes);
    assert_int_equal(wire_fetch_response_decode(&r, 4, &a, &answer), E_OK);
    assert_int_equal(answer.responses[0].partitions[0].aborted_transactions_count, -1);
    arena_release(&a);
}

static void fields_of_the_rest(void **state)
{
    uint8_t bytes[BYTES_MAX];
    struct wire_api_versions_response versions;
    struct wire_metadata_request metadata;
    struct wire_metadata_response answer;
    struct wire_partition_record partition;
    struct wire_register_broker_record broker;
    struct arena a;
    struct reader r = vector_find("ApiVersionsResponse", 4, bytes);

    arena_init(&a, MEMORY_MAX);
    assert_int_equal(wire_api_versions_response_decode(&r, 4, &a, &versions), E_OK);
    assert_int_equal(versions.finalized_features_epoch, 12);
    assert_true(slice_equal_text(versions.finalized_features[0].name, "metadata.version"));
    assert_int_equal(versions.finalized_features[0].max_version_level, 29);
    assert_false(versions.zk_migration_ready);
    r = vector_find("MetadataRequest", 13, bytes);
    assert_int_equal(wire_metadata_request_decode(&r, 13, &a, &metadata), E_OK);
    assert_null(metadata.topics[0].name.at);
    assert_false(metadata.allow_auto_topic_creation);
    r = vector_find("MetadataRequest", 1, bytes);
    assert_int_equal(wire_metadata_request_decode(&r, 1, &a, &metadata), E_OK);
    assert_int_equal(metadata.topics_count, -1);
    assert_true(metadata.allow_auto_topic_creation);
    r = vector_find("MetadataResponse", 5, bytes);
    assert_int_equal(wire_metadata_response_decode(&r, 5, &a, &answer), E_OK);
    assert_int_equal(answer.brokers_count, 2);
    assert_true(slice_equal_text(answer.brokers[1].rack, "rack"));
    assert_int_equal(answer.topics[0].partitions[0].offline_replicas[0], 2);
    assert_true(answer.topics[1].is_internal);
    assert_int_equal(answer.cluster_authorized_operations, INT32_MIN);
    r = vector_find("PartitionRecord", 2, bytes);
    assert_int_equal(wire_partition_record_decode(&r, 2, &a, &partition), E_OK);
    assert_int_equal(partition.replicas[1], 2);
    assert_int_equal(partition.eligible_leader_replicas_count, 1);
    assert_int_equal(partition.last_known_elr_count, -1);
    r = vector_find("RegisterBrokerRecord", 3, bytes);
    assert_int_equal(wire_register_broker_record_decode(&r, 3, &a, &broker), E_OK);
    assert_int_equal(broker.end_points[0].port, 49092);
    assert_true(broker.fenced);
    assert_int_equal(broker.log_dirs_count, 1);
    arena_release(&a);
}

TESTS(test_vectors, cmocka_unit_test(others_bytes_are_read_and_made),
      cmocka_unit_test(fields_of_produce), cmocka_unit_test(fields_of_fetch),
      cmocka_unit_test(fields_of_the_rest));
