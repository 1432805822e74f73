#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "broker/meter.h"
#include "meta/image.h"
#include "net/conn.h"
#include "net/loop.h"
#include "quorum/quorum.h"
#include "replica/partition.h"
#include "trace/trace.h"
#include "wire/error.h"

struct broker;
struct broker_peer;
struct config;
struct config_topic;
struct coord;
struct fetch_sessions;
struct partition;
struct replica_manager;
struct replica_shard;
struct request;
struct session;
struct topic_settings;

/*
 * Broker_shard: one loop's part of the broker: its connections, its partitions
 * and its own copy of the metadata image. Shares nothing that changes with the
 * other shards; they talk by calls (call_priv.h).
 *
 * Owner: the broker. Thread: its loop; counters may be read from any.
 */
enum { SHARD_SCRATCH_BYTES_KEPT = 256 * 1024 };

struct broker_shard {
    struct broker *broker;
    int index;
    struct loop *loop;
    struct replica_shard *replicas;
    struct replica_manager *manager;
    struct coord *coord;
    struct config *config; /* the node's, with what was set in the cluster over it */
    struct meta_image *image;
    struct quorum_observer observer;
    bool is_caught_up; /* the image holds all that was there at start */

    struct list_node sessions;
    struct net_budget budget;
    int32_t frame_bytes_max;
    int64_t idle_timeout_ms;
    struct list_node free_requests;
    int free_request_count;
    int request_count;               /* under way, also those whose connection is gone */
    struct map_slice topic_settings; /* by topic id; resolved again when metadata changes */
    uint32_t settings_generation;    /* counts that: pointers to them are good for one */
    struct meta_delta delta;         /* of the records being applied */
    struct buf scratch;              /* for decompression while a batch is checked */
    bool validates_compressed;       /* log.validate.compressed */
    struct fetch_sessions *fetch_sessions;
    int64_t producer_id_next; /* of the block that the controller gave us */
    int64_t producer_id_end;
    bool is_draining;
    int64_t drain_until_ms;
    struct loop_timer drain_timer;
    struct loop_task drain_task;
    struct loop_task leave_task;

    int64_t slow_ns; /* request.slow.ms; a longer request is traced */
    struct trace_limit dropped_limit;
    struct trace_limit refused_limit;
    struct trace_limit slow_limit;

    struct meter meter;
    struct replica_stats background;
};

void shard_add_session(struct broker_shard *shard, struct session *session);
void shard_remove_session(struct broker_shard *shard, struct session *session);
void shard_session_refused(struct broker_shard *shard, struct broker_peer *peer);
void shard_trace_session(struct broker_shard *shard, const struct session *session,
                         const char *reason);
void shard_trace_slow(struct broker_shard *shard, const struct request *req, const char *peer,
                      int64_t ns);
void shard_trace_refused(struct broker_shard *shard, const char *peer, const char *reason);

/* The shard that owns the partition. */
struct broker_shard *shard_of(const struct broker_shard *shard, struct uuid topic_id,
                              int32_t index);

/*
 * The partition, on the shard that owns it.
 *
 *   E_NOT_FOUND  no such partition, or not yet, or no longer; or the shard has stopped
 *   E_BROKEN     its log could not be opened
 */
NODISCARD enum err shard_partition(struct broker_shard *shard, struct uuid topic_id, int32_t index,
                                   struct partition **partition_out);

/*
 * What a client is told for an error of shard_partition: to ask for metadata and to try
 * again, unless they would only say that the topic is gone.
 */
enum wire_error shard_partition_error(const struct broker_shard *shard, struct uuid topic_id,
                                      enum err e);

/* Does a client that names a leader epoch mean the partition's own (KIP-320)? Below 0: it names
 * none. */
enum wire_error shard_check_epoch(const struct partition *partition, int32_t client_epoch);

/* The shard's own copy of the settings, and what it keeps of them. E_NOMEM. */
NODISCARD enum err shard_settings_open(struct broker_shard *shard);

/* After a change of the image, before others look at it: settings of this broker, or of all. */
void shard_settings_follow(struct broker_shard *shard);

/*
 * The settings of a topic that the data path asks for, resolved once and kept
 * until metadata change; and what this shard's clients did with it, until it is deleted.
 */
struct topic_settings {
    struct uuid topic_id;
    struct meter_topic meter;
    bool is_stale; /* to be resolved before it is used */
    int32_t message_bytes_max;
    bool is_compacted; /* cleanup.policy has compact */
    bool is_deleted;   /* cleanup.policy has delete */
    bool is_log_append_time;
    int64_t before_max_ms; /* message.timestamp.before.max.ms */
    int64_t after_max_ms;
};

/* NULL only when memory is out. */
struct topic_settings *shard_topic_settings(struct broker_shard *shard, struct uuid topic_id);

/* The overrides of a topic, ready for config_topic_*(); NULL (no overrides) when memory is out. */
struct config_topic *shard_topic_config(const struct broker_shard *shard,
                                        const struct meta_topic *topic);

/* The same of a group, which need not exist. */
struct config_topic *shard_group_config(const struct broker_shard *shard, struct slice group_id);
