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
 * shard that applied the same records holds the same image. It knows every kind of
 * record of Kafka 4.2; what nobody acts on yet is kept, and goes into snapshots
 * (meta/snapshot.h) as it came.
 *
 * Owner:    whoever made it; one thread. The controller has one that runs ahead
 *           to what is appended, each shard one of what is committed.
 * Lifetime: everything returned by a reading function is borrowed until the
 *           next meta_image_apply().
 *
 * Invariants
 *   (1) a topic id was given to at most one topic, ever; of topics that were deleted
 *       before the image was read from a snapshot only their randomness says so
 *   (2) a partition's leader epoch and partition epoch never fall
 *   (3) after an error the image is as it was before that record; but one that stands for
 *       many (the end of a transaction, ClearElrRecord) may be half done: then it is spoiled
 *   (4) the index agrees with the partitions: a broker hosts exactly the topics in
 *       which it is a replica
 */
struct meta_image;

enum {
    META_REPLICAS_MAX = 64,           /* of one partition */
    META_PARTITIONS_MAX = 100 * 1000, /* of all topics together */
    META_RECORDS_MAX = 10 * 1000,     /* that one request may cause, as in Kafka */
    META_TOPIC_NAME_SIZE_MAX = 249,
    META_ENDPOINTS_MAX = 16,
    META_LOG_DIRS_MAX = 128,
    META_FEATURES_MAX = 32,
    META_BROKERS_MAX = 10 * 1000,
    META_CONFIGS_MAX = 1000,             /* of one resource */
    META_QUOTA_PARTS_MAX = 4,            /* of one entity; Kafka has no more than two */
    META_KEPT_MAX = 1000 * 1000,         /* of one kind */
    META_DELETED_MAX = 1000 * 1000,      /* ids of deleted topics that are remembered */
    META_RECORD_ARENA_MAX = 1024 * 1024, /* for decoding one record */
    META_DELTA_NAMES_MAX = 64 * 1024 * 1024,
};

enum { META_RESOURCE_NAME_SIZE_MAX = 255 }; /* that may be given settings */

enum { META_NO_LEADER = -1, META_NO_BROKER_EPOCH = -1 };

/* Kafka's LeaderRecoveryState (KIP-704). */
enum { META_RECOVERED = 0, META_RECOVERING = 1 };

/* Kafka's ids of what a configuration belongs to. */
enum meta_resource {
    META_RESOURCE_TOPIC = 2,
    META_RESOURCE_BROKER = 4, /* its name is the id in decimal; "" is the default of all brokers */
    META_RESOURCE_BROKER_LOGGER = 8,
    META_RESOURCE_CLIENT_METRICS = 16,
    META_RESOURCE_GROUP = 32,
};

/* Ids of brokers; in the order of preference where there is one. */
struct meta_ids {
    const int32_t *at;
    int32_t count;
};

bool meta_ids_have(struct meta_ids ids, int32_t id);
bool meta_ids_equal(struct meta_ids a, struct meta_ids b);

/*
 * Partition: which brokers have it and who leads it. About 64 bytes with one replica
 * and 80 with three, so its sets are read by function.
 */
enum meta_set {
    META_REPLICAS,
    META_ISR,
    META_ADDING,         /* replicas that a reassignment adds ... */
    META_REMOVING,       /* ... and takes away when it completes */
    META_ELR,            /* eligible leader replicas (KIP-966): they have all that was committed */
    META_LAST_KNOWN_ELR, /* who led when nobody was eligible any more */
    META_SETS,
};

struct meta_partition {
    int32_t *ids;              /* private: the sets one behind the other, then the directories */
    uint8_t counts[META_SETS]; /* private; no replicas: a hole, the record has not come yet */
    int8_t leader_recovery_state;
    int32_t leader; /* META_NO_LEADER: none */
    int32_t leader_epoch;
    int32_t partition_epoch;
};

struct meta_ids meta_partition_ids(const struct meta_partition *p, enum meta_set set);

/* Is a reassignment under way? */
bool meta_partition_is_reassigning(const struct meta_partition *p);

/*
 * The log directory of replica number `position` (KIP-858), as it was assigned. The first
 * hundred ids are no directories:
 */
