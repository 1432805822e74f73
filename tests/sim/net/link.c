#include "net/link.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "net/loop_priv.h"

enum { MILLION = 1000000, RETRY_NS_MIN = 10000000, RETRY_NS_MAX = 200000000, TINY_CHANCE = 16 };

enum segment_kind { SEGMENT_DATA, SEGMENT_END, SEGMENT_RESET, SEGMENT_UP };

struct segment {
    struct list_node entry;
    enum segment_kind kind;
    int64_t at_ns;
    size_t size;
    uint8_t bytes[];
};

struct cut {
    struct list_node entry;
    struct sim_node *from;
    struct sim_node *to;
};

static struct sim_end *peer_of(struct sim_end *end)
{
    return &end->link->ends[end == &end->link->ends[0] ? 1 : 0];
}

static struct rng *rng_of(const struct sim_end *end)
{
    return &end->link->world->rng;
}

/* Cuts. */

static struct cut *cut_find(struct sim_world *world, const struct sim_node *from,
                            const struct sim_node *to)
{
    for (struct list_node *n = world->cuts.next; n != &world->cuts; n = n->next) {
        struct cut *cut = LIST_ENTRY(n, struct cut, entry);

        if (cut->from == from && cut->to == to)
            return cut;
    }
    return NULL;
}

void sim_net_cut(struct sim_node *from, struct sim_node *to)
{
    struct cut *cut;

    if (cut_find(from->world, from, to) != NULL)
        return;
    sim_trace(from->world, from, "cut", (uint64_t)to->id, 0);
    cut = sim_alloc(sizeof(*cut));
    cut->from = from;
    cut->to = to;
    list_push_back(&from->world->cuts, &cut->entry);
}

void sim_net_heal(struct sim_node *from, struct sim_node *to)
{
    struct cut *cut = cut_find(from->world, from, to);

    if (cut == NULL)
        return;
    sim_trace(from->world, from, "heal", (uint64_t)to->id, 0);
    list_remove(&cut->entry);
    sim_free(cut);
}

void sim_net_heal_all(struct sim_world *world)
{
    struct list_node *n;

    while ((n = list_first(&world->cuts)) != NULL) {
        struct cut *cut = LIST_ENTRY(n, struct cut, entry);

        sim_net_heal(cut->from, cut->to);
    }
}

struct sim_net_faults *sim_net(struct sim_world *world)
{
    return &world->net;
}

/* Life. */

static void drop_flying(struct sim_end *end)
{
    struct list_node *n;

    while ((n = list_pop_front(&end->flying)) != NULL)
        sim_free(LIST_ENTRY(n, struct segment, entry));
    end->flying_bytes = 0;
    end->stuck_since_ns = -1;
    sim_event_stop(end->link->world, &end->arrival);
}

static void link_free(struct sim_link *link)
{
    for (int i = 0; i < 2; i++) {
        struct sim_end *end = &link->ends[i];

        drop_flying(end);
        sim_event_stop(link->world, &end->room);
        list_remove(&end->node_entry);
        list_remove(&end->pending);
        sim_free(end->received);
    }
    sim_event_stop(link->world, &link->connect);
    list_remove(&link->entry);
    sim_free(link);
}

static void wake(struct sim_end *end)
{
    if (end->conn != NULL)
        sim_loop_wake(conn_loop(end->conn));
}

static void fail(struct sim_end *end, enum err why)
{
    if (end->is_gone || end->failed != E_OK)
        return;
    sim_trace(end->link->world, end->node, "conn fails", (uint64_t)why, 0);
    end->failed = why;
    wake(end);
}

/* Arrivals. */

static int64_t latency(struct sim_end *end)
{
    const struct sim_net_faults *net = &end->link->world->net;
    int64_t ns = rng_between(rng_of(end), net->latency_ns_min, net->latency_ns_max);

    if (net->stall_ppm > 0 && rng_chance(rng_of(end), net->stall_ppm, MILLION))
        ns += (int64_t)rng_below(rng_of(end), (uint64_t)net->stall_ns + 1);
    return ns;
}

/* Let a segment fly towards `end`, to arrive after those before it. */
static void launch(struct sim_end *end, enum segment_kind kind, const void *bytes, size_t size,
                   int64_t delay_ns)
{
    struct sim_world *world = end->link->world;
    struct segment *segment;
    int64_t spent_ns = world->current == NULL ? 0 : world->current->spent_ns;

    if (end->is_gone)
        return;
    segment = sim_alloc(sizeof(*segment) + size);
    segment->kind = kind;
    segment->size = size;
    segment->at_ns = world->now_ns + spent_ns + delay_ns;
    if (segment->at_ns < end->last_arrival_ns)
        segment->at_ns = end->last_arrival_ns;
    end->last_arrival_ns = segment->at_ns;
    if (size > 0)
        memcpy(segment->bytes, bytes, size);
    end->flying_bytes += size;
    list_push_back(&end->flying, &segment->entry);
    if (!sim_event_is_set(&end->arrival))
        sim_event_at(world, &end->arrival, segment->at_ns);
}

