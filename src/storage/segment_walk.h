#pragma once

#include <stdint.h>

#include "base/err.h"
#include "record/batch.h"
#include "storage/segment.h"
#include "storage/segment_scan.h"

/*
 * Segment walk: the frames of a segment one after another, past what is marked as damage:
 *
 *     segment_walk_init(&w, s, 0, s->base_offset);
 *     while ((e = segment_walk_next(&w, &header)) == E_OK)
 *         ...at w.at is the frame of `header`...
 *     e is E_NOT_FOUND at the end
 *
 * A frame that does not say its offset is only stepped over when its checksum is
 * right, looked at once in a process: its length, and with it the offset of all
 * that follows, has no other witness. Of other frames the header alone is read.
 *
 * Lifetime: on the stack of its user; the file of the segment is open meanwhile.
 */
struct segment_walk {
    struct segment *segment;
    int64_t at;       /* where the frame begins that was given, or found wrong */
    int64_t expected; /* the offset that was to come there */
    int64_t pos;      /* where the next one begins */
    int64_t offset;   /* that comes next */
    const struct segment_damage *skipped; /* the last one before `at`; NULL when none was */
    struct segment_scan scan;
    uint8_t window[SEGMENT_SCAN_HOP];
};

/* Begin at `pos`, where `offset` comes next. */
void segment_walk_init(struct segment_walk *w, struct segment *s, int64_t pos, int64_t offset);

/*
 * The header is also written when only checksum or length is wrong, as by segment_scan_peek().
 *
 *   E_NOT_FOUND  the end of the segment
 *   E_CORRUPT, E_TRUNCATED, E_UNSUPPORTED  what is at w->at is wrong (segment_scan_is_wrong)
 *   E_IO
 */
NODISCARD enum err segment_walk_next(struct segment_walk *w, struct batch_header *header_out);

/* Mark what begins at w->at as damage and go on behind it. */
NODISCARD enum err segment_walk_mark(struct segment_walk *w);
