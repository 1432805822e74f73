#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/reader.h"
#include "base/slice.h"
#include "base/uuid.h"
#include "base/writer.h"
#include "net/loop.h"
#include "os/os.h"
#include "wire/api.h"
#include "wire/error.h"
#include "wire/header.h"

/*
 * Rig: a broker on loops and threads of its own, in a fresh folder, listening on a free
 * port; tests are clients with blocking sockets. An answer that does not come within
 * seconds fails the test.
 */
struct broker;
struct config;
struct os_pool;
struct os_thread;
struct quorum;
struct replica_roots;

enum { RIG_SHARDS_MAX = 4 };

struct rig {
    char path[64];
    struct os *os;
    struct config *config;
    struct os_pool *pool;
    struct loop *controller;
    struct loop *loops[RIG_SHARDS_MAX];
    struct os_thread *threads[RIG_SHARDS_MAX + 1];
    int shard_count;
    struct replica_roots *roots;
    struct quorum *quorum;
    struct broker *broker;
    struct loop_task stop_task;
    uint16_t port;
    struct arena arena; /* of everything decoded; until rig_stop */
};

/* `settings`: "name=value" texts, the last one NULL; NULL: none. */
void rig_start(struct rig *r, int shards, const char *const *settings);

/* An orderly stop, from then on joined by rig_finish(). */
void rig_stop_begin(struct rig *r);
void rig_finish(struct rig *r);
void rig_stop(struct rig *r);

struct client {
    struct rig *rig;
    int fd;
    int32_t correlation_id; /* of the last request */
    int32_t answered_id;    /* of the last answer */
    struct buf frame;
};

void client_open(struct client *c, struct rig *r);
void client_close(struct client *c);
void client_send(struct client *c, const void *at, size_t size);

/* True once the broker has closed; what it sends before that is thrown away. */
bool client_is_closed(struct client *c);

/* Nothing arrives within `ms`. */
bool client_is_silent(struct client *c, int ms);

struct writer client_begin(struct client *c, int16_t key, int16_t version);
void client_finish(struct client *c, struct writer *w);

/* The next answer; its body is left in the reader. */
struct reader client_answer(struct client *c, int16_t key, int16_t version);

/* SEND(&c, fetch, FETCH, 12, &in); RECEIVE(&c, fetch, FETCH, 12, &out); CALL does both. */
#define SEND(c, name, NAME, version, in)                                \
    do {                                                                \
        struct writer w_ = client_begin(c, WIRE_##NAME##_KEY, version); \
        wire_##name##_request_encode(&w_, version, in);                 \
        client_finish(c, &w_);                                          \
    } while (0)

#define RECEIVE(c, name, NAME, version, out)                                                 \
    do {                                                                                     \
        struct reader r_ = client_answer(c, WIRE_##NAME##_KEY, version);                     \
        assert_int_equal(wire_##name##_response_decode(&r_, version, &(c)->rig->arena, out), \
                         E_OK);                                                              \
        assert_int_equal(reader_left(&r_), 0);                                               \
    } while (0)

#define CALL(c, name, NAME, version, in, out) \
    do {                                      \
        SEND(c, name, NAME, version, in);     \
        RECEIVE(c, name, NAME, version, out); \
    } while (0)

/* Create a topic and wait until every shard knows it; its id. */
struct uuid client_create(struct client *c, const char *topic, int32_t partitions);

/* A batch of one record of `value_size` bytes; the memory lives until rig_stop. */
struct slice rig_batch(struct rig *r, size_t value_size);
struct slice rig_batch_of(struct rig *r, int64_t producer_id, int16_t epoch, int32_t sequence);

/* The same as part of a transaction, and the marker that ends one. */
struct slice rig_batch_in_txn(struct rig *r, int64_t producer_id, int32_t sequence);
struct slice rig_marker(struct rig *r, int64_t producer_id, bool commit);

/* Append past the protocol, as a coordinator does; waits until it is committed. */
void rig_append(struct rig *r, struct uuid topic_id, int32_t index, struct slice batch);

/* Produce v9 of one batch; without waiting, or with: error, and the base offset. */
void client_produce_send(struct client *c, const char *topic, int32_t index, struct slice records,
                         int16_t acks);
enum wire_error client_produce(struct client *c, const char *topic, int32_t index,
                               struct slice records, int64_t *offset_out);
