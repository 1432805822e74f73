#pragma once

/*
 * libdlog: a durable, ordered log of records inside your program.
 *
 * The storage engine of DistributedLog as a library. You open a directory, append records, each of
 * which gets the next offset (0, 1, 2, ...), and read them back in order, from an offset or a time.
 * Records that were acknowledged as durable survive kill -9 and the loss of power; damage on the
 * disk is found and reported, never returned as data. The files are those of a broker: `dlogd`
 * serves a log that was written here, and this library reads one that was written there.
 *
 *     cc program.c $(pkg-config --cflags --libs dlog)
 *
 * QUICK START
 *
 *     #include <dlog.h>
 *     #include <stdio.h>
 *
 *     int main(void)
 *     {
 *         struct dlog_record record = {0};
 *         struct dlog_reader *reader;
 *         struct dlog *log;
 *         int64_t offset;
 *         int e = dlog_open_dir("events", NULL, &log);
 *
 *         if (e != DLOG_OK) {
 *             fprintf(stderr, "events: %s\n", dlog_strerror(e));
 *             return 1;
 *         }
 *         record.value = "hello";
 *         record.value_size = 5;
 *         e = dlog_append(log, &record, &offset);
 *         if (e == DLOG_OK)
 *             e = dlog_reader_open(log, DLOG_FROM_START, NULL, &reader);
 *         if (e == DLOG_OK) {
 *             while ((e = dlog_reader_next(reader, 0, &record)) == DLOG_OK)
 *                 printf("%lld %.*s\n", (long long)record.offset, (int)record.value_size,
 *                        (const char *)record.value);
 *             dlog_reader_close(reader);
 *         }
 *         dlog_close(log);
 *         return e == DLOG_E_END ? 0 : 1;
 *     }
 *
 * WORDS
 *
 *   record       key, value, timestamp, headers; key and value may be null
 *   offset       the number of a record in its log; never used twice, never changed
 *   log          a directory of segment files that hold records in offset order; struct dlog
 *   environment  a directory of logs (the root) and what they share: one lock file, one flusher
 *                thread; struct dlog_env. dlog_open_dir() makes one for a single log.
 *   reader       a place in a log that moves forward; struct dlog_reader
 *
 * WHAT HAPPENS TO A RECORD
 *
 *   appended      It has its offset and every reader of this process sees it (but one that asked
 *                 for durable records only). It may still be collected in memory: the end of the
 *                 process, such as kill -9, loses it.
 *   written       The operating system has it: it survives the process, not a loss of power. That
 *                 happens when `batch_bytes` are collected, after `linger_ms`, by dlog_flush(),
 *                 when a reader comes to it, and before everything below.
 *   durable       Synced to the disk (fdatasync): it survives a loss of power.
 *   acknowledged  dlog_append() returned DLOG_OK, or the callback of dlog_append_async() was
 *                 called with it. What that promises is the log's durability:
 *
 *   DLOG_DURABILITY_   append returns   callback    synced
 *   ALWAYS (default)   once durable     durable     as soon as somebody waits
 *   INTERVAL           once appended    durable     after flush_records, or flush_ms if earlier
 *   OS                 once appended    written     when the system likes; by us when a segment
 *                                                   is full and at dlog_close()
 *
 * dlog_sync() makes everything durable that was appended before it, in every mode.
 *
 * Group commit: under `always`, appends of many threads share one sync. The first thread that waits
 * syncs for all that came until then, so a lone thread pays for no hand-over to another; whoever
 * comes while a sync runs is in the next one. To have many records durable from one thread, use
 * dlog_append_batch(), or dlog_append_async() and one dlog_sync().
 *
 * An append that returned an error was not acknowledged. After DLOG_E_IO or DLOG_E_BROKEN its
 * record may all the same be there after the next open; after every other error it is not.
 *
 * THREADS
 *
 * All functions of an environment and of a log may be called from any thread at any time, but its
 * close: no call may begin once the close has begun. A reader belongs to one thread at a time; only
 * dlog_reader_wake() may be called beside it. Any number of readers may read a log while it is
 * appended to. Records of one thread have rising offsets; those of several interleave.
 *
 * One thread runs inside: the flusher, one an environment, with all signals blocked. It calls the
 * callbacks of dlog_append_async(), one after the other, in offset order for each log. A callback
 * may call everything but dlog_close and dlog_env_close; it should not wait long (in
 * dlog_reader_next, or an append under `always`), because all callbacks and background work of the
 * environment wait for it. The trace callback is called on any thread, perhaps with locks held: it
 * may call nothing of this library. Callbacks of dlog_list and dlog_verify run on the calling
 * thread, with nothing held.
 *
 * No function may be called from a signal handler, and no thread inside one may be cancelled
 * (pthread_cancel).
 *
 * FORK
 *
 * After fork() the environment belongs to the parent. In the child every function returns
 * DLOG_E_FORKED and changes nothing, the close functions too: what the child inherited is freed
 * when it ends or calls exec. Open a root after the fork, not before it. A child that neither ends
 * nor calls exec keeps the lock of the root while the parent is killed, so that nobody else can
 * open it.
 *
 * CLOSING
 *
 * dlog_close() writes and syncs everything, ends appends that wait in other threads, calls the
 * callbacks that are due, and only then returns: after it no callback of this log is called.
 * Readers of a closed log, also those that wait, return DLOG_E_CLOSED; each must still be closed,
 * before or after its log and its environment. A process that ends without closing loses what was
 * not written, and the next open looks through the end of the log.
 *
 * FILES
 *
 * A root holds `.lock` and a directory for each log. A directory holds Kafka's files: %020d.log,
 * .index, .timeindex, and small files of ours, among them dlog.checkpoint (docs/storage.md). Only
 * one process, and in it one handle, may have a root open, and a log only once: everybody else gets
 * DLOG_E_BUSY. The lock is flock(2); it does not exclude another machine on a network file system.
 * dlog_open_dir(dir) puts the log's files and `.lock` into `dir` itself; when `dir` lies in the
 * root of an environment or a broker (there is a `.lock` beside it) it opens that root,
 * exclusively.
 *
 * Opening after a crash needs no operator: a torn record at the end, which was never acknowledged,
 * is cut off and kept aside in a file *.torn-<position>. Damage further in front is kept and
 * marked.
 *
 * FORMAT
 *
 * A log is in one of two formats, which is chosen when it is created and stays. dlog_options.format
 * asks for one; that an existing log is in the other is DLOG_E_UNSUPPORTED. ANY takes it as it is.
 *
 *   DLOG_FORMAT_BATCH    the default. Kafka's record batches, magic 2: up to `batch_bytes` of
 *                        records with one header and one checksum, compressed together.
 *   DLOG_FORMAT_MESSAGE  one frame for each record, with its own checksum; a value is compressed
 *                        by itself. Simple to read with other tools, and damage costs one record;
 *                        small records take more space. There are no headers and no null values
 *                        (DLOG_E_INVAL), and it cannot be compacted (DLOG_E_UNSUPPORTED). `dlogd`
 *                        serves no such log.
 *
 * A DISK THAT GETS FULL
 *
 * An environment asks now and then how full its disk is. From `disk_warn_percent` on it tells the
 * trace, writes no zeroes ahead and runs retention of the logs that are written to every second.
 * From `disk_throttle_percent` on dlog_append() and dlog_append_batch() wait up to 100 ms each; on
 * the flusher's thread, and dlog_append_async(), never. Before less than `disk_reserve_bytes` (but
 * at most a quarter of the disk) would be free, writes fail with DLOG_E_NO_SPACE, while reads,
 * dlog_trim(), dlog_compact() and dlog_delete() go on. When there is space again, so do appends, by
 * themselves.
 *
 * LIMITS
 *
 *   a record              record_bytes_max (64 MiB), and a segment
 *   dlog_append_batch     a segment in all
 *   a segment             2^31-1 bytes; 1,048,576 of them in a log
 *   a name                249 characters of A-Z a-z 0-9 . _ -, not beginning with a dot
 *   unsynced              64 MiB under `always`; without limit otherwise
 *   appends in flight     async_pending_max (65,536) whose callback was not called yet
 *   descriptors           a root 2; a log up to 30 while it is used, none once it was not for
 *                         twice maintain_ms
 *   memory                a log about 4 KB, and up to twice batch_bytes once it is appended to; a
 *                         reader its buffer_bytes, more for a batch that is larger
 *
 * ERRORS
 *
 * Functions return `enum dlog_err` as an int: DLOG_OK is 0, everything else positive and stable
 * from version to version; dlog_strerror() has a text. Outputs are written only on DLOG_OK. Every
 * function that returns one may also return DLOG_E_INVAL for a null pointer, DLOG_E_NOMEM and
 * DLOG_E_FORKED; out of memory is never more than that error, though in the middle of a write it
 * breaks the log.
 *
 * A log is broken after a failed write or sync, and with it all logs of its environment: they
 * refuse writes with DLOG_E_BROKEN, reads go on. Nothing is ever synced again after a failed sync,
 * because the system may have dropped what it could not write. Close everything, look at the disk,
 * open again. A full disk (DLOG_E_NO_SPACE) breaks nothing: free some space and append again.
 *
 * VERSIONS
 *
 * Structures that may grow begin with their size; dlog_*_init() sets it and the defaults. A program
 * built with an older header works with a newer library of the same soname. With a newer header it
 * works as long as it uses nothing new: else DLOG_E_UNSUPPORTED.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DLOG_VERSION_MAJOR 0
#define DLOG_VERSION_MINOR 1
#define DLOG_VERSION_PATCH 0

#if defined(__GNUC__)
#define DLOG_MUST_CHECK __attribute__((warn_unused_result))
#else
#define DLOG_MUST_CHECK
#endif

struct dlog;
struct dlog_env;
struct dlog_reader;

enum dlog_err {
    DLOG_OK = 0,
    DLOG_E_NOMEM = 1,           /* out of memory */
    DLOG_E_INVAL = 2,           /* an argument makes no sense: a mistake in the program */
    DLOG_E_NOT_FOUND = 3,       /* there is no such log or directory */
    DLOG_E_EXISTS = 4,          /* it exists, and was to be new */
    DLOG_E_BUSY = 5,            /* open already, here or in another process */
    DLOG_E_DENIED = 6,          /* the file system does not permit it */
    DLOG_E_IO = 7,              /* the disk failed, or the file system */
    DLOG_E_NO_SPACE = 8,        /* the disk or the quota is full */
    DLOG_E_CORRUPT = 9,         /* damaged on disk: found by a checksum */
    DLOG_E_UNSUPPORTED = 10,    /* a format, option or version that this library does not know */
    DLOG_E_TOO_BIG = 11,        /* exceeds a limit, see LIMITS */
    DLOG_E_OUT_OF_RANGE = 12,   /* the offset is not in the log */
    DLOG_E_END = 13,            /* the reader is at the end: nothing came in time */
    DLOG_E_CLOSED = 14,         /* the log was closed */
    DLOG_E_BROKEN = 15,         /* refused after an earlier failure of the disk, see ERRORS */
    DLOG_E_AGAIN = 16,          /* not now: too much is in flight */
    DLOG_E_TOO_MANY_FILES = 17, /* no descriptor left in the process or the system */
    DLOG_E_FORKED = 18,         /* opened by the parent of this process, see FORK */
    DLOG_E_WOKEN = 19           /* dlog_reader_wake() was called */
};

