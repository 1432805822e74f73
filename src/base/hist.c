#include "base/hist.h"

#include <assert.h>

/*
 * Values below 2^(BITS+1) have a cell each. Above, the highest bit picks a row and
 * the BITS bits after it the cell in the row: 0b1abc.... is row r, cell abc.
 */
enum { ROW = 1 << HIST_BITS };

void hist_init(struct hist *h)
{
    for (size_t i = 0; i < HIST_CELLS; i++)
        counter_set(&h->cells[i], 0);
    counter_set(&h->count, 0);
    counter_set(&h->sum, 0);
    counter_set(&h->max, 0);
}

size_t hist_cell(uint64_t value)
{
    size_t shift;

    if (value < ROW)
        return (size_t)value;
    shift = (size_t)(63 - __builtin_clzll(value)) - HIST_BITS;
    return (shift << HIST_BITS) + (size_t)(value >> shift);
}

uint64_t hist_cell_last(size_t cell)
{
    size_t shift;
    uint64_t first;

    assert(cell < HIST_CELLS);
    if (cell < (size_t)2 * ROW)
        return cell;
    shift = (cell >> HIST_BITS) - 1;
    first = (uint64_t)(ROW + (cell & (ROW - 1))) << shift;
    return first + ((UINT64_C(1) << shift) - 1);
}

void hist_record(struct hist *h, uint64_t value)
{
    counter_add(&h->cells[hist_cell(value)], 1);
    counter_add(&h->count, 1);
    counter_add(&h->sum, value);
    if (value > counter_get(&h->max))
        counter_set(&h->max, value);
}

void hist_merge(struct hist *h, const struct hist *from)
{
    uint64_t max = counter_get(&from->max);

    for (size_t i = 0; i < HIST_CELLS; i++)
        counter_add(&h->cells[i], counter_get(&from->cells[i]));
    counter_add(&h->count, counter_get(&from->count));
    counter_add(&h->sum, counter_get(&from->sum));
    if (max > counter_get(&h->max))
        counter_set(&h->max, max);
}

uint64_t hist_percentile(const struct hist *h, double percent)
{
    uint64_t max = counter_get(&h->max);
    uint64_t total = 0;
    uint64_t seen = 0;

    for (size_t i = 0; i < HIST_CELLS; i++)
        total += counter_get(&h->cells[i]);
    for (size_t i = 0; i < HIST_CELLS && total > 0; i++) {
        seen += counter_get(&h->cells[i]);
        if (seen > 0 && (double)seen >= (double)total * percent / 100) {
            uint64_t last = hist_cell_last(i);

            return last < max ? last : max;
        }
    }
    return total > 0 ? max : 0;
}
