#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/reader.h"
#include "base/writer.h"
#include "net/conn.h"
#include "net/loop.h"
#include "sim_broker_check.h"

/*
 * A small Kafka client on the simulated network: links that connect again for ever,
 * producers and consumers on them. It behaves as the real ones do where that
 * matters to the promises: order of retries, five requests in flight, fetch sessions.
 */

/* What all clients of a world share. */
struct client_world {
    struct sim_world *world;
    struct check *check;
    struct net_endpoint broker;
    int topic_count;
    int partition_count; /* of each topic */
    bool is_ending;      /* producers make nothing new */
};

/*
 * Link: one connection to the broker, with requests in flight in their order.
 *
 *   down --(back-off, connect, ApiVersions)--> up --(lost, time-out)--> down
 */
struct client_link;

struct client_events {
    void (*on_up)(void *ctx);

    /* The answer's body is at `r`. What does not fit together is closed with client_link_reset. */
    void (*on_answer)(void *ctx, int16_t api, int16_t version, void *request, struct reader *r);

    /* No answer will come for `request`. */
    void (*on_lost)(void *ctx, int16_t api, void *request);
};

struct client_link *client_link_new(struct client_world *world, struct loop *loop,
                                    const struct client_events *events, void *ctx);
bool client_link_is_up(const struct client_link *link);
int client_link_in_flight(const struct client_link *link);

/* check_view() of when it began to connect. */
int client_link_view(const struct client_link *link);

/* Write the body to *w, then send; `request` comes back with the answer. */
void client_link_begin(struct client_link *link, int16_t api, int16_t version, struct writer *w);
void client_link_send(struct client_link *link, struct writer *w, void *request);
void client_link_reset(struct client_link *link);

/* Metadata about one topic, made when it is not there. */
void client_metadata_ask(struct client_link *link, int topic);

/* True when the topic is there with all its partitions led; its id goes to *id_out. */
bool client_metadata_read(struct client_link *link, int topic, int16_t version, struct reader *r,
                          struct uuid *id_out);

/* "t0", "t1": static text. */
struct slice client_topic_name(int topic);

/* Codes after which a client tries again. */
bool client_is_retriable(int16_t error);

/* Producer (client_producer.c): writes to one topic. */
struct producer_client;

struct producer_options {
    int topic;
    bool is_idempotent;
    int16_t acks;
    int32_t records_max; /* then it is silent */
};

struct producer_client *producer_client_new(struct client_world *world, struct loop *loop,
                                            const struct producer_options *options);

/* Nothing waits for an answer or to be sent. */
bool producer_client_is_idle(const struct producer_client *p);

/* Consumer (client_consumer.c): reads a topic from offset 0 on, for ever. */
struct consumer_client;

struct consumer_client *consumer_client_new(struct client_world *world, struct loop *loop,
                                            int topic);

/* It has read all that is known to be committed, and was told that this is all. */
bool consumer_client_is_at_end(const struct consumer_client *c);