extern const struct uuid meta_directory_migrating;  /* from before directories were known */
extern const struct uuid meta_directory_unassigned; /* the broker has yet to say */
extern const struct uuid meta_directory_lost;       /* offline, and nobody knows which it was */

struct uuid meta_partition_directory(const struct meta_image *image, const struct meta_partition *p,
                                     int32_t position);

/* How many partitions of a topic, or of all, are in a state that somebody has to look after. */
struct meta_tally {
    int32_t leaderless;
    int32_t imbalanced; /* led by another than their first replica, or by nobody */
    int32_t reassigning;
    int32_t eligible; /* with eligible leader replicas, or a last known leader */
};

struct meta_topic_host;

struct meta_topic {
    struct slice name; /* NUL-terminated after its end */
    struct uuid id;
    struct meta_partition *partitions; /* by index */
    int32_t partition_count;
    struct meta_tally tally;
    struct meta_topic_host *hosts; /* from here on: private to the index */
    int32_t host_count;
    int32_t host_capacity;
    uint64_t number;
};

/* Settings of one resource in the order of their names; values are never NULL. */
struct meta_config {
    struct slice name;
    struct slice value;
};

struct meta_configs {
    const struct meta_config *at;
    size_t count;
};

struct meta_endpoint {
    struct slice name; /* of the listener */
    struct slice host;
    uint16_t port;
    int16_t security_protocol; /* 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL */
};

/* A feature that a node supports, from the least level to the highest. */
struct meta_feature_range {
    struct slice name;
    int16_t version_min;
    int16_t version_max;
};

struct meta_broker {
    int32_t id;
    int64_t epoch;
    struct uuid incarnation_id;
    const struct meta_endpoint *endpoints;
    int32_t endpoint_count;
    const struct meta_feature_range *features;
    int32_t feature_count;
    struct slice rack;           /* NULL: none */
    const struct uuid *log_dirs; /* online ones; count 0: not known */
    int32_t log_dir_count;
    bool is_fenced;
    bool is_in_controlled_shutdown;
};

struct meta_controller {
    int32_t id;
    struct uuid incarnation_id;
    const struct meta_endpoint *endpoints;
    int32_t endpoint_count;
    const struct meta_feature_range *features;
    int32_t feature_count;
};

struct meta_feature {
    struct slice name;
    int16_t level; /* finalized; > 0 */
};

/* Limits of an entity such as user "ann", or client-id default of user "ann". */
struct meta_quota_part {
    struct slice type; /* "user", "client-id", "ip" */
    struct slice name; /* NULL: the default of that type */
};

struct meta_quota_value {
    struct slice key; /* "producer_byte_rate" and so on */
    double value;
};

struct meta_quota {
    struct meta_quota_part parts[META_QUOTA_PARTS_MAX]; /* by rising type */
    int32_t part_count;
    struct meta_quota_value *values; /* by rising key; at least one */
    int32_t value_count;
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
    META_PARTITION_CHANGED,  /* leader, epochs, replicas or directories */
    META_CONFIG_CHANGED,     /* of resource_type: a topic that exists (topic_id), brokers
                                (broker_id), or another resource (name) */
    META_BROKER_CHANGED,     /* registered, fenced, unfenced or gone */
    META_CONTROLLER_CHANGED, /* broker_id is its id */
    META_FEATURE_CHANGED,
    META_PRODUCER_IDS_CHANGED,
    META_QUOTA_CHANGED,
    META_KEPT_CHANGED, /* of record_key, see meta_image_next_kept */
};

struct meta_change {
    enum meta_change_kind kind;
    bool is_unclean; /* of a partition: its new leader may lack what was committed */
    int8_t resource_type;
    int16_t record_key;
    struct uuid topic_id;
    int32_t partition;       /* index */
    int32_t partition_count; /* of the deleted topic */
    int32_t broker_id;       /* -1 for the default of all brokers */
    struct slice name;       /* of the deleted topic, of the resource; owned by the delta */
};

struct meta_delta {
    struct vec changes; /* struct meta_change */
    struct arena names;
};

