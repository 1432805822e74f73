#include "rig.h"

#include "base/rng.h"
#include "os/file.h"
#include "record/batch.h"
#include "storage/frame.h"
#include "unit.h"

/*
 * Random operations on a log and on a model of it: an array of batches. After
 * each the two must agree.
 */
enum { BATCHES_MAX = 20000, STEPS = 400, SEEDS = 6 };

struct model_batch {
    int64_t base;
    int64_t last;
    int64_t max_timestamp;
    uint32_t crc;
};

struct model {
    struct model_batch batches[BATCHES_MAX];
    int count;
    int64_t start;
    int64_t end;
    int64_t synced;
};

static void append(struct rig *r, struct model *m, struct rng *rng)
{
    struct log_append a = {.wall_ms = r->wall_ms, .leader_epoch = 0};
    struct log_appended appended;
    struct batch_view view;
    struct frame_iter it;
    struct buf bytes;
    int count = (int)rng_between(rng, 1, 4);

    if (m->count + 20 * count > BATCHES_MAX)
        return;
    buf_init(&bytes, 1 << 20);
    for (int i = 0; i < count; i++) {
        struct rig_batch b = {.format = log_format(r->log),
                              .count = (int)rng_between(rng, 1, 20),
                              .value_size = (int)rng_between(rng, 0, 300),
                              .timestamp_ms = r->wall_ms + rng_between(rng, -50, 50),
                              .codec = (int)rng_below(rng, 5)};

        rig_build(&b, 777, 5, (uint32_t)rng_next(rng), &bytes);
    }
    a.bytes = bytes.at;
    a.size = bytes.size;
    assert_int_equal(log_append(r->log, &a, &appended), E_OK);
    assert_int_equal(appended.first_offset, m->end);
    it = frame_iter_init(log_format(r->log), buf_slice(&bytes), m->end);
    while (frame_iter_next(&it, &view)) {
        assert_int_equal(view.header.base_offset, m->end);
        m->batches[m->count++] = (struct model_batch){.base = m->end,
                                                      .last = batch_last_offset(&view.header),
                                                      .max_timestamp = view.header.max_timestamp,
                                                      .crc = view.header.crc};
        m->end = batch_next_offset(&view.header);
    }
    assert_int_equal(appended.last_offset, m->end - 1);
    buf_release(&bytes);
}

static void truncate(struct rig *r, struct model *m, struct rng *rng)
{
    int64_t offset = rng_between(rng, m->start, m->end);

    if (rng_chance(rng, 2, 3)) /* mostly near the end */
        offset = rng_between(rng, m->end - (m->end - m->start) / 20, m->end);
    assert_int_equal(log_truncate(r->log, offset), E_OK);
    if (offset >= m->end)
        return;
    while (m->count > 0 && m->batches[m->count - 1].last >= offset) {
        m->count--;
        m->end = offset < m->batches[m->count].base ? m->end : m->batches[m->count].base;
    }
    if (m->end > offset)
        m->end = offset;
    if (m->start > m->end)
        m->start = m->end;
    m->synced = m->end;
}

static void delete_before(struct rig *r, struct model *m, struct rng *rng)
{
    int64_t offset = m->start + (int64_t)rng_below(rng, (uint64_t)(m->end - m->start) / 4 + 1);

    assert_int_equal(log_delete_before(r->log, offset), E_OK);
    m->start = offset;
}

static const struct model_batch *model_find(const struct model *m, int64_t offset)
{
    for (int i = 0; i < m->count; i++) {
        if (m->batches[i].last >= offset)
            return &m->batches[i];
    }
    return NULL;
}

