#include "client.h"

#include <string.h>

#include "base/mem.h"
#include "wire/api_versions.h"
#include "wire/error.h"
#include "wire/header.h"
#include "wire/metadata.h"

enum {
    FRAME_PREFIX = 4,
    FRAME_MAX = 1 << 20,
    ARENA_MAX = 1 << 20,
    BACK_OFF_MS_MIN = 5,
    BACK_OFF_MS_MAX = 150,
    TIMEOUT_MS_MIN = 300,
    TIMEOUT_MS_MAX = 3000,
    METADATA_VERSION = 12,
    API_VERSIONS_VERSION = 3,
};

struct flight {
    struct list_node entry;
    int16_t api;
    int16_t version;
    int32_t correlation;
    int64_t deadline_ms;
    void *request;
};

struct client_link {
    struct client_world *world;
    struct loop *loop;
    const struct client_events *events;
    void *ctx;
    struct conn *conn;
    bool is_up;
    int view;
    int64_t timeout_ms;
    int32_t correlation;
    struct flight next;
    struct buf out;
    struct list_node flights;
    struct loop_timer timer; /* to connect, or of the oldest request */
};

static const struct conn_options options = {.receive_bytes_max = FRAME_MAX};

static void flights_lose(struct client_link *link)
{
    struct list_node *node;

    while ((node = list_pop_front(&link->flights)) != NULL) {
        struct flight *flight = LIST_ENTRY(node, struct flight, entry);

        if (flight->api != WIRE_API_VERSIONS_KEY)
            link->events->on_lost(link->ctx, flight->api, flight->request);
        mem_free(flight);
    }
}

static void back_off(struct client_link *link)
{
    int64_t ms = rng_between(sim_rng(link->world->world), BACK_OFF_MS_MIN, BACK_OFF_MS_MAX);

    loop_timer_start(link->loop, &link->timer, loop_now_ms(link->loop) + ms);
}

static void watch_oldest(struct client_link *link)
{
    struct list_node *first = list_first(&link->flights);

    if (first == NULL)
        loop_timer_stop(link->loop, &link->timer);
    else
        loop_timer_start(link->loop, &link->timer,
                         LIST_ENTRY(first, struct flight, entry)->deadline_ms);
}

static void on_close(struct conn *conn, void *ctx, enum err why)
{
    struct client_link *link = ctx;

    link->conn = NULL;
    link->is_up = false;
    flights_lose(link);
    back_off(link);
}

static void on_connected(struct conn *conn, void *ctx)
{
    struct client_link *link = ctx;
    struct wire_api_versions_request m;
    struct writer w;

    wire_api_versions_request_init(&m);
    m.client_software_name = slice_of_text("sim");
    m.client_software_version = slice_of_text("1");
    client_link_begin(link, WIRE_API_VERSIONS_KEY, API_VERSIONS_VERSION, &w);
    wire_api_versions_request_encode(&w, API_VERSIONS_VERSION, &m);
    client_link_send(link, &w, NULL);
}

static void api_versions_read(struct client_link *link, struct reader *r)
{
    struct wire_api_versions_response m;
    struct arena arena;

    arena_init(&arena, ARENA_MAX);
    if (wire_api_versions_response_decode(r, API_VERSIONS_VERSION, &arena, &m) != E_OK ||
        reader_done(r) != E_OK || m.error_code != 0 || m.api_keys_count == 0)
        check_fail(link->world->check, "ApiVersions: not an answer");
    arena_release(&arena);
    link->is_up = true;
    link->events->on_up(link->ctx);
}

/* One whole answer. */
static void frame_read(struct client_link *link, const uint8_t *at, size_t size)
{
    struct reader r = reader_init(at, size);
    struct list_node *node = list_pop_front(&link->flights);
    struct flight flight;
    int32_t correlation;

    if (node == NULL) {
        check_fail(link->world->check, "an answer that nobody asked for");
        return;
    }
    flight = *LIST_ENTRY(node, struct flight, entry);
    mem_free(LIST_ENTRY(node, struct flight, entry));
    watch_oldest(link);
    if (wire_response_header_decode(&r, flight.api, flight.version, &correlation) != E_OK ||
        correlation != flight.correlation)
        check_fail(link->world->check, "answers are not in the order of their requests");
    else if (flight.api == WIRE_API_VERSIONS_KEY)
        api_versions_read(link, &r);
    else
        link->events->on_answer(link->ctx, flight.api, flight.version, flight.request, &r);
}

static size_t on_data(struct conn *conn, void *ctx, uint8_t *at, size_t size)
{
    struct client_link *link = ctx;
    struct reader r = reader_init(at, size);
    int32_t frame_size;

    if (size < FRAME_PREFIX)
        return 0;
    frame_size = reader_i32(&r);
    if (frame_size < 0 || frame_size > FRAME_MAX - FRAME_PREFIX) {
        check_fail(link->world->check, "an answer of %d bytes", frame_size);
        conn_close(conn);
        return size;
    }
    if (reader_left(&r) < (size_t)frame_size) {
        conn_expect(conn, (size_t)frame_size + FRAME_PREFIX);
        return 0;
    }
    frame_read(link, r.at, (size_t)frame_size);
    return (size_t)frame_size + FRAME_PREFIX;
}

static const struct conn_events conn_events = {
    .on_data = on_data, .on_connected = on_connected, .on_close = on_close};

