#include "meta/snapshot.h"

#include "base/mem.h"
#include "chaos.h"
#include "unit.h"
#include "wire/metadata_record.h"

/* The whole snapshot in pieces of `size_max`. */
static void take(const struct meta_image *image, size_t size_max, struct meta_records *records)
{
    struct meta_snapshot *snapshot;
    bool is_done = false;

    meta_records_clear(records);
    assert_int_equal(meta_snapshot_new(image, &snapshot), E_OK);
    while (!is_done) {
        struct meta_records piece;

        meta_records_init(&piece);
        assert_int_equal(meta_snapshot_next(snapshot, &piece, size_max, &is_done), E_OK);
        for (size_t i = 0; i < meta_records_count(&piece); i++)
            assert_int_equal(meta_records_add(records, meta_records_at(&piece, i)), E_OK);
        assert_true(is_done || piece.bytes.size >= size_max);
        meta_records_release(&piece);
    }
    meta_snapshot_free(snapshot);
}

static bool is_same(const struct meta_records *a, const struct meta_records *b)
{
    if (meta_records_count(a) != meta_records_count(b))
        return false;
    for (size_t i = 0; i < meta_records_count(a); i++) {
        if (!slice_equal(meta_records_at(a, i), meta_records_at(b, i)))
            return false;
    }
    return true;
}

static struct meta_image *load(const struct meta_records *records, uint64_t seed)
{
    struct meta_image *image = meta_image_new(seed);
    struct report report = {{0}};

    assert_non_null(image);
    for (size_t i = 0; i < meta_records_count(records); i++) {
        enum err e = meta_image_apply(image, meta_records_at(records, i), NULL, &report);

        if (e != E_OK)
            fail_msg("%s", report.text);
    }
    return image;
}

/* The index against a count of everything. */
static void check_index(const struct meta_image *image)
{
    struct meta_tally tally = {0};
    struct meta_tally seen;

    for (int32_t id = -1; id < 8; id++) {
        struct meta_load load = {0};
        const struct meta_topic *topic;
        struct map_iter it = {0};
        size_t hosted = 0;

        while ((topic = meta_image_next_topic(image, &it)) != NULL) {
            bool is_host = false;

            for (int32_t i = 0; i < topic->partition_count; i++) {
                const struct meta_partition *p = meta_topic_partition(topic, i);

                if (p == NULL)
                    continue;
                load.leaders += id >= 0 && p->leader == id;
                load.replicas += meta_ids_have(meta_partition_ids(p, META_REPLICAS), id);
                is_host |= meta_ids_have(meta_partition_ids(p, META_REPLICAS), id);
                if (id >= 0)
                    continue;
                tally.leaderless += p->leader == META_NO_LEADER;
                tally.imbalanced += p->leader != meta_partition_ids(p, META_REPLICAS).at[0];
                tally.reassigning += meta_partition_is_reassigning(p);
                tally.eligible += meta_partition_ids(p, META_ELR).count > 0 ||
                                  meta_partition_ids(p, META_LAST_KNOWN_ELR).count > 0;
            }
            hosted += is_host;
        }
        assert_int_equal(meta_image_load(image, id).leaders, load.leaders);
        assert_int_equal(meta_image_load(image, id).replicas, load.replicas);
        it = (struct map_iter){0};
        while (meta_image_next_hosted(image, id, &it) != NULL)
            hosted--;
        assert_int_equal(hosted, 0);
    }
    seen = meta_image_tally(image);
    assert_memory_equal(&tally, &seen, sizeof(tally));
}

/* An image, and within a transaction one that is ahead: what would be refused at the end of the
 * transaction does not get into it. */
struct pair {
    struct meta_image *image;
    struct meta_image *ahead;
    struct meta_records before;  /* the image's snapshot, as of the last record */
    struct meta_records history; /* every record that was accepted: they know what was deleted */
};

/* The image before the transaction that the last record begins. */
static struct meta_image *load_outside(struct meta_records *history, uint64_t seed)
{
    struct buf last;
    struct slice record = meta_records_at(history, meta_records_count(history) - 1);
    struct meta_image *image;