/* A static text for people, such as "out of memory"; never NULL, whatever `err` is. */
const char *dlog_strerror(int err);

/* The version of the library that runs, such as "0.1.0"; the header's is in DLOG_VERSION_*. */
const char *dlog_version(void);

/* ---- environment ---- */

enum dlog_level {
    DLOG_LEVEL_ERROR = 0, /* a failure of the disk: writes are refused from now on */
    DLOG_LEVEL_WARN = 1,  /* damage found, a torn end cut off, a full disk */
    DLOG_LEVEL_INFO = 2   /* opened, closed, retention */
};

/*
 * Trace: one line of text about an event of the life of a log, without a newline; valid for the
 * call. For your own diagnostics. See THREADS.
 */
typedef void dlog_trace_fn(void *ctx, enum dlog_level level, const char *text);

struct dlog_env_options {
    size_t size;     /* of this structure; dlog_env_options_init() */
    bool must_exist; /* false: the root is created when it is missing */
    char *report;    /* NULL, or where to say in words what went wrong; "" when nothing did */
    size_t report_size;
    dlog_trace_fn *trace; /* NULL: nobody wants to know */
    void *trace_ctx;
    enum dlog_level trace_level; /* and what is worse; default DLOG_LEVEL_WARN */
    int64_t maintain_ms;         /* retention and closing of idle files this often; 60,000 */

