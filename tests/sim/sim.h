#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/rng.h"

struct os;

/*
 * Sim: a world of machines in one process, replayed from one seed.
 *
 * A world owns virtual time, one queue of events and one stream of random numbers.
 * A node is a machine: a disk that outlives its lives, clocks, a network address,
 * and while it is up, threads. Threads are coroutines: code under test runs as it
 * is, with loop_run() and os_file_sync() that block; one thread runs at a time and
 * the seed says which is next. Nothing here reads a real clock, file or socket.
 *
 * Owner:    a test; one real thread per world.
 * Failures: what cannot go on (no memory for the simulator itself) aborts.
 *
 * docs/simulation.md tells the fault model.
 */
struct sim_world;
struct sim_node;

static const int64_t SIM_US = 1000;
static const int64_t SIM_MS = 1000000;
static const int64_t SIM_S = 1000000000;

struct sim_world *sim_world_new(uint64_t seed);

/* Crashes what still runs. NULL is fine. */
void sim_world_free(struct sim_world *world);

int64_t sim_now_ns(const struct sim_world *world);

/* The world's only source of randomness; a test draws from it too. */
struct rng *sim_rng(struct sim_world *world);

/* Do the next event; false when there is none. */
bool sim_step(struct sim_world *world);

/* Do all events up to this time, which then is the current one. */
void sim_run_until(struct sim_world *world, int64_t at_ns);

/* Step until is_done(ctx); false when `limit_ns` of virtual time or the events ran out. */
bool sim_run(struct sim_world *world, bool (*is_done)(void *ctx), void *ctx, int64_t limit_ns);

/* Call fire(ctx) after `delay_ns`, outside of any node: where a test injects its faults. */
void sim_after(struct sim_world *world, int64_t delay_ns, void (*fire)(void *ctx), void *ctx);

/*
 * Trace: what happened, as one running hash. Equal seeds give equal hashes; with
 * a file each event is a line, to compare two runs with diff.
 */
uint64_t sim_trace_hash(const struct sim_world *world);
void sim_trace_to(struct sim_world *world, FILE *out); /* NULL: only the hash */
void sim_trace(struct sim_world *world, const struct sim_node *node, const char *kind, uint64_t a,
               uint64_t b);

/* Nodes. */

enum { SIM_HOST_SIZE = 64 };

/* A machine that is off, with an empty disk. `host` is its address, such as "10.0.0.1". */
struct sim_node *sim_node_new(struct sim_world *world, const char *host);

/*
 * Switch on: run(ctx, os) is its main thread. When that returns the process ends
 * as by exit(): its other threads go, its connections close, its disk and page
 * cache stay. What it still held is in sim_node_leaked().
 */
void sim_node_start(struct sim_node *node, void (*run)(void *ctx, struct os *os), void *ctx);
bool sim_node_is_up(const struct sim_node *node);

/* Starts so far. */
int sim_node_lives(const struct sim_node *node);

/* The machine loses its power: page cache, threads, memory and connections are gone. */
void sim_node_crash(struct sim_node *node);

/* kill -9: the process is gone, what it wrote is still in the page cache. */
void sim_node_kill(struct sim_node *node);

/* Lose power in the middle of the `count`-th disk call from now, counted from 1; 0: not. */
void sim_node_crash_after(struct sim_node *node, uint64_t count);
uint64_t sim_node_disk_calls(const struct sim_node *node);

/* SIGSTOP for `ns`: no thread of the node runs; its kernel still receives. */
void sim_node_pause(struct sim_node *node, int64_t ns);

/* The wall clock jumps; the monotonic one never does. */
void sim_node_jump_clock(struct sim_node *node, int64_t ms);

/* Memory that its code holds now and held at most, and what an ended process left. */
size_t sim_node_memory(const struct sim_node *node);
size_t sim_node_memory_peak(const struct sim_node *node);
size_t sim_node_leaked(const struct sim_node *node);

/* The `count`-th allocation from now, counted from 1, returns NULL; 0: none. */
void sim_node_fail_allocation(struct sim_node *node, uint64_t count);

/*
 * Disk. Rates are in parts per million of calls; all zero but the latencies at first.
 */
struct sim_disk_faults {
    int64_t sync_ns_min; /* of one sync */
    int64_t sync_ns_max;
    uint32_t slow_sync_ppm; /* and then it takes up to slow_sync_ns */
    int64_t slow_sync_ns;
    uint32_t sync_fail_ppm; /* E_IO; the unsynced bytes count as clean, most are lost */
    uint32_t write_fail_ppm;
    uint32_t read_fail_ppm;
    uint32_t open_fail_ppm;
    bool is_tearing;    /* a crash may cut inside of a 512-byte block */
    int64_t size_bytes; /* of the disk; writes past it give E_NO_SPACE; 0: no limit */
    int handles_max;    /* E_TOO_MANY_FILES past it; 0: no limit */
};

struct sim_disk_faults *sim_node_disk(struct sim_node *node);

/* When a sync of this life last failed; 0: none did. */
int64_t sim_disk_sync_failed(const struct sim_node *node);

/* Change bits of a file at rest, in cache and on disk; false if there is no such byte. */
bool sim_disk_flip(struct sim_node *node, const char *path, int64_t pos, uint8_t mask);

/* Reads that touch this byte fail from now on, until it is written; false as above. */
bool sim_disk_spoil(struct sim_node *node, const char *path, int64_t pos);

/* Size of a file as the page cache has it; -1 if there is none. */
int64_t sim_disk_size(struct sim_node *node, const char *path);
int64_t sim_disk_used(const struct sim_node *node);

/* Throw the disk away and put an empty one in; the node must be off. */
void sim_disk_replace(struct sim_node *node);

/* Number that depends on every name and byte the disk shows. */
uint64_t sim_disk_hash(const struct sim_node *node);

/*
 * Network. Of the whole world; a stream keeps its order, streams overtake each other.
 */
struct sim_net_faults {
    int64_t latency_ns_min;
    int64_t latency_ns_max;
    size_t segment_bytes_max; /* what is sent arrives in pieces of 1 to so many bytes */
    size_t window_bytes;      /* that the kernels take without the receiver reading */
    uint32_t stall_ppm;       /* of segments: they wait up to stall_ns more */
    int64_t stall_ns;
    uint32_t reset_ppm;    /* of segments: they end their connection instead */
    int64_t lost_after_ns; /* a cut that lasts so long ends a connection that has bytes to send */
    int64_t connect_limit_ns; /* a connect that is not answered fails */
};

struct sim_net_faults *sim_net(struct sim_world *world);

/* Nothing gets through from `from` to `to` until healed; streams wait meanwhile. */
void sim_net_cut(struct sim_node *from, struct sim_node *to);
void sim_net_heal(struct sim_node *from, struct sim_node *to);
void sim_net_heal_all(struct sim_world *world);

/* Reset every connection between the two. */
void sim_net_reset(struct sim_node *a, struct sim_node *b);