static void land(struct sim_end *end, struct segment *segment)
{
    sim_trace(end->link->world, end->node, "arrive", (uint64_t)segment->kind << 32 | segment->size,
              segment->size > 0 ? hash_bytes(slice_of(segment->bytes, segment->size), 0) : 0);
    switch (segment->kind) {
    case SEGMENT_DATA:
        if (end->received_size + segment->size > end->received_capacity) {
            end->received_capacity = (end->received_size + segment->size) * 2;
            end->received = sim_realloc(end->received, end->received_capacity);
        }
        memcpy(end->received + end->received_size, segment->bytes, segment->size);
        end->received_size += segment->size;
        break;
    case SEGMENT_END:
        end->is_ended = true;
        break;
    case SEGMENT_RESET:
        fail(end, E_CLOSED);
        break;
    case SEGMENT_UP:
        end->is_up = true;
        break;
    }
    wake(end);
}

/* The way to `end` is cut: try again later, or give up. */
static void wait_for_heal(struct sim_end *end)
{
    struct sim_world *world = end->link->world;

    if (end->stuck_since_ns < 0)
        end->stuck_since_ns = world->now_ns;
    if (world->now_ns - end->stuck_since_ns > world->net.lost_after_ns && !peer_of(end)->is_gone) {
        int64_t since_ns = end->stuck_since_ns;

        fail(peer_of(end), E_TIMEOUT);
        drop_flying(end);
        launch(end, SEGMENT_RESET, NULL, 0, 0);
        end->stuck_since_ns = since_ns;
    }
    sim_event_at(world, &end->arrival,
                 world->now_ns + rng_between(&world->rng, RETRY_NS_MIN, RETRY_NS_MAX));
}

static void on_arrival(struct sim_event *event)
{
    struct sim_end *end = LIST_ENTRY(event, struct sim_end, arrival);
    struct sim_world *world = end->link->world;
    struct segment *segment;

    if (cut_find(world, peer_of(end)->node, end->node) != NULL) {
        wait_for_heal(end);
        return;
    }
    end->stuck_since_ns = -1;
    assert(!list_is_empty(&end->flying));
    segment = LIST_ENTRY(list_pop_front(&end->flying), struct segment, entry);
    end->flying_bytes -= segment->size;
    if (!list_is_empty(&end->flying))
        sim_event_at(world, event,
                     LIST_ENTRY(list_first(&end->flying), struct segment, entry)->at_ns);
    land(end, segment);
    sim_free(segment);
}

static void on_room(struct sim_event *event)
{
    wake(LIST_ENTRY(event, struct sim_end, room));
}

/* Ends. */

size_t sim_end_room(const struct sim_end *end)
{
    const struct sim_end *peer = &end->link->ends[end == &end->link->ends[0] ? 1 : 0];
    size_t window = end->link->world->net.window_bytes;
    size_t used = peer->flying_bytes + peer->received_size;

    if (!end->is_up)
        return 0;
    return used < window ? window - used : 0;
}

void sim_end_send(struct sim_end *end, const void *bytes, size_t size)
{
    const struct sim_net_faults *net = &end->link->world->net;
    const uint8_t *at = bytes;

    while (size > 0) {
        size_t max = net->segment_bytes_max < size ? net->segment_bytes_max : size;
        size_t part = max;

        if (rng_chance(rng_of(end), 1, TINY_CHANCE))
            part = 1;
        else if (rng_chance(rng_of(end), 1, 2))
            part = 1 + (size_t)rng_below(rng_of(end), max);
        if (net->reset_ppm > 0 && rng_chance(rng_of(end), net->reset_ppm, MILLION)) {
            launch(peer_of(end), SEGMENT_RESET, NULL, 0, latency(end));
            fail(end, E_CLOSED);
            return;
        }
        launch(peer_of(end), SEGMENT_DATA, at, part, latency(end));
        at += part;
        size -= part;
    }
}

size_t sim_end_read(struct sim_end *end, void *bytes_out, size_t size)
{
    struct sim_end *peer = peer_of(end);

    size = size < end->received_size ? size : end->received_size;
    if (size == 0)
        return 0;
    memcpy(bytes_out, end->received, size);
    end->received_size -= size;
    memmove(end->received, end->received + size, end->received_size);
    if (!peer->is_gone && !sim_event_is_set(&peer->room))
        sim_event_at(end->link->world, &peer->room, end->link->world->now_ns + latency(end));
    return size;
}

void sim_end_close(struct sim_end *end)
{
    struct sim_end *peer = peer_of(end);
    bool is_reset = end->received_size > 0 || end->flying_bytes > 0;

    if (end->failed == E_OK)
        launch(peer, is_reset ? SEGMENT_RESET : SEGMENT_END, NULL, 0, latency(end));
    end->is_gone = true;
    end->conn = NULL;
    drop_flying(end);
    list_remove(&end->node_entry);
    list_remove(&end->pending);
    if (peer->is_gone)
        link_free(end->link);
}

