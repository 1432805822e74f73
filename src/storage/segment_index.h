#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct os_dir;
struct os_file;

/*
 * Segment index: a sorted array of fixed-size entries, what .index and
 * .timeindex have in common. The active segment has it in memory and writes
 * out what is new; a sealed one reads its file when asked and holds nothing.
 *
 * Format:   docs/format/segment.md. An entry begins with its key, big-endian.
 *           A file may end in zeroes: Apache Kafka preallocates its indexes.
 * Owner:    its segment, with it one shard.
 *
 * Invariant: keys rise strictly; no entry has key 0 and rest 0.
 */
struct segment_index {
    struct buf entries;   /* in memory: all of them */
    struct os_file *file; /* on disk: open for reading, or NULL */
    int64_t count;
    int64_t written_count; /* of the entries in memory, how many the file has */
    uint8_t entry_size;
    uint8_t key_size; /* 4 or 8 */
    bool is_loaded;   /* in memory */
};

enum { SEGMENT_INDEX_ENTRY_MAX = 12, SEGMENT_INDEX_BYTES_MAX = 1 << 30 };

void segment_index_init(struct segment_index *ix, size_t entry_size, size_t key_size);
void segment_index_release(struct segment_index *ix);

/* An empty index in memory, whatever the file has: for a new segment or a rebuild. */
void segment_index_reset(struct segment_index *ix);

/* Read the file into memory, without the zeroes at its end. E_NOT_FOUND, E_NOMEM, E_IO. */
NODISCARD enum err segment_index_load(struct segment_index *ix, struct os_dir *dir,
                                      const char *name);

/* Open the file for lookups, unless open or in memory. E_NOT_FOUND, E_IO. */
NODISCARD enum err segment_index_open(struct segment_index *ix, struct os_dir *dir,
                                      const char *name);

/* Let the file go; an index in memory that was written out leaves memory. */
void segment_index_close(struct segment_index *ix);

/* Add to an index in memory; `entry` has entry_size bytes. E_NOMEM. */
NODISCARD enum err segment_index_add(struct segment_index *ix, const uint8_t *entry);

/* Keep the first `count` entries of an index in memory. */
void segment_index_truncate(struct segment_index *ix, int64_t count);

/* Make the file hold exactly the entries in memory, and sync it. */
NODISCARD enum err segment_index_write(struct segment_index *ix, struct os_dir *dir,
                                       const char *name);

/* Entry `i` < count. E_IO, E_CORRUPT: the file shrank. */
NODISCARD enum err segment_index_get(const struct segment_index *ix, int64_t i,
                                     uint8_t entry_out[SEGMENT_INDEX_ENTRY_MAX]);

/* The last entry whose key is at most `key`; -1 when there is none. */
NODISCARD enum err segment_index_find(const struct segment_index *ix, int64_t key, int64_t *i_out);