    buf_init(&last, record.size);
    assert_int_equal(buf_append(&last, record.at, record.size), E_OK);
    meta_records_cut(history, meta_records_count(history) - 1);
    image = load(history, seed);
    assert_int_equal(meta_records_add(history, buf_slice(&last)), E_OK);
    buf_release(&last);
    return image;
}

static bool is_end(const struct buf *record)
{
    struct reader r = reader_init(record->at, record->size);
    struct wire_metadata_frame frame;

    assert_int_equal(wire_metadata_frame_decode(&r, &frame), E_OK);
    return frame.key == WIRE_METADATA_END_TRANSACTION_RECORD ||
           frame.key == WIRE_METADATA_ABORT_TRANSACTION_RECORD ||
           frame.key == WIRE_METADATA_BEGIN_TRANSACTION_RECORD;
}

static enum err step(struct pair *p, struct rng *rng, struct buf *record)
{
    struct report report = {{0}};
    enum err e = E_OK;

    chaos_record(rng, p->ahead != NULL && rng_chance(rng, 4, 5) ? p->ahead : p->image, record);
    if (p->ahead != NULL && !is_end(record))
        e = meta_image_apply(p->ahead, buf_slice(record), NULL, &report);
    if (e == E_OK)
        e = meta_image_apply(p->image, buf_slice(record), NULL, &report);
    if (e == E_OK)
        assert_int_equal(meta_records_add(&p->history, buf_slice(record)), E_OK);
    return e;
}

/* What the last step left: refused, it changed nothing; and the snapshot makes an equal image. */
static void check(struct pair *p, struct rng *rng, bool was_refused)
{
    struct meta_records after, again;
    struct meta_image *copy;

    meta_records_init(&after);
    meta_records_init(&again);
    take(p->image, 1 + rng_below(rng, 1000), &after);
    assert_true(!was_refused || is_same(&p->before, &after));
    check_index(p->image);
    copy = load(&after, rng_next(rng));
    take(copy, 1 << 20, &again);
    assert_true(is_same(&after, &again));
    meta_image_free(copy);
    meta_records_release(&again);
    meta_records_release(&p->before);
    p->before = after;
}

/* An image as records makes an equal image; a record that is refused changes nothing. */
static void comes_back_as_it_was(void **state)
{
    enum { SEEDS = 10, STEPS = 500 };
    struct buf record;
    int applied = 0;

    buf_init(&record, 1 << 20);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct pair p = {.image = meta_image_new(seed)};
        struct rng rng;

        rng_init(&rng, seed);
        meta_records_init(&p.before);
        meta_records_init(&p.history);
        check(&p, &rng, false);
        for (int i = 0; i < STEPS; i++) {
            enum err e = step(&p, &rng, &record);

            applied += e == E_OK;
            if (meta_image_in_transaction(p.image)) {
                if (p.ahead == NULL)
                    p.ahead = load_outside(&p.history, seed);
                continue;
            }
            assert_true(p.ahead == NULL || e == E_OK);
            meta_image_free(p.ahead);
            p.ahead = NULL;
            check(&p, &rng, e != E_OK);
        }
        meta_image_free(p.image);
        meta_image_free(p.ahead);
        meta_records_release(&p.before);
        meta_records_release(&p.history);
    }
    assert_true(applied > SEEDS * STEPS / 2);
    buf_release(&record);
}

static void none_is_taken_within_a_transaction(void **state)
{
    struct meta_image *image = meta_image_new(1);
    struct meta_snapshot *snapshot;
    struct rng rng;
    struct buf record;

    rng_init(&rng, 5);
    buf_init(&record, 1 << 20);
    while (!meta_image_in_transaction(image)) {
        chaos_record(&rng, image, &record);
        if (meta_image_apply(image, buf_slice(&record), NULL, NULL) != E_OK)
            continue;
    }
    assert_int_equal(meta_snapshot_new(image, &snapshot), E_AGAIN);
    buf_release(&record);
    meta_image_free(image);
}

TESTS(test_snapshot, cmocka_unit_test(comes_back_as_it_was),
      cmocka_unit_test(none_is_taken_within_a_transaction));
