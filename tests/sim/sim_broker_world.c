#include "sim_broker_world.h"

#include <stdio.h>
#include <string.h>

#include "client.h"
#include "config/config.h"
#include "main/node.h"
#include "mem/mem.h"
#include "trace/trace.h"

/*
 * A world's days: the broker starts, clients come, and for some seconds everything
 * happens that may. Then all is healed: what was sent must get its answer, the
 * broker is ended once more in some way, and everything is read back from the start.
 */
enum {
    CLIENTS_MAX = 4,
    ROLES_MAX = 3, /* of a client machine, of each kind */
    SETTINGS_MAX = 24,
    SETTING_SIZE = 96,
    MEMORY_MAX = 96 << 20,
    FAULT_KINDS = 10,
    SETTLE_S = 90, /* virtual seconds for what must come true */
    CLOCK_JUMP_MS_MAX = 600000,
    START_CALLS = 250, /* disk calls of a start, roughly */
    RECORDS_MAX = 300,
};

static const char HOST[] = "10.0.0.1";

struct machine {
    struct broker_world *world;
    struct sim_node *node;
    int producer_count;
    int consumer_count;
    bool is_auditor;
    struct producer_client *producers[ROLES_MAX];
    struct consumer_client *consumers[ROLES_MAX];
    int64_t heal_at_ns; /* 0: not cut off */
};

struct broker_world {
    struct sim_world *world;
    struct rng rng; /* for what is drawn beside the world's events */
    bool is_verbose;
    struct check *check;
    struct client_world clients;
    char settings[SETTINGS_MAX][SETTING_SIZE];
    int setting_count;
    struct sim_node *server;
    struct node *running;   /* NULL: not yet, or not any more */
    bool is_stopped;        /* it came to its orderly end */
    bool is_killed;         /* without losing power */
    bool may_fail_to_start; /* a sync may fail in this life */
    bool is_healed;
    int64_t start_at_ns; /* 0: nothing planned */
    int64_t calm_at_ns;  /* the disk is itself again */
    struct machine machines[CLIENTS_MAX + 1];
    int machine_count;
    size_t memory_peak;
};

/* The broker. */

static void trace_write(void *ctx, const char *line, size_t size)
{
    fwrite(line, 1, size, stderr);
}

static int64_t trace_wall_ms(void *ctx)
{
    const struct broker_world *w = ctx;

    return sim_now_ns(w->world) / SIM_MS;
}

static struct config *config_make(struct broker_world *w)
{
    struct config *config = config_new();
    struct report report = {0};

    for (int i = 0; i < w->setting_count; i++) {
        if (config_set_argument(config, slice_of_text(w->settings[i]), &report) != E_OK)
            check_fail(w->check, "setting %s: %s", w->settings[i], report.text);
    }
    if (config_check(config, &report) != E_OK)
        check_fail(w->check, "settings: %s", report.text);
    return config;
}

static void server_main(void *ctx, struct os *os)
{
    struct broker_world *w = ctx;
    struct report report = {0};
    struct config *config = config_make(w);
    struct trace_outside outside = {.write = trace_write, .wall_ms = trace_wall_ms, .ctx = w};
    struct trace *trace = w->is_verbose ? trace_new(outside, TRACE_LOGFMT) : NULL;
    struct node_options options = {
        .os = os, .config = config, .trace = trace, .data_default = "/data"};
    struct node *node = NULL;
    enum err e = node_open(&options, &node, &report);

    if (e == E_OK)
        e = node_start(node, &report);
    if (e == E_OK) {
        w->running = node;
        node_wait(node);
        w->running = NULL;
    } else if (!w->may_fail_to_start) {
        check_fail(w->check, "the broker does not start: %s (%s)", report.text, err_text(e));
    }
    node_close(node);
    trace_free(trace);
    config_free(config);
    w->is_stopped = e == E_OK;
}

static void server_start(struct broker_world *w)
{
    w->running = NULL;
    w->is_stopped = false;
    w->is_killed = false;
    w->start_at_ns = 0;
    w->may_fail_to_start = sim_node_disk(w->server)->sync_fail_ppm > 0;
    check_sync_failed(w->check, 0);
    sim_node_start(w->server, server_main, w);
}

