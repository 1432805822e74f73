#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/rng.h"
#include "quorum/quorum.h"
#include "replica/partition.h"

enum {
    QUORUM_CLUSTER_ID_SIZE_MAX = 128,
    QUORUM_CHUNK_SIZE = 256 * 1024, /* of the log, that an observer gets at once */
    QUORUM_ARENA_MAX = 4 * 1024 * 1024,
    QUORUM_ROOTS_MAX = META_ENDPOINTS_MAX,
};

struct quorum_identity {
    char cluster_id[QUORUM_CLUSTER_ID_SIZE_MAX];
    int32_t node_id;
    struct uuid directory_ids[QUORUM_ROOTS_MAX]; /* by root */
    int32_t directory_count;
};

/*
 * Commits in the order of their offsets; the first is the next to be done.
 *
 *     decided -> appended -> (sync) -> is_done -> first in line -> published, answered
 */
struct quorum_commit {
    struct quorum *quorum;
    struct list_node node;
    struct quorum_op *op; /* NULL for what the quorum writes by itself */
    struct partition_append append;
    struct buf bytes;
    struct meta_records records;
    int64_t end_offset; /* of the log, after it; unused without records */
    bool has_records;
    bool is_done;
    enum err err;
};

struct quorum {
    struct loop *loop;
    struct trace *trace;
    struct quorum_identity identity;
    struct replica_shard *shard;
    struct partition *partition;
    struct meta_image *image; /* of all that is appended: ahead of what is committed */
    struct rng rng;
    int32_t default_partitions;
    int16_t default_replication;
    const struct config *config;
    int32_t epoch;
    int64_t broker_epoch;
    int64_t committed_offset; /* exclusive end of what was published */
    int64_t ready_offset;     /* exclusive end of what start-up wrote */
    struct list_node commits;
    struct list_node observers;
    bool is_broken;
};

/*
 * What the text of one meta.properties says must agree with `identity`, whose unknown parts
 * (cluster id "", node id -1) it fills. *directory_id_out is left as it is when the text has none.
 *
 *   E_INVAL  another version, a senseless value, another cluster or node; the report says which
 *   E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err quorum_identity_decode(struct quorum_identity *identity, struct slice text,
                                          struct uuid *directory_id_out, struct report *report);

/* Read meta.properties of every root, or make it. E_INVAL: they contradict each other or us. */
NODISCARD enum err quorum_identity_open(struct quorum_identity *identity,
                                        const struct quorum_options *options,
                                        struct report *report);

/*
 * The metadata records of the batches from `offset` on, at most QUORUM_CHUNK_SIZE
 * bytes of the log and at least one batch, below `limit`. *end_out: the offset after them.
 */
NODISCARD enum err quorum_read(struct quorum *quorum, int64_t offset, int64_t limit,
                               struct meta_records *records_out, int64_t *end_out);

/* Apply the whole log to the image. */
NODISCARD enum err quorum_replay(struct quorum *quorum, struct report *report);

/* Append one batch of those records to `bytes`. */
NODISCARD enum err quorum_build_batch(struct quorum *quorum, const struct meta_records *records,
                                      struct buf *bytes);

/* Append the control batch that opens an epoch; of a new log also the voters (KIP-853). */
NODISCARD enum err quorum_build_epoch(struct quorum *quorum, bool is_new, struct buf *bytes,
                                      int32_t *count_out);

/* Hand committed records to the observers that follow live. Takes the records out of them. */
void quorum_publish(struct quorum *quorum, struct meta_records *records, int64_t end_offset);
