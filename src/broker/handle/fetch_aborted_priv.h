#pragma once

#include <stdint.h>

#include "base/err.h"
#include "base/vec.h"
#include "storage/log.h"

/*
 * The aborted transactions of one partition in an answer to a read_committed fetch.
 * Collected on the loop that owns the partition, copied into the answer on the client's,
 * so they have memory of their own.
 */
enum { HANDLE_FETCH_ABORTED_MAX = 1 << 22 };

/*
 * Collect into `aborted`, of struct log_aborted_txn, what a reader at `offset` has to know
 * about `range`, which log_read() just gave out.
 *
 *   E_TOO_BIG  more than HANDLE_FETCH_ABORTED_MAX
 *   errors of log_aborted
 */
NODISCARD enum err handle_fetch_aborted(struct log *log, int64_t offset,
                                        const struct log_range *range, struct vec *aborted);
