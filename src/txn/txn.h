#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"
#include "record/record_list.h"
#include "wire/error.h"

struct wire_describe_transactions_response_transaction_state;
struct wire_end_txn_request;
struct wire_init_producer_id_request;
struct wire_list_transactions_request;

/*
 * Txns: all transactional ids of one partition of __transaction_state, each with its producer and
 * its transaction. A pure machine: an event and the time go in, records, replies and markers to be
 * written come out (docs/design/0004-coordinators.md).
 *
 * Owner:  coord/, on the shard that leads the partition. One thread.
 *
 * A transactional id, and who moves it (KIP-98, KIP-890):
 *
 *              init              add                end: commit
 *     (none) ------> EMPTY ------------> ONGOING -----------------> PREPARE_COMMIT
 *                     ^  |                ^   |                          | all markers written
 *                init |  | end: abort,    |   | end: abort; fence:       v
 *                     |  | v2 only        |   | a time-out, or init      COMPLETE_COMMIT
 *                     |  v                |   v                          |
 *                     +-- COMPLETE_ABORT <----PREPARE_ABORT              |
 *                     +---------+---------+--- add ----------------------+
 *
 * A fence goes on to PREPARE_ABORT with an epoch that no client was told; so does every end of a
 * client of version 2, and that epoch is the next transaction's.
 *
 * Invariants
 *   (1) replicated state changes only in txns_apply
 *   (2) the epoch of a producer id never falls, and 32767 is given to nobody: it fences 32766
 *   (3) a transaction is complete only when every partition of it has its marker or is gone
 *   (4) a marker goes out only after the record that decided it is committed: it lies in the update
 *       of that record, or of a later one
 */
struct txns;

enum {
    TXN_COUNT_MAX = 1 << 20,                  /* transactional ids */
    TXN_PARTITIONS_MAX = 1 << 19,             /* of one transaction */
    TXN_PARTITIONS_BYTES_MAX = 8 << 20,       /* that they may take of a record */
    TXN_RECORDS_BYTES_MAX = 16 * 1024 * 1024, /* of one update */
    TXN_MARKERS_MAX = 1 << 21,                /* of one update */
    TXN_EPOCH_LAST = INT16_MAX - 1,           /* that a client may have */
    TXN_MARKER_RETRY_MS = 100,                /* at first; then twice as long each time */
    TXN_MARKER_RETRY_MS_MAX = 10 * 1000,
};

/* Settings of the same names. */
struct txn_options {
    int32_t max_timeout_ms;   /* transaction.max.timeout.ms */
    int64_t id_expiration_ms; /* transactional.id.expiration.ms */
};

/* `seed`: for the hash tables. */
NODISCARD enum err txns_new(const struct txn_options *options, uint64_t seed,
                            struct txns **txns_out);
void txns_free(struct txns *txns);

/*
 * Marker: what has to be written into a partition once the update's records are committed. Each
 * comes back in txn_marked, however it went.
 */
struct txn_marker {
    struct slice transactional_id;
    struct slice topic;
    int32_t partition;
    int64_t producer_id;
    int16_t producer_epoch;
    int16_t version; /* of transactions: from 2 on the epoch is newer than that of the records */
    bool is_commit;
};

enum txn_reply_kind { TXN_REPLY_NONE, TXN_REPLY_INIT, TXN_REPLY_ADD, TXN_REPLY_END };

struct txn_reply {
    enum txn_reply_kind kind; /* none: see the update */
    enum wire_error error;
    int64_t producer_id; /* init, end of a client of version 2; -1 with an error */
    int16_t producer_epoch;
    const enum wire_error *errors; /* verify: of each partition in the request's order, or NULL */
};

/*
 * Update: what one event led to. The host appends the records as one batch, gives each of them to
 * txns_apply, and when that batch is committed sends the reply and the markers.
 *
 * Everything in it lives in the arena.
 */
struct txn_update {
    struct arena *arena; /* the host's */
    struct record_list records;
    struct vec markers; /* of struct txn_marker */
    struct txn_reply reply;
    bool needs_id;  /* no reply: nothing happened, ask again with a producer id */
    bool took_id;   /* the call's producer id is used now */
    bool must_wait; /* no reply: ask again when txn_is_concurrent() is false */
};

void txn_update_init(struct txn_update *update, struct arena *arena);
void txn_update_release(struct txn_update *update);

/* Who asks, and when. */
struct txn_call {
    int64_t now_ms;  /* monotonic, for time-outs */
    int64_t wall_ms; /* for what is recorded */
    int16_t version; /* of the API */
    bool may_wait;   /* must_wait instead of CONCURRENT_TRANSACTIONS, where waiting helps */
    int64_t free_id; /* a producer id that nobody has; -1: none at hand */
};

/*
 * Events. Each has a reply, or one of the flags that say why there is none yet.
 *
 *   E_NOMEM    memory, or the arena, is out; nothing changed
 *   E_TOO_BIG  the records would pass their maximum; nothing changed
 */

