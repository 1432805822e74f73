#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/err.h"
#include "base/hist.h"
#include "base/list.h"
#include "base/report.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "storage/log.h"

struct loop;
struct os;
struct os_pool;
struct trace;

/*
 * Partition: the commit seam. One log with a leader epoch, a high watermark and
 * those who wait for it: append, be called when committed. Produce, fetch, the
 * coordinators and the metadata log use only this, so one broker is a cluster
 * of one and the same code. Alone, committed means synced.
 *
 * Owner:  the replica_shard it was opened in; that loop's thread only.
 *
 * Invariants
 *   (1) log start <= high watermark <= log end; under durability `always` it is
 *       never past the synced offset, under `interval` and `os` committed means
 *       appended
 *   (2) last stable offset <= high watermark
 *   (3) an append's done() is called exactly once, in the order of appends
 */
struct partition;

/*
 * All partitions of one loop. Its turn hook syncs every dirty log once a turn
 * (inline when there is one, on the pool when there are several), moves the high
 * watermarks and completes the appends that waited.
 */
struct replica_shard;

/* What was done since start; written by the shard's thread, read by any. */
struct replica_stats {
    struct counter scrubbed_bytes;
    struct counter damaged_ranges; /* found by the scrubber */

    struct hist sync_us;           /* of one log */
    struct counter synced_appends; /* that they made durable: group commit */
    struct counter sync_failures;

    struct counter opened_clean; /* logs, by what opening them found */
    struct counter opened_scanned;
    struct counter opened_torn;
    struct counter opened_damaged;
    struct counter opened_failed;
    struct counter recovered_bytes; /* read by recovery */
    struct counter torn_bytes;
    struct counter rebuilt_indexes;

    struct counter retention_bytes; /* deleted by age or size */
    struct counter compactions;
    struct counter compaction_failures;
    struct counter compacted_bytes_before;
    struct counter compacted_bytes_after;
    struct counter compaction_ms;
};

/*
 * For the time a sync takes, and what it brought. With the meter of broker/ the part of counting
 * that is on the way of a request; bench/unmetered.c has the same without effect.
 */
int64_t replica_stats_now_ns(struct os *os);
void replica_stats_synced(struct replica_stats *stats, int64_t ns, size_t appends);

/* Add all of `from`, which any thread may be writing, to `sum`, which is ours. */
void replica_stats_add(struct replica_stats *sum, const struct replica_stats *from);

struct replica_options {
    struct loop *loop;
    struct os_pool *pool;        /* NULL: always sync inline */
    struct trace *trace;         /* may be NULL */
    struct replica_stats *stats; /* NULL: counted for nobody; outlives the shard */
    int files_max;               /* that its logs keep open; 0: no limit */
};

NODISCARD enum err replica_shard_open(const struct replica_options *options,
                                      struct replica_shard **shard_out);

/*
 * Get ready to close: from now on nothing goes to the pool, and once nothing is
 * there any more `stopped` is called, by a task of the loop.
 */
void replica_shard_stop(struct replica_shard *shard, void (*stopped)(void *ctx), void *ctx);

/*
 * Sync everything, complete what waits, close all logs cleanly. With a pool:
 * from stopped() or later, or after the loop and the pool have stopped.
 * NULL is fine.
 */
void replica_shard_close(struct replica_shard *shard);

struct loop *replica_shard_loop(const struct replica_shard *shard);

/* Nothing waits for a sync and none is running. */
bool replica_shard_is_idle(const struct replica_shard *shard);

struct partition_id {
    struct uuid topic_id;
    int32_t index;
};

/*
 * Open (or create) the log "<topic>-<index>" and lead it at `leader_epoch`.
 *
 *   E_EXISTS  open already
 *   E_BUSY    its directory is being closed, or another process has it; try later
 *   errors of log_open
 */
struct partition_open {
    struct partition_id id;
    struct slice topic; /* copied */
    int32_t leader_epoch;
    struct log_root *root;
    struct log_options log;
};

NODISCARD enum err partition_open(struct replica_shard *shard, const struct partition_open *open,
                                  struct partition **partition_out, struct report *report);

