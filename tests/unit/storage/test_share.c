#include "rig.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/rng.h"
#include "codec/codec.h"
#include "os/file.h"
#include "os/thread.h"
#include "record/batch.h"
#include "storage/log_compact.h"
#include "storage/log_priv.h"
#include "storage/log_scrub.h"
#include "unit.h"

/*
 * Six logs share eight descriptors while each appends, rolls, is synced, scrubbed and compacted on
 * other threads, read by readers that hold ranges, truncated and maintained. Nobody may miss a file
 * that was closed, and nothing that is right may be taken for damage.
 */
enum {
    LOGS = 6,
    FILES = 8,
    FILES_OF_ONE = 1 + (LOG_OPEN_SEALED_MAX + 1) * LOG_FILES_MORE, /* it keeps its own */
    STEPS = 3000,
    HOUR_MS = 3600 * 1000,
    VALUE_MAX = 300,
};

/* Something of a log on the pool. */
struct errand {
    struct os_job job;
    bool is_out;
    atomic_bool is_done;
    struct log_sync sync;
    struct log_scrub scrub;
    struct log_compact *compact;
};

struct one {
    struct log *log;
    struct errand sync, scrub, compact;
    struct log_range range; /* held */
};

struct share {
    struct rig r;
    struct rng rng;
    struct log_files *files;
    struct os_pool *pool;
    struct one logs[LOGS];
    int scrubbed, compacted, synced, held; /* that something happened */
};

static void on_done(struct os_job *job)
{
    atomic_store(&LIST_ENTRY(job, struct errand, job)->is_done, true);
}

static void run_sync(struct os_job *job)
{
    log_sync_run(&LIST_ENTRY(job, struct errand, job)->sync);
}

static void run_scrub(struct os_job *job)
{
    log_scrub_run(&LIST_ENTRY(job, struct errand, job)->scrub);
}

static void run_compact(struct os_job *job)
{
    while (log_compact_run(LIST_ENTRY(job, struct errand, job)->compact))
        ;
}

static void send_out(struct share *s, struct errand *errand, void (*run)(struct os_job *job))
{
    errand->is_out = true;
    atomic_store(&errand->is_done, false);
    errand->job.run = run;
    errand->job.done = on_done;
    os_pool_submit(s->pool, &errand->job);
}

/* Is it back? Told once. */
static bool take(struct errand *errand)
{
    if (!errand->is_out || !atomic_load(&errand->is_done))
        return false;
    errand->is_out = false;
    return true;
}

static void finish(struct share *s, struct one *one)
{
    struct log_compact_result compacted;
    struct log_scrubbed scrubbed;
    enum err e;

    if (take(&one->sync)) {
        assert_int_equal(log_sync_finish(&one->sync.sync), E_OK);
        s->synced++;
    }
    if (take(&one->scrub)) {
        e = log_scrub_finish(&one->scrub.scrub, one->log, &scrubbed);
        assert_true(e == E_OK || e == E_AGAIN);
        if (e == E_OK)
            assert_int_equal(scrubbed.damaged_ranges + scrubbed.unreadable, 0);
        s->scrubbed += e == E_OK;
    }
    if (take(&one->compact)) {
        e = log_compact_finish(one->compact.compact, &compacted);
        assert_true(e == E_OK || e == E_AGAIN);
        s->compacted += e == E_OK;
    }
}

static void begin(struct share *s, struct one *one)
{
    static const int codecs[] = {CODEC_NONE, CODEC_LZ4, CODEC_ZSTD};
    struct log_compact_options o = log_compact_options_default();

    o.has_keys = false;
    o.codec = codecs[rng_below(&s->rng, 3)];
    switch (rng_below(&s->rng, 3)) {
    case 0:
        if (one->sync.is_out)
            break;
        log_sync_begin(one->log, &one->sync.sync);
        send_out(s, &one->sync, run_sync);
        break;
    case 1:
        if (!one->scrub.is_out &&
            log_scrub_begin(&one->scrub.scrub, one->log, 700, s->r.wall_ms) == E_OK)
            send_out(s, &one->scrub, run_scrub);
        break;
    default:
        if (!one->compact.is_out && log_compact_begin(one->log, &o, log_end_offset(one->log),
                                                      s->r.wall_ms, &one->compact.compact) == E_OK)
            send_out(s, &one->compact, run_compact);
    }
}