    /* A disk that gets full, see there; 0: never. */
    int64_t disk_warn_percent;     /* from so much in use on; 80 */
    int64_t disk_throttle_percent; /* 95 */
    int64_t disk_reserve_bytes;    /* is left free by appends; 64 MiB */
};

/* Set the defaults; `size` is sizeof(struct dlog_env_options). */
void dlog_env_options_init(struct dlog_env_options *options, size_t size);

/*
 * Open the directory `path` as a root, and start its flusher. `options` may be NULL: all defaults;
 * it is not kept, but for the trace callback.
 *
 *   DLOG_E_BUSY         another process, or this one, has it open
 *   DLOG_E_NOT_FOUND    it does not exist, and `must_exist` was set
 *   DLOG_E_INVAL        it is a file, or an option makes no sense
 *   DLOG_E_UNSUPPORTED  an option of a later version is set
 *   DLOG_E_AGAIN        no thread can be started
 *   DLOG_E_DENIED, DLOG_E_IO, DLOG_E_NO_SPACE, DLOG_E_TOO_MANY_FILES
 */
DLOG_MUST_CHECK int dlog_env_open(const char *path, const struct dlog_env_options *options,
                                  struct dlog_env **env_out);

/*
 * Stop the flusher and give the lock back. `env` is gone then. NULL is fine.
 *
 *   DLOG_E_BUSY  a log is open; nothing happened
 */
