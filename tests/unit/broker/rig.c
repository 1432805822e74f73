#include "rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/report.h"
#include "broker/broker_priv.h"
#include "broker/shard_priv.h"
#include "config/config.h"
#include "lib/folder.h"
#include "meta/image.h"
#include "os/thread.h"
#include "quorum/quorum.h"
#include "record/builder.h"
#include "record/control.h"
#include "replica/manager.h"
#include "replica/partition.h"
#include "unit.h"
#include "wire/create_topics.h"
#include "wire/produce.h"

enum { PATIENCE_MS = 10 * 1000, FRAME_MAX = 64 << 20, ARENA_MAX = 256 << 20 };

static void setting(struct rig *r, const char *text)
{
    struct report report = {{0}};

    if (config_set_argument(r->config, slice_of_text(text), &report) != E_OK)
        fail_msg("%s", report.text);
}

static void run_loop(void *ctx)
{
    loop_run(ctx);
}

static void open_parts(struct rig *r)
{
    const char *paths[] = {r->path};
    struct meta_endpoint endpoint = {
        .name = slice_of_text("PLAINTEXT"), .host = slice_of_text("localhost"), .port = 1};
    struct report report = {{0}};
    struct quorum_options quorum = {.node_id = 1,
                                    .endpoints = &endpoint,
                                    .endpoint_count = 1,
                                    .default_partitions = 1,
                                    .default_replication = 1};
    struct broker_options broker = {.os = r->os, .config = r->config, .loops = r->loops};

    assert_int_equal(loop_open(r->os, &r->controller), E_OK);
    for (int i = 0; i < r->shard_count; i++)
        assert_int_equal(loop_open(r->os, &r->loops[i]), E_OK);
    assert_int_equal(os_pool_open(r->os, 4, &r->pool), E_OK);
    assert_int_equal(replica_roots_open(r->os, paths, 1, &r->roots, &report), E_OK);
    replica_roots_guard(r->roots, r->config, os_wall_ms(r->os));
    quorum.loop = r->controller;
    quorum.roots = r->roots;
    assert_int_equal(quorum_open(&quorum, &r->quorum, &report), E_OK);
    broker.quorum = r->quorum;
    broker.roots = r->roots;
    broker.pool = r->pool;
    broker.shard_count = r->shard_count;
    assert_int_equal(broker_open(&broker, &r->broker), E_OK);
    if (broker_listen(r->broker, &report) != E_OK)
        fail_msg("%s", report.text);
    broker_listener(r->broker, 0, &endpoint);
    r->port = (uint16_t)endpoint.port;
}

void rig_start(struct rig *r, int shards, const char *const *settings)
{
    *r = (struct rig){.shard_count = shards};
    assert_true(test_folder_make("broker", r->path, sizeof(r->path)));
    arena_init(&r->arena, ARENA_MAX);
    assert_int_equal(os_open(&r->os), E_OK);
    r->config = config_new();
    setting(r, "listeners=PLAINTEXT://127.0.0.1:0");
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i++)
        setting(r, settings[i]);
    open_parts(r);
    assert_int_equal(
        os_thread_start(r->os, "controller", run_loop, r->controller, &r->threads[shards]), E_OK);
    for (int i = 0; i < shards; i++)
        assert_int_equal(os_thread_start(r->os, "shard", run_loop, r->loops[i], &r->threads[i]),
                         E_OK);
}

static void on_stopped(void *ctx)
{
    struct rig *r = ctx;

    loop_stop(r->controller);
    for (int i = 0; i < r->shard_count; i++)
        loop_stop(r->loops[i]);
}

static void stop_run(struct loop_task *task)
{
    struct rig *r = LIST_ENTRY(task, struct rig, stop_task);

    broker_stop(r->broker, on_stopped, r);
}

void rig_stop_begin(struct rig *r)
{
    r->stop_task.run = stop_run;
    loop_post(r->loops[0], &r->stop_task);
}

void rig_finish(struct rig *r)
{

    for (int i = 0; i <= r->shard_count; i++)
        os_thread_join(r->threads[i]);
    broker_close(r->broker);
    quorum_close(r->quorum);
    replica_roots_close(r->roots);
    os_pool_close(r->pool);
    for (int i = 0; i < r->shard_count; i++)
        loop_close(r->loops[i]);
    loop_close(r->controller);
    config_free(r->config);
    os_close(r->os);
    arena_release(&r->arena);
    assert_true(test_folder_remove(r->path));
}

