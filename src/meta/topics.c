#include <stdio.h>
#include <string.h>

#include "base/writer.h"
#include "config/topic.h"
#include "meta/control_priv.h"
#include "meta/image_priv.h"
#include "wire/create_partitions.h"
#include "wire/create_topics.h"
#include "wire/delete_topics.h"
#include "wire/metadata_record.h"
#include "wire/remove_topic_record.h"
#include "wire/topic_record.h"

/*
 * Topics: created, deleted and grown. Checks come in Kafka's order, because an
 * item has only one error code and clients' tests know which.
 */
bool meta_topic_name_is_valid(struct slice name)
{
    if (name.size == 0 || name.size > META_TOPIC_NAME_SIZE_MAX)
        return false;
    if (slice_equal_text(name, ".") || slice_equal_text(name, ".."))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

bool meta_topic_is_internal(struct slice name)
{
    return slice_equal_text(name, "__consumer_offsets") ||
           slice_equal_text(name, "__transaction_state") ||
           slice_equal_text(name, "__share_group_state");
}

/* Bytes as they come may not be text: for messages only. */
static const char *shown(struct slice name, char text_out[META_TOPIC_NAME_SIZE_MAX + 1])
{
    slice_to_text(name, text_out, META_TOPIC_NAME_SIZE_MAX + 1);
    for (char *c = text_out; *c != 0; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    return text_out;
}

static struct meta_result check_name(struct meta_control *control, struct slice name)
{
    char text[META_TOPIC_NAME_SIZE_MAX + 1];
    const struct meta_topic *other;

    if (slice_equal_text(name, "__cluster_metadata"))
        return meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                           "Creation of internal topic __cluster_metadata is prohibited.");
    if (name.size == 0)
        return meta_refuse(control, WIRE_ERROR_INVALID_TOPIC_EXCEPTION,
                           "Topic name is invalid: the empty string is not allowed");
    if (name.size > META_TOPIC_NAME_SIZE_MAX)
        return meta_refuse(control, WIRE_ERROR_INVALID_TOPIC_EXCEPTION,
                           "Topic name is invalid: the length is longer than the max allowed "
                           "length %d",
                           META_TOPIC_NAME_SIZE_MAX);
    if (!meta_topic_name_is_valid(name))
        return meta_refuse(control, WIRE_ERROR_INVALID_TOPIC_EXCEPTION,
                           "Topic name is invalid: '%s' is '.' or '..', or contains one or more "
                           "characters other than ASCII alphanumerics, '.', '_' and '-'",
                           shown(name, text));
    if (meta_image_topic(control->image, name) != NULL)
        return meta_refuse(control, WIRE_ERROR_TOPIC_ALREADY_EXISTS, "Topic '%s' already exists.",
                           shown(name, text));
    other = meta_image_colliding(control->image, name);
    if (other != NULL)
        return meta_refuse(control, WIRE_ERROR_INVALID_TOPIC_EXCEPTION,
                           "Topic '%s' collides with existing topic: %s", shown(name, text),
                           (const char *)other->name.at);
    return (struct meta_result){0};
}

static struct meta_result check_configs(struct meta_control *control,
                                        const struct wire_create_topics_request_creatable_topic *t)
{
    for (int32_t i = 0; i < t->configs_count; i++) {
        char text[META_TOPIC_NAME_SIZE_MAX + 1];
        struct report report = {0};

        if (t->configs[i].value.at == NULL)
            return meta_refuse(control, WIRE_ERROR_INVALID_CONFIG,
                               "Null value not supported for topic configs: %s",
                               shown(t->configs[i].name, text));
        if (config_topic_check(t->configs[i].name, t->configs[i].value, &report) != E_OK)
            return meta_refuse(control, WIRE_ERROR_INVALID_CONFIG, "%s", report.text);
    }
    return (struct meta_result){0};
}

/* Where the replicas of partition `index` stand in a request with assignments; NULL: nowhere. */
static const struct wire_create_topics_request_creatable_replica_assignment *assignment_of(
    const struct wire_create_topics_request_creatable_topic *t, int32_t index)
{
    for (int32_t i = 0; i < t->assignments_count; i++) {
        /* Nearly always they come in order. */
        int32_t at = (index + i) % t->assignments_count;

        if (t->assignments[at].partition_index == index)
            return &t->assignments[at];
    }
    return NULL;
}

static struct meta_result check_assignments(
    struct meta_control *control, const struct wire_create_topics_request_creatable_topic *t,
    struct meta_topic_result *r)
{
    const enum wire_error error = WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT;

    if (t->num_partitions != -1 || t->replication_factor != -1)
        return meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                           "A manual partition assignment was specified, but %s was not set to "
                           "-1.",
                           t->num_partitions != -1 ? "numPartitions" : "replication factor");
    if (t->assignments_count > META_RECORDS_MAX)
        return meta_refuse(control, WIRE_ERROR_POLICY_VIOLATION,
                           "Excessively large number of partitions per request.");
    for (int32_t i = 0; i < t->assignments_count; i++) {
        const struct wire_create_topics_request_creatable_replica_assignment *a =
            assignment_of(t, i);
        struct meta_result result;

        if (a == NULL)
            return meta_refuse(control, error,
                               "partitions should be a consecutive 0-based integer sequence");
        result = meta_check_replicas(control, a->broker_ids, a->broker_ids_count);
        if (result.error != WIRE_ERROR_NONE)
            return result;
        if (a->broker_ids_count != t->assignments[0].broker_ids_count)
            return meta_refuse(control, error,
                               "The manual partition assignment includes a partition with %d "
                               "replica(s), but this is not consistent with other partitions, "
                               "which have %d replica(s).",
                               (int)a->broker_ids_count, (int)t->assignments[0].broker_ids_count);
    }
    r->partition_count = t->assignments_count;
    r->replication_factor = (int16_t)t->assignments[0].broker_ids_count;
    return (struct meta_result){0};
}

