#include "client.h"

#include "base/mem.h"
#include "record/builder.h"
#include "wire/error.h"
#include "wire/init_producer_id.h"
#include "wire/metadata.h"
#include "wire/produce.h"

/*
 * A producer: batches of new records now and then, up to five requests in flight.
 *
 * Order as the Java client keeps it: batches of a partition leave in order; one
 * that comes back with an error goes first, and alone, until it is done, because
 * those behind it were refused for the gap.
 */
enum {
    IN_FLIGHT_MAX = 5,
    PENDING_MAX = 8, /* of a partition */
    BATCH_RECORDS_MAX = 6,
    BATCH_BYTES_MAX = 64 << 10,
    TICK_MS_MAX = 25,
    BACK_OFF_MS = 30,
    PRODUCE_VERSION_LOW = 9,
    PRODUCE_VERSION_HIGH = 13,
    INIT_VERSION = 4,
    PRODUCE_TIMEOUT_MS = 1000,
};

struct batch {
    struct list_node entry; /* in its part, in order */
    struct check_batch names;
    bool is_in_flight;
    int64_t made_ms;
    int64_t sent_ns; /* first; 0: never */
    int64_t retry_at_ms;
    struct batch *next; /* in its request */
};

struct part {
    struct list_node batches;
    int32_t next_number;
};

struct request {
    struct batch *batches;
};

struct producer_client {
    struct client_world *world;
    struct loop *loop;
    struct producer_options options;
    struct client_link *link;
    struct loop_timer timer;
    int16_t version;
    bool has_topic;
    bool is_asking; /* Metadata or InitProducerId is in flight */
    struct uuid topic_id;
    bool has_id; /* and a lane */
    int64_t id;
    int16_t epoch;
    int lane;
    int32_t record_count;
    struct part parts[CHECK_TOPIC_PARTITIONS];
};

static struct rng *rng_of(struct producer_client *p)
{
    return sim_rng(p->world->world);
}

/* Everything pending is given up: a new life under a new id. Only weak promises allow it. */
static void start_over(struct producer_client *p)
{
    p->has_id = false;
    for (int i = 0; i < CHECK_TOPIC_PARTITIONS; i++) {
        struct list_node *node = p->parts[i].batches.next;

        p->parts[i].next_number = 0;
        while (node != &p->parts[i].batches) {
            struct batch *b = LIST_ENTRY(node, struct batch, entry);

            node = node->next;
            list_remove(&b->entry);
            if (!b->is_in_flight)
                mem_free(b);
        }
    }
}

/* Make records. */

static void batch_make(struct producer_client *p, int index)
{
    struct part *part = &p->parts[index];
    struct batch *b;

    if (list_count(&part->batches) >= PENDING_MAX)
        return;
    b = mem_must_alloc(sizeof(*b));
    b->made_ms = loop_wall_ms(p->loop);
    b->names.lane = p->lane;
    b->names.partition = p->options.topic * CHECK_TOPIC_PARTITIONS + index;
    b->names.first = part->next_number;
    b->names.count = 1 + (int32_t)rng_below(rng_of(p), BATCH_RECORDS_MAX);
    part->next_number += b->names.count;
    p->record_count += b->names.count;
    list_push_back(&part->batches, &b->entry);
}

static void batch_encode(struct producer_client *p, const struct batch *b, struct buf *out)
{
    struct batch_options options = batch_options_init(0);
    struct batch_builder builder;
    uint8_t value[CHECK_VALUE_SIZE_MAX + 8];
    uint64_t draw = (uint64_t)b->names.first * 31 + (uint64_t)b->names.partition;
    enum err e = E_OK;

    /* The same at every send, as a client's are: a retry must be the same bytes. */
    options.codec = draw % 7 == 0 ? (enum codec_id)(draw / 7 % CODEC_COUNT) : CODEC_NONE;
    if (p->options.is_idempotent) {
        options.producer_id = p->id;
        options.producer_epoch = p->epoch;
        options.base_sequence = b->names.first;
    }
    batch_builder_init(&builder, &options);
    for (int32_t i = 0; e == E_OK && i < b->names.count; i++) {
        struct record_draft draft = {.timestamp_ms = b->made_ms};

        draft.value = slice_of(value, check_value(&b->names, b->names.first + i, value));
        e = batch_builder_add(&builder, &draft);
    }
    if (e == E_OK)
        e = batch_builder_finish(&builder, out);
    if (e != E_OK)
        check_fail(p->world->check, "a batch is not built: %s", err_text(e));
    batch_builder_release(&builder);
}

