#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "base/slice.h"
#include "group/group.h"
#include "meta/image.h"
#include "wire/error.h"

struct config;
struct loop;
struct replica_manager;
struct trace;
struct wire_describe_groups_response_described_group;
struct wire_offset_fetch_request_offset_fetch_request_group;
struct wire_offset_fetch_response_offset_fetch_response_group;

/*
 * Coord: the coordinators of one shard. For every partition of __consumer_offsets that the
 * shard leads it holds the groups of that partition (group/), appends what they
 * decide, and answers when it is committed.
 *
 * Owner: the shard; its loop's thread.
 */
struct coord;

struct coord_options {
    struct loop *loop;
    struct trace *trace; /* may be NULL */
    struct replica_manager *manager;
    const struct config *config; /* borrowed while open */
    int shard_index;
    int shard_count;
};

NODISCARD enum err coord_open(const struct coord_options *options, struct coord **coord_out);

/* Accept nothing any more: every call that waits ends with NOT_COORDINATOR. */
void coord_stop(struct coord *coord);

/* After the partitions are closed. NULL is fine. */
void coord_close(struct coord *coord);

/* After replica_apply() of the same: coordinators come and go with their partitions and topics. */
void coord_apply(struct coord *coord, const struct meta_image *image,
                 const struct meta_delta *delta);

/* The partition, of `count`, that a group or a transactional id belongs to: as in Kafka. */
int32_t coord_partition_of(struct slice id, int32_t count);

#define COORD_OFFSETS_TOPIC "__consumer_offsets"
#define COORD_TXN_TOPIC     "__transaction_state"

/*
 * Call: one request, or the part of one that is about one group. Owned by the
 * caller until done(), which is called once, on the coord's loop, perhaps from
 * inside coord_call(). The request and what it points to must live until then.
 *
 * `error` says why there is no reply at all: COORDINATOR_LOAD_IN_PROGRESS,
 * NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE, or what a refused append means.
 */
enum coord_kind {
    COORD_JOIN,
    COORD_SYNC,
    COORD_HEARTBEAT,
    COORD_LEAVE,
    COORD_OFFSET_COMMIT,
    COORD_TXN_OFFSET_COMMIT,
    COORD_OFFSET_DELETE,
    COORD_DELETE,
    COORD_OFFSET_FETCH,
    COORD_DESCRIBE,
};

struct coord_call {
    enum coord_kind kind;
    int32_t partition; /* of __consumer_offsets */
    int16_t version;
    struct slice client_id;
    struct slice client_host;
    union {
        const struct wire_join_group_request *join;
        const struct wire_sync_group_request *sync;
        const struct wire_heartbeat_request *heartbeat;
        const struct wire_leave_group_request *leave;
        const struct wire_offset_commit_request *offset_commit;
        const struct wire_txn_offset_commit_request *txn_offset_commit;
        const struct wire_offset_delete_request *offset_delete;
        const struct wire_offset_fetch_request_offset_fetch_request_group *offset_fetch;
        struct slice group_id; /* delete, describe */
    } request;
    const enum wire_error *errors; /* commits: of each partition, see group_commit() */
    bool require_stable;           /* fetch */
    struct arena *arena;           /* fetch and describe: for the answer; the call's alone */

    void (*done)(struct coord_call *call);
    void *ctx;

    enum wire_error error;           /* from here on: results */
    const struct group_reply *reply; /* borrowed for done() */
    struct wire_offset_fetch_response_offset_fetch_response_group *fetched;
    struct wire_describe_groups_response_described_group *described;

    uint64_t token; /* from here on: private; 0: not under way */
    struct list_node node;
};

void coord_call(struct coord *coord, struct coord_call *call);

/* Whoever asked is gone: done() now, with COORDINATOR_NOT_AVAILABLE, if it was not called yet. */
void coord_cancel(struct coord *coord, struct coord_call *call);

/*
 * ListGroups: append struct group_listed of all groups of this shard. Borrowed until the next
 * event, so copy them.
 *
 *   WIRE_ERROR_COORDINATOR_LOAD_IN_PROGRESS  some are not known yet
 */
enum wire_error coord_list(const struct coord *coord,
                           const struct wire_list_groups_request *request, struct vec *list);

size_t coord_group_count(const struct coord *coord);

/*
 * Every group of this shard with the offsets it has committed, until `each` returns false. What
 * `each` is given lives in the arena, but for the names, which are borrowed until the next event.
 * False: memory is out, or the arena's maximum reached.
 */
struct coord_group {
    struct group_listed listed;
    const struct wire_offset_fetch_response_offset_fetch_response_group *offsets;
};

bool coord_each_group(const struct coord *coord, struct arena *arena,
                      bool (*each)(void *ctx, const struct coord_group *group), void *ctx);
