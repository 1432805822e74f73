#include "client.h"

#include "base/mem.h"
#include "record/batch.h"
#include "record/record.h"
#include "wire/error.h"
#include "wire/fetch.h"
#include "wire/metadata.h"

/*
 * A consumer of all partitions of a topic: one fetch at a time, a long poll, in a
 * session that names only what has changed. It believes nothing: CRCs, offsets
 * without gaps, the bytes of every record, and that a high watermark never is less
 * than what was known when the fetch was sent.
 */
enum {
    FETCH_VERSION_LOW = 11,
    FETCH_VERSION_HIGH = 17,
    ARENA_MAX = 1 << 20,
    UNPACK_MAX = 1 << 20,
    WAIT_MS_MAX = 250,
    BYTES_MAX = 128 << 10,
    SMALL_BYTES_MAX = 2000,
    TICK_MS = 40,
    START_OVER_TICKS = 60,
};

struct part {
    int64_t pos;      /* offset of the next record */
    int64_t told_pos; /* what the session has; -1: nothing */
    int64_t high_watermark;
    int64_t floor; /* check_floor() when the fetch was sent */
};

struct consumer_client {
    struct client_world *world;
    struct loop *loop;
    int topic;
    struct client_link *link;
    struct loop_timer timer;
    int16_t version;
    bool has_topic;
    bool is_asking;
    struct uuid topic_id;
    bool has_sessions; /* uses them at all */
    int32_t session_id;
    int32_t session_epoch; /* of the next fetch; 0: a full one */
    int32_t size_max;
    bool is_starting_over;
    struct part parts[CHECK_TOPIC_PARTITIONS];
};

static struct rng *rng_of(struct consumer_client *c)
{
    return sim_rng(c->world->world);
}

static void session_end(struct consumer_client *c)
{
    c->session_id = 0;
    c->session_epoch = c->has_sessions ? 0 : -1;
    for (int i = 0; i < CHECK_TOPIC_PARTITIONS; i++) {
        c->parts[i].told_pos = -1;
        c->parts[i].high_watermark = -1;
    }
}

/* Ask. */

static void fetch_send(struct consumer_client *c)
{
    struct wire_fetch_request m;
    struct wire_fetch_request_fetch_topic topic;
    struct wire_fetch_request_fetch_partition parts[CHECK_TOPIC_PARTITIONS];
    struct writer w;

    wire_fetch_request_init(&m);
    wire_fetch_request_fetch_topic_init(&topic);
    topic.topic = client_topic_name(c->topic);
    topic.topic_id = c->topic_id;
    topic.partitions = parts;
    for (int i = 0; i < c->world->partition_count; i++) {
        struct part *part = &c->parts[i];
        struct wire_fetch_request_fetch_partition *out = &parts[topic.partitions_count];

        part->floor = check_floor(c->world->check, c->topic * CHECK_TOPIC_PARTITIONS + i);
        if (part->told_pos == part->pos)
            continue;
        part->told_pos = part->pos;
        wire_fetch_request_fetch_partition_init(out);
        out->partition = i;
        out->fetch_offset = part->pos;
        out->partition_max_bytes = c->size_max;
        topic.partitions_count++;
    }
    m.topics = &topic;
    m.topics_count = topic.partitions_count > 0 ? 1 : 0;
    m.max_wait_ms = (int32_t)rng_below(rng_of(c), WAIT_MS_MAX);
    m.min_bytes = rng_chance(rng_of(c), 3, 4) ? 1 : (int32_t)rng_below(rng_of(c), SMALL_BYTES_MAX);
    m.max_bytes = c->size_max;
    m.session_id = c->session_id;
    m.session_epoch = c->session_epoch;
    c->is_asking = true;
    client_link_begin(c->link, WIRE_FETCH_KEY, c->version, &w);
    wire_fetch_request_encode(&w, c->version, &m);
    client_link_send(c->link, &w, NULL);
}

