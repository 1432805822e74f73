#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"
#include "base/writer.h"

/*
 * Record list: keys and values on their way into a log, such as a machine's
 * decision returns them. One list becomes one batch.
 *
 * Write a record by its parts, then seal it:
 *
 *     w = writer_init(&list->bytes);
 *     ... encode the key ...
 *     record_list_key_end(list);
 *     ... encode the value, unless it is a tombstone ...
 *     e = record_list_seal(list, is_tombstone);
 *
 * Owner: whoever initialised it. One thread.
 */
struct record_list {
    struct buf bytes;
    struct vec items; /* private */
    size_t key_end;   /* private: of the record being written */
};

struct record_pair {
    struct slice key;
    struct slice value; /* at NULL: a tombstone */
};

void record_list_init(struct record_list *list, size_t size_max);
void record_list_release(struct record_list *list);
void record_list_clear(struct record_list *list);

size_t record_list_count(const struct record_list *list);

/* Borrowed until the next change. */
struct record_pair record_list_at(const struct record_list *list, size_t index);

void record_list_key_end(struct record_list *list);

/* E_TOO_BIG, E_NOMEM: the record is taken back. */
NODISCARD enum err record_list_seal(struct record_list *list, bool is_tombstone);

/* Forget the last ones, and what was not sealed, so that `count` are left. */
void record_list_cut(struct record_list *list, size_t count);
