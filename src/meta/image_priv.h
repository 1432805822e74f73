#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "meta/image.h"
#include "meta/records.h"

enum {
    META_RESOURCE_TYPES_MAX = 16,
    META_DIRECTORIES_MAX = 1000 * 1000, /* distinct ids of log directories, ever */
};

/* A value of the maps below; the slices are one block per setting. */
struct meta_resource_configs {
    struct meta_config *at; /* by name */
    size_t count;
    size_t capacity;
};

struct meta_resource_type {
    int8_t type;
    struct map_slice resources; /* struct meta_resource_configs, key: its name */
};

/* A record as it came, frame included. */
struct meta_kept {
    size_t size;
    uint8_t bytes[];
};

enum meta_kept_kind { META_KEPT_ACL, META_KEPT_SCRAM, META_KEPT_TOKEN, META_KEPT_KINDS };

/* How many replicas of a topic a broker has; in meta_topic.hosts by rising id. */
struct meta_topic_host {
    int32_t broker_id;
    int32_t count;
};

struct meta_image {
    struct map_slice topics;     /* struct meta_topic, key: its name */
    struct map_slice topic_ids;  /* the same ones, key: its id */
    struct map_slice collisions; /* those with a dot or an underscore, key: dots made underscores */
    struct map_slice deleted;    /* key: id; values mean nothing */
    uint64_t topic_number;       /* of the last topic */
    struct map_u64 hosts;        /* index of image_index.c; key: broker id */
    struct map_slice directory_ids; /* struct meta_directory, key: its id */
    struct vec directories;         /* the same ones by number */
    struct meta_resource_type config_types[META_RESOURCE_TYPES_MAX];
    size_t config_type_count;
    struct vec brokers;     /* struct meta_broker *, by id */
    struct vec controllers; /* struct meta_controller *, by id */
    struct meta_feature features[META_FEATURES_MAX];
    size_t feature_count;
    struct map_slice quotas;                /* struct meta_quota, key: its parts */
    struct map_slice kept[META_KEPT_KINDS]; /* struct meta_kept, key: what it is about */
    struct meta_records pending;            /* of a transaction */
    bool in_transaction;
    int8_t zk_migration_state; /* kept only */
    struct meta_tally tally;
    int64_t partition_count;
    int64_t next_producer_id;
    int64_t offset;
    uint64_t seed;
    uint64_t changes; /* rises with every record */
};

/* Dots made underscores; the null slice when the name has neither. */
struct slice meta_collision_key(struct slice name, uint8_t key_out[META_TOPIC_NAME_SIZE_MAX]);

/* The steps of apply; each changes all or nothing. */
struct meta_topic *meta_image_mutable_topic(struct meta_image *image, struct uuid id);
NODISCARD enum err meta_image_add_topic(struct meta_image *image, struct slice name,
                                        struct uuid id);
NODISCARD enum err meta_image_remove_topic(struct meta_image *image, struct meta_topic *topic);

/*
 * What a partition is to be. E_CORRUPT: a set has too many ids, one twice or a negative one.
 * E_TOO_BIG: more partitions than META_PARTITIONS_MAX.
 */
struct meta_draft {
    struct meta_ids sets[META_SETS];
    struct uuid directories[META_REPLICAS_MAX]; /* by replica */
    int8_t leader_recovery_state;
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
};

void meta_draft_of(const struct meta_image *image, const struct meta_partition *p,
                   struct meta_draft *draft_out);
NODISCARD enum err meta_image_put_partition(struct meta_image *image, struct meta_topic *topic,
                                            int32_t index, const struct meta_draft *draft);

/* The index: of one partition more, and of one less, also when a topic goes. */
NODISCARD enum err meta_index_add(struct meta_image *image, struct meta_topic *topic,
                                  const struct meta_partition *p);
void meta_index_remove(struct meta_image *image, struct meta_topic *topic,
                       const struct meta_partition *p);
void meta_index_release(struct meta_image *image);

/* A NULL value removes. E_CORRUPT: too many types of resources. */
NODISCARD enum err meta_image_set_config(struct meta_image *image, int8_t type,
                                         struct slice resource_name, struct slice name,
                                         struct slice value);
void meta_image_remove_configs(struct meta_image *image, int8_t type, struct slice resource_name);
void meta_configs_release(struct meta_image *image);

/* Copies; one of the same id is replaced. */
NODISCARD enum err meta_image_put_broker(struct meta_image *image,
                                         const struct meta_broker *broker);
NODISCARD enum err meta_image_put_controller(struct meta_image *image,
                                             const struct meta_controller *controller);
struct meta_broker *meta_image_mutable_broker(struct meta_image *image, int32_t id);
NODISCARD enum err meta_broker_set_directories(struct meta_broker *broker, const struct uuid *at,
                                               int32_t count);
void meta_image_remove_broker(struct meta_image *image, int32_t id);
void meta_nodes_release(struct meta_image *image);

/* Level 0 removes. */
NODISCARD enum err meta_image_set_feature(struct meta_image *image, struct slice name,
                                          int16_t level);

/* Set or remove one value of the entity; E_CORRUPT: a type twice, or too many. */
NODISCARD enum err meta_image_set_quota(struct meta_image *image,
                                        const struct meta_quota_part *parts, int32_t count,
                                        const struct meta_quota_value *value);
NODISCARD enum err meta_image_unset_quota(struct meta_image *image,
                                          const struct meta_quota_part *parts, int32_t count,
                                          struct slice key);
void meta_quotas_release(struct meta_image *image);

/* Keep a record under `key`, in the place of one that is there; or forget that. */
NODISCARD enum err meta_image_keep(struct meta_image *image, enum meta_kept_kind kind,
                                   struct slice key, struct slice record);
bool meta_image_forget(struct meta_image *image, enum meta_kept_kind kind, struct slice key);

/* Bytes that we own, NUL-terminated after their end; the null slice when memory is out. */
struct slice meta_text_copy(struct slice s);
void meta_text_free(struct slice s);
