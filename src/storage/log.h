#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "os/thread.h"

struct os;
struct os_dir;
struct os_file;

/*
 * Log: one partition's record batches, or messages, durable and in order. The engine that
 * every writer uses: produce, the coordinators, the metadata quorum, libdlog.
 * It knows no topics, requests or replication.
 *
 * Owner:    one shard; nothing here locks. Only the log_sync_run() of a sync
 *           that was begun may run on another thread.
 * Lifetime: log_open() .. log_close(); ranges that were handed out keep their
 *           file open by themselves.
 * Format:   docs/storage.md, docs/format/segment.md: Kafka's files, and ours beside them.
 *
 * Invariants
 *   (1) start_offset <= synced_offset <= end_offset
 *   (2) batches below synced_offset survive a crash; those above may not
 *   (3) an offset below end_offset is never given to another batch, except
 *       after log_truncate()
 *   (4) after a failed write or sync the log and its root are broken: every
 *       later append and sync returns E_BROKEN; reads go on
 *   (5) at most LOG_UNSYNCED_BYTES_MAX are ever unsynced under durability
 *       `always`: an append that would pass it syncs first
 */
struct log;

enum { LOG_UNSYNCED_BYTES_MAX = 64 * 1024 * 1024 };

/*
 * Root: one directory of `log.dirs`, shared by the logs inside it. Holds the
 * lock against a second process and remembers a failed disk.
 *
 * Thread: open and close on one; log_root_is_broken from any.
 *
 *   E_BUSY    another process has it open; the report says how to find it
 *   E_DENIED, E_IO, E_NO_SPACE
 */
struct log_root;

NODISCARD enum err log_root_open(struct os *os, const char *path, struct log_root **root_out,
                                 struct report *report);
void log_root_close(struct log_root *root);
struct os_dir *log_root_dir(struct log_root *root);
const char *log_root_path(const struct log_root *root);
bool log_root_is_broken(const struct log_root *root);

/* Names of the partition directories found, in order; those being deleted are finished off. */
NODISCARD enum err log_root_list(struct log_root *root, bool (*each)(void *ctx, const char *name),
                                 void *ctx);

/*
 * Rename the directory of a log that is not open away, durably, and remove it: what a crash leaves
 * of it, log_root_list removes. E_NOT_FOUND, E_IO (then the root is broken), E_DENIED
 */
NODISCARD enum err log_root_delete(struct log_root *root, const char *name);

/* The topic id of the log in directory `name`, without opening it; zero when there is none. */
struct uuid log_root_topic_id(struct log_root *root, const char *name);

enum log_durability {
    LOG_DURABILITY_ALWAYS,   /* the owner syncs before it acknowledges */
    LOG_DURABILITY_INTERVAL, /* flush_messages or flush_ms, whichever comes first */
    LOG_DURABILITY_OS        /* never by us, but at roll and close */
};

/* What the frames of a log are; kept in its directory as dlog.format. */
enum log_format {
    LOG_FORMAT_BATCH,  /* Kafka's record batches, record/batch.h */
    LOG_FORMAT_MESSAGE /* one frame per message, record/message.h */
};

/* "batch" or "message". */
const char *log_format_text(enum log_format format);

/* Settings; may be changed while open by log_set_options(). Defaults: log_options_default(). */
struct log_options {
    enum log_format format; /* of a log that is created; one that is there has its own */
    enum log_durability durability;
    int64_t flush_messages;
    int64_t flush_ms;
    int64_t segment_bytes;        /* roll before a segment would pass this */
    int64_t segment_ms;           /* roll when the first record is older */
    int64_t segment_index_bytes;  /* roll when an index is full */
    int64_t index_interval_bytes; /* an index entry every so many bytes of log */
    int64_t retention_ms;         /* -1: for ever */
    int64_t retention_bytes;      /* -1: no limit */
    int64_t file_delete_delay_ms;
    int64_t producer_id_expiration_ms;
    int64_t scrub_interval_ms; /* checksums are good for so long (log_scrub.h); 0: for ever */
    bool is_compacted;         /* cleanup.policy has compact */
    bool is_deleted;           /* cleanup.policy has delete: retention applies */
    bool preallocate;          /* zero-fill the active segment ahead */
};

struct log_options log_options_default(void);

/* What opening found. */
struct log_recovery {
    bool was_clean; /* nothing was scanned */
    int64_t scanned_bytes;
    int64_t torn_bytes;     /* cut from the tail; kept aside as *.torn-<pos> */
    int32_t damaged_ranges; /* kept, and answered with E_CORRUPT */
    int32_t indexes_rebuilt;
};

/* Which log to open; all borrowed for the call. */
struct log_open {
    struct log_root *root; /* outlives the log */
    const char *name;      /* of the log's directory in it */
    const struct log_options *options;
    int64_t wall_ms;
};

