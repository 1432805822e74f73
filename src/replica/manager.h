#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "meta/image.h"
#include "replica/partition.h"
#include "storage/log.h"

struct config;
struct os;
struct os_pool;
struct trace;

/*
 * Which of `shards` shards has a partition. The same on every call: broker
 * routing and the managers must agree.
 */
int replica_owner(struct uuid topic_id, int32_t index, int shards);

/*
 * Roots: the directories of `log.dirs` with the logs that were found in them
 * when the node started. Opened once, before the shards; then shared by all.
 *
 * Thread: open and close on one; the rest from any.
 */
struct replica_roots;

/* All or nothing. Errors of log_root_open; the report names the directory. */
NODISCARD enum err replica_roots_open(struct os *os, const char *const *paths, size_t count,
                                      struct replica_roots **roots_out, struct report *report);
void replica_roots_close(struct replica_roots *roots);

/* Watch the disks, by the settings disk.*; before the first partition is opened. */
void replica_roots_guard(struct replica_roots *roots, const struct config *config, int64_t wall_ms);
size_t replica_roots_count(const struct replica_roots *roots);
struct log_root *replica_roots_at(const struct replica_roots *roots, size_t index);

/* The root in which a directory of that name was when the node started; false: none. */
bool replica_roots_find(const struct replica_roots *roots, const char *name, size_t *root_out);

/*
 * Manager: makes a shard's partitions be what the metadata says. Opens, closes
 * and deletes the partitions whose owner the shard is; nothing a directory
 * holds can stop the process: a partition that cannot be opened is offline.
 *
 * Directories: "<topic>-<index>" in one of the roots; a new one goes where there
 * are fewest. A directory of a topic that the metadata never had is left alone,
 * with one warning ("stray"); one of a deleted topic is deleted.
 *
 * No turn gets long: of thousands of new partitions some are opened in each, and
 * one that is asked for at once. What was there at start is opened on the pool,
 * `num.recovery.threads.per.data.dir` logs at once.
 *
 * Owner: one shard; its loop's thread.
 */
struct replica_manager;

struct replica_manager_options {
    struct replica_shard *shard;
    struct replica_roots *roots;
    struct trace *trace; /* may be NULL */
    int32_t node_id;
    int shard_index;
    int shard_count;
    const struct config *config;  /* borrowed while open */
    struct os_pool *cleaner_pool; /* for compaction; NULL: there is none */
    struct os_pool *pool;         /* where logs that were there are opened; NULL: on the loop */
};

NODISCARD enum err replica_manager_open(const struct replica_manager_options *options,
                                        struct replica_manager **manager_out);

/* Before replica_shard_close(), which closes the partitions. */
void replica_manager_close(struct replica_manager *manager);

/*
 * Follow the image. The first call, with the image as of start-up and the delta
 * of the whole replay, makes everything be as the image says; later ones act
 * on what the delta names. Applying a delta again changes nothing.
 */
void replica_apply(struct replica_manager *manager, const struct meta_image *image,
                   const struct meta_delta *delta);

/*
 * Call `started` once, when all that the first replica_apply() named is open or
 * offline, or took longer than a second: from here or from the loop.
 */
void replica_when_started(struct replica_manager *manager, void (*started)(void *ctx), void *ctx);

/*
 * The partition, if it is ours.
 *
 *   E_NOT_FOUND  not on this shard, or not yet
 *   E_BROKEN     it is, but offline: KAFKA_STORAGE_ERROR
 */
NODISCARD enum err replica_find(struct replica_manager *manager, struct partition_id id,
                                struct partition **partition_out);

/* The settings of a topic's logs: the broker's with the overrides in the image. */
struct log_options replica_log_options(const struct config *config, const struct meta_image *image,
                                       const struct meta_topic *topic);

size_t replica_offline_count(const struct replica_manager *manager);

/* How many partitions are in which state. */
struct replica_states {
    size_t open;
    size_t waiting; /* to be opened, or being recovered */
    size_t offline;
};

struct replica_states replica_states(const struct replica_manager *manager);
