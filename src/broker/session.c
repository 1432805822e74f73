#include "broker/session_priv.h"

#include <string.h>

#include "base/mem.h"
#include "base/reader.h"
#include "broker/audit_priv.h"
#include "broker/broker_priv.h"
#include "broker/dispatch_priv.h"
#include "broker/request_priv.h"
#include "broker/shard_priv.h"
#include "net/conn.h"
#include "net/loop.h"
#include "os/file.h"
#include "os/os.h"
#include "trace/trace.h"

enum {
    FRAME_PREFIX_SIZE = 4,
    RECEIVE_BYTES_IDLE = 0,
    FRAME_TIMEOUT_MS = 60 * 1000,
    /*
     * What a request may allocate: decoded arrays, copies, results. Not a multiple of its
     * size: three bytes may ask about a hundred thousand partitions.
     */
    ARENA_BYTES_MAX = 256 * 1024 * 1024,
};

static void request_send(struct session *s, struct request *req)
{
    size_t pos = 0;

    if (req->cut_count == 0) {
        conn_send(s->conn, &req->answer);
        return;
    }
    for (size_t i = 0; i < req->cut_count; i++) {
        const struct writer_cut *cut = &req->cuts[i];
        const struct log_range *range = &req->ranges[cut->ref];

        conn_send_copy(s->conn, slice_of(req->answer.at + pos, cut->pos - pos));
        conn_send_file(s->conn, range->file, range->pos, cut->size);
        pos = cut->pos;
    }
    if (pos < req->answer.size)
        conn_send_copy(s->conn, slice_of(req->answer.at + pos, req->answer.size - pos));
}

/* Read from this client only while it lets us answer. */
static void flow_update(struct session *s)
{
    bool is_full = s->request_count >= SESSION_REQUESTS_MAX ||
                   s->held_bytes > SESSION_HELD_BYTES_MAX ||
                   conn_queued_bytes(s->conn) > SESSION_QUEUED_BYTES_MAX;

    if (is_full == s->is_paused || s->is_closing)
        return;
    s->is_paused = is_full;
    if (is_full)
        conn_pause(s->conn);
    else
        conn_resume(s->conn);
}

/* It is counted, and told of if somebody wants to know. */
static void request_done(const struct session *s, const struct request *req)
{
    int64_t ns = meter_request(&s->shard->meter, req, s->shard->broker->os);

    if (ns > s->shard->slow_ns && !req->is_patient)
        shard_trace_slow(s->shard, req, conn_peer(s->conn), ns);
    if (req->audit != NULL)
        audit_trace(req, conn_peer(s->conn));
}

static void session_flush(struct session *s)
{
    if (s->is_flushing)
        return;
    s->is_flushing = true;
    for (;;) {
        struct list_node *node = list_first(&s->requests);
        struct request *req;

        if (node == NULL)
            break;
        req = LIST_ENTRY(node, struct request, node);
        if (!req->is_answered)
            break;
        if (!req->is_silent)
            request_send(s, req);
        request_done(s, req);
        s->request_count--;
        s->held_bytes -= req->held_bytes;
        request_free(req);
    }
    s->is_flushing = false;
    if (s->is_closing && s->request_count == 0)
        conn_close_when_sent(s->conn);
    else
        flow_update(s);
}

/* Count `bytes` as what `req` holds. */
static void request_hold(struct session *s, struct request *req, size_t bytes)
{
    s->held_bytes -= req->held_bytes;
    req->held_bytes = bytes;
    s->held_bytes += bytes;
}

void session_answered(struct session *s, struct request *req)
{
    request_hold(s, req, req->arena.total + req->answer.size);
    req->answered_ns = loop_now_ns(s->shard->loop);
    session_flush(s);
}

void session_close(struct session *s, const char *reason)
{
    if (s->conn == NULL)
        return;
    counter_add(&s->shard->meter.connections_dropped, 1);
    shard_trace_session(s->shard, s, reason);
    s->is_closing = true;
    conn_close(s->conn);
}

