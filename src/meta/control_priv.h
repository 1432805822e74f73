#pragma once

#include "base/map.h"
#include "meta/control.h"

enum { META_MESSAGE_SIZE_MAX = 1200 };

/* A result with a message of printf's form, in the arena (NULL when that is full). */
struct meta_result meta_refuse(struct meta_control *control, enum wire_error error,
                               const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Mark what occurs twice: `index_out` gets true for each of the `count` keys
 * that is equal to another. Keys with at == NULL are nobody's twin.
 */
NODISCARD enum err meta_find_twins(struct meta_control *control, const struct slice *keys,
                                   int32_t count, bool **is_twin_out);

/* Frame of a record, and its end. */
struct writer;
void meta_record_begin(struct writer *w, int16_t key, int16_t version);
NODISCARD enum err meta_record_end(struct meta_control *control, struct writer *w);

/* ConfigRecord; a NULL value removes the setting. */
NODISCARD enum err meta_add_config_record(struct meta_control *control, int8_t type,
                                          struct slice resource_name, struct slice name,
                                          struct slice value);

/*
 * Placement of one partition: `count` brokers from number `turn` on, unfenced
 * ones first. `replicas_out` has room for META_REPLICAS_MAX; at most as many
 * as there are brokers are placed. Returns how many.
 */
int32_t meta_place(const struct meta_image *image, uint64_t turn, int32_t count,
                   int32_t *replicas_out);

/* PartitionRecord of a new partition. The leader is the first unfenced replica. */
NODISCARD enum err meta_add_partition_record(struct meta_control *control, struct uuid topic_id,
                                             int32_t index, const int32_t *replicas, int32_t count);

/* Are these the ids of `count` registered brokers, each once? */
struct meta_result meta_check_replicas(struct meta_control *control, const int32_t *replicas,
                                       int32_t count);
