#pragma once

#include "base/err.h"
#include "storage/log_scrub.h"

struct config;
struct replica_shard;

/*
 * Scrub: has the sealed segments of a shard's partitions read again, at a throttle, on the pool
 * (storage/log_scrub.h). Damage is traced and counted.
 *
 * Owner: the manager; the shard's loop.
 */
struct replica_scrub;

NODISCARD enum err replica_scrub_open(struct replica_shard *shard, const struct config *config,
                                      struct replica_scrub **scrub_out);

/* Before replica_shard_close(). NULL is fine. */
void replica_scrub_close(struct replica_scrub *scrub);
