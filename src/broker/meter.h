#pragma once

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/hist.h"

struct os;
struct request;

/*
 * Meter: what a shard counts on the way of a request. Plain counters, written by the shard's
 * thread, read by any; those of an API come into being with its first request.
 *
 * Everything that is counted once a request goes through these functions, so that their cost can
 * be measured: bench/unmetered.c is a meter that does nothing.
 */
enum { METER_APIS = 128, METER_ERRORS = 160 };

struct meter_api {
    struct hist us; /* of every request: from its arrival to its answer */
    /* Requests by the first error in their answer; the last place: any that is too large. */
    struct counter errors[METER_ERRORS];
};

struct meter {
    _Atomic(struct meter_api *) apis[METER_APIS];
    struct counter connections_opened;
    struct counter connections_closed;
    struct counter connections_refused;
    struct counter connections_dropped; /* because of what the client sent, or for want of memory */
    struct counter bytes_in;            /* records accepted by produce */
    struct counter bytes_out;           /* records sent by fetch */
    struct counter throttled_ms;        /* that producers were told to wait for a full disk */
    struct counter crc_errors;          /* batches of producers whose checksum is wrong */
    struct counter damaged_reads;       /* fetches of a damaged range */
};

/* Of one topic, as its clients see it; see struct topic_settings. */
struct meter_topic {
    uint64_t produced_records;
    uint64_t produced_bytes;
    uint64_t produce_failures; /* batches */
    uint64_t fetched_bytes;
};

void meter_release(struct meter *meter);

/* A request has its answer now; how long that took, in ns. */
int64_t meter_request(struct meter *meter, const struct request *req, struct os *os);

/* A batch of `records` was taken (0: refused). */
void meter_produced(struct meter *meter, struct meter_topic *topic, size_t bytes, int32_t records);

/* Bytes of a partition are in an answer. */
void meter_fetched(struct meter *meter, struct meter_topic *topic, size_t bytes);

/* NULL: there was no request of it yet. */
const struct meter_api *meter_api(const struct meter *meter, int16_t api_key);