void sim_end_peer(const struct sim_end *end, char *text_out, size_t size)
{
    const struct sim_link *link = end->link;

    if (end == &link->ends[0])
        snprintf(text_out, size, "%s:%u", link->to.host, link->to.port);
    else
        snprintf(text_out, size, "%s:%u", link->ends[0].node->host, link->ends[0].port);
}

void sim_net_reset(struct sim_node *a, struct sim_node *b)
{
    for (struct list_node *n = a->ends.next; n != &a->ends; n = n->next) {
        struct sim_end *end = LIST_ENTRY(n, struct sim_end, node_entry);

        if (peer_of(end)->node == b) {
            fail(end, E_CLOSED);
            fail(peer_of(end), E_CLOSED);
        }
    }
}

/* Connecting. */

static struct sim_node *node_at(struct sim_node *from, const char *host)
{
    if (strcmp(host, "localhost") == 0 || strcmp(host, "127.0.0.1") == 0 ||
        strcmp(host, "::1") == 0)
        return from;
    for (struct list_node *n = from->world->nodes.next; n != &from->world->nodes; n = n->next) {
        struct sim_node *node = LIST_ENTRY(n, struct sim_node, entry);

        if (strcmp(node->host, host) == 0)
            return node;
    }
    return NULL;
}

static void accept(struct sim_link *link, struct sim_node *node, struct listener *listener)
{
    struct sim_end *end = &link->ends[1];

    end->node = node;
    end->is_gone = false;
    end->is_up = true;
    list_push_back(&node->ends, &end->node_entry);
    sim_trace(link->world, node, "accept", link->ends[0].port, link->to.port);
    launch(&link->ends[0], SEGMENT_UP, NULL, 0, latency(end));
    sim_listener_offer(listener, end);
}

static void on_connect(struct sim_event *event)
{
    struct sim_link *link = LIST_ENTRY(event, struct sim_link, connect);
    struct sim_world *world = link->world;
    struct sim_end *from = &link->ends[0];
    struct sim_node *node = node_at(from->node, link->to.host);
    bool is_silent = node == NULL || (!node->is_up && node->is_power_lost) ||
                     cut_find(world, from->node, node) != NULL ||
                     cut_find(world, node, from->node) != NULL;
    struct listener *listener;

    if (is_silent) {
        if (world->now_ns >= link->give_up_ns)
            fail(from, E_TIMEOUT);
        else
            sim_event_at(world, event,
                         world->now_ns + rng_between(&world->rng, RETRY_NS_MIN, RETRY_NS_MAX));
        return;
    }
    listener = node->is_up ? sim_listener_find(node, link->to.host, link->to.port) : NULL;
    if (listener == NULL)
        launch(from, SEGMENT_RESET, NULL, 0, latency(from));
    else
        accept(link, node, listener);
}

static void end_init(struct sim_link *link, int side)
{
    struct sim_end *end = &link->ends[side];

    end->link = link;
    end->is_gone = true;
    end->stuck_since_ns = -1;
    end->arrival.fire = on_arrival;
    end->room.fire = on_room;
    list_init(&end->flying);
    list_init(&end->node_entry);
    list_init(&end->pending);
}

struct sim_end *sim_link_connect(struct sim_node *node, const struct net_endpoint *to)
{
    struct sim_link *link = sim_alloc(sizeof(*link));
    struct sim_end *end = &link->ends[0];
    struct sim_world *world = node->world;

    link->world = world;
    link->to = *to;
    link->connect.fire = on_connect;
    link->give_up_ns = world->now_ns + world->net.connect_limit_ns;
    end_init(link, 0);
    end_init(link, 1);
    end->node = node;
    end->port = node->next_port++;
    end->is_gone = false;
    list_push_back(&node->ends, &end->node_entry);
    list_push_back(&world->links, &link->entry);
    sim_trace(world, node, "connect", end->port, to->port);
    sim_event_at(world, &link->connect, world->now_ns + latency(end));
    return end;
}

/*
 * The end of a process resets its connections; a machine without power says
 * nothing, and its peers learn of it when it answers again or they lose patience.
 */
void sim_net_end_life(struct sim_node *node, bool is_power_lost)
{
    struct list_node *n;

    while ((n = list_first(&node->ends)) != NULL) {
        struct sim_end *end = LIST_ENTRY(n, struct sim_end, node_entry);
        struct sim_end *peer = peer_of(end);

        if (is_power_lost && !peer->is_gone && end->failed == E_OK) {
            launch(peer, SEGMENT_RESET, NULL, 0,
                   rng_between(&node->world->rng, 10 * SIM_MS, 3 * SIM_S));
            end->failed = E_CLOSED; /* and nothing more is said */
        }
        sim_end_close(end);
    }
    list_init(&node->listeners);
}

void sim_net_close(struct sim_world *world)
{
    struct list_node *n;

    while ((n = list_first(&world->links)) != NULL)
        link_free(LIST_ENTRY(n, struct sim_link, entry));
    sim_net_heal_all(world);
}
