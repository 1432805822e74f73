#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "base/vec.h"
#include "meta/image.h"

/* A value of the maps below; the slices are one block per setting. */
struct meta_resource_configs {
    struct meta_config *at; /* by name */
    size_t count;
    size_t capacity;
};

struct meta_image {
    struct map_slice topics;     /* struct meta_topic, key: its name */
    struct map_slice topic_ids;  /* the same ones, key: its id */
    struct map_slice collisions; /* those with a dot or an underscore, key: dots made underscores */
    struct map_slice deleted;    /* key: id; values mean nothing */
    struct map_slice configs;    /* struct meta_resource_configs, key: type byte and name */
    struct vec brokers;          /* struct meta_broker *, by id */
    struct meta_feature features[META_FEATURES_MAX];
    size_t feature_count;
    int64_t partition_count;
    int64_t next_producer_id;
    int64_t offset;
};

/* Dots made underscores; the null slice when the name has neither. */
struct slice meta_collision_key(struct slice name, uint8_t key_out[META_TOPIC_NAME_SIZE_MAX]);

/* The steps of apply; each changes all or nothing. */
struct meta_topic *meta_image_mutable_topic(struct meta_image *image, struct uuid id);
NODISCARD enum err meta_image_add_topic(struct meta_image *image, struct slice name,
                                        struct uuid id);
NODISCARD enum err meta_image_remove_topic(struct meta_image *image, struct meta_topic *topic);

/* Room for partition `index`; holes in between. */
NODISCARD enum err meta_topic_reserve(struct meta_image *image, struct meta_topic *topic,
                                      int32_t index);

NODISCARD enum err meta_ids_copy(const int32_t *at, int32_t count, struct meta_ids *ids_out);
void meta_partition_release(struct meta_partition *partition);

/* A NULL value removes. */
NODISCARD enum err meta_image_set_config(struct meta_image *image, int8_t type,
                                         struct slice resource_name, struct slice name,
                                         struct slice value);

/* Takes `broker`; replaces one of the same id. */
NODISCARD enum err meta_image_put_broker(struct meta_image *image, struct meta_broker *broker);
struct meta_broker *meta_image_mutable_broker(struct meta_image *image, int32_t id);
void meta_image_remove_broker(struct meta_image *image, int32_t id);
void meta_broker_free(struct meta_broker *broker);

/* Level 0 removes. */
NODISCARD enum err meta_image_set_feature(struct meta_image *image, struct slice name,
                                          int16_t level);
