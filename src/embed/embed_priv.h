#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/report.h"
#include "dlog.h"
#include "os/sync.h"
#include "record/builder.h"
#include "storage/log.h"
#include "storage/log_guard.h"

struct os;
struct os_fork_mark;
struct log_compact;
struct log_compact_options;
struct os_lock;
struct os_thread;

/*
 * The inside of libdlog, for the files of this folder. README.md has the picture.
 *
 * Locks, in the order in which they are taken:
 *
 *   dlog.lock      one log: its engine, what is collected, who waits. Not held during a sync.
 *   dlog_env.lock  the list of logs and the flusher's timetable; a leaf
 *
 * No lock is held while a callback of the user runs, but for the trace.
 */

/* A name that is in use: an open log, or one being deleted. */
struct embed_claim {
    struct list_node node; /* in dlog_env.claims */
    const char *name;
};

struct dlog_env {
    struct os *os;
    struct log_root *root;
    struct os_lock *outer_lock; /* dlog_open_dir inside of another root: the lock of that */
    struct os_fork_mark *mark;
    atomic_int refs; /* the handle's and one a log: `mark` lives as long */

    dlog_trace_fn *trace;
    void *trace_ctx;
    enum dlog_level trace_level;
    int64_t maintain_ms;
    struct log_disk_limits disk_limits;
    atomic_int disk_level; /* that the trace was told of */

    struct os_thread *flusher;
    struct os_mutex lock;
    struct os_cond wake;     /* the flusher waits here */
    struct os_cond left;     /* it has left a log */
    struct list_node claims; /* guarded by lock, as all below */
    struct heap due;         /* of struct dlog, by the time when the flusher is to see it */
    struct dlog *current;    /* where the flusher is */
    uintptr_t flusher_self;
    bool is_closing;
};

/*
 * Ticket: somebody who waits for records up to an offset. That of a waiting thread stands on its
 * stack, that of dlog_append_async is owned by the log until its callback returned.
 */
struct embed_ticket {
    struct list_node node; /* in a list of the log */
    int64_t offset;        /* the last one it waits for */
    enum err result;
    bool is_done;
    dlog_appended_fn *done; /* NULL: a thread waits at `cond` */
    void *ctx;
    struct os_cond cond;
};

struct dlog {
    struct dlog_env *env;
    atomic_int refs;       /* the handle's and one a reader */
    atomic_bool is_closed; /* set under lock, for readers without it */
    struct embed_claim claim;
    char *name;
    bool owns_env; /* dlog_open_dir */
    struct log_recovery recovery;

    struct heap_node due; /* guarded by env->lock */

    struct os_mutex lock; /* guards all below */
    struct os_cond readable;
    struct os_cond idle; /* dlog_close waits: a leader, a waiting thread, a callback has ended */
    struct log *engine;  /* NULL once closed */
    struct dlog_options options;
    enum log_format format; /* the engine's; set when opened, read without the lock */

    /*
     * Appended but not written. Messages: the frames in `sealed`. Batches: first `sealed`, encoded
     * when the disk was full, then those in the builder.
     */
    struct buf sealed;
    int32_t sealed_count;
    struct batch_builder builder;
    int64_t next_offset;
    bool is_full; /* the disk was at the last try */

    /* By os_mono_ms; INT64_MAX: never. */
    int64_t collected_ms; /* when the first of what is collected came */
    int64_t unsynced_ms;  /* when the first record came that is not durable */
    int64_t maintain_ms;  /* when the log is to be looked after */
    bool is_unused;       /* since that was done last */
    int64_t scheduled_ms; /* when the flusher will come */

    struct list_node waiting;   /* tickets of threads, by offset: done when durable */
    struct list_node for_sync;  /* the same of appends with a callback */
    struct list_node for_write; /* the same, done when written */
    struct list_node answered;  /* whose callback is due */
    int64_t pending;            /* callbacks that were not called yet */
    int waiting_threads;
    int waiting_readers;
    int long_calls;  /* verifying, compacting */
    bool is_leading; /* some thread syncs */
    struct log_compact *compaction;

    int64_t appended_records;
    int64_t appended_bytes;
    int64_t written_batches;
    int64_t syncs;
    int64_t readers;
};

/* ---- errors.c ---- */

int embed_err(enum err e);

/* Tell the user's report and give the code back. */
int embed_tell(char *report, size_t size, enum err e, const struct report *text);

