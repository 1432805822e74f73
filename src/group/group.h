#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "record/record_list.h"
#include "wire/error.h"

struct wire_delete_groups_request;
struct wire_describe_groups_response_described_group;
struct wire_heartbeat_request;
struct wire_join_group_request;
struct wire_join_group_response;
struct wire_leave_group_request;
struct wire_leave_group_response;
struct wire_list_groups_request;
struct wire_list_groups_response;
struct wire_offset_commit_request;
struct wire_offset_commit_response;
struct wire_offset_delete_request;
struct wire_offset_delete_response;
struct wire_offset_fetch_request_offset_fetch_request_group;
struct wire_offset_fetch_response_offset_fetch_response_group;
struct wire_sync_group_request;
struct wire_sync_group_response;
struct wire_txn_offset_commit_request;
struct wire_txn_offset_commit_response;

/*
 * Groups: all consumer groups of one partition of __consumer_offsets, with
 * their members and committed offsets. A pure machine: an event and the time go
 * in, records and replies come out (docs/design/0004-coordinators.md).
 *
 * Owner:  coord/, on the shard that leads the partition. One thread.
 *
 * The classic protocol of a group, and who moves it:
 *
 *            join                     all joined, or time is up
 *     EMPTY ------> PREPARING_REBALANCE -----------> COMPLETING_REBALANCE
 *       ^             ^   ^        |                   |         | the leader's sync
 *       |   nobody is |   |        | join, leave,      | join    v
 *       +---- left ---+   +--------+ expiry            +----- STABLE
 *
 * Invariants
 *   (1) replicated state (generation, protocol, assignments, offsets) changes
 *       only in groups_apply and groups_apply_marker
 *   (2) every token that came in goes out in exactly one reply, or is forgotten
 *       by groups_forget
 *   (3) a member is in one group; an instance id belongs to one member of it
 */
struct groups;

enum {
    GROUP_ID_SIZE_MAX = 32767, /* Kafka's strings */
    GROUP_MEMBERS_MAX = 100 * 1000,
    GROUP_PROTOCOLS_MAX = 64,
    GROUP_RECORDS_BYTES_MAX = 16 * 1024 * 1024, /* of one update */
};

/* Settings; broker settings of the same names, with group. or offsets. before them. */
struct group_options {
    int32_t min_session_timeout_ms;
    int32_t max_session_timeout_ms;
    int32_t initial_rebalance_delay_ms;
    int32_t max_size;             /* members of one group */
    int32_t metadata_max_bytes;   /* offset.metadata.max.bytes: of one offset */
    int64_t offsets_retention_ms; /* offsets.retention.minutes */
};

/* `seed`: for the hash tables and for member ids, which must differ between lives of a node. */
NODISCARD enum err groups_new(const struct group_options *options, uint64_t seed,
                              struct groups **groups_out);
void groups_free(struct groups *groups);
void groups_set_options(struct groups *groups, const struct group_options *options);

/*
 * Reply: the answer to a request that came in with `token`, now or earlier.
 * The response lives in the update's arena.
 */
enum group_reply_kind {
    GROUP_REPLY_JOIN,
    GROUP_REPLY_SYNC,
    GROUP_REPLY_HEARTBEAT, /* the error is all there is to it */
    GROUP_REPLY_LEAVE,
    GROUP_REPLY_OFFSET_COMMIT,
    GROUP_REPLY_TXN_OFFSET_COMMIT,
    GROUP_REPLY_OFFSET_DELETE,
    GROUP_REPLY_DELETE, /* of one group: the error */
};

struct group_reply {
    uint64_t token;
    enum group_reply_kind kind;
    enum wire_error error; /* heartbeat, delete */
    union {
        struct wire_join_group_response *join;
        struct wire_sync_group_response *sync;
        struct wire_leave_group_response *leave;
        struct wire_offset_commit_response *offset_commit;
        struct wire_txn_offset_commit_response *txn_offset_commit;
        struct wire_offset_delete_response *offset_delete;
    } response;
};

/*
 * Update: what one event led to. The host appends the records as one batch, gives each of them to
 * groups_apply, and sends the replies when that batch is committed.
 *
 * With records for transactional offsets the batch belongs to a producer.
 */
struct group_update {
    struct arena *arena; /* the host's; replies are built in it */
    struct record_list records;
    struct vec replies;    /* of struct group_reply */
    struct slice group_id; /* for groups_refused; at NULL: nothing to undo */
    int64_t producer_id;   /* -1: none */
    int16_t producer_epoch;
};

void group_update_init(struct group_update *update, struct arena *arena);
void group_update_release(struct group_update *update);

/* Who asks, and when. */
struct group_call {
    uint64_t token; /* not 0; names the request in its reply */
    int64_t now_ms; /* monotonic, for time-outs */
    int64_t wall_ms;
    int16_t version; /* of the API */
    struct slice client_id;
    struct slice client_host; /* "/127.0.0.1" */
};

/*
 * Events. Each replies to its own request, now or in a later update, and possibly to others.
 *
 *   E_NOMEM    memory, or the arena, is out. The request got no reply; the group may have lost
 *              members, who will find out and join again
 *   E_TOO_BIG  the records would pass their maximum; nothing changed
 */