static void on_timer(struct loop_timer *timer)
{
    struct client_link *link = LIST_ENTRY(timer, struct client_link, timer);

    if (link->conn != NULL) { /* the oldest request has waited long enough */
        conn_close(link->conn);
        return;
    }
    link->view = check_view(link->world->check);
    if (conn_connect(link->loop, &link->world->broker, &options,
                     (struct conn_handler){&conn_events, link}, &link->conn) != E_OK)
        back_off(link);
}

struct client_link *client_link_new(struct client_world *world, struct loop *loop,
                                    const struct client_events *events, void *ctx)
{
    struct client_link *link = mem_must_alloc(sizeof(*link));

    link->world = world;
    link->loop = loop;
    link->events = events;
    link->ctx = ctx;
    link->timeout_ms = rng_between(sim_rng(world->world), TIMEOUT_MS_MIN, TIMEOUT_MS_MAX);
    link->timer.fire = on_timer;
    list_init(&link->flights);
    back_off(link);
    return link;
}

bool client_link_is_up(const struct client_link *link)
{
    return link->is_up;
}

int client_link_in_flight(const struct client_link *link)
{
    return (int)list_count(&link->flights);
}

int client_link_view(const struct client_link *link)
{
    return link->view;
}

void client_link_begin(struct client_link *link, int16_t api, int16_t version, struct writer *w)
{
    struct wire_request_header header = {.api_key = api,
                                         .api_version = version,
                                         .correlation_id = link->correlation++,
                                         .client_id = slice_of_text("sim")};

    buf_init(&link->out, FRAME_MAX);
    *w = writer_init(&link->out);
    writer_i32(w, 0);
    wire_request_header_encode(w, &header);
    link->next =
        (struct flight){.api = api, .version = version, .correlation = header.correlation_id};
}

void client_link_send(struct client_link *link, struct writer *w, void *request)
{
    struct flight *flight = mem_must_alloc(sizeof(*flight));

    writer_i32_at(w, 0, (int32_t)(link->out.size - FRAME_PREFIX));
    if (writer_done(w) != E_OK)
        check_fail(link->world->check, "a request that does not encode");
    *flight = link->next;
    flight->request = request;
    flight->deadline_ms = loop_now_ms(link->loop) + link->timeout_ms;
    list_push_back(&link->flights, &flight->entry);
    watch_oldest(link);
    conn_send(link->conn, &link->out);
}

void client_link_reset(struct client_link *link)
{
    if (link->conn != NULL)
        conn_close(link->conn);
}

/* Metadata. */

struct slice client_topic_name(int topic)
{
    return slice_of_text(topic == 0 ? "t0" : "t1");
}

void client_metadata_ask(struct client_link *link, int topic)
{
    struct wire_metadata_request m;
    struct wire_metadata_request_metadata_request_topic t;
    struct writer w;

    wire_metadata_request_init(&m);
    wire_metadata_request_metadata_request_topic_init(&t);
    t.name = client_topic_name(topic);
    m.topics = &t;
    m.topics_count = 1;
    m.allow_auto_topic_creation = true;
    client_link_begin(link, WIRE_METADATA_KEY, METADATA_VERSION, &w);
    wire_metadata_request_encode(&w, METADATA_VERSION, &m);
    client_link_send(link, &w, NULL);
}

static bool topic_is_ready(struct client_link *link, int topic,
                           const struct wire_metadata_response *m, struct uuid *id_out)
{
    const struct wire_metadata_response_metadata_response_topic *t = m->topics;

    if (m->topics_count != 1 || !slice_equal(t->name, client_topic_name(topic))) {
        check_fail(link->world->check, "Metadata: another topic than asked for");
        return false;
    }
    if (t->error_code != 0) {
        if (!client_is_retriable(t->error_code))
            check_fail(link->world->check, "Metadata: %s", wire_error_name(t->error_code));
        return false;
    }
    check_topic(link->world->check, topic, t->topic_id);
    if (t->partitions_count != link->world->partition_count) {
        check_fail(link->world->check, "topic %d has %d partitions", topic, t->partitions_count);
        return false;
    }
    for (int32_t i = 0; i < t->partitions_count; i++) {
        if (t->partitions[i].error_code != 0 || t->partitions[i].leader_id < 0)
            return false;
    }
    *id_out = t->topic_id;
    return true;
}

bool client_metadata_read(struct client_link *link, int topic, int16_t version, struct reader *r,
                          struct uuid *id_out)
{
    struct wire_metadata_response m;
    struct arena arena;
    bool is_ready = false;

    arena_init(&arena, ARENA_MAX);
    if (wire_metadata_response_decode(r, version, &arena, &m) != E_OK || reader_done(r) != E_OK)
        check_fail(link->world->check, "Metadata: the answer does not decode");
    else
        is_ready = topic_is_ready(link, topic, &m, id_out);
    arena_release(&arena);
    return is_ready;
}

bool client_is_retriable(int16_t error)
{
    switch (error) {
    case WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case WIRE_ERROR_LEADER_NOT_AVAILABLE:
    case WIRE_ERROR_NOT_LEADER_OR_FOLLOWER:
    case WIRE_ERROR_REQUEST_TIMED_OUT:
    case WIRE_ERROR_COORDINATOR_LOAD_IN_PROGRESS:
    case WIRE_ERROR_COORDINATOR_NOT_AVAILABLE:
    case WIRE_ERROR_KAFKA_STORAGE_ERROR:
    case WIRE_ERROR_UNKNOWN_TOPIC_ID:
    case WIRE_ERROR_NOT_CONTROLLER:
    case WIRE_ERROR_FENCED_LEADER_EPOCH:
    case WIRE_ERROR_UNKNOWN_LEADER_EPOCH:
        return true;
    default:
        return false;
    }
}
