/*
 * Metadata records: a byte for the size, then a record, again and again, all applied to one image.
 * What is refused leaves the image as it was; whatever was accepted can be read.
 */
#include "meta/image.h"

#include "base/reader.h"

#include "fuzz.h"

static void look(const struct meta_image *image)
{
    const struct meta_topic *topic;
    struct map_iter it = {0};
    size_t seen = 0;
    int64_t partitions = 0;

    while ((topic = meta_image_next_topic(image, &it)) != NULL) {
        FUZZ_CHECK(meta_image_topic_by_id(image, topic->id) == topic);
        FUZZ_CHECK(meta_image_topic(image, topic->name) == topic);
        seen++;
        for (int32_t i = 0; i < topic->partition_count; i++)
            partitions += meta_topic_partition(topic, i) != NULL;
    }
    FUZZ_CHECK(seen == meta_image_topic_count(image));
    FUZZ_CHECK(partitions == meta_image_partition_count(image));
    for (size_t i = 0; i < meta_image_broker_count(image); i++) {
        const struct meta_broker *b = meta_image_broker_at(image, i);

        FUZZ_CHECK(meta_image_broker(image, b->id) == b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct meta_image *image = meta_image_new(1);
    struct reader r = reader_init(bytes, size);
    struct meta_delta delta;

    FUZZ_CHECK(image != NULL);
    meta_delta_init(&delta);
    while (reader_left(&r) > 1) {
        size_t want = (uint8_t)reader_i8(&r);
        struct report report = {0};
        struct slice record = reader_slice(&r, want < reader_left(&r) ? want : reader_left(&r));
        size_t topics = meta_image_topic_count(image);
        int64_t partitions = meta_image_partition_count(image);

        meta_delta_clear(&delta);
        if (meta_image_apply(image, record, &delta, &report) != E_OK) {
            FUZZ_CHECK(meta_image_topic_count(image) == topics);
            FUZZ_CHECK(meta_image_partition_count(image) == partitions);
        }
    }
    look(image);
    meta_delta_release(&delta);
    meta_image_free(image);
    return 0;
}
