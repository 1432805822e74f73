#include "replica/manager.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/writer.h"
#include "config/config.h"
#include "meta/records.h"
#include "rig.h"
#include "unit.h"
#include "wire/config_record.h"
#include "wire/metadata_record.h"
#include "wire/partition_record.h"
#include "wire/remove_topic_record.h"
#include "wire/topic_record.h"

enum { NODE = 1 };

struct world {
    struct rig rig;
    struct config *config;
    struct meta_image *image;
    struct meta_delta delta;
    struct replica_manager *manager;
};

static void apply(struct world *w, struct buf *bytes)
{
    struct report report;

    if (meta_image_apply(w->image, buf_slice(bytes), &w->delta, &report) != E_OK)
        fail_msg("%s", report.text);
    buf_release(bytes);
}

static struct writer begin(struct buf *bytes, int16_t key, int16_t version)
{
    struct writer w;

    buf_init(bytes, 4096);
    w = writer_init(bytes);
    wire_metadata_frame_encode(&w, (struct wire_metadata_frame){key, version});
    return w;
}

static struct uuid id_of(uint8_t n)
{
    return (struct uuid){{n, [15] = n}};
}

static void add_partition(struct world *w, uint8_t n, int32_t index, int32_t leader)
{
    struct wire_partition_record m;
    struct buf bytes;
    struct writer to = begin(&bytes, WIRE_METADATA_PARTITION_RECORD, 1);

    wire_partition_record_init(&m);
    m.partition_id = index;
    m.topic_id = id_of(n);
    m.replicas = &leader;
    m.replicas_count = 1;
    m.isr = &leader;
    m.isr_count = 1;
    m.leader = leader;
    m.leader_epoch = 0;
    m.partition_epoch = 0;
    wire_partition_record_encode(&to, 1, &m);
    apply(w, &bytes);
}

static void add_topic(struct world *w, const char *name, uint8_t n, int32_t partitions)
{
    struct wire_topic_record m = {.name = slice_of_text(name), .topic_id = id_of(n)};
    struct buf bytes;
    struct writer to = begin(&bytes, WIRE_METADATA_TOPIC_RECORD, 0);

    wire_topic_record_encode(&to, 0, &m);
    apply(w, &bytes);
    for (int32_t i = 0; i < partitions; i++)
        add_partition(w, n, i, NODE);
}

static void remove_topic(struct world *w, uint8_t n)
{
    struct wire_remove_topic_record m = {.topic_id = id_of(n)};
    struct buf bytes;
    struct writer to = begin(&bytes, WIRE_METADATA_REMOVE_TOPIC_RECORD, 0);

    wire_remove_topic_record_encode(&to, 0, &m);
    apply(w, &bytes);
}

static void set_config(struct world *w, const char *topic, const char *name, const char *value)
{
    struct wire_config_record m = {.resource_type = META_RESOURCE_TOPIC,
                                   .resource_name = slice_of_text(topic),
                                   .name = slice_of_text(name),
                                   .value = slice_of_text(value)};
    struct buf bytes;
    struct writer to = begin(&bytes, WIRE_METADATA_CONFIG_RECORD, 0);

    wire_config_record_encode(&to, 0, &m);
    apply(w, &bytes);
}

/* A life: the image outlives it, as the metadata log would. */
static void start_with(struct world *w, int pool_threads)
{
    struct replica_manager_options options = {.node_id = NODE, .shard_count = 1};

    rig_start(&w->rig, pool_threads);
    options.pool = w->rig.pool;
    options.shard = w->rig.shard;
    options.roots = w->rig.roots;
    options.config = w->config;
    assert_int_equal(replica_manager_open(&options, &w->manager), E_OK);
}

static void start(struct world *w)
{
    start_with(w, 0);
}

static void follow(struct world *w)
{
    replica_apply(w->manager, w->image, &w->delta);
    meta_delta_clear(&w->delta);
}

static void stop(struct world *w)
{
    replica_manager_close(w->manager);
    rig_stop(&w->rig);
}

static void make(struct world *w)
{
    *w = (struct world){.config = config_new(), .image = meta_image_new(3)};
    meta_delta_init(&w->delta);
    rig_make(&w->rig);
}

static void end(struct world *w)
{
    meta_delta_release(&w->delta);
    meta_image_free(w->image);
    config_free(w->config);
    rig_remove(&w->rig);
}

static struct partition *find(struct world *w, uint8_t n, int32_t index)
{
    struct partition *p;

    if (replica_find(w->manager, (struct partition_id){id_of(n), index}, &p) != E_OK)
        return NULL;
    return p;
}

