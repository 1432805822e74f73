#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct accepted;
struct broker_listener;
struct broker_peer;
struct broker_shard;
struct conn;
struct request;

/*
 * Session: one client connection of the Kafka door. Cuts the byte stream into
 * frames, starts a request for each, and sends the answers in the order of the
 * requests, whichever finishes first.
 *
 * Owner:  its shard. Lives from session_open() until the conn's on_close.
 *
 * Bounds: a frame of socket.request.max.bytes; SESSION_REQUESTS_MAX requests in
 * the line, SESSION_HELD_BYTES_MAX of memory of those, and SESSION_QUEUED_BYTES_MAX of
 * unsent answers, past which nothing is read from this client.
 */
enum {
    SESSION_REQUESTS_MAX = 64,
    SESSION_HELD_BYTES_MAX = 16 * 1024 * 1024,
    SESSION_QUEUED_BYTES_MAX = 4 * 1024 * 1024,
};

struct session {
    struct list_node node; /* in its shard */
    struct broker_shard *shard;
    struct conn *conn;
    const struct broker_listener *listener; /* that it came in through */
    struct broker_peer *peer;               /* by which it is counted; may be NULL */
    struct list_node requests;              /* in order of arrival */
    int request_count;
    size_t held_bytes; /* of the requests in line, and of their answers */
    bool is_closing;   /* no new requests are started */
    bool is_flushing;  /* session_flush is at work further up the stack */
    bool is_paused;
};

/* Takes the socket, also when it fails; `accepted` stays the caller's. */
void session_open(const struct accepted *accepted);

/* `req` has its answer: send every one whose turn has come. */
void session_answered(struct session *session, struct request *req);

/* End the connection now; `reason` is static text for the trace. */
void session_close(struct session *session, const char *reason);

/* Start nothing new; close once what is in line is answered and sent. */
void session_drain(struct session *session);
