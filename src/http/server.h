#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "http/request.h"
#include "net/conn.h"

struct loop;

/*
 * A small HTTP/1.1 server: fixed routes, bounded requests, answers in the order
 * of the requests. One loop, one thread.
 *
 * Memory: a connection holds at most HTTP_HEAD_MAX + HTTP_BODY_MAX received
 * bytes and one request; while that one is not answered nothing more is read.
 */
struct http_server;

/*
 * Reply: the answer to one request. Handed to the route's handler, which
 * answers at once, or keeps the pointer and answers later.
 *
 * Lifetime: until http_reply_send or http_reply_end, one of which must be called
 * exactly once, also when the peer has gone meanwhile (then nothing is sent) and
 * also after http_server_close.
 */
struct http_reply;

struct http_route {
    const char *method; /* "GET" also answers HEAD */
    const char *path;   /* exact, or a prefix when it ends in '*' */
    void (*handle)(void *ctx, const struct http_request *request, struct http_reply *reply);
};

struct http_options {
    const struct http_route *routes; /* borrowed until http_server_close */
    size_t route_count;
    void *ctx;               /* for the handlers */
    size_t connections_max;  /* more are closed at once; 0: 256 */
    int64_t idle_timeout_ms; /* 0: 60 s */
};

/* Errors of listener_open. */
NODISCARD enum err http_server_open(struct loop *loop, const struct net_endpoint *at,
                                    const struct http_options *options,
                                    struct http_server **server_out);
uint16_t http_server_port(const struct http_server *server);

/* Stops listening and closes its connections in the next turn. NULL is fine. */
void http_server_close(struct http_server *server);

/*
 * The whole answer. Takes the memory of `body` and leaves it empty; NULL: no
 * body. `content_type` is a constant such as "application/json".
 */
void http_reply_send(struct http_reply *reply, enum http_status status, const char *content_type,
                     struct buf *body);

/* The same with text that is copied. */
void http_reply_send_text(struct http_reply *reply, enum http_status status, const char *text);

/*
 * An answer in pieces, of any length (live data): begin, write any number of
 * times, end. Writes are dropped when the peer has gone or asked for HEAD.
 */
void http_reply_begin(struct http_reply *reply, enum http_status status, const char *content_type);
void http_reply_write(struct http_reply *reply, struct slice bytes);
void http_reply_end(struct http_reply *reply);

/* False once the peer has gone: a stream may end. */
bool http_reply_is_open(const struct http_reply *reply);

/* Bytes that the peer has not taken yet: a stream that finds many here should wait. */
size_t http_reply_queued_bytes(const struct http_reply *reply);
