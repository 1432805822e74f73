#pragma once

#include "base/buf.h"
#include "net/loop.h"
#include "replica/manager.h"
#include "replica/partition.h"

/*
 * Rig: a loop, roots in a directory of their own, and a shard. Tests drive the
 * loop themselves: rig_run() turns it until rig_event() was called often enough.
 */
struct os;
struct os_pool;

enum { RIG_ROOTS = 2 };

struct rig {
    char path[RIG_ROOTS][64];
    struct os *os;
    struct loop *loop;
    struct os_pool *pool;
    struct replica_roots *roots;
    struct replica_shard *shard;
    struct loop_timer alarm;
    struct loop_task stop_task;
    int wanted;
};

void rig_make(struct rig *r);
void rig_start(struct rig *r, int pool_threads);
void rig_stop(struct rig *r);
void rig_remove(struct rig *r);

void rig_event(struct rig *r);
void rig_run(struct rig *r, int events);

/* One turn of the loop, with its hooks. */
void rig_turn(struct rig *r);

/* A batch of `count` records of `size` bytes into `out`. */
void rig_batch(struct buf *out, int count, size_t size);