/*
 * Open or create a log. Recovery needs no
 * operator: a torn tail is cut, damage in the middle is kept and marked.
 * A directory written by Apache Kafka (magic 2) opens too. A new log costs no
 * sync: until its first record it may be gone after a crash.
 *
 *   E_UNSUPPORTED  magic 0 or 1 batches of old Kafkas; a format nobody knows; frames of
 *                  another format than dlog.format says; options that ask for a log of
 *                  messages to be compacted
 *   E_CORRUPT      not a log; the report says which file and where
 *   E_BUSY         its directory is a root that somebody has open, a log by itself
 */
NODISCARD enum err log_open(const struct log_open *open, struct log **log_out,
                            struct log_recovery *recovery_out, struct report *report);

/*
 * Files: how many descriptors the logs of one thread may keep, so that ten thousand of them need
 * not have one each. Those that were used longest ago are closed first, and opened again when
 * needed. One more than `files_max` may be open for a moment in an operation.
 *
 * Thread:   that of its logs.
 * Lifetime: until after log_close() of the last of them.
 */
struct log_files;
NODISCARD enum err log_files_open(int files_max, struct log_files **files_out);
void log_files_close(struct log_files *files);
int log_files_count(const struct log_files *files);

/* From now on the log's files count there; NULL: nowhere. */
void log_set_files(struct log *log, struct log_files *files);

/* Sync, write checkpoints and the clean-shutdown mark, free. NULL is fine. */
void log_close(struct log *log);

/* Rename the directory away durably and close; the files go later, by log_root_list or now. */
NODISCARD enum err log_delete(struct log *log);

/* The format stays. E_UNSUPPORTED: as in log_open; nothing changed. */
NODISCARD enum err log_set_options(struct log *log, const struct log_options *options);

/*
 * The topic id this directory belongs to, kept in partition.metadata and dlog.checkpoint; zero
 * when there is none. Durable on return, in a log that never had a record with its first one.
 */
struct uuid log_topic_id(const struct log *log);
NODISCARD enum err log_set_topic_id(struct log *log, struct uuid topic_id);

/* Of the log as it is, whatever the options said. */
enum log_format log_format(const struct log *log);

int64_t log_start_offset(const struct log *log);
int64_t log_synced_offset(const struct log *log); /* exclusive end of what is durable */
int64_t log_end_offset(const struct log *log);
int64_t log_size_bytes(const struct log *log);
bool log_is_broken(const struct log *log);

/* Largest record timestamp and its offset; -1 and -1 in an empty log. */
void log_max_timestamp(const struct log *log, int64_t *timestamp_out, int64_t *offset_out);

/*
 * Append whole frames that the caller has validated (record/batch.h, record/message.h).
 * Leader form: assigns offsets and leader epoch in place (`bytes` is changed),
 * checks producer ids and sequences. Follower form (`is_replica`): offsets and
 * epochs stand in the batches and must continue the log.
 * Goes to the page cache; durable after a sync.
 *
 *   E_DUPLICATE     all of it was appended before: `result_out` says where
 *   E_OUT_OF_ORDER  a producer's sequence has a gap
 *   E_FENCED        a producer epoch older than the newest one, or a leader epoch older than
 *                   the log's latest
 *   E_OUT_OF_RANGE  follower form: does not continue the log
 *   E_TOO_BIG       larger than a segment may be, or of more than 64 producers
 *   E_TRUNCATED, E_CORRUPT, E_UNSUPPORTED, E_INVAL  the bytes are not whole batches
 *   E_BROKEN, E_NO_SPACE (nothing was appended, the log is whole), E_IO, E_NOMEM
 *
 * As in Kafka 4 a producer id that is not known may begin at any sequence (KIP-360).
 * A replica's append to an empty log may begin at any offset.
 *
 * Messages hold neither offset nor epoch: their place is their offset, `leader_epoch`
 * does not count, and the follower form is E_UNSUPPORTED.
 */
struct log_append {
    uint8_t *bytes;
    size_t size;
    int32_t leader_epoch;
    bool is_replica;
    bool may_use_reserve; /* of the disk (log_guard.h): what must go on when it is full */
    int64_t wall_ms;      /* for segment age and producer expiry */
};

struct log_appended {
    int64_t first_offset;
    int64_t last_offset;
    int64_t max_timestamp;
};

NODISCARD enum err log_append(struct log *log, const struct log_append *append,
                              struct log_appended *result_out);

/*
 * Sync: make everything appended so far durable. Three steps, so that the
 * middle one may run on a pool; log_sync() does all three here.
 * Appends between begin and finish are not covered by that sync.
 */
struct log_sync {
    struct os_job job; /* for the owner's use with a pool */
    struct log *log;
    struct os_file *files[2]; /* the active segment, and one just sealed */
    int64_t end_offset;
    int64_t end_bytes;  /* private */
    int32_t generation; /* private */
    enum err result;
};

