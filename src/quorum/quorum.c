#include "quorum/quorum.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "os/os.h"
#include "quorum/quorum_priv.h"
#include "replica/manager.h"
#include "trace/trace.h"

static const char topic_name[] = "__cluster_metadata";
static const char directory_name[] = "__cluster_metadata-0";

/* Kafka's fixed id of the metadata topic. */
static const struct uuid topic_id = {{[15] = 1}};

/* Commits */

static void on_op_done(struct loop_task *task)
{
    struct quorum_op *op = LIST_ENTRY(task, struct quorum_op, task);

    op->done(op);
}

/* The caller's from here on: nothing may touch the op after the post. */
static void finish_op(struct quorum_op *op, enum err e)
{
    if (e != E_OK)
        op->error = WIRE_ERROR_KAFKA_STORAGE_ERROR;
    op->task.run = on_op_done;
    loop_post(op->loop, &op->task);
}

static void commit_free(struct quorum_commit *c)
{
    meta_records_release(&c->records);
    buf_release(&c->bytes);
    mem_free(c);
}

static struct quorum_commit *commit_new(struct quorum *q, struct quorum_op *op)
{
    struct quorum_commit *c = mem_must_alloc(sizeof(*c));

    c->quorum = q;
    c->op = op;
    buf_init(&c->bytes, META_RECORDS_BYTES_MAX * 2);
    meta_records_init(&c->records);
    return c;
}

/* In order: an answer that rests on an earlier change comes after that was committed. */
static void drain(struct quorum *q)
{
    struct list_node *node;

    while ((node = list_first(&q->commits)) != NULL) {
        struct quorum_commit *c = LIST_ENTRY(node, struct quorum_commit, node);

        if (!c->is_done)
            return;
        list_remove(node);
        if (c->err != E_OK)
            trace_event(q->trace, TRACE_ERROR, TRACE_QUORUM, "commit_failed",
                        TRACE_FIELDS(trace_error(c->err)));
        else if (c->has_records)
            quorum_publish(q, &c->records, c->end_offset);
        if (c->op != NULL)
            finish_op(c->op, c->err);
        commit_free(c);
    }
}

static void on_append_done(struct partition_append *append)
{
    struct quorum_commit *c = LIST_ENTRY(append, struct quorum_commit, append);

    c->is_done = true;
    c->err = append->err;
    drain(c->quorum);
}

/* What was appended must fit the image, since it was decided on it. */
static void apply_commit(struct quorum *q, struct quorum_commit *c)
{
    struct report report = {{0}};
    enum err e = E_OK;

    for (size_t i = 0; i < meta_records_count(&c->records) && e == E_OK; i++)
        e = meta_image_apply(q->image, meta_records_at(&c->records, i), NULL, &report);
    c->end_offset = log_end_offset(partition_log(q->partition));
    meta_image_set_offset(q->image, c->end_offset - 1);
    if (e == E_OK)
        return;
    q->is_broken = true;
    trace_event(q->trace, TRACE_ERROR, TRACE_QUORUM, "image_broken",
                TRACE_FIELDS(trace_error(e), trace_text("text", report.text)));
}

/* Append c->bytes, which hold its records, and put it in line. */
static void commit_append(struct quorum *q, struct quorum_commit *c)
{
    c->append = (struct partition_append){
        .bytes = c->bytes.at,
        .size = c->bytes.size,
        .acks = -1,
        .may_use_reserve = true, /* a topic can be deleted when the disk is full */
        .wall_ms = os_wall_ms(loop_os(q->loop)),
        .done = on_append_done,
    };
    c->has_records = true;
    list_push_back(&q->commits, &c->node);
    partition_append(q->partition, &c->append);
    if (c->append.err == E_OK)
        apply_commit(q, c);
}

static void commit_nothing(struct quorum *q, struct quorum_commit *c, enum err e)
{
    c->is_done = true;
    c->err = e;
    list_push_back(&q->commits, &c->node);
    drain(q);
}

/* Ops */