static struct meta_result check_counts(struct meta_control *control,
                                       const struct wire_create_topics_request_creatable_topic *t,
                                       struct meta_topic_result *r)
{
    int brokers = (int)meta_image_broker_count(control->image);
    int replication = t->replication_factor;

    if (t->assignments_count > 0)
        return check_assignments(control, t, r);
    if (t->replication_factor < -1 || t->replication_factor == 0)
        return meta_refuse(control, WIRE_ERROR_INVALID_REPLICATION_FACTOR,
                           "Replication factor must be larger than 0, or -1 to use the default "
                           "value.");
    if (t->num_partitions < -1 || t->num_partitions == 0)
        return meta_refuse(control, WIRE_ERROR_INVALID_PARTITIONS,
                           "Number of partitions was set to an invalid non-positive value.");
    if (replication == -1) {
        replication = control->default_replication;
        if (replication > brokers && brokers > 0)
            replication = brokers;
    }
    if (replication > brokers || replication > META_REPLICAS_MAX || replication < 1)
        return meta_refuse(control, WIRE_ERROR_INVALID_REPLICATION_FACTOR,
                           "Unable to replicate the partition %d time(s): The target replication "
                           "factor of %d cannot be reached because only %d broker(s) are "
                           "registered.",
                           replication, replication, brokers);
    r->partition_count = t->num_partitions == -1 ? control->default_partitions : t->num_partitions;
    r->replication_factor = (int16_t)replication;
    return (struct meta_result){0};
}

/* Would `partitions` more, with `others` records beside theirs, pass a limit? */
static struct meta_result check_limits(struct meta_control *control, int64_t partitions,
                                       int64_t others, int64_t added)
{
    int64_t records = (int64_t)meta_records_count(control->records) + partitions + others;

    if (partitions > META_RECORDS_MAX || records > META_RECORDS_MAX)
        return meta_refuse(control, WIRE_ERROR_POLICY_VIOLATION,
                           "Excessively large number of partitions per request.");
    if (meta_image_partition_count(control->image) + added + partitions > META_PARTITIONS_MAX)
        return meta_refuse(control, WIRE_ERROR_POLICY_VIOLATION,
                           "The cluster would have more than %d partitions.", META_PARTITIONS_MAX);
    return (struct meta_result){0};
}

/* Random of version 4; like Kafka's, its text does not start with a dash (tools take that
 * for an option), and it is none that was used. */
static struct uuid new_topic_id(struct meta_control *control)
{
    enum { DASH = 62 };
    struct uuid id;

    do {
        rng_bytes(control->rng, id.bytes, sizeof(id.bytes));
        id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
        id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
    } while (id.bytes[0] >> 2 == DASH || meta_image_topic_by_id(control->image, id) != NULL ||
             meta_image_was_deleted(control->image, id));
    return id;
}

static enum err add_topic_record(struct meta_control *control, struct slice name, struct uuid id)
{
    struct writer w = writer_init(&control->records->bytes);
    struct wire_topic_record m = {.name = name, .topic_id = id};

