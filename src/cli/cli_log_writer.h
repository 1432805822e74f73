#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/report.h"
#include "codec/codec.h"
#include "record/builder.h"
#include "storage/log.h"

struct os;

/*
 * Log writer: records into a log's directory, without a broker. They are collected to batches of
 * some hundred kilobytes; durable is what stands before cli_log_writer_sync().
 *
 * Thread: one. Lifetime: cli_log_writer_open() .. close() or drop(). The data directory, which is
 * the parent, is locked meanwhile.
 */
struct cli_log_writer_options {
    bool is_new;            /* a log of batches, which must not exist; otherwise it may */
    bool has_format;        /* a log that exists must be in `format`; else it has its own */
    enum log_format format; /* of a log that is created */
    enum codec_id codec;
};

struct cli_log_writer {
    struct os *os;
    struct log_root *root;
    struct log *log;
    char *path;       /* of the root; owned */
    const char *name; /* of the log in it; points into `path` */
    enum log_format format;
    enum codec_id codec;
    struct batch_builder builder;
    struct buf bytes;    /* frames to append */
    int64_t first;       /* the log's end when it was opened */
    int64_t next_offset; /* of the next record; the log has those below when all is written */
    bool is_placing;     /* offsets are ours, not the log's next ones */
    bool is_created;
};

/*
 * Open or create the log in directory `path`, DATA/NAME.
 *
 *   E_EXISTS       `is_new`, and there is something
 *   E_BUSY         a broker or another process has the data directory open
 *   E_UNSUPPORTED  it is in another format
 *   others         as log_root_open, log_open
 */
NODISCARD enum err cli_log_writer_open(const char *path,
                                       const struct cli_log_writer_options *options,
                                       struct cli_log_writer *writer_out, struct report *report);

/*
 * Add a record, which gets the next offset.
 *
 *   E_INVAL    the format of messages has no headers and no null values; nothing was added
 *   E_TOO_BIG  the record is too large for a segment; nothing was added
 *   others     as log_append: the log is not usable any more
 */
NODISCARD enum err cli_log_writer_add(struct cli_log_writer *w, const struct record_draft *draft,
                                      struct report *report);

/*
 * The next record gets `offset`; only forward, only in a new log of batches. Offsets passed over
 * have no records, as in a compacted log.
 */
NODISCARD enum err cli_log_writer_skip_to(struct cli_log_writer *w, int64_t offset,
                                          struct report *report);

/* Everything that was added is in the log, durably. */
NODISCARD enum err cli_log_writer_sync(struct cli_log_writer *w, struct report *report);

/* Without a sync before, what was added last is lost. */
void cli_log_writer_close(struct cli_log_writer *w);

/* Close the log only: the lock stays, so that its directory may be renamed. */
void cli_log_writer_shut(struct cli_log_writer *w);

/* Close and delete the log, if this writer created it. */
void cli_log_writer_drop(struct cli_log_writer *w);