int dlog_env_close(struct dlog_env *env);

/*
 * Call `each` with the name of every log in the root, in byte order, until it returns false. The
 * name is valid for the call. `each` may open, close and delete logs.
 *
 *   DLOG_E_IO, DLOG_E_TOO_MANY_FILES
 */
DLOG_MUST_CHECK int dlog_list(struct dlog_env *env, bool (*each)(void *ctx, const char *name),
                              void *ctx);

/*
 * Delete a log that is not open, with all its records. Durable on return: it does not come back.
 *
 *   DLOG_E_BUSY       it is open
 *   DLOG_E_NOT_FOUND  there is none
 *   DLOG_E_INVAL      no log can be called that
 *   DLOG_E_BROKEN, DLOG_E_IO, DLOG_E_DENIED
 */
DLOG_MUST_CHECK int dlog_delete(struct dlog_env *env, const char *name);

/* ---- log ---- */

enum dlog_durability {
    DLOG_DURABILITY_ALWAYS = 0,
    DLOG_DURABILITY_INTERVAL = 1,
    DLOG_DURABILITY_OS = 2
};

enum dlog_format {
    DLOG_FORMAT_ANY = 0, /* as the log is; a new one is in batches: see FORMAT */
    DLOG_FORMAT_BATCH = 1,
    DLOG_FORMAT_MESSAGE = 2
};

/* Kafka's numbers. */
enum dlog_compression {
    DLOG_COMPRESSION_NONE = 0,
    DLOG_COMPRESSION_GZIP = 1,
    DLOG_COMPRESSION_SNAPPY = 2,
    DLOG_COMPRESSION_LZ4 = 3,
    DLOG_COMPRESSION_ZSTD = 4
};

enum dlog_create {
    DLOG_CREATE_IF_MISSING = 0,
    DLOG_CREATE_NEVER = 1, /* DLOG_E_NOT_FOUND when it is missing */
    DLOG_CREATE_NEW = 2    /* DLOG_E_EXISTS when it is there */
};

