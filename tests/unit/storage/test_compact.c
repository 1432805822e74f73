#include "compact_model.h"

#include "os/dir.h"
#include "os/file.h"
#include "record/builder.h"
#include "storage/log_priv.h"
#include "unit.h"

enum { SEEDS = 12, STEPS = 250 };

static struct compact_model model;
static int64_t removed, merged; /* by all compactions: that something happened */

static struct log_compact_options random_options(struct compact_model *m)
{
    struct log_compact_options o = log_compact_options_default();

    o.delete_retention_ms = m->delete_retention_ms;
    o.min_lag_ms = rng_chance(&m->rng, 1, 4) ? (int64_t)rng_below(&m->rng, 500) : 0;
    o.map_bytes = rng_chance(&m->rng, 1, 3) ? 64 * 24 : 1 << 20;
    if (rng_chance(&m->rng, 1, 3)) {
        o.codec = (int)rng_below(&m->rng, 5);
        o.level = 0;
    }
    return o;
}

/* Between begin and finish the log lives on. */
static void compact(struct compact_model *m)
{
    struct log_compact_options o = random_options(m);
    int64_t limit = rng_chance(&m->rng, 1, 3) ? rng_between(&m->rng, m->limit, m->end) : m->end;
    struct log_compact_result result;
    struct log_compact *job, *second;
    enum err e;

    o.has_keys = rng_chance(&m->rng, 9, 10) || o.codec < 0;
    e = log_compact_begin(m->r.log, &o, limit, m->r.wall_ms, &job);
    m->limit = limit;
    if (e == E_NOT_FOUND)
        return;
    assert_int_equal(e, E_OK);
    assert_int_equal(log_compact_begin(m->r.log, &o, limit, m->r.wall_ms, &second), E_BUSY);
    if (rng_chance(&m->rng, 1, 2))
        compact_model_append(m);
    if (rng_chance(&m->rng, 1, 10))
        log_compact_stop(job);
    while (log_compact_run(job))
        ;
    if (rng_chance(&m->rng, 1, 2))
        compact_model_append(m);
    e = log_compact_finish(job, &result);
    if (e == E_CANCELLED)
        return;
    assert_int_equal(e, E_OK);
    assert_true(result.records_after <= result.records_before);
    removed += result.records_before - result.records_after;
    merged += result.segments_before - result.segments_after;
    if (o.has_keys)
        compact_model_compacted(m, &result);
    else
        assert_int_equal(result.records_after, result.records_before);
    compact_model_check(m);
}

static void cut(struct compact_model *m)
{
    int64_t offset = rng_between(&m->rng, m->limit, m->end);

    assert_int_equal(log_truncate(m->r.log, offset), E_OK);
    compact_model_cut(m, log_end_offset(m->r.log));
    if (m->limit > m->end) /* a batch reached over the limit */
        m->limit = m->end;
}

static void step(struct compact_model *m, bool has_cuts)
{
    switch (rng_below(&m->rng, 40)) {
    case 0:
    case 1:
        compact(m);
        break;
    case 2:
        rig_reopen(&m->r);
        assert_true(m->r.recovery.was_clean);
        break;
    case 3:
        rig_crash(&m->r);
        assert_int_equal(rig_open_log(&m->r), E_OK);
        assert_int_equal(m->r.recovery.damaged_ranges, 0);
        assert_int_equal(m->r.recovery.torn_bytes, 0);
        break;
    case 4:
        if (has_cuts)
            cut(m);
        break;
    case 5:
    case 6:
    case 7:
        compact_model_end_txn(m);
        break;
    case 8:
        assert_int_equal(log_maintain(m->r.log, m->limit, m->r.wall_ms), E_OK);
        break;
    case 9:
        m->r.wall_ms += 1000;
        break;
    default:
        compact_model_append(m);
    }
    m->r.wall_ms += (int64_t)rng_below(&m->rng, 20);
}

