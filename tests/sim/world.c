#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "sim_priv.h"

enum { DRAW_BITS = 8, PORT_FIRST = 40000 };

static const uint64_t FNV_START = 0xcbf29ce484222325;
static const uint64_t FNV_PRIME = 0x100000001b3;

struct call {
    struct sim_event event;
    struct list_node entry;
    struct sim_world *world;
    void (*fire)(void *ctx);
    void *ctx;
};

struct sim_world *sim_world_new(uint64_t seed)
{
    struct sim_world *world = sim_alloc(sizeof(*world));

    rng_init(&world->rng, seed);
    heap_init(&world->events);
    list_init(&world->nodes);
    list_init(&world->spare_stacks);
    list_init(&world->calls);
    list_init(&world->cuts);
    list_init(&world->links);
    world->trace_hash = FNV_START;
    world->net = (struct sim_net_faults){.latency_ns_min = 20 * SIM_US,
                                         .latency_ns_max = 500 * SIM_US,
                                         .segment_bytes_max = 16 << 10,
                                         .window_bytes = 256 << 10,
                                         .stall_ns = 200 * SIM_MS,
                                         .lost_after_ns = 20 * SIM_S,
                                         .connect_limit_ns = 3 * SIM_S};
    return world;
}

static void node_free(struct sim_node *node)
{
    sim_disk_close(node);
    list_remove(&node->entry);
    sim_free(node);
}

void sim_world_free(struct sim_world *world)
{
    struct list_node *entry;

    if (world == NULL)
        return;
    for (entry = world->nodes.next; entry != &world->nodes; entry = entry->next)
        sim_node_kill(LIST_ENTRY(entry, struct sim_node, entry));
    sim_net_close(world);
    while ((entry = list_first(&world->nodes)) != NULL)
        node_free(LIST_ENTRY(entry, struct sim_node, entry));
    while ((entry = list_pop_front(&world->calls)) != NULL)
        sim_free(LIST_ENTRY(entry, struct call, entry));
    sim_threads_close(world);
    sim_free(world);
}

int64_t sim_now_ns(const struct sim_world *world)
{
    return world->now_ns;
}

struct rng *sim_rng(struct sim_world *world)
{
    return &world->rng;
}

/* Events. */

void sim_event_at(struct sim_world *world, struct sim_event *event, int64_t at_ns)
{
    int64_t draw = (int64_t)rng_below(&world->rng, 1 << DRAW_BITS);

    heap_remove(&world->events, &event->node);
    if (at_ns < world->now_ns)
        at_ns = world->now_ns;
    heap_insert(&world->events, &event->node, at_ns << DRAW_BITS | draw);
}

void sim_event_stop(struct sim_world *world, struct sim_event *event)
{
    heap_remove(&world->events, &event->node);
}

bool sim_event_is_set(const struct sim_event *event)
{
    return heap_has(&event->node);
}

int64_t sim_event_time(const struct sim_event *event)
{
    return event->node.key >> DRAW_BITS;
}

bool sim_step(struct sim_world *world)
{
    struct heap_node *first = heap_pop(&world->events);
    struct sim_event *event;

    if (first == NULL)
        return false;
    event = LIST_ENTRY(first, struct sim_event, node);
    if (sim_event_time(event) > world->now_ns)
        world->now_ns = sim_event_time(event);
    event->fire(event);
    return true;
}

void sim_run_until(struct sim_world *world, int64_t at_ns)
{
    struct heap_node *first;

    while ((first = heap_peek(&world->events)) != NULL &&
           sim_event_time(LIST_ENTRY(first, struct sim_event, node)) <= at_ns)
        sim_step(world);
    if (world->now_ns < at_ns)
        world->now_ns = at_ns;
}

bool sim_run(struct sim_world *world, bool (*is_done)(void *ctx), void *ctx, int64_t limit_ns)
{
    int64_t end_ns = world->now_ns + limit_ns;

    while (!is_done(ctx)) {
        if (world->now_ns > end_ns || !sim_step(world))
            return false;
    }
    return true;
}

static void call_fire(struct sim_event *event)
{
    struct call *call = LIST_ENTRY(event, struct call, event);

    list_remove(&call->entry);
    call->fire(call->ctx);
    sim_free(call);
}

void sim_after(struct sim_world *world, int64_t delay_ns, void (*fire)(void *ctx), void *ctx)
{
    struct call *call = sim_alloc(sizeof(*call));

    *call = (struct call){.event.fire = call_fire, .world = world, .fire = fire, .ctx = ctx};
    list_push_back(&world->calls, &call->entry);
    sim_event_at(world, &call->event, world->now_ns + delay_ns);
}

/* Trace. */

