#include "work.h"

#include <string.h>

#include "os/machine.h"
#include "work_priv.h"

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
    {"compact",
     {[APPEND] = 9, [SYNC] = 1, [COMPACT] = 1, [REOPEN] = 1},
     44,
     1600,
     400,
     512,
     .keys = 5,
     .is_compacted = true},
    {"compact-transactions",
     {[APPEND] = 9, [SYNC] = 1, [COMPACT] = 1},
     40,
     1600,
     300,
     512,
     .keys = 4,
     .is_compacted = true,
     .has_producers = true,
     .has_transactions = true},
    {"compact-mixed",
     {[APPEND] = 12, [SYNC] = 1, [COMPACT] = 2, [RECOMPRESS] = 1, [TRIM] = 1, [TRUNCATE] = 1},
     48,
     2000,
     500,
     256,
     .keys = 8,
     .is_compacted = true},
    {"recompress",
     {[APPEND] = 8, [SYNC] = 1, [RECOMPRESS] = 1, [REOPEN] = 1},
     24,
     1600,
     400,
     512,
     .has_producers = true},
    {"messages",
     {[APPEND] = 6, [SYNC] = 1, [GROUP_SYNC] = 1, [REOPEN] = 1},
     36,
     4000,
     900,
     256,
     .format = LOG_FORMAT_MESSAGE,
     .keys = 3},
    {"message-trim",
     {[APPEND] = 6, [SYNC] = 1, [TRIM] = 1, [MAINTAIN] = 1, [TRUNCATE] = 1},
     36,
     2500,
     700,
     256,
     .format = LOG_FORMAT_MESSAGE,
     .retention_bytes = 9000},
    {"message-interval",
     {[APPEND] = 6, [SYNC] = 1, [REOPEN] = 1, [RECREATE] = 1},
     34,
     3000,
     900,
     256,
     .durability = LOG_DURABILITY_INTERVAL,
     .format = LOG_FORMAT_MESSAGE,
     .preallocates = true},
};

enum { WALL_START_MS = 1000 };

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
    work_steps[step](r);
    run_settle_promises(r);
}

static struct log_options options_of(const struct work *w)
{
    struct log_options options = log_options_default();

    options.format = w->format;
    options.durability = w->durability;
    options.is_compacted = w->is_compacted;
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
    run_must(&r, "open root", log_root_open(r.os, "data", &r.root, &report));
    run_open_log(&r, false);
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
