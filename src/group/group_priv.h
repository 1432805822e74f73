#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "group/group.h"

/* The inside of the machine, for the files of this folder. */

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE };

enum {
    GROUP_NEW_MEMBER_TIMEOUT_MS = 5 * 60 * 1000, /* to hear of the generation it joined */
    GROUP_DECODE_ARENA_MAX = 64 * 1024 * 1024,
    GROUP_EXPIRE_BATCH = 1000, /* tombstones of one groups_expire_offsets */
};

enum group_timer_kind {
    GROUP_TIMER_SESSION, /* of a member */
    GROUP_TIMER_PENDING, /* of a member id that was given out */
    GROUP_TIMER_JOIN,    /* of a group: the joining ends */
    GROUP_TIMER_SYNC,    /* of a group: who has not synced by then is out */
};

struct group_timer {
    struct heap_node node;
    enum group_timer_kind kind;
};

struct group_protocol {
    struct slice name; /* owned, like all slices below */
    struct slice metadata;
};

struct group_member {
    struct list_node node; /* in its group, in the order of joining */
    struct group *group;
    struct group_timer session;
    struct slice id;
    struct slice instance_id; /* at NULL: dynamic */
    struct slice client_id;
    struct slice client_host;
    int32_t session_timeout_ms;
    int32_t rebalance_timeout_ms;
    struct group_protocol *protocols;
    int32_t protocol_count;
    struct slice assignment;
    struct slice staged; /* borrowed, while a step runs: the assignment to come */
    uint64_t join_token; /* 0: nobody is told when the joining ends */
    uint64_t sync_token;
    bool is_joining; /* joined, and waits for the others */
    bool is_syncing;
    bool is_new;      /* was in no generation yet */
    bool must_sync;   /* is in the generation and has not synced */
    bool is_recorded; /* while a record is applied: it is in it */
};

/* A member id that was given out and has not come back (KIP-394). */
struct group_pending {
    struct group *group;
    struct group_timer timer;
    struct slice id;
};

struct group_offset {
    int64_t offset;
    int64_t commit_ms;
    int64_t expire_ms;  /* -1: by the retention of the group */
    int64_t log_offset; /* of its record */
    struct uuid topic_id;
    struct slice metadata;
    int32_t leader_epoch;
    int32_t pending_count; /* open transactions that have one, too */
    bool is_committed;     /* false: only pending ones */
};

struct group_topic {
    struct slice name;
    struct map_u64 partitions; /* to struct group_offset, owned */
};

struct group {
    struct groups *groups;
    struct slice id;
    enum group_state state;
    bool was_empty; /* before it began to prepare */
    int32_t generation;
    int64_t state_ms; /* wall clock, of the last record of the group; -1: there was none */
    struct slice protocol_type; /* at NULL: none yet, a group of offsets only */
    struct slice protocol;      /* at NULL: none */
    struct group_member *leader;

    struct list_node members;
    struct map_slice by_id;       /* to struct group_member, borrowing their ids */
    struct map_slice by_instance; /* the static ones */
    struct map_slice pending;     /* to struct group_pending, owned, borrowing their ids */
    int32_t joining_count;
    struct group_timer join_timer;
    struct group_timer sync_timer;
    int64_t initial_left_ms; /* of the rebalance time-out, while waiting for the first members */
    bool has_new_members;    /* came since the last initial delay began */

    struct map_slice topics; /* to struct group_topic, owned, borrowing their names */
    int32_t pending_offsets;
};

/* An offset within an open transaction. */
struct group_txn_offset {
    struct list_node node;
    struct group *group;
    struct slice topic;
    int32_t partition;
    struct group_offset offset;
};

struct group_txn {
    int64_t producer_id;
    struct list_node offsets;
};

struct groups {
    struct group_options options;
    struct rng rng;
    uint64_t seed;
    struct map_slice by_id; /* to struct group, owned, borrowing their ids */
    struct map_u64 waiting; /* token to struct group_member */
    struct map_u64 txns;    /* producer id to struct group_txn, owned */
    struct heap timers;
};

/* What every step works with. */
struct group_step {
    struct groups *groups;
    const struct group_call *call; /* NULL: nobody asked */
    struct group_update *update;
    int64_t now_ms;
    int64_t wall_ms;
};

struct group_step group_step_of(struct groups *groups, const struct group_call *call,
                                struct group_update *update);

/* ---- groups.c ---- */

/* A copy, owned; null stays null. E_NOMEM. */
NODISCARD enum err group_slice_copy(struct slice s, struct slice *copy_out);
void group_slice_free(struct slice *s);

