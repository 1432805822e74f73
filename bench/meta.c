/*
 * meta [PARTITIONS [TOPICS]]: what a partition costs in an image, and what it takes to read one.
 *
 * Three brokers, three replicas each, all in sync. Prints one line per figure.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/writer.h"
#include "meta/image.h"
#include "meta/records.h"
#include "meta/snapshot.h"
#include "wire/metadata_record.h"
#include "wire/partition_record.h"
#include "wire/topic_record.h"

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void must(enum err e)
{
    if (e == E_OK)
        return;
    fprintf(stderr, "%s\n", err_text(e));
    abort();
}

static struct uuid topic_id(int n)
{
    return (struct uuid){{1, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static void add_topic(struct meta_records *records, int n)
{
    struct writer w = writer_init(&records->bytes);
    struct wire_topic_record m;
    char name[32];

    snprintf(name, sizeof(name), "topic-%d", n);
    wire_topic_record_init(&m);
    m.name = slice_of_text(name);
    m.topic_id = topic_id(n);
    wire_metadata_frame_encode(&w, (struct wire_metadata_frame){WIRE_METADATA_TOPIC_RECORD, 0});
    wire_topic_record_encode(&w, 0, &m);
    must(writer_done(&w));
    must(meta_records_seal(records));
}

static void add_partition(struct meta_records *records, int topic, int index, int replica_count)
{
    const struct uuid directories[3] = {{{1}}, {{2}}, {{3}}};
    int32_t replicas[3];
    struct writer w = writer_init(&records->bytes);
    struct wire_partition_record m;

    for (int i = 0; i < 3; i++)
        replicas[i] = 1 + (index + i) % 3;
    wire_partition_record_init(&m);
    m.topic_id = topic_id(topic);
    m.partition_id = index;
    m.replicas = replicas;
    m.replicas_count = replica_count;
    m.isr = replicas;
    m.isr_count = replica_count;
    m.directories = directories;
    m.directories_count = replica_count;
    m.leader = replicas[0];
    wire_metadata_frame_encode(&w, (struct wire_metadata_frame){WIRE_METADATA_PARTITION_RECORD, 2});
    wire_partition_record_encode(&w, 2, &m);
    must(writer_done(&w));
    must(meta_records_seal(records));
}

static struct meta_image *read_all(const struct meta_records *records)
{
    struct meta_image *image = meta_image_new(1);

    if (image == NULL)
        abort();
    for (size_t i = 0; i < meta_records_count(records); i++)
        must(meta_image_apply(image, meta_records_at(records, i), NULL, NULL));
    return image;
}

static double snapshot_ms(const struct meta_image *image)
{
    double start = cpu_ms();
    struct meta_snapshot *snapshot;
    struct meta_records records;
    bool is_done = false;

    meta_records_init(&records);
    must(meta_snapshot_new(image, &snapshot));
    while (!is_done)
        must(meta_snapshot_next(snapshot, &records, 1 << 20, &is_done));
    meta_snapshot_free(snapshot);
    meta_records_release(&records);
    return cpu_ms() - start;
}

static void measure(int partitions, int topics, int replica_count)
{
    struct meta_records records;
    struct meta_image *image;
    size_t before;
    double start;

    meta_records_init(&records);
    for (int t = 0; t < topics; t++) {
        add_topic(&records, t);
        for (int i = 0; i < partitions / topics; i++)
            add_partition(&records, t, i, replica_count);
    }
    before = mallinfo2().uordblks;
    start = cpu_ms();
    image = read_all(&records);
    printf(
        "%d partitions in %d topics, %d replicas: %.1f bytes and %.2f us each, snapshot %.1f ms\n",
        partitions, topics, replica_count, (double)(mallinfo2().uordblks - before) / partitions,
        (cpu_ms() - start) * 1e3 / partitions, snapshot_ms(image));
    meta_image_free(image);
    meta_records_release(&records);
}

int main(int argc, char **argv)
{
    int partitions = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10000;
    int topics = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 100;

    measure(partitions, topics, 1);
    measure(partitions, topics, 3);
    return 0;
}