struct dlog_options {
    size_t size; /* of this structure; dlog_options_init() */
    enum dlog_create create;
    enum dlog_format format; /* a log that exists must be in it, unless ANY */
    char *report;            /* as in struct dlog_env_options */
    size_t report_size;

    /* These may be changed by dlog_set_options(). */
    enum dlog_durability durability;
    int64_t flush_records; /* `interval`: sync when so many are not durable; 10,000 */
    int64_t flush_ms;      /* `interval`: sync when one is not durable for so long; 1,000 */
    enum dlog_compression compression; /* of a batch, or of a message's value */
    int compression_level;             /* 0: what the codec prefers */
    int64_t batch_bytes;               /* collect so much before it is written; 65,536 */
    int64_t linger_ms;        /* but not longer than so; 5. Does not delay appends that wait. */
    int64_t record_bytes_max; /* of key, value and headers together; 64 MiB */
    int64_t async_pending_max;
    int64_t segment_bytes;   /* begin a new segment before one passes this; 1 GiB */
    int64_t segment_ms;      /* or when its first record is older; seven days */
    int64_t index_bytes;     /* or when an index of it is full; 10 MiB */
    int64_t retention_ms;    /* drop segments all of whose records are older; -1: never */
    int64_t retention_bytes; /* drop the oldest segments while the others have so much; -1 */
    bool preallocate;        /* write zeroes ahead: a sync costs half; up to 4 MiB a log; true */
};

/* Set the defaults; `size` is sizeof(struct dlog_options). */
void dlog_options_init(struct dlog_options *options, size_t size);

/*
 * Open or create log `name` of `env`. `options` may be NULL: all defaults; it is not kept.
 *
 *   DLOG_E_BUSY         it is open already
 *   DLOG_E_NOT_FOUND    DLOG_CREATE_NEVER
 *   DLOG_E_EXISTS       DLOG_CREATE_NEW
 *   DLOG_E_INVAL        no log can be called that, or an option makes no sense
 *   DLOG_E_UNSUPPORTED  it is in another format, of a version older than Kafka 0.11, or an option
 *                       of a later version is set
 *   DLOG_E_CORRUPT      this is not a log; the report says which file and where
 *   DLOG_E_BROKEN       another log of the environment failed
 *   DLOG_E_DENIED, DLOG_E_IO, DLOG_E_NO_SPACE, DLOG_E_TOO_MANY_FILES
 */
DLOG_MUST_CHECK int dlog_open(struct dlog_env *env, const char *name,
                              const struct dlog_options *options, struct dlog **log_out);

/*
 * The one-call form for a program with a single log: the directory `dir` is the log, with an
 * environment of its own, which dlog_close() closes. Errors as dlog_env_open and dlog_open.
 */
DLOG_MUST_CHECK int dlog_open_dir(const char *dir, const struct dlog_options *options,
                                  struct dlog **log_out);

/*
 * Make everything durable, end what waits (see CLOSING), and free `log`, whatever is returned: an
 * error says that the last records may not be durable. NULL is fine.
 *
 *   DLOG_E_IO, DLOG_E_NO_SPACE, DLOG_E_BROKEN
 *   DLOG_E_INVAL  called from a callback of dlog_append_async: nothing happened
 */
int dlog_close(struct dlog *log);

/*
 * Change the second half of the options; the first is ignored. Records that were appended before
 * keep the compression that was set then or get the new one.
 *
 *   DLOG_E_INVAL, DLOG_E_UNSUPPORTED           as dlog_open
 *   DLOG_E_NO_SPACE, DLOG_E_BROKEN, DLOG_E_IO  what was collected had to be written first
 *
 * On an error nothing changed.
 */
DLOG_MUST_CHECK int dlog_set_options(struct dlog *log, const struct dlog_options *options);

/* ---- append ---- */

struct dlog_header {
    const char *key; /* not NULL; need not end with a NUL */
    size_t key_size;
    const void *value; /* NULL: null */
    size_t value_size;
};

enum { DLOG_NOW = 0 };