static void pump(struct consumer_client *c)
{
    if (!client_link_is_up(c->link) || c->is_asking)
        return;
    for (int i = 0; c->is_starting_over && i < CHECK_TOPIC_PARTITIONS; i++)
        c->parts[i].pos = 0;
    c->is_starting_over = false;
    if (c->has_topic) {
        fetch_send(c);
        return;
    }
    c->is_asking = true;
    client_metadata_ask(c->link, c->topic);
}

/* Read. */

static int number_of(const struct consumer_client *c, int index)
{
    return c->topic * CHECK_TOPIC_PARTITIONS + index;
}

static void batch_read(struct consumer_client *c, int index, const struct batch_view *batch)
{
    struct check *check = c->world->check;
    struct part *part = &c->parts[index];
    struct record_iter it;
    struct record_view record;
    struct buf unpack;
    enum err e;

    if (batch_check_crc(batch->bytes) != E_OK)
        check_fail(check, "partition %d: the batch at %lld is damaged", number_of(c, index),
                   (long long)batch->header.base_offset);
    if (batch->header.base_offset > part->pos)
        check_fail(check, "partition %d: no offsets from %lld to %lld", number_of(c, index),
                   (long long)part->pos, (long long)batch->header.base_offset);
    buf_init(&unpack, UNPACK_MAX);
    e = record_iter_init(&it, batch->bytes, &unpack);
    while (e == E_OK && record_iter_next(&it, &record)) {
        if (record.offset < part->pos)
            continue;
        if (record.offset != part->pos || record.offset >= part->high_watermark)
            check_fail(check, "partition %d: offset %lld comes after %lld, high watermark %lld",
                       number_of(c, index), (long long)record.offset, (long long)part->pos - 1,
                       (long long)part->high_watermark);
        check_served(check, client_link_view(c->link), number_of(c, index), record.offset,
                     record.value);
        part->pos = record.offset + 1;
    }
    if (e == E_OK)
        e = record_iter_done(&it);
    if (e != E_OK)
        check_fail(check, "partition %d: the records at %lld: %s", number_of(c, index),
                   (long long)batch->header.base_offset, err_text(e));
    buf_release(&unpack);
}

static void part_error(struct consumer_client *c, int index, int16_t error)
{
    struct check *check = c->world->check;
    struct part *part = &c->parts[index];

    if (error == WIRE_ERROR_OFFSET_OUT_OF_RANGE && !check_is_durable(check)) {
        part->pos = 0; /* it is told to */
    } else if (client_is_retriable(error)) {
        c->has_topic = false;
        part->told_pos = -1;
    } else {
        check_fail(check, "partition %d: fetch at %lld says %s", number_of(c, index),
                   (long long)part->pos, wire_error_name(error));
    }
}

static void part_read(struct consumer_client *c,
                      const struct wire_fetch_response_partition_data *in)
{
    struct check *check = c->world->check;
    struct batch_iter it = batch_iter_init(slice_of(in->records.at, (size_t)in->records.size));
    struct batch_view batch;
    struct part *part;
    enum err e;

    if (in->partition_index < 0 || in->partition_index >= c->world->partition_count) {
        check_fail(check, "fetch answers for partition %d", in->partition_index);
        return;
    }
    part = &c->parts[in->partition_index];
    if (in->error_code != WIRE_ERROR_NONE) {
        part_error(c, in->partition_index, in->error_code);
        return;
    }
    part->high_watermark = in->high_watermark;
    if (in->log_start_offset != 0)
        check_fail(check, "partition %d starts at %lld", number_of(c, in->partition_index),
                   (long long)in->log_start_offset);
    if (in->records.size < 0)
        return;
    while (batch_iter_next(&it, &batch))
        batch_read(c, in->partition_index, &batch);
    e = batch_iter_done(&it);
    if (e != E_OK && e != E_TRUNCATED)
        check_fail(check, "partition %d: %s at %lld", number_of(c, in->partition_index),
                   err_text(e), (long long)part->pos);
}

