#include "broker/handle/coordinated_priv.h"

#include <string.h>

#include "broker/request_priv.h"
#include "broker/session_priv.h"
#include "broker/shard_priv.h"
#include "net/conn.h"

/* ---- there and back ---- */

static void on_back(struct call *call)
{
    struct coordinated *c = LIST_ENTRY(call, struct coordinated, call);

    if (--c->out == 0)
        c->back(c);
}

/* On the owner: the coordinator has ended it. */
static void on_done(struct coord_call *coord)
{
    struct coordinated *c = LIST_ENTRY(coord, struct coordinated, coord);

    c->is_over = true;
    if (c->taken != NULL)
        c->taken(c);
    call_return(&c->call);
}

static void on_owner(struct call *call)
{
    struct coordinated *c = LIST_ENTRY(call, struct coordinated, call);

    if (call->to->coord == NULL) { /* it has stopped */
        c->coord.error = WIRE_ERROR_NOT_COORDINATOR;
        c->coord.reply = NULL;
        on_done(&c->coord);
        return;
    }
    coord_call(call->to->coord, &c->coord);
}

/* "/127.0.0.1", as Kafka shows a client's host. */
static struct slice host_of(struct request *req)
{
    const char *peer = req->session == NULL ? "" : conn_peer(req->session->conn);
    const char *colon = strrchr(peer, ':');
    size_t size = colon == NULL ? strlen(peer) : (size_t)(colon - peer);
    uint8_t *host = arena_alloc(&req->arena, size + 1);

    if (host == NULL)
        return slice_of("", 0);
    host[0] = '/';
    memcpy(host + 1, peer, size);
    return slice_of(host, size + 1);
}

void coordinate(struct coordinated *c, struct slice group_id)
{
    struct broker_shard *home = c->req->shard;
    const struct meta_topic *topic =
        meta_image_topic(home->image, slice_of_text(COORD_OFFSETS_TOPIC));

    c->is_over = false;
    c->out = 1;
    c->coord.reply = NULL;
    c->coord.version = request_version(c->req);
    c->coord.client_id = c->req->header.client_id;
    c->coord.client_host = host_of(c->req);
    c->coord.done = on_done;
    c->call.run = on_owner;
    c->call.done = on_back;
    if (topic == NULL || topic->partition_count == 0) {
        c->out = 0;
        c->coord.error = WIRE_ERROR_COORDINATOR_NOT_AVAILABLE;
        if (c->taken != NULL)
            c->taken(c);
        c->back(c);
        return;
    }
    c->coord.partition = coord_partition_of(group_id, topic->partition_count);
    call_start(&c->call, home, shard_of(home, topic->id, c->coord.partition));
}

static void on_recalled(struct call *call)
{
    struct coordinated *c = LIST_ENTRY(call, struct coordinated, recall);

    if (--c->out == 0)
        c->back(c);
}

static void on_recall(struct call *call)
{
    struct coordinated *c = LIST_ENTRY(call, struct coordinated, recall);

    if (!c->is_over && call->to->coord != NULL)
        coord_cancel(call->to->coord, &c->coord);
    call_return(call);
}

void coordinated_hurry(struct coordinated *c)
{
    if (c->out != 1 || c->recall.run != NULL)
        return;
    c->out++;
    c->recall.run = on_recall;
    c->recall.done = on_recalled;
    call_start(&c->recall, c->req->shard, c->call.to);
}

/* ---- one group, one reply ---- */

static void single_taken(struct coordinated *c)
{
    struct coordinated_single *s = LIST_ENTRY(c, struct coordinated_single, c);

    s->writer = request_answer_begin(c->req);
    s->encode(c->req, &s->writer, &c->coord);
}

static void single_back(struct coordinated *c)
{
    struct coordinated_single *s = LIST_ENTRY(c, struct coordinated_single, c);

    request_answer_finish(c->req, &s->writer);
}

static void single_hurry(struct request *req)
{
    struct coordinated_single *s = req->work;

    coordinated_hurry(&s->c);
}

struct coordinated_single *coordinated_single_new(struct request *req)
{
    struct coordinated_single *s = arena_alloc(&req->arena, sizeof(*s));

    if (s == NULL) {
        request_drop_no_memory(req);
        return NULL;
    }
    s->c.req = req;
    s->c.taken = single_taken;
    s->c.back = single_back;
    return s;
}

void coordinated_single_start(struct coordinated_single *s, struct slice group_id)
{
    s->c.req->work = s;
    s->c.req->hurry = single_hurry;
    coordinate(&s->c, group_id);
}

void coordinated_single_refuse(struct coordinated_single *s, enum wire_error error)
{
    s->c.coord.error = error;
    s->c.coord.reply = NULL;
    single_taken(&s->c);
    single_back(&s->c);
}

/* ---- several groups ---- */

enum { ITEM_ARENA_MAX = 64 * 1024 * 1024 };

static void many_finish(struct coordinated_many *many)
{
    struct request *req = many->req;

    many->writer = request_answer_begin(req);
    many->finish(many);
    for (int32_t i = 0; i < many->count; i++)
        arena_release(&many->items[i].arena);
    request_answer_finish(req, &many->writer);
}

static void item_taken(struct coordinated *c)
{
    struct coordinated_item *item = LIST_ENTRY(c, struct coordinated_item, c);

    item->error = c->coord.error;
    if (item->error == WIRE_ERROR_NONE && c->coord.reply != NULL)
        item->error = c->coord.reply->error;
}

static void item_back(struct coordinated *c)
{
    struct coordinated_many *many = LIST_ENTRY(c, struct coordinated_item, c)->many;

    if (--many->pending == 0)
        many_finish(many);
}

static void many_hurry(struct request *req)
{
    struct coordinated_many *many = req->work;

    many->pending++; /* ours, so that nothing ends under us */
    for (int32_t i = 0; i < many->count; i++)
        coordinated_hurry(&many->items[i].c);
    if (--many->pending == 0)
        many_finish(many);
}

struct coordinated_many *coordinated_many_new(struct request *req, int32_t count)
{
    struct coordinated_many *many = arena_alloc(&req->arena, sizeof(*many));

    if (count < 0)
        count = 0;
    if (many != NULL)
        many->items = arena_alloc_array(&req->arena, (size_t)count + 1, sizeof(*many->items));
    if (many == NULL || many->items == NULL) {
        request_drop_no_memory(req);
        return NULL;
    }
    many->req = req;
    many->count = count;
    for (int32_t i = 0; i < count; i++) {
        struct coordinated_item *item = &many->items[i];

        arena_init(&item->arena, ITEM_ARENA_MAX);
        item->many = many;
        item->c.req = req;
        item->c.taken = item_taken;
        item->c.back = item_back;
        item->c.coord.arena = &item->arena;
    }
    return many;
}

void coordinated_many_start(struct coordinated_many *many)
{
    many->req->work = many;
    many->req->hurry = many_hurry;
    many->pending = 1; /* ours, so that nothing ends under us */
    for (int32_t i = 0; i < many->count; i++) {
        if (many->items[i].error != WIRE_ERROR_NONE)
            continue;
        many->pending++;
        coordinate(&many->items[i].c, many->items[i].group_id);
    }
    if (--many->pending == 0)
        many_finish(many);
}