/* Begin with all zero. To append, `offset` is ignored; what is pointed to is copied. */
struct dlog_record {
    int64_t offset;
    int64_t timestamp_ms; /* since 1970; DLOG_NOW (0): the wall clock at the append */
    const void *key;      /* NULL: null */
    size_t key_size;
    const void *value; /* NULL: null, a tombstone where logs are compacted */
    size_t value_size;
    const struct dlog_header *headers;
    size_t header_count;
    uint64_t flags; /* 0 */
};

/*
 * Append a record. When it returns says the durability of the log; `offset_out` may be NULL.
 *
 *   DLOG_E_TOO_BIG      larger than record_bytes_max or a segment
 *   DLOG_E_INVAL        a header key is NULL, a size without bytes, flags that are not 0, a time
 *                       before 1970; in the format of messages headers or a null value
 *   DLOG_E_NO_SPACE     the disk is full. Under `interval` and `os` records that were appended
 *                       earlier wait for space in memory: they are written when there is some
 *   DLOG_E_BROKEN, DLOG_E_IO
 */
DLOG_MUST_CHECK int dlog_append(struct dlog *log, const struct dlog_record *record,
                                int64_t *offset_out);

/*
 * Append `count` records with offsets that follow each other, from *first_offset_out (may be NULL)
 * on, and one sync. On an error none was appended. In the format of batches they are one batch: a
 * crash leaves all of them or none; of messages it may leave the first ones.
 *
 *   DLOG_E_TOO_BIG  also: together they are larger than a segment
 *   DLOG_E_INVAL    also: `count` is 0
 *   others          as dlog_append
 */
DLOG_MUST_CHECK int dlog_append_batch(struct dlog *log, const struct dlog_record *records,
                                      size_t count, int64_t *first_offset_out);

/*
 * Called once for each append that returned DLOG_OK, on the flusher's thread: see THREADS. `err` is
 * DLOG_OK when the record is acknowledged, else DLOG_E_IO, DLOG_E_NO_SPACE, DLOG_E_NOMEM or
 * DLOG_E_BROKEN: then `offset` may be another record's.
 */
typedef void dlog_appended_fn(void *ctx, int err, int64_t offset);

/*
 * Append a record and return at once; `done` says when it is acknowledged (see WHAT HAPPENS TO A
 * RECORD), also if that is before this function returns. `offset_out` may be NULL.
 *
 *   DLOG_E_AGAIN  async_pending_max callbacks are due: dlog_sync() waits for syncs, though not for
 *                 callbacks
 *   others        as dlog_append
 */
DLOG_MUST_CHECK int dlog_append_async(struct dlog *log, const struct dlog_record *record,
                                      dlog_appended_fn *done, void *ctx, int64_t *offset_out);

/*
 * Hand what was collected to the operating system, without a sync: it survives the process.
 *
 *   DLOG_E_NO_SPACE, DLOG_E_BROKEN, DLOG_E_IO
 */
DLOG_MUST_CHECK int dlog_flush(struct dlog *log);

/*
 * Make everything durable that was appended before the call, by any thread.
 *
 *   DLOG_E_NO_SPACE, DLOG_E_BROKEN, DLOG_E_IO
 */
DLOG_MUST_CHECK int dlog_sync(struct dlog *log);

/* ---- read ---- */

enum {
    DLOG_FROM_START = -2, /* the oldest record there is */
    DLOG_FROM_END = -1    /* what will be appended from now on */
};

struct dlog_reader_options {
    size_t size;         /* of this structure; dlog_reader_options_init() */
    bool durable_only;   /* give no record that a crash could take back */
    size_t buffer_bytes; /* read so much at once; 262,144 */
};

/* Set the defaults; `size` is sizeof(struct dlog_reader_options). */
void dlog_reader_options_init(struct dlog_reader_options *options, size_t size);

/*
 * Begin to read at offset `from`, or DLOG_FROM_START or DLOG_FROM_END. `options` may be NULL.
 *
 *   DLOG_E_OUT_OF_RANGE  `from` is below the start of the log or past its end
 *   DLOG_E_INVAL, DLOG_E_UNSUPPORTED
 */
DLOG_MUST_CHECK int dlog_reader_open(struct dlog *log, int64_t from,
                                     const struct dlog_reader_options *options,
                                     struct dlog_reader **reader_out);

