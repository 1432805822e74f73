#include "rig.h"

#include <stdio.h>

#include "unit.h"
#include "wire/api_versions.h"
#include "wire/create_topics.h"
#include "wire/describe_configs.h"
#include "wire/find_coordinator.h"
#include "wire/metadata.h"

static void versions(struct client *c, int16_t version, struct wire_api_versions_response *out)
{
    struct wire_api_versions_request in;

    wire_api_versions_request_init(&in);
    in.client_software_name = slice_of_text("unit");
    in.client_software_version = slice_of_text("1.0");
    CALL(c, api_versions, API_VERSIONS, version, &in, out);
}

static void test_api_versions(void **state)
{
    static const uint8_t newest[] = {0, 0, 0, 11, 0, 18, 0, 99, 0, 0, 0, 7, 0xff, 0xff, 0};
    struct wire_api_versions_response out;
    struct wire_api_versions_request in;
    struct reader answer;
    struct client c;
    struct rig r;

    rig_start(&r, 1, NULL);
    client_open(&c, &r);
    for (int16_t v = 0; v <= 4; v++) {
        bool has_zero = false;

        versions(&c, v, &out);
        assert_int_equal(out.error_code, 0);
        assert_true(out.api_keys_count >= 10);
        for (int32_t i = 0; i < out.supported_features_count; i++)
            has_zero = has_zero || out.supported_features[i].min_version == 0;
        assert_int_equal(has_zero, v == 4);
        assert_int_equal(out.finalized_features_count > 0, v >= 3);
    }
    /* A version from the future is answered in the form of v0. */
    client_send(&c, newest, sizeof(newest));
    answer = client_answer(&c, WIRE_API_API_VERSIONS, 0);
    assert_int_equal(c.answered_id, 7);
    assert_int_equal(wire_api_versions_response_decode(&answer, 0, &r.arena, &out), E_OK);
    assert_int_equal(out.error_code, WIRE_ERROR_UNSUPPORTED_VERSION);
    assert_true(out.api_keys_count >= 1);
    wire_api_versions_request_init(&in);
    in.client_software_name = slice_of_text("no blanks");
    in.client_software_version = slice_of_text("1");
    CALL(&c, api_versions, API_VERSIONS, 3, &in, &out);
    assert_int_equal(out.error_code, WIRE_ERROR_INVALID_REQUEST);
    client_close(&c);
    rig_stop(&r);
}

static struct wire_metadata_response_metadata_response_topic *ask(
    struct client *c, const char *name, bool may_create, struct wire_metadata_response *out)
{
    struct wire_metadata_request_metadata_request_topic t;
    struct wire_metadata_request in;

    wire_metadata_request_init(&in);
    wire_metadata_request_metadata_request_topic_init(&t);
    t.name = slice_of_text(name);
    in.topics = &t;
    in.topics_count = 1;
    in.allow_auto_topic_creation = may_create;
    CALL(c, metadata, METADATA, 12, &in, out);
    assert_int_equal(out->topics_count, 1);
    return &out->topics[0];
}