/* However it came: note what its end means. */
static void server_note(struct broker_world *w)
{
    int64_t failed_ns = sim_disk_sync_failed(w->server);

    if (sim_node_memory_peak(w->server) > w->memory_peak)
        w->memory_peak = sim_node_memory_peak(w->server);
    if (w->memory_peak > MEMORY_MAX)
        check_fail(w->check, "the broker took %zu bytes of memory", w->memory_peak);
    if (failed_ns > 0)
        check_sync_failed(w->check, failed_ns);
    if (!sim_node_is_up(w->server) && w->is_stopped && sim_node_leaked(w->server) > 0)
        check_fail(w->check, "%zu bytes leaked by an orderly stop", sim_node_leaked(w->server));
}

static void server_kill(struct broker_world *w)
{
    sim_node_kill(w->server);
    w->is_killed = true;
}

static void server_stop(struct broker_world *w)
{
    if (w->running != NULL)
        node_stop(w->running);
    w->running = NULL;
}

static void server_crash(struct broker_world *w)
{
    sim_node_crash(w->server);
    check_power_lost(w->check);
}

/* Clients. */

static void client_main(void *ctx, struct os *os)
{
    struct machine *m = ctx;
    struct client_world *clients = &m->world->clients;
    struct rng *rng = sim_rng(clients->world);
    struct loop *loop;

    if (loop_open(os, &loop) != E_OK)
        return;
    for (int i = 0; i < m->producer_count; i++) {
        struct producer_options o = {
            .topic = (int)rng_below(rng, (uint64_t)clients->topic_count),
            .is_idempotent = rng_chance(rng, 3, 4),
            .acks = -1,
            .records_max = (int32_t)rng_between(rng, 10, RECORDS_MAX),
        };

        if (!o.is_idempotent)
            o.acks = rng_chance(rng, 1, 2) ? 1 : -1;
        m->producers[i] = producer_client_new(clients, loop, &o);
    }
    for (int i = 0; i < m->consumer_count; i++) {
        int topic = m->is_auditor ? i : (int)rng_below(rng, (uint64_t)clients->topic_count);

        m->consumers[i] = consumer_client_new(clients, loop, topic);
    }
    loop_run(loop);
}

static struct machine *machine_new(struct broker_world *w)
{
    struct machine *m = &w->machines[w->machine_count++];
    char host[SIM_HOST_SIZE];

    snprintf(host, sizeof(host), "10.0.0.%d", 1 + w->machine_count);
    m->world = w;
    m->node = sim_node_new(w->world, host);
    return m;
}

/* Settings and hardware of this world. */

static void set(struct broker_world *w, const char *name, int64_t value)
{
    snprintf(w->settings[w->setting_count++], SETTING_SIZE, "%s=%lld", name, (long long)value);
}

static void set_text(struct broker_world *w, const char *name, const char *value)
{
    snprintf(w->settings[w->setting_count++], SETTING_SIZE, "%s=%s", name, value);
}

/* Returns whether acknowledged means durable. */
static bool settings_draw(struct broker_world *w)
{
    uint64_t policy = rng_below(&w->rng, 8);

    set_text(w, "listeners", "PLAINTEXT://10.0.0.1:9092");
    set_text(w, "http.listeners", "");
    set_text(w, "grpc.listeners", "");
    set_text(w, "trace.level", "debug");
    set(w, "shards", rng_between(&w->rng, 1, 4));
    set(w, "num.partitions", w->clients.partition_count);
    set(w, "log.segment.bytes", (int64_t)32768 << rng_below(&w->rng, 4));
    set(w, "log.index.interval.bytes", (int64_t)256 << rng_below(&w->rng, 5));
    set(w, "log.retention.ms", -1);
    set(w, "disk.ballast.bytes", 65536);
    set(w, "log.roll.ms", rng_chance(&w->rng, 1, 4) ? 2000 : 3600000);
    set_text(w, "log.preallocate", rng_chance(&w->rng, 1, 3) ? "true" : "false");
    if (policy == 0) {
        set_text(w, "log.durability", "interval");
        set(w, "log.flush.interval.messages", rng_between(&w->rng, 1, 50));
        set(w, "log.flush.interval.ms", rng_between(&w->rng, 10, 1000));
    } else if (policy == 1) {
        set_text(w, "log.durability", "os");
    }
    return policy > 1;
}

