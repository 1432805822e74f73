#include "coord/unit.h"

#include <assert.h>

#include "base/mem.h"
#include "coord/unit_priv.h"
#include "record/builder.h"
#include "record/control.h"
#include "replica/manager.h"
#include "trace/trace.h"

/* Appending, parking, failing. Loading is in load.c. */

enum { MARKER_BYTES_MAX = 256 };

enum coord_unit_state coord_unit_state(const struct coord_unit *unit)
{
    return unit->state;
}

struct partition_id coord_unit_id(const struct coord_unit *unit)
{
    return unit->options.id;
}

enum err unit_partition(const struct coord_unit *unit, struct partition **partition_out)
{
    return replica_find(unit->options.manager, unit->options.id, partition_out);
}

/* ---- releasing ---- */

/* From the front: an op whose append is under way keeps back those behind it. */
static void release_done(struct coord_unit *unit)
{
    struct list_node *n;

    while ((n = list_first(&unit->ops)) != NULL) {
        struct coord_op *op = LIST_ENTRY(n, struct coord_op, node);

        if (op->append != NULL)
            return;
        list_remove(n);
        op->release(op);
    }
}

static void release_all(struct coord_unit *unit, enum err e)
{
    struct list_node *n;

    while ((n = list_pop_front(&unit->ops)) != NULL) {
        struct coord_op *op = LIST_ENTRY(n, struct coord_op, node);

        if (op->append != NULL)
            op->append->op = NULL;
        op->append = NULL;
        op->err = e;
        op->release(op);
    }
}

static void on_release_timer(struct loop_timer *timer)
{
    release_done(LIST_ENTRY(timer, struct coord_unit, release_timer));
}

/* Soon, but not now: who submits is not called back from inside. */
static void release_soon(struct coord_unit *unit)
{
    struct loop *loop = unit->options.loop;

    if (!unit->release_timer.is_started)
        loop_timer_start(loop, &unit->release_timer, loop_now_ms(loop));
}

/* ---- failing ---- */

static void on_retry_timer(struct loop_timer *timer)
{
    unit_load_start(LIST_ENTRY(timer, struct coord_unit, timer));
}

/*
 * What was appended may be lost, so what the machine knows may never have been: it forgets, and
 * learns from the log again.
 */
static void on_fail_timer(struct loop_timer *timer)
{
    struct coord_unit *unit = LIST_ENTRY(timer, struct coord_unit, timer);
    struct loop *loop = unit->options.loop;

    unit->options.machine->reset(unit->options.ctx);
    release_all(unit, E_NOT_LEADER);
    unit->timer.fire = on_retry_timer;
    loop_timer_start(loop, &unit->timer, loop_now_ms(loop) + unit->retry_ms);
    unit->retry_ms =
        unit->retry_ms < COORD_RETRY_MS_MAX / 2 ? 2 * unit->retry_ms : COORD_RETRY_MS_MAX;
}

void unit_fail(struct coord_unit *unit, enum err e)
{
    struct loop *loop = unit->options.loop;

    if (unit->state == COORD_FAILED)
        return;
    trace_event(unit->options.trace, TRACE_WARN, TRACE_REPLICA, "coordinator_failed",
                TRACE_FIELDS(trace_topic(unit->options.topic),
                             trace_partition(unit->options.id.index), trace_error(e)));
    unit->state = COORD_FAILED;
    loop_timer_stop(loop, &unit->release_timer); /* what is parked is lost, or may be */
    unit->timer.fire = on_fail_timer;
    loop_timer_start(loop, &unit->timer, loop_now_ms(loop));
}

/* ---- appending ---- */

static void append_free(struct unit_append *a)
{
    buf_release(&a->bytes);
    mem_free(a);
}

static void append_done(struct partition_append *append)
{
    struct unit_append *a = LIST_ENTRY(append, struct unit_append, append);
    struct coord_unit *unit = a->unit;
    enum err e = append->err;
    bool is_lost = e != E_OK && !a->is_refused;

    if (a->op != NULL) {
        a->op->err = e;
        a->op->append = NULL;
    }
    append_free(a);
    unit->append_count--;
    if (unit->is_closed) {
        if (unit->append_count == 0)
            mem_free(unit);
        return;
    }
    if (is_lost)
        unit_fail(unit, e);
    else if (unit->state == COORD_ACTIVE)
        release_done(unit);
}

static struct unit_append *append_new(struct coord_unit *unit, size_t size_max)
{
    struct unit_append *a = mem_alloc_zero(sizeof(*a));

    if (a == NULL)
        return NULL;
    a->unit = unit;
    a->append.acks = -1;
    a->append.may_use_reserve = true; /* groups and transactions go on when the disk is full */
    a->append.done = append_done;
    buf_init(&a->bytes, size_max);
    return a;
}

/* Append what `a` holds; it is the partition's from here on. What is refused leaves no trace. */
static enum err append_start(struct unit_append *a, int64_t wall_ms, struct coord_op *op)
{
    struct coord_unit *unit = a->unit;
    struct partition *partition;

