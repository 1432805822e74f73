#include <assert.h>

#include "base/mem.h"
#include "quorum/quorum_priv.h"
#include "trace/trace.h"

/*
 * An observer first catches up: it gets a chunk read from the log, says that it
 * has seen it, gets the next. When nothing is left it goes live: every commit
 * is posted to it as it happens.
 *
 *     observe -> [chunk -> seen]* -> live -> commits ... -> leave -> gone
 *
 * Chunks and commits reach it in order because tasks of one thread do.
 */
struct broadcast {
    _Atomic int32_t refs;
    struct meta_records records;
    int64_t end_offset;
};

struct delivery {
    struct loop_task task;
    struct quorum_observer *observer;
    struct broadcast *broadcast; /* NULL: a message only */
    enum { SEEN_WANTED = 1, CAUGHT_UP = 2, GONE = 4 } flags;
};

static void feed(struct quorum_observer *observer);

/* Takes what is in `records`. */
static struct broadcast *broadcast_new(struct meta_records *records, int64_t end_offset)
{
    struct broadcast *b = mem_must_alloc(sizeof(*b));

    atomic_init(&b->refs, 1);
    b->records = *records;
    b->end_offset = end_offset;
    meta_records_init(records);
    return b;
}

static void broadcast_unref(struct broadcast *b)
{
    if (b == NULL || atomic_fetch_sub(&b->refs, 1) > 1)
        return;
    meta_records_release(&b->records);
    mem_free(b);
}

/* On the controller's loop: the observer has seen its chunk. */
static void on_seen(struct loop_task *task)
{
    feed(LIST_ENTRY(task, struct quorum_observer, task));
}

/* On the observer's loop. */
static void on_delivery(struct loop_task *task)
{
    struct delivery *d = LIST_ENTRY(task, struct delivery, task);
    struct quorum_observer *o = d->observer;
    bool is_gone = d->flags == GONE;

    if (d->broadcast != NULL && !o->is_leaving) {
        struct quorum_batch batch = {
            .records = &d->broadcast->records,
            .last_offset = d->broadcast->end_offset - 1,
        };

        o->on_records(o->ctx, &batch);
    }
    /* on_records may have left: then nothing of it may travel to the controller any more. */
    if (d->flags == SEEN_WANTED && !o->is_leaving)
        loop_post(o->quorum->loop, &o->task);
    if (d->flags == CAUGHT_UP && !o->is_leaving)
        o->on_caught_up(o->ctx);
    broadcast_unref(d->broadcast);
    mem_free(d);
    if (is_gone)
        o->on_gone(o->ctx);
}

/* Takes a reference of `b`. */
static void deliver(struct quorum_observer *observer, struct broadcast *b, int flags)
{
    struct delivery *d = mem_must_alloc(sizeof(*d));

    d->task.run = on_delivery;
    d->observer = observer;
    d->broadcast = b;
    d->flags = (unsigned)flags;
    loop_post(observer->loop, &d->task);
}

static void tell_caught_up(struct quorum_observer *o)
{
    if (o->is_caught_up || !o->is_live || o->quorum->committed_offset < o->quorum->ready_offset)
        return;
    o->is_caught_up = true;
    deliver(o, NULL, CAUGHT_UP);
}

static void feed(struct quorum_observer *o)
{
    struct quorum *q = o->quorum;
    struct meta_records records;
    enum err e;

    o->is_live = o->next_offset >= q->committed_offset;
    tell_caught_up(o);
    if (o->is_live)
        return;
    meta_records_init(&records);
    e = quorum_read(q, o->next_offset, q->committed_offset, &records, &o->next_offset);
    if (e == E_OK)
        deliver(o, broadcast_new(&records, o->next_offset), SEEN_WANTED);
    else
        trace_event(q->trace, TRACE_ERROR, TRACE_QUORUM, "observer_stuck",
                    TRACE_FIELDS(trace_offset(o->next_offset), trace_error(e)));
    meta_records_release(&records);
}

void quorum_publish(struct quorum *quorum, struct meta_records *records, int64_t end_offset)
{
    struct broadcast *b = broadcast_new(records, end_offset);

    quorum->committed_offset = end_offset;
    for (struct list_node *n = quorum->observers.next; n != &quorum->observers; n = n->next) {
        struct quorum_observer *o = LIST_ENTRY(n, struct quorum_observer, node);

        if (!o->is_live)
            continue; /* it reads this from the log */
        atomic_fetch_add(&b->refs, 1);
        o->next_offset = end_offset;
        deliver(o, b, 0);
        tell_caught_up(o);
    }
    broadcast_unref(b);
}

static void on_observe(struct loop_task *task)
{
    struct quorum_observer *o = LIST_ENTRY(task, struct quorum_observer, task);

    list_push_back(&o->quorum->observers, &o->node);
    o->task.run = on_seen;
    feed(o);
}

void quorum_observe(struct quorum *quorum, struct quorum_observer *observer)
{
    observer->quorum = quorum;
    observer->next_offset = 0;
    observer->is_live = false;
    observer->is_caught_up = false;
    observer->is_leaving = false;
    observer->task.run = on_observe;
    loop_post(quorum->loop, &observer->task);
}

static void on_leave(struct loop_task *task)
{
    struct quorum_observer *o = LIST_ENTRY(task, struct quorum_observer, leave_task);

    list_remove(&o->node);
    deliver(o, NULL, GONE);
}

void quorum_unobserve(struct quorum_observer *observer)
{
    assert(!observer->is_leaving);
    observer->is_leaving = true;
    observer->leave_task.run = on_leave;
    loop_post(observer->quorum->loop, &observer->leave_task);
}
