#pragma once

#include <stdatomic.h>

#include "replica/manager.h"

/* One directory that was there at start, named "<topic>-<index>". */
struct replica_found {
    char *name;
    size_t root; /* index */
};

struct replica_count {
    _Atomic int32_t value;
};

struct replica_roots {
    struct log_root **roots;
    struct replica_count *partition_counts; /* by root; a hint for placing, hence relaxed */
    size_t count;
    struct replica_found *found; /* by name; constant after open */
    size_t found_count;
    size_t found_capacity;
};

/* Take the root with the fewest partitions, or this one; and give it back. */
size_t replica_roots_take(struct replica_roots *roots);
void replica_roots_count_in(struct replica_roots *roots, size_t root);
void replica_roots_count_out(struct replica_roots *roots, size_t root);