static void disk_calm(struct broker_world *w)
{
    struct sim_disk_faults *disk = sim_node_disk(w->server);

    disk->sync_ns_min = 20 * SIM_US;
    disk->sync_ns_max = 800 * SIM_US;
    disk->slow_sync_ppm = 0;
    disk->sync_fail_ppm = 0;
    w->calm_at_ns = 0;
}

static void net_draw(struct broker_world *w)
{
    struct sim_net_faults *net = sim_net(w->world);

    net->latency_ns_max = SIM_MS << rng_below(&w->rng, 6);
    net->segment_bytes_max = rng_chance(&w->rng, 1, 3) ? 200 : 16 << 10;
    net->window_bytes = rng_chance(&w->rng, 1, 4) ? 4096 : 256 << 10;
    net->stall_ppm = rng_chance(&w->rng, 1, 2) ? 5000 : 0;
    net->reset_ppm = rng_chance(&w->rng, 1, 3) ? 1000 : 0;
}

static void world_make(struct broker_world *w, uint64_t seed)
{
    int count;
    bool is_durable;

    w->world = sim_world_new(seed);
    rng_init(&w->rng, rng_next(sim_rng(w->world)));
    w->clients.world = w->world;
    snprintf(w->clients.broker.host, sizeof(w->clients.broker.host), "%s", HOST);
    w->clients.broker.port = 9092;
    w->clients.topic_count = 1 + (int)rng_below(&w->rng, CHECK_TOPICS);
    w->clients.partition_count = 1 + (int)rng_below(&w->rng, CHECK_TOPIC_PARTITIONS);
    is_durable = settings_draw(w);
    w->check = check_new(w->world, is_durable);
    w->clients.check = w->check;
    w->server = sim_node_new(w->world, HOST);
    sim_node_disk(w->server)->is_tearing = rng_chance(&w->rng, 1, 2);
    disk_calm(w);
    net_draw(w);
    count = 1 + (int)rng_below(&w->rng, CLIENTS_MAX);
    for (int i = 0; i < count; i++) {
        struct machine *m = machine_new(w);

        m->producer_count = 1 + (int)rng_below(&w->rng, ROLES_MAX - 1);
        m->consumer_count = (int)rng_below(&w->rng, ROLES_MAX);
    }
}

/* Faults. */

static struct machine *machine_draw(struct broker_world *w)
{
    return &w->machines[rng_below(&w->rng, (uint64_t)w->machine_count)];
}

static void fault_power(struct broker_world *w)
{
    if (rng_chance(&w->rng, 1, 3))
        server_crash(w);
    else
        sim_node_crash_after(w->server, 1 + rng_below(&w->rng, 60));
}

static void fault_cut(struct broker_world *w)
{
    struct machine *m = machine_draw(w);
    uint64_t ways = 1 + rng_below(&w->rng, 3);

    if ((ways & 1) != 0)
        sim_net_cut(m->node, w->server);
    if ((ways & 2) != 0)
        sim_net_cut(w->server, m->node);
    m->heal_at_ns = sim_now_ns(w->world) + rng_between(&w->rng, 10 * SIM_MS, 5 * SIM_S);
}

