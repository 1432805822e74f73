#include "http/server.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "net/loop.h"

/*
 * One session per connection. It reads a request, hands it over, and pauses the
 * connection until the reply is sent: so answers cannot overtake each other and
 * a peer that pipelines costs no more than one that does not.
 */

enum { CONNECTIONS_MAX = 256, IDLE_TIMEOUT_MS = 60000, HEAD_OUT_MAX = 1024, FIELDS_MAX = 256 };

struct http_server {
    struct loop *loop;
    struct listener *listener;
    struct http_options options;
    struct list_node sessions;
    size_t session_count;
    bool is_closed;
};

/* Also what a reply is: there is one at a time. */
struct http_reply {
    struct http_server *server; /* NULL once the connection has gone */
    struct conn *conn;
    struct list_node node;
    bool is_pending;   /* a handler holds this */
    bool is_streaming; /* http_reply_begin was called */
    bool is_chunked;
    bool is_head;
    bool is_1_1;
    bool is_kept_alive;
    bool is_paused;
    bool has_continued;
};

/* Heads. */

static const char *reason(enum http_status status)
{
    switch (status) {
    case HTTP_OK:
        return "OK";
    case HTTP_NO_CONTENT:
        return "No Content";
    case HTTP_BAD_REQUEST:
        return "Bad Request";
    case HTTP_NOT_FOUND:
        return "Not Found";
    case HTTP_METHOD_NOT_ALLOWED:
        return "Method Not Allowed";
    case HTTP_LENGTH_REQUIRED:
        return "Length Required";
    case HTTP_CONTENT_TOO_LARGE:
        return "Content Too Large";
    case HTTP_URI_TOO_LONG:
        return "URI Too Long";
    case HTTP_EXPECTATION_FAILED:
        return "Expectation Failed";
    case HTTP_HEAD_TOO_LARGE:
        return "Request Header Fields Too Large";
    case HTTP_INTERNAL_ERROR:
        return "Internal Server Error";
    case HTTP_NOT_IMPLEMENTED:
        return "Not Implemented";
    case HTTP_UNAVAILABLE:
        return "Service Unavailable";
    case HTTP_VERSION_NOT_SUPPORTED:
        return "HTTP Version Not Supported";
    }
    return "Unknown";
}

/* `framing` holds whole lines, such as the one that says where the body ends. */
static void send_head(struct http_reply *reply, enum http_status status, const char *content_type,
                      const char *framing)
{
    struct buf head;
    enum err e;

    buf_init(&head, HEAD_OUT_MAX);
    e = buf_printf(&head,
                   "HTTP/1.1 %d %s\r\n"
                   "%s%s%s"
                   "%s"
                   "Cache-Control: no-store\r\n"
                   "%s\r\n",
                   (int)status, reason(status), content_type == NULL ? "" : "Content-Type: ",
                   content_type == NULL ? "" : content_type, content_type == NULL ? "" : "\r\n",
                   framing, reply->is_kept_alive ? "" : "Connection: close\r\n");
    if (e != E_OK) {
        buf_release(&head);
        conn_close(reply->conn);
        return;
    }
    conn_send(reply->conn, &head);
}

/* The life of a session. */

static void server_free_if_done(struct http_server *server)
{
    if (server->is_closed && server->session_count == 0)
        mem_free(server);
}

/* The reply is complete. */
static void finish(struct http_reply *reply)
{
    assert(reply->is_pending);
    reply->is_pending = false;
    reply->is_streaming = false;
    if (reply->conn == NULL) {
        mem_free(reply);
        return;
    }
    if (!reply->is_kept_alive)
        conn_close_when_sent(reply->conn);
    else if (reply->is_paused)
        conn_resume(reply->conn);
    reply->is_paused = false;
}

static void on_close(struct conn *conn, void *ctx, enum err why)
{
    struct http_reply *session = ctx;
    struct http_server *server = session->server;

    list_remove(&session->node);
    session->conn = NULL;
    session->server = NULL;
    if (!session->is_pending)
        mem_free(session);
    server->session_count--;
    server_free_if_done(server);
}

/* Requests. */