/*
 * The same at the first record whose timestamp is at least `timestamp_ms`, or at the end.
 * Errors also as dlog_offset_for_time.
 */
DLOG_MUST_CHECK int dlog_reader_open_at_time(struct dlog *log, int64_t timestamp_ms,
                                             const struct dlog_reader_options *options,
                                             struct dlog_reader **reader_out);

/* NULL is fine. */
void dlog_reader_close(struct dlog_reader *reader);

/*
 * The next record. What it points to is valid until the next call with this reader. At the end it
 * waits up to `timeout_ms` for one: 0 does not wait, -1 waits for ever. Offsets rise; they have
 * gaps where records were compacted away, and where a broker wrote control records.
 *
 *   DLOG_E_END           none came in time; the reader may go on later
 *   DLOG_E_OUT_OF_RANGE  the record was trimmed, or retention dropped it: dlog_reader_seek
 *   DLOG_E_CORRUPT       the record is damaged, and the reader stays there: dlog_verify() says how
 *                        far, dlog_reader_seek() passes over it
 *   DLOG_E_TOO_BIG       a batch, or a message's value, has more than 256 MiB when decompressed
 *   DLOG_E_CLOSED        the log was closed
 *   DLOG_E_WOKEN         dlog_reader_wake() was called
 *   DLOG_E_IO, DLOG_E_NO_SPACE, DLOG_E_TOO_MANY_FILES, DLOG_E_UNSUPPORTED
 */
DLOG_MUST_CHECK int dlog_reader_next(struct dlog_reader *reader, int64_t timeout_ms,
                                     struct dlog_record *record_out);

/* Go on at `offset`, or DLOG_FROM_START or DLOG_FROM_END. Errors as dlog_reader_open; DLOG_E_CLOSED
 */
DLOG_MUST_CHECK int dlog_reader_seek(struct dlog_reader *reader, int64_t offset);

/* The offset that the reader looks at next; -1 when the reader is NULL. */
int64_t dlog_reader_offset(const struct dlog_reader *reader);

/*
 * From another thread: the call of dlog_reader_next() that waits, or else the next one, returns
 * DLOG_E_WOKEN. Once for any number of calls.
 */
void dlog_reader_wake(struct dlog_reader *reader);

/* ---- questions ---- */

/*
 * The oldest record's offset, and the one that the next append gets. Of an empty log both are the
 * same. -1 when `log` is NULL or was opened before a fork.
 */
int64_t dlog_start_offset(struct dlog *log);
int64_t dlog_end_offset(struct dlog *log);

/*
 * The offset of the first record whose timestamp is at least `timestamp_ms`; the end offset when
 * there is none.
 *
 *   DLOG_E_CORRUPT  where it could be the log is damaged
 *   DLOG_E_IO, DLOG_E_NO_SPACE, DLOG_E_BROKEN, DLOG_E_TOO_MANY_FILES
 */
DLOG_MUST_CHECK int dlog_offset_for_time(struct dlog *log, int64_t timestamp_ms,
                                         int64_t *offset_out);

/* Offsets are exclusive ends. Counts are since the log was opened. */
struct dlog_stats {
    size_t size; /* of this structure: set it before the call */
    enum dlog_format format;
    bool is_broken; /* writes are refused */
    bool was_clean; /* opening had nothing to look through */
    int64_t start_offset;
    int64_t durable_offset; /* records below are durable */
    int64_t written_offset; /* records below are with the operating system */
    int64_t end_offset;
    int64_t size_bytes;       /* of the log's records in files */
    int64_t max_timestamp_ms; /* -1: there is no record in files */
    int64_t appended_records;
    int64_t appended_bytes;  /* of keys, values and headers */
    int64_t written_batches; /* writes to files */
    int64_t syncs;
    int64_t pending_callbacks;
    int64_t readers;         /* open now */
    int64_t recovered_bytes; /* looked through when opening */
    int64_t torn_bytes;      /* cut off then and kept aside */
    int64_t damaged_ranges;  /* known then */
};

/*
 * How the log is. `stats_out->size` must be sizeof(struct dlog_stats).
 *
 *   DLOG_E_INVAL  size is too small for the first member
 */