NODISCARD enum err group_join(struct groups *groups, const struct group_call *call,
                              const struct wire_join_group_request *request,
                              struct group_update *update);
NODISCARD enum err group_sync(struct groups *groups, const struct group_call *call,
                              const struct wire_sync_group_request *request,
                              struct group_update *update);
NODISCARD enum err group_heartbeat(struct groups *groups, const struct group_call *call,
                                   const struct wire_heartbeat_request *request,
                                   struct group_update *update);
NODISCARD enum err group_leave(struct groups *groups, const struct group_call *call,
                               const struct wire_leave_group_request *request,
                               struct group_update *update);

/*
 * Commit offsets. A partition whose `error_code` the host has already set in the response is left
 * out (it does not exist, or may not be read): `errors` has one code for each partition of the
 * request, in its order.
 */
NODISCARD enum err group_commit(struct groups *groups, const struct group_call *call,
                                const struct wire_offset_commit_request *request,
                                const enum wire_error *errors, struct group_update *update);

/* The same within a transaction (KIP-447): pending until groups_apply_marker. */
NODISCARD enum err group_commit_txn(struct groups *groups, const struct group_call *call,
                                    const struct wire_txn_offset_commit_request *request,
                                    const enum wire_error *errors, struct group_update *update);

NODISCARD enum err group_delete_offsets(struct groups *groups, const struct group_call *call,
                                        const struct wire_offset_delete_request *request,
                                        struct group_update *update);

/* Delete the group with all its offsets. */
NODISCARD enum err group_delete(struct groups *groups, const struct group_call *call,
                                struct slice group_id, struct group_update *update);

/* Time has passed: sessions, rebalances and joins that are due end. */
NODISCARD enum err groups_expire(struct groups *groups, int64_t now_ms, int64_t wall_ms,
                                 struct group_update *update);

/* When groups_expire has something to do; INT64_MAX: never. */
int64_t groups_deadline_ms(const struct groups *groups);

/*
 * Offsets whose retention is over, and groups with nothing left, become tombstones: a bounded
 * number a call. *is_done_out is false when there may be more.
 */
NODISCARD enum err groups_expire_offsets(struct groups *groups, int64_t wall_ms,
                                         struct group_update *update, bool *is_done_out);

/*
 * A topic is gone: so are its offsets, in all groups; a bounded number a call, as with
 * groups_expire_offsets.
 */
NODISCARD enum err groups_delete_topic(struct groups *groups, struct slice topic,
                                       struct group_update *update, bool *is_done_out);

/* Nobody waits for the reply to `token` any more. */
void groups_forget(struct groups *groups, uint64_t token);

/*
 * The records of an update were not appended: the group of `group_id`, the update's, begins a
 * rebalance. The replies of that update are the host's to turn into errors.
 */
NODISCARD enum err groups_refused(struct groups *groups, struct slice group_id, int64_t now_ms,
                                  struct group_update *update);

/*
 * One record of the log, just appended or read at load, in order. `producer_id` -1: outside of
 * transactions. An unknown kind of record is skipped, as in Kafka, so that a downgrade works.
 *
 *   E_CORRUPT  the record cannot be read
 *   E_NOMEM
 */
struct group_record {
    struct slice key;
    struct slice value; /* at NULL: tombstone */
    int64_t offset;     /* of the record in the log */
    int64_t producer_id;
};

NODISCARD enum err groups_apply(struct groups *groups, const struct group_record *record);

/* The end of a transaction in the log: its pending offsets count from now on, or are forgotten. */
NODISCARD enum err groups_apply_marker(struct groups *groups, int64_t producer_id, bool is_commit);

/* The whole log was applied: the sessions of the members begin now. */
void groups_loaded(struct groups *groups, int64_t now_ms);

/* Questions. The answers borrow from `groups` until the next event, or live in the arena. */

size_t groups_count(const struct groups *groups);

/*
 * OffsetFetch of one group. `topics_count` -1: everything it has. An offset that is not there is
 * -1. By id (v10) the host has put the names in.
 *
 *   WIRE_ERROR_UNSTABLE_OFFSET_COMMIT  in a partition: require_stable, and a transaction is open
 */
NODISCARD enum err group_fetch_offsets(
    const struct groups *groups,
    const struct wire_offset_fetch_request_offset_fetch_request_group *request, bool require_stable,
    struct arena *arena, struct wire_offset_fetch_response_offset_fetch_response_group *response);

/* ListGroups: append to `list` (of struct group_listed) those that pass the filters. */
struct group_listed {
    struct slice group_id;
    struct slice protocol_type;
    const char *state; /* "Empty", "PreparingRebalance", "CompletingRebalance", "Stable" */
    const char *type;  /* "classic", "consumer" */
};

NODISCARD enum err groups_list(const struct groups *groups,
                               const struct wire_list_groups_request *request, struct vec *list);

/*
 * DescribeGroups of one group. An unknown one is "Dead", from v6 on GROUP_ID_NOT_FOUND. The answer
 * lives in the arena.
 */
NODISCARD enum err group_describe(const struct groups *groups, struct slice group_id,
                                  int16_t version, struct arena *arena,
                                  struct wire_describe_groups_response_described_group *response);
