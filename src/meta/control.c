#include "meta/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/writer.h"
#include "meta/control_priv.h"
#include "wire/broker_registration_change_record.h"
#include "wire/config_record.h"
#include "wire/feature_level_record.h"
#include "wire/metadata_record.h"
#include "wire/partition_record.h"
#include "wire/producer_ids_record.h"
#include "wire/register_broker_record.h"

/*
 * Levels: metadata.version 25 is Kafka's 4.0-IV3, the newest whose records all
 * are ours. The least is 7 (3.3-IV3), below which KRaft did not work either.
 */
static const struct meta_supported_feature supported[] = {
    {"metadata.version", 7, 25, 25},
    {"kraft.version", 0, META_KRAFT_VERSION, META_KRAFT_VERSION},
    {"group.version", 0, 1, 1},
    {"transaction.version", 0, 2, 2},
    {"eligible.leader.replicas.version", 0, 1, 1},
};

enum { SUPPORTED_COUNT = sizeof(supported) / sizeof(supported[0]) };

const struct meta_supported_feature *meta_supported_features(size_t *count_out)
{
    *count_out = SUPPORTED_COUNT;
    return supported;
}

struct meta_result meta_refuse(struct meta_control *control, enum wire_error error,
                               const char *format, ...)
{
    char text[META_MESSAGE_SIZE_MAX];
    struct slice copy;
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    copy = arena_copy(control->arena, slice_of_text(text));
    return (struct meta_result){.error = error, .message = (const char *)copy.at};
}

enum err meta_find_twins(struct meta_control *control, const struct slice *keys, int32_t count,
                         bool **is_twin_out)
{
    bool *is_twin = arena_alloc_array(control->arena, (size_t)count + 1, sizeof(*is_twin));
    struct map_slice seen;
    enum err e = is_twin == NULL ? E_NOMEM : E_OK;

    map_slice_init_borrowing(&seen, rng_next(control->rng));
    for (int32_t i = 0; i < count && e == E_OK; i++) {
        bool *first = keys[i].at == NULL ? NULL : map_slice_find(&seen, keys[i]);

        if (first != NULL)
            *first = is_twin[i] = true;
        else if (keys[i].at != NULL)
            e = map_slice_put(&seen, keys[i], &is_twin[i]);
    }
    map_slice_release(&seen);
    if (e == E_OK)
        *is_twin_out = is_twin;
    return e;
}

void meta_record_begin(struct writer *w, int16_t key, int16_t version)
{
    wire_metadata_frame_encode(w, (struct wire_metadata_frame){.key = key, .version = version});
}

enum err meta_record_end(struct meta_control *control, struct writer *w)
{
    enum err e = writer_done(w);

    return e != E_OK ? e : meta_records_seal(control->records);
}

enum err meta_add_config_record(struct meta_control *control, int8_t type,
                                struct slice resource_name, struct slice name, struct slice value)
{
    struct writer w = writer_init(&control->records->bytes);
    struct wire_config_record m;

    wire_config_record_init(&m);
    m.resource_type = type;
    m.resource_name = resource_name;
    m.name = name;
    m.value = value;
    meta_record_begin(&w, WIRE_METADATA_CONFIG_RECORD, 0);
    wire_config_record_encode(&w, 0, &m);
    return meta_record_end(control, &w);
}

/* Placement */

/* The broker number `n` of those that are, or are not, fenced. */
static int32_t broker_number(const struct meta_image *image, bool is_fenced, size_t n)
{
    for (size_t i = 0; i < meta_image_broker_count(image); i++) {
        const struct meta_broker *broker = meta_image_broker_at(image, i);

        if (broker->is_fenced == is_fenced && n-- == 0)
            return broker->id;
    }
    return -1;
}