static bool path_matches(struct slice path, const char *pattern)
{
    size_t size = strlen(pattern);

    if (size > 0 && pattern[size - 1] == '*')
        return path.size >= size - 1 && memcmp(path.at, pattern, size - 1) == 0;
    return slice_equal_text(path, pattern);
}

static void send_text(struct http_reply *reply, enum http_status status, const char *text,
                      const char *fields)
{
    char framing[FIELDS_MAX];
    size_t size = strlen(text);

    snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n%s", size, fields);
    if (reply->conn != NULL) {
        send_head(reply, status, "text/plain; charset=utf-8", framing);
        if (!reply->is_head)
            conn_send_copy(reply->conn, slice_of(text, size));
    }
    finish(reply);
}

static void refuse(struct http_reply *session, enum http_status status)
{
    session->is_pending = true;
    session->is_kept_alive = false;
    session->is_head = false;
    session->is_1_1 = true;
    send_text(session, status, reason(status), "");
}

/* RFC 9110, 15.5.6: the answer names what is allowed. */
static void refuse_method(struct http_reply *session, struct slice path)
{
    const struct http_options *o = &session->server->options;
    char fields[FIELDS_MAX / 2] = "Allow: ";
    size_t size = strlen(fields);
    const char *comma = "";

    for (size_t i = 0; i < o->route_count; i++) {
        const char *method = o->routes[i].method;

        if (!path_matches(path, o->routes[i].path) || size + strlen(method) + 16 > sizeof(fields))
            continue;
        size += (size_t)snprintf(fields + size, sizeof(fields) - size, "%s%s%s", comma, method,
                                 strcmp(method, "GET") == 0 ? ", HEAD" : "");
        comma = ", ";
    }
    snprintf(fields + size, sizeof(fields) - size, "\r\n");
    send_text(session, HTTP_METHOD_NOT_ALLOWED, reason(HTTP_METHOD_NOT_ALLOWED), fields);
}

static void dispatch(struct http_reply *session, const struct http_request *request)
{
    const struct http_options *o = &session->server->options;
    struct slice method = request->is_head ? slice_of_text("GET") : request->method;
    bool is_found = false;

    session->is_pending = true;
    session->is_head = request->is_head;
    session->is_1_1 = request->is_1_1;
    session->is_kept_alive = request->is_kept_alive && !session->server->is_closed;
    for (size_t i = 0; i < o->route_count; i++) {
        const struct http_route *route = &o->routes[i];

        if (!path_matches(request->path, route->path))
            continue;
        if (slice_equal_text(method, route->method)) {
            route->handle(o->ctx, request, session);
            return;
        }
        is_found = true;
    }
    if (is_found)
        refuse_method(session, request->path);
    else
        send_text(session, HTTP_NOT_FOUND, reason(HTTP_NOT_FOUND), "");
}

static size_t on_data(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    struct http_reply *session = ctx;
    struct http_request request;
    enum http_status status;
    size_t head;

    switch (http_request_parse(slice_of(at, size), &request, &head, &status)) {
    case HTTP_PARSED_MORE:
        return 0;
    case HTTP_PARSED_BAD:
        refuse(session, status);
        return size;
    case HTTP_PARSED_DONE:
        break;
    }
    if (size - head < request.body_size) {
        if (request.wants_continue && !session->has_continued) {
            session->has_continued = true;
            conn_send_copy(conn, slice_of_text("HTTP/1.1 100 Continue\r\n\r\n"));
        }
        conn_expect(conn, head + request.body_size);
        return 0;
    }
    session->has_continued = false;
    request.body = slice_of(at + head, request.body_size);
    dispatch(session, &request);
    if (session->is_pending) {
        session->is_paused = true;
        conn_pause(conn);
    }
    return head + request.body_size;
}

static const struct conn_events EVENTS = {.on_data = on_data, .on_close = on_close};

/* Replies. */

void http_reply_send(struct http_reply *reply, enum http_status status, const char *content_type,
                     struct buf *body)
{
    struct buf none;
    char framing[FIELDS_MAX];

