#include "broker/handle/parts_priv.h"

#include "broker/request_priv.h"
#include "broker/shard_priv.h"

static void on_owner(struct call *call)
{
    struct part_call *part = LIST_ENTRY(call, struct part_call, call);
    struct partition *p = NULL;
    enum err e = shard_partition(call->to, part->topic_id, part->index, &p);

    part->run(part, e == E_OK ? p : NULL, shard_partition_error(call->to, part->topic_id, e));
    call_return(call);
}

static void put_back(struct parts *all)
{
    if (--all->pending == 0)
        all->answer(all);
}

static void on_back(struct call *call)
{
    put_back(LIST_ENTRY(call, struct part_call, call)->all);
}

void parts_begin(struct parts *all, struct request *req, void (*answer)(struct parts *all))
{
    all->req = req;
    all->answer = answer;
    all->pending = 1; /* ours, so that nothing ends under us */
}

void parts_add(struct parts *all, const struct meta_topic *topic, int32_t index,
               struct part_call *part)
{
    struct broker_shard *home = all->req->shard;

    part->all = all;
    part->topic_id = topic->id;
    part->index = index;
    part->call.run = on_owner;
    part->call.done = on_back;
    all->pending++;
    call_start(&part->call, home, shard_of(home, topic->id, index));
}

void parts_end(struct parts *all)
{
    put_back(all);
}

void parts_no_memory(struct parts *all)
{
    request_drop_no_memory(all->req);
}
