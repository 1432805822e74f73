#include "meta/snapshot.h"

#include <assert.h>

#include "base/mem.h"
#include "base/sort.h"
#include "base/writer.h"
#include "meta/image_priv.h"
#include "meta/level_priv.h"
#include "wire/client_quota_record.h"
#include "wire/config_record.h"
#include "wire/feature_level_record.h"
#include "wire/metadata_record.h"
#include "wire/partition_record.h"
#include "wire/producer_ids_record.h"
#include "wire/register_broker_record.h"
#include "wire/register_controller_record.h"
#include "wire/topic_record.h"
#include "wire/zk_migration_state_record.h"

enum stage {
    STAGE_FEATURES,
    STAGE_ZK_MIGRATION_STATE,
    STAGE_BROKERS,
    STAGE_CONTROLLERS,
    STAGE_TOPICS,
    STAGE_CONFIGS,
    STAGE_QUOTAS,
    STAGE_PRODUCER_IDS,
    STAGE_KEPT,
    STAGE_END,
};

/* An entry of one of the image's maps. */
struct item {
    int8_t number; /* of the map, where a stage has several */
    struct slice key;
    const void *value;
};

/* Where the next record is: in which stage, of which item, and which of its records. */
struct meta_snapshot {
    const struct meta_image *image;
    uint64_t changes; /* of the image when we began */
    enum stage stage;
    size_t item;
    int32_t part;
    struct item *items;  /* of this stage, in no order */
    const void **sorted; /* the same ones in order: what is written; by stage other things, too */
    size_t count;
};

static void record_begin(struct writer *w, int16_t key, int16_t version)
{
    wire_metadata_frame_encode(w, (struct wire_metadata_frame){.key = key, .version = version});
}

static enum err record_end(struct meta_records *records, const struct writer *w)
{
    enum err e = writer_done(w);

    return e != E_OK ? e : meta_records_seal(records);
}

/* What a stage writes, in order */

static int item_compare(const void *a, const void *b)
{
    const struct item *x = *(const struct item *const *)a;
    const struct item *y = *(const struct item *const *)b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return slice_compare(x->key, y->key);
}

/* metadata.version comes first: it says how to read the others. */
static int feature_compare(const void *a, const void *b)
{
    const struct meta_feature *x = *(const struct meta_feature *const *)a;
    const struct meta_feature *y = *(const struct meta_feature *const *)b;
    bool is_first_x = slice_equal_text(x->name, "metadata.version");
    bool is_first_y = slice_equal_text(y->name, "metadata.version");

    if (is_first_x != is_first_y)
        return is_first_x ? -1 : 1;
    return slice_compare(x->name, y->name);
}

static enum err reserve(struct meta_snapshot *s, size_t count)
{
    s->sorted = mem_alloc((count + 1) * sizeof(*s->sorted));
    s->items = mem_alloc((count + 1) * sizeof(*s->items));
    return s->sorted == NULL || s->items == NULL ? E_NOMEM : E_OK;
}

static void add_map(struct meta_snapshot *s, const struct map_slice *map, int8_t number)
{
    struct map_iter it = {0};
    struct item item = {.number = number};

    while ((item.value = map_slice_next(map, &it, &item.key)) != NULL) {
        s->items[s->count] = item;
        s->sorted[s->count] = &s->items[s->count];
        s->count++;
    }
}

static enum err collect_features(struct meta_snapshot *s)
{
    size_t count;
    const struct meta_feature *features = meta_image_features(s->image, &count);
    enum err e = reserve(s, count);

    for (size_t i = 0; i < count && e == E_OK; i++) {
        if (!slice_equal_text(features[i].name, "kraft.version"))
            s->sorted[s->count++] = &features[i];
    }
    if (e == E_OK)
        sort_array(s->sorted, s->count, sizeof(*s->sorted), feature_compare);
    return e;
}

static enum err collect_maps(struct meta_snapshot *s)
{
    const struct meta_image *image = s->image;
    const struct map_slice *maps[META_RESOURCE_TYPES_MAX];
    int8_t numbers[META_RESOURCE_TYPES_MAX] = {0};
    size_t map_count = 0;
    size_t count = 0;
    enum err e;

    if (s->stage == STAGE_TOPICS)
        maps[map_count++] = &image->topics;
    if (s->stage == STAGE_QUOTAS)
        maps[map_count++] = &image->quotas;
    for (size_t i = 0; i < image->config_type_count && s->stage == STAGE_CONFIGS; i++) {
        numbers[map_count] = image->config_types[i].type;
        maps[map_count++] = &image->config_types[i].resources;
    }
    for (int8_t i = 0; i < META_KEPT_KINDS && s->stage == STAGE_KEPT; i++) {
        numbers[map_count] = i;
        maps[map_count++] = &image->kept[i];
    }
    for (size_t i = 0; i < map_count; i++)
        count += maps[i]->count;
    e = reserve(s, count);
    for (size_t i = 0; i < map_count && e == E_OK; i++)
        add_map(s, maps[i], numbers[i]);
    if (e == E_OK)
        sort_array(s->sorted, s->count, sizeof(*s->sorted), item_compare);
    return e;
}

