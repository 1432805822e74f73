#include "coord/unit_priv.h"

#include "os/file.h"
#include "record/batch.h"
#include "record/control.h"
#include "record/record.h"
#include "trace/trace.h"

/*
 * Loading: the log from its start to its end goes through the machine, COORD_LOAD_BYTES a turn, so
 * that the shard serves others meanwhile. Nothing is appended before that is done, thus the end
 * does not move.
 */

enum { UNPACKED_BYTES_MAX = 64 * 1024 * 1024 };

static void on_load_timer(struct loop_timer *timer);

static void load_later(struct coord_unit *unit, int64_t delay_ms)
{
    struct loop *loop = unit->options.loop;

    unit->timer.fire = on_load_timer;
    loop_timer_start(loop, &unit->timer, loop_now_ms(loop) + delay_ms);
}

static enum err apply_control(struct coord_unit *unit, const struct batch_view *batch)
{
    struct record_control_key key;
    struct record_view view;
    struct record_iter it;
    enum err e = record_iter_init(&it, batch->bytes, NULL);

    while (e == E_OK && record_iter_next(&it, &view)) {
        e = record_control_decode_key(view.key, &key);
        if (e == E_OK && (key.type == RECORD_CONTROL_COMMIT || key.type == RECORD_CONTROL_ABORT))
            e = unit->options.machine->apply_marker(unit->options.ctx, batch->header.producer_id,
                                                    key.type == RECORD_CONTROL_COMMIT);
    }
    return e == E_OK ? record_iter_done(&it) : e;
}

static enum err apply_batch(struct coord_unit *unit, const struct batch_view *batch,
                            struct buf *unpack)
{
    struct record_view view;
    struct record_iter it;
    enum err e;

    if (batch_is_control(&batch->header))
        return apply_control(unit, batch);
    e = record_iter_init(&it, batch->bytes, unpack);
    while (e == E_OK && record_iter_next(&it, &view)) {
        struct coord_record record = {
            .key = view.key,
            .value = view.value,
            .offset = view.offset,
            .producer_id = batch_is_transactional(&batch->header) ? batch->header.producer_id : -1};

        e = unit->options.machine->apply(unit->options.ctx, &record);
        if (e == E_CORRUPT) { /* as Kafka: one bad record does not take the others with it */
            trace_event(unit->options.trace, TRACE_ERROR, TRACE_REPLICA, "coordinator_bad_record",
                        TRACE_FIELDS(trace_topic(unit->options.topic),
                                     trace_partition(unit->options.id.index),
                                     trace_offset(view.offset)));
            e = E_OK;
        }
    }
    return e == E_OK ? record_iter_done(&it) : e;
}

/* The whole batches at the begin of `bytes`, of which there is at least one. */
static enum err apply_bytes(struct coord_unit *unit, struct slice bytes)
{
    struct batch_iter it = batch_iter_init(bytes);
    int64_t before = unit->load_offset;
    struct batch_view batch;
    struct buf unpack;
    enum err e = E_OK;

    buf_init(&unpack, UNPACKED_BYTES_MAX);
    while (e == E_OK && batch_iter_next(&it, &batch)) {
        if (batch.header.base_offset + batch.header.last_offset_delta < unit->load_offset)
            continue;
        e = apply_batch(unit, &batch, &unpack);
        unit->load_offset = batch_next_offset(&batch.header);
    }
    buf_release(&unpack);
    return e == E_OK && unit->load_offset == before ? E_CORRUPT : e;
}

static enum err load_range(struct coord_unit *unit, const struct log_range *range)
{
    struct buf bytes;
    size_t size = 0;
    enum err e;

    buf_init(&bytes, range->size);
    e = buf_reserve(&bytes, range->size);
    if (e == E_OK)
        e = os_file_read(range->file, range->pos, bytes.at, range->size, &size);
    if (e == E_OK)
        e = apply_bytes(unit, slice_of(bytes.at, size));
    buf_release(&bytes);
    return e;
}

static void loaded(struct coord_unit *unit)
{
    struct loop *loop = unit->options.loop;

    unit->state = COORD_ACTIVE;
    unit->retry_ms = COORD_RETRY_MS;
    unit->options.machine->loaded(unit->options.ctx);
    if (unit->load_offset > 0)
        trace_event(unit->options.trace, TRACE_INFO, TRACE_REPLICA, "coordinator_loaded",
                    TRACE_FIELDS(trace_topic(unit->options.topic),
                                 trace_partition(unit->options.id.index),
                                 trace_offset(unit->load_offset),
                                 trace_i64("ms", loop_now_ms(loop) - unit->loaded_ms)));
}

/* One piece. *is_done_out: the end is reached. */
static enum err load_some(struct coord_unit *unit, bool *is_done_out)
{
    struct partition *partition;
    struct log_range range;
    int64_t end;
    enum err e = unit_partition(unit, &partition);

    if (e != E_OK)
        return e;
    end = log_end_offset(partition_log(partition));
    if (unit->load_offset < log_start_offset(partition_log(partition)))
        unit->load_offset = log_start_offset(partition_log(partition));
    *is_done_out = unit->load_offset >= end;
    if (*is_done_out)
        return partition_high_watermark(partition) >= end ? E_OK : E_AGAIN;
    e = partition_read(partition, unit->load_offset, PARTITION_READ_LOG_END, COORD_LOAD_BYTES,
                       &range);
    if (e != E_OK)
        return e;
    if (range.size == 0) { /* only what compaction took away is left */
        unit->load_offset = end;
        return E_OK;
    }
    e = load_range(unit, &range);
    log_range_release(&range);
    return e;
}

/* Damage: what can be read counts, as in Kafka; the range is reported and may be repaired. */
static enum err skip_damage(struct coord_unit *unit)
{
    trace_event(unit->options.trace, TRACE_ERROR, TRACE_REPLICA, "coordinator_damage",
                TRACE_FIELDS(trace_topic(unit->options.topic),
                             trace_partition(unit->options.id.index),
                             trace_offset(unit->load_offset)));
    unit->load_offset++;
    return E_OK;
}

static void on_load_timer(struct loop_timer *timer)
{
    struct coord_unit *unit = LIST_ENTRY(timer, struct coord_unit, timer);
    bool is_done = false;
    enum err e = load_some(unit, &is_done);

    if (e == E_CORRUPT)
        e = skip_damage(unit);
    if (e == E_OK && is_done)
        loaded(unit);
    else if (e == E_OK)
        load_later(unit, 0);
    else if (e == E_NOT_FOUND || e == E_AGAIN) /* is being opened, or committed */
        load_later(unit, 1);
    else
        unit_fail(unit, e);
}

void unit_load_start(struct coord_unit *unit)
{
    unit->state = COORD_LOADING;
    unit->load_offset = 0;
    unit->loaded_ms = loop_now_ms(unit->options.loop);
    on_load_timer(&unit->timer);
}