/* Send. */

/* The next batch of the partition that may leave; NULL: none now. */
static struct batch *part_next(struct producer_client *p, struct part *part)
{
    for (struct list_node *n = part->batches.next; n != &part->batches; n = n->next) {
        struct batch *b = LIST_ENTRY(n, struct batch, entry);

        if (b->is_in_flight)
            continue;
        if (b->retry_at_ms > loop_now_ms(p->loop))
            return NULL;
        /* A retry goes alone. */
        return b->sent_ns == 0 || n == list_first(&part->batches) ? b : NULL;
    }
    return NULL;
}

static struct request *request_gather(struct producer_client *p)
{
    struct request *request = NULL;

    for (int i = 0; i < p->world->partition_count; i++) {
        struct batch *b = part_next(p, &p->parts[i]);

        if (b == NULL || rng_chance(rng_of(p), 1, 4))
            continue;
        if (request == NULL)
            request = mem_must_alloc(sizeof(*request));
        b->next = request->batches;
        request->batches = b;
        b->is_in_flight = true;
        if (b->sent_ns == 0)
            b->sent_ns = sim_now_ns(p->world->world);
        check_sent(p->world->check, &b->names);
        sim_trace(p->world->world, NULL, "send", (uint64_t)b->names.lane << 8 | (uint64_t)i,
                  (uint64_t)b->names.first);
    }
    return request;
}

static void request_send(struct producer_client *p, struct request *request)
{
    struct wire_produce_request m;
    struct wire_produce_request_topic_produce_data topic;
    struct wire_produce_request_partition_produce_data parts[CHECK_TOPIC_PARTITIONS];
    struct buf bytes[CHECK_TOPIC_PARTITIONS];
    struct writer w;
    int32_t count = 0;

    wire_produce_request_init(&m);
    wire_produce_request_topic_produce_data_init(&topic);
    for (struct batch *b = request->batches; b != NULL; b = b->next) {
        buf_init(&bytes[count], BATCH_BYTES_MAX);
        batch_encode(p, b, &bytes[count]);
        wire_produce_request_partition_produce_data_init(&parts[count]);
        parts[count].index = b->names.partition % CHECK_TOPIC_PARTITIONS;
        parts[count].records.at = bytes[count].at;
        parts[count].records.size = (int32_t)bytes[count].size;
        count++;
    }
    topic.name = client_topic_name(p->options.topic);
    topic.topic_id = p->topic_id;
    topic.partition_data = parts;
    topic.partition_data_count = count;
    m.transactional_id = slice_of(NULL, 0);
    m.acks = p->options.acks;
    m.timeout_ms = PRODUCE_TIMEOUT_MS;
    m.topic_data = &topic;
    m.topic_data_count = 1;
    client_link_begin(p->link, WIRE_PRODUCE_KEY, p->version, &w);
    wire_produce_request_encode(&w, p->version, &m);
    client_link_send(p->link, &w, request);
    while (count > 0)
        buf_release(&bytes[--count]);
}

static void ask_id(struct producer_client *p)
{
    struct wire_init_producer_id_request m;
    struct writer w;

    wire_init_producer_id_request_init(&m);
    m.transactional_id = slice_of(NULL, 0);
    m.transaction_timeout_ms = PRODUCE_TIMEOUT_MS;
    client_link_begin(p->link, WIRE_INIT_PRODUCER_ID_KEY, INIT_VERSION, &w);
    wire_init_producer_id_request_encode(&w, INIT_VERSION, &m);
    client_link_send(p->link, &w, NULL);
}