static void agrees_with_a_naive_model(void **state)
{
    (void)state;
    removed = merged = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct compact_model *m = &model;

        compact_model_open(m, seed);
        for (int i = 0; i < STEPS; i++)
            step(m, false);
        compact(m);
        compact_model_check(m);
        compact_model_close(m);
    }
    assert_true(removed > 1000);
    assert_true(merged > 50);
}

/* A producer whose batches were cut off would not know its next sequence: without any. */
static void agrees_with_a_naive_model_that_is_cut(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 100 + SEEDS; seed++) {
        struct compact_model *m = &model;

        compact_model_open(m, seed);
        m->has_producers = false;
        for (int i = 0; i < STEPS; i++)
            step(m, true);
        compact_model_check(m);
        compact_model_close(m);
    }
}

/* Single cases */

static void put(struct rig *r, const char *key, const char *value)
{
    struct batch_options o = batch_options_init(0);
    struct log_append a = {.wall_ms = r->wall_ms};
    struct log_appended appended;
    struct batch_builder b;
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    batch_builder_init(&b, &o);
    assert_int_equal(batch_builder_add(
                         &b, &(struct record_draft){.timestamp_ms = r->wall_ms,
                                                    .key = slice_of_text(key),
                                                    .value = value == NULL ? (struct slice){0}
                                                                           : slice_of_text(value)}),
                     E_OK);
    assert_int_equal(batch_builder_finish(&b, &bytes), E_OK);
    batch_builder_release(&b);
    a.bytes = bytes.at;
    a.size = bytes.size;
    assert_int_equal(log_append(r->log, &a, &appended), E_OK);
    buf_release(&bytes);
}

static void open_compacted(struct rig *r)
{
    rig_open(r);
    r->options.is_compacted = true;
    r->options.is_deleted = false;
    r->options.segment_bytes = 400;
    assert_int_equal(log_set_options(r->log, &r->options), E_OK);
}

/* Offsets of the records of key `key`, as bits. */
static uint64_t offsets_of(struct rig *r, const char *key)
{
    int64_t offset = log_start_offset(r->log), base;
    struct record_view view;
    struct record_iter it;
    struct buf bytes, unpack;
    uint64_t found = 0;

    buf_init(&bytes, 1 << 20);
    buf_init(&unpack, 1 << 20);
    for (;;) {
        struct batch_header h;

        assert_int_equal(rig_read(r, offset, 1, &bytes, &base), E_OK);
        if (bytes.size == 0)
            break;
        assert_int_equal(batch_peek(buf_slice(&bytes), &h), E_OK);
        assert_int_equal(record_iter_init(&it, buf_slice(&bytes), &unpack), E_OK);
        while (record_iter_next(&it, &view)) {
            if (slice_equal_text(view.key, key))
                found |= UINT64_C(1) << view.offset;
        }
        offset = batch_next_offset(&h);
    }
    buf_release(&bytes);
    buf_release(&unpack);
    return found;
}

static struct log_compact_result must_compact(struct rig *r, const struct log_compact_options *o)
{
    struct log_compact_result result;

    assert_int_equal(log_compact(r->log, o, log_end_offset(r->log), r->wall_ms, &result), E_OK);
    return result;
}

/* It goes when its time has come and another compaction comes by, not before (KIP-534). */
static void a_tombstone_lives_until_its_horizon(void **state)
{
    struct log_compact_options o = log_compact_options_default();
    struct rig r;

    (void)state;
    o.delete_retention_ms = 5000;
    open_compacted(&r);
    put(&r, "a", "one");
    put(&r, "a", NULL);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 8; i++)
            put(&r, "b", "filler filler filler filler filler");
        must_compact(&r, &o);
        assert_int_equal(offsets_of(&r, "a"), round < 3 ? 2 : 0);
        rig_reopen(&r);
        r.wall_ms += 2000;
    }
    rig_close(&r);
}

