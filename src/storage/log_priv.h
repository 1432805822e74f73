#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/vec.h"
#include "storage/epoch.h"
#include "storage/log.h"
#include "storage/log_guard.h"
#include "storage/producer.h"
#include "storage/segment.h"

struct os_lock;

/* The inside of a log, for the files of this folder. docs/storage.md tells the whole. */

enum {
    LOG_SEGMENTS_MAX = 1 << 20,
    LOG_OPEN_SEALED_MAX = 8, /* sealed segments of one log with their files open */
    LOG_MEMO_COUNT = 8,
    LOG_CHECKPOINT_BYTES = 64 * 1024 * 1024, /* of log between two checkpoints */
    LOG_ZERO_FILL_BYTES = 4 * 1024 * 1024,
    LOG_SMALL_FILE_MAX = 64 * 1024 * 1024 /* checkpoint and epoch files */
};

#define LOG_CLEANED_SUFFIX  ".cleaned" /* behind the name of a file that a swap may put in place */
#define LOG_CHECKPOINT_NAME "dlog.checkpoint"
#define LOG_EPOCHS_NAME     "leader-epoch-checkpoint"
#define LOG_METADATA_NAME   "partition.metadata"
#define LOG_FORMAT_NAME     "dlog.format"
#define LOG_BALLAST_NAME    "dlog.ballast" /* of a root */
#define LOG_LOCK_NAME       ".lock"        /* of a root, and of a log that was one by itself */

/* What log_guard.c knows of a disk; limits and is_on stand before the first log is opened. */
struct log_guard {
    struct log_disk_limits limits;
    bool is_on;
    atomic_flag is_asking;
    atomic_int level;
    atomic_int pause_ms;
    atomic_int_fast64_t budget_bytes; /* to be appended before the next question */
    atomic_int_fast64_t asked_ms;     /* wall time */
    atomic_int_fast64_t size_bytes;
    atomic_int_fast64_t free_bytes;
    int64_t ballast_size; /* of the file; who is asking has it */
};

struct log_root {
    struct os *os;
    struct os_dir *dir;
    struct os_lock *lock;
    char *path;
    struct log_guard guard;
    atomic_bool is_broken;
    atomic_uint_fast64_t made_count;    /* logs made here by this process */
    atomic_uint_fast64_t durable_count; /* of them, the first so many have durable names */
};

/* The begin of a batch, or the end of the log. */
struct log_point {
    int64_t offset;
    int64_t segment; /* base offset */
    int64_t pos;
    int64_t max_timestamp; /* of the segment up to there */
    int64_t max_timestamp_offset;
};

/* A batch that begins at `pos`: where the next fetch of a sequential reader begins. */
struct log_memo {
    int64_t offset;
    int64_t pos;
    int64_t segment; /* base offset; -1: empty */
};

/* Files of a segment renamed to .deleted, to be removed when due. */
struct log_deletion {
    int64_t base_offset;
    int64_t due_ms;
};

/* The producers of an offset, encoded: what goes into .snapshot and .window. Empty: none. */
struct log_snapshot {
    struct buf producers;
    struct buf window;
};

/* How far the scrubber is. */
struct log_scrub_state {
    int64_t round_ms; /* when the last round began */
    int64_t next;     /* the segment that comes next is the first from this offset on; -1: idle */
    int64_t segment;  /* base offset of the one at hand */
    int64_t pos;      /* in it; 0: not begun */
    int64_t offset;   /* that is to be there */
    int64_t began_ms; /* with that segment */
    bool is_loaded;
};

struct log {
    struct log_root *root;
    char *name;
    struct os_lock *lock; /* NULL: the log never was a root by itself */
    enum log_format format;
    struct log_options options;
    struct vec segments; /* of struct segment *, owned, rising; the last is active */
    int64_t start_offset;
    int64_t synced_offset;
    int64_t end_offset;
    int64_t size_bytes;

