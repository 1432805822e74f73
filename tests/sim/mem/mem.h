#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/*
 * The simulated base/mem.h: every allocation belongs to the machine whose code
 * made it, so that a crash can take them all, and tests can count and fail them.
 * Fresh memory is filled with a pattern, and a realloc always moves: code that
 * reads what it never wrote, or keeps an old pointer, does so in every run alike.
 *
 * mem_alloc() has no argument that says whose it is, so the owner is the only
 * global of the simulator, one per real thread. NULL: nobody's, not counted.
 */
struct sim_mem {
    struct list_node blocks;
    size_t bytes;
    size_t bytes_peak;
    uint64_t fail_in; /* 1: the next allocation fails; 0: none will */
};

void sim_mem_init(struct sim_mem *mem);

/* Free all blocks. */
void sim_mem_reclaim(struct sim_mem *mem);

/* Make `mem` the owner of what is allocated from now on; returns the one before. */
struct sim_mem *sim_mem_switch(struct sim_mem *mem);
struct sim_mem *sim_mem_current(void);

/* For the simulator itself: zeroed, owned by nobody, never fails. */
void *sim_alloc(size_t size);
void *sim_realloc(void *old, size_t size);
void sim_free(void *p);
