#include <stdio.h>

#include "compact_model.h"

#include "base/mem.h"
#include "os/dir.h"
#include "record/batch.h"
#include "record/control.h"
#include "storage/log_priv.h"
#include "storage/log_repair.h"
#include "storage/log_scrub.h"
#include "storage/log_verify.h"
#include "unit.h"

/*
 * Every allocation fails once: the n-th of a scenario, for n = 1, 2, ... until the scenario ends
 * untouched. The linker puts the functions below in the way of base/mem.h, under the engine and
 * everything that it stands on. The call in which memory ran out says E_NOMEM or does its work all
 * the same; nothing is freed twice or never; and a log that went on or was opened again has what
 * was acknowledged, and its producers.
 */
static int left;      /* allocations until the one that fails; 0: none does */
static int alive;     /* allocations that were not freed */
static bool is_ready; /* only while the engine is at work */
static bool has_failed;

static bool fails(void)
{
    if (!is_ready || left == 0 || --left > 0)
        return false;
    has_failed = true;
    return true;
}

void *__real_mem_alloc(size_t size);
void *__wrap_mem_alloc(size_t size);
void *__real_mem_alloc_zero(size_t size);
void *__wrap_mem_alloc_zero(size_t size);
void *__real_mem_realloc(void *old, size_t size);
void *__wrap_mem_realloc(void *old, size_t size);
void __real_mem_free(void *p);
void __wrap_mem_free(void *p);

void *__wrap_mem_alloc(size_t size)
{
    void *p = fails() ? NULL : __real_mem_alloc(size);

    alive += p != NULL;
    return p;
}

void *__wrap_mem_alloc_zero(size_t size)
{
    void *p = fails() ? NULL : __real_mem_alloc_zero(size);

    alive += p != NULL;
    return p;
}

void *__wrap_mem_realloc(void *old, size_t size)
{
    void *p = fails() ? NULL : __real_mem_realloc(old, size);

    alive += p != NULL && old == NULL;
    return p;
}

void __wrap_mem_free(void *p)
{
    alive -= p != NULL;
    __real_mem_free(p);
}

/* A log and what it promised. */
struct trial {
    struct rig r;
    int n;
    bool has_failed_before; /* this call */
    int64_t synced;
    int64_t appended; /* the most that may be there */
    int64_t start;
    int64_t sequence; /* of producer 5: the next one */
};

static void begin_call(struct trial *t)
{
    t->has_failed_before = has_failed;
    is_ready = true;
}

/* What a call may say: E_NOMEM if memory ran out in it; E_BROKEN after a failed write. */
static enum err end_call(struct trial *t, const char *what, enum err e)
{
    bool is_now = has_failed && !t->has_failed_before;

    is_ready = false;
    if (e == E_OK || (is_now && e == E_NOMEM))
        return e;
    if (e != E_BROKEN || !has_failed || t->r.log == NULL || !log_is_broken(t->r.log))
        fail_msg("allocation %d: %s: %s", t->n, what, err_name(e));
    return e;
}

static void note(struct trial *t)
{
    if (log_synced_offset(t->r.log) > t->synced)
        t->synced = log_synced_offset(t->r.log);
}

static enum err open_log(struct trial *t)
{
    struct log_open open = {t->r.root, "t-0", &t->r.options, t->r.wall_ms};
    struct log *log = NULL;
    enum err e;

    begin_call(t);
    e = log_open(&open, &log, &t->r.recovery, &t->r.report);
    t->r.log = log;
    return end_call(t, "open", e);
}

static void close_log(struct trial *t)
{
    begin_call(t);
    log_close(t->r.log);
    is_ready = false;
    t->r.log = NULL;
}

static enum err append(struct trial *t, struct buf *bytes)
{
    struct log_appended appended;
    struct log_append a = {.bytes = bytes->at, .size = bytes->size, .wall_ms = t->r.wall_ms};
    enum err e;

    a.leader_epoch = log_latest_epoch(t->r.log) < 0 ? 0 : log_latest_epoch(t->r.log);
    begin_call(t);
    e = log_append(t->r.log, &a, &appended);
    e = end_call(t, "append", e);
    buf_release(bytes);
    note(t);
    return e;
}

static enum err append_batch(struct trial *t, const struct rig_batch *batch)
{
    struct buf bytes;

    buf_init(&bytes, 1 << 20);
    rig_build(batch, 0, 0, (uint32_t)log_end_offset(t->r.log), &bytes);
    if (t->appended < log_end_offset(t->r.log) + batch->count)
        t->appended = log_end_offset(t->r.log) + batch->count;
    return append(t, &bytes);
}