static void fault_disk(struct broker_world *w)
{
    struct sim_disk_faults *disk = sim_node_disk(w->server);

    /* What a failed sync loses is promised by no weak policy. */
    if (check_is_durable(w->check) && rng_chance(&w->rng, 1, 3)) {
        disk->sync_fail_ppm = 200000;
        w->may_fail_to_start = true;
        w->calm_at_ns = sim_now_ns(w->world) + rng_between(&w->rng, SIM_MS, 100 * SIM_MS);
        return;
    }
    disk->sync_ns_max = rng_between(&w->rng, 5 * SIM_MS, 100 * SIM_MS);
    disk->slow_sync_ppm = 50000;
    disk->slow_sync_ns = SIM_S;
    w->calm_at_ns = sim_now_ns(w->world) + rng_between(&w->rng, 100 * SIM_MS, 3 * SIM_S);
}

static void fault_draw(struct broker_world *w)
{
    switch (rng_below(&w->rng, FAULT_KINDS)) {
    case 0:
    case 1:
        fault_power(w);
        break;
    case 2:
        server_kill(w);
        break;
    case 3:
        server_stop(w);
        break;
    case 4:
        sim_node_pause(w->server, rng_between(&w->rng, 10 * SIM_MS, 2 * SIM_S));
        break;
    case 5:
        fault_cut(w);
        break;
    case 6:
        sim_net_reset(machine_draw(w)->node, w->server);
        break;
    case 7:
        fault_disk(w);
        break;
    case 8:
        sim_node_jump_clock(w->server, rng_between(&w->rng, -CLOCK_JUMP_MS_MAX, CLOCK_JUMP_MS_MAX));
        break;
    default:
        break; /* quiet */
    }
}

/* What time brings: ends of faults, and the next life. */
static void time_passes(struct broker_world *w)
{
    int64_t now_ns = sim_now_ns(w->world);

    server_note(w);
    for (int i = 0; i < w->machine_count; i++) {
        struct machine *m = &w->machines[i];

        if (m->heal_at_ns == 0 || m->heal_at_ns > now_ns)
            continue;
        sim_net_heal(m->node, w->server);
        sim_net_heal(w->server, m->node);
        m->heal_at_ns = 0;
    }
    if (w->calm_at_ns > 0 && w->calm_at_ns <= now_ns)
        disk_calm(w);
    if (sim_node_is_up(w->server)) {
        /* A disk that failed is not used for ever. */
        if (sim_disk_sync_failed(w->server) > 0 && rng_chance(&w->rng, 1, 10))
            server_kill(w);
        return;
    }
    if (w->start_at_ns == 0) {
        if (!w->is_stopped && !w->is_killed)
            check_power_lost(w->check); /* it may have been that */
        w->start_at_ns = now_ns + rng_between(&w->rng, SIM_MS, 500 * SIM_MS);
    } else if (w->start_at_ns <= now_ns) {
        server_start(w);
        if (rng_chance(&w->rng, 1, 3))
            sim_node_crash_after(w->server, 1 + rng_below(&w->rng, START_CALLS));
    }
}

/* Phases. */

static void chaos(struct broker_world *w)
{
    int64_t end_ns = sim_now_ns(w->world) + rng_between(&w->rng, SIM_S, 8 * SIM_S);
    int64_t gap_ns_max = rng_between(&w->rng, 20 * SIM_MS, 500 * SIM_MS);

    while (sim_now_ns(w->world) < end_ns && !check_has_failed(w->check)) {
        sim_run_until(w->world, sim_now_ns(w->world) + rng_between(&w->rng, SIM_MS, gap_ns_max));
        time_passes(w);
        if (sim_node_is_up(w->server) && rng_chance(&w->rng, 1, 2))
            fault_draw(w);
    }
}

static void heal(struct broker_world *w)
{
    struct sim_net_faults *net = sim_net(w->world);

    sim_node_crash_after(w->server, 0);
    sim_net_heal_all(w->world);
    net->latency_ns_max = SIM_MS; /* so that no answer needs longer than a client waits */
    net->segment_bytes_max = 16 << 10;
    net->window_bytes = 256 << 10;
    net->stall_ppm = 0;
    net->reset_ppm = 0;
    disk_calm(w);
    server_note(w);
    if (sim_node_is_up(w->server) && sim_disk_sync_failed(w->server) > 0)
        server_crash(w);
    if (!sim_node_is_up(w->server)) {
        if (!w->is_stopped && !w->is_killed)
            check_power_lost(w->check);
        server_start(w);
    }
    w->may_fail_to_start = false;
    w->clients.is_ending = true;
}

