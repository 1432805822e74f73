#include "main/node.h"

#include <stdio.h>
#include <string.h>

#include "admin/admin.h"
#include "base/list.h"
#include "base/mem.h"
#include "broker/broker.h"
#include "config/config.h"
#include "config/listener.h"
#include "net/loop.h"
#include "os/os.h"
#include "os/thread.h"
#include "quorum/quorum.h"
#include "replica/manager.h"
#include "trace/trace.h"

/*
 * Threads: the controller's loop, one loop a shard, and a small pool that runs
 * fdatasync when several logs are dirty at once and opens the logs that are there
 * at start.
 *
 * Stop: node_stop -> (shard 0) broker_stop -> on_stopped -> every loop is told to
 * stop; node_close then releases from the outside in.
 */
enum { SYNC_THREADS = 8, DATA_DIRS_MAX = 64 };

struct node {
    struct os *os;
    const struct config *config;
    struct trace *trace;
    void (*on_ready)(void *ctx, struct node *node);
    void *ctx;

    struct os_pool *pool;
    struct os_pool *cleaner_pool; /* NULL: log.cleaner.enable is false */
    struct loop *controller_loop;
    struct os_thread *controller_thread;
    struct loop *loops[BROKER_SHARDS_MAX];
    struct os_thread *threads[BROKER_SHARDS_MAX];
    int shard_count;

    char data_paths[DATA_DIRS_MAX][NODE_DATA_PATH_SIZE];
    const char *data_dirs[DATA_DIRS_MAX];
    size_t data_dir_count;
    struct replica_roots *roots;
    struct quorum *quorum;
    struct broker *broker;
    struct admin *admin;
    struct loop_task stop_task;
    int64_t opened_ms;
};

/* Where the data is: log.dirs, else log.dir, else what main() found. */
static enum err data_dirs_find(struct node *n, const char *fallback, struct report *report)
{
    const char *list = config_text(n->config, CONFIG_LOG_DIRS);
    struct slice item;
    size_t pos = 0;

    if (list == NULL || list[0] == '\0')
        list = config_text(n->config, CONFIG_LOG_DIR);
    if (list == NULL || list[0] == '\0')
        list = fallback;
    while (config_list_next(list, &pos, &item)) {
        if (n->data_dir_count == DATA_DIRS_MAX || item.size >= NODE_DATA_PATH_SIZE) {
            report_set(report, "log.dirs: more than %d directories, or a path that is too long",
                       DATA_DIRS_MAX);
            return E_TOO_BIG;
        }
        slice_to_text(item, n->data_paths[n->data_dir_count], NODE_DATA_PATH_SIZE);
        n->data_dirs[n->data_dir_count] = n->data_paths[n->data_dir_count];
        n->data_dir_count++;
    }
    return E_OK;
}

static enum err loops_open(struct node *n)
{
    int64_t threads =
        SYNC_THREADS + config_i64(n->config, CONFIG_RECOVERY_THREADS) * (int64_t)n->data_dir_count;
    enum err e = loop_open(n->os, &n->controller_loop);

    n->shard_count = (int)config_i64(n->config, CONFIG_SHARDS);
    for (int i = 0; e == E_OK && i < n->shard_count; i++)
        e = loop_open(n->os, &n->loops[i]);
    if (e == E_OK)
        e = os_pool_open(
            n->os, (int)(threads < OS_POOL_THREADS_MAX ? threads : OS_POOL_THREADS_MAX), &n->pool);
    if (e == E_OK && config_bool(n->config, CONFIG_CLEANER_ENABLE))
        e = os_pool_open(n->os, (int)config_i64(n->config, CONFIG_CLEANER_THREADS),
                         &n->cleaner_pool);
    return e;
}

/* What this broker tells the cluster about where it is. */
static enum err endpoints_fill(struct node *n, struct config_listener *listeners,
                               struct meta_endpoint *endpoints_out, int32_t *count_out,
                               struct report *report)
{
    const char *text = config_text(n->config, CONFIG_ADVERTISED_LISTENERS);
    size_t count = 0;
    enum err e;