/* Replace *s by a copy of `by`. */
NODISCARD enum err group_slice_replace(struct slice *s, struct slice by);

struct group *group_find(const struct groups *groups, struct slice id);
NODISCARD enum err group_create(struct groups *groups, struct slice id, struct group **group_out);
void group_remove(struct group *group);
const char *group_state_name(enum group_state state);

void group_timer_set(struct groups *groups, struct group_timer *timer, int64_t at_ms);
void group_timer_clear(struct groups *groups, struct group_timer *timer);

/* ---- member.c ---- */

NODISCARD enum err group_member_new(struct group *group, struct slice id, struct slice instance_id,
                                    struct group_member **member_out);

/* Take it out of its group and free it. It waits for nothing any more. */
void group_member_remove(struct group_member *member);
struct group_member *group_member_find(const struct group *group, struct slice id);
struct group_member *group_member_of_instance(const struct group *group, struct slice instance_id);

/* The member goes on under a new id: a static one came back (KIP-345). */
NODISCARD enum err group_member_rename(struct group_member *member, struct slice id);

/* Its metadata for the protocol; empty when it does not know it. */
struct slice group_member_metadata(const struct group_member *member, struct slice protocol);

NODISCARD enum err group_pending_add(struct group *group, struct slice id, int64_t until_ms);
struct group_pending *group_pending_find(const struct group *group, struct slice id);
void group_pending_remove(struct group_pending *pending);

/* The session begins anew, or a longer one for who waits for its first generation. */
void group_member_heard(struct group_member *member, int64_t now_ms);

/*
 * Who asks: is it still who it was? As in Kafka: the instance id first, then the member id.
 *
 *   UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID
 */
enum wire_error group_check_member(const struct group *group, struct slice id,
                                   struct slice instance_id, struct group_member **member_out);

/* ---- reply.c ---- */

NODISCARD enum err group_reply_join_error(struct group_step *st, uint64_t token,
                                          enum wire_error error, struct slice member_id);

/* Tell `member` of the generation it is in; the leader of all members, too. */
NODISCARD enum err group_reply_join(struct group_step *st, struct group_member *member,
                                    uint64_t token, bool skip_assignment);
NODISCARD enum err group_reply_sync_error(struct group_step *st, uint64_t token,
                                          enum wire_error error);
NODISCARD enum err group_reply_sync(struct group_step *st, uint64_t token,
                                    const struct group *group, struct slice assignment);
NODISCARD enum err group_reply_error(struct group_step *st, enum group_reply_kind kind,
                                     enum wire_error error);
NODISCARD enum err group_reply_add(struct group_step *st, const struct group_reply *reply);

/* ---- rebalance.c ---- */

/* Does the group do these protocols? Any, when it is empty. */
bool group_supports(const struct group *group, const struct wire_join_group_request *request);

/* A member joined, changed or left: begin a rebalance, or end the joining if all are here. */
NODISCARD enum err group_rebalance(struct group_step *st, struct group *group);
NODISCARD enum err group_join_due(struct group_step *st, struct group *group);
NODISCARD enum err group_sync_due(struct group_step *st, struct group *group);

/* The member left or its session ended. */
NODISCARD enum err group_member_gone(struct group_step *st, struct group_member *member);

/* ---- encode.c ---- */

/* Add the group's metadata record as it stands, with the staged assignments. */
NODISCARD enum err group_encode(struct group_step *st, const struct group *group);
NODISCARD enum err group_encode_tombstone(struct group_step *st, struct slice group_id);

struct group_offset_name {
    struct slice group_id;
    struct slice topic;
    int32_t partition;
};

/* `offset` NULL: a tombstone. */
NODISCARD enum err group_encode_offset(struct group_step *st, const struct group_offset_name *name,
                                       const struct group_offset *offset);

/* ---- offsets.c ---- */

struct group_offset *group_offset_find(const struct group *group, struct slice topic,
                                       int32_t partition);

/* The entry, made if it is missing. */
NODISCARD enum err group_offset_get(struct group *group, struct slice topic, int32_t partition,
                                    struct group_offset **offset_out);

/* The committed part of it goes; the entry, too, when nothing is pending. */
void group_offset_remove(struct group *group, struct slice topic, int32_t partition);
void group_topic_free(struct group_topic *topic);
void group_txn_free(struct group_txn *txn);

/* Nothing is left to remember. */
bool group_is_void(const struct group *group);
