/*
 * Metadata records: a byte for the size, then a record, again and again, all applied to one image.
 * What is refused leaves the image as it was; whatever was accepted can be read, agrees with the
 * index, and comes back from a snapshot.
 */
#include "meta/image.h"

#include "base/reader.h"
#include "meta/snapshot.h"
#include "wire/metadata_record.h"

#include "fuzz.h"

static void look_at_topic(const struct meta_image *image, const struct meta_topic *topic,
                          struct meta_tally *tally)
{
    for (int32_t i = 0; i < topic->partition_count; i++) {
        const struct meta_partition *p = meta_topic_partition(topic, i);
        struct meta_ids replicas;

        if (p == NULL)
            continue;
        replicas = meta_partition_ids(p, META_REPLICAS);
        FUZZ_CHECK(replicas.count > 0 && replicas.count <= META_REPLICAS_MAX);
        for (int32_t r = 0; r < replicas.count; r++) {
            FUZZ_CHECK(meta_image_load(image, replicas.at[r]).replicas > 0);
            meta_partition_directory(image, p, r);
        }
        tally->leaderless += p->leader == META_NO_LEADER;
        tally->imbalanced += p->leader != replicas.at[0];
    }
}

static void look(const struct meta_image *image)
{
    struct meta_tally tally = {0};
    const struct meta_topic *topic;
    const struct meta_quota *quota;
    struct map_iter it = {0};
    size_t seen = 0;
    int64_t partitions = 0;

    while ((topic = meta_image_next_topic(image, &it)) != NULL) {
        FUZZ_CHECK(meta_image_topic_by_id(image, topic->id) == topic);
        FUZZ_CHECK(meta_image_topic(image, topic->name) == topic);
        seen++;
        partitions += topic->partition_count;
        look_at_topic(image, topic, &tally);
    }
    FUZZ_CHECK(seen == meta_image_topic_count(image));
    FUZZ_CHECK(partitions == meta_image_partition_count(image));
    FUZZ_CHECK(tally.leaderless == meta_image_tally(image).leaderless);
    FUZZ_CHECK(tally.imbalanced == meta_image_tally(image).imbalanced);
    for (size_t i = 0; i < meta_image_broker_count(image); i++) {
        const struct meta_broker *b = meta_image_broker_at(image, i);

        FUZZ_CHECK(meta_image_broker(image, b->id) == b);
    }
    it = (struct map_iter){0};
    while ((quota = meta_image_next_quota(image, &it)) != NULL)
        FUZZ_CHECK(meta_image_quota(image, quota->parts, quota->part_count) == quota);
}

/* The snapshot of `image` into `records`; false within a transaction. */
static bool take(const struct meta_image *image, struct meta_records *records)
{
    struct meta_snapshot *snapshot;
    bool is_done = false;

    if (meta_snapshot_new(image, &snapshot) != E_OK)
        return false;
    while (!is_done)
        FUZZ_CHECK(meta_snapshot_next(snapshot, records, 1 << 20, &is_done) == E_OK);
    meta_snapshot_free(snapshot);
    return true;
}

/*
 * Below some metadata.version a snapshot leaves fields out, so it is the second
 * one that must be like the first.
 */
static void come_back(const struct meta_image *image)
{
    struct meta_image *copy = meta_image_new(2);
    struct meta_records first, second;
    struct report report = {{0}};

    FUZZ_CHECK(copy != NULL);
    meta_records_init(&first);
    meta_records_init(&second);
    if (take(image, &first)) {
        for (size_t i = 0; i < meta_records_count(&first); i++)
            FUZZ_CHECK(meta_image_apply(copy, meta_records_at(&first, i), NULL, &report) == E_OK);
        look(copy);
        FUZZ_CHECK(take(copy, &second));
        FUZZ_CHECK(slice_equal(buf_slice(&first.bytes), buf_slice(&second.bytes)));
    }
    meta_records_release(&first);
    meta_records_release(&second);
    meta_image_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct meta_image *image = meta_image_new(1);
    struct reader r = reader_init(bytes, size);
    struct meta_delta delta;
    bool is_spoiled = false;

    FUZZ_CHECK(image != NULL);
    meta_delta_init(&delta);
    while (reader_left(&r) > 1 && !is_spoiled) {
        size_t want = (uint8_t)reader_i8(&r);
        struct report report = {0};
        struct slice record = reader_slice(&r, want < reader_left(&r) ? want : reader_left(&r));
        size_t topics = meta_image_topic_count(image);
        int64_t partitions = meta_image_partition_count(image);
        bool was_in_transaction = meta_image_in_transaction(image);

        meta_delta_clear(&delta);
        if (meta_image_apply(image, record, &delta, &report) == E_OK)
            continue;
        is_spoiled = was_in_transaction && !meta_image_in_transaction(image);
        if (is_spoiled)
            break;
        FUZZ_CHECK(meta_image_topic_count(image) == topics);
        FUZZ_CHECK(meta_image_partition_count(image) == partitions);
        FUZZ_CHECK(meta_image_in_transaction(image) == was_in_transaction);
    }
    look(image);
    come_back(image);
    meta_delta_release(&delta);
    meta_image_free(image);
    return 0;
}
