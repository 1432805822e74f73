#include "coord/unit.h"

#include "../replica/rig.h"
#include "base/writer.h"
#include "os/os.h"
#include "unit.h"

/* A unit over a real log; what becomes of an append is up to the test when it says so. */

enum { MARKS_MAX = 64, RECORDS_MAX = 1 << 16 };

struct fault {
    struct partition *partition; /* NULL: it is not here */
    bool holds;                  /* appends neither end nor are written */
    enum err refusal;            /* of the next append */
    struct partition_append *held;
};

static struct fault fault;

enum err __wrap_replica_find(struct replica_manager *manager, struct partition_id id,
                             struct partition **partition_out);
enum err __wrap_replica_find(struct replica_manager *manager, struct partition_id id,
                             struct partition **partition_out)
{
    if (fault.partition == NULL)
        return E_NOT_FOUND;
    *partition_out = fault.partition;
    return E_OK;
}

void __real_partition_append(struct partition *p, struct partition_append *op);
void __wrap_partition_append(struct partition *p, struct partition_append *op);
void __wrap_partition_append(struct partition *p, struct partition_append *op)
{
    if (!fault.holds && fault.refusal == E_OK) {
        __real_partition_append(p, op);
        return;
    }
    op->err = fault.refusal;
    fault.held = op;
}

/* The end of the append that is held. */
static void end_append(enum err e)
{
    struct partition_append *op = fault.held;

    fault.held = NULL;
    op->err = e;
    op->done(op);
}

/* The machine remembers the offsets that it was given. */
struct machine {
    struct rig *rig;
    int64_t offsets[MARKS_MAX];
    int applied, resets, loads;
    enum err refusal;
};

static enum err apply(void *ctx, const struct coord_record *record)
{
    struct machine *m = ctx;

    if (m->refusal != E_OK)
        return m->refusal;
    assert_true(m->applied < MARKS_MAX);
    m->offsets[m->applied++] = record->offset;
    return E_OK;
}

static enum err apply_marker(void *ctx, int64_t producer_id, bool is_commit)
{
    return E_OK;
}

static void reset(void *ctx)
{
    struct machine *m = ctx;

    m->applied = 0;
    m->resets++;
    rig_event(m->rig);
}

static void loaded(void *ctx)
{
    struct machine *m = ctx;

    m->loads++;
    rig_event(m->rig);
}

static const struct coord_machine MACHINE = {apply, apply_marker, reset, loaded};

struct bench {
    struct rig rig;
    struct machine machine;
    struct coord_unit *unit;
    int released;
};

struct op {
    struct coord_op op;
    struct bench *bench;
    int order; /* of its release; 0: not yet */
};

static void release(struct coord_op *coord)
{
    struct op *op = LIST_ENTRY(coord, struct op, op);

    assert_int_equal(op->order, 0);
    op->order = ++op->bench->released;
    rig_event(&op->bench->rig);
}

static enum err submit(struct bench *b, struct op *op, int count)
{
    struct coord_submit submit = {.wall_ms = 1, .producer_id = -1, .producer_epoch = -1};
    struct record_list records;
    enum err e;

    *op = (struct op){.op.release = release, .bench = b};
    record_list_init(&records, RECORDS_MAX);
    for (int i = 0; i < count; i++) {
        struct writer w = writer_init(&records.bytes);

        writer_i16(&w, (int16_t)i);
        record_list_key_end(&records);
        writer_i16(&w, (int16_t)i);
        assert_int_equal(record_list_seal(&records, false), E_OK);
    }
    submit.records = &records;
    e = coord_unit_submit(b->unit, &submit, &op->op);
    assert_int_equal(op->order, 0);
    record_list_release(&records);
    return e;
}

static void unit_begin(struct bench *b)
{
    struct coord_unit_options options = {.loop = b->rig.loop,
                                         .id = {.topic_id = {{1}}},
                                         .topic = slice_of_text("t"),
                                         .machine = &MACHINE,
                                         .ctx = &b->machine};

    b->machine = (struct machine){.rig = &b->rig};
    assert_int_equal(coord_unit_open(&options, &b->unit), E_OK);
    if (coord_unit_state(b->unit) != COORD_ACTIVE)
        rig_run(&b->rig, 1);
    assert_int_equal(coord_unit_state(b->unit), COORD_ACTIVE);
}

static void bench_start(struct bench *b)
{
    struct partition_open open = {
        .id = {.topic_id = {{1}}}, .topic = slice_of_text("t"), .log = log_options_default()};
    struct report report = {{0}};

    fault = (struct fault){.refusal = E_OK};
    *b = (struct bench){.released = 0};
    rig_make(&b->rig);
    rig_start(&b->rig, 0);
    open.root = replica_roots_at(b->rig.roots, 0);
    if (partition_open(b->rig.shard, &open, &fault.partition, &report) != E_OK)
        fail_msg("%s", report.text);
    unit_begin(b);
}

static void bench_stop(struct bench *b)
{
    coord_unit_close(b->unit);
    rig_stop(&b->rig);
    rig_remove(&b->rig);
}