static enum err decide(struct quorum *q, struct meta_control *control, struct quorum_op *op)
{
    switch (op->kind) {
    case QUORUM_CREATE_TOPICS:
        return meta_create_topics(control, op->request.create_topics, &op->result.topics);
    case QUORUM_DELETE_TOPICS:
        return meta_delete_topics(control, op->request.delete_topics, &op->result.topics);
    case QUORUM_CREATE_PARTITIONS:
        return meta_create_partitions(control, op->request.create_partitions, &op->result.topics);
    case QUORUM_ALTER_CONFIGS:
        return meta_alter_configs(control, &op->request.alter_configs, &op->result.resources);
    case QUORUM_PRODUCER_IDS:
        return meta_allocate_producer_ids(control, q->identity.node_id, q->broker_epoch,
                                          &op->result.first_producer_id);
    }
    return E_INVAL;
}

static struct meta_control control_of(struct quorum *q, struct arena *arena,
                                      struct meta_records *records)
{
    return (struct meta_control){
        .image = q->image,
        .arena = arena,
        .rng = &q->rng,
        .default_partitions = q->default_partitions,
        .default_replication = q->default_replication,
        .config = q->config,
        .records = records,
    };
}

static void on_op(struct loop_task *task)
{
    struct quorum_op *op = LIST_ENTRY(task, struct quorum_op, task);
    struct quorum *q = op->quorum;
    struct quorum_commit *c = commit_new(q, op);
    struct meta_control control = control_of(q, op->arena, &c->records);
    enum err e;

    op->error = WIRE_ERROR_NONE;
    if (q->is_broken) {
        commit_nothing(q, c, E_BROKEN);
        return;
    }
    e = decide(q, &control, op);
    if (e == E_OK && meta_records_count(&c->records) > 0)
        e = quorum_build_batch(q, &c->records, &c->bytes);
    if (e != E_OK) {
        op->error = WIRE_ERROR_UNKNOWN_SERVER_ERROR;
        if (e == E_TOO_BIG)
            op->error = WIRE_ERROR_POLICY_VIOLATION;
        commit_nothing(q, c, E_OK);
    } else if (meta_records_count(&c->records) == 0) {
        commit_nothing(q, c, E_OK);
    } else {
        commit_append(q, c);
    }
}

void quorum_submit(struct quorum *quorum, struct quorum_op *op)
{
    op->quorum = quorum;
    op->task.run = on_op;
    loop_post(quorum->loop, &op->task);
}

/* Opening */

static struct log_options log_options(void)
{
    struct log_options o = log_options_default();

    o.durability = LOG_DURABILITY_ALWAYS;
    o.retention_ms = -1;
    o.retention_bytes = -1;
    o.is_compacted = false;
    o.is_deleted = false;
    o.preallocate = false;
    return o;
}

/* The root that holds the log already, or the first. */
static struct log_root *find_root(struct replica_roots *roots)
{
    size_t root;

    return replica_roots_at(roots, replica_roots_find(roots, directory_name, &root) ? root : 0);
}

static enum err open_log(struct quorum *q, const struct quorum_options *options,
                         struct report *report)
{
    struct replica_options shard = {
        .loop = options->loop, .pool = options->pool, .trace = options->trace};
    struct partition_open open = {
        .id = {.topic_id = topic_id, .index = 0},
        .topic = slice_of_text(topic_name),
        .leader_epoch = -1,
        .root = find_root(options->roots),
        .log = log_options(),
    };
    enum err e = replica_shard_open(&shard, &q->shard);

    return e != E_OK ? e : partition_open(q->shard, &open, &q->partition, report);
}

/* The records of our start: what a new cluster begins with, and ourselves. */
static enum err decide_start(struct quorum *q, const struct quorum_options *options, bool is_new,
                             int64_t first_offset, struct meta_records *records)
{
    struct meta_registration registration = {
        .broker_id = q->identity.node_id,
        .endpoints = options->endpoints,
        .endpoint_count = options->endpoint_count,
        .rack = options->rack,
        .log_dir_count = q->identity.directory_count,
        .is_unfenced = true,
    };
    struct meta_control control;
    struct arena arena;
    enum err e = E_OK;

    arena_init(&arena, QUORUM_ARENA_MAX);
    control = control_of(q, &arena, records);
    if (is_new)
        e = meta_bootstrap(&control);
    q->broker_epoch = first_offset + (int64_t)meta_records_count(records);
    registration.broker_epoch = q->broker_epoch;
    rng_bytes(&q->rng, registration.incarnation_id.bytes, sizeof(registration.incarnation_id));
    memcpy(registration.log_dir_ids, q->identity.directory_ids, sizeof(registration.log_dir_ids));
    if (e == E_OK)
        e = meta_register_broker(&control, &registration);
    arena_release(&arena);
    return e;
}