int32_t meta_place(const struct meta_image *image, uint64_t turn, int32_t count,
                   int32_t *replicas_out)
{
    size_t unfenced = 0;
    size_t fenced;
    int32_t placed = 0;

    for (size_t i = 0; i < meta_image_broker_count(image); i++)
        unfenced += meta_image_broker_at(image, i)->is_fenced ? 0 : 1;
    fenced = meta_image_broker_count(image) - unfenced;
    for (size_t i = 0; i < unfenced && placed < count; i++)
        replicas_out[placed++] = broker_number(image, false, (turn + i) % unfenced);
    for (size_t i = 0; i < fenced && placed < count; i++)
        replicas_out[placed++] = broker_number(image, true, (turn + i) % fenced);
    return placed;
}

struct meta_result meta_check_replicas(struct meta_control *control, const int32_t *replicas,
                                       int32_t count)
{
    enum wire_error error = WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT;

    if (count <= 0 || count > META_REPLICAS_MAX)
        return meta_refuse(control, error,
                           "The manual partition assignment includes an empty or too long "
                           "replica list.");
    for (int32_t i = 0; i < count; i++) {
        if (meta_image_broker(control->image, replicas[i]) == NULL)
            return meta_refuse(control, error,
                               "The manual partition assignment includes broker %d, but no such "
                               "broker is registered.",
                               (int)replicas[i]);
        for (int32_t j = 0; j < i; j++) {
            if (replicas[j] == replicas[i])
                return meta_refuse(control, error,
                                   "The manual partition assignment includes the broker %d more "
                                   "than once.",
                                   (int)replicas[i]);
        }
    }
    return (struct meta_result){0};
}

/* Where a new replica goes: a broker that has several directories chooses (KIP-858). */
static struct uuid new_directory(const struct meta_broker *broker)
{
    if (broker == NULL || broker->log_dir_count > 1)
        return meta_directory_unassigned;
    return broker->log_dir_count == 1 ? broker->log_dirs[0] : meta_directory_migrating;
}

enum err meta_add_partition_record(struct meta_control *control, struct uuid topic_id,
                                   int32_t index, const int32_t *replicas, int32_t count)
{
    struct uuid directories[META_REPLICAS_MAX];
    struct writer w = writer_init(&control->records->bytes);
    struct wire_partition_record m;
    int32_t isr[META_REPLICAS_MAX];
    int32_t isr_count = 0;

    for (int32_t i = 0; i < count; i++) {
        const struct meta_broker *broker = meta_image_broker(control->image, replicas[i]);

        directories[i] = new_directory(broker);
        if (broker != NULL && !broker->is_fenced)
            isr[isr_count++] = replicas[i];
    }
    if (isr_count == 0) /* all of them are away: the first that comes back leads */
        isr[isr_count++] = replicas[0];
    wire_partition_record_init(&m);
    m.partition_id = index;
    m.topic_id = topic_id;
    m.replicas = replicas;
    m.replicas_count = count;
    m.isr = isr;
    m.isr_count = isr_count;
    m.leader = meta_image_broker(control->image, isr[0])->is_fenced ? META_NO_LEADER : isr[0];
    m.leader_epoch = 0;
    m.partition_epoch = 0;
    m.directories = directories;
    m.directories_count = count;
    meta_record_begin(&w, WIRE_METADATA_PARTITION_RECORD, 2);
    wire_partition_record_encode(&w, 2, &m);
    return meta_record_end(control, &w);
}

/* Brokers, producer ids, features */

static enum err add_registration(struct meta_control *control, const struct meta_registration *r)
{
    struct wire_register_broker_record_broker_endpoint endpoints[META_ENDPOINTS_MAX];
    struct wire_register_broker_record_broker_feature features[SUPPORTED_COUNT];
    struct writer w = writer_init(&control->records->bytes);
    struct wire_register_broker_record m;

