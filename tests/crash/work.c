#include "work.h"

#include <stdlib.h>
#include <string.h>

#include "os/machine.h"
#include "record/batch.h"

/* What may happen, and how often of all that happens. */
enum step {
    APPEND,
    SYNC,
    GROUP_SYNC,
    REOPEN,
    EPOCH,
    TRUNCATE,
    TRIM,
    MAINTAIN,
    TOPIC_ID,
    RECREATE,
    STEPS
};

struct work {
    const char *name;
    int weights[STEPS];
    int calls;
    int64_t segment_bytes;
    int value_size; /* the largest */
    int64_t index_interval_bytes;
    enum log_durability durability;
    bool has_producers;
    bool has_transactions;
    bool preallocates;
    bool is_replica;
    int64_t retention_bytes; /* 0: no limit */
    int64_t segment_ms;      /* 0: no limit */
};

static const struct work works[] = {
    {"append", {[APPEND] = 4, [SYNC] = 1, [GROUP_SYNC] = 1}, 24, 1 << 20, 6000, 4096},
    {"roll", {[APPEND] = 10, [SYNC] = 1, [GROUP_SYNC] = 2}, 34, 9000, 2800, 512},
    {"roll-by-age",
     {[APPEND] = 5, [SYNC] = 2, [MAINTAIN] = 1},
     30,
     1 << 20,
     500,
     512,
     .segment_ms = 40},
    {"index", {[APPEND] = 8, [SYNC] = 1, [REOPEN] = 1}, 50, 16000, 200, 100},
    {"producers",
     {[APPEND] = 6, [SYNC] = 1, [GROUP_SYNC] = 1, [REOPEN] = 1},
     40,
     4000,
     400,
     512,
     .has_producers = true},
    {"transactions",
     {[APPEND] = 6, [SYNC] = 1, [GROUP_SYNC] = 1, [REOPEN] = 1},
     40,
     4000,
     400,
     512,
     .has_producers = true,
     .has_transactions = true},
    {"trim",
     {[APPEND] = 5, [SYNC] = 1, [TRIM] = 2, [MAINTAIN] = 1, [REOPEN] = 1},
     36,
     5000,
     1500,
     512,
     .has_producers = true},
    {"retention",
     {[APPEND] = 6, [SYNC] = 2, [MAINTAIN] = 3},
     40,
     3000,
     900,
     512,
     .retention_bytes = 6000},
    {"truncate", {[APPEND] = 6, [SYNC] = 2, [TRUNCATE] = 2, [REOPEN] = 1}, 36, 5000, 1500, 512},
    {"truncate-producers",
     {[APPEND] = 6, [SYNC] = 2, [TRUNCATE] = 2},
     36,
     4000,
     500,
     512,
     .has_producers = true},
    {"epochs",
     {[APPEND] = 5, [SYNC] = 1, [EPOCH] = 2, [TRUNCATE] = 1, [TRIM] = 1},
     36,
     5000,
     800,
     512},
    {"reopen", {[APPEND] = 4, [SYNC] = 1, [REOPEN] = 2}, 30, 5000, 1500, 512},
    {"lives",
     {[APPEND] = 4, [SYNC] = 1, [RECREATE] = 1, [TOPIC_ID] = 1, [REOPEN] = 1},
     30,
     3000,
     800,
     512},
    {"preallocate",
     {[APPEND] = 5, [SYNC] = 2, [REOPEN] = 1, [TRUNCATE] = 1},
     24,
     12000,
     3000,
     512,
     .preallocates = true},
    {"interval",
     {[APPEND] = 5, [SYNC] = 1, [REOPEN] = 1},
     30,
     8000,
     2500,
     512,
     .durability = LOG_DURABILITY_INTERVAL},
    {"os", {[APPEND] = 6, [REOPEN] = 1}, 30, 8000, 2500, 512, .durability = LOG_DURABILITY_OS},
    {"replica",
     {[APPEND] = 5, [SYNC] = 2, [TRUNCATE] = 1, [REOPEN] = 1},
     30,
     5000,
     1500,
     512,
     .is_replica = true},
    {"mixed",
     {[APPEND] = 10,
      [SYNC] = 3,
      [GROUP_SYNC] = 1,
      [REOPEN] = 1,
      [EPOCH] = 1,
      [TRUNCATE] = 1,
      [TRIM] = 1,
      [MAINTAIN] = 1,
      [TOPIC_ID] = 1},
     50,
     6000,
     1800,
     512,
     .has_producers = true,
     .has_transactions = true,
     .retention_bytes = 20000},
};

