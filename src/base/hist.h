#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"

/*
 * Hist: how often which values occurred, in fixed memory. Cells are log-linear:
 * eight per power of two, so a cell's ends differ by at most an eighth.
 *
 * Written by one thread, read by any (see counter.h): a reader of a moving
 * histogram gets numbers that are each recent, not all of one instant.
 * Starts as {0}.
 */
enum {
    HIST_BITS = 3,
    HIST_CELLS = (64 - HIST_BITS + 1) << HIST_BITS,
};

struct hist {
    struct counter cells[HIST_CELLS];
    struct counter count;
    struct counter sum; /* modulo 2^64 */
    struct counter max;
};

void hist_init(struct hist *h);

/* Writer only. */
void hist_record(struct hist *h, uint64_t value);

/* Add all of `from`, which any thread may be writing, to `h`, which is ours. */
void hist_merge(struct hist *h, const struct hist *from);

/*
 * The least value that `percent` of the recorded ones do not exceed, rounded up to
 * the last value of its cell, never above the maximum. 0 when nothing was recorded.
 */
uint64_t hist_percentile(const struct hist *h, double percent);

/* The cell of a value, and the last value of a cell: for exporting cells. */
size_t hist_cell(uint64_t value);
uint64_t hist_cell_last(size_t cell);
