#include "broker/call_priv.h"

#include "base/list.h"
#include "broker/shard_priv.h"

static void task_run(struct loop_task *task)
{
    struct call *call = LIST_ENTRY(task, struct call, task);

    call->run(call);
}

static void task_done(struct loop_task *task)
{
    struct call *call = LIST_ENTRY(task, struct call, task);

    call->done(call);
}

void call_start(struct call *call, struct broker_shard *from, struct broker_shard *to)
{
    call->from = from;
    call->to = to;
    if (from == to) {
        call->run(call);
        return;
    }
    call->task.run = task_run;
    loop_post(to->loop, &call->task);
}

void call_return(struct call *call)
{
    if (call->from == call->to) {
        call->done(call);
        return;
    }
    call->task.run = task_done;
    loop_post(call->from->loop, &call->task);
}