/* Lists of nodes are sorted, and single values are one. */
static size_t plain_count(const struct meta_snapshot *s)
{
    switch (s->stage) {
    case STAGE_BROKERS:
        return s->image->brokers.count;
    case STAGE_CONTROLLERS:
        return meta_has_controllers(s->image) ? s->image->controllers.count : 0;
    case STAGE_PRODUCER_IDS:
        return s->image->next_producer_id > 0 ? 1 : 0;
    case STAGE_ZK_MIGRATION_STATE:
        return s->image->zk_migration_state != 0 ? 1 : 0;
    default:
        return 0;
    }
}

static enum err stage_begin(struct meta_snapshot *s)
{
    mem_free(s->items);
    mem_free(s->sorted);
    s->items = NULL;
    s->sorted = NULL;
    s->item = 0;
    s->part = 0;
    s->count = 0;
    switch (s->stage) {
    case STAGE_FEATURES:
        return collect_features(s);
    case STAGE_TOPICS:
    case STAGE_CONFIGS:
    case STAGE_QUOTAS:
    case STAGE_KEPT:
        return collect_maps(s);
    default:
        s->count = plain_count(s);
        return E_OK;
    }
}

/* Records */

static const void *item_at(const struct meta_snapshot *s)
{
    assert(s->sorted != NULL && s->item < s->count);
    return s->sorted[s->item];
}

static enum err write_feature(struct meta_snapshot *s, struct meta_records *records)
{
    const struct meta_feature *feature = item_at(s);
    struct writer w = writer_init(&records->bytes);
    struct wire_feature_level_record m;

    wire_feature_level_record_init(&m);
    m.name = feature->name;
    m.feature_level = feature->level;
    record_begin(&w, WIRE_METADATA_FEATURE_LEVEL_RECORD, 0);
    wire_feature_level_record_encode(&w, 0, &m);
    s->item++;
    return record_end(records, &w);
}

static enum err write_broker(struct meta_snapshot *s, struct meta_records *records)
{
    const struct meta_broker *b = meta_image_broker_at(s->image, s->item++);
    struct wire_register_broker_record_broker_endpoint endpoints[META_ENDPOINTS_MAX];
    struct wire_register_broker_record_broker_feature features[META_FEATURES_MAX];
    struct writer w = writer_init(&records->bytes);
    int16_t version = meta_register_broker_version(s->image);
    struct wire_register_broker_record m;

    for (int32_t i = 0; i < b->endpoint_count; i++) {
        wire_register_broker_record_broker_endpoint_init(&endpoints[i]);
        endpoints[i].name = b->endpoints[i].name;
        endpoints[i].host = b->endpoints[i].host;
        endpoints[i].port = b->endpoints[i].port;
        endpoints[i].security_protocol = b->endpoints[i].security_protocol;
    }
    for (int32_t i = 0; i < b->feature_count; i++) {
        wire_register_broker_record_broker_feature_init(&features[i]);
        features[i].name = b->features[i].name;
        features[i].min_supported_version = b->features[i].version_min;
        features[i].max_supported_version = b->features[i].version_max;
    }
    wire_register_broker_record_init(&m);
    m.broker_id = b->id;
    m.incarnation_id = b->incarnation_id;
    m.broker_epoch = b->epoch;
    m.end_points = endpoints;
    m.end_points_count = b->endpoint_count;
    m.features = features;
    m.features_count = b->feature_count;
    m.rack = b->rack;
    m.fenced = b->is_fenced;
    m.in_controlled_shutdown = b->is_in_controlled_shutdown;
    m.log_dirs = b->log_dirs;
    m.log_dirs_count = b->log_dir_count;
    record_begin(&w, WIRE_METADATA_REGISTER_BROKER_RECORD, version);
    wire_register_broker_record_encode(&w, version, &m);
    return record_end(records, &w);
}

static enum err write_controller(struct meta_snapshot *s, struct meta_records *records)
{
    const struct meta_controller *c = meta_image_controller_at(s->image, s->item++);
    struct wire_register_controller_record_controller_endpoint endpoints[META_ENDPOINTS_MAX];
    struct wire_register_controller_record_controller_feature features[META_FEATURES_MAX];
    struct writer w = writer_init(&records->bytes);
    struct wire_register_controller_record m;

