#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/map.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "wire/error.h"

struct wire_fetch_request;

/*
 * Fetch_session (KIP-227): what a client fetches, remembered, so that its next
 * requests name only what changed and our answers hold only what is new.
 *
 * Owner:  a shard; a client that comes back on another shard gets
 *         FETCH_SESSION_ID_NOT_FOUND and starts anew, as the protocol foresees.
 * Bounds: `slots` sessions of FETCH_SESSION_PARTITIONS_MAX partitions. When all
 *         are taken, one unused for FETCH_SESSION_EVICTION_MS gives way;
 *         otherwise the client is served without a session.
 */
enum {
    FETCH_SESSION_PARTITIONS_MAX = 20 * 1000,
    FETCH_SESSION_EVICTION_MS = 120 * 1000,
    FETCH_SESSION_NONE = 0, /* session id */
    FETCH_SESSION_EPOCH_FULL = 0,
    FETCH_SESSION_EPOCH_FINAL = -1,
};

struct fetch_sessions;

/* NULL: out of memory. `slots` 0: no sessions. */
struct fetch_sessions *fetch_sessions_new(int slots, uint64_t seed);
void fetch_sessions_free(struct fetch_sessions *sessions);
int fetch_sessions_count(const struct fetch_sessions *sessions);

/* A partition as the client asked for it, and what it was told last. */
struct fetch_want {
    struct list_node node; /* in its session: least recently served first */
    struct slice topic;    /* v4-12; owned by the session */
    struct uuid topic_id;  /* v13+ */
    int32_t index;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int32_t size_max;
    int64_t fetch_offset;
    int64_t told_high_watermark; /* -1: nothing was told */
    int64_t told_log_start;
};

struct fetch_session {
    struct list_node node; /* least recently used first */
    int32_t id;
    int32_t epoch; /* that the next request must have */
    bool by_id;    /* topics by id, v13+ */
    int64_t used_ms;
    struct list_node wants;
    struct map_slice by_key; /* of wants */
    int want_count;
};

/*
 * The session of a request, brought up to date with it; NULL: serve the request
 * without one, just as it stands.
 *
 *   WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND   unknown, or evicted
 *   WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH  not the next request of that session
 *   WIRE_ERROR_FETCH_SESSION_TOPIC_ID_ERROR names and ids mixed
 */
enum wire_error fetch_session_begin(struct fetch_sessions *sessions,
                                    const struct wire_fetch_request *request, int16_t version,
                                    int64_t now_ms, struct fetch_session **session_out);

/* A session that is still there when the answer is ready; NULL otherwise. */
struct fetch_session *fetch_session_find(struct fetch_sessions *sessions, int32_t id);
struct fetch_want *fetch_session_want(struct fetch_session *session, struct slice topic,
                                      struct uuid topic_id, int32_t index);

/*
 * Does this answer belong into an incremental response? Remembers what is told,
 * and moves a partition that got records behind the others, so that a busy one
 * does not starve them.
 */
struct fetch_told {
    bool has_records;
    bool has_error;
    int64_t high_watermark;
    int64_t log_start;
};

bool fetch_session_tell(struct fetch_session *session, struct fetch_want *want,
                        const struct fetch_told *told);