static void read_somewhere(struct rig *r, const struct model *m, struct rng *rng)
{
    int64_t offset = rng_between(rng, m->start, m->end);
    int64_t limit = rng_between(rng, offset, m->end);
    const struct model_batch *want = model_find(m, offset);
    const struct model_batch *top = model_find(m, limit);
    size_t size_max = (size_t)rng_below(rng, 9000), got;
    struct log_range range;
    struct batch_view view;
    struct frame_iter it;
    struct buf bytes;

    if (top != NULL)
        limit = top->base; /* batches are not split by a limit */
    assert_int_equal(log_read(r->log, offset, limit, size_max, &range), E_OK);
    if (want == NULL || want->base >= limit) {
        assert_int_equal(range.size, 0);
        return;
    }
    assert_int_equal(range.base_offset, want->base);
    assert_true(range.size > 0);
    buf_init(&bytes, 16 << 20);
    assert_int_equal(buf_reserve(&bytes, range.size), E_OK);
    assert_int_equal(os_file_read(range.file, range.pos, bytes.at, range.size, &got), E_OK);
    assert_int_equal(got, range.size);
    bytes.size = got;
    it = frame_iter_init(log_format(r->log), buf_slice(&bytes), range.base_offset);
    while (frame_iter_next(&it, &view)) {
        assert_int_equal(view.header.base_offset, want->base);
        assert_int_equal(view.header.crc, want->crc);
        assert_true(batch_last_offset(&view.header) < limit);
        want++;
    }
    assert_true(range.size <= size_max || it.it.pos == bytes.size);
    buf_release(&bytes);
    log_range_release(&range);
}

static void check(struct rig *r, const struct model *m)
{
    int64_t timestamp, offset, largest = -1;

    assert_int_equal(log_start_offset(r->log), m->start);
    assert_int_equal(log_end_offset(r->log), m->end);
    log_max_timestamp(r->log, &timestamp, &offset);
    for (int i = 0; i < m->count; i++) {
        if (m->batches[i].last >= m->start && m->batches[i].max_timestamp > largest)
            largest = m->batches[i].max_timestamp;
    }
    assert_true(timestamp >= largest); /* whole segments go, batches of the first may stay */
}

static void step(struct rig *r, struct model *m, struct rng *rng)
{
    switch (rng_below(rng, 20)) {
    case 0:
        if (rng_chance(rng, 1, 3))
            truncate(r, m, rng);
        break;
    case 1:
        delete_before(r, m, rng);
        break;
    case 2:
        rig_reopen(r);
        assert_true(r->recovery.was_clean);
        m->synced = m->end;
        break;
    case 3:
        rig_crash(r);
        assert_int_equal(rig_open_log(r), E_OK);
        assert_int_equal(r->recovery.torn_bytes, 0);
        assert_int_equal(r->recovery.damaged_ranges, 0);
        m->synced = m->end;
        break;
    case 4:
    case 5:
        assert_int_equal(log_sync(r->log), E_OK);
        m->synced = m->end;
        break;
    case 6:
        assert_int_equal(log_maintain(r->log, m->end, r->wall_ms), E_OK);
        break;
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
        read_somewhere(r, m, rng);
        break;
    default:
        append(r, m, rng);
    }
    r->wall_ms += rng_between(rng, 0, 20);
    assert_true(log_synced_offset(r->log) >= m->synced || m->synced > m->end);
}

static void agree(enum log_format format)
{
    static struct model m;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng rng;
        struct rig r;

        rng_init(&rng, seed);
        memset(&m, 0, sizeof(m));
        rig_open_as(&r, format);
        r.options.segment_bytes = (int64_t)rng_between(&rng, 40000, 200000);
        r.options.index_interval_bytes = rng_between(&rng, 100, 5000);
        r.options.segment_ms = rng_between(&rng, 200, 5000);
        r.options.preallocate = rng_chance(&rng, 1, 4);
        assert_int_equal(log_set_options(r.log, &r.options), E_OK);
        for (int i = 0; i < STEPS; i++) {
            step(&r, &m, &rng);
            check(&r, &m);
        }
        rig_check_all(&r);
        rig_close(&r);
    }
}

static void batches_agree_with_a_model(void **state)
{
    (void)state;
    agree(LOG_FORMAT_BATCH);
}

static void messages_agree_with_a_model(void **state)
{
    (void)state;
    agree(LOG_FORMAT_MESSAGE);
}

TESTS(test_model, cmocka_unit_test(batches_agree_with_a_model),
      cmocka_unit_test(messages_agree_with_a_model));