/*
 * InitProducerId of a transactional id (not null): a producer id with an epoch that fences those
 * before it. With a producer id of its own the client goes on after an error (KIP-360).
 *
 *   INVALID_REQUEST              the transactional id is empty
 *   INVALID_TRANSACTION_TIMEOUT  not above 0, or above its maximum
 *   PRODUCER_FENCED              somebody else has been initialised since
 *   CONCURRENT_TRANSACTIONS      the last transaction has to end first
 */
NODISCARD enum err txn_init(struct txns *txns, const struct txn_call *call,
                            const struct wire_init_producer_id_request *request,
                            struct txn_update *update);

/*
 * Add partitions to the transaction, which begins with the first; or only see whether they are in
 * it (KIP-890: before records of an older client are appended).
 *
 *   INVALID_REQUEST              the transactional id is empty; or too many partitions
 *   INVALID_PRODUCER_ID_MAPPING  not the producer id of the transactional id, if there is one
 *   PRODUCER_FENCED              not its epoch
 *   CONCURRENT_TRANSACTIONS      the last transaction has to end first
 *   TRANSACTION_ABORTABLE        of a partition: it is not in the transaction (verify)
 */
struct txn_topic {
    struct slice name;
    const int32_t *partitions;
    int32_t count;
};

struct txn_add {
    struct slice transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    bool is_verify;
    const struct txn_topic *topics;
    int32_t topic_count;
};

NODISCARD enum err txn_add(struct txns *txns, const struct txn_call *call,
                           const struct txn_add *add, struct txn_update *update);

/*
 * EndTxn. From version 5 on the client gets the epoch, or producer id, of its next transaction, and
 * may abort when nothing was begun.
 *
 *   INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED  as above
 *   CONCURRENT_TRANSACTIONS  it is ending already, that way
 *   INVALID_TXN_STATE        there is none to be ended that way
 */
NODISCARD enum err txn_end(struct txns *txns, const struct txn_call *call,
                           const struct wire_end_txn_request *request, struct txn_update *update);

/*
 * Markers of one transaction came back. Whatever a partition says but that it has the marker, or
 * does not need it any more (it is gone, or knows a newer epoch), leads to another try.
 */
enum txn_mark { TXN_MARK_WRITTEN, TXN_MARK_GONE, TXN_MARK_FAILED };

struct txn_marked {
    const struct txn_marker *marker;
    enum txn_mark mark;
};

NODISCARD enum err txn_marked(struct txns *txns, const struct txn_call *call,
                              const struct txn_marked *marked, size_t count,
                              struct txn_update *update);

/* Time has passed: transactions past their time-out are aborted, markers are tried again. */
NODISCARD enum err txns_expire(struct txns *txns, const struct txn_call *call,
                               struct txn_update *update);

/* When txns_expire has something to do; INT64_MAX: never. */
int64_t txns_deadline_ms(const struct txns *txns);

/*
 * Transactional ids that were not used for their expiration time become tombstones: a bounded
 * number a call. *is_done_out is false when there may be more.
 */
NODISCARD enum err txns_expire_ids(struct txns *txns, const struct txn_call *call,
                                   struct txn_update *update, bool *is_done_out);

/*
 * One record of the log, just appended or read at load, in order. An unknown kind of record is
 * skipped, as in Kafka, so that a downgrade works.
 *
 *   E_CORRUPT  the record cannot be read
 *   E_NOMEM
 */
NODISCARD enum err txns_apply(struct txns *txns, struct slice key, struct slice value);

/* The whole log was applied: time-outs run from now on, and decided transactions are due. */
void txns_loaded(struct txns *txns, int64_t now_ms, int64_t wall_ms);

/* Questions. */

/* Is its transaction decided and not complete? */
bool txn_is_concurrent(const struct txns *txns, struct slice transactional_id);

size_t txns_count(const struct txns *txns);

/*
 * DescribeTransactions of one id; the answer lives in the arena.
 *
 *   INVALID_REQUEST             the transactional id is empty
 *   TRANSACTIONAL_ID_NOT_FOUND
 */
NODISCARD enum err txn_describe(const struct txns *txns, struct slice transactional_id,
                                struct arena *arena,
                                struct wire_describe_transactions_response_transaction_state *out);

/* ListTransactions: append to `list` (of struct txn_listed) those that pass the filters. */
struct txn_listed {
    struct slice transactional_id; /* borrowed until the next event */
    int64_t producer_id;
    const char *state;
};

NODISCARD enum err txns_list(const struct txns *txns,
                             const struct wire_list_transactions_request *request, int64_t wall_ms,
                             struct vec *list);

/* Is there a state of this name ("Ongoing")? Else a filter by it is an unknown one. */
bool txn_is_state_name(struct slice name);