/* A reader had it for a while: it is what it was. */
static void drop_range(struct share *s, struct one *one)
{
    uint8_t bytes[1000];
    struct batch_header h;
    size_t got, total;

    if (one->range.file == NULL)
        return;
    assert_int_equal(os_file_read(one->range.file, one->range.pos, bytes, sizeof(bytes), &got),
                     E_OK);
    assert_int_equal(batch_peek(slice_of(bytes, got), &h), E_OK);
    assert_int_equal(h.base_offset, one->range.base_offset);
    total = batch_total_size(&h);
    assert_true(total <= got);
    assert_int_equal(batch_check_crc(slice_of(bytes, total)), E_OK);
    log_range_release(&one->range);
    s->held++;
}

static void hold_range(struct share *s, struct one *one)
{
    int64_t end = log_end_offset(one->log);

    drop_range(s, one);
    if (end > 0)
        assert_int_equal(
            log_read(one->log, (int64_t)rng_below(&s->rng, (uint64_t)end), end, 1, &one->range),
            E_OK);
}

static void step(struct share *s)
{
    struct one *one = &s->logs[rng_below(&s->rng, LOGS)];
    uint64_t choice = rng_below(&s->rng, 100);

    s->r.log = one->log;
    s->r.wall_ms += HOUR_MS;
    finish(s, one);
    if (choice < 40) {
        rig_fill(&s->r, (int)rng_below(&s->rng, 3) + 1, (int)rng_below(&s->rng, VALUE_MAX) + 1);
    } else if (choice < 70) {
        begin(s, one);
    } else if (choice < 90) {
        hold_range(s, one);
    } else if (choice < 95) {
        assert_int_equal(log_maintain(one->log, log_end_offset(one->log), s->r.wall_ms), E_OK);
    } else if (choice < 98) {
        assert_int_equal(rig_check_all(&s->r), log_end_offset(one->log));
    } else {
        drop_range(s, one); /* its bytes may go */
        assert_int_equal(log_truncate(one->log, log_end_offset(one->log) * 9 / 10), E_OK);
    }
    assert_true(log_files_count(s->files) <= FILES_OF_ONE);
}

static void open_all(struct share *s)
{
    struct log_recovery recovery;
    char name[16];

    for (int i = 0; i < LOGS; i++) {
        struct log_open open = {s->r.root, name, &s->r.options, s->r.wall_ms};

        snprintf(name, sizeof(name), "share-%d", i);
        assert_int_equal(log_open(&open, &s->logs[i].log, &recovery, &s->r.report), E_OK);
        assert_true(recovery.was_clean);
        log_set_files(s->logs[i].log, s->files);
    }
}

static void close_all(struct share *s)
{
    for (int i = 0; i < LOGS; i++)
        log_close(s->logs[i].log);
    assert_int_equal(log_files_count(s->files), 0);
}

static void run(struct share *s)
{
    struct log *own = s->r.log;

    open_all(s);
    for (int i = 0; i < STEPS; i++)
        step(s);
    os_pool_close(s->pool); /* everything is back */
    for (int i = 0; i < LOGS; i++) {
        finish(s, &s->logs[i]);
        drop_range(s, &s->logs[i]);
    }
    close_all(s);
    open_all(s);
    for (int i = 0; i < LOGS; i++) {
        s->r.log = s->logs[i].log;
        assert_int_equal(rig_check_all(&s->r), log_end_offset(s->r.log));
    }
    close_all(s);
    s->r.log = own;
}

static void everything_at_once_with_few_descriptors(void **state)
{
    struct share *s = test_calloc(1, sizeof(*s));

    (void)state;
    rng_init(&s->rng, 4711);
    rig_open(&s->r);
    s->r.options.segment_bytes = 3000;
    s->r.options.index_interval_bytes = 300;
    s->r.options.scrub_interval_ms = HOUR_MS;
    s->r.options.retention_ms = -1;
    s->r.options.file_delete_delay_ms = 0;
    assert_int_equal(log_files_open(FILES, &s->files), E_OK);
    assert_int_equal(os_pool_open(s->r.os, 2, &s->pool), E_OK);
    run(s);
    assert_true(s->synced > 50 && s->scrubbed > 50 && s->compacted > 10 && s->held > 50);
    rig_close(&s->r);
    log_files_close(s->files);
    test_free(s);
}

TESTS(test_share, cmocka_unit_test(everything_at_once_with_few_descriptors));
