#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct os_dir;

/*
 * Transaction index (.txnindex): the aborted transactions whose markers are in
 * one segment, in the order of the markers. A read_committed consumer is told of
 * them with the records, and drops theirs.
 *
 * A segment without aborted transactions has no file and nothing in memory. The
 * active segment has its entries in memory and writes out what is new, together
 * with the other indexes; a sealed one reads its file when asked.
 *
 * Format:   docs/format/segment.md, Kafka's version 0
 * Owner:    its segment, with it one shard
 *
 * Invariant: last offsets rise strictly.
 */
struct txn_aborted {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;        /* of the marker */
    int64_t last_stable_offset; /* first offset of the oldest transaction still open at the marker,
                                   else the offset after it */
};

struct txn_index {
    struct buf entries;    /* in memory: all of them, as in the file */
    int64_t written_count; /* of them, how many begin the file; -1: none, replace it */
    int64_t file_count;    /* how many the file has */
    bool is_loaded;        /* in memory */
};

enum { TXN_INDEX_ENTRY_SIZE = 34, TXN_INDEX_BYTES_MAX = 1 << 30 };

/* Empty, and in memory: there is no file. */
void txn_index_init(struct txn_index *ix);
void txn_index_release(struct txn_index *ix);

/* There is a file: it is read when it is needed. */
void txn_index_forget(struct txn_index *ix);

/* Empty, and in memory, whatever the file has: for a rebuild. */
void txn_index_reset(struct txn_index *ix);

/*
 * Read the file, unless it is in memory. Entries of markers at or after `end_offset` are left out:
 * a crash may have kept them and not the markers.
 *
 *   E_CORRUPT  not such a file
 *   E_NOMEM, E_IO
 */
NODISCARD enum err txn_index_load(struct txn_index *ix, struct os_dir *dir, const char *name,
                                  int64_t end_offset);

/* Let entries go that can be read again. */
void txn_index_close(struct txn_index *ix);

static inline int64_t txn_index_count(const struct txn_index *ix)
{
    return (int64_t)(ix->entries.size / TXN_INDEX_ENTRY_SIZE);
}

/* Entry `i` < count, of an index in memory. */
struct txn_aborted txn_index_at(const struct txn_index *ix, int64_t i);

/* Add to an index in memory; ignored if it does not come after the last entry. E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err txn_index_add(struct txn_index *ix, const struct txn_aborted *aborted);

/* Drop the entries of markers at or after `offset`; the index is in memory. */
void txn_index_truncate(struct txn_index *ix, int64_t offset);

/*
 * Make the file hold exactly the entries in memory, and sync it; without entries there is none.
 * What the file has rightly stays in it at every moment.
 */
NODISCARD enum err txn_index_write(struct txn_index *ix, struct os_dir *dir, const char *name);
