#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "txn/txn.h"
#include "wire/transaction_log_value.h"

/* The inside of the machine, for the files of this folder. */

/* The numbers are Kafka's, on disk. */
enum txn_state {
    TXN_EMPTY = 0,
    TXN_ONGOING = 1,
    TXN_PREPARE_COMMIT = 2,
    TXN_PREPARE_ABORT = 3,
    TXN_COMPLETE_COMMIT = 4,
    TXN_COMPLETE_ABORT = 5,
};

enum {
    TXN_VERSION_OLD = 0, /* client_transaction_version: the epoch stays when a transaction ends */
    TXN_VERSION_BUMPS = 2,
    TXN_END_BUMPS_SINCE = 5, /* EndTxn of such clients */
    TXN_EXPIRE_BATCH = 100,  /* transactions in one txns_expire */
    TXN_EXPIRE_IDS_BATCH = 1000,
    TXN_AGAIN_MS = 1000, /* until what could not be recorded is tried again */
    TXN_DECODE_ARENA_MAX = 64 * 1024 * 1024,
};

/* What became of a partition's marker. */
enum txn_part_mark { TXN_PART_OUT, TXN_PART_FAILED, TXN_PART_DONE };

struct txn_part {
    int32_t index;
    uint8_t mark; /* while PREPARE_: enum txn_part_mark */
};

struct txn_set_topic {
    struct slice name;
    struct txn_part *parts; /* by rising index */
    int32_t count;
};

/* The partitions of a transaction, by topic and index; one block of memory, `topics` first. */
struct txn_set {
    struct txn_set_topic *topics;
    int32_t topic_count;
    int32_t left; /* parts that are not done */
};

struct txn {
    struct slice id; /* owned */
    int64_t producer_id;
    int64_t prev_producer_id; /* before this one, whose epochs were used up; -1: none */
    int64_t next_producer_id; /* while PREPARE_: what comes with COMPLETE_; -1: the same */
    int64_t start_ms;         /* wall clock; -1: no transaction yet */
    int64_t update_ms;        /* wall clock of the latest record */
    struct txn_set set;
    struct list_node use;   /* in the order of the latest records */
    struct heap_node timer; /* ONGOING: the time-out; PREPARE_: the next try */
    int32_t timeout_ms;
    int32_t retry_ms;   /* until the next try but one */
    int16_t epoch;      /* -1 never */
    int16_t last_epoch; /* that the same client had before; -1: none, others are fenced */
    int16_t version;    /* of transactions, that the client of the latest record has */
    uint8_t state;      /* enum txn_state */
};

struct txns {
    struct txn_options options;
    struct map_slice by_id;  /* to struct txn, owned, borrowing their ids */
    struct list_node by_use; /* longest unused first */
    struct heap timers;
    int64_t now_ms; /* of the latest event */
    bool is_loaded;
};

/* What every step works with. */
struct txn_step {
    struct txns *txns;
    const struct txn_call *call;
    struct txn_update *update;
};

/* ---- txns.c ---- */

struct txn *txn_find(const struct txns *txns, struct slice id);
NODISCARD enum err txn_create(struct txns *txns, struct slice id, struct txn **txn_out);
void txn_remove(struct txns *txns, struct txn *txn);
void txn_timer_set(struct txns *txns, struct txn *txn, int64_t at_ms);
void txn_timer_clear(struct txns *txns, struct txn *txn);
struct txn_step txn_step_of(struct txns *txns, const struct txn_call *call,
                            struct txn_update *update);

static inline bool txn_is_ending(const struct txn *txn)
{
    return txn->state == TXN_PREPARE_COMMIT || txn->state == TXN_PREPARE_ABORT;
}

/* Reply with an error and nothing else; E_OK. */
NODISCARD enum err txn_refuse(struct txn_step *st, enum txn_reply_kind kind, enum wire_error error);

/* The transaction has to end first: reply, or let the caller wait; E_OK. */
NODISCARD enum err txn_refuse_concurrent(struct txn_step *st, enum txn_reply_kind kind);

/* ---- encode.c ---- */

/* A record's value that says what is, for a step to change and to encode. E_NOMEM: the arena. */
NODISCARD enum err txn_value_of(struct txn_step *st, const struct txn *txn,
                                struct wire_transaction_log_value *value_out);

/* Add the record. E_TOO_BIG, E_NOMEM: it was taken back. */
NODISCARD enum err txn_encode(struct txn_step *st, struct slice id,
                              const struct wire_transaction_log_value *value);
NODISCARD enum err txn_encode_tombstone(struct txn_step *st, struct slice id);

/* ---- partitions.c ---- */

/* The set that a value names, sorted, each partition once. E_CORRUPT: a negative index; E_NOMEM */
NODISCARD enum err txn_set_of(const struct wire_transaction_log_value *value, struct arena *arena,
                              struct txn_set *set_out);
void txn_set_release(struct txn_set *set);

/* NULL: it is not in it. */
struct txn_part *txn_set_find(const struct txn_set *set, struct slice topic, int32_t index);

/* ---- end.c ---- */

/*
 * Decide the transaction, without a word about who asked: its record and its markers; the last
 * record at once where there is nothing to mark. `bumps`: the epoch rises, and `next_id` (-1: none)
 * is the producer's from the end on.
 */
struct txn_decision {
    bool is_commit;
    bool bumps;
    int64_t next_id;
};

NODISCARD enum err txn_decide(struct txn_step *st, const struct txn *txn,
                              const struct txn_decision *decision);

/* Abort it with an epoch that nobody has: whoever had the last one is fenced. */
NODISCARD enum err txn_fence(struct txn_step *st, const struct txn *txn);

/* ---- marker.c ---- */

/*
 * Add markers for the partitions whose mark is `mark`; `value` is the record that decided it.
 * E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err txn_add_markers(struct txn_step *st, const struct txn *txn,
                                   const struct wire_transaction_log_value *value,
                                   enum txn_part_mark mark);

/* The record that ends what `prepared` decided: every partition has its marker. */
NODISCARD enum err txn_complete(struct txn_step *st, struct slice id,
                                const struct wire_transaction_log_value *prepared);

/* It is time to try again: the markers that failed, or the last record. */
NODISCARD enum err txn_markers_again(struct txn_step *st, struct txn *txn);