void meta_delta_init(struct meta_delta *delta);
void meta_delta_release(struct meta_delta *delta);
void meta_delta_clear(struct meta_delta *delta);

/*
 * Apply one record: `record` is the value of a record in __cluster_metadata, frame
 * included (wire/metadata_record.h). `delta` may be NULL.
 *
 * Records of a metadata transaction (KIP-868) show when it ends: then all at once.
 *
 *   E_UNSUPPORTED  a kind or version of record that we cannot honour; ignoring
 *                  it could ignore an access rule. The report names it.
 *   E_CORRUPT      does not decode, or contradicts the image
 *   E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err meta_image_apply(struct meta_image *image, struct slice record,
                                    struct meta_delta *delta, struct report *report);

/* A transaction has begun and neither ended nor been aborted. */
bool meta_image_in_transaction(const struct meta_image *image);

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

/* Did a topic of this id exist and was deleted? Not known of those before a snapshot. */
bool meta_image_was_deleted(const struct meta_image *image, struct uuid id);
size_t meta_image_topic_count(const struct meta_image *image);
int64_t meta_image_partition_count(const struct meta_image *image);

/* NULL: no such partition. */
const struct meta_partition *meta_topic_partition(const struct meta_topic *topic, int32_t index);

/*
 * The index: what has to do with a broker, registered or not, without a look at all partitions.
 */
struct meta_load {
    int32_t replicas; /* partitions it has */
    int32_t leaders;  /* of them, those it leads */
};

struct meta_load meta_image_load(const struct meta_image *image, int32_t broker_id);

/* Every topic of which the broker has a replica, in no order: `it` starts as {0}. */
const struct meta_topic *meta_image_next_hosted(const struct meta_image *image, int32_t broker_id,
                                                struct map_iter *it);

/* Of all topics. */
struct meta_tally meta_image_tally(const struct meta_image *image);

/* Overrides of one resource (count 0: none), and one value (NULL: not set). */
struct meta_configs meta_image_configs(const struct meta_image *image, enum meta_resource type,
                                       struct slice resource_name);
struct slice meta_image_config(const struct meta_image *image, enum meta_resource type,
                               struct slice resource_name, struct slice name);

/* By rising id: `index` < meta_image_broker_count(). find gives NULL for none. */
size_t meta_image_broker_count(const struct meta_image *image);
const struct meta_broker *meta_image_broker_at(const struct meta_image *image, size_t index);
const struct meta_broker *meta_image_broker(const struct meta_image *image, int32_t id);

/* May it lead and be in sync: neither fenced nor about to stop? NULL: no. */
bool meta_broker_is_active(const struct meta_broker *broker);

/* Can a replica in `directory` be served by it? One that was never told which has it. */
bool meta_broker_has_directory(const struct meta_broker *broker, struct uuid directory);

/* Registered controllers (KIP-919), as brokers. */
size_t meta_image_controller_count(const struct meta_image *image);
const struct meta_controller *meta_image_controller_at(const struct meta_image *image,
                                                       size_t index);
const struct meta_controller *meta_image_controller(const struct meta_image *image, int32_t id);

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

/* Every entity with quotas, in no order, and that of `parts` in any order (NULL: none). */
const struct meta_quota *meta_image_next_quota(const struct meta_image *image, struct map_iter *it);
const struct meta_quota *meta_image_quota(const struct meta_image *image,
                                          const struct meta_quota_part *parts, int32_t count);

/*
 * Records that are kept as they came, of one kind in no order: `key` is
 * WIRE_METADATA_ACCESS_CONTROL_ENTRY_RECORD, _USER_SCRAM_CREDENTIAL_RECORD or
 * _DELEGATION_TOKEN_RECORD. The null slice at the end.
 */
struct slice meta_image_next_kept(const struct meta_image *image, int16_t key, struct map_iter *it);
size_t meta_image_kept_count(const struct meta_image *image, int16_t key);

/*
 * May a node serve clients by this image? To be asked when the image is up to date.
 *
 *   E_UNSUPPORTED  there are access rules, and nothing here would enforce them
 */
NODISCARD enum err meta_image_check_served(const struct meta_image *image, struct report *report);
