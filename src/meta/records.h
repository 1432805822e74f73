#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"

/*
 * Records: metadata records on their way into the log: framed values, one behind
 * the other. What a decision returns, what a commit hands out.
 *
 * Owner: whoever initialised it.
 */
struct meta_records {
    struct buf bytes;
    struct vec ends; /* size_t: where each value ends in bytes */
};

enum { META_RECORDS_BYTES_MAX = 16 * 1024 * 1024 };

void meta_records_init(struct meta_records *records);
void meta_records_release(struct meta_records *records);
void meta_records_clear(struct meta_records *records);

size_t meta_records_count(const struct meta_records *records);

/* Borrowed until the next change. */
struct slice meta_records_at(const struct meta_records *records, size_t index);

/* Copy `value` behind the others. E_TOO_BIG, E_NOMEM. */
NODISCARD enum err meta_records_add(struct meta_records *records, struct slice value);

/* What was written to `bytes` since the last value is the next one. E_TOO_BIG, E_NOMEM. */
NODISCARD enum err meta_records_seal(struct meta_records *records);

/* Forget the last ones so that `count` are left. */
void meta_records_cut(struct meta_records *records, size_t count);
