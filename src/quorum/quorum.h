#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/report.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "meta/control.h"
#include "meta/image.h"
#include "net/loop.h"
#include "wire/error.h"

struct config;
struct os_pool;
struct replica_roots;
struct trace;

/*
 * Quorum: the host of the metadata log. Owns __cluster_metadata-0, decides with
 * meta/control.h, appends through the seam of replica/partition.h, and hands
 * what is committed to its observers. One voter so far: the only writer, and
 * always the leader.
 *
 * Thread:   lives on the controller's loop. quorum_open and quorum_close there,
 *           or before that loop runs and after it has stopped. quorum_submit and
 *           quorum_observe from any loop; the constant facts from any thread.
 *
 * Invariants
 *   (1) observers see committed records only, each once, in the order of offsets
 *   (2) an op's done() runs after the observers of its loop that have caught up
 *       saw the op's records
 *   (3) after a failed write nothing is committed any more; every op ends with
 *       KAFKA_STORAGE_ERROR
 *
 * Format: docs/metadata.md
 */
struct quorum;

struct quorum_options {
    struct loop *loop;           /* the controller's */
    struct os_pool *pool;        /* may be NULL */
    struct trace *trace;         /* may be NULL */
    struct replica_roots *roots; /* meta.properties in each; the log in the first, or where it is */
    int32_t node_id;             /* as configured; -1: the one of meta.properties, or 1 */
    struct slice cluster_id;     /* as configured; NULL: the one of meta.properties, or a new one */
    const struct meta_endpoint *endpoints; /* advertised listeners; copied */
    int32_t endpoint_count;
    struct slice rack; /* NULL: none */
    int32_t default_partitions;
    int16_t default_replication;
    const struct config *config; /* borrowed while open; NULL: the defaults */
};

/*
 * Read (or make) meta.properties, replay the log, start an epoch of our own and
 * register this broker. What that appends is committed once the loop turns.
 *
 *   E_INVAL  meta.properties says another node id or cluster; the report which
 *   E_UNSUPPORTED, E_CORRUPT  a metadata record that we cannot honour
 *   errors of log_open
 */
NODISCARD enum err quorum_open(const struct quorum_options *options, struct quorum **quorum_out,
                               struct report *report);

/* Every op must be done, every observer removed or its loop stopped. */
void quorum_close(struct quorum *quorum);

/* Controller's loop: no op and no commit is under way. */
bool quorum_is_idle(const struct quorum *quorum);

/* Constant after open. */
int32_t quorum_node_id(const struct quorum *quorum);
const char *quorum_cluster_id(const struct quorum *quorum);
int64_t quorum_broker_epoch(const struct quorum *quorum);

/*
 * Op: a change somebody asks for. The caller owns it, and everything it points
 * to, until done(), which runs once on `loop`. In between only the controller
 * touches it and the arena.
 */
enum quorum_op_kind {
    QUORUM_CREATE_TOPICS,
    QUORUM_DELETE_TOPICS,
    QUORUM_CREATE_PARTITIONS,
    QUORUM_ALTER_CONFIGS,
    QUORUM_PRODUCER_IDS,
};

struct quorum_op {
    enum quorum_op_kind kind;
    struct loop *loop;
    void (*done)(struct quorum_op *op);
    void *ctx;
    struct arena *arena; /* results go there */
    union {              /* by kind */
        const struct wire_create_topics_request *create_topics;
        const struct wire_delete_topics_request *delete_topics;
        const struct wire_create_partitions_request *create_partitions;
        struct meta_alter_configs alter_configs;
    } request;

    enum wire_error error; /* from here on: results; of the op as a whole */
    union {                /* only with error 0 */
        struct meta_topic_result *topics;
        struct meta_result *resources;
        int64_t first_producer_id; /* of META_PRODUCER_ID_BLOCK */
    } result;

    struct loop_task task; /* from here on: private */
    struct list_node node;
    struct quorum *quorum;
};

/* Not after quorum_close has begun. */
void quorum_submit(struct quorum *quorum, struct quorum_op *op);

/*
 * Observer: sees all committed records from the first on, on its own loop.
 * Owned by the caller and valid until quorum_unobserve's `gone` has run.
 */
struct quorum_batch {
    const struct meta_records *records; /* borrowed for the call */
    int64_t last_offset;                /* of the metadata log that these bring us to */
};

struct quorum_observer {
    struct loop *loop;
    void *ctx;
    void (*on_records)(void *ctx, const struct quorum_batch *batch);

    /* Once: everything that was committed when the node started has been seen. */
    void (*on_caught_up)(void *ctx);

    /* After quorum_unobserve(): no call will follow. */
    void (*on_gone)(void *ctx);

    struct quorum *quorum; /* from here on: private to the observer's loop */
    bool is_leaving;
    struct loop_task task; /* handed to and fro */
    struct loop_task leave_task;
    struct list_node node; /* from here on: private to the controller's loop */
    int64_t next_offset;
    bool is_live;
    bool is_caught_up;
};

void quorum_observe(struct quorum *quorum, struct quorum_observer *observer);

/* On the observer's loop. */
void quorum_unobserve(struct quorum_observer *observer);