    meta_record_begin(&w, WIRE_METADATA_TOPIC_RECORD, 0);
    wire_topic_record_encode(&w, 0, &m);
    return meta_record_end(control, &w);
}

static enum err add_topic(struct meta_control *control,
                          const struct wire_create_topics_request_creatable_topic *t,
                          struct meta_topic_result *r)
{
    uint64_t turn = rng_next(control->rng) >> 1;
    enum err e;

    r->topic_id = new_topic_id(control);
    e = add_topic_record(control, t->name, r->topic_id);
    for (int32_t i = 0; i < t->configs_count && e == E_OK; i++)
        e = meta_add_config_record(control, META_RESOURCE_TOPIC, t->name, t->configs[i].name,
                                   t->configs[i].value);
    for (int32_t i = 0; i < r->partition_count && e == E_OK; i++) {
        int32_t placed[META_REPLICAS_MAX];
        const int32_t *replicas = placed;

        if (t->assignments_count > 0)
            replicas = assignment_of(t, i)->broker_ids;
        else
            meta_place(control->image, turn + (uint64_t)i, r->replication_factor, placed);
        e = meta_add_partition_record(control, r->topic_id, i, replicas, r->replication_factor);
    }
    return e;
}

/* Names of the request that collide with an earlier one of it are refused like those that
 * collide with a topic; `taken` holds the names, dots made underscores. */
static enum err take_name(struct meta_control *control, struct map_slice *taken, struct slice name,
                          struct meta_result *result)
{
    uint8_t bytes[META_TOPIC_NAME_SIZE_MAX];
    struct slice key = meta_collision_key(name, bytes);

    if (key.at == NULL)
        return E_OK;
    if (map_slice_find(taken, key) != NULL) {
        char text[META_TOPIC_NAME_SIZE_MAX + 1];

        *result =
            meta_refuse(control, WIRE_ERROR_INVALID_TOPIC_EXCEPTION,
                        "Topic '%s' collides with another topic of the request", shown(name, text));
        return E_OK;
    }
    return map_slice_put(taken, key, taken);
}

static enum err create_one(struct meta_control *control,
                           const struct wire_create_topics_request_creatable_topic *t,
                           struct map_slice *taken, int64_t *added, struct meta_topic_result *r)
{
    enum err e = E_OK;

    r->result = check_name(control, t->name);
    if (r->result.error == WIRE_ERROR_NONE)
        r->result = check_configs(control, t);
    if (r->result.error == WIRE_ERROR_NONE)
        r->result = check_counts(control, t, r);
    if (r->result.error == WIRE_ERROR_NONE)
        r->result =
            check_limits(control, r->partition_count, (int64_t)t->configs_count + 1, *added);
    if (r->result.error == WIRE_ERROR_NONE)
        e = take_name(control, taken, t->name, &r->result);
    if (e == E_OK && r->result.error == WIRE_ERROR_NONE) {
        e = add_topic(control, t, r);
        *added += r->partition_count;
    }
    if (r->result.error != WIRE_ERROR_NONE) {
        r->partition_count = -1;
        r->replication_factor = -1;
    }
    return e;
}

/* Results of a request of `count` items whose keys are given; twins are refused already. */
static enum err results_new(struct meta_control *control, const struct slice *keys, int32_t count,
                            struct meta_topic_result **results_out)
{
    struct meta_topic_result *results =
        arena_alloc_array(control->arena, (size_t)count + 1, sizeof(*results));
    bool *is_twin;
    enum err e;

    if (results == NULL)
        return E_NOMEM;
    e = meta_find_twins(control, keys, count, &is_twin);
    for (int32_t i = 0; i < count && e == E_OK; i++) {
        results[i].partition_count = -1;
        results[i].replication_factor = -1;
        if (is_twin[i])
            results[i].result =
                meta_refuse(control, WIRE_ERROR_INVALID_REQUEST, "Duplicate topic name or id.");
    }
    if (e == E_OK)
        *results_out = results;
    return e;
}

enum err meta_create_topics(struct meta_control *control,
                            const struct wire_create_topics_request *request,
                            struct meta_topic_result **results_out)
{
    size_t before = meta_records_count(control->records);
    int32_t count = request->topics_count > 0 ? request->topics_count : 0;
    struct slice *keys = arena_alloc_array(control->arena, (size_t)count + 1, sizeof(*keys));
    struct meta_topic_result *results;
    struct map_slice taken;
    int64_t added = 0;
    enum err e;