/* Do what can be done now. */
static void pump(struct producer_client *p)
{
    struct request *request;

    if (!client_link_is_up(p->link) || p->is_asking)
        return;
    if (!p->has_topic) {
        p->is_asking = true;
        client_metadata_ask(p->link, p->options.topic);
        return;
    }
    if (!p->has_id && p->options.is_idempotent) {
        p->is_asking = true;
        ask_id(p);
        return;
    }
    if (!p->has_id) {
        p->lane = check_lane_new(p->world->check, false);
        p->has_id = true;
    }
    while (client_link_in_flight(p->link) < IN_FLIGHT_MAX && (request = request_gather(p)) != NULL)
        request_send(p, request);
}

/* Answers. */

static void batch_retry(struct producer_client *p, struct batch *b, int64_t delay_ms)
{
    b->retry_at_ms = loop_now_ms(p->loop) + delay_ms;
}

static void batch_done(struct producer_client *p, struct batch *b)
{
    list_remove(&b->entry);
    mem_free(b);
}

static void batch_answer(struct producer_client *p, struct batch *b,
                         const struct wire_produce_response_partition_produce_response *r)
{
    struct check *check = p->world->check;
    struct part *part = &p->parts[r->index];
    bool is_first = list_first(&part->batches) == &b->entry;

    sim_trace(p->world->world, NULL, wire_error_name(r->error_code),
              (uint64_t)b->names.lane << 8 | (uint64_t)r->index, (uint64_t)b->names.first);
    if (r->error_code == WIRE_ERROR_NONE) {
        check_acked(check, &b->names, client_link_view(p->link), r->base_offset, b->sent_ns);
        batch_done(p, b);
    } else if (client_is_retriable(r->error_code)) {
        if (r->error_code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION ||
            r->error_code == WIRE_ERROR_NOT_LEADER_OR_FOLLOWER)
            p->has_topic = false;
        batch_retry(p, b, BACK_OFF_MS);
    } else if (r->error_code == WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER && !is_first) {
        batch_retry(p, b, 0);
    } else if (!check_is_durable(check) &&
               (r->error_code == WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER ||
                r->error_code == WIRE_ERROR_UNKNOWN_PRODUCER_ID)) {
        start_over(p);
    } else {
        check_fail(check, "partition %d lane %d number %d: produce says %s", b->names.partition,
                   b->names.lane, b->names.first, wire_error_name(r->error_code));
    }
}

static const struct wire_produce_response_partition_produce_response *answer_find(
    const struct wire_produce_response *m, int32_t index)
{
    for (int32_t t = 0; t < m->responses_count; t++) {
        for (int32_t i = 0; i < m->responses[t].partition_responses_count; i++) {
            if (m->responses[t].partition_responses[i].index == index)
                return &m->responses[t].partition_responses[i];
        }
    }
    return NULL;
}

/* The request's batches are the producer's again; those of an old life are only freed. */
static void request_end(struct producer_client *p, struct request *request,
                        const struct wire_produce_response *m)
{
    struct batch *next;

    for (struct batch *b = request->batches; b != NULL; b = next) {
        const struct wire_produce_response_partition_produce_response *r;

        next = b->next;
        b->is_in_flight = false;
        if (!list_is_linked(&b->entry)) {
            mem_free(b);
            continue;
        }
        if (m == NULL) {
            batch_retry(p, b, 0);
            continue;
        }
        r = answer_find(m, b->names.partition % CHECK_TOPIC_PARTITIONS);
        if (r == NULL)
            check_fail(p->world->check, "produce does not answer for a partition");
        else
            batch_answer(p, b, r);
    }
    mem_free(request);
}

