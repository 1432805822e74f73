#include "chaos.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/writer.h"
#include "wire/abort_transaction_record.h"
#include "wire/access_control_entry_record.h"
#include "wire/begin_transaction_record.h"
#include "wire/broker_registration_change_record.h"
#include "wire/clear_elr_record.h"
#include "wire/client_quota_record.h"
#include "wire/config_record.h"
#include "wire/delegation_token_record.h"
#include "wire/end_transaction_record.h"
#include "wire/feature_level_record.h"
#include "wire/fence_broker_record.h"
#include "wire/metadata_record.h"
#include "wire/no_op_record.h"
#include "wire/partition_change_record.h"
#include "wire/partition_record.h"
#include "wire/producer_ids_record.h"
#include "wire/register_broker_record.h"
#include "wire/register_controller_record.h"
#include "wire/remove_access_control_entry_record.h"
#include "wire/remove_delegation_token_record.h"
#include "wire/remove_topic_record.h"
#include "wire/remove_user_scram_credential_record.h"
#include "wire/topic_record.h"
#include "wire/unfence_broker_record.h"
#include "wire/unregister_broker_record.h"
#include "wire/user_scram_credential_record.h"
#include "wire/zk_migration_state_record.h"

enum { NAMES = 6, TOPIC_IDS = 40, BROKERS = 6, INDEXES = 5, SET_MAX = 5 };

struct chaos {
    struct rng *rng;
    const struct meta_image *image;
    struct writer w;
    int32_t sets[8][SET_MAX];
    struct uuid directories[SET_MAX];
    int set_count;
};

static int below(struct chaos *c, int n)
{
    return (int)rng_below(c->rng, (uint64_t)n);
}

static struct slice name(struct chaos *c)
{
    static const char *const names[NAMES] = {"a", "b.c", "b_c", "long-name", "x", "y"};

    return slice_of_text(names[below(c, NAMES)]);
}

static struct uuid id(struct chaos *c, int kinds)
{
    return (struct uuid){{(uint8_t)(1 + below(c, kinds))}};
}

/* The id of a topic that there is, when there is one and mostly. */
static struct uuid topic_id(struct chaos *c)
{
    const struct meta_topic *topic = meta_image_topic(c->image, name(c));

    return topic != NULL && below(c, 8) > 0 ? topic->id : id(c, TOPIC_IDS);
}

/* Up to SET_MAX brokers, rarely one twice. */
static const int32_t *set(struct chaos *c, int least, int32_t *count_out)
{
    int32_t *at = c->sets[c->set_count++];
    int first = below(c, BROKERS);

    *count_out = least + below(c, SET_MAX - least);
    for (int32_t i = 0; i < *count_out; i++)
        at[i] = below(c, 60) == 0 ? 0 : (first + i) % BROKERS;
    return at;
}

static void begin(struct chaos *c, int16_t key, int16_t version)
{
    wire_metadata_frame_encode(&c->w, (struct wire_metadata_frame){key, version});
}

static void topic(struct chaos *c)
{
    struct wire_topic_record m = {.name = name(c), .topic_id = id(c, TOPIC_IDS)};

    begin(c, WIRE_METADATA_TOPIC_RECORD, 0);
    wire_topic_record_encode(&c->w, 0, &m);
}

static void remove_topic(struct chaos *c)
{
    struct wire_remove_topic_record m = {.topic_id = topic_id(c)};

    begin(c, WIRE_METADATA_REMOVE_TOPIC_RECORD, 0);
    wire_remove_topic_record_encode(&c->w, 0, &m);
}

static const struct uuid *directories(struct chaos *c, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        c->directories[i] = below(c, 3) == 0 ? meta_directory_unassigned : id(c, 7);
    return c->directories;
}

static void partition(struct chaos *c)
{
    int16_t version = (int16_t)below(c, 3);
    struct wire_partition_record m;

    wire_partition_record_init(&m);
    m.topic_id = topic_id(c);
    m.partition_id = below(c, INDEXES);
    m.replicas = set(c, 1, &m.replicas_count);
    m.isr = set(c, 0, &m.isr_count);
    m.adding_replicas = set(c, 0, &m.adding_replicas_count);
    m.removing_replicas = set(c, 0, &m.removing_replicas_count);
    m.eligible_leader_replicas = set(c, 0, &m.eligible_leader_replicas_count);
    m.last_known_elr = set(c, 0, &m.last_known_elr_count);
    m.leader = below(c, BROKERS) - 1;
    m.leader_epoch = below(c, 100);
    m.partition_epoch = below(c, 100);
    m.leader_recovery_state = (int8_t)below(c, 2);
    if (below(c, 2) == 0) {
        m.directories = directories(c, m.replicas_count);
        m.directories_count = m.replicas_count - (below(c, 20) == 0);
    }
    begin(c, WIRE_METADATA_PARTITION_RECORD, version);
    wire_partition_record_encode(&c->w, version, &m);
}

