#pragma once

#include <stdint.h>

#include "base/err.h"
#include "storage/segment_index.h"

/*
 * Offset index (.index): 8 bytes an entry, the last offset of a batch relative
 * to the segment's base, i32, and the position where that batch begins, i32.
 * Entries are hints: whoever follows one checks the batch it finds there.
 */
enum { OFFSET_INDEX_ENTRY_SIZE = 8 };

struct offset_index_entry {
    int64_t last_offset;
    int64_t pos;
};

void offset_index_init(struct segment_index *ix);

/* Ignored if it does not come after the last entry. E_NOMEM */
NODISCARD enum err offset_index_add(struct segment_index *ix, int64_t base_offset,
                                    int64_t last_offset, int64_t pos);

/* The last entry at or below `offset`; {base_offset - 1, 0} when there is none. E_IO, E_CORRUPT */
NODISCARD enum err offset_index_find(const struct segment_index *ix, int64_t base_offset,
                                     int64_t offset, struct offset_index_entry *entry_out);

/* The last entry of a batch that begins at or below `pos`, of an index in memory; as above. */
struct offset_index_entry offset_index_find_pos(const struct segment_index *ix, int64_t base_offset,
                                                int64_t pos);

/* The first entry of a frame that begins at or after `pos`. E_NOT_FOUND, E_IO, E_CORRUPT */
NODISCARD enum err offset_index_find_after(const struct segment_index *ix, int64_t base_offset,
                                           int64_t pos, struct offset_index_entry *entry_out);

/* Drop the entries of batches that begin at or after `pos`; the index is in memory. */
void offset_index_truncate(struct segment_index *ix, int64_t pos);