void rig_stop(struct rig *r)
{
    rig_stop_begin(r);
    rig_finish(r);
}

void client_open(struct client *c, struct rig *r)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(r->port)};
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    int one = 1;

    *c = (struct client){.rig = r};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(c->fd >= 0);
    assert_int_equal(connect(c->fd, (struct sockaddr *)&to, sizeof(to)), 0);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    buf_init(&c->frame, FRAME_MAX);
}

void client_close(struct client *c)
{
    close(c->fd);
    buf_release(&c->frame);
}

void client_send(struct client *c, const void *at, size_t size)
{
    const char *next = at;

    while (size > 0) {
        ssize_t sent = send(c->fd, next, size, MSG_NOSIGNAL);

        assert_true(sent > 0);
        next += sent;
        size -= (size_t)sent;
    }
}

bool client_is_closed(struct client *c)
{
    char scratch[4096];
    ssize_t count;

    while ((count = recv(c->fd, scratch, sizeof(scratch), 0)) > 0)
        ;
    return count == 0;
}

bool client_is_silent(struct client *c, int ms)
{
    struct pollfd fd = {.fd = c->fd, .events = POLLIN};

    return poll(&fd, 1, ms) == 0;
}

struct writer client_begin(struct client *c, int16_t key, int16_t version)
{
    struct wire_request_header header = {.api_key = key,
                                         .api_version = version,
                                         .correlation_id = ++c->correlation_id,
                                         .client_id = slice_of_text("unit")};
    struct writer w;

    buf_clear(&c->frame);
    w = writer_init(&c->frame);
    writer_i32(&w, 0);
    wire_request_header_encode(&w, &header);
    return w;
}

void client_finish(struct client *c, struct writer *w)
{
    writer_i32_at(w, 0, (int32_t)c->frame.size - 4);
    assert_int_equal(writer_done(w), E_OK);
    client_send(c, c->frame.at, c->frame.size);
}

static void receive(struct client *c, uint8_t *at, size_t size)
{
    while (size > 0) {
        ssize_t count = recv(c->fd, at, size, 0);

        if (count <= 0)
            fail_msg("no answer: %s", count == 0 ? "the broker closed" : "time is up");
        at += count;
        size -= (size_t)count;
    }
}

struct reader client_answer(struct client *c, int16_t key, int16_t version)
{
    uint8_t prefix[4] = {0};
    struct reader r;
    int32_t size;
    uint8_t *at;

    receive(c, prefix, sizeof(prefix));
    r = reader_init(prefix, sizeof(prefix));
    size = reader_i32(&r);
    assert_in_range(size, 4, FRAME_MAX);
    at = arena_alloc(&c->rig->arena, (size_t)size);
    assert_non_null(at);
    receive(c, at, (size_t)size);
    r = reader_init(at, (size_t)size);
    c->answered_id = reader_i32(&r);
    if (key != WIRE_API_API_VERSIONS && wire_api_is_flexible(wire_api_find(key), version))
        assert_int_equal(reader_i8(&r), 0);
    return r;
}

struct uuid client_create(struct client *c, const char *topic, int32_t partitions)
{
    struct wire_create_topics_request_creatable_topic t;
    struct wire_create_topics_request in;
    struct wire_create_topics_response out;

    wire_create_topics_request_init(&in);
    wire_create_topics_request_creatable_topic_init(&t);
    t.name = slice_of_text(topic);
    t.num_partitions = partitions;
    t.replication_factor = 1;
    in.topics = &t;
    in.topics_count = 1;
    in.timeout_ms = PATIENCE_MS;
    CALL(c, create_topics, CREATE_TOPICS, 7, &in, &out);
    assert_int_equal(out.topics_count, 1);
    assert_int_equal(out.topics[0].error_code, 0);
    if (c->rig->shard_count > 1)
        usleep(100 * 1000); /* the other shards hear of it on their own */
    return out.topics[0].topic_id;
}

static struct slice batch_make(struct rig *r, const struct batch_options *options,
                               size_t value_size)
{
    uint8_t *value = calloc(1, value_size + 1);
    struct batch_builder builder;
    struct slice batch;
    struct buf out;

    buf_init(&out, FRAME_MAX);
    batch_builder_init(&builder, options);
    assert_int_equal(
        batch_builder_add(&builder, &(struct record_draft){.timestamp_ms = os_wall_ms(r->os),
                                                           .value = slice_of(value, value_size)}),
        E_OK);
    assert_int_equal(batch_builder_finish(&builder, &out), E_OK);
    batch_builder_release(&builder);
    batch = arena_copy(&r->arena, buf_slice(&out));
    buf_release(&out);
    free(value);
    return batch;
}