/* What the broker asks before it begins. */
static void says_what_is_due(void **state)
{
    struct log_compact_options o = log_compact_options_default();
    struct log_compact_due due;
    struct rig r;

    (void)state;
    open_compacted(&r);
    log_compact_look(r.log, &o, 0, r.wall_ms, &due);
    assert_false(due.is_due);
    for (int i = 0; i < 20; i++)
        put(&r, "b", "filler filler filler filler filler");
    log_compact_look(r.log, &o, log_end_offset(r.log), r.wall_ms, &due);
    assert_true(due.is_due);
    assert_int_equal(due.first_dirty_offset, 0);
    assert_int_equal(due.first_uncleanable_offset, log_active(r.log)->base_offset);
    assert_true(due.dirty_ratio == 1.0);
    log_compact_look(r.log, &o, 2, r.wall_ms, &due); /* a high watermark in the first segment */
    assert_false(due.is_due);
    o.min_lag_ms = 1000;
    log_compact_look(r.log, &o, log_end_offset(r.log), r.wall_ms, &due);
    assert_false(due.is_due);
    log_compact_look(r.log, &o, log_end_offset(r.log), r.wall_ms + 2000, &due);
    assert_true(due.is_due);
    must_compact(
        &r, &(struct log_compact_options){.has_keys = true, .codec = -1, .map_bytes = 1 << 16});
    put(&r, "c", "filler filler filler filler filler");
    for (int i = 0; i < 4; i++)
        put(&r, "b", "filler filler filler filler filler");
    o = log_compact_options_default();
    o.min_dirty_ratio = 0.95;
    log_compact_look(r.log, &o, log_end_offset(r.log), r.wall_ms, &due);
    assert_true(due.dirty_bytes > 0 && due.clean_bytes > 0);
    assert_false(due.is_due);
    o.max_lag_ms = 1000;
    log_compact_look(r.log, &o, log_end_offset(r.log), r.wall_ms + 2000, &due);
    assert_true(due.is_due && due.is_forced);
    rig_close(&r);
}

static bool has_cleaned_file(void *ctx, const char *name, bool is_dir)
{
    if (!is_dir && strstr(name, ".cleaned") != NULL)
        *(bool *)ctx = true;
    return true;
}

static void check_no_cleaned_file(struct rig *r)
{
    bool found = false;

    assert_int_equal(os_dir_list(r->dir, has_cleaned_file, &found), E_OK);
    assert_false(found);
}

/* A job that comes too late changes nothing and leaves nothing. */
static void a_truncation_voids_the_job(void **state)
{
    struct log_compact_options o = log_compact_options_default();
    struct log_compact_result result;
    struct log_compact *job;
    struct rig r;

    (void)state;
    open_compacted(&r);
    for (int i = 0; i < 20; i++)
        put(&r, "b", "filler filler filler filler filler");
    assert_int_equal(log_compact_begin(r.log, &o, 20, r.wall_ms, &job), E_OK);
    while (log_compact_run(job))
        ;
    assert_int_equal(log_truncate(r.log, 15), E_OK);
    assert_int_equal(log_compact_finish(job, &result), E_AGAIN);
    check_no_cleaned_file(&r);
    assert_int_equal(offsets_of(&r, "b"), 0x7fff);
    rig_close(&r);
}

static void retention_voids_the_job(void **state)
{
    struct log_compact_options o = log_compact_options_default();
    struct log_compact_result result;
    struct log_compact *job;
    struct rig r;

    (void)state;
    open_compacted(&r);
    for (int i = 0; i < 20; i++)
        put(&r, "b", "filler filler filler filler filler");
    assert_int_equal(log_compact_begin(r.log, &o, 20, r.wall_ms, &job), E_OK);
    assert_int_equal(log_delete_before(r.log, 8), E_OK);
    while (log_compact_run(job))
        ;
    assert_int_equal(log_compact_finish(job, &result), E_AGAIN);
    check_no_cleaned_file(&r);
    must_compact(&r, &o);
    rig_close(&r);
}

