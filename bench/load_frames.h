#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * The frames that the load generator sends, and what it must know of the answers.
 * Kafka frames are encoded here by hand: a load generator that shared the code
 * of the broker would share its mistakes.
 */
enum load_kind {
    LOAD_RAW_PRODUCE,
    LOAD_RAW_FETCH,
    LOAD_RAW_ECHO,
    LOAD_PRODUCE, /* Produce v9 */
    LOAD_FETCH,   /* Fetch v12 */
    LOAD_API_VERSIONS,
    LOAD_METADATA, /* Metadata v9 of the topic */
    LOAD_KINDS
};

struct load_plan {
    enum load_kind kind;
    const char *topic;
    int32_t partitions; /* connection i uses partition i % partitions */
    size_t batch_size;  /* produce: at most, of the record batch; fetch: bytes asked for */
    size_t record_size; /* of a value */
    int16_t acks;
    size_t records;   /* set by load_frames_batch: in a batch */
    struct buf batch; /* set by load_frames_batch */
};

/* Build the one batch that is sent over and over. */
void load_frames_batch(struct load_plan *plan);

/* Append a request frame to `out`. `pos` is an offset (Kafka) or a position (raw). */
void load_frames_request(const struct load_plan *plan, int32_t partition, int64_t pos,
                         struct buf *out);

/* Metadata v9 that creates the topic. */
void load_frames_metadata(const struct load_plan *plan, struct buf *out);

/* What an answer says. */
struct load_answer {
    int error;        /* Kafka's code */
    size_t bytes;     /* of records */
    size_t records;   /* fetched */
    int64_t next_pos; /* where the next fetch continues */
    bool is_end;      /* there is nothing more at next_pos */
};

/* Read an answer without its length field; false: it makes no sense. */
bool load_frames_answer(const struct load_plan *plan, int64_t pos, const uint8_t *at, size_t size,
                        struct load_answer *answer_out);
