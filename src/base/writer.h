#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/uuid.h"

/*
 * Writer: encode big-endian fields at the end of a buf.
 *
 * The error is sticky like a reader's: write everything, then ask once.
 *
 * A cut is a place where the sender inserts `size` bytes that the buf does not
 * hold (a range of a log file). Whoever gives the writer a list of cuts sends
 * buf[0, cuts[0].pos), the bytes of cuts[0], buf[cuts[0].pos, cuts[1].pos), ...
 */
struct writer_cut {
    size_t pos;   /* in the buf */
    size_t size;  /* bytes to insert */
    uint32_t ref; /* whose bytes: the caller's own number */
};

struct writer {
    struct buf *buf; /* borrowed */
    enum err err;    /* first failure, or E_OK */
    struct writer_cut *cuts;
    size_t cut_count;
    size_t cut_max;
    int16_t noted; /* the first that writer_note() got and is not 0 */
};

struct writer writer_init(struct buf *buf);

/* Let the writer note up to `max` cuts in `cuts`, borrowed. */
void writer_accept_cuts(struct writer *w, struct writer_cut *cuts, size_t max);

void writer_i8(struct writer *w, int8_t v);
void writer_i16(struct writer *w, int16_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_i32(struct writer *w, int32_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_i64(struct writer *w, int64_t v);
void writer_f64(struct writer *w, double v);
void writer_uuid(struct writer *w, struct uuid v);
void writer_uvarint(struct writer *w, uint32_t v);
void writer_uvarlong(struct writer *w, uint64_t v);
void writer_varint(struct writer *w, int32_t v);
void writer_varlong(struct writer *w, int64_t v);
void writer_bytes(struct writer *w, const void *bytes, size_t size);

/* Note a cut here. E_TOO_BIG when there is no room for one. */
void writer_cut(struct writer *w, size_t size, uint32_t ref);

/* Overwrite four bytes at `pos`, written before: for lengths known late. */
void writer_i32_at(struct writer *w, size_t pos, int32_t v);

/* Insert `size` bytes at `pos` <= buf size: for varint lengths known late. */
void writer_insert(struct writer *w, size_t pos, const void *bytes, size_t size);

void writer_fail(struct writer *w, enum err e);

/* Something to be remembered about what is written; does nothing when something was noted. */
static inline void writer_note(struct writer *w, int16_t note)
{
    if (w->noted == 0)
        w->noted = note;
}

/*
 *   E_TOO_BIG  past the buf's maximum
 *   E_NOMEM
 */
NODISCARD enum err writer_done(const struct writer *w);