static int roots_with(struct world *w, const char *name)
{
    struct stat st;
    char path[256];
    int count = 0;

    for (int i = 0; i < RIG_ROOTS; i++) {
        snprintf(path, sizeof(path), "%s/%s", w->rig.path[i], name);
        count += stat(path, &st) == 0;
    }
    return count;
}

static void on_done(struct partition_append *append)
{
    rig_event(append->ctx);
}

static void append_one(struct world *w, struct partition *p)
{
    struct partition_append op = {.acks = -1, .done = on_done, .ctx = &w->rig};
    struct buf bytes;

    rig_batch(&bytes, 1, 10);
    op.bytes = bytes.at;
    op.size = bytes.size;
    partition_append(p, &op);
    rig_run(&w->rig, 1);
    assert_int_equal(op.err, E_OK);
    buf_release(&bytes);
}

static void opens_what_the_image_names(void **state)
{
    struct world w;

    make(&w);
    start(&w);
    follow(&w);
    add_topic(&w, "a", 1, 4);
    add_partition(&w, 1, 4, 7); /* another node's */
    follow(&w);
    for (int32_t i = 0; i < 4; i++) {
        assert_non_null(find(&w, 1, i));
        append_one(&w, find(&w, 1, i));
    }
    assert_null(find(&w, 1, 4));
    assert_int_equal(roots_with(&w, "a-0") + roots_with(&w, "a-1") + roots_with(&w, "a-2") +
                         roots_with(&w, "a-3"),
                     4);
    stop(&w);
    start(&w);
    follow(&w);
    for (int32_t i = 0; i < 4; i++)
        assert_int_equal(partition_high_watermark(find(&w, 1, i)), 1);
    add_partition(&w, 1, 5, NODE);
    follow(&w);
    assert_non_null(find(&w, 1, 5));
    stop(&w);
    end(&w);
}

static void deletes_and_creates_again(void **state)
{
    struct world w;

    make(&w);
    start(&w);
    follow(&w);
    add_topic(&w, "a", 1, 1);
    follow(&w);
    append_one(&w, find(&w, 1, 0));
    remove_topic(&w, 1);
    add_topic(&w, "a", 2, 1);
    follow(&w);
    assert_null(find(&w, 1, 0));
    assert_int_equal(partition_high_watermark(find(&w, 2, 0)), 0);
    stop(&w);
    end(&w);
}

/* The process ended after the commit of a deletion and before the directory was gone. */
static void finishes_deletions_at_start(void **state)
{
    struct world w;

    make(&w);
    start(&w);
    follow(&w);
    add_topic(&w, "a", 1, 1);
    add_topic(&w, "b", 2, 1);
    follow(&w);
    append_one(&w, find(&w, 1, 0));
    append_one(&w, find(&w, 2, 0));
    stop(&w);
    remove_topic(&w, 1);
    remove_topic(&w, 2);
    add_topic(&w, "b", 3, 1);
    start(&w);
    follow(&w);
    assert_int_equal(roots_with(&w, "a-0"), 0);
    assert_non_null(find(&w, 3, 0));
    assert_int_equal(partition_high_watermark(find(&w, 3, 0)), 0);
    stop(&w);
    end(&w);
}

static void leaves_strays_alone(void **state)
{
    struct world w;
    struct world other;

    make(&w);
    start(&w);
    follow(&w);
    add_topic(&w, "stray", 1, 1);
    follow(&w);
    stop(&w);
    other = w;
    other.image = meta_image_new(4); /* one that never had the topic */
    start(&other);
    follow(&other);
    assert_int_equal(roots_with(&other, "stray-0"), 1);
    assert_int_equal(replica_offline_count(other.manager), 0);

    /* A new topic of that name may not take the other's bytes. */
    add_topic(&other, "stray", 2, 1);
    stop(&other);
    start(&other);
    follow(&other);
    assert_null(find(&other, 2, 0));
    assert_int_equal(replica_offline_count(other.manager), 1);
    stop(&other);
    meta_image_free(other.image);
    end(&w);
}

static void settings_reach_open_logs(void **state)
{
    struct log_options options;
    struct world w;

    make(&w);
    start(&w);
    follow(&w);
    add_topic(&w, "a", 1, 1);
    set_config(&w, "a", "retention.ms", "1234");
    set_config(&w, "a", "durability", "os");
    set_config(&w, "a", "cleanup.policy", "compact");
    follow(&w);
    options = replica_log_options(w.config, w.image, meta_image_topic(w.image, slice_of_text("a")));
    assert_int_equal(options.retention_ms, 1234);
    assert_int_equal(options.durability, LOG_DURABILITY_OS);
    assert_true(options.is_compacted);
    assert_false(options.is_deleted);
    append_one(&w, find(&w, 1, 0));
    assert_int_equal(log_synced_offset(partition_log(find(&w, 1, 0))), 0);
    set_config(&w, "a", "durability", "always");
    follow(&w);
    append_one(&w, find(&w, 1, 0));
    assert_int_equal(log_synced_offset(partition_log(find(&w, 1, 0))), 2);
    stop(&w);
    end(&w);
}

