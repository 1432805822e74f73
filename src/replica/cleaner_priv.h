#pragma once

#include "net/loop.h"
#include "os/thread.h"
#include "storage/log_compact.h"

struct config;
struct meta_image;
struct meta_topic;
struct partition;
struct replica_entry;
struct replica_manager;

/*
 * Cleaner: compacts and recompresses the logs of a shard, one after the other, the
 * dirtiest first. Plans and swaps on the loop, works on a pool, in slices; between
 * two of them it waits as long as log.cleaner.io.max.bytes.per.second asks.
 *
 *     idle --due--> on the pool <--> waits for its rate
 *      ^               |
 *      +---finished----+
 *
 * Owner: its manager. A partition that is closed meanwhile stops the job and waits
 * for its end, as for a sync.
 */
struct replica_cleaner {
    struct replica_manager *manager;
    struct loop_timer timer;
    struct loop_task task;
    struct os_job job;
    struct partition *partition; /* whose log is being compacted; NULL: idle */
    int64_t backoff_ms;
    double bytes_per_second; /* our share of the node's */
    size_t map_bytes;        /* the same */
    int64_t began_ms;
    bool has_more;
};

void replica_cleaner_init(struct replica_cleaner *c, struct replica_manager *m);

/* A disk gets full: look now what is due. */
void replica_cleaner_hurry(struct replica_cleaner *c);

/* Give up what is running; the pool has stopped, or nothing is on it. */
void replica_cleaner_stop(struct replica_cleaner *c);

/* The settings of a topic for compaction: the broker's with the overrides in the image. */
struct log_compact_options replica_compact_options(const struct config *config,
                                                   const struct meta_image *image,
                                                   const struct meta_topic *topic);
