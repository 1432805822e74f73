#pragma once

#include "net/loop.h"

struct broker_shard;

/*
 * Call: run a piece of a request on the shard that owns the partition, then come
 * back. Within one shard it is two function calls and no hop.
 *
 *     call->run  = read_here;    on `to`; ends with call_return(call), at once or later
 *     call->done = go_on;        on the shard that called
 *     call_start(call, from, to);
 *
 * Owned by the caller, valid until done(). Calls from one shard to another run
 * in the order they were started, and so do their returns: a producer's batches
 * keep their order.
 */
struct call {
    struct loop_task task;
    struct broker_shard *from;
    struct broker_shard *to;
    void (*run)(struct call *call);
    void (*done)(struct call *call);
};

void call_start(struct call *call, struct broker_shard *from, struct broker_shard *to);
void call_return(struct call *call);