static bool count_one(void *ctx, struct partition *p)
{
    ++*(int *)ctx;
    return true;
}

static int open_count(struct world *w)
{
    int count = 0;

    partition_each(w->rig.shard, count_one, &count);
    return count;
}

static void on_started(void *ctx)
{
    rig_event(ctx);
}

/* A turn makes some of them, and one that somebody asks for. */
static void thousands_are_made_in_turns(void **state)
{
    enum { COUNT = 1000, MOST_IN_A_TURN = 50 };
    struct world w;
    int before;

    make(&w);
    start(&w);
    follow(&w);
    add_topic(&w, "a", 1, COUNT);
    add_topic(&w, "b", 2, COUNT);
    follow(&w);
    before = open_count(&w);
    assert_in_range(before, 1, MOST_IN_A_TURN);
    assert_int_equal(roots_with(&w, "a-999"), 0);
    append_one(&w, find(&w, 1, COUNT - 1));
    assert_int_equal(roots_with(&w, "a-999"), 1);
    remove_topic(&w, 2);
    follow(&w);
    assert_null(find(&w, 2, COUNT - 1));
    for (int i = 0; i < COUNT && open_count(&w) < COUNT; i++) {
        int now = open_count(&w);

        rig_turn(&w.rig);
        assert_in_range(open_count(&w) - now, 0, MOST_IN_A_TURN);
    }
    assert_int_equal(open_count(&w), COUNT);
    assert_int_equal(roots_with(&w, "b-999"), 0);
    stop(&w);
    end(&w);
}

/* What was there is opened on the pool; what the image then says comes after. */
static void a_start_opens_on_the_pool(void **state)
{
    enum { COUNT = 60 };
    struct world w;

    make(&w);
    start(&w);
    follow(&w);
    add_topic(&w, "a", 1, COUNT);
    add_topic(&w, "b", 2, COUNT);
    follow(&w);
    for (int32_t i = 0; i < COUNT; i++) {
        append_one(&w, find(&w, 1, i));
        append_one(&w, find(&w, 2, i));
    }
    stop(&w);
    for (int round = 0; round < 2; round++) {
        start_with(&w, 4);
        follow(&w);
        assert_null(find(&w, 1, COUNT - 1));
        assert_int_equal(open_count(&w), 0);
        if (round == 1) { /* deleted and made again while some are on the pool and some wait */
            remove_topic(&w, 2);
            add_topic(&w, "b", 3, COUNT);
            set_config(&w, "a", "retention.ms", "1234");
            follow(&w);
        }
        replica_when_started(w.manager, on_started, &w.rig);
        rig_run(&w.rig, 1);
        while (open_count(&w) < 2 * COUNT) /* on a slow disk it is told after a second */
            rig_turn(&w.rig);
        for (int32_t i = 0; i < COUNT; i++)
            assert_int_equal(partition_high_watermark(find(&w, 1, i)), 1);
        for (int32_t i = 0; i < COUNT; i++) {
            assert_int_equal(roots_with(&w, "b-0"), 1);
            if (round == 1)
                assert_int_equal(partition_high_watermark(find(&w, 3, i)), 0);
        }
        stop(&w);
    }
    end(&w);
}

static void owners_are_spread(void **state)
{
    int counts[4] = {0};

    for (int32_t i = 0; i < 1000; i++) {
        int owner = replica_owner(id_of(9), i, 4);

        assert_true(owner >= 0 && owner < 4);
        counts[owner]++;
        assert_int_equal(replica_owner(id_of(9), i, 1), 0);
    }
    for (int i = 0; i < 4; i++)
        assert_true(counts[i] > 150);
}

TESTS(test_manager, cmocka_unit_test(opens_what_the_image_names),
      cmocka_unit_test(deletes_and_creates_again), cmocka_unit_test(finishes_deletions_at_start),
      cmocka_unit_test(leaves_strays_alone), cmocka_unit_test(settings_reach_open_logs),
      cmocka_unit_test(thousands_are_made_in_turns), cmocka_unit_test(a_start_opens_on_the_pool),
      cmocka_unit_test(owners_are_spread));
