#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/slice.h"
#include "base/vec.h"
#include "net/loop.h"

struct broker;
struct broker_shard;

/*
 * Census: what only the shards know of themselves, collected for one scrape of the metrics. A form
 * that goes round: each shard fills in its part on its own loop and passes it on, so nothing is
 * locked and nobody reads what another one writes.
 *
 * Owner:    whoever made it; between start and done() the shards'. A broker that stops may never
 *           give it back: then it may be freed once no loop turns.
 * Bounds:   `names_max` topics and as many groups; what is more is counted as left out. A walk over
 *           the partitions of a shard at a time: some microseconds each.
 */
struct broker_census_topic {
    struct slice name;
    int32_t partition_count; /* that the topic has; the arrays' size */
    int32_t led_count;       /* of them here */
    int64_t *ends;           /* high watermarks; -1: led elsewhere, or offline */
    int64_t log_bytes;
    uint64_t produced_records;
    uint64_t produced_bytes;
    uint64_t produce_failures;
    uint64_t fetched_bytes;
    struct broker_census_topic *next; /* in the order of finding */
};

/* What a group has of one topic. */
struct broker_census_lag {
    struct slice group;
    struct slice topic;
    int64_t records;  /* behind the high watermarks, of the partitions that are led here */
    int64_t most;     /* of one partition */
    int32_t *indexes; /* until it is done: partitions and what was committed of them */
    int64_t *committed;
    int32_t count;
};

enum broker_census_group_state {
    BROKER_CENSUS_EMPTY,
    BROKER_CENSUS_STABLE,
    BROKER_CENSUS_REBALANCING, /* any other */
    BROKER_CENSUS_GROUP_STATES,
};

struct broker_census {
    struct arena arena;
    struct broker_census_topic *topics;
    size_t topic_count;
    size_t topics_left_out;
    struct vec lags; /* of struct broker_census_lag */
    size_t lags_left_out;
    size_t groups[BROKER_CENSUS_GROUP_STATES];

    size_t partitions_open;
    size_t partitions_waiting;
    size_t partitions_offline;
    size_t partitions_leading;
    size_t under_replicated; /* led here, with fewer in sync than replicas */
    int64_t log_bytes;
    int64_t cluster_topics; /* as the metadata says */
    int64_t cluster_partitions;
    int64_t cluster_brokers;
    int64_t metadata_offset;

    int64_t receive_bytes; /* memory, by who holds it */
    int64_t request_bytes;
    int64_t answer_bytes;
    int64_t scratch_bytes;
    size_t requests; /* under way */
    size_t fetch_sessions;

    struct broker *broker; /* from here on: private */
    size_t names_max;
    struct map_slice by_name; /* of topics */
    int shard;                /* whose turn it is */
    struct loop *home;
    struct loop_task task;
    void (*done)(struct broker_census *census);
    void *ctx;
};

/* NULL: out of memory. */
struct broker_census *broker_census_new(struct broker *broker, size_t names_max);
void broker_census_free(struct broker_census *census);

/* done() comes on `home`, whose loop calls this; never from inside of it. */
void broker_census_start(struct broker_census *census, struct loop *home,
                         void (*done)(struct broker_census *census), void *ctx);