static void hash_mix(struct sim_world *world, uint64_t word)
{
    for (int i = 0; i < 8; i++) {
        world->trace_hash = (world->trace_hash ^ (word & 0xff)) * FNV_PRIME;
        word >>= 8;
    }
}

void sim_trace(struct sim_world *world, const struct sim_node *node, const char *kind, uint64_t a,
               uint64_t b)
{
    uint64_t name = FNV_START;
    int id = node == NULL ? 0 : node->id;

    for (const char *at = kind; *at != '\0'; at++)
        name = (name ^ (uint8_t)*at) * FNV_PRIME;
    hash_mix(world, (uint64_t)world->now_ns);
    hash_mix(world, name + (uint64_t)id);
    hash_mix(world, a);
    hash_mix(world, b);
    if (world->trace_out != NULL)
        fprintf(world->trace_out, "%15lld %d %-14s %llu %llx\n", (long long)world->now_ns, id, kind,
                (unsigned long long)a, (unsigned long long)b);
}

uint64_t sim_trace_hash(const struct sim_world *world)
{
    return world->trace_hash;
}

void sim_trace_to(struct sim_world *world, FILE *out)
{
    world->trace_out = out;
}

/* Nodes. */

struct sim_node *sim_node_new(struct sim_world *world, const char *host)
{
    struct sim_node *node = sim_alloc(sizeof(*node));
    struct list_node *last = list_last(&world->nodes);

    node->world = world;
    snprintf(node->host, sizeof(node->host), "%s", host);
    node->id = last == NULL ? 1 : LIST_ENTRY(last, struct sim_node, entry)->id + 1;
    node->os.node = node;
    node->next_port = PORT_FIRST;
    sim_mem_init(&node->mem);
    list_init(&node->threads);
    list_init(&node->ends);
    list_init(&node->listeners);
    list_push_back(&world->nodes, &node->entry);
    sim_disk_open(node);
    return node;
}

static void node_main(void *ctx)
{
    struct sim_node *node = ctx;

    node->run(node->ctx, &node->os);
    sim_trace(node->world, node, "exit", node->mem.bytes, 0);
    node->leaked_bytes = node->mem.bytes;
    sim_node_die(node, false);
}

void sim_node_start(struct sim_node *node, void (*run)(void *ctx, struct os *os), void *ctx)
{
    assert(!node->is_up);
    node->is_up = true;
    node->is_dying = false;
    node->lives++;
    node->run = run;
    node->ctx = ctx;
    node->leaked_bytes = 0;
    node->mem.fail_in = 0;
    node->mem.bytes_peak = 0;
    node->paused_until_ns = 0;
    sim_trace(node->world, node, "start", (uint64_t)node->lives, 0);
    sim_thread_new(node, node_main, node);
}

static void end_life(struct sim_node *node, bool is_power_lost)
{
    struct list_node *entry;

    if (!node->is_up)
        return;
    if (node->world->current != NULL && node->world->current->node == node)
        sim_node_die(node, is_power_lost);
    sim_trace(node->world, node, is_power_lost ? "crash" : "end", node->disk.call_count, 0);
    node->is_up = false;
    node->is_dying = false;
    node->disk.crash_at = 0;
    while ((entry = list_first(&node->threads)) != NULL)
        sim_thread_free(LIST_ENTRY(entry, struct sim_thread, node_entry));
    sim_net_end_life(node, is_power_lost);
    sim_disk_end_life(node, is_power_lost);
    sim_mem_reclaim(&node->mem);
}

void sim_node_crash(struct sim_node *node)
{
    end_life(node, true);
}

void sim_node_kill(struct sim_node *node)
{
    end_life(node, false);
}

bool sim_node_is_up(const struct sim_node *node)
{
    return node->is_up;
}

int sim_node_lives(const struct sim_node *node)
{
    return node->lives;
}

void sim_node_pause(struct sim_node *node, int64_t ns)
{
    sim_trace(node->world, node, "pause", (uint64_t)ns, 0);
    node->paused_until_ns = node->world->now_ns + ns;
}

void sim_node_jump_clock(struct sim_node *node, int64_t ms)
{
    sim_trace(node->world, node, "clock", (uint64_t)ms, 0);
    node->wall_offset_ms += ms;
}

size_t sim_node_memory(const struct sim_node *node)
{
    return node->mem.bytes;
}

size_t sim_node_memory_peak(const struct sim_node *node)
{
    return node->mem.bytes_peak;
}

size_t sim_node_leaked(const struct sim_node *node)
{
    return node->leaked_bytes;
}

void sim_node_fail_allocation(struct sim_node *node, uint64_t count)
{
    node->mem.fail_in = count;
}
