#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/writer.h"
#include "storage/log.h"
#include "wire/api.h"
#include "wire/header.h"

struct audit;
struct broker_shard;
struct session;

/*
 * Request: one Kafka request from its last byte to its answer.
 *
 * Owner:    its session while it waits in line, else whoever must finish it;
 *           it ends with exactly one request_answer_*() or request_drop() and is
 *           invalid after that. Recycled through its shard.
 * Thread:   its shard's loop. Calls to other shards borrow its memory and bring
 *           it back (call_priv.h).
 * Lifetime: what the handler needs until the answer lives in `arena`. `body`
 *           is a copy there too, unless the handler is marked `borrows_body`:
 *           then it lies in the connection's buffer and is gone when the
 *           handler returns.
 *
 * A connection may close before the answer: `session` is NULL from then on. The
 * node may be stopping. In both cases hurry(), if the handler set it, is called
 * to make it stop waiting and answer with what it has.
 */
struct request {
    struct list_node node; /* in its session's line, in order of arrival */
    struct session *session;
    struct broker_shard *shard;
    const struct wire_api *api;
    struct wire_request_header header; /* client_id lives in the arena */
    uint8_t *body;                     /* after the header; may be changed in place */
    size_t body_size;
    struct arena arena;
    int64_t arrived_ns;                 /* when its turn of the loop began */
    size_t held_bytes;                  /* as its session counts it */
    void *work;                         /* the handler's own state, in the arena */
    void (*hurry)(struct request *req); /* may be NULL */

    bool is_answered;    /* waits only for those before it */
    bool is_silent;      /* has no answer (acks=0) */
    int16_t error_code;  /* the first in the answer; 0: none */
    bool is_patient;     /* waits on purpose: for records, for other members of a group */
    int64_t answered_ns; /* when the turn of the loop began in which it got its answer */
    int64_t sync_ns;     /* the longest sync it waited for, if that is known */
    struct audit *audit; /* NULL: of no interest */
    struct buf answer;
    struct writer_cut *cuts; /* in the arena */
    size_t cut_count;
    struct log_range *ranges; /* in the arena; cuts[i].ref says which */
    size_t range_count;
};

static inline int16_t request_version(const struct request *req)
{
    return req->header.api_version;
}

/*
 * Answer: begin writes the frame's size and the response header, the handler
 * encodes its response, finish puts it in line. If encoding failed (out of
 * memory, too large) the connection is closed.
 */
struct writer request_answer_begin(struct request *req);
void request_answer_finish(struct request *req, struct writer *w);

/*
 * The same with bytes from files at the writer's cuts: ranges[cut.ref]. Takes
 * the ranges' references.
 */
void request_answer_finish_files(struct request *req, struct writer *w, struct log_range *ranges,
                                 size_t range_count);

/* No answer at all: acks=0. */
void request_answer_none(struct request *req);

/* The peer broke the protocol, or an acks=0 produce failed: close the connection. */
void request_drop(struct request *req, const char *reason);

/* The same where memory for the answer, or for finding it, is out. */
void request_drop_no_memory(struct request *req);

/* For sessions: memory of a request. NULL when out of memory. */
struct request *request_new(struct broker_shard *shard);
void request_free(struct request *req);
