#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "base/vec.h"

/*
 * Epoch cache: where each leader epoch begins in a log (KIP-101, KIP-279), and
 * the text of leader-epoch-checkpoint that keeps it:
 *
 *     0
 *     2
 *     0 0
 *     3 1250
 *
 * version, count, then `epoch start_offset` a line. Pure but for memory.
 *
 * Invariant: epochs rise strictly, starts never fall.
 */
enum { EPOCH_COUNT_MAX = 1 << 20 };

struct epoch_entry {
    int32_t epoch;
    int64_t start;
};

struct epochs {
    struct vec entries;
};

void epoch_init(struct epochs *es);
void epoch_release(struct epochs *es);

/* The newest epoch; -1 when there is none. */
int32_t epoch_latest(const struct epochs *es);

/*
 * `epoch` begins at `start`. Entries that began there or later go first, since
 * they hold no batch. Ignored when not newer than the newest. E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err epoch_begin(struct epochs *es, int32_t epoch, int64_t start);

/* As log_epoch_end; `end` is the log end. */
void epoch_end(const struct epochs *es, int32_t epoch, int64_t end, int32_t *epoch_out,
               int64_t *end_out);

/* The epoch of the batch at `offset`; -1 when not known. */
int32_t epoch_at(const struct epochs *es, int64_t offset);

/* Forget what begins at or after `offset`. {[0: 0][3: 50]}, 50 gives {[0: 0]}. */
void epoch_truncate(struct epochs *es, int64_t offset);

/* Forget what lies wholly before `start`. {[0: 0][3: 50]}, 60 gives {[3: 60]}. */
void epoch_drop_before(struct epochs *es, int64_t start);

/* E_NOMEM, E_TOO_BIG */
NODISCARD enum err epoch_encode(const struct epochs *es, struct buf *out);

/* Replace by what the file says. E_CORRUPT, E_NOMEM */
NODISCARD enum err epoch_decode(struct epochs *es, struct slice text);