static void partition_change(struct chaos *c)
{
    int16_t version = (int16_t)below(c, 3);
    struct wire_partition_change_record m;

    wire_partition_change_record_init(&m);
    m.topic_id = topic_id(c);
    m.partition_id = below(c, INDEXES);
    if (below(c, 3) == 0)
        m.replicas = set(c, 1, &m.replicas_count);
    if (below(c, 3) == 0)
        m.isr = set(c, 0, &m.isr_count);
    if (below(c, 3) == 0)
        m.adding_replicas = set(c, 0, &m.adding_replicas_count);
    if (below(c, 3) == 0)
        m.removing_replicas = set(c, 0, &m.removing_replicas_count);
    if (below(c, 3) == 0)
        m.eligible_leader_replicas = set(c, 0, &m.eligible_leader_replicas_count);
    if (below(c, 3) == 0)
        m.last_known_elr = set(c, 0, &m.last_known_elr_count);
    if (below(c, 3) == 0)
        m.leader = below(c, BROKERS) - 1;
    if (m.replicas_count > 0 && below(c, 2) == 0) {
        m.directories = directories(c, m.replicas_count);
        m.directories_count = m.replicas_count;
    }
    m.leader_recovery_state = (int8_t)(below(c, 3) - 1);
    begin(c, WIRE_METADATA_PARTITION_CHANGE_RECORD, version);
    wire_partition_change_record_encode(&c->w, version, &m);
}

static void clear_elr(struct chaos *c)
{
    struct wire_clear_elr_record m = {.topic_name = below(c, 2) == 0 ? name(c) : slice_of_text("")};

    begin(c, WIRE_METADATA_CLEAR_ELR_RECORD, 0);
    wire_clear_elr_record_encode(&c->w, 0, &m);
}

static void config(struct chaos *c)
{
    static const int8_t types[] = {META_RESOURCE_TOPIC, META_RESOURCE_BROKER,
                                   META_RESOURCE_CLIENT_METRICS, META_RESOURCE_GROUP};
    static const char *const brokers[] = {"", "1", "2", "nobody"};
    static const char *const keys[] = {"retention.ms", "min.insync.replicas", "z"};
    struct wire_config_record m;

    wire_config_record_init(&m);
    m.resource_type = types[below(c, 4)];
    m.resource_name =
        m.resource_type == META_RESOURCE_BROKER ? slice_of_text(brokers[below(c, 4)]) : name(c);
    m.name = slice_of_text(keys[below(c, 3)]);
    if (below(c, 3) > 0)
        m.value = slice_of_text(below(c, 4) == 0 ? "" : "value");
    begin(c, WIRE_METADATA_CONFIG_RECORD, 0);
    wire_config_record_encode(&c->w, 0, &m);
}

static void register_broker(struct chaos *c)
{
    struct wire_register_broker_record_broker_endpoint endpoints[2] = {
        {slice_of_text("PLAINTEXT"), slice_of_text("host"), 9092, 0},
        {slice_of_text("TLS"), slice_of_text(""), 1, 1}};
    struct wire_register_broker_record_broker_feature features[1] = {
        {slice_of_text("group.version"), 0, 1}};
    int16_t version = (int16_t)below(c, 4);
    struct wire_register_broker_record m;

    wire_register_broker_record_init(&m);
    m.broker_id = below(c, BROKERS);
    m.broker_epoch = below(c, 3);
    m.incarnation_id = id(c, 200);
    m.end_points = endpoints;
    m.end_points_count = below(c, 3);
    m.features = features;
    m.features_count = below(c, 2);
    m.fenced = below(c, 2) == 0;
    m.in_controlled_shutdown = below(c, 4) == 0;
    if (below(c, 2) == 0)
        m.rack = slice_of_text(below(c, 4) == 0 ? "" : "east");
    m.log_dirs = directories(c, SET_MAX);
    m.log_dirs_count = below(c, SET_MAX);
    begin(c, WIRE_METADATA_REGISTER_BROKER_RECORD, version);
    wire_register_broker_record_encode(&c->w, version, &m);
}