    int64_t appended_bytes;          /* ever, in this process */
    int64_t synced_bytes;            /* of them */
    int64_t checkpointed_bytes;      /* of them, at the last checkpoint */
    int64_t unsynced_wall_ms;        /* when the oldest unsynced append came */
    struct segment *sealed_unsynced; /* sealed since the last sync; in segments */
    int32_t generation;              /* counts truncations: a sync begun before one is void */
    int32_t replaced_count;          /* compactions that put other files in the place of old ones */

    struct log_point recovery; /* what the checkpoint file says */
    struct log_point begun;    /* of a sync that will end in a checkpoint; offset -1: none */
    struct log_snapshot begun_snapshot; /* the producers then */
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
    int64_t wall_ms;         /* the latest we were told */
    int64_t tick;            /* counts reads, for closing files */
    int64_t maintained_tick; /* at the last log_maintain */
    struct log_memo limit;   /* the last limit of a read */
    struct log_memo memo[LOG_MEMO_COUNT];
    uint32_t memo_next;

    struct epochs epochs;
    struct producers producers;
    struct vec snapshots; /* of int64_t: snapshot files there are, rising */
    struct vec deletions; /* of struct log_deletion */
    struct log_scrub_state scrub;
    struct uuid topic_id;
    int open_sealed_count;
    bool recovery_has_snapshot; /* there are producers at the recovery point */
    bool has_gaps;        /* offsets may jump: compacted once, or copied from a compacted log */
    int64_t clean_offset; /* below it all was compacted; the log may begin later, not end earlier */
    int64_t recoded_offset;  /* below it all is in recoded_codec */
    int recoded_codec;       /* -1: nothing is known */
    int64_t bad_offset;      /* a segment from here on cannot be compacted; -1 */
    const struct vec *swaps; /* of int64_t: new segments, while their files have another name */
    bool is_swap_unsure;     /* the checkpoint may say so still */
    bool is_compacting;
    bool is_foreign; /* while it is opened: there was no checkpoint */
    bool is_broken;
    bool is_fresh;         /* never had a byte: nothing of it need be durable, see log_create.c */
    bool has_loose_epochs; /* leader-epoch-checkpoint was not synced */
    bool has_wrong_epochs; /* it says what is not so, and the disk was full: before the next append
                            */
    struct log_files *files; /* NULL: no limit */
    struct list_node files_node;
    int files_count;      /* as counted there */
    uint64_t made_number; /* while fresh: it was the so-manieth to be made in its root */
};

/* ---- log.c ---- */

/* The log's directory; close it after use: an idle log holds no descriptor. */
NODISCARD enum err log_dir_open(const struct log *log, struct os_dir **dir_out);

static inline size_t log_segment_count(const struct log *log)
{
    return log->segments.count;
}

static inline struct segment *log_segment_at(const struct log *log, size_t i)
{
    return *(struct segment **)vec_at(&log->segments, i);
}

static inline struct segment *log_active(const struct log *log)
{
    return log_segment_at(log, log->segments.count - 1);
}

/* One past the last offset that segment `i` may hold. */
int64_t log_segment_end(const struct log *log, size_t i);

/* The segment in which `offset` would be: the last that begins at or before it, else the first. */
size_t log_segment_index(const struct log *log, int64_t offset);

/* Remember a failed write or sync; returns E_BROKEN's reason `e` unchanged. */
enum err log_break(struct log *log, enum err e);
bool log_refuses(const struct log *log);

/* Open segment `s` for reading or writing and keep few sealed ones open. */
NODISCARD enum err log_use_segment(struct log *log, struct segment *s);

/* When a sealed segment too many is open, close the one that was not read for longest. */
void log_close_surplus(struct log *log);

/* The same with its indexes ready. */
NODISCARD enum err log_use_indexes(struct log *log, struct segment *s);

/* Let the indexes of a sealed segment go that were written out. */
static inline void log_close_indexes(struct segment *s)
{
    segment_index_close(&s->offsets);
    segment_index_close(&s->times);
    txn_index_close(&s->aborted);
}

/* The format that log_format_text() calls so; false: none. */
bool log_parse_format(struct slice text, enum log_format *format_out);