    buf_init(&none, 0);
    if (body == NULL)
        body = &none;
    if (reply->conn != NULL) {
        snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", body->size);
        send_head(reply, status, content_type, status == HTTP_NO_CONTENT ? "" : framing);
        if (!reply->is_head)
            conn_send(reply->conn, body);
    }
    buf_release(body);
    finish(reply);
}

void http_reply_send_text(struct http_reply *reply, enum http_status status, const char *text)
{
    send_text(reply, status, text, "");
}

void http_reply_begin(struct http_reply *reply, enum http_status status, const char *content_type)
{
    assert(reply->is_pending && !reply->is_streaming);
    reply->is_streaming = true;
    reply->is_chunked = reply->is_1_1;
    if (!reply->is_1_1)
        reply->is_kept_alive = false; /* the end of the connection ends the body */
    if (reply->conn != NULL)
        send_head(reply, status, content_type,
                  reply->is_chunked ? "Transfer-Encoding: chunked\r\n" : "");
}

void http_reply_write(struct http_reply *reply, struct slice bytes)
{
    char size[24];

    assert(reply->is_streaming);
    if (reply->conn == NULL || reply->is_head || bytes.size == 0)
        return; /* an empty chunk would be the end */
    if (reply->is_chunked) {
        snprintf(size, sizeof(size), "%zx\r\n", bytes.size);
        conn_send_copy(reply->conn, slice_of_text(size));
    }
    conn_send_copy(reply->conn, bytes);
    if (reply->is_chunked)
        conn_send_copy(reply->conn, slice_of_text("\r\n"));
}

void http_reply_end(struct http_reply *reply)
{
    assert(reply->is_streaming);
    if (reply->conn != NULL && reply->is_chunked && !reply->is_head)
        conn_send_copy(reply->conn, slice_of_text("0\r\n\r\n"));
    finish(reply);
}

bool http_reply_is_open(const struct http_reply *reply)
{
    return reply->conn != NULL;
}

size_t http_reply_queued_bytes(const struct http_reply *reply)
{
    return reply->conn == NULL ? 0 : conn_queued_bytes(reply->conn);
}

/* The server. */

static void on_accept(void *ctx, struct net_socket *socket, const char *peer)
{
    struct http_server *server = ctx;
    const struct conn_options options = {
        .receive_bytes_max = HTTP_HEAD_MAX + 2 + HTTP_BODY_MAX,
        .idle_timeout_ms = server->options.idle_timeout_ms,
        .frame_timeout_ms = server->options.idle_timeout_ms,
    };
    struct http_reply *session;

    if (server->session_count >= server->options.connections_max) {
        net_socket_close(socket);
        return;
    }
    session = mem_must_alloc(sizeof(*session));
    session->server = server;
    if (conn_open(server->loop, socket, &options, (struct conn_handler){&EVENTS, session},
                  &session->conn) != E_OK) {
        mem_free(session);
        return;
    }
    list_push_back(&server->sessions, &session->node);
    server->session_count++;
}

enum err http_server_open(struct loop *loop, const struct net_endpoint *at,
                          const struct http_options *options, struct http_server **server_out)
{
    struct http_server *server = mem_must_alloc(sizeof(*server));
    const struct listener_options listening = {.on_accept = on_accept, .ctx = server};
    enum err e;

    server->loop = loop;
    server->options = *options;
    if (server->options.connections_max == 0)
        server->options.connections_max = CONNECTIONS_MAX;
    if (server->options.idle_timeout_ms == 0)
        server->options.idle_timeout_ms = IDLE_TIMEOUT_MS;
    list_init(&server->sessions);
    e = listener_open(loop, at, &listening, &server->listener);
    if (e != E_OK) {
        mem_free(server);
        return e;
    }
    *server_out = server;
    return E_OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    return listener_port(server->listener);
}

void http_server_close(struct http_server *server)
{
    if (server == NULL)
        return;
    listener_close(server->listener);
    server->is_closed = true;
    for (struct list_node *n = server->sessions.next; n != &server->sessions; n = n->next)
        conn_close(LIST_ENTRY(n, struct http_reply, node)->conn);
    server_free_if_done(server);
}