    for (int32_t i = 0; i < c->endpoint_count; i++) {
        wire_register_controller_record_controller_endpoint_init(&endpoints[i]);
        endpoints[i].name = c->endpoints[i].name;
        endpoints[i].host = c->endpoints[i].host;
        endpoints[i].port = c->endpoints[i].port;
        endpoints[i].security_protocol = c->endpoints[i].security_protocol;
    }
    for (int32_t i = 0; i < c->feature_count; i++) {
        wire_register_controller_record_controller_feature_init(&features[i]);
        features[i].name = c->features[i].name;
        features[i].min_supported_version = c->features[i].version_min;
        features[i].max_supported_version = c->features[i].version_max;
    }
    wire_register_controller_record_init(&m);
    m.controller_id = c->id;
    m.incarnation_id = c->incarnation_id;
    m.end_points = endpoints;
    m.end_points_count = c->endpoint_count;
    m.features = features;
    m.features_count = c->feature_count;
    record_begin(&w, WIRE_METADATA_REGISTER_CONTROLLER_RECORD, 0);
    wire_register_controller_record_encode(&w, 0, &m);
    return record_end(records, &w);
}

static enum err write_partition(const struct meta_snapshot *s, const struct meta_topic *topic,
                                int32_t index, struct meta_records *records)
{
    const struct meta_partition *p = meta_topic_partition(topic, index);
    struct writer w = writer_init(&records->bytes);
    int16_t version = meta_partition_version(s->image);
    struct wire_partition_record m;
    struct meta_draft d;

    meta_draft_of(s->image, p, &d);
    wire_partition_record_init(&m);
    m.partition_id = index;
    m.topic_id = topic->id;
    m.replicas = d.sets[META_REPLICAS].at;
    m.replicas_count = d.sets[META_REPLICAS].count;
    m.isr = d.sets[META_ISR].at;
    m.isr_count = d.sets[META_ISR].count;
    m.adding_replicas = d.sets[META_ADDING].at;
    m.adding_replicas_count = d.sets[META_ADDING].count;
    m.removing_replicas = d.sets[META_REMOVING].at;
    m.removing_replicas_count = d.sets[META_REMOVING].count;
    if (d.sets[META_ELR].count > 0) {
        m.eligible_leader_replicas = d.sets[META_ELR].at;
        m.eligible_leader_replicas_count = d.sets[META_ELR].count;
    }
    if (d.sets[META_LAST_KNOWN_ELR].count > 0) {
        m.last_known_elr = d.sets[META_LAST_KNOWN_ELR].at;
        m.last_known_elr_count = d.sets[META_LAST_KNOWN_ELR].count;
    }
    m.leader = d.leader;
    m.leader_recovery_state = d.leader_recovery_state;
    m.leader_epoch = d.leader_epoch;
    m.partition_epoch = d.partition_epoch;
    m.directories = d.directories;
    m.directories_count = d.sets[META_REPLICAS].count;
    record_begin(&w, WIRE_METADATA_PARTITION_RECORD, version);
    wire_partition_record_encode(&w, version, &m);
    return record_end(records, &w);
}

/* Part 0 of a topic is its own record, the others are its partitions. */
static enum err write_topic(struct meta_snapshot *s, struct meta_records *records)
{
    const struct item *item = item_at(s);
    const struct meta_topic *topic = item->value;
    int32_t index = s->part - 1;
    struct writer w = writer_init(&records->bytes);
    struct wire_topic_record m;

    if (++s->part > topic->partition_count) {
        s->item++;
        s->part = 0;
    }
    if (index >= 0)
        return meta_topic_partition(topic, index) == NULL
                   ? E_OK
                   : write_partition(s, topic, index, records);
    wire_topic_record_init(&m);
    m.name = topic->name;
    m.topic_id = topic->id;
    record_begin(&w, WIRE_METADATA_TOPIC_RECORD, 0);
    wire_topic_record_encode(&w, 0, &m);
    return record_end(records, &w);
}

static enum err write_config(struct meta_snapshot *s, struct meta_records *records)
{
    const struct item *item = item_at(s);
    const struct meta_resource_configs *resource = item->value;
    const struct meta_config *config = &resource->at[s->part];
    struct writer w = writer_init(&records->bytes);
    struct wire_config_record m;

    wire_config_record_init(&m);
    m.resource_type = item->number;
    m.resource_name = item->key;
    m.name = config->name;
    m.value = config->value;
    record_begin(&w, WIRE_METADATA_CONFIG_RECORD, 0);
    wire_config_record_encode(&w, 0, &m);
    if ((size_t)++s->part == resource->count) {
        s->item++;
        s->part = 0;
    }
    return record_end(records, &w);
}

