#pragma once

#include "base/map.h"
#include "net/loop.h"
#include "replica/partition.h"

struct replica_shard {
    struct replica_options options;
    struct log_files *files;     /* NULL: no limit */
    struct replica_stats *stats; /* the options', or a place for what nobody reads */
    struct loop_hook hook;
    struct map_slice partitions; /* by id; the key is the partition's own */
    struct list_node touched;    /* partitions with something for the hook to do */
    struct list_node closing;    /* waiting for the end of their sync */
    struct list_node done;       /* appends to be completed in this order */
    size_t done_count;
    struct list_node fired;     /* watches to be called */
    size_t sync_count;          /* syncs and other jobs on the pool */
    size_t opening_count;       /* the same, of the manager */
    size_t compacting_count;    /* the same, of its cleaner */
    bool is_closing;            /* nothing goes to the pool any more */
    void (*stopped)(void *ctx); /* wanted, once these are 0 */
    void *stopped_ctx;
    struct loop_task stopped_task;
    struct replica_stats *unread_stats;
};

/*
 * States of a partition: open -> (closing, while a sync is on the pool) -> freed.
 * An append moves waiting -> shard.done -> done(); never from inside a caller.
 */
struct partition {
    struct replica_shard *shard;
    struct partition_id id;
    struct slice key; /* of the shard's map: the bytes of id */
    char *topic;
    struct log *log;
    struct log_root *root;
    struct log_options options;
    int32_t leader_epoch;
    int64_t high_watermark;
    int64_t last_stable_offset;
    struct list_node waiting; /* appends by rising done_offset */
    struct list_node watches;
    struct list_node node; /* in touched or closing */

    struct log_sync sync;
    int64_t sync_ns; /* how long it took */
    struct loop_task sync_task;
    struct log_compact *compact; /* of the cleaner; NULL: none */
    bool is_syncing;             /* on the pool */
    bool is_sync_due;            /* durability interval: the timer fired, or enough was appended */
    bool is_closing;
    bool is_deleting;                 /* with is_closing */
    int64_t synced_or_started_offset; /* what flush_messages counts from */
    struct loop_timer flush_timer;
};

/* After an append, or whenever the hook should look at it. */
void partition_touch(struct partition *p);

/* For the hook: complete what the log's state allows. */
void partition_advance(struct partition *p);

/* For the hook: a sync failed; everything that waits ends with `e`. */
void partition_fail(struct partition *p, enum err e);

/* Under its policy, does the log have to be synced before more is committed, or now? */
bool partition_wants_sync(const struct partition *p);

/* A sync of everything so far begins. */
void partition_sync_begins(struct partition *p);

/* When closing: is that the end of what was on the pool? */
void replica_shard_check_stopped(struct replica_shard *shard);

/* The second half of close: nothing of it is running any more. */
NODISCARD enum err partition_finish_close(struct partition *p);
