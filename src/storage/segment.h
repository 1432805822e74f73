#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "record/batch.h"
#include "storage/log.h"
#include "storage/segment_index.h"
#include "storage/segment_scan.h"
#include "storage/txn_index.h"

struct os_dir;
struct os_file;

/*
 * Segment: one .log file of a log and its indexes. The last segment of a
 * log is active: its indexes are in memory and it grows. The others are sealed
 * and hold no descriptor until they are read.
 *
 * Owner:    its log, with it one shard.
 * Format:   docs/format/segment.md
 *
 * Invariants
 *   (1) bytes [0, size) of the file are frames and damaged ranges, end to end;
 *       bytes beyond are zeroes written ahead, or nothing
 *   (2) `verified` are disjoint, sorted ranges of [0, size) that begin and end
 *       at frames and whose checksums were right in this process
 *   (3) `damaged` are disjoint, sorted and never verified
 */
struct segment_range {
    int64_t pos;
    int64_t end;
};

struct segment_damage {
    int64_t pos; /* bytes [pos, end) are damaged */
    int64_t end;
    int64_t offset; /* offsets [offset, offset_end) were there */
    int64_t offset_end;
};

struct segment {
    enum log_format format;
    int64_t base_offset;
    int64_t size;
    int64_t allocated; /* bytes that the file has when more than size: zeroes written ahead */
    int64_t max_timestamp;
    int64_t max_timestamp_offset;
    int64_t first_timestamp; /* largest of the first batch; -1 unknown */
    int64_t indexed_pos;     /* active: begin of the batch after the last index entry */
    int64_t used_tick;       /* when last read, for closing files */
    struct os_file *file;
    struct segment_index offsets;
    struct segment_index times;
    struct segment_index anchors; /* the offset index as it was, while a new one is made */
    struct txn_index aborted;
    int64_t end_offset;  /* where the next segment begins, or the log ends */
    int64_t verified_ms; /* when the oldest of `verified` was, wall clock */
    struct vec verified; /* of segment_range */
    struct vec damaged;  /* of segment_damage */
    bool allows_gaps;    /* offsets rise, but need not continue */
    bool is_index_checked;
    bool is_surveyed; /* indexes were rebuilt in this process: no use to try again */
};

enum {
    SEGMENT_NAME_SIZE = 64,
    SEGMENT_VERIFIED_MAX = 64,
    SEGMENT_DAMAGE_MAX = 1024,
    SEGMENT_SIZE_MAX = INT32_MAX
};

/*
 * What a segment's files end in, in the order in which they are removed: while the .log is there,
 * a removal that was cut off is begun again.
 */
enum { SEGMENT_SUFFIX_COUNT = 6 };
extern const char *const segment_suffixes[SEGMENT_SUFFIX_COUNT];

/* "%020lld" and `suffix`, such as ".log". */
void segment_name(int64_t base_offset, const char *suffix, char name_out[SEGMENT_NAME_SIZE]);

/* NULL: out of memory. Touches no file. */
struct segment *segment_new(int64_t base_offset, enum log_format format);
void segment_free(struct segment *s);

/* Let files go that can be opened again. */
void segment_close_files(struct segment *s);

/* The .log file, opened if it is not. */
NODISCARD enum err segment_open_file(struct segment *s, struct os_dir *dir);

/* Get the indexes ready for lookups; a missing or senseless one is rebuilt from the log. */
NODISCARD enum err segment_open_indexes(struct segment *s, struct os_dir *dir);

/* The indexes in memory, for an active segment; a missing or senseless one is rebuilt. */
NODISCARD enum err segment_load_indexes(struct segment *s, struct os_dir *dir);

/* Write what is new in the indexes to their files and sync them. */
NODISCARD enum err segment_write_indexes(struct segment *s, struct os_dir *dir);

/*
 * Survey: make both indexes anew, in memory, from the headers in the log, and
 * mark as damage what breaks the chain of frames. The file is open.
 */
NODISCARD enum err segment_survey(struct segment *s, int64_t interval_bytes);

/*
 * The anchors of damage (segment_damage.c) are the entries of the offset index. Before
 * that is made anew from a log that may be damaged: open the file as it is, or keep
 * what is in use. Nothing happens where frames say their offset. E_IO, E_TOO_MANY_FILES
 */
NODISCARD enum err segment_open_anchors(struct segment *s, struct os_dir *dir);
void segment_keep_anchors(struct segment *s);
void segment_drop_anchors(struct segment *s);

/* What is known of the places of frames that do not say their offset. */
struct segment_anchors {
    const struct segment_index *index; /* the offset index */
    int64_t base_offset;
    int64_t end_offset; /* of what the scan may see; INT64_MAX: unknown */
};

/*
 * Set end and offset_end of the damage that begins at d->pos: the next frame whose offset
 * is known. E_NOT_FOUND: nobody knows one. E_IO
 */
NODISCARD enum err segment_find_anchored(const struct segment_anchors *a, struct segment_scan *scan,
                                         struct segment_damage *d);

/*
 * Mark damage that begins at `pos`, where `offset` was to come, and skip it: to the
 * next frame whose offset is known or, without one, the end of what `scan` may see and
 * of the segment. If that end is not known, neither, no offset that may have been there
 * is left out.
 */
NODISCARD enum err segment_mark_damage(struct segment *s, struct segment_scan *scan, int64_t pos,
                                       int64_t offset, struct segment_damage *damage_out);

/* Could a frame with this header come where `offset` is next? */
bool segment_expects(const struct segment *s, const struct batch_header *h, int64_t offset);

/*
 * Note a frame at `pos` in the active segment: its timestamps and, when it is
 * due, index entries. Does not change size. E_NOMEM
 */
NODISCARD enum err segment_note_batch(struct segment *s, const struct batch_header *h, int64_t pos,
                                      int64_t interval_bytes);

/*
 * The first frame whose last offset is at or above `offset`. File and indexes are open.
 *
 *   E_NOT_FOUND  none in this segment
 *   E_CORRUPT    `offset` lies in damage
 */
NODISCARD enum err segment_find(struct segment *s, int64_t offset, int64_t *pos_out,
                                struct batch_header *header_out);

/* Damage that contains or follows `pos`; NULL when there is none. */
const struct segment_damage *segment_damage_from(const struct segment *s, int64_t pos);
NODISCARD enum err segment_add_damage(struct segment *s, const struct segment_damage *damage);

/* Bytes [pos, end) hold whole frames that were found right. */
void segment_add_verified(struct segment *s, int64_t pos, int64_t end);

/* [pos, end) was found wrong. */
void segment_remove_verified(struct segment *s, int64_t pos, int64_t end);

/* Where the verified range that contains `pos` ends; `pos` when it is not verified. */
int64_t segment_verified_end(const struct segment *s, int64_t pos);

/* Where the next verified range after `pos` begins, at most `limit`. */
int64_t segment_verified_next(const struct segment *s, int64_t pos, int64_t limit);

/* Forget the entries in memory of frames that begin at or after `pos` or have `offset` or more. */
void segment_cut_indexes(struct segment *s, int64_t pos, int64_t offset);

/* Forget everything at and after `pos`: verified, damage, index entries in memory, size. */
void segment_cut(struct segment *s, int64_t pos, int64_t offset);