static enum err write_quota(struct meta_snapshot *s, struct meta_records *records)
{
    const struct item *item = item_at(s);
    const struct meta_quota *quota = item->value;
    struct wire_client_quota_record_entity_data parts[META_QUOTA_PARTS_MAX];
    struct writer w = writer_init(&records->bytes);
    struct wire_client_quota_record m;

    for (int32_t i = 0; i < quota->part_count; i++) {
        wire_client_quota_record_entity_data_init(&parts[i]);
        parts[i].entity_type = quota->parts[i].type;
        parts[i].entity_name = quota->parts[i].name;
    }
    wire_client_quota_record_init(&m);
    m.entity = parts;
    m.entity_count = quota->part_count;
    m.key = quota->values[s->part].key;
    m.value = quota->values[s->part].value;
    record_begin(&w, WIRE_METADATA_CLIENT_QUOTA_RECORD, 0);
    wire_client_quota_record_encode(&w, 0, &m);
    if (++s->part == quota->value_count) {
        s->item++;
        s->part = 0;
    }
    return record_end(records, &w);
}

static enum err write_producer_ids(struct meta_snapshot *s, struct meta_records *records)
{
    struct writer w = writer_init(&records->bytes);
    struct wire_producer_ids_record m;

    wire_producer_ids_record_init(&m);
    m.broker_id = -1;
    m.broker_epoch = META_NO_BROKER_EPOCH;
    m.next_producer_id = s->image->next_producer_id;
    record_begin(&w, WIRE_METADATA_PRODUCER_IDS_RECORD, 0);
    wire_producer_ids_record_encode(&w, 0, &m);
    s->item++;
    return record_end(records, &w);
}

static enum err write_zk_migration_state(struct meta_snapshot *s, struct meta_records *records)
{
    struct writer w = writer_init(&records->bytes);
    struct wire_zk_migration_state_record m = {.zk_migration_state = s->image->zk_migration_state};

    record_begin(&w, WIRE_METADATA_ZK_MIGRATION_STATE_RECORD, 0);
    wire_zk_migration_state_record_encode(&w, 0, &m);
    s->item++;
    return record_end(records, &w);
}

static enum err write_kept(struct meta_snapshot *s, struct meta_records *records)
{
    const struct item *item = item_at(s);
    const struct meta_kept *kept = item->value;

    s->item++;
    return meta_records_add(records, slice_of(kept->bytes, kept->size));
}

static enum err write_one(struct meta_snapshot *s, struct meta_records *records)
{
    switch (s->stage) {
    case STAGE_FEATURES:
        return write_feature(s, records);
    case STAGE_ZK_MIGRATION_STATE:
        return write_zk_migration_state(s, records);
    case STAGE_BROKERS:
        return write_broker(s, records);
    case STAGE_CONTROLLERS:
        return write_controller(s, records);
    case STAGE_TOPICS:
        return write_topic(s, records);
    case STAGE_CONFIGS:
        return write_config(s, records);
    case STAGE_QUOTAS:
        return write_quota(s, records);
    case STAGE_PRODUCER_IDS:
        return write_producer_ids(s, records);
    case STAGE_KEPT:
        return write_kept(s, records);
    case STAGE_END:
        break;
    }
    return E_OK;
}

/* To the next stage that has something, or to the end. */
static enum err skip_done(struct meta_snapshot *s)
{
    enum err e = E_OK;

    while (e == E_OK && s->stage != STAGE_END && s->item == s->count) {
        s->stage++;
        e = stage_begin(s);
    }
    return e;
}

/* The whole */

enum err meta_snapshot_new(const struct meta_image *image, struct meta_snapshot **snapshot_out)
{
    struct meta_snapshot *s;
    enum err e;

    if (image->in_transaction)
        return E_AGAIN;
    s = mem_alloc_zero(sizeof(*s));
    if (s == NULL)
        return E_NOMEM;
    s->image = image;
    s->changes = image->changes;
    e = stage_begin(s);
    if (e == E_OK)
        e = skip_done(s);
    if (e != E_OK)
        meta_snapshot_free(s);
    else
        *snapshot_out = s;
    return e;
}

void meta_snapshot_free(struct meta_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    mem_free(snapshot->items);
    mem_free(snapshot->sorted);
    mem_free(snapshot);
}

enum err meta_snapshot_next(struct meta_snapshot *snapshot, struct meta_records *records,
                            size_t size_max, bool *is_done_out)
{
    enum err e = E_OK;

    assert(snapshot->changes == snapshot->image->changes);
    while (snapshot->stage != STAGE_END && e == E_OK) {
        e = write_one(snapshot, records);
        if (e == E_OK)
            e = skip_done(snapshot);
        if (records->bytes.size >= size_max)
            break;
    }
    if (e == E_OK)
        *is_done_out = snapshot->stage == STAGE_END;
    return e;
}