static struct rig_batch of_producer(const struct trial *t, int64_t sequence)
{
    return (struct rig_batch){.count = 2,
                              .value_size = 100,
                              .timestamp_ms = t->r.wall_ms,
                              .producer_id = 5,
                              .base_sequence = (int32_t)sequence};
}

static void sync_log(struct trial *t)
{
    begin_call(t);
    (void)!end_call(t, "sync", log_sync(t->r.log));
    note(t);
}

static void fill(struct trial *t, int count)
{
    for (int i = 0; i < count; i++) {
        struct rig_batch b = of_producer(t, t->sequence);

        if (append_batch(t, &b) == E_OK)
            t->sequence += 2;
    }
    sync_log(t);
}

static void end_txn(struct trial *t, bool commit)
{
    struct batch_end_txn marker = {
        .timestamp_ms = t->r.wall_ms, .producer_id = 6, .commit = commit};
    struct rig_batch b = {.count = 1,
                          .value_size = 100,
                          .timestamp_ms = t->r.wall_ms,
                          .producer_id = 6,
                          .base_sequence = -1,
                          .transactional = true};
    struct buf bytes;

    if (append_batch(t, &b) != E_OK)
        return;
    buf_init(&bytes, 1000);
    assert_int_equal(batch_build_end_txn(&marker, &bytes), E_OK);
    t->appended = log_end_offset(t->r.log) + 1;
    (void)!append(t, &bytes);
}

/* The log in memory is whole, and knows its producer's last batches as duplicates. */
static void check(struct trial *t)
{
    int64_t sequence;

    if (t->r.recovery.damaged_ranges > 0)
        fail_msg("allocation %d: taken for damage", t->n);
    if (log_end_offset(t->r.log) < t->synced || log_end_offset(t->r.log) > t->appended ||
        log_start_offset(t->r.log) < t->start)
        fail_msg("allocation %d: [%d, %d), synced %d", t->n, (int)log_start_offset(t->r.log),
                 (int)log_end_offset(t->r.log), (int)t->synced);
    rig_check_all(&t->r);
    rig_check_aborted(&t->r);
    sequence = rig_next_sequence(&t->r, 5);
    for (int back = 1; back <= 5 && sequence >= 2 * back && !log_is_broken(t->r.log); back++) {
        struct rig_batch b = of_producer(t, sequence - 2 * (int64_t)back);

        if (rig_append(&t->r, &b, NULL) != E_DUPLICATE)
            fail_msg("allocation %d: batch %d from the end is no duplicate", t->n, back);
    }
    if (sequence >= 0)
        t->sequence = sequence;
}

/* open_log; if memory runs out, once more. */
static bool reopen(struct trial *t)
{
    enum err e = open_log(t);

    if (e != E_OK)
        e = open_log(t);
    if (e != E_OK)
        return false;
    check(t);
    return true;
}

/* A new process, as far as the log can tell. */
static void start_over(struct trial *t)
{
    close_log(t);
    log_root_close(t->r.root);
    assert_int_equal(log_root_open(t->r.os, t->r.path, &t->r.root, &t->r.report), E_OK);
    assert_int_equal(open_log(t), E_OK);
}

static void begin(struct trial *t, int n)
{
    *t = (struct trial){.n = n};
    left = 0;
    alive = 0;
    rig_open(&t->r);
    t->r.options.segment_bytes = 1500;
    t->r.options.index_interval_bytes = 200;
    t->r.options.file_delete_delay_ms = 10;
    rig_reopen(&t->r);
    has_failed = false;
}

/* From here on the n-th allocation fails. */
static void arm(const struct trial *t)
{
    left = t->n;
}

static void end(struct trial *t)
{
    if (t->r.log != NULL)
        check(t);
    close_log(t);
    left = 0;
    log_root_close(t->r.root);
    assert_int_equal(log_root_open(t->r.os, t->r.path, &t->r.root, &t->r.report), E_OK);
    assert_true(reopen(t));
    fill(t, 2);
    rig_reopen(&t->r);
    assert_true(t->r.recovery.was_clean);
    check(t);
    rig_close(&t->r);
    if (alive != 0)
        fail_msg("allocation %d: %d were never freed", t->n, alive);
}

/* Run `scenario` until it ends untouched; so many allocations it has at least. */
static void run(void (*scenario)(struct trial *t), int least)
{
    int n = 0;

    do {
        struct trial t;

        begin(&t, ++n);
        scenario(&t);
        end(&t);
    } while (has_failed);
    if (n <= least)
        fail_msg("only %d allocations", n);
}