    if (text == NULL || text[0] == '\0')
        text = config_text(n->config, CONFIG_LISTENERS);
    e = config_listeners_parse(text, listeners, &count, report);
    if (e != E_OK)
        return e;
    *count_out = 0;
    for (size_t i = 0; i < count && *count_out < META_ENDPOINTS_MAX; i++) {
        struct slice name = slice_of_text(listeners[i].name);
        bool is_known = false;

        for (int32_t k = 0; k < *count_out; k++)
            is_known = is_known || slice_equal(endpoints_out[k].name, name);
        if (is_known)
            continue; /* a second address of the same listener */
        endpoints_out[(*count_out)++] = (struct meta_endpoint){
            .name = name,
            .host = slice_of_text(listeners[i].host),
            .port = listeners[i].port,
        };
    }
    return E_OK;
}

static enum err cluster_open(struct node *n, struct report *report)
{
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    struct meta_endpoint endpoints[META_ENDPOINTS_MAX];
    struct quorum_options options = {
        .loop = n->controller_loop,
        .trace = n->trace,
        .roots = n->roots,
        .node_id = (int32_t)config_i64(n->config, CONFIG_NODE_ID),
        .endpoints = endpoints,
        .rack = slice_of_text(config_text(n->config, CONFIG_BROKER_RACK)),
        .default_partitions = (int32_t)config_i64(n->config, CONFIG_NUM_PARTITIONS),
        .default_replication = (int16_t)config_i64(n->config, CONFIG_DEFAULT_REPLICATION),
        .config = n->config,
    };
    enum err e = endpoints_fill(n, listeners, endpoints, &options.endpoint_count, report);

    if (e != E_OK)
        return e;
    e = quorum_open(&options, &n->quorum, report);
    if (e == E_OK)
        trace_set_node_id(n->trace, quorum_node_id(n->quorum));
    return e;
}

static void broker_ready(void *ctx)
{
    struct node *n = ctx;

    trace_event(n->trace, TRACE_INFO, TRACE_MAIN, "ready",
                TRACE_FIELDS(trace_text("version", DLOG_VERSION),
                             trace_text("cluster_id", quorum_cluster_id(n->quorum)),
                             trace_i64("ms", os_mono_ms(n->os) - n->opened_ms)));
    if (n->on_ready != NULL)
        n->on_ready(n->ctx, n);
}

static enum err doors_open(struct node *n, struct report *report)
{
    struct broker_options broker_options = {
        .os = n->os,
        .config = n->config,
        .quorum = n->quorum,
        .roots = n->roots,
        .trace = n->trace,
        .pool = n->pool,
        .cleaner_pool = n->cleaner_pool,
        .loops = n->loops,
        .shard_count = n->shard_count,
        .on_ready = broker_ready,
        .on_ready_ctx = n,
    };
    struct admin_options admin_options = {
        .loop = n->controller_loop,
        .config = n->config,
        .trace = n->trace,
    };
    enum err e = broker_open(&broker_options, &n->broker);

    if (e == E_OK)
        e = broker_listen(n->broker, report);
    if (e != E_OK)
        return e;
    admin_options.broker = n->broker;
    admin_options.quorum = n->quorum;
    return admin_open(&admin_options, &n->admin, report);
}

static enum err parts_open(struct node *n, const struct node_options *options,
                           struct report *report)
{
    enum err e = data_dirs_find(n, options->data_default, report);

    if (e == E_OK)
        e = loops_open(n);
    if (e == E_OK)
        e = replica_roots_open(n->os, n->data_dirs, n->data_dir_count, &n->roots, report);
    if (e == E_OK) {
        replica_roots_guard(n->roots, n->config, os_wall_ms(n->os));
        e = cluster_open(n, report);
    }
    if (e == E_OK)
        e = doors_open(n, report);
    return e;
}

enum err node_open(const struct node_options *options, struct node **node_out,
                   struct report *report)
{
    struct node *n = mem_alloc_zero(sizeof(*n));
    enum err e;

