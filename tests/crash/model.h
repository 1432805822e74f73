#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/uuid.h"
#include "storage/log.h"

/*
 * Model: what was asked of a log and what it promised. A call that is running has its
 * promise made before and its wish beside it (`..._next`); what a crash leaves lies between.
 *
 * Owner: one run of a workload.
 */
enum {
    MODEL_PRODUCERS = 3,
    MODEL_PRODUCER_ID = 1000,
    MODEL_WINDOW = 5,
    MODEL_EPOCHS_MAX = 64,
    MODEL_KEY_MAX = 20 /* bytes of a key */
};

enum model_kind { MODEL_PLAIN, MODEL_TXN_DATA, MODEL_TXN_END };

/* A frame, as it must stand in the log. */
struct model_entry {
    int64_t base_offset;
    int64_t next_offset;
    int64_t max_timestamp;
    bool is_empty; /* a batch without records */
    int producer;  /* -1: none */
    int32_t sequence;
    int32_t leader_epoch;
    enum model_kind kind;
    uint8_t *bytes;
    size_t size;
};

/* Frames in the order of their offsets; owned. */
struct model_frames {
    struct model_entry *at;
    int count;
    int capacity;
};

struct model_epoch {
    int32_t epoch;
    int64_t start;
    bool is_loose; /* begun in a log without records: only batches make it durable */
};

/* A log is there for good when it has had a record, and gone when log_delete() has returned. */
enum model_presence { MODEL_ABSENT, MODEL_COMING, MODEL_PRESENT, MODEL_GOING };

struct model {
    uint64_t version; /* changes with everything else here */
    enum model_presence presence;
    struct model_frames appended; /* all that ever was, and was not cut: who sent what */
    struct model_frames stored;   /* what the log shows: that, or what compaction left of it */
    struct model_frames next;     /* while it is compacted: either this */
    bool is_compacting;           /* ... or what is stored, never some of both */
    int64_t acked;                /* every offset below survives */
    int64_t cut;                  /* a truncate to here is running; -1: none */
    int64_t start;                /* never before this */
    int64_t start_next;           /* nor past this */
    int64_t damage;               /* offsets [damage, damage_end) may say E_CORRUPT; -1: none */
    int64_t damage_end;
    struct model_epoch epochs[MODEL_EPOCHS_MAX];
    int epoch_count;
    int32_t epoch_next; /* may have begun; -1: none */
    struct uuid topic_id;
    struct uuid topic_id_next;
    struct log_options options;
};

void model_init(struct model *m);
void model_release(struct model *m);

/* Begin again: the log is gone. */
void model_clear(struct model *m);

int64_t model_end(const struct model *m);

/* A frame that is about to be appended; the bytes are copied, with offset and epoch set. */
struct model_entry *model_add(struct model *m, const struct model_entry *entry, struct slice bytes);

/* Forget what begins at or after `offset`. */
void model_cut(struct model *m, int64_t offset);

/* The frames of `log` as they are, for model.next. False: it cannot be read. */
bool model_read(const struct model *m, struct log *log, struct model_frames *frames);
bool model_frames_equal(const struct model_frames *a, const struct model_frames *b);

/* The compaction is over: it was all done. */
void model_compacted(struct model *m);

void model_begin_epoch(struct model *m, int32_t epoch, int64_t start);
int32_t model_epoch(const struct model *m);

/* The entry of `frames` that holds `offset`, or the next; the count when there is none. */
int model_find(const struct model_frames *frames, int64_t offset);

/* The `back`-th last batch of a producer among those below `end`; NULL when there are fewer. */
const struct model_entry *model_last(const struct model *m, int producer, int64_t end, int back);

/* First offset of the oldest transaction that is open at `end`; `end` when none is. */
int64_t model_first_unstable(const struct model *m, int64_t end);

/*
 * Check an open log against the promises; what it broke goes to `text`, false.
 * `acked` may be more than the model says: what an earlier recovery showed.
 */
bool model_check(const struct model *m, struct log *log, int64_t acked, char text[200]);

/* Appends behind what was found: duplicates, gaps and successors of its producers, then a sync. */
bool model_check_appends(const struct model *m, struct log *log, char text[200]);

/* A few records: one batch, or a message each. Without a producer: -1, and no sequence counts. */
struct model_draft {
    enum log_format format;
    int producer;
    int32_t sequence;
    int records;
    int value_size;
    int keys; /* of so many different ones; 0: no keys */
    int64_t timestamp_ms;
    enum model_kind kind;
    uint64_t seed; /* of keys and values */
};

void model_build(const struct model_draft *draft, struct buf *out);
