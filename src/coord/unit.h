#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "net/loop.h"
#include "record/record_list.h"
#include "replica/partition.h"

struct replica_manager;
struct trace;

/*
 * Unit: one partition of a coordinator's topic with the machine whose records it
 * holds. Loads the machine from the log, appends what it decides, and releases
 * answers in order, once all before them is committed
 * (docs/design/0004-coordinators.md).
 *
 *   LOADING --- the whole log is applied ---> ACTIVE
 *      ^  \                                      |
 *      |   +------------> FAILED <---------------+ an append was lost, memory ran out
 *      +---- in a while ----+
 *
 * Owner:  the coord of a shard; its loop's thread.
 *
 * Invariants
 *   (1) the machine has applied exactly the records of the log, in order
 *   (2) ops are released in the order of coord_unit_submit, each once
 *   (3) no record is appended by anybody else while the unit is ACTIVE
 */
struct coord_unit;

enum {
    COORD_RETRY_MS = 500, /* the first time; then twice as long each time */
    COORD_RETRY_MS_MAX = 30 * 1000,
    COORD_LOAD_BYTES = 1024 * 1024, /* a turn */
    COORD_BATCH_BYTES_MAX = 17 * 1024 * 1024
};

enum coord_unit_state { COORD_LOADING, COORD_ACTIVE, COORD_FAILED };

/* A record of the log on its way into the machine. */
struct coord_record {
    struct slice key;
    struct slice value;
    int64_t offset;
    int64_t producer_id; /* -1: outside of transactions */
};

/* The machine, as a unit sees it. `ctx` is the unit's. */
struct coord_machine {
    NODISCARD enum err (*apply)(void *ctx, const struct coord_record *record);
    NODISCARD enum err (*apply_marker)(void *ctx, int64_t producer_id, bool is_commit);
    void (*reset)(void *ctx);  /* forget everything: it will be loaded from the begin */
    void (*loaded)(void *ctx); /* the whole log was applied */
};

struct coord_unit_options {
    struct loop *loop;
    struct trace *trace;             /* may be NULL */
    struct replica_manager *manager; /* to find the partition */
    struct partition_id id;
    struct slice topic; /* for traces; static */
    const struct coord_machine *machine;
    void *ctx;
};

/* Begins to load. E_NOMEM */
NODISCARD enum err coord_unit_open(const struct coord_unit_options *options,
                                   struct coord_unit **unit_out);

/* Every op is released with E_NOT_LEADER first. NULL is fine. */
void coord_unit_close(struct coord_unit *unit);

enum coord_unit_state coord_unit_state(const struct coord_unit *unit);
struct partition_id coord_unit_id(const struct coord_unit *unit);

/*
 * Op: records to append and something to do once they, and all before them, are
 * committed. Owned by the caller until release(), which is called once, with `err`
 * set, never from inside coord_unit_submit.
 */
struct coord_op {
    void (*release)(struct coord_op *op);
    enum err err; /* E_OK: committed; else it was lost, or may be */

    struct list_node node; /* from here on: private */
    struct unit_append *append;
};

/*
 * Append `records` (NULL or none: nothing) as one batch, give them to the machine, and release `op`
 * when that is committed. With a producer id the batch is of its transaction.
 *
 *   others than E_OK  nothing was appended or applied; `op` is not the unit's
 *   E_NOT_LEADER      the partition is not here, or the unit is not active
 *   E_TOO_BIG, E_NO_SPACE, E_BROKEN, E_FENCED (the producer's epoch is old), E_NOMEM
 */
struct coord_submit {
    const struct record_list *records;
    int64_t wall_ms;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
};

NODISCARD enum err coord_unit_submit(struct coord_unit *unit, const struct coord_submit *submit,
                                     struct coord_op *op);

/* The end of a transaction on this partition: append the marker, tell the machine. As submit. */
struct coord_marker {
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t coordinator_epoch;
    bool is_commit;
    int64_t wall_ms;
};

NODISCARD enum err coord_unit_mark(struct coord_unit *unit, const struct coord_marker *marker,
                                   struct coord_op *op);