void session_drain(struct session *s)
{
    struct list_node *node = s->requests.next;

    s->is_closing = true;
    conn_pause(s->conn);
    s->is_flushing = true; /* an answer must not free the line while we walk it */
    while (node != &s->requests) {
        struct request *req = LIST_ENTRY(node, struct request, node);

        node = node->next;
        if (req->hurry != NULL && !req->is_answered)
            req->hurry(req); /* a long poll answers with what it has */
    }
    s->is_flushing = false;
    session_flush(s);
}

/* Decode the header and start the handler. Returns false when the session is closing. */
static bool request_start(struct session *s, uint8_t *at, size_t size)
{
    struct request *req = request_new(s->shard);
    struct reader r = reader_init(at, size);
    const struct wire_api *api;

    if (req == NULL) {
        session_close(s, "out of memory");
        return false;
    }
    if (wire_request_header_decode(&r, &req->header) != E_OK) {
        request_free(req);
        session_close(s, "not a Kafka request");
        return false;
    }
    req->arena.max = ARENA_BYTES_MAX;
    api = wire_api_find(req->header.api_key);
    req->api = api;
    req->session = s;
    req->arrived_ns = loop_now_ns(s->shard->loop);
    req->body = at + (r.at - at);
    req->body_size = reader_left(&r);
    req->header.client_id = arena_copy(&req->arena, req->header.client_id);
    list_push_back(&s->requests, &req->node);
    s->request_count++;
    /* While it is worked on its arena may be another thread's: its frame stands for it. */
    request_hold(s, req, size);
    dispatch(req);
    return !s->is_closing;
}

static size_t on_data(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    struct session *s = ctx;
    size_t done = 0;

    while (!s->is_closing && !s->is_paused) {
        struct reader r = reader_init(at + done, size - done);
        int32_t frame_size = reader_i32(&r);

        if (reader_done(&r) == E_TRUNCATED)
            break;
        if (frame_size < 0 || frame_size > s->shard->frame_bytes_max) {
            session_close(s, "frame size out of range");
            return size;
        }
        if (reader_left(&r) < (size_t)frame_size) {
            conn_expect(conn, FRAME_PREFIX_SIZE + (size_t)frame_size);
            return done;
        }
        done += FRAME_PREFIX_SIZE + (size_t)frame_size;
        if (!request_start(s, at + done - (size_t)frame_size, (size_t)frame_size))
            return size;
        flow_update(s);
    }
    conn_expect(conn, FRAME_PREFIX_SIZE);
    return s->is_closing ? size : done;
}

static void on_drained(struct conn *conn, void *ctx)
{
    flow_update(ctx);
}

static void on_close(struct conn *conn, void *ctx, enum err why)
{
    struct session *s = ctx;
    struct list_node *node;

    s->conn = NULL;
    s->is_closing = true;
    while ((node = list_pop_front(&s->requests)) != NULL) {
        struct request *req = LIST_ENTRY(node, struct request, node);

        req->session = NULL;
        if (req->is_answered)
            request_free(req);
        else if (req->hurry != NULL)
            req->hurry(req);
    }
    shard_remove_session(s->shard, s);
    mem_free(s);
}

static const struct conn_events SESSION_EVENTS = {
    .on_data = on_data,
    .on_drained = on_drained,
    .on_close = on_close,
};

void session_open(const struct accepted *accepted)
{
    struct broker_shard *shard = accepted->shard;
    struct session *s = mem_alloc_zero(sizeof(*s));
    struct conn_options options = {
        .receive_bytes_max = FRAME_PREFIX_SIZE + (size_t)shard->frame_bytes_max,
        .receive_bytes_idle = RECEIVE_BYTES_IDLE,
        .idle_timeout_ms = shard->idle_timeout_ms,
        .frame_timeout_ms = FRAME_TIMEOUT_MS,
        .budget = &shard->budget,
    };

    if (s == NULL) {
        net_socket_close(accepted->socket);
        shard_session_refused(shard, accepted->peer);
        return;
    }
    s->shard = shard;
    s->listener = accepted->listener;
    s->peer = accepted->peer;
    list_init(&s->requests);
    if (conn_open(shard->loop, accepted->socket, &options,
                  (struct conn_handler){&SESSION_EVENTS, s}, &s->conn) != E_OK) {
        mem_free(s);
        shard_session_refused(shard, accepted->peer);
        return;
    }
    conn_expect(s->conn, FRAME_PREFIX_SIZE);
    shard_add_session(shard, s);
}
