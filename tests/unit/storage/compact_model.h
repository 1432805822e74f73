#pragma once

#include "base/rng.h"
#include "rig.h"
#include "storage/log_compact.h"

/*
 * What a compacted log may and must hold, told naively: every record that was ever
 * appended, by offset, and what became of its transaction.
 */
enum { MODEL_RECORDS_MAX = 20000, MODEL_TXNS_MAX = 4000, MODEL_PRODUCERS = 4, MODEL_KEYS = 40 };

enum model_kind { MODEL_DATA, MODEL_MARKER };

struct model_record {
    enum model_kind kind;
    int key;   /* -1: none */
    int value; /* -1: a tombstone */
    int txn;   /* -1: none */
    int64_t timestamp_ms;
    int64_t gone_from_ms; /* a tombstone: when it may go; 0: not seen by a compaction */
};

struct model_txn {
    int64_t marker; /* offset; -1: open */
    bool is_aborted;
};

struct compact_model {
    struct rig r;
    struct rng rng;
    struct model_record records[MODEL_RECORDS_MAX]; /* by offset */
    int64_t end;
    struct model_txn txns[MODEL_TXNS_MAX];
    int txn_count;
    int open_txn[MODEL_PRODUCERS]; /* of the transactional ones; -1 */
    int32_t sequence[MODEL_PRODUCERS];
    int64_t clean_offset;
    int64_t limit; /* the largest high watermark that was told */
    int64_t delete_retention_ms;
    bool has_producers;
    bool has_txns;
};

void compact_model_open(struct compact_model *m, uint64_t seed);
void compact_model_close(struct compact_model *m);

/* Append a batch of 1 to 8 records: of nobody, of an idempotent or of a transactional producer. */
void compact_model_append(struct compact_model *m);

/* End the open transaction of some producer, if there is one. */
void compact_model_end_txn(struct compact_model *m);

/* A compaction with random limits ended so: follow it. */
void compact_model_compacted(struct compact_model *m, const struct log_compact_result *result);

/* Read everything and compare; reads from random offsets; lookups of times. */
void compact_model_check(struct compact_model *m);

/* The log lost everything from `offset` on. */
void compact_model_cut(struct compact_model *m, int64_t offset);