void log_memo_clear(struct log *log);
void log_memo_add(struct log *log, const struct segment *s, int64_t offset, int64_t pos);

/* Largest timestamp over all segments, anew. */
void log_refresh_max_timestamp(struct log *log);

/* ---- log_guard.c ---- */

/* Off: no limits. */
void log_guard_init(struct log_guard *g);

/* May `size` bytes be appended that may not use the reserve? */
bool log_guard_admits(struct log_root *root, int64_t size, int64_t wall_ms);

/* ---- log_create.c ---- */

/* Nothing of the log is durable, and nothing needs to be. */
void log_begin_fresh(struct log *log);

/* Before its first byte: make the directory and a checkpoint durable. */
NODISCARD enum err log_settle(struct log *log);

/* Replace a small file of the log; durably unless the log is fresh. */
NODISCARD enum err log_put_file(const struct log *log, struct os_dir *dir, const char *name,
                                struct slice bytes);

/* The topic id in the text of a partition.metadata; zero when there is none. */
struct uuid log_decode_topic_id(struct slice text);

/* Write partition.metadata anew when a crash left none, or no sense in it. */
NODISCARD enum err log_restore_metadata(const struct log *log, struct os_dir *dir);

/* ---- log_files.c ---- */

enum { LOG_FILES_MORE = 3 }; /* the most that one more segment has */

/* The log is used and may open `more` files: others let theirs go when it is too much. */
void log_files_use(struct log *log, int more);

/* Its files were opened or closed. */
void log_files_note(struct log *log);

/* The log is freed. */
void log_files_leave(struct log *log);

/* Another log closes its files; false: there is none that could. */
bool log_files_give_up_one(struct log *user);

/* ---- log_append.c ---- */

/* The end of the log, for a checkpoint. */
struct log_point log_end_point(const struct log *log);

/* Seal the active segment and begin one at the log end. */
NODISCARD enum err log_roll(struct log *log);

/* Create an empty segment file at `base_offset`, durably unless fresh, and make it the last. */
NODISCARD enum err log_add_segment(struct log *log, struct os_dir *dir, int64_t base_offset);

/* ---- log_checkpoint.c ---- */

/*
 * dlog.checkpoint: what is known to be durable, so that recovery begins there.
 * Format: docs/storage.md.
 */
struct log_checkpoint_segment {
    int64_t base_offset;
    int64_t size;
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
    int64_t first_timestamp;
};

struct log_checkpoint_damage {
    int64_t segment;
    struct segment_damage damage;
};

struct log_checkpoint {
    int64_t start_offset;
    int64_t recovery_point; /* offset */
    int64_t window_bytes;   /* the most that may be unsynced; -1: no limit */
    bool has_snapshot;      /* a producer snapshot must exist at the recovery point */
    struct uuid topic_id;   /* zero: look into partition.metadata */
    bool has_gaps;
    enum log_format format;
    struct vec segments; /* of log_checkpoint_segment; the last ends at the recovery point */
    struct vec damaged;  /* of log_checkpoint_damage */
    struct vec swaps;    /* of int64_t: bases of new segments whose files are still .cleaned */
    int64_t clean_offset;
    int64_t recoded_offset;
    int recoded_codec; /* -1: none */
};

void log_checkpoint_init(struct log_checkpoint *c);
void log_checkpoint_release(struct log_checkpoint *c);
NODISCARD enum err log_checkpoint_encode(const struct log_checkpoint *c, struct buf *out);

/* E_CORRUPT, E_UNSUPPORTED: a later version; E_NOMEM */
NODISCARD enum err log_checkpoint_decode(struct log_checkpoint *c, struct slice text);

/*
 * Move the recovery point to `point`, below which all is synced: write indexes, the producer
 * snapshot of that offset (`snapshot` is one encoded earlier; NULL: the producers as they are
 * now) and the checkpoint.
 */
NODISCARD enum err log_checkpoint_write(struct log *log, struct os_dir *dir,
                                        const struct log_point *point,
                                        const struct log_snapshot *snapshot);

