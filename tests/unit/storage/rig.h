#pragma once

/*
 * A log in a folder of its own, with functions to append and to read back.
 *
 * A stop without log_close() is a killed process: the log is leaked into `lost` and
 * released when the rig closes, but its files stay as they were at the stop.
 */
#include "base/buf.h"
#include "storage/log.h"

struct os;
struct os_dir;

struct rig {
    struct os *os;
    struct os_dir *dir; /* of the log, for looking at its files */
    struct log_root *root;
    struct log *log;
    struct log_options options;
    struct log_recovery recovery;
    struct report report;
    char path[256];
    int64_t wall_ms;
};

enum { RIG_NOW = 1767225600 };

/* No file grows, and none is made: E_NO_SPACE. See test_fail.c. */
extern bool rig_disk_is_full;

void rig_open(struct rig *r);

/* The same with a log of this format. */
void rig_open_as(struct rig *r, enum log_format format);
void rig_close(struct rig *r);

/* log_close and log_open. */
void rig_reopen(struct rig *r);

/* As after kill -9: what is in the files now is there, nothing else is written. */
void rig_crash(struct rig *r);

/* log_open that may fail. */
enum err rig_open_log(struct rig *r);

/* In a log of messages as many frames, of which every other one has a key. */
struct rig_batch {
    enum log_format format;
    int count;      /* records */
    int value_size; /* of each */
    int64_t timestamp_ms;
    int64_t producer_id; /* with epoch and sequence; 0: none */
    int16_t producer_epoch;
    int32_t base_sequence;
    bool transactional;
    int codec;
};

/* Append the batch to `out`; values tell their number from `seed` on. */
void rig_build(const struct rig_batch *batch, int64_t base_offset, int32_t epoch, uint32_t seed,
               struct buf *out);

/* In the format of the log. */
enum err rig_append(struct rig *r, const struct rig_batch *batch, struct log_appended *appended);

/* The marker that ends the transaction of `producer`, epoch 0. */
enum err rig_append_marker(struct rig *r, int64_t producer, bool commit);

/*
 * Is log_aborted() just what a walk over the batches finds? Of transactions that begin at or after
 * the log's start; the number of them.
 */
int rig_check_aborted(struct rig *r);

/* `count` frames of one record of `size` bytes. */
void rig_fill(struct rig *r, int count, int size);

/* log_read, and the bytes. */
enum err rig_read(struct rig *r, int64_t offset, size_t size_max, struct buf *out,
                  int64_t *base_offset_out);

/* Its checksum is right. */
struct batch_view;
void rig_check_frame(const struct batch_view *view);

/* Read all from start to end and check that offsets continue; the number of frames. */
int rig_check_all(struct rig *r);

/* The sequence after the last batch of `producer` in the log; -1: it has none. */
int64_t rig_next_sequence(struct rig *r, int64_t producer);

/* The log file of the segment at `base`, opened for damage. */
void rig_flip(struct rig *r, int64_t base, int64_t pos);
int64_t rig_file_size(struct rig *r, const char *name);
bool rig_has_file(struct rig *r, const char *name);
