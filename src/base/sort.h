#pragma once

#include <stddef.h>

/*
 * Sort: an array in place, in O(n log n) whatever is in it, without memory of its own: for pure
 * modules, which have no qsort. Equal items come out in any order.
 */
void sort_array(void *at, size_t count, size_t item_size,
                int (*compare)(const void *, const void *));