static void live(struct trial *t)
{
    struct log_range range;
    int64_t offset, timestamp;
    enum err e;

    close_log(t);
    arm(t);
    if (!reopen(t))
        return;
    fill(t, 7);
    end_txn(t, false);
    fill(t, 2);
    begin_call(t);
    (void)!end_call(t, "begin epoch", log_begin_epoch(t->r.log, 3));
    begin_call(t);
    (void)!end_call(t, "set topic id", log_set_topic_id(t->r.log, (struct uuid){{7}}));
    begin_call(t);
    e = log_read(t->r.log, 0, INT64_MAX, 1 << 20, &range);
    if (e == E_OK)
        log_range_release(&range);
    (void)!end_call(t, "read", e);
    begin_call(t);
    e = log_find_timestamp(t->r.log, t->r.wall_ms, INT64_MAX, &offset, &timestamp);
    (void)!end_call(t, "find timestamp", e);
    fill(t, 2);
    end_txn(t, true);
    close_log(t);
    (void)!reopen(t);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    run(live, 60);
}

/* A start that is moved, retention, deletions, a roll by age. */
static void age(struct trial *t)
{
    enum err e;

    fill(t, 14);
    arm(t);
    begin_call(t);
    e = end_call(t, "delete before", log_delete_before(t->r.log, 9));
    if (e == E_OK)
        t->start = 9;
    t->r.options.retention_bytes = 2000;
    t->r.options.segment_ms = 1000;
    assert_int_equal(log_set_options(t->r.log, &t->r.options), E_OK);
    for (int i = 1; i < 4; i++) {
        begin_call(t);
        e = log_maintain(t->r.log, log_end_offset(t->r.log), t->r.wall_ms + i * 100000ll);
        (void)!end_call(t, "maintain", e);
        fill(t, 1);
    }
}

static void every_allocation_of_retention_fails_once(void **state)
{
    (void)state;
    run(age, 20);
}

static void cut(struct trial *t)
{
    int64_t before;
    enum err e;

    fill(t, 8);
    end_txn(t, false);
    fill(t, 2);
    before = log_end_offset(t->r.log);
    arm(t);
    begin_call(t);
    e = end_call(t, "truncate", log_truncate(t->r.log, 7));
    t->synced = 6;
    if (e == E_OK)
        t->appended = 7;
    if (log_is_broken(t->r.log)) { /* half done */
        close_log(t);
        return;
    }
    if (e != E_OK)
        assert_int_equal(log_end_offset(t->r.log), before); /* nothing was begun */
    t->sequence = rig_next_sequence(&t->r, 5);
    fill(t, 3);
    end_txn(t, false);
}

static void every_allocation_of_a_truncate_fails_once(void **state)
{
    (void)state;
    run(cut, 5);
}

/* What kill -9 left: some of it was never checkpointed, and an index is gone. */
static void recover(struct trial *t)
{
    fill(t, 4);
    end_txn(t, false);
    rig_reopen(&t->r);
    fill(t, 7);
    end_txn(t, false);
    begin_call(t);
    (void)!end_call(t, "begin epoch", log_begin_epoch(t->r.log, 3));
    fill(t, 3);
    rig_crash(&t->r);
    assert_int_equal(os_dir_open_in(log_root_dir(t->r.root), "t-0", false, &t->r.dir), E_OK);
    arm(t);
    (void)!reopen(t);
}

static void every_allocation_of_recovery_fails_once(void **state)
{
    (void)state;
    run(recover, 30);
}

/* The same with nothing but segments: as an Apache Kafka's folder, or a lost checkpoint. */
static void recover_all(struct trial *t)
{
    fill(t, 12);
    end_txn(t, false);
    fill(t, 3);
    rig_crash(&t->r);
    assert_int_equal(os_dir_open_in(log_root_dir(t->r.root), "t-0", false, &t->r.dir), E_OK);
    assert_int_equal(os_dir_remove_file(t->r.dir, LOG_CHECKPOINT_NAME), E_OK);
    arm(t);
    (void)!reopen(t);
}

static void every_allocation_of_a_whole_scan_fails_once(void **state)
{
    (void)state;
    run(recover_all, 30);
}

/* A good copy for the repair. */
static enum err copy_read(void *ctx, int64_t offset, int64_t end, struct buf *out)
{
    const struct buf *copy = ctx;
    struct batch_iter it = batch_iter_init(buf_slice(copy));
    struct batch_view view;

    while (batch_iter_next(&it, &view)) {
        if (view.header.base_offset >= offset && view.header.base_offset < end)
            return buf_append(out, view.bytes.at, view.bytes.size);
    }
    return E_NOT_FOUND;
}