/* Everyone has had what they ask for. */
static bool is_settled(void *ctx)
{
    const struct broker_world *w = ctx;

    if (check_has_failed(w->check))
        return true;
    for (int i = 0; i < w->machine_count; i++) {
        const struct machine *m = &w->machines[i];

        for (int k = 0; k < m->producer_count; k++) {
            if (m->producers[k] == NULL || !producer_client_is_idle(m->producers[k]))
                return false;
        }
        for (int k = 0; k < m->consumer_count; k++) {
            if (m->consumers[k] == NULL || !consumer_client_is_at_end(m->consumers[k]))
                return false;
        }
    }
    return true;
}

static bool is_down(void *ctx)
{
    return !sim_node_is_up(((struct broker_world *)ctx)->server);
}

/* Steps are a few microseconds of virtual time: look at the clients now and then only. */
static void settle(struct broker_world *w, const char *what)
{
    int64_t end_ns = sim_now_ns(w->world) + SETTLE_S * SIM_S;

    while (!is_settled(w)) {
        if (sim_now_ns(w->world) > end_ns) {
            check_fail(w->check, "%s: not everything acknowledged or read after %d s", what,
                       SETTLE_S);
            return;
        }
        sim_run_until(w->world, sim_now_ns(w->world) + 20 * SIM_MS);
        if (!sim_node_is_up(w->server) && !w->is_stopped) {
            check_fail(w->check, "%s: the broker has ended", what);
            return;
        }
        if (!sim_node_is_up(w->server)) /* a stop asked for earlier */
            server_start(w);
    }
}

static void last_life(struct broker_world *w)
{
    switch (rng_below(&w->rng, 4)) {
    case 0:
        if (w->running == NULL)
            return;
        server_stop(w);
        if (!sim_run(w->world, is_down, w, 15 * SIM_S))
            check_fail(w->check, "an orderly stop takes too long");
        server_note(w);
        break;
    case 1:
        server_kill(w);
        break;
    case 2:
        server_crash(w);
        break;
    default:
        return;
    }
    if (!check_has_failed(w->check))
        server_start(w);
}

/* A machine that knows nothing yet reads all topics. */
static void audit(struct broker_world *w)
{
    struct machine *m = machine_new(w);

    m->is_auditor = true;
    m->consumer_count = w->clients.topic_count;
    sim_node_start(m->node, client_main, m);
    settle(w, "audit");
}

static void run(struct broker_world *w, struct broker_result *result)
{
    server_start(w);
    for (int i = 0; i < w->machine_count; i++)
        sim_node_start(w->machines[i].node, client_main, &w->machines[i]);
    chaos(w);
    if (!check_has_failed(w->check)) {
        heal(w);
        settle(w, "heal");
    }
    if (!check_has_failed(w->check))
        last_life(w);
    if (!check_has_failed(w->check))
        audit(w);
    server_note(w);
    if (!check_has_failed(w->check))
        result->record_count = check_order(w->check);
}

void broker_world_run(const struct broker_run_options *options, struct broker_result *result_out)
{
    struct broker_world *w = sim_alloc(sizeof(*w));

    *result_out = (struct broker_result){0};
    world_make(w, options->seed);
    w->is_verbose = options->is_verbose;
    for (int i = 0; w->is_verbose && i < w->setting_count; i++)
        fprintf(stderr, "%s\n", w->settings[i]);
    if (options->shows_trace)
        sim_trace_to(w->world, stdout);
    run(w, result_out);
    snprintf(result_out->text, sizeof(result_out->text), "%s", check_text(w->check));
    result_out->trace_hash = sim_trace_hash(w->world);
    result_out->virtual_ns = sim_now_ns(w->world);
    result_out->lives = sim_node_lives(w->server);
    result_out->memory_peak = w->memory_peak;
    sim_world_free(w->world);
    check_free(w->check);
    sim_free(w);
}