static void register_controller(struct chaos *c)
{
    struct wire_register_controller_record_controller_endpoint endpoint = {
        slice_of_text("CONTROLLER"), slice_of_text("host"), 9093, 0};
    struct wire_register_controller_record_controller_feature feature = {
        slice_of_text("metadata.version"), 7, 29};
    struct wire_register_controller_record m;

    wire_register_controller_record_init(&m);
    m.controller_id = below(c, BROKERS) - (below(c, 20) == 0);
    m.incarnation_id = id(c, 200);
    m.end_points = &endpoint;
    m.end_points_count = below(c, 2);
    m.features = &feature;
    m.features_count = below(c, 2);
    begin(c, WIRE_METADATA_REGISTER_CONTROLLER_RECORD, 0);
    wire_register_controller_record_encode(&c->w, 0, &m);
}

static void change_broker(struct chaos *c)
{
    int32_t broker_id = below(c, BROKERS);
    const struct meta_broker *broker = meta_image_broker(c->image, broker_id);
    int64_t epoch = broker == NULL || below(c, 5) == 0 ? below(c, 3) : broker->epoch;
    struct wire_broker_registration_change_record change;
    struct wire_unregister_broker_record gone = {.broker_id = broker_id, .broker_epoch = epoch};
    struct wire_fence_broker_record fenced = {.id = broker_id, .epoch = epoch};
    struct wire_unfence_broker_record unfenced = {.id = broker_id, .epoch = epoch};

    switch (below(c, 5)) {
    case 0:
        begin(c, WIRE_METADATA_UNREGISTER_BROKER_RECORD, 0);
        wire_unregister_broker_record_encode(&c->w, 0, &gone);
        return;
    case 1:
        begin(c, WIRE_METADATA_FENCE_BROKER_RECORD, 0);
        wire_fence_broker_record_encode(&c->w, 0, &fenced);
        return;
    case 2:
        begin(c, WIRE_METADATA_UNFENCE_BROKER_RECORD, 0);
        wire_unfence_broker_record_encode(&c->w, 0, &unfenced);
        return;
    default:
        wire_broker_registration_change_record_init(&change);
        change.broker_id = broker_id;
        change.broker_epoch = epoch;
        change.fenced = (int8_t)(below(c, 3) - 1);
        change.in_controlled_shutdown = (int8_t)below(c, 2);
        change.log_dirs = directories(c, SET_MAX);
        change.log_dirs_count = below(c, SET_MAX);
        begin(c, WIRE_METADATA_BROKER_REGISTRATION_CHANGE_RECORD, 2);
        wire_broker_registration_change_record_encode(&c->w, 2, &change);
    }
}

static void quota(struct chaos *c)
{
    static const char *const types[] = {"user", "client-id", "ip"};
    struct wire_client_quota_record_entity_data parts[3];
    struct wire_client_quota_record m;

    wire_client_quota_record_init(&m);
    m.entity = parts;
    m.entity_count = below(c, 20) == 0 ? 0 : 1 + below(c, 2);
    for (int32_t i = 0; i < m.entity_count; i++) {
        wire_client_quota_record_entity_data_init(&parts[i]);
        parts[i].entity_type = slice_of_text(types[below(c, 3)]);
        if (below(c, 2) == 0)
            parts[i].entity_name = below(c, 9) == 0 ? slice_of_text("") : name(c);
    }
    m.key = slice_of_text(below(c, 2) == 0 ? "producer_byte_rate" : "request_percentage");
    m.value = below(c, 1000) / 8.0;
    m.remove = below(c, 3) == 0;
    begin(c, WIRE_METADATA_CLIENT_QUOTA_RECORD, 0);
    wire_client_quota_record_encode(&c->w, 0, &m);
}

static void feature(struct chaos *c)
{
    static const char *const names[] = {"metadata.version", "group.version", "a.version"};
    int which = below(c, 3);
    struct wire_feature_level_record m;

    wire_feature_level_record_init(&m);
    m.name = slice_of_text(names[which]);
    /* Lower ones would leave fields out of the snapshot. */
    m.feature_level = (int16_t)(which == 0 ? 23 + below(c, 7) : below(c, 3) - (below(c, 9) == 0));
    begin(c, WIRE_METADATA_FEATURE_LEVEL_RECORD, 0);
    wire_feature_level_record_encode(&c->w, 0, &m);
}

static void producer_ids(struct chaos *c)
{
    struct wire_producer_ids_record m;

    wire_producer_ids_record_init(&m);
    m.next_producer_id = meta_image_next_producer_id(c->image) + below(c, 2000) - 100;
    begin(c, WIRE_METADATA_PRODUCER_IDS_RECORD, 0);
    wire_producer_ids_record_encode(&c->w, 0, &m);
}

