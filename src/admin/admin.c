#include "admin/admin.h"

#include <stdio.h>
#include <string.h>

#include "admin/metrics.h"
#include "base/list.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "broker/census.h"
#include "config/config.h"
#include "config/listener.h"
#include "http/server.h"
#include "net/loop.h"
#include "trace/trace.h"

enum { METRICS_BYTES_MAX = 64 * 1024 * 1024, SCRAPES_MAX = 8 };

struct admin {
    struct loop *loop;
    struct broker *broker;
    struct quorum *quorum;
    struct trace *trace;
    size_t names_max;
    struct http_server *servers[CONFIG_LISTENERS_MAX];
    size_t server_count;
    struct list_node scrapes; /* whose census goes round */
    size_t scrape_count;
};

/* One GET /metrics. */
struct scrape {
    struct list_node node;
    struct admin *admin;
    struct http_reply *reply;
    struct broker_census *census;
};

static void scrape_free(struct scrape *s)
{
    list_remove(&s->node);
    s->admin->scrape_count--;
    broker_census_free(s->census);
    mem_free(s);
}

static void scrape_answer(struct broker_census *census)
{
    struct scrape *s = census->ctx;
    const struct admin *a = s->admin;
    struct metrics_source source = {
        .os = loop_os(a->loop),
        .loop = a->loop,
        .broker = a->broker,
        .quorum = a->quorum,
        .census = census,
    };
    struct buf body;

    buf_init(&body, METRICS_BYTES_MAX);
    if (metrics_write(&body, &source) == E_OK)
        http_reply_send(s->reply, HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &body);
    else
        http_reply_send_text(s->reply, HTTP_INTERNAL_ERROR, "out of memory\n");
    buf_release(&body);
    scrape_free(s);
}

static void handle_metrics(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    struct admin *a = ctx;
    struct scrape *s = NULL;

    if (a->scrape_count < SCRAPES_MAX)
        s = mem_alloc_zero(sizeof(*s));
    if (s != NULL)
        s->census = broker_census_new(a->broker, a->names_max);
    if (s == NULL || s->census == NULL) {
        mem_free(s);
        http_reply_send_text(reply, HTTP_UNAVAILABLE, "too many scrapes at once\n");
        return;
    }
    s->admin = a;
    s->reply = reply;
    list_push_back(&a->scrapes, &s->node);
    a->scrape_count++;
    broker_census_start(s->census, a->loop, scrape_answer, s);
}

static void handle_healthz(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    http_reply_send_text(reply, HTTP_OK, "ok\n");
}

static void handle_readyz(void *ctx, const struct http_request *request, struct http_reply *reply)
{
    const struct admin *a = ctx;
    const char *why = broker_unready_text(a->broker);
    char text[80];

    snprintf(text, sizeof(text), "%s\n", why == NULL ? "ready" : why);
    http_reply_send_text(reply, why == NULL ? HTTP_OK : HTTP_UNAVAILABLE, text);
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
    list_init(&a->scrapes);
    a->loop = options->loop;
    a->names_max = (size_t)config_i64(options->config, CONFIG_METRICS_NAMES);
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
    struct list_node *node;

    if (a == NULL)
        return;
    for (size_t i = 0; i < a->server_count; i++)
        http_server_close(a->servers[i]);
    while ((node = list_first(&a->scrapes)) != NULL) { /* no loop turns any more */
        struct scrape *s = LIST_ENTRY(node, struct scrape, node);

        http_reply_send_text(s->reply, HTTP_UNAVAILABLE, "stopping\n");
        scrape_free(s);
    }
    mem_free(a);
}

uint16_t admin_port(const struct admin *a)
{
    return a == NULL || a->server_count == 0 ? 0 : http_server_port(a->servers[0]);
}