static void metadata_run(int shards, bool auto_create)
{
    static const char *const off[] = {"auto.create.topics.enable=false", NULL};
    struct wire_metadata_request_metadata_request_topic t;
    struct wire_metadata_request in;
    struct wire_metadata_response out;
    struct client c;
    struct rig r;

    rig_start(&r, shards, auto_create ? NULL : off);
    client_open(&c, &r);
    assert_int_equal(ask(&c, "t", false, &out)->error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(out.brokers_count, 1);
    assert_int_equal(out.brokers[0].port, r.port);
    assert_int_equal(ask(&c, "t", true, &out)->error_code,
                     auto_create ? 0 : WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(ask(&c, "a b", true, &out)->error_code, WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(ask(&c, "", true, &out)->error_code, WIRE_ERROR_INVALID_TOPIC_EXCEPTION);

    wire_metadata_request_init(&in);
    wire_metadata_request_metadata_request_topic_init(&t);
    in.topics = &t;
    in.topics_count = 1;
    t.name = slice_of(NULL, 0);
    t.topic_id = (struct uuid){{9}};
    CALL(&c, metadata, METADATA, 12, &in, &out);
    assert_int_equal(out.topics[0].error_code, WIRE_ERROR_UNKNOWN_TOPIC_ID);
    in.topics_count = 0;
    CALL(&c, metadata, METADATA, 12, &in, &out);
    assert_int_equal(out.topics_count, 0);
    CALL(&c, metadata, METADATA, 0, &in, &out); /* nothing was all, then */
    assert_int_equal(out.topics_count, auto_create);
    client_close(&c);
    rig_stop(&r);
}

static void test_metadata(void **state)
{
    metadata_run(1, true);
    metadata_run(1, false);
    metadata_run(4, true);
}

/* Thousands of unknown names do not stall the shard, nor fail all. */
static void test_many_unknown_names(void **state)
{
    enum { COUNT = 20000 };
    struct wire_metadata_request_metadata_request_topic *topics = calloc(COUNT, sizeof(*topics));
    char(*names)[12] = calloc(COUNT, sizeof(*names));
    struct wire_metadata_request in;
    struct wire_metadata_response out;
    struct client c;
    struct rig r;

    rig_start(&r, 1, NULL);
    client_open(&c, &r);
    wire_metadata_request_init(&in);
    for (int i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof(names[i]), "t%d", i);
        wire_metadata_request_metadata_request_topic_init(&topics[i]);
        topics[i].name = slice_of_text(names[i]);
    }
    in.topics = topics;
    in.topics_count = COUNT;
    in.allow_auto_topic_creation = true;
    CALL(&c, metadata, METADATA, 12, &in, &out);
    assert_int_equal(out.topics_count, COUNT);
    assert_int_equal(out.topics[0].error_code, 0);
    assert_int_equal(out.topics[COUNT - 1].error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    client_close(&c);
    rig_stop(&r);
    free(topics);
    free(names);
}

static int32_t configs_count(struct client *c, int8_t type, const char *name, int16_t error)
{
    struct wire_describe_configs_request_describe_configs_resource resource;
    struct wire_describe_configs_request in;
    struct wire_describe_configs_response out;

    wire_describe_configs_request_init(&in);
    wire_describe_configs_request_describe_configs_resource_init(&resource);
    resource.resource_type = type;
    resource.resource_name = slice_of_text(name);
    resource.configuration_keys_count = -1;
    in.resources = &resource;
    in.resources_count = 1;
    in.include_synonyms = true;
    CALL(c, describe_configs, DESCRIBE_CONFIGS, 4, &in, &out);
    assert_int_equal(out.results_count, 1);
    assert_int_equal(out.results[0].error_code, error);
    return out.results[0].configs_count;
}

static void test_describe_configs(void **state)
{
    struct client c;
    struct rig r;

    rig_start(&r, 1, NULL);
    client_open(&c, &r);
    client_create(&c, "t", 1);
    assert_true(configs_count(&c, 2, "t", 0) > 10);
    assert_true(configs_count(&c, 4, "1", 0) > 10);
    assert_int_equal(configs_count(&c, 4, "", 0), 0);
    configs_count(&c, 4, "2", WIRE_ERROR_INVALID_REQUEST);
    configs_count(&c, 4, "x", WIRE_ERROR_INVALID_REQUEST);
    configs_count(&c, 2, "u", WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    configs_count(&c, 2, "a b", WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    configs_count(&c, 77, "t", WIRE_ERROR_INVALID_REQUEST);
    client_close(&c);
    rig_stop(&r);
}

TESTS(test_admin, cmocka_unit_test(test_api_versions), cmocka_unit_test(test_metadata),
      cmocka_unit_test(test_many_unknown_names), cmocka_unit_test(test_describe_configs));
