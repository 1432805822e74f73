#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/uuid.h"
#include "sim.h"

/*
 * Check: what the clients of one broker were told, and whether it is all true.
 *
 * It holds, per partition and offset, which record is known to be there: because
 * its produce was acknowledged, or because a consumer was served it. What was told
 * once must stay so for ever, whatever life of the broker answers. Its memory is
 * the test's, not a node's.
 *
 * A lane is one producer's life under one producer id. Numbers of a lane and
 * partition rise from 0 as its sequences do, so lane, partition and number name a
 * record, and the record's bytes follow from its name.
 *
 * With weak durability (interval, os) a loss of power takes the promises back: what
 * was told before it is forgotten, and what clients still hear from before it does
 * not count. Each such loss begins a new view.
 */
struct check;

enum { CHECK_TOPICS = 2, CHECK_TOPIC_PARTITIONS = 4, CHECK_TEXT_SIZE = 400 };
enum { CHECK_PARTITIONS = CHECK_TOPICS * CHECK_TOPIC_PARTITIONS };
enum { CHECK_VALUE_SIZE_MAX = 4096, CHECK_LANES_MAX = 256 };

struct check *check_new(struct sim_world *world, bool is_durable);
void check_free(struct check *c);

/* The first failure stays; "" when all is well. */
void check_fail(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool check_has_failed(const struct check *c);
const char *check_text(const struct check *c);
bool check_is_durable(const struct check *c);

/* The node lost its power. */
void check_power_lost(struct check *c);
int check_view(const struct check *c);

/* A sync has failed at that time; 0 when the node starts again. */
void check_sync_failed(struct check *c, int64_t at_ns);

/* Names that the cluster gives: a topic keeps its id, a producer id is given once. */
void check_topic(struct check *c, int topic, struct uuid id);
void check_producer_id(struct check *c, int64_t id);

/* Records. */

struct check_batch {
    int lane;
    int partition; /* topic * CHECK_TOPIC_PARTITIONS + index */
    int32_t first; /* number */
    int32_t count;
};

int check_lane_new(struct check *c, bool is_idempotent);

/* The value of a record; returns its size. */
size_t check_value(const struct check_batch *b, int32_t number, uint8_t *value_out);

/* It may be in the log from now on. */
void check_sent(struct check *c, const struct check_batch *b);

/* It is, from this offset on. `sent_ns`: when it was first sent. */
void check_acked(struct check *c, const struct check_batch *b, int view, int64_t base_offset,
                 int64_t sent_ns);

/* A consumer was served this. */
void check_served(struct check *c, int view, int partition, int64_t offset, struct slice value);

/* Offsets below this are known to be committed: no later answer may say less. */
int64_t check_floor(const struct check *c, int partition);

/* A high watermark was told; `floor` is check_floor() of when the question was sent. */
void check_told(struct check *c, int view, int partition, int64_t high_watermark, int64_t floor);

/* At the end: every lane's records are in order. Returns the records known. */
int64_t check_order(struct check *c);