/* What the answer says, or leaves as it was, about all partitions. */
static void watermarks_check(struct consumer_client *c)
{
    for (int i = 0; i < c->world->partition_count; i++) {
        const struct part *part = &c->parts[i];

        if (part->high_watermark >= 0)
            check_told(c->world->check, client_link_view(c->link), number_of(c, i),
                       part->high_watermark, part->floor);
    }
}

static void fetch_read(struct consumer_client *c, const struct wire_fetch_response *m)
{
    struct check *check = c->world->check;

    if (m->error_code == WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND ||
        m->error_code == WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH) {
        check_fail(check, "a fetch session is lost on one connection: %s",
                   wire_error_name(m->error_code));
        session_end(c);
        return;
    }
    if (m->error_code != WIRE_ERROR_NONE) {
        check_fail(check, "fetch says %s", wire_error_name(m->error_code));
        return;
    }
    if (!c->has_sessions) {
        session_end(c);
    } else if (m->session_id != 0) {
        c->session_id = m->session_id;
        c->session_epoch++;
    } else {
        session_end(c); /* no room for one: the next fetch is whole again */
    }
    for (int32_t t = 0; t < m->responses_count; t++) {
        for (int32_t i = 0; i < m->responses[t].partitions_count; i++)
            part_read(c, &m->responses[t].partitions[i]);
    }
    watermarks_check(c);
}

static void on_up(void *ctx)
{
    session_end(ctx);
    pump(ctx);
}

static void on_answer(void *ctx, int16_t api, int16_t version, void *request, struct reader *r)
{
    struct consumer_client *c = ctx;
    struct wire_fetch_response m;
    struct arena arena;

    c->is_asking = false;
    if (api == WIRE_METADATA_KEY) {
        c->has_topic = client_metadata_read(c->link, c->topic, version, r, &c->topic_id);
    } else {
        arena_init(&arena, ARENA_MAX);
        if (wire_fetch_response_decode(r, version, &arena, &m) != E_OK || reader_done(r) != E_OK)
            check_fail(c->world->check, "Fetch: the answer does not decode");
        else
            fetch_read(c, &m);
        arena_release(&arena);
    }
    if (c->has_topic)
        pump(c);
}

static void on_lost(void *ctx, int16_t api, void *request)
{
    struct consumer_client *c = ctx;

    c->is_asking = false;
}

static const struct client_events events = {
    .on_up = on_up, .on_answer = on_answer, .on_lost = on_lost};

static void on_tick(struct loop_timer *timer)
{
    struct consumer_client *c = LIST_ENTRY(timer, struct consumer_client, timer);

    /* Now and then everything again: what was served must still be there. */
    if (!c->world->is_ending && rng_chance(rng_of(c), 1, START_OVER_TICKS))
        c->is_starting_over = true;
    pump(c);
    loop_timer_start(c->loop, timer, loop_now_ms(c->loop) + TICK_MS);
}

struct consumer_client *consumer_client_new(struct client_world *world, struct loop *loop,
                                            int topic)
{
    struct consumer_client *c = mem_must_alloc(sizeof(*c));

    c->world = world;
    c->loop = loop;
    c->topic = topic;
    c->version = (int16_t)rng_between(sim_rng(world->world), FETCH_VERSION_LOW, FETCH_VERSION_HIGH);
    c->has_sessions = rng_chance(sim_rng(world->world), 3, 4);
    c->size_max = rng_chance(sim_rng(world->world), 1, 3)
                      ? 1 + (int32_t)rng_below(sim_rng(world->world), SMALL_BYTES_MAX)
                      : BYTES_MAX;
    session_end(c);
    c->timer.fire = on_tick;
    c->link = client_link_new(world, loop, &events, c);
    loop_timer_start(loop, &c->timer, loop_now_ms(loop) + TICK_MS);
    return c;
}

bool consumer_client_is_at_end(const struct consumer_client *c)
{
    for (int i = 0; i < c->world->partition_count; i++) {
        const struct part *part = &c->parts[i];

        if (part->pos != part->high_watermark ||
            part->pos < check_floor(c->world->check, number_of(c, i)))
            return false;
    }
    return true;
}