enum { WALL_START_MS = 1000, REPLICA_START = 100 };

struct run {
    const struct work *work;
    struct trial *trial;
    struct model model;
    struct rng rng;
    struct os *os;
    struct log_root *root;
    struct log *log;
    int64_t wall_ms;
};

static void must(const struct run *r, const char *what, enum err e)
{
    if (e != E_OK)
        trial_fail(r->trial, "%s: %s", what, err_name(e));
}

/* What a call told, once it has returned. */
static void settle_promises(struct run *r)
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

static void open_log(struct run *r, bool is_clean)
{
    struct log_recovery recovery;
    struct report report = {0};

    must(r, "open",
         log_open(&(struct log_open){r->root, "t-0", &r->model.options, r->wall_ms}, &r->log,
                  &recovery, &report));
    if (is_clean && !recovery.was_clean)
        trial_fail(r->trial, "scanned after a stop in order");
    settle_promises(r);
}

/* Drafts the next batch of a producer, or of none. */
static struct model_draft draft(struct run *r)
{
    struct model_draft d = {.producer = -1,
                            .records = 1 + (int)rng_below(&r->rng, 3),
                            .value_size = (int)rng_below(&r->rng, (uint64_t)r->work->value_size),
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

static void do_append(struct run *r)
{
    struct model *m = &r->model;
    struct model_draft d = draft(r);
    int32_t epoch = model_epoch(m) < 0 ? 0 : model_epoch(m);
    struct log_appended result;
    struct model_entry *entry;
    struct batch_view view;
    struct batch_iter it;
    struct buf batch;

    buf_init(&batch, 1 << 20);
    model_build(&d, &batch);
    if (r->work->is_replica && m->count == 0 && m->start_next == 0)
        m->start_next = REPLICA_START;
    it = batch_iter_init(buf_slice(&batch));
    if (!batch_iter_next(&it, &view))
        abort();
    entry = model_add(m,
                      &(struct model_entry){.base_offset = model_end(m),
                                            .next_offset = model_end(m) + d.records,
                                            .max_timestamp = view.header.max_timestamp,
                                            .producer = d.producer,
                                            .sequence = d.sequence,
                                            .leader_epoch = epoch,
                                            .kind = d.kind},
                      buf_slice(&batch));
    if (r->work->is_replica)
        memcpy(batch.at, entry->bytes, batch.size);
    if (model_epoch(m) < epoch)
        m->epoch_next = epoch;
    must(r, "append",
         log_append(r->log,
                    &(struct log_append){.bytes = batch.at,
                                         .size = batch.size,
                                         .leader_epoch = epoch,
                                         .is_replica = r->work->is_replica,
                                         .wall_ms = r->wall_ms},
                    &result));
    if (result.first_offset != entry->base_offset)
        trial_fail(r->trial, "appended at %lld", (long long)result.first_offset);
    if (model_epoch(m) < epoch)
        model_begin_epoch(m, epoch, entry->base_offset);
    m->presence = MODEL_PRESENT;
    buf_release(&batch);
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
    must(r, "sync", log_sync_finish(&sync));
    if (log_synced_offset(r->log) < end)
        trial_fail(r->trial, "synced %lld of %lld", (long long)log_synced_offset(r->log),
                   (long long)end);
}

static void do_sync(struct run *r)
{
    must(r, "sync", log_sync(r->log));
}

static void do_epoch(struct run *r)
{
    int32_t epoch = model_epoch(&r->model) + 1 + (int32_t)rng_below(&r->rng, 2);

    r->model.epoch_next = epoch;
    r->model.version++;
    must(r, "begin epoch", log_begin_epoch(r->log, epoch));
    model_begin_epoch(&r->model, epoch, log_end_offset(r->log));
}

static void do_truncate(struct run *r)
{
    struct model *m = &r->model;
    int back = 1 + (int)rng_below(&r->rng, rng_chance(&r->rng, 1, 4) ? 20 : 4);
    int64_t offset = m->count < back ? m->start : m->entries[m->count - back].base_offset;

    if (offset < m->start || m->count == 0)
        return;
    m->cut = offset;
    for (int i = 0; i < m->count; i++) { /* the batch that holds it goes whole */
        if (m->entries[i].base_offset < offset && m->entries[i].next_offset > offset)
            m->cut = m->entries[i].base_offset;
    }
    m->version++;
    must(r, "truncate", log_truncate(r->log, offset));
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
    must(r, "delete before", log_delete_before(r->log, offset));
}

static void do_maintain(struct run *r)
{
    r->model.start_next = model_first_unstable(&r->model, log_synced_offset(r->log));
    r->model.version++;
    must(r, "maintain", log_maintain(r->log, r->model.start_next, r->wall_ms));
}

static void do_reopen(struct run *r)
{
    log_close(r->log);
    open_log(r, true);
}

static void do_topic_id(struct run *r)
{
    rng_bytes(&r->rng, &r->model.topic_id_next, sizeof(r->model.topic_id_next));
    r->model.version++;
    must(r, "set topic id", log_set_topic_id(r->log, r->model.topic_id_next));
}

static void do_recreate(struct run *r)
{
    r->model.presence = MODEL_GOING;
    r->model.version++;
    must(r, "delete", log_delete(r->log));
    model_clear(&r->model);
    r->model.presence = MODEL_COMING;
    open_log(r, false);
}

static void (*const steps[STEPS])(struct run *r) = {
    [APPEND] = do_append,     [SYNC] = do_sync,         [GROUP_SYNC] = do_group_sync,
    [REOPEN] = do_reopen,     [EPOCH] = do_epoch,       [TRUNCATE] = do_truncate,
    [TRIM] = do_trim,         [MAINTAIN] = do_maintain, [TOPIC_ID] = do_topic_id,
    [RECREATE] = do_recreate,
};

static enum step draw_step(struct run *r)
{
    int total = 0, drawn;