struct slice rig_batch(struct rig *r, size_t value_size)
{
    struct batch_options options = batch_options_init(0);

    return batch_make(r, &options, value_size);
}

struct slice rig_batch_of(struct rig *r, int64_t producer_id, int16_t epoch, int32_t sequence)
{
    struct batch_options options = batch_options_init(0);

    options.producer_id = producer_id;
    options.producer_epoch = epoch;
    options.base_sequence = sequence;
    return batch_make(r, &options, 10);
}

struct slice rig_batch_in_txn(struct rig *r, int64_t producer_id, int32_t sequence)
{
    struct batch_options options = batch_options_init(0);

    options.producer_id = producer_id;
    options.producer_epoch = 0;
    options.base_sequence = sequence;
    options.transactional = true;
    return batch_make(r, &options, 10);
}

struct slice rig_marker(struct rig *r, int64_t producer_id, bool commit)
{
    struct batch_end_txn marker = {.producer_id = producer_id, .commit = commit};
    struct slice batch;
    struct buf out;

    buf_init(&out, 1000);
    assert_int_equal(batch_build_end_txn(&marker, &out), E_OK);
    batch = arena_copy(&r->arena, buf_slice(&out));
    buf_release(&out);
    return batch;
}

/* On every loop, one after the other, until the one that has the partition. */
struct append {
    struct loop_task task;
    struct rig *rig;
    struct partition_id id;
    struct partition_append op;
    int shard;
    atomic_bool is_done;
};

static void append_done(struct partition_append *op)
{
    struct append *a = op->ctx;

    assert_int_equal(op->err, E_OK);
    atomic_store(&a->is_done, true);
}

static void append_run(struct loop_task *task)
{
    struct append *a = LIST_ENTRY(task, struct append, task);
    struct partition *p = partition_find(a->rig->broker->shards[a->shard].replicas, a->id);

    if (p != NULL) {
        partition_append(p, &a->op);
        return;
    }
    assert_true(++a->shard < a->rig->shard_count);
    loop_post(a->rig->loops[a->shard], &a->task);
}

void rig_append(struct rig *r, struct uuid topic_id, int32_t index, struct slice batch)
{
    struct append a = {.rig = r,
                       .id = {.topic_id = topic_id, .index = index},
                       .op = {.bytes = test_malloc(batch.size), .size = batch.size, .acks = -1}};

    memcpy(a.op.bytes, batch.at, batch.size);
    a.task.run = append_run;
    a.op.done = append_done;
    a.op.ctx = &a;
    loop_post(r->loops[0], &a.task);
    for (int i = 0; i < PATIENCE_MS && !atomic_load(&a.is_done); i++)
        usleep(1000);
    assert_true(atomic_load(&a.is_done));
    test_free(a.op.bytes);
}

void client_produce_send(struct client *c, const char *topic, int32_t index, struct slice records,
                         int16_t acks)
{
    struct wire_produce_request_partition_produce_data data;
    struct wire_produce_request_topic_produce_data t;
    struct wire_produce_request in;

    wire_produce_request_init(&in);
    wire_produce_request_topic_produce_data_init(&t);
    wire_produce_request_partition_produce_data_init(&data);
    in.acks = acks;
    in.timeout_ms = PATIENCE_MS;
    in.topic_data = &t;
    in.topic_data_count = 1;
    t.name = slice_of_text(topic);
    t.partition_data = &data;
    t.partition_data_count = 1;
    data.index = index;
    data.records = (struct wire_records){.at = records.at, .size = (int32_t)records.size};
    SEND(c, produce, PRODUCE, 9, &in);
}

enum wire_error client_produce(struct client *c, const char *topic, int32_t index,
                               struct slice records, int64_t *offset_out)
{
    struct wire_produce_response out;

    client_produce_send(c, topic, index, records, -1);
    RECEIVE(c, produce, PRODUCE, 9, &out);
    assert_int_equal(out.responses_count, 1);
    assert_int_equal(out.responses[0].partition_responses_count, 1);
    if (offset_out != NULL)
        *offset_out = out.responses[0].partition_responses[0].base_offset;
    return (enum wire_error)out.responses[0].partition_responses[0].error_code;
}
