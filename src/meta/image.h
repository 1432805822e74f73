#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/map.h"
#include "base/report.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "base/vec.h"

/*
 * Image: what the cluster is, as the result of applying metadata records in the
 * order of their offsets. Nothing else ever changes it, so every node and every
 * shard that applied the same records holds the same image.
 *
 * Owner:    whoever made it; one thread. The controller has one that runs ahead
 *           to what is appended, each shard one of what is committed.
 * Lifetime: everything returned by a reading function is borrowed until the
 *           next meta_image_apply().
 *
 * Invariants
 *   (1) a topic id was given to at most one topic, ever
 *   (2) a partition's leader epoch and partition epoch never fall
 *   (3) after an error the image is as it was before that record
 */
struct meta_image;

enum {
    META_REPLICAS_MAX = 64,           /* of one partition */
    META_PARTITIONS_MAX = 100 * 1000, /* of all topics together */
    META_RECORDS_MAX = 10 * 1000,     /* that one request may cause, as in Kafka */
    META_TOPIC_NAME_SIZE_MAX = 249,
    META_ENDPOINTS_MAX = 16,
    META_FEATURES_MAX = 32,
    META_BROKERS_MAX = 10 * 1000,
    META_CONFIGS_MAX = 1000,             /* of one resource */
    META_DELETED_MAX = 1000 * 1000,      /* ids of deleted topics that are remembered */
    META_RECORD_ARENA_MAX = 1024 * 1024, /* for decoding one record */
    META_DELTA_NAMES_MAX = 64 * 1024 * 1024,
};

enum { META_RESOURCE_NAME_SIZE_MAX = 255 };

enum { META_NO_LEADER = -1, META_NO_BROKER_EPOCH = -1 };

/* Kafka's ids of what a configuration belongs to. */
enum meta_resource {
    META_RESOURCE_TOPIC = 2,
    META_RESOURCE_BROKER = 4, /* its name is the id in decimal; "" is the default of all brokers */
    META_RESOURCE_GROUP = 32,
};

struct meta_ids {
    int32_t *at;
    int32_t count;
};

struct meta_partition {
    struct meta_ids replicas; /* count 0: a hole, the partition's record has not come yet */
    struct meta_ids isr;
    struct meta_ids removing;
    struct meta_ids adding;
    struct meta_ids elr; /* eligible leader replicas (KIP-966) */
    struct meta_ids last_known_elr;
    int32_t leader; /* META_NO_LEADER: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int8_t leader_recovery_state;
};

struct meta_topic {
    struct slice name; /* NUL-terminated after its end */
    struct uuid id;
    struct meta_partition *partitions; /* by index */
    int32_t partition_count;
};

/* Settings of one resource in the order of their names; values are never NULL. */
struct meta_config {
    struct slice name;
    struct slice value;
};

struct meta_configs {
    struct meta_config *at;
    size_t count;
};

struct meta_endpoint {
    struct slice name; /* of the listener */
    struct slice host;
    uint16_t port;
    int16_t security_protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
};

struct meta_broker {
    int32_t id;
    int64_t epoch;
    struct uuid incarnation_id;
    struct meta_endpoint endpoints[META_ENDPOINTS_MAX];
    int32_t endpoint_count;
    struct slice rack; /* NULL: none */
    bool is_fenced;
    bool is_in_controlled_shutdown;
    struct slice text; /* private: what the slices above borrow */
};

struct meta_feature {
    struct slice name;
    int16_t level; /* finalized; > 0 */
};

/* `seed` as for base/map.h. NULL when memory is out. */
struct meta_image *meta_image_new(uint64_t seed);
void meta_image_free(struct meta_image *image);

/*
 * What a record changed, so that nobody has to compare images. Changes lie in
 * the order of the records; a thing may be named that a later record removed.
 */
enum meta_change_kind {
    META_TOPIC_CREATED,
    META_TOPIC_DELETED, /* with the name and the number of partitions that it had */
    META_PARTITION_CREATED,
    META_PARTITION_CHANGED, /* leader, epochs or replicas */
    META_CONFIG_CHANGED,    /* of a topic that exists (topic_id), or of brokers (broker_id) */
    META_BROKER_CHANGED,    /* registered, fenced, unfenced or gone */
    META_FEATURE_CHANGED,
    META_PRODUCER_IDS_CHANGED,
};

struct meta_change {
    enum meta_change_kind kind;
    struct uuid topic_id;
    int32_t partition;       /* index */
    int32_t partition_count; /* of the deleted topic */
    struct slice topic_name; /* the same; owned by the delta */
    int32_t broker_id;       /* -1 for the default of all brokers */
};

struct meta_delta {
    struct vec changes; /* struct meta_change */
    struct arena names; /* of deleted topics */
};

void meta_delta_init(struct meta_delta *delta);
void meta_delta_release(struct meta_delta *delta);
void meta_delta_clear(struct meta_delta *delta);

/*
 * Apply one record: `record` is the value of a record in __cluster_metadata, frame
 * included (wire/metadata_record.h). `delta` may be NULL.
 *
 *   E_UNSUPPORTED  a kind or version of record that we cannot honour; ignoring
 *                  it could ignore an access rule. The report names it.
 *   E_CORRUPT      does not decode, or contradicts the image
 *   E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err meta_image_apply(struct meta_image *image, struct slice record,
                                    struct meta_delta *delta, struct report *report);

/* Offset of the last record applied, kept by the host; -1: none. */
int64_t meta_image_offset(const struct meta_image *image);
void meta_image_set_offset(struct meta_image *image, int64_t offset);

/* The topic whose name differs from `name` in dots and underscores at most; NULL: none. */
const struct meta_topic *meta_image_colliding(const struct meta_image *image, struct slice name);

/* NULL: there is none. */
const struct meta_topic *meta_image_topic(const struct meta_image *image, struct slice name);
const struct meta_topic *meta_image_topic_by_id(const struct meta_image *image, struct uuid id);

/* Every topic, in no order: `it` starts as {0}; NULL at the end. */
const struct meta_topic *meta_image_next_topic(const struct meta_image *image, struct map_iter *it);
/* Did a topic of this id exist and was deleted? */
bool meta_image_was_deleted(const struct meta_image *image, struct uuid id);
size_t meta_image_topic_count(const struct meta_image *image);
int64_t meta_image_partition_count(const struct meta_image *image);

/* NULL: no such partition. */
const struct meta_partition *meta_topic_partition(const struct meta_topic *topic, int32_t index);

/* Overrides of one resource (count 0: none), and one value (NULL: not set). */
struct meta_configs meta_image_configs(const struct meta_image *image, enum meta_resource type,
                                       struct slice resource_name);
struct slice meta_image_config(const struct meta_image *image, enum meta_resource type,
                               struct slice resource_name, struct slice name);

/* By rising id: `index` < meta_image_broker_count(). find gives NULL for none. */
size_t meta_image_broker_count(const struct meta_image *image);
const struct meta_broker *meta_image_broker_at(const struct meta_image *image, size_t index);
const struct meta_broker *meta_image_broker(const struct meta_image *image, int32_t id);

/*
 * Finalized features. kraft.version is among them from the start: it comes from
 * control records of the log, which no image sees.
 */
enum { META_KRAFT_VERSION = 1 };

/* All of them, and the level of one; 0: not finalized. */
const struct meta_feature *meta_image_features(const struct meta_image *image, size_t *count_out);
int16_t meta_image_feature_level(const struct meta_image *image, struct slice name);

/* The first producer id that was never handed out. */
int64_t meta_image_next_producer_id(const struct meta_image *image);