DLOG_MUST_CHECK int dlog_stats(struct dlog *log, struct dlog_stats *stats_out);

/* ---- care ---- */

/*
 * Drop the records below `offset`, durably: they cannot be read any more on return. The space comes
 * back as whole segments fall below it. Nothing happens at or below the start.
 *
 *   DLOG_E_OUT_OF_RANGE  past the end
 *   DLOG_E_NO_SPACE, DLOG_E_BROKEN, DLOG_E_IO
 */
DLOG_MUST_CHECK int dlog_trim(struct dlog *log, int64_t offset);

struct dlog_compact_options {
    size_t size;          /* of this structure; dlog_compact_options_init() */
    int64_t tombstone_ms; /* keep null values so long after they were first compacted; a day */
    int64_t min_lag_ms;   /* leave segments alone whose records are younger; 0 */
    size_t memory_bytes;  /* most memory for keys; the rest waits for the next call; 128 MiB */
};

/* Set the defaults; `size` is sizeof(struct dlog_compact_options). */
void dlog_compact_options_init(struct dlog_compact_options *options, size_t size);

struct dlog_compacted {
    size_t size;              /* of this structure: set it before the call */
    int64_t compacted_offset; /* everything below it is compacted now */
    int64_t records_before;   /* of the segments that were written again */
    int64_t records_after;
    int64_t bytes_before;
    int64_t bytes_after;
};

/*
 * Compact: of all full segments, keep the last record of each key, and drop records without a key.
 * Offsets stay. Runs on the calling thread and may take long; appends and reads go on meanwhile. A
 * crash leaves the log as before or as after. `options` and `compacted_out` may be NULL.
 *
 *   DLOG_E_BUSY         it is being compacted
 *   DLOG_E_AGAIN        the log was trimmed meanwhile; nothing changed
 *   DLOG_E_CLOSED       dlog_close() ended it; nothing changed
 *   DLOG_E_CORRUPT      damage was found: that, and what follows it, is left as it is
 *   DLOG_E_INVAL        an option makes no sense
 *   DLOG_E_UNSUPPORTED  the log is of messages, or an option of a later version is set
 *   DLOG_E_TOO_BIG, DLOG_E_NO_SPACE, DLOG_E_BROKEN, DLOG_E_IO, DLOG_E_TOO_MANY_FILES
 */
DLOG_MUST_CHECK int dlog_compact(struct dlog *log, const struct dlog_compact_options *options,
                                 struct dlog_compacted *compacted_out);

/* A stretch of the log that cannot be read: records [offset, end_offset). */
struct dlog_damage {
    int64_t offset;
    int64_t end_offset;
    int64_t segment; /* where it is: bytes [pos, end_pos) of the file %020d.log of this number */
    int64_t pos;
    int64_t end_pos;
    const char *why; /* a text for people, valid for the call */
};

typedef void dlog_damage_fn(void *ctx, const struct dlog_damage *damage);

struct dlog_verified {
    size_t size;              /* of this structure: set it before the call */
    int64_t valid_end_offset; /* of the last record that is right */
    int64_t valid_bytes;      /* of batches or messages that are right */
    int64_t damaged_ranges;
    int64_t wrong_files; /* indexes and the like; the next open makes them anew */
};

/*
 * Verify: read every byte of the log as it is now and check it. Changes nothing. Calls `found` (may
 * be NULL) for each damaged range in offset order at the end, at most 65,536 times. Runs on the
 * calling thread and may take long; appends and reads go on meanwhile. That damage was found is
 * DLOG_OK.
 *
 *   DLOG_E_CLOSED  dlog_close() ended it
 *   DLOG_E_INVAL   `verified_out` is NULL or its size is not set
 *   DLOG_E_IO, DLOG_E_NO_SPACE, DLOG_E_BROKEN, DLOG_E_DENIED, DLOG_E_TOO_MANY_FILES
 */
DLOG_MUST_CHECK int dlog_verify(struct dlog *log, dlog_damage_fn *found, void *ctx,
                                struct dlog_verified *verified_out);

#ifdef __cplusplus
}
#endif
