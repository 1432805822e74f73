#pragma once

#include <stdbool.h>

#include "base/err.h"

struct replica_manager_options;

/*
 * Guard: looks at the disks of the roots now and then (storage/log_guard.h). The one of shard 0
 * asks the file systems and traces every change of a level; each tells its manager when space
 * gets short anywhere, so that it makes some.
 *
 * Owner: the manager; the shard's loop.
 */
struct replica_guard;

struct replica_guard_events {
    void (*on_short)(void *ctx); /* a disk went from OK to WARN or worse */
    void *ctx;
};

NODISCARD enum err replica_guard_open(const struct replica_manager_options *options,
                                      const struct replica_guard_events *events,
                                      struct replica_guard **guard_out);

/* NULL is fine. */
void replica_guard_close(struct replica_guard *guard);

/* Is the disk of some root at WARN or worse? */
bool replica_guard_is_short(const struct replica_guard *guard);