/* Lead in a new epoch: one append of the control batch that says so and our first records. */
static enum err start_epoch(struct quorum *q, const struct quorum_options *options,
                            struct report *report)
{
    struct log *log = partition_log(q->partition);
    int64_t start = log_end_offset(log);
    bool is_new = meta_image_offset(q->image) < 0;
    struct quorum_commit *c = commit_new(q, NULL);
    int32_t control_count = 0;
    enum err e;

    q->epoch = log_latest_epoch(log) + 1;
    e = partition_lead(q->partition, q->epoch);
    if (e == E_OK)
        e = quorum_build_epoch(q, is_new, &c->bytes, &control_count);
    if (e == E_OK)
        e = decide_start(q, options, is_new, start + control_count, &c->records);
    if (e == E_OK)
        e = quorum_build_batch(q, &c->records, &c->bytes);
    if (e != E_OK) {
        commit_free(c);
        report_set(report, "start an epoch of the metadata log: %s", err_text(e));
        return e;
    }
    q->committed_offset = start;
    commit_append(q, c);
    q->ready_offset = log_end_offset(log);
    if (c->append.err != E_OK || q->is_broken) {
        report_set(report, "write the metadata log: %s", err_text(c->append.err));
        return c->append.err != E_OK ? c->append.err : E_CORRUPT;
    }
    /* The commit is the turn hook's; nothing else may wake the loop for it. */
    loop_turn_again(q->loop);
    return E_OK;
}

enum err quorum_open(const struct quorum_options *options, struct quorum **quorum_out,
                     struct report *report)
{
    struct quorum *q = mem_must_alloc(sizeof(*q));
    uint64_t seed;
    enum err e;

    q->loop = options->loop;
    q->trace = options->trace;
    q->config = options->config;
    q->default_partitions = options->default_partitions > 0 ? options->default_partitions : 1;
    q->default_replication = options->default_replication > 0 ? options->default_replication : 3;
    list_init(&q->commits);
    list_init(&q->observers);
    os_random(loop_os(q->loop), &seed, sizeof(seed));
    rng_init(&q->rng, seed);
    q->image = meta_image_new(rng_next(&q->rng));
    e = q->image == NULL ? E_NOMEM : quorum_identity_open(&q->identity, options, report);
    if (e == E_OK)
        e = open_log(q, options, report);
    if (e == E_OK)
        e = quorum_replay(q, report);
    if (e == E_OK)
        e = start_epoch(q, options, report);
    if (e != E_OK) {
        quorum_close(q);
        return e;
    }
    trace_event(q->trace, TRACE_INFO, TRACE_QUORUM, "metadata_loaded",
                TRACE_FIELDS(trace_text("cluster_id", q->identity.cluster_id),
                             trace_i64("epoch", q->epoch), trace_offset(q->committed_offset),
                             trace_i64("topics", (int64_t)meta_image_topic_count(q->image))));
    *quorum_out = q;
    return E_OK;
}

void quorum_close(struct quorum *quorum)
{
    struct list_node *node;

    if (quorum == NULL)
        return;
    replica_shard_close(quorum->shard);
    while ((node = list_pop_front(&quorum->commits)) != NULL)
        commit_free(LIST_ENTRY(node, struct quorum_commit, node));
    meta_image_free(quorum->image);
    mem_free(quorum);
}

bool quorum_is_idle(const struct quorum *quorum)
{
    return list_is_empty(&quorum->commits);
}

int32_t quorum_node_id(const struct quorum *quorum)
{
    return quorum->identity.node_id;
}

const char *quorum_cluster_id(const struct quorum *quorum)
{
    return quorum->identity.cluster_id;
}

int64_t quorum_broker_epoch(const struct quorum *quorum)
{
    return quorum->broker_epoch;
}