    if (unit_partition(unit, &partition) != E_OK) {
        append_free(a);
        return E_NOT_LEADER;
    }
    a->append.bytes = a->bytes.at;
    a->append.size = a->bytes.size;
    a->append.wall_ms = wall_ms;
    unit->append_count++;
    partition_append(partition, &a->append);
    a->is_refused = a->append.err != E_OK;
    if (a->is_refused)
        return a->append.err;
    a->op = op;
    op->append = a;
    list_push_back(&unit->ops, &op->node);
    return E_OK;
}

static enum err build(const struct coord_submit *submit, struct buf *out)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder builder;
    enum err e = E_OK;

    options.size_max = COORD_BATCH_BYTES_MAX;
    if (submit->producer_id >= 0) {
        options.transactional = true;
        options.producer_id = submit->producer_id;
        options.producer_epoch = submit->producer_epoch;
    }
    batch_builder_init(&builder, &options);
    for (size_t i = 0; i < record_list_count(submit->records) && e == E_OK; i++) {
        struct record_pair pair = record_list_at(submit->records, i);

        e = batch_builder_add(&builder, &(struct record_draft){.timestamp_ms = submit->wall_ms,
                                                               .key = pair.key,
                                                               .value = pair.value});
    }
    if (e == E_OK)
        e = batch_builder_finish(&builder, out);
    batch_builder_release(&builder);
    return e;
}

static enum err apply_all(struct coord_unit *unit, const struct coord_submit *submit,
                          int64_t first_offset)
{
    enum err e = E_OK;

    for (size_t i = 0; i < record_list_count(submit->records) && e == E_OK; i++) {
        struct record_pair pair = record_list_at(submit->records, i);
        struct coord_record record = {.key = pair.key,
                                      .value = pair.value,
                                      .offset = first_offset + (int64_t)i,
                                      .producer_id = submit->producer_id};

        e = unit->options.machine->apply(unit->options.ctx, &record);
    }
    return e;
}

/* The op is taken back: its record is in the log, but not in the machine. */
static enum err cannot_apply(struct coord_unit *unit, struct coord_op *op, enum err e)
{
    list_remove(&op->node);
    op->append->op = NULL;
    unit_fail(unit, e);
    return E_NOT_LEADER;
}

enum err coord_unit_submit(struct coord_unit *unit, const struct coord_submit *submit,
                           struct coord_op *op)
{
    struct unit_append *a;
    enum err e;

    if (unit->state != COORD_ACTIVE)
        return E_NOT_LEADER;
    op->err = E_OK;
    op->append = NULL;
    if (submit->records == NULL || record_list_count(submit->records) == 0) {
        list_push_back(&unit->ops, &op->node);
        release_soon(unit);
        return E_OK;
    }
    a = append_new(unit, COORD_BATCH_BYTES_MAX);
    e = a == NULL ? E_NOMEM : build(submit, &a->bytes);
    if (e != E_OK) {
        if (a != NULL)
            append_free(a);
        return e;
    }
    e = append_start(a, submit->wall_ms, op);
    if (e != E_OK)
        return e;
    e = apply_all(unit, submit, a->append.appended.first_offset);
    return e == E_OK ? E_OK : cannot_apply(unit, op, e);
}

enum err coord_unit_mark(struct coord_unit *unit, const struct coord_marker *marker,
                         struct coord_op *op)
{
    const struct batch_end_txn batch = {.timestamp_ms = marker->wall_ms,
                                        .producer_id = marker->producer_id,
                                        .producer_epoch = marker->producer_epoch,
                                        .coordinator_epoch = marker->coordinator_epoch,
                                        .commit = marker->is_commit};
    struct unit_append *a;
    enum err e;

    if (unit->state != COORD_ACTIVE)
        return E_NOT_LEADER;
    op->err = E_OK;
    a = append_new(unit, MARKER_BYTES_MAX);
    e = a == NULL ? E_NOMEM : batch_build_end_txn(&batch, &a->bytes);
    if (e != E_OK) {
        if (a != NULL)
            append_free(a);
        return e;
    }
    e = append_start(a, marker->wall_ms, op);
    if (e != E_OK)
        return e;
    e = unit->options.machine->apply_marker(unit->options.ctx, marker->producer_id,
                                            marker->is_commit);
    return e == E_OK ? E_OK : cannot_apply(unit, op, e);
}

/* ---- opening, closing ---- */

enum err coord_unit_open(const struct coord_unit_options *options, struct coord_unit **unit_out)
{
    struct coord_unit *unit = mem_alloc_zero(sizeof(*unit));

    if (unit == NULL)
        return E_NOMEM;
    unit->options = *options;
    unit->retry_ms = COORD_RETRY_MS;
    unit->release_timer.fire = on_release_timer;
    list_init(&unit->ops);
    unit_load_start(unit);
    *unit_out = unit;
    return E_OK;
}

void coord_unit_close(struct coord_unit *unit)
{
    if (unit == NULL)
        return;
    loop_timer_stop(unit->options.loop, &unit->timer);
    loop_timer_stop(unit->options.loop, &unit->release_timer);
    unit->state = COORD_FAILED;
    unit->is_closed = true;
    release_all(unit, E_NOT_LEADER);
    if (unit->append_count == 0)
        mem_free(unit);
}