    if (keys == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < count; i++)
        keys[i] = request->topics[i].name;
    e = results_new(control, keys, count, &results);
    if (e != E_OK)
        return e;
    map_slice_init(&taken, rng_next(control->rng));
    for (int32_t i = 0; i < count && e == E_OK; i++) {
        results[i].name = request->topics[i].name;
        if (results[i].result.error == WIRE_ERROR_NONE)
            e = create_one(control, &request->topics[i], &taken, &added, &results[i]);
    }
    map_slice_release(&taken);
    if (e != E_OK || request->validate_only)
        meta_records_cut(control->records, before);
    if (e == E_OK)
        *results_out = results;
    return e;
}

/* Deleting */

static enum err add_remove_record(struct meta_control *control, struct uuid id)
{
    struct writer w = writer_init(&control->records->bytes);
    struct wire_remove_topic_record m = {.topic_id = id};

    meta_record_begin(&w, WIRE_METADATA_REMOVE_TOPIC_RECORD, 0);
    wire_remove_topic_record_encode(&w, 0, &m);
    return meta_record_end(control, &w);
}

static struct meta_result find_to_delete(struct meta_control *control, struct meta_topic_result *r)
{
    const struct meta_topic *topic;
    bool by_id = r->name.at == NULL;

    if (!by_id && !uuid_is_zero(r->topic_id))
        return meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                           "You may not specify both topic name and topic id.");
    if (by_id && uuid_is_zero(r->topic_id))
        return meta_refuse(control, WIRE_ERROR_INVALID_REQUEST,
                           "Neither topic name nor id were specified.");
    topic = by_id ? meta_image_topic_by_id(control->image, r->topic_id)
                  : meta_image_topic(control->image, r->name);
    if (topic == NULL)
        return (struct meta_result){.error = by_id ? WIRE_ERROR_UNKNOWN_TOPIC_ID
                                                   : WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION};
    r->name = topic->name;
    r->topic_id = topic->id;
    r->partition_count = topic->partition_count;
    return (struct meta_result){0};
}

/* One topic may be named once by its name and once by its id: the second is gone already. */
static enum err delete_one(struct meta_control *control, struct map_slice *gone,
                           struct meta_topic_result *r)
{
    struct slice key;
    enum err e;

    r->result = find_to_delete(control, r);
    if (r->result.error != WIRE_ERROR_NONE)
        return E_OK;
    /* The name lives in the image, which this op's records are about to change. */
    r->name = arena_copy(control->arena, r->name);
    if (r->name.at == NULL)
        return E_NOMEM;
    key = slice_of(r->topic_id.bytes, sizeof(r->topic_id.bytes));
    if (map_slice_find(gone, key) != NULL) {
        r->result = meta_refuse(control, WIRE_ERROR_INVALID_REQUEST, "Duplicate topic name or id.");
        return E_OK;
    }
    e = map_slice_put(gone, key, r);
    return e != E_OK ? e : add_remove_record(control, r->topic_id);
}

enum err meta_delete_topics(struct meta_control *control,
                            const struct wire_delete_topics_request *request,
                            struct meta_topic_result **results_out)
{
    size_t before = meta_records_count(control->records);
    bool has_topics = request->topics_count > 0;
    int32_t names = request->topic_names_count > 0 ? request->topic_names_count : 0;
    int32_t count = has_topics ? request->topics_count : names;
    struct slice *keys = arena_alloc_array(control->arena, (size_t)count + 1, sizeof(*keys));
    struct meta_topic_result *results;
    struct map_slice gone;
    enum err e;

    if (keys == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < count; i++)
        keys[i] = has_topics ? request->topics[i].name : request->topic_names[i];
    e = results_new(control, keys, count, &results);
    if (e != E_OK)
        return e;
    map_slice_init_borrowing(&gone, rng_next(control->rng));
    for (int32_t i = 0; i < count && e == E_OK; i++) {
        results[i].name = keys[i];
        if (has_topics)
            results[i].topic_id = request->topics[i].topic_id;
        if (results[i].result.error == WIRE_ERROR_NONE)
            e = delete_one(control, &gone, &results[i]);
    }
    map_slice_release(&gone);
    if (e != E_OK)
        meta_records_cut(control->records, before);
    else
        *results_out = results;
    return e;
}

/* Growing */

