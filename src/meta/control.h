#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "meta/image.h"
#include "meta/records.h"
#include "wire/error.h"

struct config;
struct wire_create_topics_request;
struct wire_delete_topics_request;
struct wire_create_partitions_request;

/*
 * Control: the controller's decisions. Each takes what was asked and the image,
 * and adds the records that make it so; the caller appends those and answers
 * when they are committed. Nothing here changes the image.
 *
 * A request of several items gets one result per item, in the request's order;
 * an item that is refused adds no record. All records of one decision must be
 * appended as one batch.
 *
 * Errors of every decision (the request as a whole failed, no record was added):
 *   E_NOMEM, E_TOO_BIG  results do not fit the arena, or records their maximum
 */
struct meta_control {
    const struct meta_image *image;
    struct arena *arena; /* results and their messages */
    struct rng *rng;     /* topic ids */
    int32_t default_partitions;
    int16_t default_replication;  /* lowered to the number of brokers */
    const struct config *config;  /* what groups may set is checked against it; NULL: defaults */
    struct meta_records *records; /* out: added to */
};

/* `message` is for people; NULL when there is no more to say than the code does. */
struct meta_result {
    enum wire_error error;
    const char *message;
};

struct meta_topic_result {
    struct meta_result result;
    struct slice name;    /* as asked, or found by id; NULL when unknown */
    struct uuid topic_id; /* as asked, or given, or found; zero when unknown */
    int32_t partition_count;
    int16_t replication_factor;
};

/*
 * New topics. Sets validate_only aside: a request with it gets results and adds
 * no records. A name that occurs twice is INVALID_REQUEST at each place.
 * The array has one result for each topic of the request.
 */
NODISCARD enum err meta_create_topics(struct meta_control *control,
                                      const struct wire_create_topics_request *request,
                                      struct meta_topic_result **results_out);

/*
 * Delete by name or id. The array has one result for each entry of
 * `topics` (v6+), or of `topic_names` when there are no `topics`.
 */
NODISCARD enum err meta_delete_topics(struct meta_control *control,
                                      const struct wire_delete_topics_request *request,
                                      struct meta_topic_result **results_out);

/* Grow topics; one result for each topic of the request. */
NODISCARD enum err meta_create_partitions(struct meta_control *control,
                                          const struct wire_create_partitions_request *request,
                                          struct meta_topic_result **results_out);

/*
 * A broker starts: it gets a new epoch, which is the offset that the record
 * will have, and is unfenced when it asks for it.
 */
struct meta_registration {
    int32_t broker_id;
    struct uuid incarnation_id;
    int64_t broker_epoch; /* offset of the record to come */
    const struct meta_endpoint *endpoints;
    int32_t endpoint_count;
    struct slice rack; /* NULL: none */
    struct uuid log_dir_ids[META_ENDPOINTS_MAX];
    int32_t log_dir_count;
    bool is_unfenced;
};

NODISCARD enum err meta_register_broker(struct meta_control *control,
                                        const struct meta_registration *registration);

/* A block of META_PRODUCER_ID_BLOCK ids that nobody else will get. */
enum { META_PRODUCER_ID_BLOCK = 1000 };

NODISCARD enum err meta_allocate_producer_ids(struct meta_control *control, int32_t broker_id,
                                              int64_t broker_epoch, int64_t *first_id_out);

/*
 * Settings of topics, brokers and groups are checked with config/; an unknown one is
 * INVALID_CONFIG. A group need not exist.
 *
 * IncrementalAlterConfigs (KIP-339): one setting of one resource. */
enum meta_alter_kind {
    META_ALTER_SET = 0,
    META_ALTER_DELETE = 1,
    META_ALTER_APPEND = 2, /* to a list; values that are in it stay once */
    META_ALTER_SUBTRACT = 3,
};

struct meta_alter {
    struct slice name;
    enum meta_alter_kind kind;
    struct slice value; /* NULL only with delete */
};

struct meta_alter_resource {
    int8_t type; /* enum meta_resource */
    struct slice name;
    const struct meta_alter *alters;
    int32_t alter_count;
};

/*
 * Alter settings: all of a resource or none of it. One result per resource.
 * With `replace` (AlterConfigs) settings that are not named are removed.
 */
struct meta_alter_configs {
    const struct meta_alter_resource *resources;
    int32_t resource_count;
    bool replace;
    bool validate_only;
};

NODISCARD enum err meta_alter_configs(struct meta_control *control,
                                      const struct meta_alter_configs *request,
                                      struct meta_result **results_out);

/* What a new cluster begins with: its feature levels. */
NODISCARD enum err meta_bootstrap(struct meta_control *control);

/* The features that this build knows: for registrations and for ApiVersions. */
struct meta_supported_feature {
    const char *name;
    int16_t version_min;
    int16_t version_max;
    int16_t level; /* that a new cluster finalizes */
};

const struct meta_supported_feature *meta_supported_features(size_t *count_out);

/* Kafka's rule for names: 1 to 249 of [a-zA-Z0-9._-], neither "." nor "..". */
bool meta_topic_name_is_valid(struct slice name);

/* Topics that clients may write to through their coordinators only. */
bool meta_topic_is_internal(struct slice name);
