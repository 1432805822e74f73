#pragma once

#include "work.h"

/* What workloads are made of: the run of one, and the calls that it draws. */
enum step {
    APPEND,
    SYNC,
    GROUP_SYNC,
    REOPEN,
    EPOCH,
    TRUNCATE,
    TRIM,
    MAINTAIN,
    TOPIC_ID,
    RECREATE,
    COMPACT,
    RECOMPRESS,
    STEPS
};

struct work {
    const char *name;
    int weights[STEPS]; /* how often of all that happens */
    int calls;
    int64_t segment_bytes;
    int value_size; /* the largest */
    int64_t index_interval_bytes;
    enum log_durability durability;
    enum log_format format;
    int keys; /* records are of so many keys; 0: of none */
    bool is_compacted;
    bool has_producers;
    bool has_transactions;
    bool preallocates;
    bool is_replica;
    int64_t retention_bytes; /* 0: no limit */
    int64_t segment_ms;      /* 0: no limit */
};

struct run {
    const struct work *work;
    struct trial *trial;
    struct model model;
    struct rng rng;
    struct os *os;
    struct log_root *root;
    struct log *log;
    int64_t wall_ms;
};

extern void (*const work_steps[STEPS])(struct run *r);

/* The call must succeed. */
void run_must(const struct run *r, const char *what, enum err e);

/* What a call told, once it has returned. */
void run_settle_promises(struct run *r);

/* With `is_clean` nothing may have to be scanned. */
void run_open_log(struct run *r, bool is_clean);

/* steps_compact.c */
void step_compact(struct run *r);
void step_recompress(struct run *r);