static struct meta_result check_growth(
    struct meta_control *control,
    const struct wire_create_partitions_request_create_partitions_topic *t,
    const struct meta_topic *topic)
{
    int replication = (int)meta_partition_ids(&topic->partitions[0], META_REPLICAS).count;
    int more = (int)t->count - (int)topic->partition_count;

    if (t->count == topic->partition_count)
        return meta_refuse(control, WIRE_ERROR_INVALID_PARTITIONS,
                           "Topic already has %d partition(s).", (int)t->count);
    if (t->count < topic->partition_count)
        return meta_refuse(control, WIRE_ERROR_INVALID_PARTITIONS,
                           "The topic %s currently has %d partition(s); %d would not be an "
                           "increase.",
                           (const char *)topic->name.at, (int)topic->partition_count,
                           (int)t->count);
    if (t->assignments_count >= 0 && t->assignments_count != more)
        return meta_refuse(control, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT,
                           "Attempted to add %d additional partition(s), but only %d "
                           "assignment(s) were specified.",
                           more, (int)t->assignments_count);
    for (int32_t i = 0; i < t->assignments_count; i++) {
        struct meta_result result = meta_check_replicas(control, t->assignments[i].broker_ids,
                                                        t->assignments[i].broker_ids_count);

        if (result.error != WIRE_ERROR_NONE)
            return result;
        if (t->assignments[i].broker_ids_count != replication)
            return meta_refuse(control, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT,
                               "The manual partition assignment includes a partition with %d "
                               "replica(s), but the topic's partitions have %d.",
                               (int)t->assignments[i].broker_ids_count, replication);
    }
    if (replication > (int)meta_image_broker_count(control->image))
        return meta_refuse(control, WIRE_ERROR_INVALID_REPLICATION_FACTOR,
                           "The target replication factor of %d cannot be reached because only "
                           "%d broker(s) are registered.",
                           replication, (int)meta_image_broker_count(control->image));
    return (struct meta_result){0};
}

static enum err grow_one(struct meta_control *control,
                         const struct wire_create_partitions_request_create_partitions_topic *t,
                         int64_t *added, struct meta_topic_result *r)
{
    const struct meta_topic *topic = meta_image_topic(control->image, t->name);
    uint64_t turn = rng_next(control->rng) >> 1;
    enum err e = E_OK;

    if (topic == NULL || meta_topic_partition(topic, 0) == NULL) {
        r->result.error = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return E_OK;
    }
    r->topic_id = topic->id;
    r->result = check_growth(control, t, topic);
    if (r->result.error == WIRE_ERROR_NONE)
        r->result = check_limits(control, t->count - topic->partition_count, 0, *added);
    if (r->result.error != WIRE_ERROR_NONE)
        return E_OK;
    r->partition_count = t->count;
    r->replication_factor = (int16_t)meta_partition_ids(&topic->partitions[0], META_REPLICAS).count;
    *added += t->count - topic->partition_count;
    for (int32_t i = topic->partition_count; i < t->count && e == E_OK; i++) {
        int32_t placed[META_REPLICAS_MAX];
        const int32_t *replicas = placed;

        if (t->assignments_count > 0)
            replicas = t->assignments[i - topic->partition_count].broker_ids;
        else
            meta_place(control->image, turn + (uint64_t)i, r->replication_factor, placed);
        e = meta_add_partition_record(control, topic->id, i, replicas, r->replication_factor);
    }
    return e;
}

enum err meta_create_partitions(struct meta_control *control,
                                const struct wire_create_partitions_request *request,
                                struct meta_topic_result **results_out)
{
    size_t before = meta_records_count(control->records);
    int32_t count = request->topics_count > 0 ? request->topics_count : 0;
    struct slice *keys = arena_alloc_array(control->arena, (size_t)count + 1, sizeof(*keys));
    struct meta_topic_result *results;
    int64_t added = 0;
    enum err e;

    if (keys == NULL)
        return E_NOMEM;
    for (int32_t i = 0; i < count; i++)
        keys[i] = request->topics[i].name;
    e = results_new(control, keys, count, &results);
    if (e != E_OK)
        return e;
    for (int32_t i = 0; i < count && e == E_OK; i++) {
        results[i].name = keys[i];
        if (results[i].result.error == WIRE_ERROR_NONE)
            e = grow_one(control, &request->topics[i], &added, &results[i]);
    }
    if (e != E_OK || request->validate_only)
        meta_records_cut(control->records, before);
    if (e == E_OK)
        *results_out = results;
    return e;
}