static void acl(struct chaos *c)
{
    struct wire_access_control_entry_record m;
    struct wire_remove_access_control_entry_record gone = {.id = id(c, 9)};

    wire_access_control_entry_record_init(&m);
    m.id = id(c, 9);
    m.principal = name(c);
    m.operation = (int8_t)below(c, 5);
    if (below(c, 2) == 0) {
        begin(c, WIRE_METADATA_ACCESS_CONTROL_ENTRY_RECORD, 0);
        wire_access_control_entry_record_encode(&c->w, 0, &m);
    } else {
        begin(c, WIRE_METADATA_REMOVE_ACCESS_CONTROL_ENTRY_RECORD, 0);
        wire_remove_access_control_entry_record_encode(&c->w, 0, &gone);
    }
}

static void scram(struct chaos *c)
{
    struct wire_user_scram_credential_record m;
    struct wire_remove_user_scram_credential_record gone = {.name = name(c),
                                                            .mechanism = (int8_t)below(c, 3)};

    wire_user_scram_credential_record_init(&m);
    m.name = name(c);
    m.mechanism = (int8_t)below(c, 3);
    m.salt = slice_of_text("salt");
    m.iterations = below(c, 10000);
    if (below(c, 2) == 0) {
        begin(c, WIRE_METADATA_USER_SCRAM_CREDENTIAL_RECORD, 0);
        wire_user_scram_credential_record_encode(&c->w, 0, &m);
    } else {
        begin(c, WIRE_METADATA_REMOVE_USER_SCRAM_CREDENTIAL_RECORD, 0);
        wire_remove_user_scram_credential_record_encode(&c->w, 0, &gone);
    }
}

static void token(struct chaos *c)
{
    struct wire_delegation_token_record m;
    struct wire_remove_delegation_token_record gone = {.token_id = name(c)};

    wire_delegation_token_record_init(&m);
    m.token_id = name(c);
    m.expiration_timestamp = below(c, 1000);
    if (below(c, 2) == 0) {
        begin(c, WIRE_METADATA_DELEGATION_TOKEN_RECORD, 0);
        wire_delegation_token_record_encode(&c->w, 0, &m);
    } else {
        begin(c, WIRE_METADATA_REMOVE_DELEGATION_TOKEN_RECORD, 0);
        wire_remove_delegation_token_record_encode(&c->w, 0, &gone);
    }
}

/* Mostly what fits: one begins when none is open, and ends or is aborted soon. */
static void transaction(struct chaos *c)
{
    bool is_open = meta_image_in_transaction(c->image) != (below(c, 20) == 0);
    struct wire_begin_transaction_record first;
    struct wire_abort_transaction_record aborted;

    wire_begin_transaction_record_init(&first);
    wire_abort_transaction_record_init(&aborted);
    if (!is_open) {
        begin(c, WIRE_METADATA_BEGIN_TRANSACTION_RECORD, 0);
        wire_begin_transaction_record_encode(&c->w, 0, &first);
    } else if (below(c, 2) == 0) {
        begin(c, WIRE_METADATA_ABORT_TRANSACTION_RECORD, 0);
        wire_abort_transaction_record_encode(&c->w, 0, &aborted);
    } else {
        struct wire_end_transaction_record last;

        wire_end_transaction_record_init(&last);
        begin(c, WIRE_METADATA_END_TRANSACTION_RECORD, 0);
        wire_end_transaction_record_encode(&c->w, 0, &last);
    }
}

static void migration_state(struct chaos *c)
{
    struct wire_zk_migration_state_record m = {.zk_migration_state = (int8_t)below(c, 3)};

    begin(c, WIRE_METADATA_ZK_MIGRATION_STATE_RECORD, 0);
    wire_zk_migration_state_record_encode(&c->w, 0, &m);
}

static void no_op(struct chaos *c)
{
    struct wire_no_op_record m;

    wire_no_op_record_init(&m);
    begin(c, WIRE_METADATA_NO_OP_RECORD, 0);
    wire_no_op_record_encode(&c->w, 0, &m);
}

void chaos_record(struct rng *rng, const struct meta_image *image, struct buf *record_out)
{
    static const struct {
        int weight;
        void (*make)(struct chaos *c);
    } kinds[] = {
        {6, topic},
        {2, remove_topic},
        {12, partition},
        {16, partition_change},
        {1, clear_elr},
        {6, config},
        {3, register_broker},
        {2, register_controller},
        {6, change_broker},
        {4, quota},
        {2, feature},
        {2, producer_ids},
        {3, acl},
        {3, scram},
        {3, token},
        {4, transaction},
        {1, migration_state},
        {1, no_op},
    };
    struct chaos c = {.rng = rng, .image = image};
    int total = 0;
    int draw;

    buf_clear(record_out);
    c.w = writer_init(record_out);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        total += kinds[i].weight;
    draw = below(&c, total);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        draw -= kinds[i].weight;
        if (draw < 0) {
            kinds[i].make(&c);
            break;
        }
    }
    if (writer_done(&c.w) != E_OK)
        abort();
}