    if (n == NULL)
        return E_NOMEM;
    n->os = options->os;
    n->config = options->config;
    n->trace = options->trace;
    n->opened_ms = os_mono_ms(n->os);
    n->on_ready = options->on_ready;
    n->ctx = options->ctx;
    e = parts_open(n, options, report);
    if (e != E_OK) {
        if (report->text[0] == '\0')
            report_set(report, "%s", err_text(e));
        node_close(n);
        return e;
    }
    *node_out = n;
    return E_OK;
}

static void loop_thread(void *ctx)
{
    loop_run(ctx);
}

enum err node_start(struct node *n, struct report *report)
{
    enum err e = os_thread_start(n->os, "controller", loop_thread, n->controller_loop,
                                 &n->controller_thread);

    for (int i = 0; e == E_OK && i < n->shard_count; i++) {
        char name[24];

        snprintf(name, sizeof(name), "shard-%d", i);
        e = os_thread_start(n->os, name, loop_thread, n->loops[i], &n->threads[i]);
    }
    if (e != E_OK)
        report_set(report, "start a thread: %s", err_text(e));
    return e;
}

static void on_stopped(void *ctx)
{
    struct node *n = ctx;

    loop_stop(n->controller_loop);
    for (int i = 0; i < n->shard_count; i++)
        loop_stop(n->loops[i]);
}

static void stop_run(struct loop_task *task)
{
    struct node *n = LIST_ENTRY(task, struct node, stop_task);

    trace_event(n->trace, TRACE_INFO, TRACE_MAIN, "stopping", TRACE_NO_FIELDS);
    broker_stop(n->broker, on_stopped, n);
}

void node_stop(struct node *n)
{
    n->stop_task.run = stop_run;
    loop_post(n->loops[0], &n->stop_task);
}

void node_wait(struct node *n)
{
    for (int i = 0; i < n->shard_count; i++) {
        os_thread_join(n->threads[i]);
        n->threads[i] = NULL;
    }
    os_thread_join(n->controller_thread);
    n->controller_thread = NULL;
}

void node_close(struct node *n)
{
    if (n == NULL)
        return;
    os_pool_close(n->cleaner_pool); /* what it runs ends soon, and its owner frees it */
    admin_close(n->admin);
    broker_close(n->broker);
    quorum_close(n->quorum);
    replica_roots_close(n->roots);
    os_pool_close(n->pool);
    for (int i = 0; i < n->shard_count; i++)
        loop_close(n->loops[i]);
    loop_close(n->controller_loop);
    mem_free(n);
}

enum err node_describe(const struct node *n, const char *client, struct buf *out)
{
    struct meta_endpoint first = {.host = slice_of_text("localhost")};
    enum err e;

    if (broker_listener_count(n->broker) > 0)
        broker_listener(n->broker, 0, &first);
    e = buf_printf(out, "DistributedLog is ready: node %d of cluster %s\n",
                   quorum_node_id(n->quorum), quorum_cluster_id(n->quorum));
    if (e == E_OK)
        e = buf_printf(out, "  Kafka clients  %.*s:%u\n", (int)first.host.size,
                       (const char *)first.host.at, first.port);
    if (e == E_OK && admin_port(n->admin) != 0)
        e = buf_printf(out, "  HTTP           http://localhost:%u/metrics and /healthz\n",
                       admin_port(n->admin));
    for (size_t i = 0; e == E_OK && i < n->data_dir_count; i++)
        e = buf_printf(out, "  data           %s\n", n->data_dirs[i]);
    if (e == E_OK)
        e = buf_printf(out,
                       "Try in another terminal:\n"
                       "  echo 'hello log' | %s -b %.*s:%u produce demo\n"
                       "  %s -b %.*s:%u consume demo\n",
                       client, (int)first.host.size, (const char *)first.host.at, first.port,
                       client, (int)first.host.size, (const char *)first.host.at, first.port);
    return e;
}
