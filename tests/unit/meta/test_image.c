#include "meta/image.h"

#include <stdio.h>

#include "base/writer.h"
#include "meta/control.h"
#include "meta/records.h"
#include "unit.h"
#include "wire/access_control_entry_record.h"
#include "wire/broker_registration_change_record.h"
#include "wire/metadata_record.h"
#include "wire/partition_change_record.h"
#include "wire/partition_record.h"
#include "wire/producer_ids_record.h"
#include "wire/remove_topic_record.h"
#include "wire/topic_record.h"

/* Records are built into one buf; each test applies them one by one. */
struct fixture {
    struct meta_image *image;
    struct meta_delta delta;
    struct report report;
    struct buf bytes;
};

static void make(struct fixture *f)
{
    f->image = meta_image_new(1);
    assert_non_null(f->image);
    meta_delta_init(&f->delta);
    buf_init(&f->bytes, 1 << 20);
}

static void end(struct fixture *f)
{
    meta_image_free(f->image);
    meta_delta_release(&f->delta);
    buf_release(&f->bytes);
}

static struct writer begin(struct fixture *f, int16_t key, int16_t version)
{
    struct writer w;

    buf_clear(&f->bytes);
    w = writer_init(&f->bytes);
    wire_metadata_frame_encode(&w, (struct wire_metadata_frame){key, version});
    return w;
}

static enum err apply(struct fixture *f)
{
    return meta_image_apply(f->image, buf_slice(&f->bytes), &f->delta, &f->report);
}

static struct uuid id_of(uint8_t n)
{
    return (struct uuid){{n}};
}

static enum err add_topic(struct fixture *f, const char *name, uint8_t n)
{
    struct wire_topic_record m = {.name = slice_of_text(name), .topic_id = id_of(n)};
    struct writer w = begin(f, WIRE_METADATA_TOPIC_RECORD, 0);

    wire_topic_record_encode(&w, 0, &m);
    return apply(f);
}

static void write_partition(struct fixture *f, uint8_t n, int32_t index)
{
    const int32_t replicas[] = {1, 2, 3};
    struct wire_partition_record m;
    struct writer w = begin(f, WIRE_METADATA_PARTITION_RECORD, 2);

    wire_partition_record_init(&m);
    m.partition_id = index;
    m.topic_id = id_of(n);
    m.replicas = replicas;
    m.replicas_count = 3;
    m.isr = replicas;
    m.isr_count = 3;
    m.leader = 1;
    m.leader_epoch = 5;
    m.partition_epoch = 6;
    wire_partition_record_encode(&w, 2, &m);
}

static enum err remove_topic(struct fixture *f, uint8_t n)
{
    struct wire_remove_topic_record m = {.topic_id = id_of(n)};
    struct writer w = begin(f, WIRE_METADATA_REMOVE_TOPIC_RECORD, 0);

    wire_remove_topic_record_encode(&w, 0, &m);
    return apply(f);
}

static const struct meta_change *last_change(const struct fixture *f)
{
    return vec_at(&f->delta.changes, f->delta.changes.count - 1);
}

static void topics_come_and_go(void **state)
{
    struct fixture f;

    make(&f);
    assert_int_equal(add_topic(&f, "a", 1), E_OK);
    assert_int_equal(last_change(&f)->kind, META_TOPIC_CREATED);
    write_partition(&f, 1, 0);
    assert_int_equal(apply(&f), E_OK);
    assert_int_equal(last_change(&f)->kind, META_PARTITION_CREATED);
    write_partition(&f, 1, 2); /* Kafka's snapshots do not promise an order */
    assert_int_equal(apply(&f), E_OK);
    assert_null(meta_topic_partition(meta_image_topic(f.image, slice_of_text("a")), 1));
    assert_int_equal(meta_image_partition_count(f.image), 3);
    assert_int_equal(add_topic(&f, "a", 2), E_CORRUPT);
    assert_int_equal(add_topic(&f, "b", 1), E_CORRUPT);
    assert_int_equal(remove_topic(&f, 1), E_OK);
    assert_int_equal(last_change(&f)->kind, META_TOPIC_DELETED);
    assert_int_equal(last_change(&f)->partition_count, 3);
    assert_int_equal(meta_image_partition_count(f.image), 0);
    assert_int_equal(remove_topic(&f, 1), E_CORRUPT);
    assert_int_equal(add_topic(&f, "c", 1), E_CORRUPT); /* an id is used once */
    assert_true(meta_image_was_deleted(f.image, id_of(1)));
    assert_int_equal(add_topic(&f, "a", 3), E_OK);
    end(&f);
}