static void scrub(struct trial *t)
{
    struct log_scrubbed result = {.is_round_done = false};

    for (int i = 0; i < 40 && !result.is_round_done; i++) {
        struct log_scrub s;
        enum err e;

        begin_call(t);
        e = log_scrub_begin(&s, t->r.log, 700, t->r.wall_ms);
        if (e == E_OK) {
            log_scrub_run(&s);
            e = log_scrub_finish(&s, t->r.log, &result);
        }
        /* E_NOT_FOUND: it was the last one that failed, and its round is over. */
        if (e != E_NOT_FOUND && end_call(t, "scrub", e) != E_BROKEN)
            continue;
        is_ready = false;
        return;
    }
}

static enum err verify_and_mark(struct trial *t)
{
    struct log_verify_options options = {.is_uncached = false};
    struct log_verify_result found;
    int count;
    enum err e;

    begin_call(t);
    e = log_verify(t->r.log, &options, &found);
    if (e == E_OK) {
        e = log_mark_damage(t->r.log, &found, &count);
        log_verify_release(&found);
    }
    return end_call(t, "verify and mark", e);
}

static void mend(struct trial *t)
{
    struct buf copy;
    struct log_repair_source source = {.read = copy_read, .ctx = &copy};
    struct log_verify_range range;
    struct log_repaired repaired;
    int64_t base;

    fill(t, 14);
    buf_init(&copy, 1 << 20);
    assert_int_equal(rig_read(&t->r, 0, 1 << 20, &copy, &base), E_OK);
    rig_flip(&t->r, 0, 100);
    arm(t);
    scrub(t);
    rig_flip(&t->r, 0, 500);
    if (verify_and_mark(t) == E_NOMEM) /* it comes back */
        assert_int_equal(verify_and_mark(t), E_OK);
    for (int i = 0; log_find_damage(t->r.log, 0, &range) == E_OK; i++) {
        enum err e;

        begin_call(t);
        e = log_repair(t->r.log, range.offset, &source, &repaired, &t->r.report);
        if (end_call(t, "repair", e) == E_BROKEN || log_is_broken(t->r.log))
            start_over(t);
        assert_true(i < 4);
    }
    buf_release(&copy);
}

static void every_allocation_of_a_repair_fails_once(void **state)
{
    (void)state;
    run(mend, 20);
}

/* A compaction that memory ends leaves the log as it was; the next one does what it did not. */
static void every_allocation_of_a_compaction_fails_once(void **state)
{
    static struct compact_model m;
    int n = 0;

    (void)state;
    do {
        struct log_compact_options o = log_compact_options_default();
        struct log_compact_result result;
        enum err e;

        o.map_bytes = 1 << 16;
        left = 0;
        alive = 0;
        compact_model_open(&m, 3);
        for (int i = 0; i < 60; i++) {
            compact_model_append(&m);
            while (i % 10 == 9 && (m.open_txn[2] >= 0 || m.open_txn[3] >= 0))
                compact_model_end_txn(&m);
        }
        has_failed = false;
        left = ++n;
        is_ready = true;
        e = log_compact(m.r.log, &o, m.end, m.r.wall_ms, &result);
        is_ready = false;
        left = 0;
        if (e != E_OK && (e != E_NOMEM || !has_failed || log_is_broken(m.r.log)))
            fail_msg("allocation %d: %s", n, err_name(e));
        if (e == E_OK)
            m.clean_offset = result.clean_offset;
        compact_model_check(&m);
        if (e == E_NOMEM) {
            assert_int_equal(log_compact(m.r.log, &o, m.end, m.r.wall_ms, &result), E_OK);
            m.clean_offset = result.clean_offset;
        }
        rig_reopen(&m.r);
        assert_true(m.r.recovery.was_clean);
        assert_int_equal(m.r.recovery.damaged_ranges, 0);
        compact_model_check(&m);
        compact_model_close(&m);
        if (alive != 0)
            fail_msg("allocation %d: %d were never freed", n, alive);
    } while (has_failed);
    assert_true(n > 40);
}

TESTS(test_memory, cmocka_unit_test(every_allocation_fails_once),
      cmocka_unit_test(every_allocation_of_retention_fails_once),
      cmocka_unit_test(every_allocation_of_a_truncate_fails_once),
      cmocka_unit_test(every_allocation_of_recovery_fails_once),
      cmocka_unit_test(every_allocation_of_a_whole_scan_fails_once),
      cmocka_unit_test(every_allocation_of_a_repair_fails_once),
      cmocka_unit_test(every_allocation_of_a_compaction_fails_once));
