#include <stdlib.h>
#include <string.h>

#include "record/batch.h"
#include "storage/frame.h"
#include "work_priv.h"

enum { REPLICA_START = 100 };

void run_must(const struct run *r, const char *what, enum err e)
{
    if (e != E_OK)
        trial_fail(r->trial, "%s: %s", what, err_name(e));
}

void run_settle_promises(struct run *r)
{
    struct model *m = &r->model;

    if (log_end_offset(r->log) != model_end(m))
        trial_fail(r->trial, "the end is %lld of %lld", (long long)log_end_offset(r->log),
                   (long long)model_end(m));
    m->acked = log_synced_offset(r->log);
    m->start = log_start_offset(r->log);
    m->start_next = m->start;
    m->cut = -1;
    m->epoch_next = -1;
    m->topic_id = m->topic_id_next;
    m->version++;
}

void run_open_log(struct run *r, bool is_clean)
{
    struct log_recovery recovery;
    struct report report = {0};

    run_must(r, "open",
             log_open(&(struct log_open){r->root, "t-0", &r->model.options, r->wall_ms}, &r->log,
                      &recovery, &report));
    if (is_clean && !recovery.was_clean)
        trial_fail(r->trial, "scanned after a stop in order");
    run_settle_promises(r);
}

/* Drafts the next batch of a producer, or of none. */
static struct model_draft draft(struct run *r)
{
    struct model_draft d = {.format = r->work->format,
                            .producer = -1,
                            .records = 1 + (int)rng_below(&r->rng, 3),
                            .value_size = (int)rng_below(&r->rng, (uint64_t)r->work->value_size),
                            .keys = r->work->keys,
                            .timestamp_ms = r->wall_ms,
                            .seed = rng_next(&r->rng)};
    const struct model_entry *last;

    if (!r->work->has_producers || rng_chance(&r->rng, 1, 5))
        return d;
    d.producer = (int)rng_below(&r->rng, MODEL_PRODUCERS);
    last = model_last(&r->model, d.producer, model_end(&r->model), 0);
    if (last != NULL)
        d.sequence = last->sequence + (int32_t)(last->next_offset - last->base_offset);
    if (r->work->has_transactions && d.producer > 0) /* producer 0 is idempotent only */
        d.kind = last != NULL && rng_chance(&r->rng, 1, 3) ? MODEL_TXN_END : MODEL_TXN_DATA;
    if (d.kind == MODEL_TXN_END)
        d.records = 1;
    return d;
}

/* The frames of an append go into the model; those of a replica say where they are to be. */
static void note_frames(struct run *r, const struct model_draft *d, int32_t epoch,
                        struct buf *bytes)
{
    struct frame_iter it = frame_iter_init(r->work->format, buf_slice(bytes), 0);
    struct batch_view view;

    while (frame_iter_next(&it, &view)) {
        int64_t base = model_end(&r->model);
        const struct model_entry *entry =
            model_add(&r->model,
                      &(struct model_entry){.base_offset = base,
                                            .next_offset = base + view.header.record_count,
                                            .max_timestamp = view.header.max_timestamp,
                                            .producer = d->producer,
                                            .sequence = d->sequence,
                                            .leader_epoch = epoch,
                                            .kind = d->kind},
                      view.bytes);

        if (r->work->is_replica)
            memcpy(bytes->at + view.pos, entry->bytes, entry->size);
    }
}

static void do_append(struct run *r)
{
    struct model *m = &r->model;
    struct model_draft d = draft(r);
    int32_t epoch = model_epoch(m) < 0 ? 0 : model_epoch(m);
    struct log_appended result;
    struct buf bytes;
    int64_t first;

    if (!frame_has_offset(r->work->format))
        epoch = -1;
    buf_init(&bytes, 1 << 20);
    model_build(&d, &bytes);
    if (r->work->is_replica && m->appended.count == 0 && m->start_next == 0)
        m->start_next = REPLICA_START;
    first = model_end(m);
    note_frames(r, &d, epoch, &bytes);
    if (model_epoch(m) < epoch)
        m->epoch_next = epoch;
    run_must(r, "append",
             log_append(r->log,
                        &(struct log_append){.bytes = bytes.at,
                                             .size = bytes.size,
                                             .leader_epoch = epoch,
                                             .is_replica = r->work->is_replica,
                                             .wall_ms = r->wall_ms},
                        &result));
    if (result.first_offset != first)
        trial_fail(r->trial, "appended at %lld", (long long)result.first_offset);
    if (model_epoch(m) < epoch)
        model_begin_epoch(m, epoch, first);
    m->presence = MODEL_PRESENT;
    buf_release(&bytes);
}