static void a_change_of_leader_raises_the_epoch(void **state)
{
    const int32_t isr[] = {2, 3};
    struct wire_partition_change_record m;
    const struct meta_partition *p;
    struct fixture f;
    struct writer w;

    make(&f);
    assert_int_equal(add_topic(&f, "a", 1), E_OK);
    write_partition(&f, 1, 0);
    assert_int_equal(apply(&f), E_OK);
    wire_partition_change_record_init(&m);
    m.partition_id = 0;
    m.topic_id = id_of(1);
    m.isr = isr;
    m.isr_count = 2;
    w = begin(&f, WIRE_METADATA_PARTITION_CHANGE_RECORD, 0);
    wire_partition_change_record_encode(&w, 0, &m);
    assert_int_equal(apply(&f), E_OK);
    p = meta_topic_partition(meta_image_topic_by_id(f.image, id_of(1)), 0);
    assert_int_equal(meta_partition_ids(p, META_ISR).count, 2);
    assert_int_equal(meta_partition_ids(p, META_REPLICAS).count, 3);
    assert_int_equal(p->leader, 1);
    assert_int_equal(p->leader_epoch, 5);
    assert_int_equal(p->partition_epoch, 7);
    m.leader = 2;
    w = begin(&f, WIRE_METADATA_PARTITION_CHANGE_RECORD, 0);
    wire_partition_change_record_encode(&w, 0, &m);
    assert_int_equal(apply(&f), E_OK);
    p = meta_topic_partition(meta_image_topic_by_id(f.image, id_of(1)), 0);
    assert_int_equal(p->leader, 2);
    assert_int_equal(p->leader_epoch, 6);
    assert_int_equal(p->partition_epoch, 8);
    end(&f);
}

static void what_it_cannot_honour_is_named(void **state)
{
    enum { UNKNOWN_KIND = 99 };
    struct wire_access_control_entry_record acl;
    struct fixture f;
    struct writer w;

    make(&f);
    begin(&f, UNKNOWN_KIND, 0);
    assert_int_equal(apply(&f), E_UNSUPPORTED);
    assert_non_null(strstr(f.report.text, "kind 99"));
    begin(&f, WIRE_METADATA_TOPIC_RECORD, 7);
    assert_int_not_equal(apply(&f), E_OK);
    assert_non_null(strstr(f.report.text, "TopicRecord"));
    /* An access rule is kept, and whoever would serve without it is told. */
    assert_int_equal(meta_image_check_served(f.image, &f.report), E_OK);
    wire_access_control_entry_record_init(&acl);
    w = begin(&f, WIRE_METADATA_ACCESS_CONTROL_ENTRY_RECORD, 0);
    wire_access_control_entry_record_encode(&w, 0, &acl);
    assert_int_equal(apply(&f), E_OK);
    assert_int_equal(meta_image_check_served(f.image, &f.report), E_UNSUPPORTED);
    assert_non_null(strstr(f.report.text, "1 access rule"));
    end(&f);
}