/* The checkpoint file alone, with the recovery point that stands. */
NODISCARD enum err log_checkpoint_rewrite(struct log *log, struct os_dir *dir);

/*
 * Make the marks of damage in `s` durable. Behind the recovery point the next open would take it
 * for a torn tail and cut off what is right behind it, so that moves first.
 */
NODISCARD enum err log_keep_damage(struct log *log, const struct segment *s);

/* leader-epoch-checkpoint, durably unless the log is fresh. */
NODISCARD enum err log_write_epochs(struct log *log, struct os_dir *dir);

/* The same while the log is opened: on a full disk it is done before the next append. */
NODISCARD enum err log_write_epochs_soon(struct log *log, struct os_dir *dir);

/*
 * The same for epochs just begun in memory at or after `start`, when `before` was the latest. A
 * full disk leaves everything as it was.
 */
NODISCARD enum err log_save_epochs(struct log *log, int32_t before, int64_t start);

/* ---- log_swap.c ---- */

/* Rewrite the checkpoint if it may speak of a swap that is over or was given up. */
NODISCARD enum err log_swap_settle(struct log *log, struct os_dir *dir);

/*
 * End the swap that a crash interrupted, for a checkpoint that names one: on return
 * neither file names nor checkpoint tell of it.
 */
NODISCARD enum err log_swap_recover(struct os_dir *dir, struct log_checkpoint *c);

/* Does a swapped segment hold the offsets of the one called so now, and is that another? */
bool log_swap_is_old(const struct log_checkpoint *c, int64_t base_offset);

/* ---- log_producers.c ---- */

void log_snapshot_init(struct log_snapshot *s);
void log_snapshot_release(struct log_snapshot *s);

/* The producers as they are now. E_NOMEM, E_TOO_BIG */
NODISCARD enum err log_snapshot_encode(const struct log *log, struct log_snapshot *out);

/* Producer snapshot files for `offset`, of the producers now when NULL; none when there are none.
 */
NODISCARD enum err log_write_snapshot(struct log *log, struct os_dir *dir, int64_t offset,
                                      const struct log_snapshot *encoded);

/* Remove the snapshot files for offsets in [from, end) that no segment begins with. */
NODISCARD enum err log_remove_snapshots(struct log *log, struct os_dir *dir, int64_t from,
                                        int64_t end);

/* The producers as they were at `offset`: from a snapshot, and the log from there on. */
NODISCARD enum err log_load_producers(struct log *log, struct os_dir *dir, int64_t offset);

/*
 * producer_apply() for the batch at `pos` of an open file: control batches are read. What was
 * aborted goes to `aborted`, if not NULL.
 */
NODISCARD enum err log_apply_batch(struct log *log, struct segment_scan *scan, int64_t pos,
                                   const struct batch_header *h, struct txn_index *aborted);

/*
 * The aborted transactions with markers in `s` below `end`, in memory. A file that is no
 * transaction index is made anew from the log.
 */
NODISCARD enum err log_use_aborted(struct log *log, struct segment *s, int64_t end);

/* ---- log_recover.c ---- */

/* Fill `log` from its directory. */
NODISCARD enum err recover_log(struct log *log, struct os_dir *dir, struct log_recovery *recovery,
                               struct report *report);

/*
 * A full disk keeps no log from being opened, read and trimmed: what recovery could not write for
 * want of space is written with the next checkpoint, and until then the next open scans again.
 */
static inline enum err log_unless_full(enum err e)
{
    return e == E_NO_SPACE ? E_OK : e;
}

/* ---- recover_scan.c ---- */

/* Scan what lies behind the recovery point: find damage, cut a torn tail, rebuild indexes. */
NODISCARD enum err recover_scan(struct log *log, struct os_dir *dir, int64_t window_bytes,
                                struct log_recovery *recovery, struct report *report);

/* ---- retention.c ---- */

/* Drop whole sealed segments below the start offset; their files go later. */
NODISCARD enum err retention_drop_segments(struct log *log, struct os_dir *dir);