void embed_trace(const struct dlog_env *env, enum dlog_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- options.c ---- */

/* The caller's options over the defaults. E_INVAL, E_UNSUPPORTED, with a report. */
NODISCARD enum err embed_env_options(const struct dlog_env_options *from,
                                     struct dlog_env_options *to_out, struct report *report);
NODISCARD enum err embed_options(const struct dlog_options *from, struct dlog_options *to_out,
                                 struct report *report);
NODISCARD enum err embed_reader_options(const struct dlog_reader_options *from,
                                        struct dlog_reader_options *to_out);

NODISCARD enum err embed_compact_options(const struct dlog_compact_options *from,
                                         struct log_compact_options *to_out);

/* Tell what was wrong with options that could not be taken, if they say where. */
int embed_tell_early(const struct dlog_options *options, enum err e, const struct report *report);
int embed_tell_env_early(const struct dlog_env_options *options, enum err e,
                         const struct report *report);

/* What the engine is told. */
struct log_options embed_engine_options(const struct dlog_options *options);

/* ---- env.c ---- */

/* Is this process a child of the one that opened `env`? */
bool embed_is_forked(const struct dlog_env *env);

void embed_env_ref(struct dlog_env *env);
void embed_env_unref(struct dlog_env *env);

/* dlog_env_open() for a single log: what a root needs of others is left out. */
NODISCARD enum err embed_env_open_dir(const char *dir, const struct dlog_options *options,
                                      struct dlog_env **env_out, struct report *report);

/* Close what is left of it; no log is open. */
void embed_env_close(struct dlog_env *env);

/* Reserve a name; borrowed until embed_unclaim. E_BUSY: it is taken. */
NODISCARD enum err embed_claim(struct dlog_env *env, struct embed_claim *claim, const char *name);
void embed_unclaim(struct dlog_env *env, struct embed_claim *claim);

/* ---- disk.c ---- */

/* The root is open: guard its disk from now on. */
void embed_disk_guard(struct dlog_env *env);

/* Trace the level of the disk if it is another than the last time. */
void embed_disk_tell(struct dlog_env *env);

/* After a write; with log->lock. When the disk gets full the log is looked after soon. */
void embed_disk_look(struct dlog *log);

/*
 * Before an append: wait a little if the disk is nearly full. With log->lock, which is given back
 * meanwhile. DLOG_E_CLOSED: the log was closed.
 */
int embed_disk_pause(struct dlog *log);

/* ---- flusher.c ---- */

void embed_flusher_main(void *ctx);

/* The flusher is to see `log` when next something is due there. With log->lock. */
void embed_schedule(struct dlog *log);

/* The flusher will not see `log` again; returns when it has left it. Without log->lock. */
void embed_forget(struct dlog *log);

bool embed_is_flusher(struct dlog_env *env);

/* ---- log.c ---- */

bool embed_is_name(const char *name);

/* Does the directory `name` of the root hold a log? */
NODISCARD enum err embed_has_log(struct dlog_env *env, const char *name, bool *has_out);

void embed_ref(struct dlog *log);
void embed_unref(struct dlog *log);

/*
 * Lock a log for a call on it.
 *
 *   DLOG_E_INVAL   NULL
 *   DLOG_E_FORKED, DLOG_E_CLOSED
 */
int embed_enter(struct dlog *log);
void embed_leave(struct dlog *log);

/* ---- collect.c: with log->lock ---- */

/* Put records of `size` bytes to those that are collected, or none; they may get written. */
NODISCARD enum err embed_collect(struct dlog *log, const struct dlog_record *records, size_t count,
                                 size_t size, int64_t *first_offset_out);

/* It is used now: its files want to be closed when it is not any more. */
void embed_use(struct dlog *log);

/* How many records are collected and not written. */
int64_t embed_collected_count(const struct dlog *log);

/*
 * Write what is collected. On an error it is kept or, under `always`, dropped, because nobody was
 * promised it; those who wait for what was dropped are told.
 */
NODISCARD enum err embed_spill(struct dlog *log);

/* ---- commit.c: with log->lock, which is given back while they wait ---- */

/* Wait until all up to now is durable. */
NODISCARD enum err embed_sync(struct dlog *log);

/* One sync of all that there is; nobody else may be leading. */
NODISCARD enum err embed_lead(struct dlog *log);

/* Answer those whose records are written or durable, as they wish. */
void embed_settle(struct dlog *log);

/* Answer all who wait for `first` or later: it failed. */
void embed_fail(struct dlog *log, int64_t first, enum err e);
