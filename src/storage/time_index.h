#pragma once

#include <stdint.h>

#include "base/err.h"
#include "storage/segment_index.h"

/*
 * Time index (.timeindex): 12 bytes an entry, the largest timestamp so far in
 * the segment, i64, and the last offset of the batch that has it, relative to
 * the segment's base, i32. No record before that batch is as young.
 */
enum { TIME_INDEX_ENTRY_SIZE = 12 };

void time_index_init(struct segment_index *ix);

/* Ignored if the timestamp is not larger than the last entry's. E_NOMEM */
NODISCARD enum err time_index_add(struct segment_index *ix, int64_t base_offset,
                                  int64_t timestamp_ms, int64_t offset);

/*
 * An offset before which every record is older than `timestamp_ms`;
 * `base_offset` when the index does not know better. E_IO, E_CORRUPT
 */
NODISCARD enum err time_index_find(const struct segment_index *ix, int64_t base_offset,
                                   int64_t timestamp_ms, int64_t *offset_out);

/* The last entry: largest timestamp and its offset; -1 and -1 when empty. */
NODISCARD enum err time_index_last(const struct segment_index *ix, int64_t base_offset,
                                   int64_t *timestamp_ms_out, int64_t *offset_out);

/* Drop the entries for offsets at or after `offset`; the index is in memory. */
void time_index_truncate(struct segment_index *ix, int64_t base_offset, int64_t offset);
