#include "codec/codec.h"
#include "os/disk.h"
#include "os/machine.h"
#include "storage/log_compact.h"
#include "work_priv.h"

/*
 * Compaction and recompression. What they will leave is found out first, by a copy of the machine
 * that has a crash of the process behind it and no power cuts before it: a crash of the real one
 * must leave all of that, or all of what was.
 */
enum { TOMBSTONES_MS = 30, MAP_SIZE = 1 << 16 };

static struct log_compact_options options_of(bool has_keys, int codec)
{
    struct log_compact_options options = log_compact_options_default();

    options.has_keys = has_keys;
    options.codec = codec;
    options.delete_retention_ms = TOMBSTONES_MS;
    options.map_bytes = MAP_SIZE;
    return options;
}

/* False: there is nothing to do. */
static bool compact(const struct run *r, struct log *log, const struct log_compact_options *options)
{
    struct log_compact_result result;
    enum err e = log_compact(log, options, log_end_offset(log), r->wall_ms, &result);

    if (e != E_NOT_FOUND)
        run_must(r, "compact", e);
    return e == E_OK;
}

/* To r->model.next, what the log will be. */
static bool predict(struct run *r, const struct log_compact_options *options)
{
    struct disk *disk = disk_copy(trial_disk(r->trial));
    struct os *os = machine_on(disk);
    struct report report = {0};
    struct log_root *root;
    struct log *log;
    bool is_done;

    run_must(r, "open a copy of the root", log_root_open(os, "data", &root, &report));
    run_must(r, "open a copy",
             log_open(&(struct log_open){root, "t-0", &r->model.options, r->wall_ms}, &log, NULL,
                      &report));
    is_done = compact(r, log, options);
    if (is_done && !model_read(&r->model, log, &r->model.next))
        trial_fail(r->trial, "what was compacted cannot be read");
    log_close(log);
    log_root_close(root);
    os_close(os);
    disk_free(disk);
    return is_done;
}

static void check_prediction(struct run *r)
{
    struct model_frames found = {0};
    struct model scratch = {.options = r->model.options};

    if (!model_read(&scratch, r->log, &found) || !model_frames_equal(&found, &r->model.next))
        trial_fail(r->trial, "compacted otherwise than its copy");
    scratch.next = found;
    model_release(&scratch);
}

static void run_compaction(struct run *r, const struct log_compact_options *options)
{
    struct model *m = &r->model;

    run_must(r, "sync", log_sync(r->log));
    run_settle_promises(r);
    m->is_compacting = predict(r, options);
    m->version++;
    if (compact(r, r->log, options) != m->is_compacting)
        trial_fail(r->trial, "compacted, and its copy was not");
    if (!m->is_compacting)
        return;
    check_prediction(r);
    model_compacted(m);
}

void step_compact(struct run *r)
{
    const struct log_compact_options options = options_of(true, -1);

    run_compaction(r, &options);
}

void step_recompress(struct run *r)
{
    const struct log_compact_options options =
        options_of(r->work->is_compacted, rng_chance(&r->rng, 1, 2) ? CODEC_LZ4 : CODEC_NONE);

    run_compaction(r, &options);
}