static void produce_read(struct producer_client *p, int16_t version, struct request *request,
                         struct reader *r)
{
    struct wire_produce_response m;
    struct arena arena;

    arena_init(&arena, BATCH_BYTES_MAX);
    if (wire_produce_response_decode(r, version, &arena, &m) != E_OK || reader_done(r) != E_OK) {
        check_fail(p->world->check, "Produce: the answer does not decode");
        m = (struct wire_produce_response){0};
    }
    request_end(p, request, &m);
    arena_release(&arena);
}

static void id_read(struct producer_client *p, int16_t version, struct reader *r)
{
    struct wire_init_producer_id_response m;
    struct arena arena;

    arena_init(&arena, BATCH_BYTES_MAX);
    if (wire_init_producer_id_response_decode(r, version, &arena, &m) != E_OK ||
        reader_done(r) != E_OK) {
        check_fail(p->world->check, "InitProducerId: the answer does not decode");
    } else if (m.error_code == 0) {
        check_producer_id(p->world->check, m.producer_id);
        p->id = m.producer_id;
        p->epoch = m.producer_epoch;
        p->lane = check_lane_new(p->world->check, true);
        p->has_id = true;
    } else if (!client_is_retriable(m.error_code)) {
        check_fail(p->world->check, "InitProducerId: %s", wire_error_name(m.error_code));
    }
    arena_release(&arena);
}

static void on_up(void *ctx)
{
    pump(ctx);
}

static void on_answer(void *ctx, int16_t api, int16_t version, void *request, struct reader *r)
{
    struct producer_client *p = ctx;

    if (api == WIRE_PRODUCE_KEY) {
        produce_read(p, version, request, r);
    } else {
        p->is_asking = false;
        if (api == WIRE_METADATA_KEY)
            p->has_topic =
                client_metadata_read(p->link, p->options.topic, version, r, &p->topic_id);
        else
            id_read(p, version, r);
        if (!p->has_topic || (!p->has_id && p->options.is_idempotent))
            return; /* the next tick asks again */
    }
    pump(p);
}

static void on_lost(void *ctx, int16_t api, void *request)
{
    struct producer_client *p = ctx;

    if (api == WIRE_PRODUCE_KEY)
        request_end(p, request, NULL);
    else
        p->is_asking = false;
}

static const struct client_events events = {
    .on_up = on_up, .on_answer = on_answer, .on_lost = on_lost};

static void on_tick(struct loop_timer *timer)
{
    struct producer_client *p = LIST_ENTRY(timer, struct producer_client, timer);

    if (p->has_id && !p->world->is_ending && p->record_count < p->options.records_max)
        batch_make(p, (int)rng_below(rng_of(p), (uint64_t)p->world->partition_count));
    pump(p);
    loop_timer_start(p->loop, timer, loop_now_ms(p->loop) + rng_between(rng_of(p), 1, TICK_MS_MAX));
}

struct producer_client *producer_client_new(struct client_world *world, struct loop *loop,
                                            const struct producer_options *o)
{
    struct producer_client *p = mem_must_alloc(sizeof(*p));

    p->world = world;
    p->loop = loop;
    p->options = *o;
    p->version =
        (int16_t)rng_between(sim_rng(world->world), PRODUCE_VERSION_LOW, PRODUCE_VERSION_HIGH);
    for (int i = 0; i < CHECK_TOPIC_PARTITIONS; i++)
        list_init(&p->parts[i].batches);
    p->timer.fire = on_tick;
    p->link = client_link_new(world, loop, &events, p);
    loop_timer_start(loop, &p->timer, loop_now_ms(loop) + TICK_MS_MAX);
    return p;
}

bool producer_client_is_idle(const struct producer_client *p)
{
    for (int i = 0; i < CHECK_TOPIC_PARTITIONS; i++) {
        if (!list_is_empty(&p->parts[i].batches))
            return false;
    }
    return true;
}