static void a_cut_record_changes_nothing(void **state)
{
    struct fixture f;

    make(&f);
    assert_int_equal(add_topic(&f, "a", 1), E_OK);
    meta_delta_clear(&f.delta);
    write_partition(&f, 1, 0);
    for (size_t size = 0; size < f.bytes.size; size++) {
        enum err e = meta_image_apply(f.image, slice_of(f.bytes.at, size), &f.delta, &f.report);

        assert_int_equal(e, E_CORRUPT);
        assert_int_equal(f.delta.changes.count, 0);
        assert_int_equal(meta_image_partition_count(f.image), 0);
    }
    assert_int_equal(apply(&f), E_OK);
    end(&f);
}

static void contradictions_are_refused(void **state)
{
    struct wire_producer_ids_record ids;
    struct wire_broker_registration_change_record change;
    struct fixture f;
    struct writer w;

    make(&f);
    write_partition(&f, 1, 0); /* of no topic */
    assert_int_equal(apply(&f), E_CORRUPT);
    wire_broker_registration_change_record_init(&change);
    change.broker_id = 4;
    w = begin(&f, WIRE_METADATA_BROKER_REGISTRATION_CHANGE_RECORD, 0);
    wire_broker_registration_change_record_encode(&w, 0, &change);
    assert_int_equal(apply(&f), E_CORRUPT);
    wire_producer_ids_record_init(&ids);
    ids.next_producer_id = 500;
    w = begin(&f, WIRE_METADATA_PRODUCER_IDS_RECORD, 0);
    wire_producer_ids_record_encode(&w, 0, &ids);
    assert_int_equal(apply(&f), E_OK);
    ids.next_producer_id = 499;
    w = begin(&f, WIRE_METADATA_PRODUCER_IDS_RECORD, 0);
    wire_producer_ids_record_encode(&w, 0, &ids);
    assert_int_equal(apply(&f), E_CORRUPT);
    assert_int_equal(meta_image_next_producer_id(f.image), 500);
    end(&f);
}

static void names_follow_kafkas_rule(void **state)
{
    char text[META_TOPIC_NAME_SIZE_MAX + 2];

    memset(text, 'x', sizeof(text));
    assert_true(meta_topic_name_is_valid(slice_of(text, META_TOPIC_NAME_SIZE_MAX)));
    assert_false(meta_topic_name_is_valid(slice_of(text, META_TOPIC_NAME_SIZE_MAX + 1)));
    assert_true(meta_topic_name_is_valid(slice_of_text("A.b_c-9")));
    assert_true(meta_topic_name_is_valid(slice_of_text("...")));
    assert_false(meta_topic_name_is_valid(slice_of_text("")));
    assert_false(meta_topic_name_is_valid(slice_of_text(".")));
    assert_false(meta_topic_name_is_valid(slice_of_text("..")));
    assert_false(meta_topic_name_is_valid(slice_of_text("a b")));
    assert_false(meta_topic_name_is_valid(slice_of_text("\xc3\xa4")));
}

static void records_are_kept_apart(void **state)
{
    struct meta_records records;

    meta_records_init(&records);
    assert_int_equal(meta_records_add(&records, slice_of_text("one")), E_OK);
    assert_int_equal(meta_records_add(&records, slice_of_text("")), E_OK);
    assert_int_equal(meta_records_add(&records, slice_of_text("three")), E_OK);
    assert_int_equal(meta_records_count(&records), 3);
    assert_int_equal(meta_records_at(&records, 1).size, 0);
    assert_true(slice_equal_text(meta_records_at(&records, 2), "three"));
    meta_records_cut(&records, 1);
    assert_int_equal(records.bytes.size, 3);
    assert_true(slice_equal_text(meta_records_at(&records, 0), "one"));
    meta_records_release(&records);
}

TESTS(test_image, cmocka_unit_test(topics_come_and_go),
      cmocka_unit_test(a_change_of_leader_raises_the_epoch),
      cmocka_unit_test(what_it_cannot_honour_is_named),
      cmocka_unit_test(a_cut_record_changes_nothing), cmocka_unit_test(contradictions_are_refused),
      cmocka_unit_test(names_follow_kafkas_rule), cmocka_unit_test(records_are_kept_apart));