    for (int32_t i = 0; i < r->endpoint_count; i++) {
        endpoints[i].name = r->endpoints[i].name;
        endpoints[i].host = r->endpoints[i].host;
        endpoints[i].port = r->endpoints[i].port;
        endpoints[i].security_protocol = r->endpoints[i].security_protocol;
    }
    for (size_t i = 0; i < SUPPORTED_COUNT; i++) {
        features[i].name = slice_of_text(supported[i].name);
        features[i].min_supported_version = supported[i].version_min;
        features[i].max_supported_version = supported[i].version_max;
    }
    wire_register_broker_record_init(&m);
    m.broker_id = r->broker_id;
    m.incarnation_id = r->incarnation_id;
    m.broker_epoch = r->broker_epoch;
    m.end_points = endpoints;
    m.end_points_count = r->endpoint_count;
    m.features = features;
    m.features_count = SUPPORTED_COUNT;
    m.rack = r->rack;
    m.fenced = true;
    m.log_dirs = r->log_dir_ids;
    m.log_dirs_count = r->log_dir_count;
    meta_record_begin(&w, WIRE_METADATA_REGISTER_BROKER_RECORD, 3);
    wire_register_broker_record_encode(&w, 3, &m);
    return meta_record_end(control, &w);
}

static enum err add_unfencing(struct meta_control *control, const struct meta_registration *r)
{
    enum { UNFENCE = -1 };
    struct writer w = writer_init(&control->records->bytes);
    struct wire_broker_registration_change_record m;

    wire_broker_registration_change_record_init(&m);
    m.broker_id = r->broker_id;
    m.broker_epoch = r->broker_epoch;
    m.fenced = UNFENCE;
    meta_record_begin(&w, WIRE_METADATA_BROKER_REGISTRATION_CHANGE_RECORD, 2);
    wire_broker_registration_change_record_encode(&w, 2, &m);
    return meta_record_end(control, &w);
}

enum err meta_register_broker(struct meta_control *control,
                              const struct meta_registration *registration)
{
    size_t before = meta_records_count(control->records);
    enum err e;

    if (registration->endpoint_count > META_ENDPOINTS_MAX ||
        registration->log_dir_count > META_ENDPOINTS_MAX)
        return E_TOO_BIG;
    e = add_registration(control, registration);
    if (e == E_OK && registration->is_unfenced)
        e = add_unfencing(control, registration);
    if (e != E_OK)
        meta_records_cut(control->records, before);
    return e;
}

enum err meta_allocate_producer_ids(struct meta_control *control, int32_t broker_id,
                                    int64_t broker_epoch, int64_t *first_id_out)
{
    int64_t first = meta_image_next_producer_id(control->image);
    struct writer w = writer_init(&control->records->bytes);
    size_t before = meta_records_count(control->records);
    struct wire_producer_ids_record m;
    enum err e;

    if (first > INT64_MAX - META_PRODUCER_ID_BLOCK)
        return E_TOO_BIG;
    wire_producer_ids_record_init(&m);
    m.broker_id = broker_id;
    m.broker_epoch = broker_epoch;
    m.next_producer_id = first + META_PRODUCER_ID_BLOCK;
    meta_record_begin(&w, WIRE_METADATA_PRODUCER_IDS_RECORD, 0);
    wire_producer_ids_record_encode(&w, 0, &m);
    e = meta_record_end(control, &w);
    if (e != E_OK) {
        meta_records_cut(control->records, before);
        return e;
    }
    *first_id_out = first;
    return E_OK;
}

enum err meta_bootstrap(struct meta_control *control)
{
    size_t before = meta_records_count(control->records);
    enum err e = E_OK;

    for (size_t i = 0; i < SUPPORTED_COUNT && e == E_OK; i++) {
        struct writer w = writer_init(&control->records->bytes);
        struct wire_feature_level_record m;

        if (strcmp(supported[i].name, "kraft.version") == 0)
            continue; /* a control record of the log says it */
        wire_feature_level_record_init(&m);
        m.name = slice_of_text(supported[i].name);
        m.feature_level = supported[i].level;
        meta_record_begin(&w, WIRE_METADATA_FEATURE_LEVEL_RECORD, 0);
        wire_feature_level_record_encode(&w, 0, &m);
        e = meta_record_end(control, &w);
    }
    if (e != E_OK)
        meta_records_cut(control->records, before);
    return e;
}
