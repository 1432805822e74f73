#include "admin/admin.h"

#include <string.h>

#include "admin/metrics.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "config/config.h"
#include "config/listener.h"
#include "http/server.h"
#include "net/loop.h"
#include "trace/trace.h"

enum { METRICS_BYTES_MAX = 4 * 1024 * 1024 };

struct admin {
    struct broker *broker;
    struct quorum *quorum;
    struct trace *trace;
    struct http_server *servers[CONFIG_LISTENERS_MAX];
    size_t server_count;
};

static void handle_metrics(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    struct admin *a = ctx;
    struct buf body;

    buf_init(&body, METRICS_BYTES_MAX);
    if (metrics_write(&body, a->broker, a->quorum) == E_OK)
        http_reply_send(reply, HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &body);
    else
        http_reply_send_text(reply, HTTP_INTERNAL_ERROR, "out of memory\n");
    buf_release(&body);
}

static void handle_healthz(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    http_reply_send_text(reply, HTTP_OK, "ok\n");
}

static void handle_readyz(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    const struct admin *a = ctx;

    if (broker_is_ready(a->broker))
        http_reply_send_text(reply, HTTP_OK, "ready\n");
    else
        http_reply_send_text(reply, HTTP_UNAVAILABLE, "starting\n");
}

static const struct http_route ROUTES[] = {
    {"GET", "/metrics", handle_metrics},
    {"GET", "/healthz", handle_healthz},
    {"GET", "/readyz", handle_readyz},
};

static enum err listener_open_http(struct admin *a, const struct admin_options *options,
                                   struct config_listener *at, struct report *report)
{
    bool is_default =
        config_source(options->config, CONFIG_HTTP_LISTENERS) == CONFIG_SOURCE_DEFAULT;
    struct http_options http = {
        .routes = ROUTES,
        .route_count = sizeof(ROUTES) / sizeof(ROUTES[0]),
        .ctx = a,
    };
    struct net_endpoint endpoint = {.port = at->port};
    enum err e;

    memcpy(endpoint.host, at->host, sizeof(endpoint.host));
    if (endpoint.port == 0 && a->server_count > 0)
        endpoint.port = http_server_port(a->servers[0]);
    e = http_server_open(options->loop, &endpoint, &http, &a->servers[a->server_count]);
    if (e == E_OK) {
        a->server_count++;
        return E_OK;
    }
    if (is_default) {
        trace_event(a->trace, TRACE_WARN, TRACE_ADMIN, "http_listener_skipped",
                    TRACE_FIELDS(trace_text("host", at->host), trace_i64("port", at->port),
                                 trace_error(e)));
        return E_OK;
    }
    report_set(report, "listen on %s:%u (setting http.listeners): %s", at->host, at->port,
               e == E_BUSY ? "the port is in use" : err_text(e));
    return e;
}

enum err admin_open(const struct admin_options *options, struct admin **admin_out,
                    struct report *report)
{
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    struct admin *a = mem_alloc_zero(sizeof(*a));
    size_t count = 0;
    enum err e;

    if (a == NULL)
        return E_NOMEM;
    a->broker = options->broker;
    a->quorum = options->quorum;
    a->trace = options->trace;
    e = config_listeners_parse(config_text(options->config, CONFIG_HTTP_LISTENERS), listeners,
                               &count, report);
    for (size_t i = 0; e == E_OK && i < count; i++)
        e = listener_open_http(a, options, &listeners[i], report);
    if (e != E_OK) {
        admin_close(a);
        return e;
    }
    *admin_out = a;
    return E_OK;
}

void admin_close(struct admin *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->server_count; i++)
        http_server_close(a->servers[i]);
    mem_free(a);
}

uint16_t admin_port(const struct admin *a)
{
    return a == NULL || a->server_count == 0 ? 0 : http_server_port(a->servers[0]);
}