bool log_needs_sync(const struct log *log);
void log_sync_begin(struct log *log, struct log_sync *sync);
void log_sync_run(struct log_sync *sync); /* any thread; blocks */
NODISCARD enum err log_sync_finish(struct log_sync *sync);
NODISCARD enum err log_sync(struct log *log);

/*
 * Find what to send for a fetch at `offset`: a range of one segment's file that
 * begins with the batch that holds `offset` (or the next one there is) and holds
 * only batches below `limit_offset`. It ends at a batch boundary, or in a sealed
 * segment after `size_max` bytes in the middle of a batch, as in Kafka; the first
 * batch is whole, however large. Its CRCs were checked since this process opened the
 * segment and within scrub_interval_ms. Size 0: nothing below the limit.
 *
 *   E_OUT_OF_RANGE  offset < start_offset or > end_offset
 *   E_CORRUPT       the range is damaged
 *   E_IO, E_NOMEM
 */
struct log_range {
    struct os_file *file; /* a reference, owned; NULL when size is 0 */
    int64_t pos;
    size_t size;
    int64_t base_offset; /* of the first batch */
    bool has_more;       /* below the limit: `size_max`, the segment's end or damage cut it */
};

NODISCARD enum err log_read(struct log *log, int64_t offset, int64_t limit_offset, size_t size_max,
                            struct log_range *range_out);
void log_range_release(struct log_range *range);

/*
 * The first record whose timestamp is at least `timestamp_ms`: exact, also
 * inside compressed batches. -1, -1 when there is none below `limit_offset`.
 */
NODISCARD enum err log_find_timestamp(struct log *log, int64_t timestamp_ms, int64_t limit_offset,
                                      int64_t *offset_out, int64_t *timestamp_out);

/*
 * Cut everything at and above `offset`, physically and synced, before returning. A batch
 * that holds `offset` goes whole: log_end_offset() says where the log ends then, and the
 * start is never past it. Nothing
 * happens at or past the end; E_OUT_OF_RANGE below the start. A failure before anything was
 * changed leaves the log as it was, any other breaks it.
 */
NODISCARD enum err log_truncate(struct log *log, int64_t offset);

/* Move the start to `offset` (DeleteRecords); whole segments below it go. E_OUT_OF_RANGE past the
 * end. */
NODISCARD enum err log_delete_before(struct log *log, int64_t offset);

/* Background work that is due: roll by age, retention below `limit_offset`, deleting files. */
NODISCARD enum err log_maintain(struct log *log, int64_t limit_offset, int64_t wall_ms);

/*
 * Leader epochs (KIP-101, KIP-279): the cache behind leader-epoch-checkpoint.
 */
int32_t log_latest_epoch(const struct log *log); /* -1: none */

/*
 * `epoch` begins at the log end. Ignored if not newer. Durable before returning; in a log that
 * never had a record with the checkpoint, and batches say their epoch before that.
 * E_UNSUPPORTED: a log of messages, which has no epochs.
 */
NODISCARD enum err log_begin_epoch(struct log *log, int32_t epoch);

/* End offset of the largest epoch <= `epoch`, and that epoch; -1, -1 if unknown. */
void log_epoch_end(const struct log *log, int32_t epoch, int32_t *epoch_out, int64_t *end_out);

/* Epoch of the batch at `offset`; -1 if unknown. */
int32_t log_epoch_at(const struct log *log, int64_t offset);

/*
 * First offset of the oldest transaction that is open or whose marker is not below
 * `high_watermark`, else the end: bounds the last stable offset (KIP-98). The high watermark
 * never goes back between calls, but with log_truncate().
 */
int64_t log_first_unstable_offset(struct log *log, int64_t high_watermark);

/*
 * What a read_committed fetch at `from` has to be told: the aborted transactions
 * that have records in [from, to), in the order of their markers. As in Kafka some may be
 * told that have none there. `each` ends the walk with an error, which is returned.
 *
 *   E_IO, E_NOMEM
 */
struct log_aborted_txn {
    int64_t producer_id;
    int64_t first_offset;
};

NODISCARD enum err log_aborted(struct log *log, int64_t from, int64_t to,
                               enum err (*each)(void *ctx, const struct log_aborted_txn *aborted),
                               void *ctx);

/*
 * The log goes to another cluster, where the producer ids in it mean others: abort the
 * transactions that are open, each with a marker at the end, and forget all producers, durably.
 * Errors of log_append and log_sync; try again after E_NO_SPACE.
 */
NODISCARD enum err log_forget_producers(struct log *log, int64_t wall_ms, int32_t *aborted_out);

/* An offset above all batches of a range that log_read() gave out now: Kafka's `to`. E_IO, E_NOMEM
 */
NODISCARD enum err log_range_upper(struct log *log, const struct log_range *range,
                                   int64_t *offset_out);
