#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "meta/image.h"
#include "meta/records.h"

/*
 * Snapshot: an image as records. Applied in their order to a new image they make one that is
 * equal, but for what only the log knows: which topics were deleted, and the offset.
 *
 * The records are those of Kafka's snapshots, in versions that the finalized metadata.version
 * allows, and in an order that depends on the image alone: equal images give equal bytes.
 *
 *     features, brokers, controllers, topics with their partitions, settings, quotas,
 *     producer ids, access rules, SCRAM credentials, delegation tokens
 *
 * They come in pieces, for images may be large. The image must not change before the last
 * (asserted).
 */
struct meta_snapshot;

/*
 *   E_AGAIN  a metadata transaction is under way: its records are in no snapshot
 *   E_NOMEM
 */
NODISCARD enum err meta_snapshot_new(const struct meta_image *image,
                                     struct meta_snapshot **snapshot_out);
void meta_snapshot_free(struct meta_snapshot *snapshot);

/*
 * Add the next records to `records`: at least one, unless there is none left, and no more once
 * they hold `size_max` bytes. *is_done_out: none is left.
 *
 *   E_NOMEM, E_TOO_BIG
 */
NODISCARD enum err meta_snapshot_next(struct meta_snapshot *snapshot, struct meta_records *records,
                                      size_t size_max, bool *is_done_out);