static void releases_in_order(void **state)
{
    struct bench b;
    struct op ops[4];

    bench_start(&b);
    assert_int_equal(submit(&b, &ops[0], 2), E_OK);
    assert_int_equal(submit(&b, &ops[1], 0), E_OK);
    assert_int_equal(submit(&b, &ops[2], 1), E_OK);
    assert_int_equal(submit(&b, &ops[3], 0), E_OK);
    assert_int_equal(b.machine.applied, 3); /* before it is committed */
    rig_run(&b.rig, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(ops[i].order, i + 1);
        assert_int_equal(ops[i].op.err, E_OK);
    }
    bench_stop(&b);
}

static void loads_what_was_applied(void **state)
{
    struct bench b;
    struct op ops[2];

    bench_start(&b);
    assert_int_equal(submit(&b, &ops[0], 3), E_OK);
    assert_int_equal(submit(&b, &ops[1], 2), E_OK);
    rig_run(&b.rig, 2);
    coord_unit_close(b.unit);
    unit_begin(&b);
    assert_int_equal(b.machine.loads, 1);
    assert_int_equal(b.machine.applied, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(b.machine.offsets[i], i);
    bench_stop(&b);
}

static void waits_for_its_partition(void **state)
{
    struct partition *partition;
    struct bench b;
    struct op op;

    bench_start(&b);
    coord_unit_close(b.unit);
    partition = fault.partition;
    fault.partition = NULL;
    b.machine.loads = 0;
    assert_int_equal(coord_unit_open(&(struct coord_unit_options){.loop = b.rig.loop,
                                                                  .topic = slice_of_text("t"),
                                                                  .machine = &MACHINE,
                                                                  .ctx = &b.machine},
                                     &b.unit),
                     E_OK);
    rig_turn(&b.rig);
    assert_int_equal(coord_unit_state(b.unit), COORD_LOADING);
    assert_int_equal(submit(&b, &op, 0), E_NOT_LEADER);
    fault.partition = partition;
    rig_run(&b.rig, 1);
    assert_int_equal(b.machine.loads, 1);
    bench_stop(&b);
}

static void a_refused_append_leaves_no_trace(void **state)
{
    struct bench b;
    struct op op;

    bench_start(&b);
    fault.refusal = E_NO_SPACE;
    assert_int_equal(submit(&b, &op, 1), E_NO_SPACE);
    end_append(E_NO_SPACE);
    assert_int_equal(b.machine.applied, 0);
    assert_int_equal(coord_unit_state(b.unit), COORD_ACTIVE);
    fault.refusal = E_OK;
    assert_int_equal(submit(&b, &op, 1), E_OK);
    rig_run(&b.rig, 1);
    assert_int_equal(op.op.err, E_OK);
    assert_int_equal(b.machine.offsets[0], 0);
    bench_stop(&b);
}

/* Nobody is told that a lost record is committed, whatever else was about to be released. */
static void a_lost_append_ends_all_that_waits(void **state)
{
    struct bench b;
    struct op ops[2];

    bench_start(&b);
    fault.holds = true;
    assert_int_equal(submit(&b, &ops[0], 1), E_OK);
    assert_int_equal(submit(&b, &ops[1], 0), E_OK);
    end_append(E_BROKEN);
    fault.holds = false;
    assert_int_equal(coord_unit_state(b.unit), COORD_FAILED);
    assert_int_equal(b.released, 0); /* not from inside of an append's end */
    rig_run(&b.rig, 3);              /* the reset, two releases */
    assert_int_equal(b.machine.resets, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ops[i].order, i + 1);
        assert_int_equal(ops[i].op.err, E_NOT_LEADER);
    }
    rig_run(&b.rig, 1); /* loaded again, a while later */
    assert_int_equal(b.machine.loads, 2);
    assert_int_equal(b.machine.applied, 0);
    assert_int_equal(submit(&b, &ops[0], 1), E_OK);
    rig_run(&b.rig, 1);
    assert_int_equal(ops[0].op.err, E_OK);
    bench_stop(&b);
}

static void a_machine_out_of_memory_is_loaded_again(void **state)
{
    struct bench b;
    struct op op;

    bench_start(&b);
    b.machine.refusal = E_NOMEM;
    assert_int_equal(submit(&b, &op, 1), E_NOT_LEADER);
    assert_int_equal(coord_unit_state(b.unit), COORD_FAILED);
    b.machine.refusal = E_OK;
    rig_run(&b.rig, 2); /* reset, loaded */
    assert_int_equal(op.order, 0);
    assert_int_equal(b.machine.applied, 1); /* it is in the log after all */
    bench_stop(&b);
}

static void closes_with_an_append_under_way(void **state)
{
    struct bench b;
    struct op op;

    bench_start(&b);
    fault.holds = true;
    assert_int_equal(submit(&b, &op, 1), E_OK);
    coord_unit_close(b.unit);
    assert_int_equal(op.op.err, E_NOT_LEADER);
    assert_int_equal(op.order, 1);
    b.unit = NULL;
    end_append(E_OK);
    bench_stop(&b);
}

TESTS(test_unit, cmocka_unit_test(releases_in_order), cmocka_unit_test(loads_what_was_applied),
      cmocka_unit_test(waits_for_its_partition), cmocka_unit_test(a_refused_append_leaves_no_trace),
      cmocka_unit_test(a_lost_append_ends_all_that_waits),
      cmocka_unit_test(a_machine_out_of_memory_is_loaded_again),
      cmocka_unit_test(closes_with_an_append_under_way));