/* The three steps of a sync, as a shard does them, with appends on the way. */
static void do_group_sync(struct run *r)
{
    int64_t end = log_end_offset(r->log);
    struct log_sync sync;

    log_sync_begin(r->log, &sync);
    if (rng_chance(&r->rng, 1, 2))
        do_append(r);
    log_sync_run(&sync);
    run_must(r, "sync", log_sync_finish(&sync));
    if (log_synced_offset(r->log) < end)
        trial_fail(r->trial, "synced %lld of %lld", (long long)log_synced_offset(r->log),
                   (long long)end);
}

static void do_sync(struct run *r)
{
    run_must(r, "sync", log_sync(r->log));
}

static void do_epoch(struct run *r)
{
    int32_t epoch = model_epoch(&r->model) + 1 + (int32_t)rng_below(&r->rng, 2);

    r->model.epoch_next = epoch;
    r->model.version++;
    run_must(r, "begin epoch", log_begin_epoch(r->log, epoch));
    model_begin_epoch(&r->model, epoch, log_end_offset(r->log));
}

static void do_truncate(struct run *r)
{
    struct model *m = &r->model;
    int back = 1 + (int)rng_below(&r->rng, rng_chance(&r->rng, 1, 4) ? 20 : 4);
    const struct model_frames *all = &m->appended;
    int64_t offset = all->count < back ? m->start : all->at[all->count - back].base_offset;

    if (offset < m->start || all->count == 0)
        return;
    m->cut = offset;
    for (int i = 0; i < all->count; i++) { /* the batch that holds it goes whole */
        if (all->at[i].base_offset < offset && all->at[i].next_offset > offset)
            m->cut = all->at[i].base_offset;
    }
    m->version++;
    run_must(r, "truncate", log_truncate(r->log, offset));
    model_cut(m, m->cut);
    m->start_next = log_start_offset(r->log); /* which lay inside of it, perhaps */
    while (m->epoch_count > 0 && model_epoch(m) > log_latest_epoch(r->log))
        m->epoch_count--;
}

static void do_trim(struct run *r)
{
    struct model *m = &r->model;
    int64_t end = model_first_unstable(m, model_end(m));
    int64_t offset = rng_between(&r->rng, m->start, end);

    if (!rng_chance(&r->rng, 1, 6)) /* mostly a little */
        offset = rng_between(&r->rng, m->start, m->start + (end - m->start) / 3);
    m->start_next = offset;
    m->version++;
    run_must(r, "delete before", log_delete_before(r->log, offset));
}

static void do_maintain(struct run *r)
{
    r->model.start_next = model_first_unstable(&r->model, log_synced_offset(r->log));
    r->model.version++;
    run_must(r, "maintain", log_maintain(r->log, r->model.start_next, r->wall_ms));
}

static void do_reopen(struct run *r)
{
    log_close(r->log);
    run_open_log(r, true);
}

static void do_topic_id(struct run *r)
{
    rng_bytes(&r->rng, &r->model.topic_id_next, sizeof(r->model.topic_id_next));
    r->model.version++;
    run_must(r, "set topic id", log_set_topic_id(r->log, r->model.topic_id_next));
}

static void do_recreate(struct run *r)
{
    r->model.presence = MODEL_GOING;
    r->model.version++;
    run_must(r, "delete", log_delete(r->log));
    model_clear(&r->model);
    r->model.presence = MODEL_COMING;
    run_open_log(r, false);
}

void (*const work_steps[STEPS])(struct run *r) = {
    [APPEND] = do_append,     [SYNC] = do_sync,         [GROUP_SYNC] = do_group_sync,
    [REOPEN] = do_reopen,     [EPOCH] = do_epoch,       [TRUNCATE] = do_truncate,
    [TRIM] = do_trim,         [MAINTAIN] = do_maintain, [TOPIC_ID] = do_topic_id,
    [RECREATE] = do_recreate, [COMPACT] = step_compact, [RECOMPRESS] = step_recompress,
};