/*
 * The same in three steps, of which the middle one takes the time and may run on
 * another thread. What `open` names stays valid until the end. After a begin
 * that was E_OK there is a finish, also when run failed; it tells the error.
 */
struct partition_opening {
    struct os_job job; /* for the owner's use with a pool */
    struct partition_open open;
    struct report report;
    struct partition *partition; /* from here on: private */
    struct log_recovery recovery;
    enum err err;
};

NODISCARD enum err partition_open_begin(struct replica_shard *shard,
                                        struct partition_opening *opening);
void partition_open_run(struct partition_opening *opening); /* any thread; blocks */
NODISCARD enum err partition_open_finish(struct partition_opening *opening,
                                         struct partition **partition_out);

/*
 * Waiting appends end with E_NOT_LEADER, watches fire (both in the next run of
 * the turn hook); then the log is closed, or deleted. When a sync of it is on
 * the pool that happens as soon as it ends; `p` is gone for the caller at once.
 */
void partition_close(struct partition *p);
NODISCARD enum err partition_delete(struct partition *p);

/* NULL when this shard does not have it. */
struct partition *partition_find(struct replica_shard *shard, struct partition_id id);

/* Every partition of the shard, in no order, until `each` returns false. */
void partition_each(struct replica_shard *shard, bool (*each)(void *ctx, struct partition *p),
                    void *ctx);

struct partition_id partition_id(const struct partition *p);
const char *partition_topic(const struct partition *p);
struct log *partition_log(struct partition *p);
int32_t partition_leader_epoch(const struct partition *p);

/* How long a producer is to be made to wait because its disk gets full; 0: not at all. */
int32_t partition_pause_ms(const struct partition *p);

/* How long its last sync took. */
int64_t partition_sync_ns(const struct partition *p);

/* Lead it in a newer epoch; an older one is ignored. */
NODISCARD enum err partition_lead(struct partition *p, int32_t leader_epoch);

/* New settings of its log; the next append and maintenance follow them. */
void partition_set_options(struct partition *p, const struct log_options *options);

int64_t partition_high_watermark(const struct partition *p);
int64_t partition_last_stable_offset(const struct partition *p);

/*
 * Append. The operation is owned by the caller and valid until done(op); the
 * bytes may be reused once partition_append has returned.
 *
 * done() comes later in this turn or in a later one, never from inside
 * partition_append; `err` and `appended` are set. Already on return an `err`
 * other than E_OK is final: nothing was appended. A duplicate that is
 * committed already, or will be with an earlier append, is E_OK with
 * is_duplicate and its first offset.
 *
 * With acks 0 and 1 "done" is the leader's own durability policy, with -1 it is
 * the commit; alone both are the same.
 */
struct partition_append {
    uint8_t *bytes; /* whole validated batches; offsets are written into them */
    size_t size;
    int16_t acks;
    bool may_use_reserve; /* as in log_append: goes on when the disk is full */
    int64_t wall_ms;
    void (*done)(struct partition_append *op);
    void *ctx;

    struct log_appended appended; /* from here on: results */
    bool is_duplicate;
    enum err err;

    struct list_node node; /* from here on: private */
    int64_t done_offset;
};

void partition_append(struct partition *p, struct partition_append *op);

enum partition_isolation {
    PARTITION_READ_UNCOMMITTED, /* up to the high watermark */
    PARTITION_READ_COMMITTED,   /* up to the last stable offset */
    PARTITION_READ_LOG_END      /* replicas and tools: up to the log end */
};

/* log_read() below what `isolation` may see. Errors of log_read. */
NODISCARD enum err partition_read(struct partition *p, int64_t offset,
                                  enum partition_isolation isolation, size_t size_max,
                                  struct log_range *range_out);

/*
 * Watch: called once when the high watermark or the last stable offset of the
 * partition has moved, or the partition is closed. Embedded in its owner.
 */
struct partition_watch {
    struct list_node node;
    void (*moved)(struct partition_watch *watch);
    bool is_set;
};

void partition_watch(struct partition *p, struct partition_watch *watch);
void partition_unwatch(struct partition_watch *watch);
