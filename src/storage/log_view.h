#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/report.h"
#include "base/slice.h"
#include "base/vec.h"
#include "record/batch.h"
#include "storage/epoch.h"
#include "storage/segment_index.h"
#include "storage/segment_scan.h"

struct log;
struct os_dir;
struct os_file;
struct segment;

/*
 * View: a log as its files are, without opening it. Nothing is created, locked, cut or repaired,
 * so a look at a directory is possible that a broker has open, that lies on a read-only file
 * system, or that nobody should touch before it was understood. What the tools stand on.
 *
 * Where a crash cut off the swap of a compaction, the view is of the log as the next start will
 * make it: its new segments, under whichever name.
 *
 * Owner:    who opened it; any one thread at a time. The directory is borrowed.
 * Lifetime: log_view_open() or log_view_take() .. log_view_release(). What is appended, cut or
 *           deleted meanwhile is not followed: walk again.
 */
struct log_view_segment {
    int64_t base_offset;
    int64_t end_offset; /* where the next one begins; INT64_MAX in the last of a directory */
    int64_t size;       /* bytes to look at */
    int64_t settled;    /* of them, durable for certain: what is wrong there is damage */
    bool is_cleaned;    /* a swap was cut off (log_swap.c): its .log has its new name yet to get */
};

struct log_view {
    struct os_dir *dir;   /* borrowed */
    struct vec segments;  /* of struct log_view_segment, rising */
    struct vec snapshots; /* of int64_t */
    struct vec damaged;   /* of struct log_checkpoint_damage: what is marked */
    struct epochs epochs;
    enum log_format format;
    int64_t start_offset;
    int64_t settled_end;       /* offsets below it were durable: the recovery point */
    int64_t window_bytes;      /* most bytes ever unsynced behind it; -1: no limit */
    bool has_gaps;             /* offsets may jump */
    bool is_foreign;           /* no checkpoint of ours */
    bool is_checkpoint_wrong;  /* there is one that cannot be read */
    bool is_epoch_cache_wrong; /* the same for leader-epoch-checkpoint */
};

/*
 * The log in `dir`, which stays open as long as the view.
 *
 *   E_NOT_FOUND    no segment and no checkpoint: not a log
 *   E_UNSUPPORTED  a format or checkpoint of a later version
 *   E_IO, E_DENIED, E_NOMEM
 */
NODISCARD enum err log_view_open(struct os_dir *dir, struct log_view *view_out,
                                 struct report *report);

/* The log as it is open in this process, on the thread of its owner. E_NOMEM */
NODISCARD enum err log_view_take(const struct log *log, struct os_dir *dir,
                                 struct log_view *view_out);
void log_view_release(struct log_view *view);

/* What is marked as damage in `s`. E_NOMEM, E_TOO_BIG */
NODISCARD enum err log_view_add_damage(struct log_view *view, const struct segment *s);

static inline const struct log_view_segment *log_view_segment_at(const struct log_view *view,
                                                                 size_t i)
{
    return (const struct log_view_segment *)vec_at(&view->segments, i);
}

/* How the .log of a segment is called now, in SEGMENT_NAME_SIZE bytes. */
void log_view_segment_name(const struct log_view_segment *s, char *name_out);

/* Bytes of all segments. */
int64_t log_view_size(const struct log_view *view);

/*
 * Walk: everything a view has, batch by batch, each checked: CRC, length, the offset that was to
 * come, an epoch that neither falls nor contradicts the epoch cache. What is wrong is an item of
 * its own, and the walk goes on at the next right batch; at the next one whose offset is known,
 * where frames do not say theirs (segment_damage.c).
 */
enum log_walk_kind {
    LOG_WALK_BATCH,      /* right */
    LOG_WALK_DAMAGE,     /* bytes that are no right batches */
    LOG_WALK_LOST,       /* offsets without bytes: pos == end */
    LOG_WALK_TORN,       /* a tail that was perhaps never durable: the next start cuts it off */
    LOG_WALK_UNREADABLE, /* the disk refuses: to the end of the segment */
};

struct log_walk_item {
    enum log_walk_kind kind;
    size_t segment; /* index */
    int64_t pos;    /* bytes [pos, end) */
    int64_t end;
    int64_t offset; /* offsets [offset, offset_end) */
    int64_t offset_end;
    struct batch_header header; /* of LOG_WALK_BATCH in a log of batches */
    const char *why;            /* static; of what is wrong */
};

struct log_walk {
    const struct log_view *view; /* borrowed */
    size_t segment;
    size_t segment_end;   /* walk no further */
    struct os_file *file; /* of the segment, NULL between two */
    struct segment_scan scan;
    struct segment_index anchors; /* its offset index, where frames do not say their offset */
    uint8_t *window;
    int64_t pos;
    int64_t offset;    /* that comes next */
    int32_t epoch;     /* of the last batch */
    int64_t forgotten; /* bytes of the file whose copy in memory was dropped */
    bool is_begun;
    bool is_missing; /* there is no such file */
    bool is_torn;
    bool is_uncached; /* read from the disk, not from the page cache; set it after init */
};

/* From segment `from` on. E_NOMEM */
NODISCARD enum err log_walk_init(struct log_walk *w, const struct log_view *view, size_t from);
void log_walk_release(struct log_walk *w);

/* Only this open file, whose segment is at index `segment`: for a walk on another thread. */
void log_walk_use_file(struct log_walk *w, struct os_file *file);

/* With the offset index of that segment in `dir`, if there is one and it is needed. E_IO */
NODISCARD enum err log_walk_use_anchors(struct log_walk *w, struct os_dir *dir);

/*
 * The next item.
 *
 *   E_NOT_FOUND  there is no more
 *   E_DENIED, E_TOO_MANY_FILES, E_NOMEM  and the like: the walk cannot go on
 */
NODISCARD enum err log_walk_next(struct log_walk *w, struct log_walk_item *item_out);

/* The bytes of the item that was just returned, appended to `out`. E_IO, E_TOO_BIG, E_NOMEM */
NODISCARD enum err log_walk_read(struct log_walk *w, const struct log_walk_item *item,
                                 struct buf *out);