    for (int i = 0; i < STEPS; i++)
        total += r->work->weights[i];
    drawn = (int)rng_below(&r->rng, (uint64_t)total);
    for (int i = 0; i < STEPS; i++) {
        drawn -= r->work->weights[i];
        if (drawn < 0)
            return (enum step)i;
    }
    return APPEND;
}

static void do_step(struct run *r)
{
    enum step step = draw_step(r);

    r->wall_ms += 1 + (int64_t)rng_below(&r->rng, 9);
    steps[step](r);
    settle_promises(r);
}

static struct log_options options_of(const struct work *w)
{
    struct log_options options = log_options_default();

    options.durability = w->durability;
    options.segment_bytes = w->segment_bytes;
    options.index_interval_bytes = w->index_interval_bytes;
    options.preallocate = w->preallocates;
    options.retention_ms = -1;
    options.retention_bytes = w->retention_bytes > 0 ? w->retention_bytes : -1;
    options.file_delete_delay_ms = 20;
    if (w->segment_ms > 0)
        options.segment_ms = w->segment_ms;
    return options;
}

int work_count(void)
{
    return (int)(sizeof(works) / sizeof(works[0]));
}

const char *work_name(int i)
{
    return works[i].name;
}

int work_find(const char *name)
{
    for (int i = 0; i < work_count(); i++) {
        if (strcmp(works[i].name, name) == 0)
            return i;
    }
    return -1;
}

struct trial_count work_run(int i, uint64_t seed, const struct trial_options *options)
{
    struct run r = {.work = &works[i], .wall_ms = WALL_START_MS};
    struct report report = {0};
    struct trial_count count;

    rng_init(&r.rng, seed * 64 + (uint64_t)i);
    model_init(&r.model);
    r.model.options = options_of(r.work);
    r.model.presence = MODEL_COMING;
    r.trial = trial_new(r.work->name, seed, options, &r.model);
    r.os = machine_on(trial_disk(r.trial));
    must(&r, "open root", log_root_open(r.os, "data", &r.root, &report));
    open_log(&r, false);
    for (int n = 0; n < r.work->calls; n++)
        do_step(&r);
    trial_end(r.trial);
    log_close(r.log);
    trial_end(r.trial);
    log_root_close(r.root);
    os_close(r.os);
    count = trial_count(r.trial);
    trial_free(r.trial);
    model_release(&r.model);
    return count;
}