/* A range that was given out goes on after the swap. */
static void a_reader_keeps_the_old_file(void **state)
{
    struct log_compact_options o = log_compact_options_default();
    struct log_range range;
    struct rig r;
    uint8_t before[300], after[300];
    size_t got;

    (void)state;
    open_compacted(&r);
    for (int i = 0; i < 20; i++)
        put(&r, "b", "filler filler filler filler filler");
    assert_int_equal(log_read(r.log, 0, INT64_MAX, 300, &range), E_OK);
    assert_true(range.size > 200);
    assert_int_equal(os_file_read(range.file, range.pos, before, 200, &got), E_OK);
    must_compact(&r, &o);
    assert_int_equal(os_file_read(range.file, range.pos, after, 200, &got), E_OK);
    assert_int_equal(got, 200);
    assert_memory_equal(before, after, 200);
    log_range_release(&range);
    rig_close(&r);
}

/* Damage is never copied: it and what follows stays as it is. */
static void damage_ends_compaction(void **state)
{
    struct log_compact_options o = log_compact_options_default();
    struct log_compact_result result;
    struct log_compact_due due;
    int64_t damaged;
    struct rig r;

    (void)state;
    open_compacted(&r);
    for (int i = 0; i < 30; i++)
        put(&r, "b", "filler filler filler filler filler");
    damaged = log_segment_at(r.log, 2)->base_offset;
    rig_flip(&r, damaged, 70);
    assert_int_equal(log_compact(r.log, &o, 30, r.wall_ms, &result), E_CORRUPT);
    check_no_cleaned_file(&r);
    log_compact_look(r.log, &o, 30, r.wall_ms, &due);
    assert_int_equal(due.first_uncleanable_offset, damaged);
    must_compact(&r, &o);
    assert_int_equal(log_compact(r.log, &o, 30, r.wall_ms, &result), E_NOT_FOUND);
    rig_close(&r);
}

/* compression.type: every record stays, every batch of sealed segments has the codec. */
static void recompresses_without_keys(void **state)
{
    struct log_compact_options o = log_compact_options_default();
    struct log_compact_due due;
    struct log_compact_result result;
    struct rig r;

    (void)state;
    o.has_keys = false;
    o.codec = CODEC_ZSTD;
    rig_open(&r);
    r.options.segment_bytes = 20000;
    assert_int_equal(log_set_options(r.log, &r.options), E_OK);
    for (int i = 0; i < 60; i++) {
        struct rig_batch b = {
            .count = 20, .value_size = 100, .timestamp_ms = r.wall_ms, .codec = i % 5};

        assert_int_equal(rig_append(&r, &b, NULL), E_OK);
    }
    log_compact_look(r.log, &o, 0, r.wall_ms, &due);
    assert_true(due.is_due);
    result = must_compact(&r, &o);
    assert_true(result.bytes_after < result.bytes_before);
    assert_int_equal(result.records_after, result.records_before);
    assert_int_equal(rig_check_all(&r), 60); /* offsets continue */
    rig_reopen(&r);
    assert_true(r.recovery.was_clean);
    assert_int_equal(rig_check_all(&r), 60);
    log_compact_look(r.log, &o, 0, r.wall_ms, &due);
    assert_false(due.is_due); /* also known after a restart */
    o.codec = CODEC_NONE;     /* many segments of one now */
    log_compact_look(r.log, &o, 0, r.wall_ms, &due);
    assert_true(due.is_due);
    result = must_compact(&r, &o);
    assert_true(result.segments_after > result.segments_before);
    assert_int_equal(rig_check_all(&r), 60);
    rig_reopen(&r);
    assert_int_equal(rig_check_all(&r), 60);
    rig_close(&r);
}

TESTS(test_compact, cmocka_unit_test(agrees_with_a_naive_model),
      cmocka_unit_test(agrees_with_a_naive_model_that_is_cut),
      cmocka_unit_test(a_tombstone_lives_until_its_horizon), cmocka_unit_test(says_what_is_due),
      cmocka_unit_test(a_truncation_voids_the_job), cmocka_unit_test(retention_voids_the_job),
      cmocka_unit_test(a_reader_keeps_the_old_file), cmocka_unit_test(damage_ends_compaction),
      cmocka_unit_test(recompresses_without_keys));
