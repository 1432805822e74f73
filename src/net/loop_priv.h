#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/counter.h"
#include "base/heap.h"
#include "base/list.h"
#include "net/loop.h"

enum {
    /* One read takes at most this; also what a small file range is copied through. */
    LOOP_SCRATCH_SIZE = 256 << 10,
    /* Receive buffers that are free now and likely to be wanted again. */
    LOOP_SPARE_COUNT = 4,
    LOOP_SPARE_SIZE_MIN = 32 << 10,
    LOOP_SPARE_SIZE_MAX = 2 << 20
};

/*
 * Source: whatever has a descriptor in the epoll set. Embedded in its owner.
 *
 * Lifetime: the events of one wait are an array, and handling one may end the
 * owner of a later one. So the owner closes its descriptor, marks itself and
 * calls loop_bury(); release() runs at the end of the turn.
 */
struct loop_source {
    void (*ready)(struct loop_source *source, uint32_t events);
    void (*release)(struct loop_source *source);
    struct list_node dead;
};

struct loop_spare {
    uint8_t *at;
    size_t capacity;
};

struct loop {
    struct os *os;
    int epoll;
    int wake; /* an eventfd */
    int64_t now_ms;
    int64_t wall_ms;
    int64_t woke_ns;        /* when this turn's work began */
    struct counter busy_ns; /* before that */
    bool is_again;
    uint8_t *scratch; /* of LOOP_SCRATCH_SIZE: valid within one call into net/ */

    struct heap timers;
    struct list_node hooks;
    struct list_node ready;   /* conns with bytes to deliver without a read */
    struct list_node attend;  /* conns to send from or to end in step 6 */
    struct list_node waiting; /* conns that wait for memory, oldest first */
    struct list_node linger;  /* conns that were closed and wait for the peer to notice */
    struct list_node dead;    /* sources to release at the end of the turn */
    struct loop_spare spares[LOOP_SPARE_COUNT];

    atomic_bool is_asleep; /* in epoll_wait, or about to be */
    atomic_bool is_posted; /* `posted` may hold something */
    atomic_bool is_stopping;
    pthread_mutex_t lock;
    struct list_node posted; /* guarded by lock */
};

/* One turn; waits as long as there is nothing to do. */
void loop_turn(struct loop *loop);

NODISCARD enum err loop_source_add(struct loop *loop, struct loop_source *source, int fd,
                                   uint32_t events);
void loop_source_change(struct loop *loop, struct loop_source *source, int fd, uint32_t events);
void loop_bury(struct loop *loop, struct loop_source *source);
